/**
 * The proof that a database is fenced: nobody has a right to write, and everybody who held a write lock when that was so has ended. So no
 * further write can come.
 */
import type { Db } from '../connection/connect';
import { flushWal, inRecovery, type Poll, pollEvery, untilNone } from '../connection/lsn';
import { ownSession, rdsRoles } from '../connection/server';
import { type OpenWrite, openWrites, stillOpen } from './open-writes';
import { migrationsAllowed, type Roles } from './roles';
import { definerFunctions, lingering, possibleWriters } from './writers';

export interface ProofOptions {
  /** SECURITY DEFINER functions that somebody has looked at and that are no way around the fence, as `schema.name(arguments)`. */
  readonly acknowledgedFunctions?: readonly string[];
  /** How the end of those in the middle is waited for. @default every 10 ms, for a second */
  readonly poll?: Poll;
}

export interface Proof {
  readonly proven: boolean;
  /** What stands against it, one sentence each; empty when proven. */
  readonly reasons: readonly string[];
  /** Everything committed before the proof lies before this position, and is durable. */
  readonly lsn: string;
}

export async function proveFenced(db: Db, roles: Roles, { acknowledgedFunctions = [], poll }: ProofOptions = {}): Promise<Proof> {
  if (await inRecovery(db)) {
    return { proven: false, reasons: ['this server is a replica: what reaches it is decided on its primary'], lsn: '0/0' };
  }
  const blind = await canSee(db);
  if (blind.length > 0) return { proven: false, reasons: blind, lsn: '0/0' };
  // Who holds a write lock now may have been allowed to; who takes one later is checked with the rights of then. Customers go on trying at
  // a fence, so a look may fall into a statement that is about to be refused: it is gone in a moment, as are those that finish by themselves.
  const wait = poll ?? pollEvery(1, 1_000, 'the end of open transactions');
  await ended(db, wait);
  const outside = [
    ...(await whoCouldBegin(db, roles)),
    ...(await waysAround(db, acknowledgedFunctions)),
    ...(await sessionsAboveRights(db)),
  ];
  // once more: a right that was taken away between the two looks may still be used by whoever had locked before that.
  const open = await ended(db, wait);
  const reasons = [...outside, ...(await prepared(db)), ...open.map(sentence)];
  return { proven: reasons.length === 0, reasons, lsn: await flushWal(db) };
}

/** Waits until every transaction has ended that could write at this moment; answers those that have not. */
async function ended(db: Db, wait: Poll): Promise<readonly OpenWrite[]> {
  let open: readonly OpenWrite[] = await openWrites(db);
  return untilNone(async () => {
    open = await stillOpen(db, open);
    return open;
  }, wait);
}

const sentence = ({ user, pid, query }: OpenWrite): string =>
  `a transaction is open that wrote or is about to: user '${user}', pid ${pid}, ${query}`;

/** Without pg_read_all_stats other users' transactions are hidden: an empty list would prove nothing. */
async function canSee(db: Db): Promise<string[]> {
  const [row] = await db.query<{ user: string; sees: boolean }>(
    "SELECT current_user AS user, pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees",
  );
  return row!.sees ? [] : [`'${row!.user}' cannot see other users' transactions; run: GRANT pg_monitor TO ${row!.user}`];
}

async function whoCouldBegin(db: Db, roles: Roles): Promise<string[]> {
  const reasons = (await possibleWriters(db)).map(({ user, through, table, tables }) => {
    const which = tables > 1 ? `${table} and ${tables - 1} more` : table;
    if (through === 'owns') return `the user '${user}' owns ${which}, and an owner can always write`;
    if (through === 'PUBLIC') return `everyone, so also the user '${user}', may write to ${which}`;
    return `the user '${user}' may write to ${which}${through === user ? '' : ` as a member of '${through}'`}`;
  });
  if (await migrationsAllowed(db, roles)) reasons.push(`the migrator '${roles.migrator}' may act as '${roles.owner}'`);
  const stale = await lingering(db);
  if (stale.length > 0)
    reasons.push(
      `${stale.length} session(s) of fenced users began before the fence and could have kept the write role by SET ROLE (pid ${stale.join(', ')})`,
    );
  return reasons;
}

async function waysAround(db: Db, acknowledged: readonly string[]): Promise<string[]> {
  return (await definerFunctions(db))
    .filter((found) => !acknowledged.includes(found.function))
    .map((found) => `the SECURITY DEFINER function ${found.function} runs with the rights of '${found.owner}' whoever calls it`);
}

/** Sessions that no grant binds: superusers', the master user's outside Switchback, and subscriptions that write. */
async function sessionsAboveRights(db: Db): Promise<string[]> {
  const rows = await db.query<{ pid: number; user: string; application: string; type: string }>(
    `SELECT s.pid, s.usename AS "user", s.application_name AS application, s.backend_type AS type
       FROM pg_catalog.pg_stat_activity s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.usesysid
      WHERE s.datname = current_database() AND s.pid <> pg_catalog.pg_backend_pid() AND NOT ${ownSession}
        AND ((s.backend_type = 'client backend' AND (r.rolsuper OR s.usename = current_user) AND s.usename <> ALL ($1))
          OR (s.backend_type LIKE 'logical replication%' AND s.backend_type NOT LIKE '%launcher' AND EXISTS (
                SELECT FROM pg_catalog.pg_stat_subscription u WHERE u.pid = s.pid AND u.subname NOT LIKE 'switchback%')))
      ORDER BY s.pid`,
    [rdsRoles],
  );
  return rows.map(({ pid, user, application, type }) =>
    type === 'client backend'
      ? `a session that no grant binds is open: user '${user}', application '${application}', pid ${pid}`
      : `a subscription applies changes to this database (pid ${pid})`,
  );
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
