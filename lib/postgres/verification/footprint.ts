/**
 * The footprint of migrations: which rows of the old schema they changed. Looked at while both databases are fenced and the fallback is the
 * exact data before the change. Backfills of columns that the old schema does not have leave none, and are not shipped.
 */

import { DatabaseError, type Db, ident } from '../connection/connect';
import { ownSchema } from '../connection/server';
import { columnList } from '../connection/tables';
import type { Declared } from '../schema/declared';
import type { BridgePlan, TablePlan } from '../schema/kinds/plan';
import type { Mapping } from '../schema/mapping';
import { type Comparison, compareTables, type Progress, type TableComparison } from './compare';
import { deleteRows, prepareDeletedRows } from './kept-rows';

export interface Footprint {
  /** Rows per table of the old schema that differ after the migrations. */
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  readonly comparison: Comparison;
}

export interface Shipping {
  /** What is put aside has its name. */
  readonly window: string;
  /** What becomes of rows that the migrations deleted, by table. @default all are deleted on the fallback too */
  readonly deleted?: Declared['deleted'];
}

/** `fallback` has the bridge up; inert tables are not looked at, they are copied. */
export async function footprint(
  production: Db,
  fallback: Db,
  plan: BridgePlan,
  { pairs }: Mapping,
  onProgress?: (progress: Progress) => void,
): Promise<Footprint> {
  const names = new Set(plan.tables.map(({ old }) => old.name));
  const comparison = await compareTables(production, fallback, {
    pairs: pairs.filter(({ name }) => names.has(name)),
    maxKeys: Number.POSITIVE_INFINITY,
    ...(onProgress ? { onProgress } : {}),
  });
  const tables = comparison.tables.filter(({ equal }) => !equal).map(({ table, differences }) => ({ table, rows: differences.length }));
  return { tables, comparison };
}

/**
 * Brings the rows of a footprint to the fallback, through the bridge, so that what customers change later fits what is there.
 * Tables whose rows cannot be told apart are refused.
 */
export async function shipFootprint(
  production: Db,
  fallback: Db,
  plan: BridgePlan,
  found: Footprint,
  shipping: Shipping = { window: 'w0' },
): Promise<void> {
  const changed = found.comparison.tables.filter(({ equal }) => !equal);
  if (changed.length > 0) await prepareDeletedRows(fallback);
  const ship = (tables: readonly TableComparison[], which: Which): Promise<TableComparison[]> =>
    rounds(tables, (table) => {
      const tablePlan = plan.tables.find(({ old }) => old.name === table.table)!;
      return shipTable(production, fallback, tablePlan, table.differences, { ...shipping, which });
    });
  const left = await ship(changed, 'all');
  if (left.length === 0) return;
  // rows that others point to got another key: the new ones first, then those that point, then the old ones go.
  const waiting = await ship(left, 'come');
  if (waiting.length === 0) waiting.push(...(await ship(left, 'gone')));
  if (waiting.length > 0) throw new DatabaseError(`rows of ${waiting.map(({ table }) => table).join(', ')} point to each other`, undefined);
}

/** A row may point to one of another table that is still to come. Answers those that nothing more helps. */
async function rounds(tables: readonly TableComparison[], ship: (table: TableComparison) => Promise<void>): Promise<TableComparison[]> {
  let left = [...tables];
  for (;;) {
    const refused: TableComparison[] = [];
    for (const table of left)
      await ship(table).catch((error: unknown) => {
        if (!(error instanceof DatabaseError) || error.sqlstate !== '23503') throw error;
        refused.push(table);
      });
    if (refused.length === 0 || refused.length === left.length) return refused;
    left = refused;
  }
}

/** `come`: rows that are new or changed. `gone`: those that are not there any more. */
type Which = 'all' | 'come' | 'gone';

