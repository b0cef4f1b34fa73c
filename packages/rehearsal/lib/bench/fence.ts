/**
 * How long fence and proof take while nobody may write, by the number of tables: with rights looked at before the gap, as the step does it,
 * and with everything looked at in the gap, as it was. In turn, each on a connection of its own, as each run has one.
 */
import { loadavg } from 'node:os';
import { percentile } from '../../../../lib/engine/estimates';
import {
  allowMigrations,
  endWriters,
  fence,
  forbidMigrations,
  openTo,
  prepareFence,
  proveFenced,
} from '../../../../lib/postgres/access/fence';
import { mayHaveRights } from '../../../../lib/postgres/access/known-rights';
import { moveStrayGrants } from '../../../../lib/postgres/access/roles';
import type { Db } from '../../../../lib/postgres/connection/connect';
import { blue, migrator, Place, roles, type Side } from './pair';

export interface FenceBenchOptions {
  /** Of each way. */
  readonly runs: number;
  readonly tables: readonly number[];
  /** Sessions of the color that do nothing. */
  readonly idle: number;
  readonly onProgress?: (text: string) => void;
}

/** What fence and proof may take together, by tables. */
export const fenceGoals: Readonly<Record<number, number>> = { 100: 10, 1000: 20, 10000: 80 };

interface Times {
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

export interface FenceBench {
  readonly postgres: string;
  readonly runs: number;
  readonly loadAverage: { readonly before: number; readonly after: number };
  readonly sizes: readonly {
    readonly tables: number;
    /** Looked at before, and in it only what is newer. */
    readonly newer: Times;
    /** Everything in the gap. */
    readonly whole: Times;
    /** What was done before the gap, of the first. */
    readonly before: Times;
    readonly goalMs: number | undefined;
    readonly goalMet: boolean | undefined;
  }[];
}

export async function measureFence({ runs, tables, idle, onProgress: say = () => undefined }: FenceBenchOptions): Promise<FenceBench> {
  const load = loadavg()[0] ?? 0;
  const place = await Place.make();
  const sizes: FenceBench['sizes'][number][] = [];
  try {
    for (const count of tables) {
      const side = await place.production();
      const production = await side.master();
      await makeTables(production, side, count);
      for (let n = 0; n < idle; n += 1) await (await side.as(blue)).query('SELECT 1');
      const [newer, whole, before]: [number[], number[], number[]] = [[], [], []];
      for (let run = 0; run < runs; run += 1) {
        const one = await oneFence(side, true);
        newer.push(one.gapMs);
        before.push(one.beforeMs);
        whole.push((await oneFence(side, false)).gapMs);
      }
      await place.clear();
      const goalMs = fenceGoals[count];
      const size = { tables: count, newer: times(newer), whole: times(whole), before: times(before), goalMs };
      sizes.push({ ...size, goalMet: goalMs === undefined ? undefined : size.newer.medianMs <= goalMs });
      say(`${count} tables: ${size.newer.medianMs} ms, everything in the gap ${size.whole.medianMs} ms; load ${loadavg()[0]?.toFixed(1)}`);
    }
    const after = loadavg()[0] ?? 0;
    return { postgres: place.binaries.version, runs, loadAverage: { before: rounded(load), after: rounded(after) }, sizes };
  } finally {
    await place.remove();
  }
}

/** As the step does it: it looks, it acts, it looks again. */
async function oneFence(side: Side, ahead: boolean): Promise<{ beforeMs: number; gapMs: number }> {
  const db = await side.master();
  await openTo(db, roles, blue.username);
  const began = performance.now();
  if ((await proveFenced(db, roles)).proven) throw new Error('it is fenced before the fence');
  if (ahead) await prepareFence(db, roles);
  const from = performance.now();
  if (mayHaveRights(db, roles.write)) await moveStrayGrants(db, roles);
  const left = await fence(db, roles);
  await endWriters(db, { graceMs: 1000 }, left);
  const { proven, reasons } = await proveFenced(db, roles);
  const gapMs = performance.now() - from;
  if (!proven) throw new Error(`the fence is not proven: ${reasons.join('; ')}`);
  await db.close();
  return { beforeMs: from - began, gapMs };
}

/** By the migrator, so with the grants that every table of a system has. */
async function makeTables(db: Db, side: Side, count: number): Promise<void> {
  await allowMigrations(db, roles);
  const migration = await side.as(migrator);
  for (let from = 0; from < count; from += 250)
    await migration.query(
      `DO $$ BEGIN FOR i IN ${from} .. ${Math.min(count, from + 250) - 1} LOOP EXECUTE format('CREATE TABLE t_%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text, b int, c timestamptz)', i); END LOOP; END $$`,
    );
  await migration.close();
  await forbidMigrations(db, roles);
  await side.server.query('VACUUM ANALYZE pg_class, pg_attribute, pg_depend, pg_shdepend', [], side.address.database);
}

const rounded = (value: number): number => Math.round(value * 10) / 10;
const times = (samples: readonly number[]): Times => ({
  medianMs: rounded(percentile(samples, 0.5)),
  minMs: rounded(Math.min(...samples)),
  maxMs: rounded(Math.max(...samples)),
});
