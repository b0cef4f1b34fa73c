/** The SQL that makes rows of the fallback what they are on the former production, for people to read and to run. */
import { type Db, ident, literal } from '../connection/connect';
import type { Pair, Side } from '../connection/row-pair';
import { type Column, plainColumns, readTables } from '../connection/tables';
import { type Difference, rowName } from './compare';
import { settle } from './record';

/** Statements of one table; the rest is counted. */
export const mostStatements = 1_000;

export interface PutInOptions {
  /** Nothing tells whether these rows should be there: their statements are written, and not run. */
  readonly doubtful?: boolean;
}

/**
 * A block of SQL for the rows of one table that differ, as the comparison of the pair named them. Values are those of production now: fenced,
 * so those that were compared. Rows that customers have written on the fallback since are not written over by an INSERT.
 */
export async function putInStatements(
  production: Db,
  fallback: Db,
  pair: Pair,
  differences: readonly Difference[],
  { doubtful = false }: PutInOptions = {},
): Promise<string> {
  const target = await columnsOf(fallback, pair);
  const chosen = differences.slice(0, mostStatements);
  const keys = (is: (one: Difference) => boolean): string[] => chosen.filter(is).map(({ key }) => key);
  const rows = await valuesOf(
    production,
    pair.a,
    keys(({ is }) => is !== 'only on b'),
  );
  const extra = await valuesOf(
    fallback,
    pair.b,
    keys(({ is }) => is === 'only on b'),
  );
  const statements = chosen.flatMap(({ key, is }) => {
    const row = (is === 'only on b' ? extra : rows).get(key);
    if (!row || !target)
      return [`-- ${oneLine(key)} of ${oneLine(pair.name)} (${is === 'only on b' ? 'too many' : is}) could not be read any more`];
    return is === 'only on b' ? target.remove(row) : is === 'different' && pair.b.key.length > 0 ? target.update(row) : target.insert(row);
  });
  const more = differences.length - chosen.length;
  return [
    `-- ${oneLine(pair.name)}: ${differences.length} row(s)${doubtful ? ', deleted by customers since or never arrived: whether they belong there, nothing tells' : ''}`,
    ...statements.map((sql) => (doubtful ? sql.replace(/^/gm, '-- ') : sql)),
    ...(more > 0 ? [`-- and ${more} row(s) more of ${oneLine(pair.name)}`] : []),
  ].join('\n');
}

/** What customers have written must not end a comment. */
const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');

interface Row {
  readonly key: string;
  /** As texts, in the order of the side's expressions. */
  readonly keys: readonly (string | null)[];
  readonly values: readonly (string | null)[];
}

const texts = (expressions: readonly string[]): string => `ARRAY[${expressions.map((one) => `(${one})::text`).join(', ')}]::text[]`;

async function valuesOf(db: Db, side: Side, keys: readonly string[]): Promise<Map<string, Row>> {
  if (keys.length === 0) return new Map();
  const key = rowName(side);
  const found = await db.transaction(async (inside) => {
    // as the comparison has read them.
    await inside.query(settle);
    return inside.query<Row>(
      `SELECT ${key} AS key, ${texts(side.key)} AS keys, ${texts(side.columns)} AS "values" FROM ${side.relation} WHERE ${key} = ANY ($1::text[])`,
      [keys],
    );
  });
  return new Map(found.map((row) => [row.key, row]));
}

interface Target {
  insert(row: Row): string;
  update(row: Row): string;
  remove(row: Row): string;
}

/** How rows are written into the pair's table of the fallback; undefined where it is not to be found. */
async function columnsOf(fallback: Db, { b }: Pair): Promise<Target | undefined> {
  const relation = b.relation.replace(/ AS \w+$/, '');
  const table = await fallback.transaction(async (inside) => {
    // types are written with their schemas: whoever runs the SQL may have another search path.
    await inside.query("SET LOCAL search_path = ''");
    return (await readTables(inside)).find(({ name }) => name === relation);
  });
  if (!table) return undefined;
  const plain = plainColumns(table);
  const named = (expressions: readonly string[]): { column: Column; at: number }[] =>
    plain.flatMap((column) => {
      const at = expressions.findIndex((expression) => expression.includes(ident(column.name)));
      return at < 0 ? [] : [{ column, at }];
    });
  const [columns, key] = [named(b.columns), named(b.key)];
  const value = (text: string | null | undefined, { type }: Column): string =>
    text === null || text === undefined ? 'NULL' : `${literal(text).trim()}::${type}`;
  const where = ({ keys, values }: Row): string =>
    key.length > 0
      ? key.map(({ column, at }) => `${ident(column.name)} = ${value(keys[at], column)}`).join(' AND ')
      : `ctid = (SELECT ctid FROM ${relation} WHERE ${columns.map(({ column, at }) => `${ident(column.name)}::text IS NOT DISTINCT FROM ${values[at] === null ? 'NULL' : literal(values[at] ?? '').trim()}`).join(' AND ')} LIMIT 1)`;
  return {
    insert: ({ values }) =>
      `INSERT INTO ${relation} (${columns.map(({ column }) => ident(column.name)).join(', ')}) OVERRIDING SYSTEM VALUE VALUES (${columns.map(({ column, at }) => value(values[at], column)).join(', ')}) ON CONFLICT DO NOTHING;`,
    update: (row) => {
      const set = columns.filter(({ column }) => column.identity !== 'a' && !key.some((one) => one.column === column));
      return `UPDATE ${relation} SET ${set.map(({ column, at }) => `${ident(column.name)} = ${value(row.values[at], column)}`).join(', ')} WHERE ${where(row)};`;
    },
    remove: (row) => `DELETE FROM ${relation} WHERE ${where(row)};`,
  };
}
