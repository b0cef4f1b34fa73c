/** What keeps migrations waiting: transactions that were left open before them, and whoever holds a lock that they want. */
import type { Db } from '../connection/connect';
import { ownSession } from '../connection/server';
import { endTransactions, type OpenWrite, shapeOf } from './open-writes';
import type { Roles } from './roles';

/**
 * Waits for every transaction of the colors' users, readers too, and ends those that are not over in `graceMs`: one that is idle blocks
 * an ALTER TABLE as well as one that has written. Answers those it ended.
 */
export async function endTransactionsOfColors(db: Db, roles: Roles, { graceMs }: { graceMs: number }): Promise<readonly OpenWrite[]> {
  const open = await db.query<OpenWrite>(
    `SELECT l.virtualtransaction AS "transaction", l.pid, s.usename AS "user", s.application_name AS application, s.xact_start AS since,
            coalesce(extract(epoch FROM clock_timestamp() - s.xact_start), 0)::float8 AS seconds, coalesce(s.state, '') AS state, s.query, s.backend_xid IS NOT NULL AS wrote
       FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity s ON s.pid = l.pid JOIN pg_catalog.pg_roles u ON u.oid = s.usesysid JOIN pg_catalog.pg_roles r ON r.rolname = $1
      WHERE l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock' AND s.datname = current_database() AND s.backend_type = 'client backend'
        AND NOT u.rolsuper AND NOT ${ownSession} AND pg_catalog.pg_has_role(u.oid, r.oid, 'MEMBER')`,
    [roles.read],
  );
  const { terminated } = await endTransactions(db, open, { graceMs });
  return terminated.map((write) => ({ ...write, query: shapeOf(write.query) }));
}

/** A session that waits for a lock, and one that keeps it waiting. */
export interface LockWait {
  readonly seconds: number;
  readonly pid: number;
  readonly user: string;
  readonly application: string;
  readonly state: string;
  /** For how long its transaction has been open. */
  readonly openSeconds: number;
  readonly query: string;
}

/** What the migrator waits for, if it has waited for `seconds`. */
export async function migratorWaits(db: Db, roles: Roles, seconds: number): Promise<LockWait[]> {
  const waits = await db.query<LockWait>(
    `SELECT extract(epoch FROM clock_timestamp() - l.waitstart)::float8 AS seconds, b.pid, coalesce(b.usename, b.backend_type) AS "user", b.application_name AS application,
            coalesce(b.state, b.backend_type) AS state, coalesce(extract(epoch FROM clock_timestamp() - b.xact_start), 0)::float8 AS "openSeconds", b.query
       FROM pg_catalog.pg_stat_activity w JOIN pg_catalog.pg_locks l ON l.pid = w.pid AND NOT l.granted
            JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(w.pid)) AS p(pid) ON true JOIN pg_catalog.pg_stat_activity b ON b.pid = p.pid
      WHERE w.usename = $1 AND w.datname = current_database() AND l.waitstart <= clock_timestamp() - pg_catalog.make_interval(secs => $2) ORDER BY b.pid`,
    [roles.migrator, seconds],
  );
  return waits.map((wait) => ({ ...wait, query: shapeOf(wait.query) }));
}

/** With what to type. */
export const waitWords = ({ seconds, pid, user, application, state, openSeconds, query }: LockWait): string =>
  `waits since ${Math.round(seconds)} s for a lock that '${user}' holds (pid ${pid}${application ? `, ${application}` : ''}, ${state}, its transaction is open since ${Math.round(openSeconds)} s: ${query}); to end that one: SELECT pg_terminate_backend(${pid})`;
