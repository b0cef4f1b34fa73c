/** What keeps a marker waiting behind the fence: how much it is, and how fast it goes. */
import type { Db } from '../connection/connect';
import { currentLsn, lsnToNumber } from '../connection/lsn';
import type { FeedName } from './subscription';

/**
 * Production's log from the beginning of the oldest transaction that has not arrived whole, at the most; and where the fallback's own log is,
 * which only the feed writes to. Positions of the receiver tell nothing here: a transaction is sent once it has been committed, and by then
 * the sender has read to its end.
 */
export interface Backlog {
  readonly bytes: number;
  readonly written: string;
}

export async function backlog(production: Db, fallback: Db, name: FeedName): Promise<Backlog> {
  const [row] = await production.query<{ bytes: number | null }>(
    'SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), restart_lsn)::float8 AS bytes FROM pg_catalog.pg_replication_slots WHERE slot_name = $1',
    [name],
  );
  return { bytes: row?.bytes ?? 0, written: await currentLsn(fallback) };
}

/** For people. `before`: an earlier look, so many seconds ago. */
export function backlogWords(now: Backlog, before?: { readonly seconds: number; readonly seen: Backlog }): string {
  const mb = (bytes: number): string => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const waits = `it waits behind up to ${mb(now.bytes)} of production's log, as a large transaction is`;
  if (!before || before.seconds <= 0) return waits;
  const done = Number(lsnToNumber(now.written) - lsnToNumber(before.seen.written));
  const rate = done / before.seconds;
  if (rate < 1) return `${waits}; the fallback has written nothing of it for ${Math.round(before.seconds)} s`;
  return `${waits}; the fallback writes ${mb(rate)} a second, so at the most ${Math.ceil(now.bytes / rate)} s more`;
}
