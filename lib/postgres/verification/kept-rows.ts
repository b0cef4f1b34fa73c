/**
 * Rows that the migrations deleted. They are deleted on the fallback too, so that what customers write later finds their places free;
 * those that the old release shall have again are put aside first, and put back at a rollback. How many there were stays on the fallback.
 */
import { DatabaseError, type Db, ident, literal } from '../connection/connect';
import { ownSchema } from '../connection/server';
import type { Loss } from './loss-manifest';

export type Fate = 'keep' | 'ship';

/** As they were deleted, per table of the old schema. */
export interface DeletedRows {
  readonly oid: number;
  readonly name: string;
  readonly rows: number;
  readonly fate: Fate;
  /** Of those that were kept: put back; null while they are aside. */
  readonly back: number | null;
}

const notes = `${ownSchema}.deleted_rows`;
const aside = (window: string, oid: number): string => `${ownSchema}.kept_${window}_${oid}`;

/** Made before the transactions that note in it. */
export const prepareDeletedRows = (fallback: Db): Promise<unknown> =>
  fallback.query(
    `CREATE TABLE IF NOT EXISTS ${notes} ("window" text, oid int8, name text NOT NULL, rows int8 NOT NULL, fate text NOT NULL, back int8, PRIMARY KEY ("window", oid))`,
  );

export interface Deleting {
  readonly window: string;
  readonly oid: number;
  /** As the old release calls it. */
  readonly name: string;
  readonly fate: Fate;
  /** As the fallback calls it now, and which of its rows, as `old`; `$1` is the keys. */
  readonly from: string;
  readonly where: string;
  readonly keys: readonly string[];
}

/** Deletes them inside a transaction, noted and, where they are kept, put aside. */
export async function deleteRows(inside: Db, { window, oid, name, fate, from, where, keys }: Deleting): Promise<void> {
  if (fate === 'keep') {
    await inside.query(`CREATE TABLE IF NOT EXISTS ${aside(window, oid)} (LIKE ${from})`);
    await inside.query(`INSERT INTO ${aside(window, oid)} SELECT * FROM ${from} AS old WHERE ${where}`, [keys]);
  }
  await inside.query(`DELETE FROM ${from} AS old WHERE ${where}`, [keys]);
  await noteDeleted(inside, { window, oid, name, fate, rows: keys.length });
}

export const noteDeleted = (
  inside: Db,
  { window, oid, name, fate, rows }: Omit<DeletedRows, 'back'> & { window: string },
): Promise<unknown> =>
  inside.query(
    `INSERT INTO ${notes} VALUES ($1, $2, $3, $4, $5) ON CONFLICT ("window", oid) DO UPDATE SET rows = deleted_rows.rows + excluded.rows`,
    [window, oid, name, rows, fate],
  );

/** What was noted in a window; empty where no migration deleted anything. */
export async function deletedRows(fallback: Db, window: string): Promise<DeletedRows[]> {
  const [there] = await fallback.query<{ there: boolean }>(`SELECT pg_catalog.to_regclass('${notes}') IS NOT NULL AS there`);
  if (!there!.there) return [];
  return fallback.query<DeletedRows>(
    `SELECT oid::float8 AS oid, name, rows::float8 AS rows, fate, back::float8 AS back FROM ${notes} WHERE "window" = $1 ORDER BY name`,
    [window],
  );
}

