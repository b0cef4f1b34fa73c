/**
 * Are the rows of two databases equal? Told by hashes computed where the rows are; only the parts that differ are looked at
 * closer, until the first differing keys are known.
 */
import { type Db, ident } from '../connection/connect';
import type { Pair, Side } from '../connection/row-pair';
import { plainColumns, readTables, type Table } from '../connection/tables';

/** Rows and the sum of their hashes: equal for the same rows in any order. */
export interface Fingerprint {
  readonly rows: number;
  readonly hash: string;
}

/** The fingerprint of a table, or of the rows that `where` selects. `columns` are SQL expressions, in the same order on both sides. */
export async function fingerprint(
  db: Db,
  table: string,
  columns: readonly string[],
  where = 'true',
  params: readonly unknown[] = [],
): Promise<Fingerprint> {
  const [row] = await db.query<Fingerprint>(
    `SELECT count(*)::float8 AS rows, coalesce(sum(${hashOf(columns)}::numeric), 0)::text AS hash FROM ${table} WHERE ${where}`,
    params,
  );
  return row!;
}

export interface CompareOptions {
  /** Only these, as `schema.table`. @default every table that both have */
  readonly tables?: readonly string[];
  /** Only these columns of a table. @default every column that both have, generated ones aside */
  readonly columns?: Readonly<Record<string, readonly string[]>>;
  /** What to compare, instead of tables of the same name: rows of two schemas through expressions. */
  readonly pairs?: readonly Pair[];
  /** Rows per part. @default 50000 */
  readonly partRows?: number;
  /** How many differing keys to name per table. @default 10 */
  readonly maxKeys?: number;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly table: string;
  /** Rows compared so far, over all tables, and the estimate of all. */
  readonly rows: number;
  readonly ofRows: number;
  readonly tables: number;
  readonly ofTables: number;
}

export interface Difference {
  /** The key's values, `(42)`; for a table without a key a number that stands for the whole row. */
  readonly key: string;
  readonly is: 'only on a' | 'only on b' | 'different';
}

export interface TableComparison {
  readonly table: string;
  readonly equal: boolean;
  readonly rowsA: number;
  readonly rowsB: number;
  /** How many keys there are, where they were counted. */
  readonly keysA?: number;
  readonly keysB?: number;
  /** The first differing keys. */
  readonly differences: readonly Difference[];
}

export interface Comparison {
  readonly equal: boolean;
  readonly rows: number;
  readonly seconds: number;
  readonly tables: readonly TableComparison[];
  /** Tables that only one side has; not part of `equal`, which speaks of what both have. */
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
}

export async function compareTables(a: Db, b: Db, options: CompareOptions = {}): Promise<Comparison> {
  const began = performance.now();
  const { pairs, onlyA, onlyB }: Pairs = options.pairs ? { pairs: options.pairs, onlyA: [], onlyB: [] } : await pairsOf(a, b, options);
  const ofRows = pairs.reduce((sum, pair) => sum + pair.rows, 0);
  let rows = 0;
  const tables: TableComparison[] = [];
  for (const pair of pairs) {
    tables.push(
      await comparePair(a, b, pair, options, (more) => {
        rows += more;
        options.onProgress?.({ table: pair.name, rows, ofRows: Math.max(ofRows, rows), tables: tables.length, ofTables: pairs.length });
      }),
    );
  }
  options.onProgress?.({ table: '', rows, ofRows: rows, tables: tables.length, ofTables: tables.length });
  return { equal: tables.every((table) => table.equal), rows, seconds: (performance.now() - began) / 1000, tables, onlyA, onlyB };
}

interface Pairs {
  readonly pairs: readonly Pair[];
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
}

/** Tables of the same name, with the columns that both have. */
async function pairsOf(a: Db, b: Db, { tables, columns }: CompareOptions): Promise<Pairs> {
  const [inA, inB] = await Promise.all([readTables(a), readTables(b)]);
  const wanted = (table: Table): boolean => tables === undefined || tables.includes(table.name);
  for (const name of tables ?? []) {
    if (![...inA, ...inB].some((table) => table.name === name)) throw new Error(`there is no table ${name} to compare, on either side`);
  }
  const there = new Map(inB.map((table) => [table.name, table]));
  const here = new Set(inA.map((table) => table.name));
  const pairs = inA.filter(wanted).flatMap((table) => {
    const other = there.get(table.name);
    return other === undefined ? [] : [samePair(table, other, columns?.[table.name])];
  });
  return {
    pairs,
    onlyA: inA.filter((table) => wanted(table) && !there.has(table.name)).map((table) => table.name),
    onlyB: inB.filter((table) => wanted(table) && !here.has(table.name)).map((table) => table.name),
  };
}

