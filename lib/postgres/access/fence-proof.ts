/**
 * The proof that a database is fenced: nobody has a right to write or could get one, and everybody who held a write lock when that was so
 * has ended. So no further write can come, but by those whom no grant binds: their sessions are named.
 */
import { type Db, literal } from '../connection/connect';
import { type Poll, pollEvery, untilNone } from '../connection/lsn';
import { ownSession, rdsRoles } from '../connection/server';
import { together } from '../connection/together';
import { knownRights, lookAtRights } from './known-rights';
import { type OpenWrite, openWrite, openWrites, openWritesSql, stillOpen } from './open-writes';
import { type FoundWays, sentenceOf, type Way, wayQueries, wayQueriesSince, waysIn } from './rights';
import { type Roles, rightsRole } from './roles';
import { keptSessions, notesSql } from './set-role';
import { writersSql } from './writers';

export interface ProofOptions {
  /** What somebody has looked at and found to be no way around the fence, as the proof names it (`Way.acknowledgedBy`). */
  readonly acknowledgedFunctions?: readonly string[];
  /** How the end of those in the middle is waited for. @default every millisecond, for a second */
  readonly poll?: Poll;
}

export interface Proof {
  readonly proven: boolean;
  /** What stands against it, one sentence each; empty when proven. */
  readonly reasons: readonly string[];
}

export async function proveFenced(db: Db, roles: Roles, { acknowledgedFunctions = [], poll }: ProofOptions = {}): Promise<Proof> {
  const at = await whatStands(db, roles);
  const [{ recovering, user, sees } = { recovering: true, user: '', sees: false }] = at.server;
  const not = (reason: string): Proof => ({ proven: false, reasons: [reason] });
  if (recovering) return not('this server is a replica: what reaches it is decided on its primary');
  // without pg_read_all_stats other users' transactions are hidden: an empty list would prove nothing.
  if (!sees) return not(`'${user}' cannot see other users' transactions; run: GRANT pg_monitor TO ${user}`);
  // Who holds a write lock now may have been allowed to, or is in the middle of a grant; who takes one later is checked with the rights of
  // then. Customers go on trying at a fence, so a look may fall into a statement that is about to be refused: it is gone in a moment.
  // Where anybody may write there is nothing to wait for.
  const wait = at.users.length > 0 ? notAtAll : (poll ?? pollEvery(1, 1_000, 'the end of open transactions'));
  await ended(db, at.open.map(openWrite), wait);
  const { ways, above } = await standing(db, roles, acknowledgedFunctions);
  // once more: a right that was taken away between the two looks may still be used by whoever had locked before that.
  const open = await ended(db, await openWrites(db), wait);
  const reasons = [
    ...ways.filter((way) => !acknowledgedFunctions.includes(way.acknowledgedBy ?? '')).map(sentenceOf),
    ...above,
    ...(await prepared(db)),
    ...open.map(sentence),
  ];
  return { proven: reasons.length === 0, reasons };
}

/** Before the gap, while customers write: notes the rights of this moment, and makes the plans of what the proof asks on this connection. */
export async function prepareProof(db: Db, roles: Roles, acknowledgedFunctions: readonly string[] = []): Promise<void> {
  await lookAtRights(db);
  await whatStands(db, roles);
  await standing(db, roles, acknowledgedFunctions);
  await openWrites(db);
  await prepared(db);
}

interface Whereabouts {
  readonly recovering: boolean;
  readonly user: string;
  readonly sees: boolean;
}
const whatStands = (db: Db, roles: Roles) =>
  together<{ server: Whereabouts; users: unknown; open: OpenWrite }>(db, {
    ...{ server: whereabouts, users: writersSql(roles), open: openWritesSql },
  });
const whereabouts = `SELECT pg_catalog.pg_is_in_recovery() AS recovering, current_user AS "user", pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees`;

/** Who could write or come to, and whom no grant binds. With a look before the gap, of the rights on relations only what is newer. */
async function standing(
  db: Db,
  roles: Roles,
  acknowledged: readonly string[],
): Promise<{ ways: readonly Way[]; above: readonly string[] }> {
  const rest = sessionQueries(roles, acknowledged);
  const known = knownRights(db);
  if (known !== undefined) {
    const { strangers, ...found } = await together<StandingSince>(db, { ...wayQueriesSince(roles, known), ...rest });
    // whoever is found is looked for everywhere: what was known of may be gone meanwhile.
    if (strangers.length === 0) return { ways: waysIn({ ...found, relations: [] }, roles), above: await sessionsAboveRights(db, found) };
  }
  // or what was noted is out of date.
  if (known !== undefined) await lookAtRights(db);
  const found = await together<FoundWays & Sessions>(db, { ...wayQueries(roles), ...rest });
  return { ways: waysIn(found, roles), above: await sessionsAboveRights(db, found) };
}