/** Puts back what is aside, in one transaction: a row whose place is taken, or that points nowhere now, stays aside. May be run again. */
export async function putBack(fallback: Db, window: string): Promise<void> {
  let left = (await deletedRows(fallback, window)).filter(({ fate, back }) => fate === 'keep' && back === null);
  if (left.length === 0) return;
  await fallback.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'");
    await inside.query('SET CONSTRAINTS ALL IMMEDIATE');
    const loud: string[] = [];
    for (const { oid } of left) loud.push(...(await silenced(inside, oid)));
    // a row may point to one of another table that is still to come.
    for (let strict = true; left.length > 0; ) {
      const refused: DeletedRows[] = [];
      for (const table of left) {
        const back = await allOrNone(inside, window, table).catch((error: unknown) => {
          if (!isRefusal(error)) throw error;
          return strict ? undefined : oneByOne(inside, window, table);
        });
        if (back === undefined) refused.push(table);
        else await inside.query(`UPDATE ${notes} SET back = $3 WHERE "window" = $1 AND oid = $2`, [window, table.oid, back]);
      }
      if (refused.length === left.length) strict = false;
      left = refused;
    }
    for (const sql of loud) await inside.query(sql);
  });
}

/** A rule of the old schema does not let it in. */
const isRefusal = (error: unknown): error is DatabaseError => error instanceof DatabaseError && (error.sqlstate ?? '').startsWith('23');

/** Nothing has happened that the user's triggers should hear of; answers what wakes them again. */
async function silenced(inside: Db, oid: number): Promise<string[]> {
  const triggers = await inside.query<{ table: string; name: string; mode: 'O' | 'A' | 'R' }>(
    'SELECT tgrelid::regclass::text AS "table", tgname AS name, tgenabled AS mode FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal AND tgenabled <> \'D\'',
    [oid],
  );
  for (const { table, name } of triggers) await inside.query(`ALTER TABLE ${table} DISABLE TRIGGER ${ident(name)}`);
  const enable = { O: 'ENABLE', A: 'ENABLE ALWAYS', R: 'ENABLE REPLICA' };
  return triggers.map(({ table, name, mode }) => `ALTER TABLE ${table} ${enable[mode]} TRIGGER ${ident(name)}`);
}

async function allOrNone(inside: Db, window: string, { oid }: DeletedRows): Promise<number> {
  const insert = await inserting(inside, window, oid);
  return inside.transaction(async (deeper) => (await deeper.query(insert('true'))).length);
}

async function oneByOne(inside: Db, window: string, { oid }: DeletedRows): Promise<number> {
  const insert = await inserting(inside, window, oid);
  let back = 0;
  for (const { at } of await inside.query<{ at: string }>(`SELECT ctid::text AS at FROM ${aside(window, oid)}`)) {
    const rows = await inside
      .transaction((deeper) => deeper.query(insert(`ctid = ${literal(at)}::tid`)))
      .catch((error: unknown) => {
        if (!isRefusal(error)) throw error;
        return [];
      });
    back += rows.length;
  }
  return back;
}

async function inserting(inside: Db, window: string, oid: number): Promise<(where: string) => string> {
  const [row] = await inside.query<{ table: string; columns: string }>(
    `SELECT $1::oid::regclass::text AS "table", pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ') AS columns
       FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attribute k ON k.attrelid = $2::regclass AND k.attname = a.attname AND NOT k.attisdropped
      WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''`,
    [oid, aside(window, oid)],
  );
  const { table, columns } = row!;
  return (where) =>
    `INSERT INTO ${table} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${aside(window, oid)} WHERE ${where} ON CONFLICT DO NOTHING RETURNING true AS back`;
}

/** For the loss manifest. */
export const deletedLosses = (deleted: readonly DeletedRows[], window: string): Loss[] =>
  deleted.flatMap(({ name, rows, fate, back, oid }): Loss[] => {
    if (fate === 'ship') return [{ is: 'deleted', what: `rows of ${name}, by the migrations: on the fallback too`, rows }];
    const left = rows - (back ?? 0);
    return [
      ...(back
        ? [{ is: 'kept', what: `rows of ${name} that the migrations deleted: the old release has them again`, rows: back } as const]
        : []),
      ...(left > 0
        ? [
            {
              is: 'lost',
              what: `rows of ${name} that the migrations deleted and that were to be kept: their places are taken, or they point nowhere; they are in ${aside(window, oid)} of the fallback`,
              rows: left,
            } as const,
          ]
        : []),
    ];
  });
