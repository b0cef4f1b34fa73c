/** Partitions in the proof: rows of each, and those that production has dropped. A table is compared as a whole, wherever its rows lie. */

import type { ProofPair } from './pairing';
import { ask, type Reader } from './reading';
import type { ProofRecord } from './record';

export interface PartitionRows {
  readonly partition: string;
  readonly production?: number;
  readonly fallback?: number;
}

/** Rows of every partition; those of two partitions may stand in one on the other side. */
export async function partitionRows(production: Reader, fallback: Reader, now: ProofRecord, there: ProofRecord): Promise<PartitionRows[]> {
  const count = async (reader: Reader, { relations }: ProofRecord): Promise<Map<string, number>> => {
    const rows = new Map<string, number>();
    for (const { name, root, partitioned } of relations) {
      if (root === null || partitioned) continue;
      const found = await ask(reader, `SELECT count(*)::float8 AS rows FROM ${name}`);
      if (found !== undefined) rows.set(name, found);
    }
    return rows;
  };
  const [onA, onB] = await Promise.all([count(production, now), count(fallback, there)]);
  return [...new Set([...onA.keys(), ...onB.keys()])].sort().map((partition) => ({
    partition,
    ...(onA.has(partition) ? { production: onA.get(partition)! } : {}),
    ...(onB.has(partition) ? { fallback: onB.get(partition)! } : {}),
  }));
}

export interface DroppedRows {
  readonly name: string;
  readonly oid: number;
  readonly rows: number;
}

/**
 * A drop does not travel, so the fallback keeps the rows of a dropped partition. Nothing of production is left out for that: where it has a
 * row within the bounds, in a default partition or one made anew, the partition is compared as all others.
 */
export async function droppedPartitions(production: Reader, fallback: Reader, one: ProofPair): Promise<DroppedRows[]> {
  const found: DroppedRows[] = [];
  for (const { name, oid, rows } of one.dropped) {
    const [bounds] = await fallback.db.query<{ sql: string | null }>('SELECT pg_catalog.pg_get_partition_constraintdef($1::oid) AS sql', [
      oid,
    ]);
    if (!bounds?.sql) continue;
    const within = await ask(
      production,
      `SELECT count(*)::float8 AS rows FROM (SELECT FROM ${rows} WHERE ${bounds.sql} LIMIT 1) AS within`,
    );
    const kept = within === 0 ? await ask(fallback, `SELECT count(*)::float8 AS rows FROM ${name}`) : undefined;
    if (kept !== undefined) found.push({ name, oid, rows: kept });
  }
  return found;
}

/** The pair without the rows that the fallback has in these partitions. */
export function besides(one: ProofPair, partitions: readonly number[]): ProofPair {
  if (partitions.length === 0) return one;
  const [, table, alias] = aliased.exec(one.b.relation)!;
  const relation = `(SELECT xmin, * FROM ${table} WHERE tableoid <> ALL ('{${partitions.join(',')}}'::oid[]))${alias ?? ' AS old'}`;
  return { ...one, b: { ...one.b, relation } };
}

export const aliased = /^(.*?)( AS \w+)?$/;
