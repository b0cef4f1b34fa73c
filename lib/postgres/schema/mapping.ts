/** What equals what when production has the new schema and the fallback the old one: the same question before opening and after a rollback. */

import { ident } from '../connection/connect';
import type { Pair, Side } from '../connection/row-pair';
import { sameColumn } from './catalog';
import type { Declared } from './declared';
import { heldAs } from './kinds/names';
import type { BridgePlan, TablePlan } from './kinds/plan';
import { typeChange } from './types';

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
    const key = table.primaryKey.map((number) => table.columns.find((column) => column.number === number)!.name);
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
    let source: [expression: string, type: string | undefined];
    if (expression) source = [`(${expression})`, undefined];
    else if (other && other.generated === '' && fits(column.type, other.type, column.enum !== 0 && column.enum === other.enum)) {
      const renamed = plan.assign.find((assign) => assign.column === heldAs(plan, column.name) && assign.expression.startsWith('(CASE'));
      source = renamed
        ? [`(${renamed.expression.replace(/::[^:)]+$/, '').replaceAll(`NEW.${ident(other.name)}`, `new.${ident(other.name)}`)})`, 'text']
        : [`new.${ident(other.name)}`, column.enum !== 0 && column.enum === other.enum ? column.type : other.type];
    } else if (set) {
      // until a row of the other table is there, the column has what it may not be without.
      const without = plan.fill.find((fill) => fill.column === heldAs(plan, column.name))?.value ?? column.default ?? undefined;
      source = [column.notNull && without !== undefined ? `coalesce((${set}), ${without})` : `(${set})`, undefined];
    } else {
      uncompared.push(`${old.name}.${column.name}`);
      continue;
    }
    const [left, right] = asTexts(source[0], source[1], value, column.type);
    a.push(left);
    b.push(right);
  }
  // where whole rows are sent, a primary key tells them apart all the same.
  const numbers = old.identityFull ? old.primaryKey : old.identity;
  const known = numbers.map((number) => old.columns.find((column) => column.number === number)!);
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

/** Both sides of a value as texts that are equal when the values are, although the types may not be. */
function asTexts(a: string, aType: string | undefined, b: string, bType: string): [string, string] {
  const base = (type: string): string => type.replace(/\(.*\)/, '');
  const [from, to] = [base(bType), aType === undefined ? undefined : base(aType)];
  const cast = (expression: string, type: string): string => `(${expression})::${type}::text`;
  if (to === undefined || to === from) {
    if (from !== 'numeric') return [`(${a})::text`, `(${b})::text`];
    return [`trim_scale((${a})::numeric)::text`, `trim_scale((${b})::numeric)::text`];
  }
  if (/^jsonb?$/.test(to)) return [cast(a, 'jsonb'), cast(b, 'jsonb')];
  if (/^(smallint|integer|bigint|uuid|boolean)$/.test(to) || (from.startsWith('timestamp') && to.startsWith('timestamp')))
    return [`(${a})::text`, cast(b, to)];
  if (to === 'date') return [cast(a, from), `(${b})::text`];
  return [`(${a})::text`, `(${b})::text`];
}

const fits = (from: string, to: string, sameEnum: boolean): boolean => sameEnum || ['fits', 'widen'].includes(typeChange(from, to).is);
