/**
 * What no grant binds is told by its effect: whoever writes is given a transaction number, in whatever way it may do so. If every number
 * since one of ours is ours or was undone, nobody wrote anything on the whole server since. It says nothing about who may.
 */
import type { Db } from '../connection/connect';

/** Somebody else's transaction since the number. */
export interface Trace {
  readonly number: string;
  /** As of this look. */
  readonly status: 'committed' | 'in progress';
}

/**
 * Transactions after the first of our numbers that have been committed or are open, and are not ours. Other databases of the server,
 * ANALYZE, temporary tables and NOTIFY take numbers, too: a trace is a reason to look, not yet a loss.
 */
export async function tracesSince(db: Db, ours: readonly string[]): Promise<Trace[]> {
  return db.query<Trace>(
    `SELECT x::text AS number, s AS status FROM generate_series(($1::bigint[])[1] + 1, pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint - 1) AS x,
            pg_catalog.pg_xact_status(x::text::xid8) AS s WHERE x <> ALL ($1::bigint[]) AND s IS DISTINCT FROM 'aborted' ORDER BY x LIMIT 1000`,
    [ours],
  );
}