async function shipTable(
  production: Db,
  fallback: Db,
  plan: TablePlan,
  differences: Comparison['tables'][number]['differences'],
  { window, deleted, which }: Shipping & { readonly which: Which },
): Promise<void> {
  const { old, now } = plan;
  // without a list every column travels, and a key is one all the same.
  const published = plan.published ?? now.columns.filter(({ generated }) => generated === '').map(({ name }) => name);
  const numbers = old.identityFull ? old.primaryKey : old.identity;
  const keys = numbers.map((number) => old.columns.find((column) => column.number === number)!.name);
  if (keys.length === 0) {
    throw new DatabaseError(
      `migrations changed rows of ${old.name}, which has no key to bring them over by; give it a primary key before the window`,
      undefined,
    );
  }
  // By the new names: the key as production has it, and as the rows on the fallback are told apart.
  const nowKeys = plan.identity ?? plan.keepKey ?? keys;
  // What production computes for each write, it has not yet computed for rows that nobody wrote.
  const source = (name: string): string => {
    const computed = plan.sent.find((sent) => sent.name === name);
    const value = computed ? `(${computed.expression})` : `new.${ident(name)}`;
    return `CASE WHEN ${value} IS NULL THEN NULL ELSE pg_catalog.format('%s', ${value}) END`;
  };
  // as rows travel: as text, read by the type of the fallback's column. A cast to a length would cut values off without a word.
  const types = new Map(
    (
      await fallback.query<{ name: string; type: string; fixed: boolean }>(
        "SELECT attname AS name, pg_catalog.format_type(atttypid, -1) AS type, attidentity = 'a' AS fixed FROM pg_catalog.pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
        [now.name],
      )
    ).map((column) => [column.name, column]),
  );
  const rowText = (names: readonly string[]): string => `ROW(${columnList(names)})::text`;
  const gone = which === 'come' ? [] : differences.filter(({ is }) => is === 'only on b').map(({ key }) => key);
  const come = which === 'gone' ? [] : differences.filter(({ is }) => is !== 'only on b').map(({ key }) => key);
  await quietly(fallback, plan, async (inside) => {
    const where = `${rowText(keys)} = ANY ($1::text[])`;
    const fate = deleted?.[old.name] ?? 'ship';
    if (gone.length > 0) await deleteRows(inside, { window, oid: old.oid, name: old.name, fate, from: now.name, where, keys: gone });
    for (let first = 0; first < come.length; first += 1_000) {
      const rows = await production.query<{ row: string }>(
        `SELECT pg_catalog.array_to_json(ARRAY[${published.map(source).join(', ')}]::text[])::text AS row FROM ${now.name} AS new WHERE ${rowText(nowKeys)} = ANY ($1::text[])`,
        [come.slice(first, first + 1_000)],
      );
      const rest = published.filter((name) => !nowKeys.includes(name) && !types.get(name)?.fixed);
      const update =
        rest.length > 0 ? `DO UPDATE SET ${rest.map((name) => `${ident(name)} = excluded.${ident(name)}`).join(', ')}` : 'DO NOTHING';
      const values = published.map((name, index) => `(e.value ->> ${index})::${types.get(name)?.type ?? 'text'}`);
      await inside.query(
        `INSERT INTO ${now.name} (${columnList(published)}) OVERRIDING SYSTEM VALUE SELECT ${values.join(', ')} FROM pg_catalog.json_array_elements($1::json) AS e(value)
         ON CONFLICT (${columnList(nowKeys)}) ${update}`,
        [`[${rows.map(({ row }) => row).join(',')}]`],
      );
    }
  });
}

/** The user's triggers stay silent, the bridge's fire as they do for rows that arrive. One transaction. */
async function quietly(fallback: Db, { now }: TablePlan, action: (db: Db) => Promise<void>): Promise<void> {
  await fallback.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'");
    const triggers = await inside.query<{ name: string; mode: 'O' | 'A' | 'R'; ours: boolean }>(
      `SELECT t.tgname AS name, t.tgenabled AS mode, p.pronamespace = '${ownSchema}'::regnamespace AS ours FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = $1::regclass AND NOT t.tgisinternal AND t.tgenabled <> 'D'`,
      [now.name],
    );
    const enable = { O: 'ENABLE', A: 'ENABLE ALWAYS', R: 'ENABLE REPLICA' };
    for (const { name, ours } of triggers)
      await inside.query(`ALTER TABLE ${now.name} ${ours ? 'ENABLE ALWAYS' : 'DISABLE'} TRIGGER ${ident(name)}`);
    await action(inside);
    await inside.query('SET CONSTRAINTS ALL IMMEDIATE');
    for (const { name, mode } of triggers) await inside.query(`ALTER TABLE ${now.name} ${enable[mode]} TRIGGER ${ident(name)}`);
  });
}
