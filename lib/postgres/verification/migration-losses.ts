/**
 * What a migration takes away that only rows can tell: values of dropped columns, rows of dropped tables, rows that it deletes, values that
 * a new type does not give back. Counted where both schemas are at hand: before, and on a copy after it. Each is refused until it is declared
 * or accepted.
 */
import { inPattern } from '../../base/plain-text';
import { DatabaseError, type Db, ident, literal } from '../connection/connect';
import { looksLikeBookkeeping } from '../schema/bookkeeping';
import {
  attachedTo,
  type Catalog,
  type CatalogColumn,
  type CatalogTable,
  columnAt,
  findsBy,
  renamedLabels,
  sameColumn,
  sameTable,
  withDetached,
} from '../schema/catalog';
import { structuralLosses } from '../schema/classify';
import type { Declared } from '../schema/declared';
import type { Difference } from '../schema/difference';
import { fitOf, plainType } from '../schema/kinds/fit';
import { heldAs, heldNames } from '../schema/kinds/names';
import { asTexts } from '../schema/mapping';
import { type Inventory, readInventory, unclaimed } from '../schema/unclaimed';
import { compareTables } from './compare';
import { goneOf, type Moved, movedFrom, withoutDetached } from './moved-rows';

export interface MigrationOptions {
  readonly old: Catalog;
  readonly now: Catalog;
  readonly declared?: Declared;
  /**
   * Whether rows are compared one by one: only where nobody has written to either since they were one. Otherwise they are counted.
   * @default true
   */
  readonly compared?: boolean;
  /** Ids that are accepted: nobody waits for a count of them. @default none */
  readonly accepted?: readonly string[];
  /** What was read of `before` ahead of this; nobody has written to it since. */
  readonly known?: Known;
}

/** Of a database of the old schema, read before the migrations have ended. */
export interface Known {
  readonly inventory: Inventory;
  /** Rows counted by what was asked. */
  readonly rows: ReadonlyMap<string, number>;
  /** As of then, the next transaction number. */
  readonly number: string;
}

/**
 * Reads ahead what `migrationLosses` asks of the database before: its inventory, and rows of columns and tables that are `expected` to be
 * dropped, by their ids. To look at ten million rows for a value takes a second.
 */
export async function lookAhead(before: Db, { old, expected, accepted = [] }: Expected): Promise<Known> {
  const number = await nextNumber(before);
  const inventory = await readInventory(before);
  const rows = new Map<string, number>();
  const look: Look = async (id, from, condition) => {
    if (accepted.includes(id) || !expected.includes(id)) return undefined;
    rows.set(asked(from, condition), await rowsOf(before, from, condition));
    return undefined;
  };
  for (const table of old.tables) {
    if (!table.persistent) continue;
    if (expected.includes(`${table.name}:dropped`)) await droppedTable(look, table, {});
    else for (const column of table.columns) if (column.generated === '') await valuesOf(look, table, column);
  }
  return { inventory, rows, number };
}

export interface Expected {
  readonly old: Catalog;
  readonly expected: readonly string[];
  readonly accepted?: readonly string[];
}

/** Whether nobody has been given a transaction number since: nothing was written, in whatever way. */
export const isAsKnown = async (before: Db, { number }: Known): Promise<boolean> => (await nextNumber(before)) === number;

async function nextNumber(db: Db): Promise<string> {
  const [row] = await db.query<{ next: string }>('SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS next');
  return row!.next;
}

/** What the classifier says, and what was counted; where both speak of the same, what was counted, and whether it can be accepted at all. */
export function withLosses(differences: readonly Difference[], counted: readonly Difference[]): Difference[] {
  const all = new Map(differences.map((one) => [one.id, one]));
  for (const one of counted) all.set(one.id, { ...all.get(one.id), ...one });
  return [...all.values()];
}

/** `before`: a database of the old schema, which nobody changes meanwhile; `after`: of the same lineage, with the migrations. */
export async function migrationLosses(before: Db, after: Db, options: MigrationOptions): Promise<Difference[]> {
  const { now, declared = {}, compared = true, accepted = [] } = options;
  const old = withDetached(options.old, now);
  const known = options.known && (await isAsKnown(before, options.known)) ? options.known : undefined;
  // at once: in the window customers wait.
  const [was, is] = known
    ? [known.inventory, await readInventory(after, known.inventory)]
    : await Promise.all([readInventory(before), readInventory(after)]);
  const found: Difference[] = [...unclaimed(was, is, { old, now }), ...structuralLosses(old, now, declared)];
  const look: Look = async (id, from, condition) =>
    accepted.includes(id) ? undefined : (known?.rows.get(asked(from, condition)) ?? rowsOf(before, from, condition));
  for (const table of old.tables) {
    if (!table.persistent) continue;
    const other = sameTable(table, now);
    if (!other) {
      if (!attachedTo(table, old, now)) found.push(...(await droppedTable(look, table, declared)));
    } else {
      const relation = withoutDetached(table, old, now);
      found.push(...(await droppedColumns(look, table, other, declared)));
      if (compared)
        found.push(
          ...(await retyped(before, after, { ...options, table, other, relation })),
          ...(await deleted(before, after, { ...options, table, other, relation })),
          ...(await noted(before, after, table, other)),
        );
      else found.push(...(await droppedPartitions(look, before, after, { table, other, old, now, declared })));
    }
  }
  return found;
}

