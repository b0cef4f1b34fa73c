/**
 * How long nobody can write at a switch, how far behind the feed is, how fast databases are compared, how long a stage takes:
 * measured on two real servers, with customers that write all the while and count what was acknowledged to them.
 */
import { cpus, loadavg } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../../../../lib/engine/estimates';
import { endWriters, fence, openTo, openWrites, prepareFence, proveFenced, whoMayWrite } from '../../../../lib/postgres/access/fence';
import { knownRights } from '../../../../lib/postgres/access/known-rights';
import { allowMigrations, forbidMigrations, rightsRole } from '../../../../lib/postgres/access/roles';
import type { Db } from '../../../../lib/postgres/connection/connect';
import { copyTables, pauseFeed, resumeFeed } from '../../../../lib/postgres/replication/feed';
import { markerRoundTrip, readMarker, writeMarker } from '../../../../lib/postgres/replication/marker';
import { advanceSequences, prepareSequences } from '../../../../lib/postgres/replication/sequences';
import { disableFeed, stopFeed } from '../../../../lib/postgres/replication/subscription';
import { bridge, bridgeScript, restoreRules, unbridge } from '../../../../lib/postgres/schema/bridge';
import { readCatalog } from '../../../../lib/postgres/schema/catalog';
import { classify } from '../../../../lib/postgres/schema/classify';
import { mapping } from '../../../../lib/postgres/schema/mapping';
import { prove, takeComparisonSnapshot } from '../../../../lib/postgres/verification/equality';
import { footprint, shipFootprint } from '../../../../lib/postgres/verification/footprint';
import { readRecord } from '../../../../lib/postgres/verification/record';
import { blue, client, firstForm, green, migrations, migrator, name, Place, roles, type Side, secondForm, settings } from './pair';
import { Writers, type WrittenIds } from './writers';

export interface DatabaseBenchOptions {
  /** Windows, each with a cutover and a rollback. */
  readonly runs: number;
  readonly writers: number;
  /** Transactions per second during the switches. */
  readonly rate: number;
  /** Transactions per second at which the feed's lag is measured. */
  readonly lagRates: readonly number[];
  readonly lagSeconds: number;
  /** How long the feed stands still before it has to catch up. */
  readonly stopSeconds: number;
  readonly compareRows: number;
  /** Database sizes, in MB, at which a stage is measured. */
  readonly stageMegabytes: readonly number[];
  /** Which parts. */
  readonly only?: readonly Part[];
  readonly onProgress?: (text: string) => void;
}

export const parts = ['gap', 'lag', 'compare', 'stage'] as const;
export type Part = (typeof parts)[number];

export const usual: DatabaseBenchOptions = {
  runs: 5,
  writers: 16,
  rate: 1000,
  lagRates: [500, 1000, 2000],
  lagSeconds: 15,
  stopSeconds: 20,
  compareRows: 1_000_000,
  stageMegabytes: [10, 100, 400],
};
export const quick: DatabaseBenchOptions = {
  ...usual,
  runs: 2,
  lagRates: [500, 1000],
  lagSeconds: 4,
  stopSeconds: 4,
  compareRows: 200_000,
  stageMegabytes: [10, 50],
};

/** The database part of a switch: from the fence to the first write on the other side. */
export const goalMs = 60;

type Milliseconds = Readonly<Record<string, number>>;

export interface Switches {
  /** Median and most over all runs, of the part that every switch has: without migrations and what they need. */
  readonly medianMs: number;
  readonly maxMs: number;
  readonly samplesMs: readonly number[];
  /** The same with everything in between. */
  readonly wholeMedianMs: number;
  readonly wholeMaxMs: number;
  /** Median of each part, in its order. */
  readonly partsMs: Milliseconds;
  readonly partsMaxMs: Milliseconds;
  /** What customers managed just before. */
  readonly ratePerSecond: number;
  readonly goalMet: boolean;
}

