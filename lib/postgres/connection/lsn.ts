/** Positions in the write-ahead log: reading, comparing and waiting for them. */
import type { Db } from './connect';

/** The place at which the next record will be written. Every change already made lies before it. */
export async function currentLsn(db: Db): Promise<string> {
  const [row] = await db.query<{ lsn: string }>('SELECT pg_catalog.pg_current_wal_insert_lsn()::text AS lsn');
  return row!.lsn;
}

/** How far a replica has replayed; undefined on a server that has not replayed anything since it started. */
export async function replayedLsn(db: Db): Promise<string | undefined> {
  const [row] = await db.query<{ lsn: string | null }>('SELECT pg_catalog.pg_last_wal_replay_lsn()::text AS lsn');
  return row!.lsn ?? undefined;
}

/** True on a replica, false on a server that takes writes. */
export async function inRecovery(db: Db): Promise<boolean> {
  const [row] = await db.query<{ recovering: boolean }>('SELECT pg_catalog.pg_is_in_recovery() AS recovering');
  return row!.recovering;
}

/**
 * Makes everything committed so far durable, also what was committed with synchronous_commit off or applied by a feed,
 * and returns a position behind all of it, with the number of the transaction. One synchronous commit that touches no table.
 */
export async function flushWal(db: Db): Promise<{ lsn: string; number: string }> {
  // one message, so one transaction; what it writes lies behind every commit before it.
  const [row] = await db.query<{ lsn: string; number: string }>(
    "SET LOCAL synchronous_commit = 'local'; SELECT pg_catalog.pg_logical_emit_message(true, 'switchback', 'flush')::text AS lsn, pg_catalog.pg_current_xact_id()::text AS number",
  );
  return row!;
}

/** An LSN as a number, to count bytes between two of them. */
export function lsnToNumber(lsn: string): bigint {
  const [high, low] = lsn.split('/');
  if (high === undefined || low === undefined || !/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(lsn)) {
    throw new Error(`not a position in the write-ahead log: '${lsn}' (expected something like 0/16B3748)`);
  }
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** Negative when `a` comes before `b`, 0 when they are the same place, positive when `a` comes after `b`. */
export function compareLsn(a: string, b: string): number {
  const difference = lsnToNumber(a) - lsnToNumber(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** How a wait passes its time; the clock is the caller's. Resolves when it is time to look again; rejects to give up. */
export type Poll = () => Promise<void>;

/** Waits until the replica has replayed everything before `lsn`, or, once promoted, until it is out of recovery. */
export async function waitForReplay(replica: Db, lsn: string, poll: Poll): Promise<string> {
  for (;;) {
    const replayed = await replayedLsn(replica);
    if (replayed !== undefined && compareLsn(replayed, lsn) >= 0) return replayed;
    await poll();
  }
}

/** A poll that waits `everyMs` on the real clock and gives up after `timeoutMs` with `what`. */
export function pollEvery(everyMs: number, timeoutMs: number, what: string): Poll {
  const end = performance.now() + timeoutMs;
  return async () => {
    if (performance.now() > end) throw new Error(`${what} did not happen within ${timeoutMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  };
}

/** Looks until nothing is left, or `poll` gives up; answers what the last look found. */
export async function untilNone<T>(look: () => Promise<readonly T[]>, poll: Poll): Promise<readonly T[]> {
  for (;;) {
    const left = await look();
    if (left.length === 0) return left;
    try {
      await poll();
    } catch {
      return left;
    }
  }
}
