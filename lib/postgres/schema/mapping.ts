/** What equals what when production has the new schema and the fallback the old one: the same question before opening and after a rollback. */

import { ident } from '../connection/connect';
import type { Pair, Side } from '../connection/row-pair';
import { columnAt, findsBy, sameColumn } from './catalog';
import type { Declared } from './declared';
import { heldAs } from './kinds/names';
import type { BridgePlan, TablePlan } from './kinds/plan';

export interface Mapping {
  readonly pairs: readonly Pair[];
  /** Columns of the old schema that have no source in the new one, so that nothing could be compared. */
  readonly uncompared: readonly string[];
}

export interface MappingOptions {
  /** `new`: tables and columns on the fallback go by the names that they have while the bridge is up. */
  readonly names: 'new' | 'old';
  readonly declared?: Declared;
  /** New tables have been copied, so what their rows do to the old schema has been done. @default true */
  readonly copied?: boolean;
  /** Estimates, for progress. @default none */
  readonly rows?: (table: string) => number;
}

/** Pairs for `compareTables`: a is production, b the fallback. */
export function mapping(plan: BridgePlan, options: MappingOptions): Mapping {
  const uncompared: string[] = [];
  const pairs = plan.tables.map((table) => pairOf(table, options, uncompared));
  const inert = plan.inert.map((table): Pair => {
    const key = table.primaryKey.map((number) => columnAt(table, number).name);
    const columns = table.columns.filter(({ generated }) => generated === '').map(({ name }) => ident(name));
    const side: Side = { relation: table.name, key: key.map(ident), keyTypes: [], columns };
    return { name: table.name, a: side, b: side, ranges: false, rows: options.rows?.(table.name) ?? 0 };
  });
  return { pairs: [...pairs, ...inert], uncompared };
}

function pairOf(plan: TablePlan, { names, declared, copied = true, rows }: MappingOptions, uncompared: string[]): Pair {
  const { old, now } = plan;
  const onFallback = (column: string): string => `old.${ident(names === 'new' ? heldAs(plan, column) : column)}`;
  const a: string[] = [];
  const b: string[] = [];
  for (const column of old.columns) {
    if (column.generated !== '') continue;
    const expression = declared?.columns?.find((one) => one.table === old.name && one.column === column.name)?.from;
    const set = copied ? setBy(declared, old.name, column.name) : undefined;
    const other = sameColumn(column, old, now);
    const value = onFallback(column.name);
    const fit = plan.fits.get(column);
    let source: string;
    if (expression) source = `(${expression})`;
    else if (other && fit) source = `new.${ident(other.name)}`;
    else if (set) {
      // until a row of the other table is there, the column has what it may not be without.
      const without = plan.fill.find((fill) => fill.column === heldAs(plan, column.name))?.value ?? column.default ?? undefined;
      source = column.notNull && without !== undefined ? `coalesce((${set}), ${without})` : `(${set})`;
    } else {
      uncompared.push(`${old.name}.${column.name}`);
      continue;
    }
    const [left, right] = asTexts(source, value, expression || !fit ? { was: column.type, is: column.type } : fit);
    a.push(left);
    b.push(right);
  }
  // a column that rows are found by has its value on the fallback, or none is found.
  for (const name of names === 'new' ? (plan.identity ?? []) : []) {
    if (!plan.shadows.some((shadow) => shadow.name === name && shadow.from === undefined)) continue;
    a.push(`(new.${ident(name)})::text`);
    b.push(`(old.${ident(name)})::text`);
  }
  const known = findsBy(old).map((number) => columnAt(old, number));
  const key = known.every((column) => sameColumn(column, old, now)) ? known : [];
  const keys = key.map((column) => sameColumn(column, old, now)!);
  const type = (text: string): string => text.replace(/\(.*\)/, '');
  const ranges =
    key.length > 0 &&
    key.every(
      (column, index) =>
        /^(smallint|integer|bigint|uuid|timestamp.*|date)$/.test(type(column.type)) && type(column.type) === type(keys[index]!.type),
    );
  const fallbackName = names === 'new' ? now.name : old.name;
  return {
    name: old.name,
    a: {
      relation: `${now.name} AS new`,
      key: keys.map(({ name }) => `new.${ident(name)}`),
      keyTypes: keys.map((column) => column.type),
      columns: a,
    },
    b: {
      relation: `${fallbackName} AS old`,
      key: key.map(({ name }) => onFallback(name)),
      keyTypes: key.map((column) => column.type),
      columns: b,
    },
    ranges,
    rows: rows?.(old.name) ?? 0,
  };
}

const setBy = (declared: Declared | undefined, table: string, column: string): string | undefined =>
  declared?.rows?.flatMap(({ sets }) => sets ?? []).find((one) => one.table === table && one.column === column)?.is;

/** Both sides of a value as texts that are equal when the values are, although the types may not be; types as they are through their domains. */
export function asTexts(a: string, b: string, { was, is }: { readonly was: string; readonly is: string }): [a: string, b: string] {
  const [old, now] = [was, is].map((type) => type.replace(/\(.*\)/, '')) as [string, string];
  const both = (text: (value: string) => string): [string, string] => [text(a), text(b)];
  if (isExact(old) && isExact(now)) return old === now && old !== 'numeric' ? both(plain) : both(trimmed);
  if (isExact(old.replace('[]', '')) && isExact(now.replace('[]', '')) && old.endsWith('[]') && now.endsWith('[]'))
    return both(eachTrimmed);
  if (/^(real|double precision)$/.test(old) && old !== now) return [`(${a})::${old}::text`, plain(b)];
  if (/^jsonb?$/.test(old) && /^jsonb?$/.test(now) && old !== now) return both((value) => `(${value})::jsonb::text`);
  // one that is wider is read by the other.
  if (/^(uuid|boolean)$/.test(now) || (old.startsWith('timestamp') && now.startsWith('timestamp')))
    return [plain(a), `(${b})::${now}::text`];
  return now === 'date' ? [`(${a})::${old}::text`, plain(b)] : both(plain);
}

const isExact = (type: string): boolean => /^(smallint|integer|bigint|numeric)$/.test(type);
const plain = (value: string): string => `(${value})::text`;
const trimmed = (value: string): string => `trim_scale((${value})::numeric)::text`;
/** With its dimensions, which tell {{1,2}} from {1,2}. */
const eachTrimmed = (value: string): string =>
  `CASE WHEN ${value} IS NULL THEN NULL ELSE pg_catalog.concat(pg_catalog.array_dims(${value}), (SELECT pg_catalog.json_agg(trim_scale(one.e::numeric) ORDER BY one.n)::text FROM pg_catalog.unnest(${value}) WITH ORDINALITY AS one(e, n))) END`;