/** A switch as the steps do it, in turn with two others. */
export interface Compared extends Switches {
  /** With everything about rights looked at in the gap, as it was. */
  readonly wholeLook: Switches;
  /** The least that a switch can be: one REVOKE, one look for open writes, a marker, one GRANT, written by hand. */
  readonly limit: Switches;
  /** Of the limit. */
  readonly share: number;
}

export interface DatabaseBench {
  readonly postgres: string;
  readonly node: string;
  readonly cpus: number;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly loadAverage: { readonly before: readonly number[]; readonly after: readonly number[] };
  readonly transaction: string;
  readonly writers: number;
  readonly gap?: {
    readonly runs: number;
    readonly rateWanted: number;
    readonly goalMs: number;
    readonly cutover: Compared;
    readonly rollback: Compared;
    readonly acknowledgedWrites: number;
    readonly proven: boolean;
  };
  readonly lag?: readonly {
    readonly rateWanted: number;
    readonly ratePerSecond: number;
    readonly samples: number;
    readonly medianMs: number;
    readonly p95Ms: number;
    readonly maxMs: number;
  }[];
  readonly catchUp?: { readonly stoppedSeconds: number; readonly ratePerSecond: number; readonly seconds: number };
  readonly compare?: { readonly rows: number; readonly seconds: number; readonly rowsPerSecond: number; readonly equal: boolean };
  readonly stage?: readonly { readonly megabytes: number; readonly replicaSeconds: number; readonly forkSeconds: number }[];
  /** Over everything that was measured. */
  readonly lostWrites: number;
  readonly duplicatedWrites: number;
}

export async function measureDatabase(options: DatabaseBenchOptions): Promise<DatabaseBench> {
  const before = loadavg();
  const say = options.onProgress ?? (() => undefined);
  const wants = (part: Part): boolean => options.only === undefined || options.only.includes(part);
  const place = await Place.make();
  const bench = new Bench(place, options, say);
  try {
    const gap = wants('gap') ? await bench.gap() : undefined;
    const lag = wants('lag') ? await bench.lag() : undefined;
    const compare = wants('compare') ? await bench.compare() : undefined;
    const stage = wants('stage') ? await bench.stage() : undefined;
    return {
      postgres: place.binaries.version,
      node: process.version,
      cpus: cpus().length,
      settings,
      loadAverage: { before: before.map(rounded), after: loadavg().map(rounded) },
      transaction: 'one statement that changes three rows, committed with fsync',
      writers: options.writers,
      ...(gap ? { gap } : {}),
      ...(lag ? { lag: lag.lag, catchUp: lag.catchUp } : {}),
      ...(compare ? { compare } : {}),
      ...(stage ? { stage } : {}),
      lostWrites: bench.lost,
      duplicatedWrites: bench.duplicated,
    };
  } finally {
    bench.kill();
    await place.remove();
  }
}

/** Two servers, fed, with the first color allowed to write. */
interface Fed {
  readonly a: Side;
  readonly b: Side;
  readonly production: Db;
  readonly fallback: Db;
}

class Bench {
  lost = 0;
  duplicated = 0;
  private writers: Writers | undefined;

  constructor(
    private readonly place: Place,
    private readonly options: DatabaseBenchOptions,
    private readonly say: (text: string) => void,
  ) {}

  kill(): void {
    this.writers?.kill();
  }