const notAtAll: Poll = () => Promise.reject(new Error('nothing is waited for'));

/** Waits until every one of these transactions has ended; answers those that have not. */
async function ended(db: Db, captured: readonly OpenWrite[], wait: Poll): Promise<readonly OpenWrite[]> {
  let open = captured;
  return untilNone(async () => {
    open = await stillOpen(db, open);
    return open;
  }, wait);
}

const sentence = ({ user, pid, query }: OpenWrite): string =>
  `a transaction is open that wrote or is about to: user '${user}', pid ${pid}, ${query}; run: SELECT pg_terminate_backend(${pid})`;

/** Kinds of backends that write nothing of their own accord, or are looked at by their user's rights or their subscription. */
const knownBackends = [
  ...['client backend', 'parallel worker', 'walsender', 'autovacuum worker'],
  ...[
    'logical replication worker',
    'logical replication apply worker',
    'logical replication parallel worker',
    'logical replication tablesync worker',
  ],
];

type Sessions = {
  readonly sessions: { readonly pid: number; readonly user: string; readonly application: string; readonly type: string };
  readonly subscriptions: { readonly name: string };
  readonly notes: unknown;
};
type StandingSince = Omit<FoundWays, 'relations'> & Sessions & { readonly strangers: unknown };

/** Sessions that no grant binds: superusers', the master user's outside Switchback, the owner's; subscriptions; an extension's workers. */
function sessionQueries(
  roles: Roles,
  acknowledged: readonly string[],
): { readonly [Name in 'sessions' | 'subscriptions' | 'notes']: string } {
  const list = (names: readonly string[]): string => names.map(literal).join(', ');
  return {
    sessions: `SELECT s.pid, s.usename AS "user", s.application_name AS application, s.backend_type AS type
       FROM pg_catalog.pg_stat_activity s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.usesysid
      WHERE s.datname = current_database() AND s.pid <> pg_catalog.pg_backend_pid() AND (${ownSession}) IS NOT TRUE
        AND (s.backend_type NOT IN (${list([...knownBackends, ...acknowledged])})
          OR ((s.backend_type = 'client backend' OR s.backend_type = 'walsender' AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_stat_replication w WHERE w.pid = s.pid AND w.state IN ('catchup', 'streaming')))
              AND (r.rolsuper OR s.usename = current_user OR s.usename IN (${list([roles.owner, rightsRole(roles), roles.migrator])})) AND s.usename NOT IN (${list(rdsRoles)})))
      ORDER BY s.pid`,
    subscriptions: `SELECT DISTINCT s.subname AS name FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
      WHERE d.datname = current_database() AND s.subname NOT LIKE 'switchback%'
        AND (s.subenabled OR EXISTS (SELECT FROM pg_catalog.pg_stat_subscription w WHERE w.subid = s.oid AND w.pid IS NOT NULL)) ORDER BY 1`,
    notes: notesSql,
  };
}

async function sessionsAboveRights(
  db: Db,
  { sessions, subscriptions, notes }: { readonly [Name in keyof Sessions]: readonly Sessions[Name][] },
): Promise<string[]> {
  const kept = notes.length === 0 ? [] : await keptSessions(db);
  return [
    ...sessions.map(({ pid, user, application, type }) =>
      type === 'client backend' || type === 'walsender'
        ? `a session that no grant binds is open: user '${user}', application '${application}', pid ${pid}; run: SELECT pg_terminate_backend(${pid})`
        : `a '${type}' works in this database and may write (pid ${pid}); stop what it does, and once that is so, acknowledge '${type}'`,
    ),
    ...subscriptions.map(({ name }) => `the subscription '${name}' writes to this database; run: ALTER SUBSCRIPTION "${name}" DISABLE`),
    ...(kept.length === 0
      ? []
      : [
          `${kept.length} session(s) of fenced users began before the fence and could have kept the rights by SET ROLE (${kept.map(({ pid, user }) => `'${user}', pid ${pid}`).join('; ')}); run: ${kept.map(({ pid }) => `SELECT pg_terminate_backend(${pid})`).join('; ')}`,
        ]),
  ];
}

/** Look after those in the middle have ended: what they prepared is there before they are gone. */
async function prepared(db: Db): Promise<string[]> {
  const rows = await db.query<{ gid: string; owner: string }>(
    'SELECT gid, owner FROM pg_catalog.pg_prepared_xacts WHERE database = current_database() ORDER BY prepared',
  );
  return rows.map(
    ({ gid, owner }) =>
      `the prepared transaction '${gid}' of '${owner}' can still be committed; run COMMIT PREPARED or ROLLBACK PREPARED '${gid}'`,
  );
}
