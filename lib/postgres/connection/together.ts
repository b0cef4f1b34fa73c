/** Several looks in one message: each of them costs its own time, and the way there and back only once. */
import { type Db, keepPlan } from './connect';

/**
 * One statement for queries without parameters; the connection keeps its plan. Rows come as JSON: no dates, no bytea. They are not looked
 * at in any order: what must be seen after something else is asked for in another message.
 */
export async function together<Rows extends Record<string, unknown>>(
  db: Db,
  queries: { readonly [Name in keyof Rows]: string },
): Promise<Together<Rows>> {
  const [row] = await db.query<Together<Rows>>(togetherSql(queries));
  return row!;
}

/** The one row of it. */
export type Together<Rows> = { readonly [Name in keyof Rows]: Rows[Name][] };

/** The statement itself, where it is sent with others. */
export function togetherSql(queries: Readonly<Record<string, string>>): string {
  const each = Object.entries(queries).map(
    ([name, query]) => `(SELECT coalesce(pg_catalog.json_agg(pg_catalog.row_to_json(q)), '[]') FROM (${query}) q) AS "${name}"`,
  );
  return keepPlan(`SELECT ${each.join(', ')}`);
}