  async gap(): Promise<NonNullable<DatabaseBench['gap']>> {
    const { runs, rate } = this.options;
    const ways = { product: new Both(), whole: new Both(), limit: new Both() };
    let acknowledgedWrites = 0;
    let proven = true;
    for (let run = 1; run <= runs; run += 1) {
      for (const [way, both] of Object.entries(ways)) {
        const one = way === 'limit' ? await this.leastWindow() : await this.oneWindow(way === 'product');
        both.cutovers.push(one.cutover);
        both.rollbacks.push(one.rollback);
        acknowledgedWrites += one.acknowledged;
        proven &&= one.equal;
        this.say(
          `run ${run}, ${way}: cutover ${ms(one.cutover.databaseMs)}, rollback ${ms(one.rollback.databaseMs)}; load ${loadavg()[0]?.toFixed(1)}`,
        );
      }
    }
    const compared = (of: (both: Both) => readonly Taken[]): Compared => {
      const [product, wholeLook, limit] = [ways.product, ways.whole, ways.limit].map((both) => switches(of(both)));
      return { ...product!, wholeLook: wholeLook!, limit: limit!, share: Math.round((product!.medianMs / limit!.medianMs) * 100) / 100 };
    };
    const [cutover, rollback] = [compared(({ cutovers }) => cutovers), compared(({ rollbacks }) => rollbacks)];
    return { runs, rateWanted: rate, goalMs, cutover, rollback, acknowledgedWrites, proven };
  }

  /** The same switches without anything that is not needed to move writes from one side to the other, on the same servers and load. */
  private async leastWindow(): Promise<OneWindow> {
    const { a, b } = await this.fed();
    const [production, fallback] = [await a.bare(), await b.bare()];
    const sides = [
      { at: client(a, blue), statement: firstForm },
      { at: client(a, green), statement: firstForm },
      { at: client(b, blue), statement: firstForm },
    ];
    const writers = await this.write(sides, this.options.rate);
    await pause(500);
    await writers.rate();
    await pause(2500);
    const rate = await writers.rate();
    const [rights, write] = [rightsRole(roles), roles.write];
    const close = async (watch: Watch) => {
      await watch.part('fence', () => production.query(`REVOKE ${rights} FROM ${write}`));
      await watch.part('prove', async () => {
        while ((await openWrites(production)).length > 0);
      });
      await watch.part('marker', () => markerRoundTrip(production, fallback));
    };
    const open = (db: Db, user: string, not: string) =>
      db.query(`REVOKE ${write} FROM ${not}; GRANT ${write} TO ${user}; GRANT ${rights} TO ${write} WITH INHERIT TRUE, SET FALSE`);

    const out = new Watch();
    await close(out);
    await out.part('open', () => open(production, green.username, blue.username));
    out.first(await writers.move(1));
    await pause(2500);
    const back = new Watch();
    await close(back);
    await back.part('stop', () => fallback.query(`ALTER SUBSCRIPTION ${name} DISABLE`));
    await back.part('open', () => open(fallback, blue.username, green.username));
    back.first(await writers.move(2));
    await pause(500);
    const ids = await this.stopped(writers);
    await this.audit(fallback, ids);
    await this.place.clear();
    return { cutover: out.taken(rate), rollback: back.taken(rate), acknowledged: ids.acknowledged.length, equal: true };
  }

