/**
 * How many rows have changed since a moment, from PostgreSQL's own statistics: what a rollback without a feed would lose.
 * The numbers are never too small by more than what sessions have not yet reported (they do so when they are idle for a
 * second, at the latest after ten, and when they end), and count changes of transactions that were rolled back too.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Db } from '../connection/connect';
import { ofExtension, userSchema } from '../connection/server';

interface Counters {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}

/** The counters at one moment. Plain JSON: it goes into the journal. */
export interface Baseline {
  readonly at: string;
  /** When the statistics of the database were last reset: another value means that counting began anew. */
  readonly reset: string | null;
  /** When the server started, and when statistics that only a crash or a hand resets were reset. */
  readonly started: string;
  readonly crashed: string | null;
  /** By table, `schema.table`; identified by OID so that a rename does not lose the count. */
  readonly tables: Readonly<Record<string, Counters & { readonly oid: number; readonly file: number }>>;
}

/** Changes of one table since the baseline. */
export interface TableChanges extends Counters {
  readonly table: string;
  /**
   * Set when the numbers may be too small: the statistics were reset or lost in a crash, so what is shown is all that was counted
   * since then; or the table was truncated or rewritten, which counts no rows.
   */
  readonly incomplete?: string;
}

export async function takeBaseline(db: Db): Promise<Baseline> {
  await db.query('SELECT pg_catalog.pg_stat_force_next_flush()');
  await db.query('SELECT pg_catalog.pg_stat_clear_snapshot()');
  const [server] = await db.query<{ at: string; reset: string | null; started: string; crashed: string | null }>(
    `SELECT clock_timestamp()::text AS at, (SELECT stats_reset::text FROM pg_catalog.pg_stat_database WHERE datname = current_database()) AS reset,
            pg_catalog.pg_postmaster_start_time()::text AS started,
            (SELECT stats_reset::text FROM pg_catalog.pg_stat_bgwriter) AS crashed`,
  );
  const rows = await db.query<{ table: string; oid: number; file: number; inserted: number; updated: number; deleted: number }>(
    `SELECT pg_catalog.format('%s.%s', n.nspname, c.relname) AS "table", c.oid::int8::float8 AS oid, c.relfilenode::int8::float8 AS file,
            pg_catalog.pg_stat_get_tuples_inserted(c.oid)::float8 AS inserted, pg_catalog.pg_stat_get_tuples_updated(c.oid)::float8 AS updated,
            pg_catalog.pg_stat_get_tuples_deleted(c.oid)::float8 AS deleted
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'r' AND ${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')} ORDER BY 1`,
  );
  return { ...server!, tables: Object.fromEntries(rows.map(({ table, ...counters }) => [table, counters])) };
}

/** Tables with changes since the baseline, those with most first. */
export async function changesSince(db: Db, baseline: Baseline): Promise<TableChanges[]> {
  const now = await takeBaseline(db);
  const before = new Map(Object.values(baseline.tables).map((table) => [table.oid, table]));
  // A clean restart keeps the statistics; a crash loses them, and then every counter starts at zero.
  const lost = now.reset !== baseline.reset || (now.started !== baseline.started && now.crashed !== baseline.crashed);
  const changes = Object.entries(now.tables).map(([table, { inserted, updated, deleted, oid, file }]): TableChanges => {
    const then = before.get(oid);
    const counted = lost || then === undefined ? { inserted, updated, deleted } : less({ inserted, updated, deleted }, then);
    const rewritten = then !== undefined && then.file !== file;
    const incomplete = lost
      ? 'the statistics were reset since; changes before that are not counted'
      : rewritten
        ? 'the table was truncated or rewritten, which counts no rows'
        : undefined;
    return { table, ...counted, ...(incomplete === undefined ? {} : { incomplete }) };
  });
  const total = (change: Counters): number => change.inserted + change.updated + change.deleted;
  return changes
    .filter((change) => total(change) > 0 || change.incomplete !== undefined)
    .sort((a, b) => total(b) - total(a) || a.table.localeCompare(b.table));
}

const less = (a: Counters, b: Counters): Counters => ({
  inserted: a.inserted - b.inserted,
  updated: a.updated - b.updated,
  deleted: a.deleted - b.deleted,
});

/**
 * Waits until the counters stand still for `quietMs`. Only worth calling when nobody can write any more: sessions report what they
 * did a second after they went idle.
 */
export async function settledChanges(
  db: Db,
  baseline: Baseline,
  { quietMs = 1_500, timeoutMs = 12_000, poll = (): Promise<void> => pause(100) } = {},
): Promise<TableChanges[]> {
  const end = performance.now() + timeoutMs;
  let [last, since] = [JSON.stringify(await changesSince(db, baseline)), performance.now()];
  while (performance.now() - since < quietMs && performance.now() < end) {
    await poll();
    const now = JSON.stringify(await changesSince(db, baseline));
    if (now !== last) [last, since] = [now, performance.now()];
  }
  return JSON.parse(last) as TableChanges[];
}
