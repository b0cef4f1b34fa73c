/**
 * The footprint of migrations: which rows of the old schema they changed. Looked at while both databases are fenced and the fallback is the
 * exact data before the change. Backfills of columns that the old schema does not have leave none, and are not shipped.
 */

import { quietFor, readTriggerState, type TriggerState } from '../access/triggers';
import { DatabaseError, type Db, ident, literal } from '../connection/connect';
import type { Pair } from '../connection/row-pair';
import { ownSchema } from '../connection/server';
import { columnList } from '../connection/tables';
import type { Declared } from '../schema/declared';
import type { BridgePlan, TablePlan } from '../schema/kinds/plan';
import type { Mapping } from '../schema/mapping';
import { type Comparison, compareTables, type Difference, type Progress, rowName, type TableComparison } from './compare';
import { deleteRows, noteDeleted, prepareDeletedRows } from './kept-rows';

export interface Footprint {
  /** Rows per table of the old schema that differ after the migrations, and the first of them. */
  readonly tables: readonly { readonly table: string; readonly rows: number; readonly keys: readonly string[] }[];
  readonly comparison: Comparison;
  /** By what they were compared. */
  readonly pairs: readonly Pair[];
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
  const compared = pairs.filter(({ name }) => names.has(name));
  const comparison = await compareTables(production, fallback, {
    pairs: compared,
    maxKeys: Number.POSITIVE_INFINITY,
    ...(onProgress ? { onProgress } : {}),
  });
  const tables = comparison.tables
    .filter(({ equal }) => !equal)
    .map(({ table, differences }) => ({ table, rows: differences.length, keys: differences.slice(0, 3).map(({ key }) => key) }));
  return { tables, comparison, pairs: compared };
}

/**
 * Brings the rows of a footprint to the fallback, through the bridge, so that what customers change later fits what is there: all of them
 * in one transaction that acts as the apply worker does. The user's triggers stay silent, foreign keys look at nothing and cascade nothing,
 * the bridge's own triggers fire. What has changed is taken out before it is put in again: values may have changed places under a unique rule.
 */
export async function shipFootprint(
  production: Db,
  fallback: Db,
  plan: BridgePlan,
  found: Footprint,
  shipping: Shipping = { window: 'w0' },
): Promise<void> {
  const changed = found.comparison.tables.filter(({ equal }) => !equal);
  if (changed.length === 0) return;
  await prepareDeletedRows(fallback);
  const triggers = await readTriggerState(fallback);
  if (!triggers.byRole)
    throw new DatabaseError(
      `migrations changed rows of ${changed.map(({ table }) => table).join(', ')}, and nobody here may set session_replication_role, without which foreign keys would take rows that refer to them: GRANT SET ON PARAMETER session_replication_role to the master user`,
      undefined,
    );
  await fallback.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'; SET LOCAL session_replication_role = replica");
    const loud = await silenced(inside, triggers);
    for (const compared of changed) {
      const tablePlan = plan.tables.find(({ old }) => old.name === compared.table)!;
      const pair = found.pairs.find(({ name }) => name === compared.table)!;
      const ship = pair.b.key.length === 0 ? shipWhole : shipTable;
      await ship(production, inside, { plan: tablePlan, pair, compared, gone: goneTriggers(triggers, tablePlan), ...shipping });
    }
    for (const sql of loud) await inside.query(sql);
  });
}

/** Triggers of the user that would fire for rows that arrive, too; answers what wakes them again. */
async function silenced(inside: Db, state: TriggerState): Promise<string[]> {
  const enable = { O: 'ENABLE', A: 'ENABLE ALWAYS', R: 'ENABLE REPLICA' };
  const loud: string[] = [];
  for (const table of state.triggers.keys())
    for (const { name, mode } of quietFor(state, table)) {
      await inside.query(`ALTER TABLE ${table} DISABLE TRIGGER ${ident(name)}`);
      loud.push(`ALTER TABLE ${table} ${enable[mode]} TRIGGER ${ident(name)}`);
    }
  return loud;
}

/** What the bridge does for a row that is gone, it must not do for one that is only taken out. */
const goneTriggers = ({ ours }: TriggerState, { now }: TablePlan): string[] =>
  (ours.get(now.name) ?? []).filter((name) => name.startsWith('switchback_gone_'));

interface TableShipping extends Shipping {
  readonly plan: TablePlan;
  readonly pair: Pair;
  readonly compared: TableComparison;
  readonly gone: readonly string[];
}

/** Of rows that are taken out, as they were: columns that production does not have come back with them. */
const lifted = `${ownSchema}.lifted`;
/** Rows are sent in portions of about so many characters. */
const portion = 4_000_000;

/** Rows without a key are told by all of their columns: one that was changed is another one. */
async function shipWhole(production: Db, inside: Db, { plan, pair, compared, window, deleted }: TableShipping): Promise<void> {
  const { old, now } = plan;
  const columns = await columnsOf(inside, plan);
  const gone = compared.rowsB - compared.rowsA;
  const left = columns.some(({ sent }) => !sent) && 'has columns that production has not';
  const open = left || (gone > 0 && deleted?.[old.name] !== 'ship' && `had ${gone} rows more`);
  if (open)
    throw new DatabaseError(
      `migrations changed rows of ${old.name}, which has no key to bring them over by, and ${open}; give it a primary key before the window`,
      undefined,
    );
  const keys = compared.differences.map(({ key }) => key);
  await inside.query(`DELETE FROM ${now.name} AS old WHERE ${rowName(pair.b)} = ANY ($1::text[])`, [keys]);
  if (gone > 0) await noteDeleted(inside, { window, oid: old.oid, name: old.name, fate: 'ship', rows: gone });
  await put(production, inside, { plan, pair, columns, keys });
}