  /** A whole window: cutover with a change of form, customers in the new schema, everything back; compared and counted. */
  private async oneWindow(ahead: boolean): Promise<OneWindow> {
    const { a, b, production, fallback } = await this.fed();
    const proofDb = await b.master();
    const source = this.place.source(a);
    const sides = [
      { at: client(a, blue), statement: firstForm },
      { at: client(a, green), statement: secondForm },
      { at: client(b, blue), statement: firstForm },
    ];
    const writers = await this.write(sides, this.options.rate);
    await pause(500);
    await writers.rate();
    await pause(2500);
    const before = await writers.rate();

    await beforeFence(production, ahead);
    if (ahead) await whoMayWrite(production, roles, green.username);
    const out = new Watch();
    await fenceAndProve(production, out);
    await out.part('marker', () => markerRoundTrip(production, fallback));
    const [old, record] = await out.between('form', async () => [await readCatalog(fallback), await readRecord(fallback)] as const);
    await out.between('pause', () => pauseFeed(production, fallback, name));
    await out.between('migrate', async () => {
      await allowMigrations(production, roles);
      const migration = await a.as(migrator);
      for (const sql of migrations) await migration.query(sql);
      await forbidMigrations(production, roles);
    });
    const { plan } = classify(old, await out.between('classify', () => readCatalog(production)));
    const script = bridgeScript(plan);
    await out.between('bridge', () => bridge(production, fallback, roles, script));
    await out.between('footprint', async () => {
      const prints = await footprint(production, fallback, plan, mapping(plan, { names: 'new' }));
      await shipFootprint(production, fallback, plan, prints);
    });
    await out.between('resume', async () => {
      await resumeFeed(production, fallback, name, source, script.publication);
      await copyTables(production, fallback, name, script.copied);
    });
    await out.between('canary', () => markerRoundTrip(production, fallback));
    await out.part('open', () => openTo(production, roles, green.username));
    out.first(await writers.move(1));

    await writers.rate();
    await pause(2500);
    const during = await writers.rate();
    await beforeFence(production, ahead);
    if (ahead) {
      await whoMayWrite(fallback, roles, blue.username);
      await prepareSequences(production, fallback);
    }
    const back = new Watch();
    await fenceAndProve(production, back);
    await back.part('sequences', () => advanceSequences(production, fallback, 10_000));
    await back.part('marker', () => markerRoundTrip(production, fallback));
    await back.part('stop', () => disableFeed(fallback, name));
    await back.part('unbridge', async () => {
      await unbridge(fallback, roles, script);
      await restoreRules(fallback, roles, script);
    });
    const moment = await back.part('moment', () => takeComparisonSnapshot(proofDb));
    await back.part('open', () => openTo(fallback, roles, blue.username));
    back.first(await writers.move(2));

    const { equal } = await prove({ production: () => a.master(), fallback: () => b.master() }, moment, { record });
    await moment.release();
    await pause(500);
    const ids = await this.stopped(writers);
    await this.audit(fallback, ids);
    await this.place.clear();
    return { cutover: out.taken(before), rollback: back.taken(during), acknowledged: ids.acknowledged.length, equal };
  }

  async lag(): Promise<{ lag: NonNullable<DatabaseBench['lag']>; catchUp: NonNullable<DatabaseBench['catchUp']> }> {
    const { a, production, fallback } = await this.fed();
    const lag: NonNullable<DatabaseBench['lag']>[number][] = [];
    const all: { acknowledged: string[]; unknown: string[] } = { acknowledged: [], unknown: [] };
    const finish = async (writers: Writers) => {
      const { acknowledged, unknown } = await this.stopped(writers);
      all.acknowledged.push(...acknowledged);
      all.unknown.push(...unknown);
    };
    const toA = [{ at: client(a, blue), statement: firstForm }];
    for (const rateWanted of this.options.lagRates) {
      const writers = await this.write(toA, rateWanted);
      await pause(1000);
      await writers.rate();
      const samples: number[] = [];
      const end = performance.now() + this.options.lagSeconds * 1000;
      for (let n = 0; performance.now() < end; n += 1) {
        samples.push(await oneLag(production, fallback, `${rateWanted}-${n}`));
        await pause(25);
      }
      const ratePerSecond = Math.round(await writers.rate());
      await finish(writers);
      const one = {
        rateWanted,
        ratePerSecond,
        samples: samples.length,
        medianMs: rounded(percentile(samples, 0.5)),
        p95Ms: rounded(percentile(samples, 0.95)),
        maxMs: rounded(Math.max(...samples)),
      };
      this.say(
        `lag at ${ratePerSecond} of ${rateWanted} tx/s: median ${ms(one.medianMs)}, p95 ${ms(one.p95Ms)}; load ${loadavg()[0]?.toFixed(1)}`,
      );
      lag.push(one);
    }

    const writers = await this.write(toA, this.options.rate);
    await pause(1000);
    await writers.rate();
    await stopFeed(fallback, name);
    await pause(this.options.stopSeconds * 1000);
    await fallback.query(`ALTER SUBSCRIPTION ${name} ENABLE`);
    const from = performance.now();
    // level again: a row written a moment ago is there within a tenth of a second, customers writing all the while.
    const within = 100;
    while ((await oneLag(production, fallback, `catch-up-${performance.now()}`)) > within) await pause(20);
    const seconds = rounded((performance.now() - from) / 1000);
    const ratePerSecond = Math.round(await writers.rate());
    await finish(writers);
    this.say(`caught up after ${seconds} s, at ${ratePerSecond} tx/s`);
    await markerRoundTrip(production, fallback);
    await this.audit(production, all);
    await this.audit(fallback, all);
    await this.place.clear();
    return { lag, catchUp: { stoppedSeconds: this.options.stopSeconds, ratePerSecond, seconds } };
  }

