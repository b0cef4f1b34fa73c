/**
 * Who is in the middle of a write, told by the locks. PostgreSQL looks a session's rights up again when its transaction begins and when it
 * takes a lock that it does not hold yet, and whatever writes takes its lock before its rights are checked. So once a right has been taken
 * away, only a transaction that holds a write lock at that instant can still use it, whatever it has run since and whenever it began: one
 * look after that finds all of them, and no clock is asked.
 */
import { DatabaseError, type Db, keepPlan } from '../connection/connect';
import { type Poll, pollEvery } from '../connection/lsn';
import { ofThisFeed, ownSession } from '../connection/server';

/** A transaction of somebody else that has written, or holds a lock with which it could. */
export interface OpenWrite {
  /** Its virtual number, which is not given out again before the server restarts. */
  readonly transaction: string;
  readonly pid: number;
  readonly user: string;
  readonly application: string;
  /** When it began. */
  readonly since: Date;
  /** Seconds since then, by the server's clock. */
  readonly seconds: number;
  readonly state: string;
  /** What it runs or ran last, without the values: those are customers'. */
  readonly query: string;
  /** It has a number, so it has written. */
  readonly wrote: boolean;
}

/** Every transaction that could commit a row. Those that only take their lock later are checked with the rights of that moment. */
export async function openWrites(db: Db): Promise<OpenWrite[]> {
  return (await db.query<OpenWrite>(keepPlan(openWritesSql))).map(openWrite);
}

/** From a row of `openWritesSql`, also one that came as JSON. */
export const openWrite = (row: OpenWrite): OpenWrite => ({ ...row, since: new Date(row.since), query: shapeOf(row.query) });

export const openWritesSql = `SELECT l.virtualtransaction AS "transaction", l.pid, coalesce(s.usename, s.backend_type, 'unknown') AS "user", coalesce(s.application_name, '') AS application,
            s.xact_start AS since, coalesce(extract(epoch FROM clock_timestamp() - s.xact_start), 0)::float8 AS seconds,
            coalesce(s.state, s.backend_type, 'unknown') AS state, coalesce(s.query, '') AS query, bool_or(l.locktype = 'transactionid') AS wrote
       FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity s ON s.pid = l.pid
            LEFT JOIN pg_catalog.pg_class c ON l.locktype = 'relation' AND c.oid = l.relation
            JOIN pg_catalog.pg_database d ON d.datname = current_database()
      WHERE l.granted AND l.pid IS NOT NULL AND l.pid <> pg_catalog.pg_backend_pid()
        -- a transaction that has ended and is letting go.
        AND l.virtualtransaction NOT LIKE '%/0'
        AND s.backend_type IS DISTINCT FROM 'autovacuum worker' AND (${ownSession}) IS NOT TRUE AND NOT ${ofThisFeed('l.pid')}
        AND CASE l.locktype
              WHEN 'transactionid' THEN l.mode = 'ExclusiveLock' AND (s.datname IS NULL OR s.datname = d.datname)
              WHEN 'relation' THEN l.mode IN ('RowExclusiveLock','ShareRowExclusiveLock','ExclusiveLock','AccessExclusiveLock')
                -- roles, memberships and databases are the whole server's: a grant that is not committed yet may be anywhere.
                AND (l.database = 0 AND l.relation IN ('pg_authid'::regclass, 'pg_auth_members'::regclass, 'pg_database'::regclass)
                  OR l.database = d.oid AND (l.relation IN ('pg_largeobject'::regclass, 'pg_largeobject_metadata'::regclass)
                    OR l.relation >= 16384 AND c.relpersistence IS DISTINCT FROM 't' AND (c.relkind IN ('i','I')) IS NOT TRUE))
              ELSE false END
      GROUP BY l.virtualtransaction, l.pid, s.usename, s.backend_type, s.application_name, s.xact_start, s.state, s.query
      ORDER BY s.xact_start NULLS LAST`;

