/**
 * Columns of the fallback that get a wider type, and keep it after a rollback or get their own back. What depends on them is made again
 * (dependents.ts); sequences that fill them can count as far as production's; columns that are computed of them are widened along with them.
 */
import { DatabaseError, type Db, ident, literal } from '../connection/connect';
import { majorVersion } from '../connection/server';
import { columnAt, sameColumn } from './catalog';
import { type ChangedColumn, dependentsOf } from './dependents';
import type { TablePlan, WidenedColumn } from './kinds/plan';
import type { Statement } from './kinds/statements';
import { typeChange } from './types';

export interface WidenedTable {
  /** By its name before the migrations. */
  readonly table: string;
  readonly columns: readonly WidenedColumn[];
  /** Columns that PostgreSQL computes of those. */
  readonly computed: readonly ComputedColumn[];
}

export interface ComputedColumn extends WidenedColumn {
  /** Its type before. */
  readonly was: string;
  readonly notNull: boolean;
  readonly expression: string;
}

/** Columns that the fallback computes of those that get wider, as wide as production has them, or as what they are computed of. */
export function computedOf({ old, now, widen }: Pick<TablePlan, 'old' | 'now' | 'widen'>): ComputedColumn[] {
  const numberOf = ({ column }: WidenedColumn): number => old.columns.find(({ name }) => name === column)!.number;
  const wider = new Map(widen.map((one) => [numberOf(one), one.type]));
  const back = new Set(widen.filter((one) => one.back !== undefined).map(numberOf));
  return (old.computed ?? []).flatMap(({ number, from }) => {
    const of = from.filter((one) => wider.has(one));
    // what gets its own type back is looked at as everything else that depends on it.
    if (from.some((one) => back.has(one))) return [];
    const column = columnAt(old, number);
    if (of.length === 0) return [];
    const other = sameColumn(column, old, now);
    const same = other && other.generated !== '' && other.default === column.default;
    const types = [...(other ? [other.type] : []), ...(same ? [] : of.map((one) => wider.get(one)!))];
    const type = types.find((one) => typeChange(column.type, one).is === 'widen') ?? column.type;
    return [{ column: column.name, type, was: column.type, notNull: column.notNull, expression: column.default! }];
  });
}

/** Statements of one transaction, before the bridge gives anything another name. */
export async function widening(production: Db, fallback: Db, owner: string, tables: readonly WidenedTable[]): Promise<Statement[]> {
  if (tables.length === 0) return [];
  const canSet = (await majorVersion(fallback)) >= 17;
  const columns = tables.flatMap(({ table, columns, computed }) =>
    [...columns, ...computed.filter(({ was, type }) => !canSet || was !== type)].map((one) => ({ ...one, table })),
  );
  const computed = tables.flatMap(({ table, computed }) => computed.map(({ column }) => ({ table, column })));
  if (!canSet) await refuseInPlace(fallback, computed);
  const { drop, create } = await dependentsOf(fallback, owner, columns, computed);
  const own = [
    ...tables.flatMap((table) => (table.computed.length === 0 ? [alter(table, types(table.columns))] : recomputed(table, canSet))),
    ...(await sequences(production, fallback, columns)),
  ];
  return [...drop, ...own.map((sql) => ({ sql, as: 'owner' as const })), ...unlooked(create), ...create];
}

/** A function made again may find nothing where the connection looks for names. */
const unlooked = (create: readonly Statement[]): Statement[] =>
  create.length > 0 ? [{ sql: 'SET LOCAL check_function_bodies = off', as: 'master' }] : [];

/** All at once, so that the rows are written once. */
const alter = ({ table }: WidenedTable, what: readonly string[]): string => `ALTER TABLE ${table} ${what.join(', ')}`;
const types = (columns: readonly WidenedColumn[]): string[] =>
  columns.map(({ column, type, byText }) => {
    const name = ident(column);
    const using = byText ? ` USING CASE WHEN ${name} IS NULL THEN NULL ELSE pg_catalog.format('%s', ${name})::${type} END` : '';
    return `ALTER COLUMN ${name} TYPE ${type}${using}`;
  });

