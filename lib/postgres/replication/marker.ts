/**
 * The marker: a row written on one database and awaited on the other. Once it has arrived, so has everything committed before it.
 * Positions that replication reports about itself prove less and tell it later.
 */
import { randomBytes } from 'node:crypto';
import { type Db, literal } from '../connection/connect';
import { ownSchema } from '../connection/server';

/** The table of markers and heartbeats; published by every feed. */
export const markerTable = { schema: ownSchema, table: 'marker', columns: ['id', 'value', 'at'] } as const;

export async function markerThere(db: Db): Promise<boolean> {
  const [row] = await db.query<{ there: boolean }>(`SELECT to_regclass('${ownSchema}.marker') IS NOT NULL AS there`);
  return row!.there;
}

/** Makes the table. Before a fork, so that the copy has it too. */
export async function ensureMarker(db: Db): Promise<void> {
  if (await markerThere(db)) return;
  await db.query(`CREATE SCHEMA IF NOT EXISTS ${ownSchema}`);
  await db.query(`CREATE TABLE IF NOT EXISTS ${ownSchema}.marker (id text PRIMARY KEY, value text NOT NULL, at timestamptz NOT NULL)`);
}

/** The next feed makes it anew. */
export const dropMarker = (db: Db): Promise<unknown> => db.query(`DROP TABLE IF EXISTS ${ownSchema}.marker`);

/** Writes `value`; again and again it is the same row, and each time a commit. Answers the number of its transaction. */
export async function writeMarker(db: Db, id: string, value: string): Promise<string> {
  // one message, so one transaction.
  const [row] = await db.query<{ number: string }>(
    `SET LOCAL synchronous_commit = 'local';
     INSERT INTO ${ownSchema}.marker VALUES (${literal(id)}, ${literal(value)}, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET value = excluded.value, at = excluded.at
     RETURNING pg_catalog.pg_current_xact_id()::text AS number`,
  );
  return row!.number;
}

export async function readMarker(db: Db, id: string): Promise<string | undefined> {
  const [row] = await db.query<{ value: string }>(`SELECT value FROM ${ownSchema}.marker WHERE id = $1`, [id]);
  return row?.value;
}

/**
 * A row that is only there inside one transaction, on whichever side applies it: what a declared bridge does to other tables while it is
 * there, it takes back (bridge.ts).
 */
export const probe = {
  begin: `INSERT INTO ${ownSchema}.marker VALUES ('probe', '', clock_timestamp())`,
  end: `DELETE FROM ${ownSchema}.marker WHERE id = 'probe'`,
  isOn: `EXISTS (SELECT FROM ${ownSchema}.marker WHERE id = 'probe')`,
} as const;

export interface RoundTrip {
  readonly milliseconds: number;
  readonly commits: number;
  /** The numbers of its transactions, in their order: whatever was committed before the first has arrived. */
  readonly numbers: readonly string[];
}

/**
 * Sends a marker from `from` and waits until `to` shows it. A commit that coincides with another one can lie in the walsender for
 * 200 ms; committing again every 5 ms pushes it through.
 */
export async function markerRoundTrip(from: Db, to: Db, options: { timeoutMs?: number; recommitMs?: number } = {}): Promise<RoundTrip> {
  const { timeoutMs = 30_000, recommitMs = 5 } = options;
  const [began, value] = [performance.now(), randomBytes(8).toString('hex')];
  const numbers: string[] = [];
  for (;;) {
    numbers.push(await writeMarker(from, 'marker', value));
    const again = performance.now() + recommitMs;
    do {
      if ((await readMarker(to, 'marker')) === value) return { milliseconds: performance.now() - began, commits: numbers.length, numbers };
      await new Promise((resolve) => setImmediate(resolve));
    } while (performance.now() < again);
    if (performance.now() - began > timeoutMs) {
      throw new Error(
        `the marker did not arrive at ${to.address.host}:${to.address.port} within ${timeoutMs / 1000} s: the feed is behind or does not run`,
      );
    }
  }
}
