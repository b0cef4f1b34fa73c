/**
 * What the apply worker of the fallback will do with changes, done as it will do it and taken back: so an error is known in PostgreSQL's
 * own words before anything is sent, and a row's old schema can be looked at.
 */

import type { TriggerState } from '../access/triggers';
import { DatabaseError, type Db, ident, literal } from '../connection/connect';
import type { Pair } from '../connection/row-pair';
import type { CatalogTable } from '../schema/catalog';
import type { Value } from '../schema/sample-rows';

/** A change that production takes and the fallback does not: the first of its kind would stop the feed, or arrive as something else. */
export interface Refusal {
  /** `public.users:round-trip`, `public.users:nulls` for a row without the values that may be left out. */
  readonly id: string;
  readonly message: string;
}

/** One published table. */
export interface Subject {
  readonly table: CatalogTable;
  readonly pair: Pair;
  /** Columns that travel. */
  readonly columns: readonly string[];
  /** Columns by which the fallback finds a row, as its own catalog says; none where it does so by all of them. */
  readonly key: readonly string[];
  /** Of `key`: what production does not send of a row that is gone or changed. */
  readonly unsent: readonly string[];
  /** Columns of the fallback that do not travel. */
  readonly besides: readonly string[];
  /** What is unique on the fallback and not on production. */
  readonly uniqueThere: readonly (readonly string[])[];
  readonly alsoUnique: readonly (readonly string[])[];
  /** Of the fallback, assigned by itself only. */
  readonly fixed: readonly string[];
  /** Columns that are empty on the fallback until a row is written. */
  readonly fills: readonly string[];
}

/** Values as they travel (text), and the row in the old schema as production understands it. */
export interface Change {
  readonly id: string;
  readonly kind: 'insert' | 'update' | 'delete' | 'write';
  /** It points to a row that is not there. */
  readonly dangling?: boolean;
  readonly values: readonly (string | null)[];
  readonly form: readonly (string | null)[];
  /** Its values before, by which the fallback looks for it. */
  readonly was?: readonly (string | null)[];
}

export interface Sides {
  readonly production: Db;
  readonly fallback: Db;
  readonly here: TriggerState;
  readonly there: TriggerState;
  /** Who applies the rows of each table of the fallback; empty before PostgreSQL 16, where it is the subscription's owner. */
  readonly owners: ReadonlyMap<string, string>;
}

/** Thrown to end a transaction that must leave nothing. */
export class Undo extends Error {}

/** A row as it travels: each value as its type writes it. */
export const asText = (column: string): string =>
  `CASE WHEN ${ident(column)} IS NULL THEN NULL ELSE pg_catalog.format('%s', ${ident(column)}) END`;
export const texts = (columns: readonly string[]): string => `ARRAY[${columns.join(', ')}]::text[]`;
export const place = 'tableoid::oid::text AS part, ctid::text AS at';
export const returning = (values: readonly string[], form: readonly string[]): string =>
  `RETURNING ${place}, ${texts(values.map(asText))} AS "values", ${texts(form.map((expression) => `(${expression})::text`))} AS form`;

export interface Row {
  readonly part: string;
  readonly at: string;
  readonly values: (string | null)[];
  readonly form: (string | null)[];
}
export const atRow = ({ part, at }: Pick<Row, 'part' | 'at'>): string => `tableoid = ${part}::oid AND ctid = '${at}'::tid`;

export const insert = (relation: string, values: readonly Value[], rest: string): string =>
  `INSERT INTO ${relation} (${values.map(({ column }) => ident(column)).join(', ')}) OVERRIDING SYSTEM VALUE VALUES (${values.map(({ sql }) => sql).join(', ')}) ${rest}`;

/** One statement, and the row it answers. */
export type Attempt = (sql: string) => Promise<Row | DatabaseError>;

const takenAway = new DatabaseError('a rule or a policy takes it away', undefined);

export const directly =
  (inside: Db): Attempt =>
  async (sql) =>
    (await inside.query<Row>(sql))[0] ?? takenAway;

/** PostgreSQL said no; the connection is fine. */
export const isRefusal = (error: unknown): error is DatabaseError => error instanceof DatabaseError && error.name === 'DatabaseError';

/** Finds a row of the fallback as the apply worker does: by its key there, or one that has all these values. */
export function whereKey({ key, columns, besides, pair }: Subject, values: readonly (string | null)[]): string {
  const all = (names: readonly string[]): string =>
    names
      .map((name) => {
        const value = values[columns.indexOf(name)];
        return value === null || value === undefined ? `${ident(name)} IS NULL` : `${ident(name)} = ${literal(value)}`;
      })
      .join(' AND ');
  if (key.length > 0) return all(key);
  return `(tableoid, ctid) = (SELECT tableoid, ctid FROM ${pair.b.relation} WHERE ${all([...columns, ...besides])} LIMIT 1)`;
}

export interface Rehearsed {
  readonly refused: readonly Refusal[];
  readonly why: readonly string[];
  /** Of the row that is written over, before. */
  readonly version: string | undefined;
}