/** The type that a column had. Only where every value is one of it, written in the same way: a cast would cut or round it without a word. */
export async function putBack(fallback: Db, owner: string, { table, column, type, usual }: GotBack): Promise<Statement[]> {
  const name = ident(column);
  const value = `${name}::text::${type}`;
  const { drop, create } = await dependentsOf(fallback, owner, [{ table, column }]);
  const words = literal(`there are values in ${table}.${column} that are none of ${type}`.replaceAll('%', '%%'));
  const own = [
    `DO $back$ BEGIN IF EXISTS (SELECT FROM ${table} WHERE ${name}::text IS DISTINCT FROM (${value})::text) THEN RAISE EXCEPTION ${words}; END IF; END $back$`,
    // a default is of the wider type now.
    ...(usual === null ? [] : [`ALTER TABLE ${table} ALTER COLUMN ${name} DROP DEFAULT`]),
    `ALTER TABLE ${table} ALTER COLUMN ${name} TYPE ${type} USING ${value}`,
    ...(usual === null ? [] : [`ALTER TABLE ${table} ALTER COLUMN ${name} SET DEFAULT ${usual}`]),
  ];
  return [...drop, ...own.map((sql) => ({ sql, as: 'owner' as const })), ...unlooked(create), ...create];
}

export interface GotBack {
  /** By its name before the migrations. */
  readonly table: string;
  readonly column: string;
  readonly type: string;
  /** Its default. */
  readonly usual: string | null;
}

/**
 * A column cannot change under one that is computed of it: that one is computed of a copy of itself for a moment, and keeps its place. Before
 * PostgreSQL 17 no expression can be set, and the column is made again.
 */
function recomputed(table: WidenedTable, canSet: boolean): string[] {
  const { columns, computed } = table;
  const each = (what: (one: ComputedColumn, index: number) => string): string => alter(table, computed.map(what));
  if (!canSet)
    return [
      each(({ column }) => `DROP COLUMN ${ident(column)}`),
      alter(table, types(columns)),
      each(
        ({ column, type, expression, notNull }) =>
          `ADD COLUMN ${ident(column)} ${type} GENERATED ALWAYS AS (${expression}) STORED${notNull ? ' NOT NULL' : ''}`,
      ),
    ];
  const copy = (index: number): string => `switchback_copy_${index}`;
  const wider = computed.filter(({ was, type }) => was !== type);
  return [
    each(({ was }, index) => `ADD COLUMN ${copy(index)} ${was}`),
    alter(table, [
      ...computed.map(({ was, expression }, index) => `ALTER COLUMN ${copy(index)} TYPE ${was} USING (${expression})`),
      ...types(wider),
    ]),
    each(({ column }, index) => `ALTER COLUMN ${ident(column)} SET EXPRESSION AS (${copy(index)})`),
    alter(table, types(columns)),
    each(({ column, expression }) => `ALTER COLUMN ${ident(column)} SET EXPRESSION AS (${expression})`),
    each((_, index) => `DROP COLUMN ${copy(index)}`),
  ];
}

