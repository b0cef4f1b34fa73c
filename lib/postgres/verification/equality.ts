/**
 * The proof after a rollback: the fallback, as it was in the gap when nobody could write anywhere, holds everything the fenced production
 * holds. Comparing takes longer than the gap may last, so the moment is kept and compared after opening. A moment that was lost with the
 * connection that kept it can be made up for: which rows are as they were then is told by the numbers of the transactions that wrote them.
 * What equals what the proof finds by itself (pairing.ts): it knows nothing of the bridge.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Db } from '../connection/connect';
import type { Pair } from '../connection/row-pair';
import { majorVersion } from '../connection/server';
import { type Baseline, changesSince, takeBaseline } from './change-counts';
import { type Comparison, comparePair, exportSnapshot, type Progress, rowName, type Snapshot, type TableComparison } from './compare';
import { missingLargeObjects } from './large-objects';
import { type NotProven, type PairingOptions, type ProofPair, pair } from './pairing';
import { aliased, besides, droppedPartitions, type PartitionRows, partitionRows } from './partitions';
import { ask, isOfValues, type Reader, reading, type Sides, unlessRefused } from './reading';
import { recordOf } from './record';

export interface Proof {
  /** No row was found that differs. What could not be compared stands beside it. */
  readonly equal: boolean;
  readonly comparison: Comparison;
  /** Of what stands in `notProven`, what somebody has declared or accepted: `public.t.c`. */
  readonly uncompared: readonly string[];
  /** Of a proof without the moment: what cannot be compared any more. */
  readonly since?: Since;
  /** What nothing can be said of. Absent in journals of before. */
  readonly notProven?: readonly NotProven[];
  /** Tables and columns that were made anew, and so are paired by name. */
  readonly byName?: readonly string[];
  /** Rows of each partition, where they were counted. */
  readonly partitions?: readonly PartitionRows[];
  /** Partitions that production has dropped since the fork, with the rows that the fallback still has in them. */
  readonly dropped?: readonly { readonly partition: string; readonly rows: number }[];
}

/** Rows of production that the fallback does not have as they were. */
export interface Since {
  /** They are there, and customers have written them since the opening: what they were then, nothing tells. */
  readonly changed: number;
  /** They are not there: customers have deleted them since, or they never arrived. Nothing tells which, but how many deletes (and updates, which may have changed a key) were counted since. */
  readonly gone: readonly { readonly table: string; readonly rows: number; readonly keys: readonly string[]; readonly counted: number }[];
  /** Tables of which too many rows have been written since to look at each. */
  readonly tooMany: readonly string[];
}

/** Whether it says that nothing is lost: every row was found equal, and nothing is left but what somebody has declared or accepted. */
export const isProven = ({ equal, since, notProven = [] }: Proof): boolean =>
  equal &&
  !notProven.some(({ known }) => !known) &&
  (!since || (since.changed === 0 && since.gone.length === 0 && since.tooMany.length === 0));

/** Keeps the moment; call it in the gap: production fenced, marker arrived, bridge down, the fallback not yet open. Until `prove` is done, the result is "not yet proven". */
export const takeComparisonSnapshot = (fallback: Db): Promise<Snapshot> => exportSnapshot(fallback);

/**
 * Compares the fenced production with the kept moment. The moment stays until it is released: after an error that was not the moment's, the
 * same comparison may be tried again.
 * @throws MomentLost
 */