async function shipTable(production: Db, inside: Db, { plan, pair, compared, gone, window, deleted }: TableShipping): Promise<void> {
  const { old, now } = plan;
  const keysOf = (is: Difference['is']): string[] => compared.differences.filter((one) => one.is === is).map(({ key }) => key);
  const columns = await columnsOf(inside, plan);
  const rest = columns.filter(({ sent }) => !sent).map(({ name }) => name);
  const where = `${rowName(pair.b)} = ANY ($1::text[])`;
  const [away, changed, added] = [keysOf('only on b'), keysOf('different'), keysOf('only on a')];
  if (away.length > 0)
    await deleteRows(inside, {
      window,
      oid: old.oid,
      name: old.name,
      fate: deleted?.[old.name] ?? 'ship',
      from: now.name,
      where,
      keys: away,
    });
  if (changed.length > 0) {
    for (const name of gone) await inside.query(`ALTER TABLE ${now.name} DISABLE TRIGGER ${ident(name)}`);
    await inside.query(`CREATE TABLE ${lifted} (key text PRIMARY KEY, row ${now.name})`);
    await inside.query(
      `WITH up AS (DELETE FROM ${now.name} AS old WHERE ${where} RETURNING ${rowName(pair.b)} AS key, ROW(old.*)::${now.name} AS row) INSERT INTO ${lifted} SELECT * FROM up`,
      [changed],
    );
    for (const name of gone) await inside.query(`ALTER TABLE ${now.name} ENABLE REPLICA TRIGGER ${ident(name)}`);
    await put(production, inside, { plan, pair, columns, keys: changed, rest });
    await inside.query(`DROP TABLE ${lifted}`);
  }
  if (added.length > 0) await put(production, inside, { plan, pair, columns, keys: added });
}

interface ShippedColumn {
  readonly name: string;
  readonly type: string;
  /** Its text is no JSON string, but what is in one. */
  readonly json: boolean;
  readonly sent: boolean;
}

/** Columns of the fallback that take a value, with their own types: one that is longer than its column is refused, and never cut off. */
async function columnsOf(inside: Db, { now, published }: TablePlan): Promise<ShippedColumn[]> {
  const rows = await inside.query<Omit<ShippedColumn, 'sent'>>(
    `SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
            EXISTS (WITH RECURSIVE base(oid) AS (SELECT a.atttypid UNION ALL SELECT t.typbasetype FROM base JOIN pg_catalog.pg_type t ON t.oid = base.oid WHERE t.typbasetype <> 0)
                    SELECT FROM base WHERE oid IN ('json'::regtype, 'jsonb'::regtype)) AS json
       FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum`,
    [now.name],
  );
  // without a list every column travels.
  const travels = published ?? now.columns.filter(({ generated }) => generated === '').map(({ name }) => name);
  return rows.map((row) => ({ ...row, sent: travels.includes(row.name) }));
}

interface Put {
  readonly plan: TablePlan;
  readonly pair: Pair;
  readonly columns: readonly ShippedColumn[];
  /** Of rows of production. */
  readonly keys: readonly string[];
  /** Columns whose values those that were taken out bring back. @default none: they get their defaults */
  readonly rest?: readonly string[];
}

/** Each value as its type writes it, read by the type of the fallback's column: so also does a row travel. */
async function put(production: Db, inside: Db, { plan, pair, columns, keys, rest = [] }: Put): Promise<void> {
  const sent = columns.filter((column) => column.sent);
  // What production computes for each write, it has not yet computed for rows that nobody wrote.
  const source = ({ name }: ShippedColumn): string => {
    const computed = plan.sent.find((one) => one.name === name);
    const value = computed ? `(${computed.expression})` : `new.${ident(name)}`;
    return `CASE WHEN ${value} IS NOT DISTINCT FROM NULL THEN NULL ELSE pg_catalog.format('%s', ${value}) END`;
  };
  const names = sent.map(({ name }) => literal(name)).join(', ');
  const row = `pg_catalog.json_object(ARRAY[${names}]::text[], ARRAY[${sent.map(source).join(', ')}]::text[])`;
  const typed = sent.map(({ name, type, json }) => `${ident(name)} ${json ? 'text' : type}`).join(', ');
  const values = sent.map(({ name, type, json }) => (json ? `arriving.${ident(name)}::${type}` : `arriving.${ident(name)}`));
  const insert = `INSERT INTO ${plan.now.name} (${columnList([...sent.map(({ name }) => name), ...rest])}) OVERRIDING SYSTEM VALUE
    SELECT ${[...values, ...rest.map((name) => `(l.row).${ident(name)}`)].join(', ')}
      FROM pg_catalog.json_to_recordset($1::json) AS one(key text, row json) CROSS JOIN LATERAL pg_catalog.json_to_record(one.row) AS arriving(${typed})
      ${rest.length > 0 ? `JOIN ${lifted} l ON l.key = one.key` : ''}`;
  await production.transaction(async (from) => {
    await from.query(
      `DECLARE switchback_rows NO SCROLL CURSOR FOR SELECT pg_catalog.json_build_object('key', ${rowName(pair.a)}, 'row', ${row})::text AS row FROM ${pair.a.relation} WHERE ${rowName(pair.a)} = ANY ($1::text[])`,
      [keys],
    );
    for (let more = true; more; ) {
      const rows: string[] = [];
      for (let size = 0; more && size < portion; ) {
        const fetched = await from.query<{ row: string }>('FETCH 200 FROM switchback_rows');
        more = fetched.length > 0;
        for (const one of fetched) {
          rows.push(one.row);
          size += one.row.length;
        }
      }
      if (rows.length > 0) await inside.query(insert, [`[${rows.join(',')}]`]);
    }
  });
}