/** The pair of two tables with the same name. */
export function samePair(a: Table, b: Table, columns?: readonly string[]): Pair {
  const inB = new Set(plainColumns(b).map((column) => column.name));
  const common = plainColumns(a).filter((column) => inB.has(column.name) && (columns === undefined || columns.includes(column.name)));
  const key = b.primaryKey.length > 0 && b.primaryKey.every((name) => common.some((column) => column.name === name)) ? b.primaryKey : [];
  const typed = (table: Table, name: string) => table.columns.find((column) => column.name === name)!;
  const side = (table: Table): Side => ({
    relation: table.name,
    key: key.map(ident),
    keyTypes: key.map((name) => typed(table, name).type),
    columns: common.map((column) => ident(column.name)),
  });
  const ranges = key.length > 0 && key.every((name) => !typed(a, name).collatable && typed(a, name).type === typed(b, name).type);
  return { name: a.name, a: side(a), b: side(b), ranges, rows: Math.max(a.rows, b.rows) };
}

/** A part of a table: what selects it on each side, and its fingerprints. */
interface Part {
  readonly where: (side: Side) => { sql: string; params: readonly unknown[] };
  readonly a: Fingerprint;
  readonly b: Fingerprint;
}

export async function comparePair(
  a: Db,
  b: Db,
  pair: Pair,
  options: CompareOptions,
  progress: (rows: number) => void,
): Promise<TableComparison> {
  const [partRows, maxKeys] = [options.partRows ?? 50_000, options.maxKeys ?? 10];
  const differences: Difference[] = [];
  let [rowsA, rowsB, equal] = [0, 0, true];
  const parts = pair.ranges ? ranges(a, b, pair, partRows) : buckets(a, b, pair, partRows);
  for await (const part of parts) {
    rowsA += part.a.rows;
    rowsB += part.b.rows;
    progress(Math.max(part.a.rows, part.b.rows));
    if (part.a.rows === part.b.rows && part.a.hash === part.b.hash) continue;
    equal = false;
    if (differences.length < maxKeys) differences.push(...(await closer(a, b, pair, part, maxKeys - differences.length)));
  }
  return { table: pair.name, equal, rowsA, rowsB, differences };
}

/** Parts by ranges of the key: each is read by its index on both sides at once, and progress is seen. */
async function* ranges(a: Db, b: Db, pair: Pair, partRows: number): AsyncGenerator<Part> {
  const row = (side: Side) => `(${side.key.join(', ')})`;
  const values = (side: Side, first: number) => `(${side.keyTypes.map((type, index) => `$${first + index}::text::${type}`).join(', ')})`;
  let after: string[] | undefined;
  for (;;) {
    const from: string[] | undefined = after;
    const size = pair.a.key.length;
    const [end]: { key: string[] }[] = await a.query<{ key: string[] }>(
      `SELECT ARRAY[${pair.a.key.map((_, index) => `k${index}::text`).join(', ')}] AS key FROM (
         SELECT ${pair.a.key.map((name, index) => `${name} AS k${index}`).join(', ')} FROM ${pair.a.relation}
          ${from ? `WHERE ${row(pair.a)} > ${values(pair.a, 1)}` : ''} ORDER BY ${pair.a.key.join(', ')} OFFSET ${partRows - 1} LIMIT 1) AS last`,
      from,
    );
    const to = end?.key;
    const where = (side: Side) => ({
      sql:
        [
          ...(from ? [`${row(side)} > ${values(side, 1)}`] : []),
          ...(to ? [`${row(side)} <= ${values(side, from ? size + 1 : 1)}`] : []),
        ].join(' AND ') || 'true',
      params: [...(from ?? []), ...(to ?? [])],
    });
    const print = (db: Db, side: Side) => fingerprint(db, side.relation, side.columns, where(side).sql, where(side).params);
    const [inA, inB] = await Promise.all([print(a, pair.a), print(b, pair.b)]);
    yield { where, a: inA, b: inB };
    if (to === undefined) return;
    after = to;
  }
}