export async function prove(
  sides: Sides,
  moment: Snapshot,
  options: PairingOptions,
  onProgress?: (progress: Progress) => void,
): Promise<Proof> {
  return reading(sides, moment, async (production, fallback) => {
    const { found, pairing, partitions } = await comparison(production, fallback, options, { ...(onProgress ? { onProgress } : {}) });
    return proofOf(found, pairing, partitions);
  });
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
 * It takes the time of two comparisons at most. `later` is a moment of now, that stays for another try.
 * @throws MomentLost when that is gone as well
 */
export async function proveAfterwards(
  sides: Sides,
  later: Snapshot,
  note: ComparisonSnapshotNote,
  options: PairingOptions,
  onProgress?: (progress: Progress) => void,
): Promise<Proof> {
  return reading(sides, later, async (production, fallback) => {
    const asOfNote = (one: ProofPair): ProofPair => ({ ...one, ...asOf(one, note.before) });
    const { found, pairing, partitions } = await comparison(production, fallback, options, {
      ...(onProgress ? { onProgress } : {}),
      maxKeys: mostRows,
      asSeen: asOfNote,
    });
    const tables: TableComparison[] = [];
    let changed = 0;
    const tooMany: string[] = [];
    const gone: Since['gone'][number][] = [];
    for (const [index, table] of found.comparison.tables.entries()) {
      const missing = table.differences.filter(({ is }) => is === 'only on a').map(({ key }) => key);
      const there = await present(fallback.db, found.compared[index]!, missing);
      const away = missing.filter((key) => !there.has(key));
      changed += missing.length - away.length;
      if (away.length > 0)
        gone.push({
          table: table.table,
          rows: away.length,
          keys: away.slice(0, 5),
          counted: await counted(fallback.db, note, table.table, away.length),
        });
      const wrong = table.differences.filter(({ is }) => is !== 'only on a');
      if (table.differences.length >= mostRows) tooMany.push(table.table);
      tables.push({ ...table, equal: wrong.length === 0, differences: wrong.slice(0, 10) });
    }
    const equal = tables.every((table) => table.equal);
    const whole = { ...found, comparison: { ...found.comparison, equal, tables } };
    return { ...proofOf(whole, pairing, partitions), since: { changed, gone, tooMany } };
  });
}

/**
 * As many keys of what differs as are asked for, and by what each table was compared.
 * @throws MomentLost
 */
export async function lookCloser(
  sides: Sides,
  moment: Snapshot,
  options: PairingOptions,
  look: { readonly maxKeys: number; readonly only?: ReadonlySet<string> },
): Promise<{ pair: ProofPair; table: TableComparison }[]> {
  return reading(sides, moment, async (production, fallback) => {
    const { found } = await comparison(production, fallback, options, look);
    return found.comparison.tables.map((table, index) => ({ table, pair: found.compared[index]! }));
  });
}

interface Found {
  readonly comparison: Comparison;
  /** What each table of the comparison was compared by. */
  readonly compared: readonly ProofPair[];
  readonly notProven: readonly NotProven[];
  readonly dropped: NonNullable<Proof['dropped']>;
}

interface Compared {
  readonly onProgress?: (progress: Progress) => void;
  readonly maxKeys?: number;
  /** These tables and no others. @default all */
  readonly only?: ReadonlySet<string>;
  /** The pair as this comparison reads it. */
  readonly asSeen?: (pair: ProofPair) => ProofPair;
}

async function comparison(
  production: Reader,
  fallback: Reader,
  options: PairingOptions,
  { onProgress, maxKeys, asSeen, only }: Compared,
): Promise<{ found: Found; pairing: ReturnType<typeof pair>; partitions: PartitionRows[] }> {
  const began = performance.now();
  const [now, there] = [await recordOf(production.db), await recordOf(fallback.db)];
  const pairing = pair(now, there, options, await majorVersion(production.db));
  const notProven: NotProven[] = [];
  const dropped: NonNullable<Proof['dropped']>[number][] = [];
  const [tables, compared]: [TableComparison[], ProofPair[]] = [[], []];
  const ofRows = pairing.pairs.reduce((sum, { rows }) => sum + rows, 0);
  let rows = 0;
  for (const one of pairing.pairs) {
    if (only && !only.has(one.name)) continue;
    const away = await droppedPartitions(production, fallback, one);
    dropped.push(...away.flatMap(({ name, rows }) => (rows > 0 ? [{ partition: name, rows }] : [])));
    const left = besides(
      one,
      away.map(({ oid }) => oid),
    );
    let seen = asSeen ? asSeen(left) : left;
    const take = () =>
      comparePair(production.db, fallback.db, seen, maxKeys === undefined ? {} : { maxKeys }, (more) => {
        rows += more;
        onProgress?.({ table: one.name, rows, ofRows: Math.max(ofRows, rows), tables: tables.length, ofTables: pairing.pairs.length });
      });
    let table = await unlessRefused(take);
    if (isOfValues(table)) {
      // an error has ended the transactions.
      await Promise.all([production.again(), fallback.again()]);
      const failing = table.sqlstate === notAllowed ? [] : await whichFail(production, fallback, seen);
      notProven.push(...failing.map(({ id, what }) => ({ id, what })));
      if (failing.length > 0) {
        seen = without(seen, new Set(failing.map(({ at }) => at)));
        table = await unlessRefused(take);
        if (isOfValues(table)) await Promise.all([production.again(), fallback.again()]);
      }
    }
    if (isOfValues(table)) {
      notProven.push({ id: one.name, what: `rows of ${one.name} could not be compared: ${table.message}` });
      continue;
    }
    if (!table.equal && one.excused !== undefined) {
      const { rowsA, rowsB } = table;
      notProven.push({
        id: one.name,
        what: `${one.name} differs (${rowsA} rows on production, ${rowsB} on the fallback): ${one.excused}`,
        ...(rowsA > rowsB ? { rows: rowsA - rowsB } : {}),
        known: true,
      });
      continue;
    }
    // a sum of hashes is one look; how many rows and keys there are is another.
    const keys = asSeen ? undefined : await keysOf(production.db, fallback.db, seen, table);
    tables.push({ ...table, ...keys, equal: table.equal && (asSeen !== undefined || sameCounts(table, keys)) });
    compared.push(one);
  }
  onProgress?.({ table: '', rows, ofRows: rows, tables: tables.length, ofTables: tables.length });
  for (const { on, sql, ...named } of pairing.open) {
    const rows = await ask(on === 'production' ? production : fallback, sql);
    if (rows !== 0) notProven.push({ ...named, ...(rows === undefined ? {} : { rows }) });
  }
  // looked at once: a second look is at some tables only.
  if (!only) notProven.push(...(await missingLargeObjects(production, fallback)));
  const equal = tables.every((table) => table.equal);
  const partitions = await partitionRows(production, fallback, now, there);
  const seconds = (performance.now() - began) / 1000;
  return {
    found: { comparison: { equal, rows, seconds, tables, onlyA: [], onlyB: [] }, compared, notProven, dropped },
    pairing,
    partitions,
  };
}

function proofOf({ comparison, notProven, dropped }: Found, pairing: ReturnType<typeof pair>, partitions: readonly PartitionRows[]): Proof {
  const named = [...pairing.notProven, ...notProven];
  return {
    equal: comparison.equal,
    comparison,
    uncompared: named.filter(({ known }) => known).map(({ id }) => id),
    notProven: named,
    byName: pairing.byName,
    partitions,
    dropped,
  };
}

/** SQLSTATE of a policy that would hide rows, or of a right that is missing. */
const notAllowed = '42501';

const sameCounts = ({ rowsA, rowsB }: TableComparison, keys: { keysA: number; keysB: number } | undefined): boolean =>
  rowsA === rowsB && keys?.keysA === keys?.keysB;

/** Which of the texts fail, each with what the server says. */
async function whichFail(production: Reader, fallback: Reader, one: ProofPair): Promise<(NotProven & { at: number })[]> {
  const found: (NotProven & { at: number })[] = [];
  for (const { id, at } of one.mayFail)
    for (const [reader, side] of [
      [production, one.a],
      [fallback, one.b],
    ] as const) {
      if (found.some((known) => known.at === at)) continue;
      const error = await reader.db.query(`SELECT count((${side.columns[at]})::text) FROM ${side.relation}`).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) continue;
      if (!isOfValues(error)) throw error;
      found.push({ id, at, what: `values of ${id} could not be compared: ${error.message}` });
      await reader.again();
    }
  return found;
}

