/**
 * Where sequences stand that have given out no number since they were placed: `setval(…, false)`, `RESTART WITH`, a restored dump. PostgreSQL's
 * own views say NULL of them, as of one that was never used; a fallback that was left where it is handed out production's numbers again.
 */
import type { Db } from './connect';

/** In one statement: each is a table of one row. */
const atOnce = 500;

/**
 * By sequence: the number before the next one. Of those that are where they were made, and of those that have given out a number, nothing.
 * @param sequences quoted names with what the catalog says of them; `last` is null of those that are looked at
 */
export async function placesOf(
  db: Db,
  sequences: readonly { readonly sequence: string; readonly last: string | null; readonly start: string; readonly increment: string }[],
): Promise<Map<string, string>> {
  const unused = sequences.filter(({ last }) => last === null);
  const places = new Map<string, string>();
  for (let from = 0; from < unused.length; from += atOnce) {
    const some = unused.slice(from, from + atOnce);
    const each = some.map(({ sequence }, at) => `SELECT ${at} AS at, last_value::text AS next, is_called AS called FROM ${sequence}`);
    for (const { at, next, called } of await db.query<{ at: number; next: string; called: boolean }>(each.join(' UNION ALL '))) {
      const { sequence, start, increment } = some[at]!;
      // used since the catalog was read, or moved.
      if (called) places.set(sequence, next);
      else if (next !== start) places.set(sequence, (BigInt(next) - BigInt(increment)).toString());
    }
  }
  return places;
}