/** `live`: customers write meanwhile, so what is not there may be on its way. */
export async function rehearse(sides: Sides, subject: Subject, changes: readonly Change[], live: boolean): Promise<Rehearsed> {
  const found: { refused: Refusal[]; why: string[]; version: string | undefined } = { refused: [], why: [], version: undefined };
  const name = subject.table.name;
  let at = changes[0];
  const refuse = (message: string): void => {
    const id = `${name}:${at?.id ?? 'round-trip'}`;
    // the first of its kind says it all.
    if (!found.refused.some((one) => one.id === id)) found.refused.push({ id, message: `${name}: ${message}` });
  };
  try {
    await sides.fallback.transaction(async (inside) => {
      await inside.query(asApplied(sides, name).join('; '));
      for (const change of changes) {
        at = change;
        if (change.kind === 'write') {
          found.version = await versionOf(inside, subject, change.values);
          if (found.version === undefined) {
            if (live) found.why.push('the row looked at had not arrived yet');
            else refuse('a row that production has is missing on the fallback: its changes would be lost without an error');
            continue;
          }
        }
        if (change.kind !== 'insert' && subject.unsent.length > 0) {
          refuse(`the fallback finds its rows by ${subject.key.join(', ')}, and production does not send ${subject.unsent.join(', ')}`);
          break;
        }
        const sql = statement(subject, change);
        if (sql === undefined) continue;
        const done = await directly(inside)(sql);
        if (done instanceof DatabaseError && change.kind !== 'insert') {
          refuse(`${words[change.kind]} does not find its row on the fallback: it would be lost without an error`);
          continue;
        }
        if (done instanceof DatabaseError) throw done;
        const wrong = subject.pair.b.columns.filter((_, index) => done.form[index] !== change.form[index]);
        if (change.kind !== 'delete' && wrong.length > 0) refuse(`${words[change.kind]} arrives with another value in ${wrong.join(', ')}`);
      }
      throw new Undo();
    });
  } catch (error) {
    if (error instanceof Undo) return found;
    if (!isRefusal(error)) throw error;
    // customers' work has the row; and without the right to act as the apply worker, foreign keys are looked at here and not there.
    if (error.sqlstate === '55P03' && live) found.why.push('a lock stood in the way of the rehearsal');
    else if (error.sqlstate === '23503' && !sides.there.byRole) found.why.push(`not rehearsed to the end: ${error.message}`);
    else
      refuse(
        `${at === undefined ? 'a change' : words[at.kind]}${at?.id === 'nulls' ? ' that leaves out every value that may be left out' : ''} fails on the fallback: ${error.message}`,
      );
  }
  return found;
}

const words = { insert: 'an insert', update: 'an update', delete: 'a delete', write: 'an update of a row that is there' } as const;

function statement(subject: Subject, { kind, values, was = values }: Change): string | undefined {
  const { columns, fixed, pair } = subject;
  const rest = returning([], pair.b.columns);
  const all = columns.map((column, index): Value => ({ column, sql: sqlOf(values[index]) }));
  if (kind === 'insert') return insert(pair.b.relation, all, rest);
  if (kind === 'delete') return `DELETE FROM ${pair.b.relation} WHERE ${whereKey(subject, was)} ${rest}`;
  const set = all.filter(({ column }) => !fixed.includes(column)).map(({ column, sql }) => `${ident(column)} = ${sql}`);
  return set.length > 0 ? `UPDATE ${pair.b.relation} SET ${set.join(', ')} WHERE ${whereKey(subject, was)} ${rest}` : undefined;
}

/** Which version of a row the fallback has; undefined where it has none. */
export async function versionOf(db: Db, subject: Subject, values: Change['values']): Promise<string | undefined> {
  const [row] = await db.query<{ version: string }>(
    `SELECT xmin::text AS version FROM ${subject.pair.b.relation} WHERE ${whereKey(subject, values)}`,
  );
  return row?.version;
}

const sqlOf = (value: string | null | undefined): string => (value === null || value === undefined ? 'NULL' : literal(value));

/** Only what is meant for arriving rows fires, nothing is on the search path, and from PostgreSQL 16 on the table's owner does it. */
function asApplied({ there, owners }: Sides, table: string): string[] {
  const { byRole, triggers, replicas, ours } = there;
  const alter = (what: string, name: string): string => `ALTER TABLE ${table} ${what} TRIGGER ${ident(name)}`;
  const arriving = [...(ours.get(table) ?? []), ...(replicas.get(table) ?? []).map(({ name }) => name)];
  const owner = owners.get(table);
  return [
    "SET LOCAL lock_timeout = '2s'",
    ...(byRole
      ? ['SET LOCAL session_replication_role = replica']
      : [
          ...(triggers.get(table) ?? []).map(({ name }) => alter('DISABLE', name)),
          ...arriving.map((name) => alter('ENABLE ALWAYS', name)),
        ]),
    ...(owner === undefined ? [] : [`SET LOCAL ROLE ${owner}`]),
    "SET LOCAL search_path = ''",
  ];
}