/** How many rows there are; 0 for none, undefined where it is accepted, so that nobody asks. */
type Look = (id: string, from: string, condition?: string) => Promise<number | undefined>;

const asked = (from: string, condition = 'true'): string => `${from} WHERE ${condition}`;

/** Mostly there are none or many, and customers wait: the first row is looked for, and only where there is one they are counted. */
async function rowsOf(db: Db, from: string, condition = 'true'): Promise<number> {
  if ((await db.query(`SELECT FROM ${from} WHERE ${condition} LIMIT 1`)).length === 0) return 0;
  return (await db.query<{ n: number }>(`SELECT count(*)::float8 AS n FROM ${from} WHERE ${condition}`))[0]!.n;
}

const rowWords = (rows: number | undefined): string => (rows === undefined ? 'rows' : `${rows} rows`);

/** Rows that a declared row bridge keeps are those of tables that it names. */
const isNamed = (table: CatalogTable, { rows = [] }: Declared): boolean =>
  rows.some(({ run, onDelete = '', sets = [] }) =>
    [run, onDelete, ...sets.map((set) => set.table)].some((text) => new RegExp(`\\b${inPattern(table.table)}\\b`).test(text)),
  );

async function droppedTable(look: Look, table: CatalogTable, declared: Declared): Promise<Difference[]> {
  if (isNamed(table, declared)) return [];
  const id = `${table.name}:dropped`;
  const rows = await look(id, table.name);
  if (rows === 0) return [];
  return [
    {
      id,
      verdict: 'declare',
      what: `${table.name} is dropped and has ${rowWords(rows)}`,
      loses: `what the new schema does instead of them: on the fallback they stay as they were at the fork. Declare rows that keep ${table.name}`,
    },
  ];
}

/** Those that hold something: neither NULL nor the default. */
async function droppedColumns(look: Look, table: CatalogTable, other: CatalogTable, declared: Declared): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const column of table.columns) {
    if (column.generated !== '' || sameColumn(column, table, other)) continue;
    const isDeclared =
      declared.columns?.some((one) => one.table === table.name && one.column === column.name) ||
      declared.rows?.some(({ sets }) => sets?.some((set) => set.table === table.name && set.column === column.name));
    if (isDeclared) continue;
    const rows = await valuesOf(look, table, column);
    if (rows === 0) continue;
    found.push({
      id: `${table.name}.${column.name}:dropped`,
      verdict: 'declare',
      what: `${table.name}.${column.name} is dropped, and ${rowWords(rows)} have a value in it that is neither NULL nor its default`,
      loses: `what the new schema keeps elsewhere, in rows written after opening. Declare columns: {table: '${table.name}', column: '${column.name}', from: …}, or rows with sets`,
    });
  }
  return found;
}

