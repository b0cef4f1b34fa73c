/**
 * The proof after a rollback: the fallback, as it was in the gap when nobody could write anywhere, holds everything the fenced production
 * holds. Comparing takes longer than the gap may last, so the moment is kept and compared after opening. A moment that was lost with the
 * process that kept it can be made up for: which rows are as they were then is told by the numbers of the transactions that wrote them.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Db } from '../connection/connect';
import type { Pair } from '../connection/row-pair';
import type { Mapping } from '../schema/mapping';
import { type Baseline, changesSince, takeBaseline } from './change-counts';
import { type Comparison, compareTables, exportSnapshot, type Progress, type Snapshot, type TableComparison } from './compare';

export interface Proof {
  readonly equal: boolean;
  readonly comparison: Comparison;
  /** Columns of the old schema without a source in the new one: nothing says what they should be. */
  readonly uncompared: readonly string[];
  /** Of a proof without the moment: what cannot be compared any more. */
  readonly since?: Since;
}

/** Rows of production that the fallback does not have as they were. */
export interface Since {
  /** They are there, and customers have written them since the opening. */
  readonly changed: number;
  /** They are not there: customers have deleted them since, or they never arrived. Nothing tells which, but how many deletes (and updates, which may have changed a key) were counted since. */
  readonly gone: readonly { readonly table: string; readonly rows: number; readonly keys: readonly string[]; readonly counted: number }[];
  /** Tables of which too many rows have been written since to look at each. */
  readonly tooMany: readonly string[];
}

/** Keeps the moment; call it in the gap: production fenced, marker arrived, bridge down, the fallback not yet open. Until `prove` is done, the result is "not yet proven". */
export const takeComparisonSnapshot = (fallback: Db): Promise<Snapshot> => exportSnapshot(fallback);

/** Compares the fenced production with the kept moment, and lets the moment go. `mapping` by the old names. */
export async function prove(
  production: Db,
  moment: Snapshot,
  { pairs, uncompared }: Mapping,
  onProgress?: (progress: Progress) => void,
): Promise<Proof> {
  try {
    const comparison = await compareTables(production, moment.db, { pairs, ...(onProgress ? { onProgress } : {}) });
    return { equal: comparison.equal, comparison, uncompared };
  } finally {
    await moment.release();
  }
}

/** What is left of a moment when its connection is gone. Plain JSON. */
export interface ComparisonSnapshotNote {
  /** Transactions from this number on began after it. */
  readonly before: string;
  readonly baseline: Baseline;
}

/** Call it right after `takeComparisonSnapshot`, before anybody may write. */
export async function noteComparisonSnapshot(fallback: Db): Promise<ComparisonSnapshotNote> {
  const [row] = await fallback.query<{ before: string }>(
    'SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS before',
  );
  return { before: row!.before, baseline: await takeBaseline(fallback) };
}

/** More than this of one table is not looked at row by row. */
const mostRows = 200_000;

/**
 * The proof without the moment, while customers write: rows that have not been written since then must be equal; the others are counted.
 * It takes the time of two comparisons at most. `fallback` is a connection of its own.
 */
export async function proveAfterwards(
  production: Db,
  fallback: Db,
  note: ComparisonSnapshotNote,
  { pairs, uncompared }: Mapping,
  onProgress?: (progress: Progress) => void,
): Promise<Proof> {
  const { db, release } = await exportSnapshot(fallback);
  try {
    const comparison = await compareTables(production, db, {
      pairs: pairs.map((pair) => asOf(pair, note.before)),
      maxKeys: mostRows,
      ...(onProgress ? { onProgress } : {}),
    });
    const tables: TableComparison[] = [];
    let changed = 0;
    const tooMany: string[] = [];
    const gone: Since['gone'][number][] = [];
    for (const [index, table] of comparison.tables.entries()) {
      const missing = table.differences.filter(({ is }) => is === 'only on a').map(({ key }) => key);
      const there = await present(db, pairs[index]!, missing);
      const away = missing.filter((key) => !there.has(key));
      changed += missing.length - away.length;
      if (away.length > 0)
        gone.push({
          table: table.table,
          rows: away.length,
          keys: away.slice(0, 5),
          counted: await counted(db, note, table.table, away.length),
        });
      const wrong = table.differences.filter(({ is }) => is !== 'only on a');
      if (table.differences.length >= mostRows) tooMany.push(table.table);
      tables.push({ ...table, equal: wrong.length === 0, differences: wrong.slice(0, 10) });
    }
    const equal = tables.every((table) => table.equal);
    return { equal, comparison: { ...comparison, equal, tables }, uncompared, since: { changed, gone, tooMany } };
  } finally {
    await release();
  }
}

/** Sessions tell what they did when they have been idle for a second; so a number that is too small is looked at for a while. */
async function counted(db: Db, note: ComparisonSnapshotNote, table: string, enough: number): Promise<number> {
  const end = performance.now() + 12_000;
  for (;;) {
    const change = (await changesSince(db, note.baseline)).find((one) => one.table === table);
    const count = change ? change.deleted + change.updated : 0;
    if (count >= enough || performance.now() > end) return count;
    await pause(250);
  }
}

/** Only rows of the fallback that were written before the moment. The number of a row's transaction is 32 bits of the whole one. */
function asOf(pair: Pair, before: string): Pair {
  const [, table, alias] = /^(.*?)( AS \w+)?$/.exec(pair.b.relation)!;
  const low = BigInt(before) % 4_294_967_296n;
  const newer = `(xmin::text::int8 - ${low} + 4294967296) % 4294967296 < (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::numeric - ${before})`;
  return { ...pair, b: { ...pair.b, relation: `(SELECT * FROM ${table} WHERE NOT (${newer}))${alias ?? ' AS old'}` } };
}

/** Which of these keys the fallback has now. */
async function present(db: Db, { b }: Pair, keys: readonly string[]): Promise<Set<string>> {
  if (keys.length === 0 || b.key.length === 0) return new Set();
  const key = `ROW(${b.key.join(', ')})::text`;
  const rows = await db.query<{ key: string }>(`SELECT ${key} AS key FROM ${b.relation} WHERE ${key} = ANY ($1::text[])`, [keys]);
  return new Set(rows.map((row) => row.key));
}