  async compare(): Promise<NonNullable<DatabaseBench['compare']>> {
    const a = await this.place.production();
    const production = await a.master();
    await fill(a, this.options.compareRows);
    const b = await this.place.replica(a);
    await this.place.fork(production, this.place.source(a), b);
    const moment = await takeComparisonSnapshot(await b.master());
    const sides = { production: () => a.master(), fallback: () => b.master() };
    const { rows, seconds, equal } = (await prove(sides, moment, { record: await readRecord(production) })).comparison;
    await moment.release();
    await this.place.clear();
    this.say(`compared ${rows} rows in ${seconds.toFixed(1)} s`);
    return { rows, seconds: rounded(seconds), rowsPerSecond: Math.round(rows / seconds), equal };
  }

  async stage(): Promise<NonNullable<DatabaseBench['stage']>> {
    const stages: NonNullable<DatabaseBench['stage']>[number][] = [];
    for (const wanted of this.options.stageMegabytes) {
      const a = await this.place.production();
      const production = await a.master();
      // about 120 bytes a row with its index.
      await fill(a, Math.max(1000, (wanted - 8) * 8_000));
      const [size] = await production.query<{ size: number }>('SELECT pg_database_size(current_database())::float8 AS size');
      const copying = performance.now();
      const b = await this.place.replica(a);
      const forking = performance.now();
      await this.place.fork(production, this.place.source(a), b);
      const one = {
        megabytes: Math.round((size?.size ?? 0) / 1_000_000),
        replicaSeconds: rounded((forking - copying) / 1000),
        forkSeconds: rounded((performance.now() - forking) / 1000),
      };
      await this.place.clear();
      this.say(`stage at ${one.megabytes} MB: replica ${one.replicaSeconds} s, fork ahead ${one.forkSeconds} s`);
      stages.push(one);
    }
    return stages;
  }

  private async fed(): Promise<Fed> {
    const a = await this.place.production();
    const production = await a.master();
    await openTo(production, roles, blue.username);
    const b = await this.place.replica(a);
    await this.place.fork(production, this.place.source(a), b);
    return { a, b, production, fallback: await b.master() };
  }

  private async write(sides: Parameters<typeof Writers.start>[0]['sides'], rate: number): Promise<Writers> {
    this.writers = await Writers.start({ writers: this.options.writers, rate, sides });
    return this.writers;
  }

  private async stopped(writers: Writers): Promise<WrittenIds> {
    const ids = await writers.stop();
    this.writers = undefined;
    return ids;
  }

  /** Acknowledged writes that are not there, and writes that are there twice. */
  private async audit(db: Db, { acknowledged, unknown }: WrittenIds): Promise<void> {
    const rows = await db.query<{ id: string; times: number; whole: boolean }>(
      'SELECT l.id, count(*)::int AS times, bool_and(o.id IS NOT NULL) AS whole FROM log l LEFT JOIN orders o ON o.id = l.id GROUP BY l.id',
    );
    const found = new Map(rows.map((row) => [row.id, row]));
    const sent = new Set([...acknowledged, ...unknown]);
    this.lost += acknowledged.filter((id) => !found.get(id)?.whole).length;
    this.duplicated += rows.filter(({ id, times }) => times > 1 || !sent.has(id)).length;
  }
}

interface OneWindow {
  readonly cutover: Taken;
  readonly rollback: Taken;
  readonly acknowledged: number;
  readonly equal: boolean;
}

