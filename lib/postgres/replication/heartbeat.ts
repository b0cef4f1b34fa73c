/**
 * Heartbeats: is what arrives young, and has nothing between two of them been left out? Each beat renames one row, from the number of the last
 * one to its own. A fallback that a beat has not reached no longer has the row that the next one renames: from then on its row stands
 * still while beats arrive, for good. So a slot that somebody has moved on is seen, although feed and marker live on behind the gap. What is
 * left out between two beats, only a comparison sees.
 */
import type { Db } from '../connection/connect';
import { ownSchema } from '../connection/server';

const table = `${ownSchema}.marker`;
/** The row that is renamed. */
const chain = "id ~ '^beat-[0-9]+$'";

/** Writes the heartbeat on production; call it every 250 ms to 1 s, or before a look. */
export const beat = (production: Db): Promise<unknown> =>
  production.query(
    // one message, so one transaction. One that beats beside us is waited for, and counted on from.
    `SET LOCAL synchronous_commit = 'local';
     INSERT INTO ${table} SELECT 'beat-0', '', clock_timestamp() WHERE NOT EXISTS (SELECT FROM ${table} WHERE ${chain}) ON CONFLICT DO NOTHING;
     WITH next AS (UPDATE ${table} SET id = 'beat-' || substr(id, 6)::bigint + 1, at = clock_timestamp() WHERE ${chain} RETURNING id)
     INSERT INTO ${table} SELECT 'heartbeat', id, clock_timestamp() FROM next ON CONFLICT (id) DO UPDATE SET value = excluded.value, at = excluded.at`,
  );

/** Seconds between production's clock and the last heartbeat that the fallback has; undefined before the first. */
export async function heartbeatAge(production: Db, fallback: Db): Promise<number | undefined> {
  const [seen] = await fallback.query<{ at: string }>(`SELECT at::text AS at FROM ${table} WHERE id = 'heartbeat'`);
  if (seen === undefined) return undefined;
  const [row] = await production.query<{ age: number }>('SELECT extract(epoch FROM clock_timestamp() - $1::timestamptz)::float8 AS age', [
    seen.at,
  ]);
  return Math.max(0, row!.age);
}

/** What the beats that the fallback has tell of those that it never got, one sentence; undefined where none is missing. */
export async function leftOut(fallback: Db): Promise<string | undefined> {
  const [row] = await fallback.query<{ last: string | null }>(
    `SELECT (SELECT pg_catalog.to_char(max(c.at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM ${table} c WHERE ${chain.replace('id', 'c.id')}) AS last
       FROM ${table} h WHERE h.id = 'heartbeat' AND h.value ~ '^beat-' AND NOT EXISTS (SELECT FROM ${table} c WHERE c.id = h.value)`,
  );
  return (
    row &&
    `changes were left out${row.last === null ? '' : ` that production wrote after ${row.last} UTC`}: the fallback never got the heartbeats between, so somebody has moved the slot on (pg_replication_slot_advance) or made it anew, and the two no longer hold the same`
  );
}

/** Production's rows of the beats, as of a position: none is in the middle there. */
export interface BeatsAt {
  readonly lsn: string;
  readonly rows: readonly { readonly id: string; readonly value: string; readonly at: string }[];
}

export const beatsAtPosition = (production: Db): Promise<BeatsAt> =>
  production.transaction(async (inside) => {
    const rows = await inside.query<BeatsAt['rows'][number]>(
      `SELECT id, value, at::text AS at FROM ${table} WHERE ${chain} OR id = 'heartbeat' ORDER BY id FOR UPDATE`,
    );
    const [at] = await inside.query<{ lsn: string }>('SELECT pg_catalog.pg_current_wal_insert_lsn()::text AS lsn');
    return { lsn: at!.lsn, rows };
  });

/** A feed that begins there counts on from there: what lies before is meant to be left out. */
export const countOn = (fallback: Db, { rows }: BeatsAt): Promise<void> =>
  fallback.transaction(async (inside) => {
    await inside.query(`DELETE FROM ${table} WHERE ${chain} OR id = 'heartbeat'`);
    for (const { id, value, at } of rows) await inside.query(`INSERT INTO ${table} VALUES ($1, $2, $3)`, [id, value, at]);
  });
