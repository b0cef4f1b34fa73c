/**
 * TRUNCATE travels with a feed, and PostgreSQL refuses it where another table has a foreign key to the one that is emptied. What production
 * takes, the fallback must take, too: a key that the new schema has dropped is still there. Tried, and taken back.
 */
import { type DatabaseError, type Db, ident } from '../connection/connect';
import { ownSchema } from '../connection/server';
import { readPublication } from '../replication/publication';
import type { FeedName } from '../replication/subscription';
import { isRefusal, type Refusal, Undo } from './apply-dry-run';

/** @throws nothing for a refusal: what the fallback does not take is answered. Others wait for the locks, so only on a copy. */
export async function truncatable(
  production: Db,
  fallback: Db,
  name: FeedName,
): Promise<{ readonly tables: number; readonly refused: readonly Refusal[] }> {
  const tables = (await readPublication(production, name)).filter(({ schema }) => schema !== ownSchema);
  const refused: Refusal[] = [];
  for (const { schema, table } of tables) {
    const relation = `${ident(schema)}.${ident(table)}`;
    if ((await emptied(production, relation)) !== undefined) continue;
    const error = await emptied(fallback, relation);
    if (error) refused.push({ id: `${schema}.${table}:truncate`, message: `${schema}.${table}: ${error.message}` });
  }
  return { tables: tables.length, refused };
}

/** Undefined where the server would have done it. */
async function emptied(db: Db, relation: string): Promise<DatabaseError | undefined> {
  try {
    return await db.transaction(async (inside) => {
      await inside.query(`SET LOCAL lock_timeout = '5s'; TRUNCATE ${relation}`);
      throw new Undo();
    });
  } catch (error) {
    if (error instanceof Undo) return undefined;
    if (isRefusal(error)) return error;
    throw error;
  }
}
