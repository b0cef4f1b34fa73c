/** Large objects, which no feed carries: those that the fallback does not have. Their contents nobody but their owner may read. */
import type { NotProven } from './pairing';
import type { Reader } from './reading';

export async function missingLargeObjects(production: Reader, fallback: Reader): Promise<NotProven[]> {
  const [here] = await production.db.query<{ oids: number[] | null }>(
    'SELECT pg_catalog.json_agg(oid::int8) AS oids FROM pg_catalog.pg_largeobject_metadata',
  );
  const oids = here?.oids ?? [];
  if (oids.length === 0) return [];
  const [row] = await fallback.db.query<{ missing: number }>(
    `SELECT count(*)::float8 AS missing FROM unnest($1::int8[]) o WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = o)`,
    [oids],
  );
  const missing = row?.missing ?? 0;
  if (missing === 0) return [];
  return [{ id: 'large-objects', what: 'large objects of production are not on the fallback: a feed does not carry them', rows: missing }];
}
