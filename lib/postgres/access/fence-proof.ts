/**
 * The proof that a database is fenced. It looks first at who could begin to write, then at who is in the middle of it: since nobody new
 * can begin, a moment without anyone in the middle proves that no further write can come.
 */
import type { Db } from '../connection/connect';
import { flushWal, inRecovery, type Poll, pollEvery, untilNone } from '../connection/lsn';
import { ownSession, rdsRoles } from '../connection/server';
import { migrationsAllowed, type Roles } from './roles';
import { definerFunctions, lingering, openWrites, possibleWriters, serverTime } from './writers';

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
  const could = await whoCouldBegin(db, roles);
  // From here on nobody can begin, if the look above found nobody: what is in the middle began before.
  const since = await serverTime(db);
  const outside = [...could, ...(await waysAround(db, acknowledgedFunctions)), ...(await sessionsAboveRights(db))];
  // Customers go on trying to write at a fence, so a single look may fall into a statement that is about to be refused, and cannot tell it
  // from one that was allowed. Nobody new counts, so looking again tells: what was refused is gone in a moment.
  const middle =
    outside.length === 0
      ? await untilNone(() => whoIsInTheMiddle(db, since), poll ?? pollEvery(10, 1_000, 'the end of open transactions'))
      : await whoIsInTheMiddle(db, could.length === 0 ? since : undefined);
  const reasons = [...outside, ...middle];
  return { proven: reasons.length === 0, reasons, lsn: await flushWal(db) };
}

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

async function whoIsInTheMiddle(db: Db, since: string | undefined): Promise<string[]> {
  const prepared = await db.query<{ gid: string; owner: string; prepared: Date }>(
    'SELECT gid, owner, prepared FROM pg_catalog.pg_prepared_xacts WHERE database = current_database() ORDER BY prepared',
  );
  const open = await openWrites(db, since);
  // A transaction number in progress that no session and no prepared transaction accounts for is one that began between the looks.
  const [unexplained] = await db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_catalog.pg_snapshot_xip(pg_catalog.pg_current_snapshot()) AS x(xid)
      WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity s WHERE s.backend_xid = x.xid::xid
              AND (s.datname IS DISTINCT FROM current_database() OR s.backend_type LIKE 'autovacuum%' OR ${ownSession} OR s.xact_start > $1::timestamptz))
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts p WHERE p.transaction = x.xid::xid)`,
    [since ?? null],
  );
  const reasons = [
    ...prepared.map(
      ({ gid, owner }) =>
        `the prepared transaction '${gid}' of '${owner}' can still be committed; run COMMIT PREPARED or ROLLBACK PREPARED '${gid}'`,
    ),
    ...open.map((write) => `a transaction is open that wrote or is about to: user '${write.user}', pid ${write.pid}, ${write.query}`),
  ];
  if (reasons.length === 0 && unexplained!.count > 0)
    reasons.push(`${unexplained!.count} transaction(s) with a number are in progress that no session accounts for; look again`);
  return reasons;
}