function without(one: ProofPair, places: ReadonlySet<number>): ProofPair {
  const left = (columns: readonly string[]): string[] => columns.filter((_, at) => !places.has(at));
  return { ...one, a: { ...one.a, columns: left(one.a.columns) }, b: { ...one.b, columns: left(one.b.columns) }, mayFail: [] };
}

/** How many keys there are: as many as rows where a constraint keeps them apart. */
async function keysOf(
  production: Db,
  fallback: Db,
  { a, b, unique }: ProofPair,
  { rowsA, rowsB }: TableComparison,
): Promise<{ keysA: number; keysB: number } | undefined> {
  if (a.key.length === 0) return undefined;
  const distinct = async (db: Db, { key, relation }: Pair['a']): Promise<number> =>
    (await db.query<{ keys: number }>(`SELECT count(DISTINCT ROW(${key.join(', ')})::text)::float8 AS keys FROM ${relation}`))[0]!.keys;
  const [keysA, keysB] = await Promise.all([unique.a ? rowsA : distinct(production, a), unique.b ? rowsB : distinct(fallback, b)]);
  return { keysA, keysB };
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
  const [, , alias] = aliased.exec(pair.b.relation)!;
  const low = BigInt(before) % 4_294_967_296n;
  const newer = `(xmin::text::int8 - ${low} + 4294967296) % 4294967296 < (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::numeric - ${before})`;
  return { ...pair, b: { ...pair.b, relation: `(SELECT * FROM ${pair.b.relation} WHERE NOT (${newer}))${alias ?? ' AS old'}` } };
}

/** Which of these keys the fallback has now. */
async function present(db: Db, { b }: Pair, keys: readonly string[]): Promise<Set<string>> {
  if (keys.length === 0 || b.key.length === 0) return new Set();
  const key = rowName(b);
  const rows = await db.query<{ key: string }>(`SELECT ${key} AS key FROM ${b.relation} WHERE ${key} = ANY ($1::text[])`, [keys]);
  return new Set(rows.map((row) => row.key));
}
