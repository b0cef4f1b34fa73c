/**
 * The proof that a database is fenced: nobody has a right to write or could get one, and everybody who held a write lock when that was so
 * has ended. So no further write can come, but by those whom no grant binds: their sessions are named.
 */
import { type Db, keepPlan, literal } from '../connection/connect';
import { type Poll, pollEvery, untilNone } from '../connection/lsn';
import { ownSession, rdsRoles } from '../connection/server';
import { type Together, togetherSql } from '../connection/together';
import { type KnownRights, knownRights, lookAtRights } from './known-rights';
import { type OpenWrite, openWrite, openWritesSql, stillOpen } from './open-writes';
import { type Prepared, preparedSql, preparedWords } from './prepared';
import { type FoundWays, sentenceOf, wayQueries, wayQueriesSince, waysIn } from './rights';
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
  const looks = looksOf(db, roles, acknowledgedFunctions);
  // in the gap, all of it on one way there and back: it holds where nobody was in the middle at its beginning.
  const atOnce = knownRights(db) && (await db.queries<[Stands, ...Now]>([standsSql(roles), ...looks]));
  const at = atOnce?.[0][0] ?? (await db.query<Stands>(standsSql(roles)))[0]!;
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
  let now: Rows<Now> = atOnce && at.open.length === 0 ? [atOnce[1], atOnce[2], atOnce[3]] : await db.queries<Now>(looks);
  // whoever is found is looked for everywhere: what was known of may be gone meanwhile.
  if ((now[0][0]?.strangers ?? []).length > 0) {
    await lookAtRights(db);
    now = await db.queries<Now>(wholeLooks(roles, acknowledgedFunctions));
  }
  const [[found], inTheMiddle, inDoubt] = now;
  // a right that was taken away between the two looks may still be used by whoever had locked before that.
  const open = await ended(db, inTheMiddle.map(openWrite), wait);
  const reasons = [
    ...waysIn({ relations: [], ...found! }, roles)
      .filter((way) => !acknowledgedFunctions.includes(way.acknowledgedBy ?? ''))
      .map(sentenceOf),
    ...(await sessionsAboveRights(db, found!)),
    // those in the middle may have prepared theirs.
    ...(inTheMiddle.length === 0 ? inDoubt : await db.query<Prepared>(preparedSql)).map(preparedWords),
    ...open.map(sentence),
  ];
  return { proven: reasons.length === 0, reasons };
}

/** Before the gap, while customers write: notes the rights of this moment, and makes the plans of what the proof asks on this connection. */
export async function prepareProof(db: Db, roles: Roles, acknowledgedFunctions: readonly string[] = []): Promise<KnownRights> {
  const known = await lookAtRights(db);
  await db.queries([standsSql(roles), ...looksOf(db, roles, acknowledgedFunctions)]);
  return known;
}

interface Whereabouts {
  readonly recovering: boolean;
  readonly user: string;
  readonly sees: boolean;
}
/** Who is in the middle of a write before anything else is looked at. */
type Stands = Together<{ server: Whereabouts; users: unknown; open: OpenWrite }>;
const standsSql = (roles: Roles): string => togetherSql({ ...{ server: whereabouts, users: writersSql(roles), open: openWritesSql } });
const whereabouts = `SELECT pg_catalog.pg_is_in_recovery() AS recovering, current_user AS "user", pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees`;

/** Who could write or come to, and whom no grant binds; then who is in the middle of a write, and what is prepared, in this order. */
type Now = [Standing, OpenWrite, Prepared];
type Rows<Of extends readonly unknown[]> = { [At in keyof Of]: Of[At][] };
type Standing = Together<Omit<FoundWays, 'relations'> & Sessions> & {
  readonly relations?: FoundWays['relations'][];
  /** Of the rights on relations only what is newer than a look before the gap, and only whether there is any. */
  readonly strangers?: readonly unknown[];
};

/** With a look before the gap, of the rights on relations only what is newer. */
function looksOf(db: Db, roles: Roles, acknowledged: readonly string[]): [string, string, string] {
  const known = knownRights(db);
  if (known === undefined) return wholeLooks(roles, acknowledged);
  return [
    togetherSql({ ...wayQueriesSince(roles, known), ...sessionQueries(roles, acknowledged) }),
    keepPlan(openWritesSql),
    keepPlan(preparedSql),
  ];
}

const wholeLooks = (roles: Roles, acknowledged: readonly string[]): [string, string, string] => [
  togetherSql({ ...wayQueries(roles), ...sessionQueries(roles, acknowledged) }),
  keepPlan(openWritesSql),
  keepPlan(preparedSql),
];

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