/** Parts by the hash of the key, or of the whole row: for keys whose order two servers may not agree on. One scan on each side. */
async function* buckets(a: Db, b: Db, pair: Pair, partRows: number): AsyncGenerator<Part> {
  const count = Math.max(1, Math.ceil((pair.rows / partRows) * 10));
  const bucket = (side: Side) => `(${hashOf(side.key.length > 0 ? side.key : side.columns)} & 9223372036854775807) % ${count}`;
  const read = (db: Db, side: Side) =>
    db.query<Fingerprint & { bucket: string }>(
      `SELECT (${bucket(side)})::text AS bucket, count(*)::float8 AS rows, sum(${hashOf(side.columns)}::numeric)::text AS hash FROM ${side.relation} GROUP BY 1`,
    );
  const [inA, inB] = await Promise.all([read(a, pair.a), read(b, pair.b)]);
  const [mapA, mapB] = [new Map(inA.map((row) => [row.bucket, row])), new Map(inB.map((row) => [row.bucket, row]))];
  for (const name of new Set([...mapA.keys(), ...mapB.keys()])) {
    const none = { rows: 0, hash: '0' };
    yield { where: (side) => ({ sql: `${bucket(side)} = ${name}`, params: [] }), a: mapA.get(name) ?? none, b: mapB.get(name) ?? none };
  }
}

/** The differing keys of a part, in the order of the keys' texts. */
async function closer(a: Db, b: Db, pair: Pair, part: Part, max: number): Promise<Difference[]> {
  const read = async (db: Db, side: Side): Promise<Map<string, { hash: string; times: number }>> => {
    const { sql, params } = part.where(side);
    const rows = await db.query<{ key: string; hash: string; times: number }>(
      `SELECT ${rowName(side)} AS key, sum(${hashOf(side.columns)}::numeric)::text AS hash, count(*)::int AS times FROM ${side.relation} WHERE ${sql} GROUP BY 1`,
      params,
    );
    return new Map(rows.map((row) => [row.key, row]));
  };
  const [inA, inB] = await Promise.all([read(a, pair.a), read(b, pair.b)]);
  const found: Difference[] = [];
  for (const [key, row] of inA) {
    const other = inB.get(key);
    if (other === undefined) found.push({ key, is: 'only on a' });
    else if (other.hash !== row.hash || other.times !== row.times) found.push({ key, is: 'different' });
  }
  for (const key of inB.keys()) if (!inA.has(key)) found.push({ key, is: 'only on b' });
  return found.sort((x, y) => x.key.localeCompare(y.key, 'en', { numeric: true })).slice(0, max);
}

/** What a row is told by where it has no key. */
const hashOf = (columns: readonly string[]): string => `pg_catalog.hashtextextended(ROW(${columns.join(', ')})::text, 0)`;

/** How a difference names a row of this side: by its key, or by a number that stands for the whole row. */
export const rowName = ({ key, columns }: Side): string =>
  key.length > 0 ? `ROW(${key.join(', ')})::text` : `'row ' || ${hashOf(columns)}::text`;

/** A moment of a database that can be read later, while others go on writing. */
export interface Snapshot {
  /** For other connections to the same server: `importSnapshot`. Lost with this connection. */
  readonly id: string;
  /** Reads the moment. */
  readonly db: Db;
  /** Ends it; until then, vacuum keeps every row version that it may need. */
  release(): Promise<void>;
}

/** Keeps the present moment of a database. The connection is the snapshot's until it is released. */
export async function exportSnapshot(db: Db): Promise<Snapshot> {
  const [, [row]] = await db.queries<[unknown, { id: string }]>([
    'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
    'SELECT pg_catalog.pg_export_snapshot() AS id',
  ]);
  return {
    id: row!.id,
    db,
    release: async () => {
      await db.query('ROLLBACK');
    },
  };
}

/** Reads on this connection, until ROLLBACK, the moment that another one exported. */
export async function importSnapshot(db: Db, id: string): Promise<void> {
  await db.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await db.query(`SET TRANSACTION SNAPSHOT '${id.replaceAll("'", '')}'`);
}