/** How many rows hold something in it. */
function valuesOf(look: Look, table: CatalogTable, column: CatalogColumn): Promise<number | undefined> {
  const [id, name] = [`${table.name}.${column.name}:dropped`, ident(column.name)];
  const plain = column.default !== null && !/nextval\(/.test(column.default) ? ` AND ${name} IS DISTINCT FROM (${column.default})` : '';
  return look(id, table.name, `${name} IS NOT NULL${plain}`).catch((error: unknown) => {
    // a type without equality: json.
    if (!(error instanceof DatabaseError) || error.sqlstate !== '42883') throw error;
    return look(id, table.name, `${name} IS NOT NULL`);
  });
}

/** Where rows are not compared: those of a partition that went with all that was in it, unless they are elsewhere in the table now. */
async function droppedPartitions(look: Look, before: Db, after: Db, of: Moved & { declared: Declared }): Promise<Difference[]> {
  const { table, declared } = of;
  const found: Difference[] = [];
  for (const part of declared.deleted?.[table.name] ? [] : goneOf(of)) {
    const rows = await look(`${table.name}:deleted`, part.name);
    if (rows === 0 || (rows !== undefined && (await movedFrom(part, before, after, of)) >= rows)) continue;
    found.push(deletedRows(table, rowWords(rows), `the partition ${part.name}`));
  }
  return found;
}

const deletedRows = ({ name }: CatalogTable, rows: string, which: string): Difference => ({
  id: `${name}:deleted`,
  verdict: 'declare',
  what: `the migrations delete ${rows} of ${name} (${which})`,
  loses: `these rows, on the fallback too. Declare deleted: {'${name}': 'ship'}, or 'keep' to have them there again after a rollback`,
});

interface Key {
  readonly old: string[];
  readonly now: string[];
}

/** A key by which a row is the same one before and after, in the same text. */
function keyOf(table: CatalogTable, other: CatalogTable, labels?: Labels, held: ReadonlyMap<string, string> = new Map()): Key | undefined {
  const columns = (table.primaryKey.length > 0 ? table.primaryKey : table.identityFull ? [] : table.identity).map((number) =>
    columnAt(table, number),
  );
  const others = columns.map((column) => sameColumn(column, table, other));
  if (columns.length === 0 || others.some((column) => column === undefined)) return undefined;
  return {
    old: columns.map(({ name }) => `old.${ident(heldAs({ held }, name))}::text`),
    now: others.map((column) =>
      labels ? underOldNames(`new.${ident(column!.name)}::text`, column!, labels) : `new.${ident(column!.name)}::text`,
    ),
  };
}

type Labels = Pick<MigrationOptions, 'old' | 'now'>;

/** An enum's text before its values were renamed. */
function underOldNames(text: string, { enum: oid }: CatalogColumn, { old, now }: Labels): string {
  const [before, after] = [old, now].map(({ enums }) => enums.find((one) => one.oid === oid));
  const renamed = before && after ? renamedLabels(before, after).map(({ from, to }) => `WHEN ${literal(to)} THEN ${literal(from)}`) : [];
  return renamed.length === 0 ? text : `CASE ${text} ${renamed.join(' ')} ELSE ${text} END`;
}

interface OfTable extends Pick<MigrationOptions, 'old' | 'now' | 'declared'> {
  readonly table: CatalogTable;
  readonly other: CatalogTable;
  /** What it is called in the database of before, and by which names columns go there that have others meanwhile. */
  readonly relation: string;
  readonly held?: ReadonlyMap<string, string>;
}

/**
 * Columns of another type whose rows do not read as they did: what the new values mean only the team knows. Where only the length of a text
 * is another, a changed value is data like any other.
 */
async function retyped(before: Db, after: Db, of: OfTable): Promise<Difference[]> {
  const { table, other, declared = {}, held } = of;
  // while the bridge is up, values of enums have their new names there too.
  const key = keyOf(table, other, held ? undefined : of, held);
  const found: Difference[] = [];
  for (const column of table.columns) {
    const now = sameColumn(column, table, other);
    const isComputed = now !== undefined && now.generated !== '';
    if (!key || !now || column.generated !== '' || (now.type === column.type && !isComputed)) continue;
    // labels are compared by the classifier; a value that a migration has given up is not one that was misread.
    if ((column.enum !== 0 && now.enum !== 0) || (!isComputed && ofAnyLength.test(column.type) && ofAnyLength.test(now.type))) continue;
    if (declared.columns?.some((one) => one.table === table.name && one.column === column.name)) continue;
    const wrong = await differing(before, after, { ...of, key, column, becomes: now });
    if (wrong !== undefined)
      found.push({
        id: `${table.name}.${column.name}:${isComputed ? 'generated' : 'type'}`,
        verdict: 'declare',
        what: `${table.name}.${column.name} ${isComputed ? `is generated now (${now.default})` : `becomes ${now.type} (was ${column.type})`}, and ${wrong}`,
        loses: `values of ${table.name}.${column.name}: the new ones do not read as the old ones. Declare columns: {table: '${table.name}', column: '${column.name}', from: …}`,
      });
  }
  return found;
}

const ofAnyLength = /^(text|character varying(\(\d+\))?)(\[\])?$/;

/** Asked in the window too, where rows have come since the trial: those of a retyped column are never written over with what they were read as. */
export async function readOtherwise(
  fallback: Db,
  production: Db,
  options: Labels & Pick<MigrationOptions, 'declared'>,
  tables: ReadonlySet<string>,
): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const table of options.old.tables) {
    const other = tables.has(table.name) ? sameTable(table, options.now) : undefined;
    if (other)
      found.push(
        ...(await retyped(fallback, production, { ...options, table, other, relation: other.name, held: heldNames(table, other) })),
      );
  }
  return found;
}

interface Retyped extends OfTable {
  readonly key: Key;
  readonly column: CatalogColumn;
  readonly becomes: CatalogColumn;
}