/** Those of them that are still open. */
export async function stillOpen<T extends Pick<OpenWrite, 'transaction'>>(db: Db, captured: readonly T[]): Promise<T[]> {
  if (captured.length === 0) return [];
  const rows = await db.query<{ transaction: string }>(
    'SELECT DISTINCT virtualtransaction AS "transaction" FROM pg_catalog.pg_locks WHERE pid IS NOT NULL AND virtualtransaction = ANY ($1)',
    [captured.map(({ transaction }) => transaction)],
  );
  const open = new Set(rows.map(({ transaction }) => transaction));
  return captured.filter(({ transaction }) => open.has(transaction));
}

export interface EndOptions {
  /** How long transactions that wrote may take to finish by themselves. */
  readonly graceMs: number;
  /** How a look is waited for. @default every millisecond, until the grace is over */
  readonly poll?: Poll;
}

/** What became of the transactions that were open when the fence went up. */
export interface Ended {
  /** Transactions that finished by themselves. */
  readonly finished: number;
  /** Those that did not, and were terminated: their clients got an error, and what they wrote is undone. */
  readonly terminated: readonly OpenWrite[];
  /** Those that could not be: a superuser's, or one that does not react. */
  readonly alive: readonly OpenWrite[];
}

/** What has written nothing and waits for its client would wait for ever; nothing of it is lost. */
const idleGraceMs = 50;

/** Lets the captured transactions finish, then terminates those that have not. Only they are touched, whatever their sessions do next. */
export async function endTransactions(db: Db, captured: readonly OpenWrite[], { graceMs, poll }: EndOptions): Promise<Ended> {
  const wait = poll ?? pollEvery(1, graceMs, 'the end of open transactions');
  const idle = async (among: readonly OpenWrite[]): Promise<OpenWrite[]> => {
    const now = new Map((await openWrites(db)).map((write) => [write.transaction, write]));
    return among.filter(({ transaction }) => {
      const write = now.get(transaction);
      return write && !write.wrote && write.state.startsWith('idle in transaction');
    });
  };
  const began = performance.now();
  const terminated: OpenWrite[] = [];
  const terminate = async (writes: readonly OpenWrite[]): Promise<void> => {
    for (const write of writes) if (!terminated.includes(write) && (await terminateTransaction(db, write))) terminated.push(write);
  };
  let left = await stillOpen(db, captured);
  while (left.length > 0) {
    try {
      await wait();
    } catch {
      break;
    }
    left = await stillOpen(db, left);
    if (performance.now() - began > idleGraceMs) await terminate(await idle(left));
  }
  await terminate(left);
  const going = pollEvery(1, 5_000, 'the end of terminated sessions');
  for (left = await stillOpen(db, left); left.some((write) => terminated.includes(write)); left = await stillOpen(db, left)) {
    try {
      await going();
    } catch {
      break;
    }
  }
  return {
    finished: captured.length - terminated.length - left.filter((write) => !terminated.includes(write)).length,
    terminated,
    alive: left,
  };
}

/** By its session, as long as that still holds it; false where that is not ours to end. */
async function terminateTransaction(db: Db, { transaction }: OpenWrite): Promise<boolean> {
  try {
    const rows = await db.query(
      'SELECT pg_catalog.pg_terminate_backend(l.pid) FROM (SELECT DISTINCT pid FROM pg_catalog.pg_locks WHERE pid IS NOT NULL AND virtualtransaction = $1) l',
      [transaction],
    );
    return rows.length > 0;
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.sqlstate !== '42501') throw error;
    return false;
  }
}

/** A statement without its values, shortened. */
export function shapeOf(query: string): string {
  const shape = query
    .replace(/\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$/g, '?')
    .replace(/'(?:[^'\\]|''|\\.)*('|$)/g, '?')
    .replace(/(?<![\w$"])-?\d+(\.\d+)?/g, '?')
    .replace(/\s+/g, ' ')
    .trim();
  return shape.length > 120 ? `${shape.slice(0, 119)}…` : shape;
}
