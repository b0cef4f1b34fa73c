/** What a feed that has been stopped did not bring. */
import type { Db } from '../connection/connect';
import { pollEvery } from '../connection/lsn';
import { type FeedName, readSlot } from './subscription';

/** How many rows of published tables the transactions with these numbers have changed; undefined where the slot cannot be read. */
export async function unsentChanges(production: Db, name: FeedName, numbers: readonly string[]): Promise<number | undefined> {
  if (numbers.length === 0) return 0;
  let slot = await readSlot(production, name);
  // a feed that was just disabled is letting go.
  const wait = pollEvery(5, 5_000, `the end of whoever reads from the slot ${name}`);
  while (slot?.active) {
    try {
      await wait();
    } catch {
      break;
    }
    slot = await readSlot(production, name);
  }
  if (!slot || slot.active || slot.walStatus === 'lost') return undefined;
  // insert, update, delete, truncate; the slot stays where it is. What it says of a transaction is its number without the epoch.
  const [row] = await production.query<{ changes: number }>(
    `SELECT count(*)::int AS changes FROM pg_catalog.pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $3) AS c
      WHERE pg_catalog.get_byte(c.data, 0) = ANY (ARRAY[ascii('I'), ascii('U'), ascii('D'), ascii('T')]) AND c.xid::text::bigint = ANY (SELECT n % 4294967296 FROM unnest($2::bigint[]) AS n)`,
    [name, numbers, name],
  );
  return row!.changes;
}