async function differing(before: Db, after: Db, of: Retyped): Promise<string | undefined> {
  const { table, other, key, column, relation } = of;
  const side = (from: string, columns: string[], keys: string[]) => ({ relation: from, key: keys, keyTypes: [], columns });
  const [now, old] = textsOf(of);
  try {
    const { tables } = await compareTables(after, before, {
      pairs: [
        {
          name: table.name,
          a: side(`${other.name} AS new`, [now], key.now),
          b: side(`${relation} AS old`, [old], key.old),
          ranges: false,
          rows: 0,
        },
      ],
    });
    const differences = tables[0]!.differences.filter(({ is }) => is === 'different');
    // under a key that is written otherwise, no row is found again.
    const lost = differences.length > 0 ? differences : table.primaryKey.includes(column.number) ? tables[0]!.differences : [];
    return lost.length === 0
      ? undefined
      : `${lost.length} or more of its rows read otherwise (${lost
          .slice(0, 3)
          .map((one) => one.key)
          .join(', ')})`;
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.name !== 'DatabaseError') throw error;
    return `its rows cannot be read as before: ${error.message}`;
  }
}

/** Where the type does not fit, a value is written as it would travel and read as the old type. */
function textsOf({ old, now, table, column, becomes, held = new Map() }: Retyped): [now: string, old: string] {
  const [from, to] = [`new.${ident(becomes.name)}`, `old.${ident(heldAs({ held }, column.name))}`];
  const fit = fitOf({ old, now }, table, column, becomes).is;
  if (fit === 'fits' || fit === 'widen') return asTexts(from, to, { was: plainType(old, column), is: plainType(now, becomes) });
  const read = `CASE WHEN ${from} IS NULL THEN NULL ELSE pg_catalog.format('%s', ${from})::${column.type} END`;
  return [`(${read})::text`, `(${to})::text`];
}

/** Rows that the migration itself deletes; under another key, rows that it writes anew. */
async function deleted(before: Db, after: Db, options: OfTable): Promise<Difference[]> {
  const { table, other, relation } = options;
  const key = keyOf(table, other, options);
  if (options.declared?.deleted?.[table.name]) return [];
  if (!key) {
    // which they were, nothing tells; a table whose key became another has its own refusal.
    if (findsBy(table).length > 0) return [];
    const [was, is] = [await rowsOf(before, `${relation} AS old`), await rowsOf(after, other.name)];
    return was > is ? [deletedRows(table, `${was - is} rows`, 'it has no key')] : [];
  }
  const sameType = table.primaryKey.every((number) => {
    const column = columnAt(table, number);
    return sameColumn(column, table, other)!.enum !== 0 || sameColumn(column, table, other)!.type === column.type;
  });
  if (!sameType) return [];
  const side = (relation: string, keys: string[]) => ({ relation, key: keys, keyTypes: [], columns: keys });
  const { tables } = await compareTables(after, before, {
    pairs: [{ name: table.name, a: side(`${other.name} AS new`, key.now), b: side(`${relation} AS old`, key.old), ranges: false, rows: 0 }],
    maxKeys: Number.POSITIVE_INFINITY,
  });
  const gone = tables[0]!.differences.filter(({ is }) => is === 'only on b');
  if (gone.length === 0) return [];
  const keys = gone.slice(0, 3).map((one) => one.key);
  return [deletedRows(table, `${gone.length} rows`, keys.join(', '))];
}

/** What a migration tool that nobody knows has noted: fed to the fallback, its next window would migrate nothing, and say so to nobody. */
async function noted(before: Db, after: Db, table: CatalogTable, other: CatalogTable): Promise<Difference[]> {
  if (!looksLikeBookkeeping(table)) return [];
  const both = table.columns.flatMap((column) => {
    const now = sameColumn(column, table, other);
    return now ? [[`new.${ident(now.name)}::text`, `old.${ident(column.name)}::text`] as const] : [];
  });
  const side = (relation: string, columns: string[]) => ({ relation, key: [], keyTypes: [], columns });
  const [a, b] = [both.map(([now]) => now), both.map(([, old]) => old)];
  const pair = { name: table.name, a: side(`${other.name} AS new`, a), b: side(`${table.name} AS old`, b), ranges: false, rows: 0 };
  const { tables } = await compareTables(after, before, { pairs: [pair], maxKeys: Number.POSITIVE_INFINITY });
  const rows = tables[0]!.differences.filter(({ is }) => is !== 'only on b').length;
  if (rows === 0) return [];
  return [
    {
      id: `${table.name}:notes`,
      verdict: 'declare',
      what: `the migrations write ${rows} rows into ${table.name}, which looks like the notes of a migration tool`,
      loses: `the next window's migrations, which a fallback with these rows takes for done. Declare bookkeeping: ['${table.name}'], or accept it where the rows are data`,
    },
  ];
}