/** What is made again comes last in its table, and without what PostgreSQL drops along with it. */
async function refuseInPlace(fallback: Db, columns: readonly ChangedColumn[]): Promise<void> {
  const why = await fallback.query<{ column: string; why: string }>(
    `SELECT o.t || '.' || o.c AS column, CASE WHEN later.name IS NULL THEN what.is ELSE 'another column behind it: ' || later.name END AS why
       FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS o (t, c)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = o.t::regclass AND a.attname = o.c AND NOT a.attisdropped
       LEFT JOIN LATERAL (SELECT l.attname AS name FROM pg_catalog.pg_attribute l WHERE l.attrelid = a.attrelid AND l.attnum > a.attnum AND NOT l.attisdropped AND NOT EXISTS (
              SELECT FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS x (t, c) WHERE x.t = o.t AND x.c = l.attname) LIMIT 1) later ON true
       LEFT JOIN LATERAL (SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) AS is FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
              AND d.classid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_statistic_ext'::regclass)
             UNION ALL SELECT 'rights on it' WHERE a.attacl IS NOT NULL UNION ALL SELECT 'a comment' WHERE pg_catalog.col_description(a.attrelid, a.attnum) IS NOT NULL LIMIT 1) what ON true
      WHERE later.name IS NOT NULL OR what.is IS NOT NULL`,
    [columns.map(({ table }) => table), columns.map(({ column }) => column)],
  );
  if (why.length > 0)
    throw new DatabaseError(
      `${why.map((one) => `${one.column} is computed of a column that must get another type on the fallback, and there is ${one.why}`).join('; ')}; PostgreSQL before 17 changes no such column in its place: drop it before the window`,
      undefined,
    );
}

interface Filling {
  readonly sequence: string;
  /** The type of the column that it fills, as it will be. */
  readonly column: string;
  readonly oid: number;
  readonly type: string;
  readonly min: string;
  readonly max: string;
}

const limits: Readonly<Record<string, readonly [min: bigint, max: bigint]>> = {
  smallint: [-(2n ** 15n), 2n ** 15n - 1n],
  integer: [-(2n ** 31n), 2n ** 31n - 1n],
  bigint: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** The old release goes on inserting after a rollback, behind the numbers that production has given out. */
async function sequences(production: Db, fallback: Db, columns: readonly (WidenedColumn & { table: string })[]): Promise<string[]> {
  const filling = await fallback.query<Filling>(
    `SELECT DISTINCT ON (q.seqrelid) pg_catalog.format('%I.%I', n.nspname, c.relname) AS sequence, w.type AS column, q.seqrelid::int8::float8 AS oid, pg_catalog.format_type(q.seqtypid, NULL) AS type, q.seqmin::text AS min, q.seqmax::text AS max
       FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[])) AS w ("table", "column", type)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = w."table"::regclass AND a.attname = w."column" AND NOT a.attisdropped
       JOIN pg_catalog.pg_sequence q ON q.seqrelid IN (
              SELECT d.objid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
              UNION ALL
              SELECT d.refobjid FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum)
       JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY q.seqrelid, w.type = 'bigint' DESC`,
    [columns.map(({ table }) => table), columns.map(({ column }) => column), columns.map(({ type }) => type)],
  );
  if (filling.length === 0) return [];
  const there = await production.query<Pick<Filling, 'oid' | 'min' | 'max'>>(
    'SELECT seqrelid::int8::float8 AS oid, seqmin::text AS min, seqmax::text AS max FROM pg_catalog.pg_sequence WHERE seqrelid = ANY ($1::oid[])',
    [filling.map(({ oid }) => oid)],
  );
  return filling.flatMap((one) => {
    const type =
      one.column in limits && limits[one.column]![1] > limits[one.type]![1] ? one.column : one.column in limits ? one.type : 'bigint';
    const [[leastBefore, mostBefore], [least, most]] = [limits[one.type]!, limits[type]!];
    const now = there.find(({ oid }) => oid === one.oid) ?? one;
    const [min, max] = [BigInt(one.min), BigInt(one.max)];
    const goal = {
      min: smaller(min === leastBefore ? least : min, larger(BigInt(now.min), least)),
      max: larger(max === mostBefore ? most : max, smaller(BigInt(now.max), most)),
    };
    if (type === one.type && goal.min === min && goal.max === max) return [];
    return [`ALTER SEQUENCE ${one.sequence} AS ${type} MINVALUE ${goal.min} MAXVALUE ${goal.max}`];
  });
}

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
