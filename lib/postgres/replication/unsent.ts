/** What a feed that has been stopped did not bring. */
import type { Db } from '../connection/connect';
import { pollEvery } from '../connection/lsn';
import { ownSchema } from '../connection/server';
import { type FeedName, readSlot } from './subscription';

/** Rows of a published table that somebody else changed. */
export interface Unsent {
  /** `schema.table` */
  readonly table: string;
  readonly rows: number;
  /** The last transaction that did so: the same look later answers the same number. */
  readonly last: string;
}

/**
 * What was committed to published tables after the first of our transactions, by others than ours; undefined where the slot cannot be read.
 * @param ours whole transaction numbers, the oldest first
 */
export async function unsentChanges(production: Db, name: FeedName, ours: readonly string[]): Promise<Unsent[] | undefined> {
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
  // insert, update, delete, and truncate, which names its tables behind their count and its options; the slot stays where it is. What it
  // says of a transaction is its number without the epoch, and numbers go round.
  return production.query<Unsent>(
    `SELECT coalesce(pg_catalog.format('%I.%I', n.nspname, r.relname), 'a table that is gone') AS "table", count(*)::float8 AS rows, max(since)::text AS last
       FROM (SELECT pg_catalog.get_byte(c.data, 0) AS kind, c.data, c.xid::text::bigint AS xid,
                    (c.xid::text::bigint - ($2::bigint[])[1] % 4294967296 + 4294967296) % 4294967296 + ($2::bigint[])[1] AS since
               FROM pg_catalog.pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $3) AS c) AS c,
            LATERAL (SELECT CASE kind WHEN ascii('T') THEN 6 + 4 * i ELSE 1 END AS at
                       FROM generate_series(0, CASE kind WHEN ascii('T') THEN pg_catalog.get_byte(c.data, 4) - 1 ELSE 0 END) AS i) AS place,
            LATERAL (SELECT (pg_catalog.get_byte(c.data, at)::bigint << 24) + (pg_catalog.get_byte(c.data, at + 1) << 16)
                          + (pg_catalog.get_byte(c.data, at + 2) << 8) + pg_catalog.get_byte(c.data, at + 3) AS oid) AS of
       LEFT JOIN pg_catalog.pg_class r ON r.oid = of.oid LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
      WHERE kind IN (ascii('I'), ascii('U'), ascii('D'), ascii('T')) AND since > ($2::bigint[])[1] AND since - ($2::bigint[])[1] < 2147483648
        AND xid <> ALL (SELECT u % 4294967296 FROM unnest($2::bigint[]) AS u)
        AND n.nspname IS DISTINCT FROM '${ownSchema}'
      GROUP BY 1 ORDER BY 1`,
    [name, ours, name],
  );
}
