/**
 * A row that a table would take although nobody has written it: copied from one that is there, with keys of its own, or put together from
 * the catalog where there is none. Every value is spelled out, so that no sequence is asked for a number.
 */
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { literal } from '../connection/connect';
import type { Catalog, CatalogColumn, CatalogTable } from './catalog';

/** A column and its value as SQL. */
export interface Value {
  readonly column: string;
  readonly sql: string;
}

export interface SampleRowOptions {
  readonly table: CatalogTable;
  readonly enums: Catalog['enums'];
  /** A row of the table as PostgreSQL writes its values, by column; undefined for an empty table. */
  readonly template: Readonly<Record<string, string | null>> | undefined;
  /** Columns that are unique beside what the table's own keys say. */
  readonly alsoUnique?: readonly (readonly string[])[];
  /** Values of rows of other tables that this one's may point to, by column. */
  readonly parents?: Readonly<Record<string, string>>;
  /** Columns that have the template's value, although a key may be over them. @default none */
  readonly same?: readonly string[];
}

export interface SampleRow {
  readonly values: readonly Value[];
  /** It points to a row of another table that is not there: customers' work would be refused. */
  readonly dangling: boolean;
}

/** Tries at a row, the most likely first; a server says whether it is one. Empty where a column must have a value and none is known. */
export function sampleRows({ table, enums, template, alsoUnique = [], parents = {}, same = [] }: SampleRowOptions): SampleRow[] {
  const columns = table.columns.filter(({ generated }) => generated === '');
  const keys = [...uniqueSets(table), ...alsoUnique];
  const inForeignKey = new Set(table.constraints.filter(({ type }) => type === 'f').flatMap((key) => key.columns));
  const few = new Set<string>();
  for (const key of keys) {
    if (key.some((name) => few.has(name))) continue;
    const candidates = columns.filter(({ name, type }) => key.includes(name) && !same.includes(name) && fresh(type, null) !== undefined);
    const best = candidates.sort((a, b) => rank(b, inForeignKey) - rank(a, inForeignKey))[0];
    if (best) few.add(best.name);
  }
  const all = new Set(keys.flat().filter((name) => !same.includes(name)));
  const row = (varied: ReadonlySet<string>, filled: boolean): SampleRow | undefined => {
    const values: Value[] = [];
    let dangling = false;
    for (const { name, type, notNull, number, enum: oid } of columns) {
      const points = inForeignKey.has(number);
      const known = points ? (parents[name] ?? null) : undefined;
      const made = known !== undefined && (known !== null || !notNull) ? known : filled || notNull ? sample(type, enums, oid) : null;
      const from = template ? (template[name] ?? null) : made;
      const value = (varied.has(name) ? fresh(type, from) : undefined) ?? from;
      if (value === null && notNull) return undefined;
      if (points && value !== null && value !== (template ? template[name] : known)) dangling = true;
      values.push({ column: name, sql: value === null ? 'NULL' : literal(value) });
    }
    return { values, dangling };
  };
  const none = new Set<string>();
  const tries = template ? [row(few, true), row(few, true), row(all, true)] : [row(none, true), row(none, false), row(all, true)];
  return tries.filter((found) => found !== undefined);
}

/** The columns of each key, by name. What an expression over columns keeps unique is not told by the catalog, and left out. */
export function uniqueSets(table: CatalogTable): string[][] {
  const names = (numbers: readonly number[]): string[] =>
    numbers.flatMap((number) => table.columns.find((column) => column.number === number)?.name ?? []);
  const keys = table.constraints.filter(({ type }) => ['p', 'u', 'x'].includes(type)).map((key) => names(key.columns));
  return [...keys, ...table.indexes.map(({ columns }) => names(columns)), ...(table.primaryKey.length > 0 ? [names(table.primaryKey)] : [])]
    .filter((key) => key.length > 0)
    .sort((a, b) => a.length - b.length);
}

/** Which column of a key gets the new value: none that points to another table, rather a number or a name than a time, the last one first. */
function rank({ number, type }: CatalogColumn, inForeignKey: ReadonlySet<number>): number {
  const kind = /^(smallint|integer|bigint|uuid)/.test(type) ? 2000 : /^(text|character|citext|public\.citext)/.test(type) ? 1000 : 0;
  return (inForeignKey.has(number) ? -10_000 : 0) + kind + number / 10_000;
}

const hex = (bytes: number): string => randomBytes(bytes).toString('hex');
const lengthOf = (type: string): number | undefined => Number(/\((\d+)/.exec(type)?.[1]) || undefined;
const baseOf = (type: string): string => type.replace(/\(.*?\)/, '');

/** A value that no row has, in all likelihood; undefined for a type of which none is known. */
export function fresh(type: string, current: string | null | undefined): string | undefined {
  const [base, length] = [baseOf(type), lengthOf(type)];
  switch (base) {
    case 'smallint':
      return `${32_767 - randomInt(10_000)}`;
    case 'integer':
      return `${2_147_483_647 - randomInt(100_000_000)}`;
    case 'bigint':
      return `${9_007_199_254_740_991 - randomInt(1_000_000_000_000)}`;
    case 'numeric': {
      const scale = Number(/,(-?\d+)\)/.exec(type)?.[1] ?? 0);
      return `${randomInt(10 ** Math.max(1, Math.min(9, (length ?? 18) - scale)))}`;
    }
    case 'uuid':
      return randomUUID();
    case 'text':
    case 'character varying':
    case 'character':
    case 'citext':
    case 'public.citext':
      // what follows may be what makes it valid: the @ of an address, the ending of a name.
      return `${hex(6)}${current ?? ''}`.slice(0, length ?? (base === 'character' ? 1 : undefined));
    case 'date':
      return `${1000 + randomInt(800)}-0${1 + randomInt(9)}-1${randomInt(10)}`;
    case 'timestamp without time zone':
    case 'timestamp with time zone':
      return `${1000 + randomInt(800)}-0${1 + randomInt(9)}-1${randomInt(10)} 0${randomInt(10)}:1${randomInt(10)}:00+00`;
    case 'bytea':
      return `\\x${hex(8)}`;
    case 'inet':
      return `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`;
    default:
      return undefined;
  }
}

/** A value of a type that says little; null where none is known. */
function sample(type: string, enums: Catalog['enums'], oid: number): string | null {
  if (oid !== 0) return enums.find((one) => one.oid === oid)?.labels[0]?.label ?? null;
  const base = baseOf(type);
  if (/\[\]$/.test(type)) return '{}';
  if (/^(smallint|integer|bigint|numeric|real|double precision|money|oid|bit|bit varying)$/.test(base)) return '1';
  if (/^(text|character varying|character|citext|public\.citext|name)$/.test(base)) return 'x';
  if (/^(date|timestamp )/.test(base)) return '2000-01-01';
  if (/^time /.test(base)) return '00:00';
  if (/^jsonb?$/.test(base)) return '{}';
  if (/multirange$/.test(base)) return '{}';
  if (/range$/.test(base)) return 'empty';
  const known: Record<string, string> = {
    boolean: 'true',
    interval: '1 day',
    uuid: '00000000-0000-0000-0000-000000000001',
    bytea: '\\x00',
    inet: '10.0.0.1',
    cidr: '10.0.0.0/8',
    macaddr: '00:00:00:00:00:01',
    xml: '<x/>',
    tsvector: '',
    point: '(0,0)',
  };
  return known[base] ?? null;
}