class Both {
  readonly cutovers: Taken[] = [];
  readonly rollbacks: Taken[] = [];
}

/** As the step does it, which looks before it acts. */
async function beforeFence(production: Db, ahead: boolean): Promise<void> {
  if ((await proveFenced(production, roles)).proven) throw new Error('it is fenced before the fence');
  if (ahead && !knownRights(production)) await prepareFence(production, roles);
}

async function fenceAndProve(production: Db, watch: Watch): Promise<void> {
  const left = await watch.part('fence', () => fence(production, roles));
  await watch.part('prove', async () => {
    await endWriters(production, { graceMs: 1000 }, left);
    const { proven, reasons } = await proveFenced(production, roles);
    if (!proven) throw new Error(`the fence is not proven: ${reasons.join('; ')}`);
  });
}

/** From an acknowledged commit on production until the fallback shows it. */
async function oneLag(production: Db, fallback: Db, value: string): Promise<number> {
  await writeMarker(production, 'bench', value);
  const from = performance.now();
  while ((await readMarker(fallback, 'bench')) !== value) await pause(1);
  return performance.now() - from;
}

/** As the superuser, who is not fenced; rows like those of an order. */
async function fill(side: Side, rows: number): Promise<void> {
  await side.server.query("INSERT INTO orders SELECT md5(i::text) || '-' || i, i FROM generate_series(1, $1::int) i", [rows], 'bench');
  await side.server.query('VACUUM ANALYZE', [], 'bench');
}

interface Taken {
  readonly wholeMs: number;
  readonly databaseMs: number;
  readonly parts: Milliseconds;
  readonly rate: number;
}

/** Times one switch from its fence to the first write on the other side. */
class Watch {
  private readonly began = performance.now();
  private readonly parts: Record<string, number> = {};
  private aside = 0;
  private openAt = 0;
  private endedAt = 0;

  async part<T>(name: string, action: () => Promise<T>): Promise<T> {
    const from = performance.now();
    const result = await action();
    this.parts[name] = performance.now() - from;
    this.openAt = performance.now();
    return result;
  }

  /** What only a change of form needs: part of the whole, not of the switch itself. */
  async between<T>(name: string, action: () => Promise<T>): Promise<T> {
    const result = await this.part(name, action);
    this.aside += this.parts[name] ?? 0;
    return result;
  }

  /** @param at when the first write was acknowledged, in milliseconds since the epoch */
  first(at: number): void {
    this.endedAt = at - performance.timeOrigin;
    this.parts['first write'] = Math.max(0, this.endedAt - this.openAt);
  }

  taken(rate: number): Taken {
    const wholeMs = this.endedAt - this.began;
    return { wholeMs, databaseMs: wholeMs - this.aside, parts: this.parts, rate };
  }
}

/** Medians and maxima over the runs. */
export function switches(all: readonly Taken[]): Switches {
  const of = (pick: (taken: Taken) => number, share: number): number => rounded(percentile(all.map(pick), share));
  const names = Object.keys(all[0]?.parts ?? {});
  const each = (share: number): Milliseconds => Object.fromEntries(names.map((part) => [part, of(({ parts }) => parts[part] ?? 0, share)]));
  const medianMs = of(({ databaseMs }) => databaseMs, 0.5);
  return {
    medianMs,
    maxMs: of(({ databaseMs }) => databaseMs, 1),
    samplesMs: all.map(({ databaseMs }) => rounded(databaseMs)),
    wholeMedianMs: of(({ wholeMs }) => wholeMs, 0.5),
    wholeMaxMs: of(({ wholeMs }) => wholeMs, 1),
    partsMs: each(0.5),
    partsMaxMs: each(1),
    ratePerSecond: Math.round(
      percentile(
        all.map(({ rate }) => rate),
        0.5,
      ),
    ),
    goalMet: medianMs <= goalMs,
  };
}

const rounded = (value: number): number => Math.round(value * 10) / 10;
const ms = (value: number): string => `${value.toFixed(1)} ms`;
