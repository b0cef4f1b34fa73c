/** What becomes of the moment of a rollback: with it everything is proven, without it what can still be told, and nothing is called different that is not. */

import { wallClock } from '../../lib/base/clock';
import type { Context } from '../../lib/engine/context';
import type { Facts, ProofFound } from '../../lib/engine/events';
import { foundMore, type Verdict } from '../../lib/engine/verdict';
import { tracesSince } from '../../lib/postgres/access/tripwire';
import { ConnectionLost, connect, type Db } from '../../lib/postgres/connection/connect';
import { pollEvery } from '../../lib/postgres/connection/lsn';
import { ensureMarker, writeMarker } from '../../lib/postgres/replication/marker';
import { ensureSlot, feedName } from '../../lib/postgres/replication/subscription';
import { readRecord } from '../../lib/postgres/verification/record';
import { comparisonSnapshotTaken, equalityProven, Moment } from '../../lib/steps/equality';
import { manifest, window } from '../_helpers/runbook';
import { master, type Server, startServer, stopServers } from '../postgres/servers';

let [production, fallback]: Server[] = [];
const facts: Record<string, Facts> = {};
const said: string[] = [];
/** Typed with the cutover. */
const accepted: string[] = [];
/** In the declaration of the release. */
const inGit: string[] = [];
let verdict: Verdict | undefined;
const open: Db[] = [];
/** Called before each statement of the comparison on production. */
let onProduction: (sql: string) => Promise<void> = async () => undefined;
const context = {
  window: { ...window, production: 'video-db' },
  manifest: { ...manifest, green: { ...manifest.green, migration: { ...manifest.green?.migration, acceptedLosses: inGit } } },
  clock: wallClock,
  view: {
    facts: (step: string) => facts[step],
    series: { cutover: { acceptedLosses: accepted } },
    get verdict() {
      return verdict;
    },
  },
  found: async (what: Omit<ProofFound, 'type'>) => {
    verdict = foundMore(verdict, what);
  },
  keep: async (name: string) => name,
  facts: (step: string) => facts[step],
  database: async (instance: string) => own(instance),
  connection: async (instance: string) => own(instance),
  progress: async (text: string) => void said.push(text),
} as unknown as Context;
async function own(instance: string): Promise<Db> {
  const isProduction = instance === 'video-db';
  const db = await connect((isProduction ? production : fallback)!.address, master);
  open.push(db);
  if (!isProduction) return db;
  const watched = async <T>(sql: string, params?: readonly unknown[]): Promise<T[]> => {
    await onProduction(sql);
    return db.query<T>(sql, params);
  };
  return {
    ...{ address: db.address, query: watched },
    queries: (...given) => db.queries(...given),
    transaction: (...given) => db.transaction(...given),
    close: () => db.close(),
  };
}

beforeAll(async () => {
  production = await startServer();
  const db = await production.master();
  await db.query('CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people SELECT i, i FROM generate_series(1, 100) i');
  fallback = await production.standby();
  await fallback.test.promote();
  facts['form.before'] = JSON.parse(JSON.stringify({ record: await readRecord(await fallback.master()) })) as Facts;
  facts['form.classified'] = { differences: [] };
});
afterEach(() => {
  onProduction = async () => undefined;
  said.length = 0;
  verdict = undefined;
});
afterAll(async () => {
  await Promise.all(open.map((db) => db.close()));
  await stopServers();
});

/** The gap: the moment is taken, and noted in the journal. */
async function inTheGap(): Promise<Moment> {
  const kept = new Moment();
  const keep = comparisonSnapshotTaken('video-fallback-w1', kept);
  await keep.act?.(context);
  const seen = (await keep.observe(context)) as { facts: Facts };
  facts['proof.moment'] = JSON.parse(JSON.stringify(seen.facts)) as Facts;
  return kept;
}

/** Customers of the fallback, until they are stopped; what they have written differs from production. */
async function customers(): Promise<() => Promise<void>> {
  let [stopped, broken] = [false, 0];
  const writing = (async () => {
    for (let n = 1; !stopped; n += 1) {
      try {
        const db = await own('video-fallback-w1');
        for (; !stopped; n += 1)
          await db.query("INSERT INTO people VALUES ($1, 'new') ON CONFLICT (id) DO UPDATE SET name = 'new' || $1", [1 + (n % 30)]);
      } catch {
        broken += 1;
        await wallClock.pause(50);
      }
    }
  })();
  const db = await own('video-fallback-w1');
  while ((await db.query("SELECT FROM people WHERE name LIKE 'new%'")).length < 20) await wallClock.pause(5);
  return async () => {
    stopped = true;
    await writing;
    expect(broken).toBeLessThan(500);
    const again = await own('video-fallback-w1');
    await again.query("UPDATE people SET name = id::text WHERE name LIKE 'new%'; DELETE FROM people WHERE id > 100");
  };
}

test('the former production restarts in the middle of the comparison: the moment stays, and everything is proven', async () => {
  const moment = await inTheGap();
  const stop = await customers();
  let restarts = 0;
  onProduction = async (sql) => {
    if (!/people/.test(sql) || restarts > 0) return;
    restarts += 1;
    await production!.test.crash();
    setTimeout(() => void production!.test.restart(), 500);
  };
  const proof = equalityProven('video-db', 'video-fallback-w1', moment);
  await proof.act?.(context);
  await stop();
  expect(restarts).toBe(1);
  expect(said[0]).toMatch(/^compared again when both databases answer: /);
  const seen = await proof.observe(context);
  expect(seen).toMatchObject({ is: 'done', detail: 'equal: 1 tables' });
  expect((seen as { facts: Facts }).facts['proven']).toBeUndefined();
}, 60_000);

test.each([
  ['the fallback restarts', () => fallback!.test.restart()],
  [
    'the connection that keeps it is ended',
    () =>
      fallback!.test.query(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'master' AND state = 'idle in transaction'",
      ),
  ],
])(
  '%s in the middle: not proven, by the rows that can still be told, and never different',
  async (_, happens) => {
    const moment = await inTheGap();
    const stop = await customers();
    let times = 0;
    onProduction = async (sql) => {
      if (!/people/.test(sql) || times > 0) return;
      times += 1;
      await happens();
    };
    const proof = equalityProven('video-db', 'video-fallback-w1', moment);
    await proof.act?.(context);
    await stop();
    const seen = await proof.observe(context);
    expect(said.join('; ')).toContain('the moment was lost with the connection that kept it');
    expect(seen).toMatchObject({
      ...{ is: 'done', facts: { proven: false, proof: { equal: true } } },
      detail: expect.stringMatching(
        /^not proven: for (2\d|30) rows that customers have written since the opening \[written-since-opening\]; equal, compared without the moment: 1 tables$/,
      ),
    });
  },
  60_000,
);

test('production is lost before it was looked who wrote behind the fence: it is not done until that was looked at', async () => {
  const proof = equalityProven('video-db', 'video-fallback-w1', await inTheGap());
  facts['feed.drained'] = { numbers: ['1'] };
  const lost = async () => {
    throw new ConnectionLost('it restarts', undefined);
  };
  await expect(proof.act?.({ ...context, database: lost })).rejects.toThrow(ConnectionLost);
  expect(await proof.observe(context)).toEqual({ is: 'todo' });
  delete facts['feed.drained'];
  await proof.act?.(context);
  expect(await proof.observe(context)).toMatchObject({ is: 'done', detail: 'equal: 1 tables' });
});

test('a window that was opened by a version before is not proven', async () => {
  const { record } = facts['form.before']!;
  facts['form.before'] = {};
  const proof = equalityProven('video-db', 'video-fallback-w1', new Moment());
  await proof.act?.(context);
  expect(await proof.observe(context)).toMatchObject({
    ...{ is: 'done', detail: expect.stringContaining('not proven'), facts: { proven: false } },
  });
  facts['form.before'] = { record };
});

test('the runner that kept it dies: not proven for rows that customers have written since, and for those that are gone', async () => {
  await (await inTheGap()).snapshot?.db.close();
  const customer = await own('video-fallback-w1');
  await customer.query("UPDATE people SET name = 'new' WHERE id < 4");
  const next = equalityProven('video-db', 'video-fallback-w1', new Moment());
  expect(await next.observe(context)).toEqual({ is: 'todo' });
  await next.act?.(context);
  expect(said[0]).toContain('the moment was lost');
  expect(await next.observe(context)).toMatchObject({
    detail:
      'not proven: for 3 rows that customers have written since the opening [written-since-opening]; equal, compared without the moment: 1 tables',
    facts: { proven: false },
  });

  await customer.query('DELETE FROM people WHERE id > 98');
  verdict = undefined;
  const later = equalityProven('video-db', 'video-fallback-w1', new Moment());
  await later.act?.(context);
  expect(await later.observe(context)).toMatchObject({
    detail: expect.stringMatching(
      /not proven: rows are gone, deleted by customers since or never arrived: public\.people: 2 \(\(99\), \(100\)\), \d+ deletes and updates were counted \[public\.people:gone\]/,
    ),
    facts: { proven: false },
  });
});

test('rows that differ are named by their keys, with the database that has them', async () => {
  const db = await own('video-db');
  await db.query("UPDATE people SET name = 'lost' WHERE id = 50; INSERT INTO people VALUES (1001, 'lost')");
  const kept = new Moment();
  await comparisonSnapshotTaken('video-fallback-w1', kept).act?.(context);
  const proof = equalityProven('video-db', 'video-fallback-w1', kept);
  await proof.act?.(context);
  const seen = await proof.observe(context);
  expect(seen).toMatchObject({ is: 'failed', code: 'proof.different' });
  expect((seen as { message: string }).message).toMatch(/^public\.people differs \(101 rows on video-db, \d+ on video-fallback-w1\): /);
  expect((seen as { message: string }).message).toContain('(50) different');
  expect((seen as { message: string }).message).toContain('only on video-db');
  await kept.snapshot?.db.close();
});

test.each([
  ['with the cutover', accepted],
  ['in git', inGit],
])('what was accepted %s is not called different, and named', async (_where, ids) => {
  ids.push('public.people.name:type');
  const db = await own('video-db');
  await db.query("DELETE FROM people WHERE id > 100; UPDATE people SET name = '007' WHERE id = 7");
  const customer = await own('video-fallback-w1');
  await customer.query('TRUNCATE people');
  for (const { id } of await db.query<{ id: number }>('SELECT id FROM people'))
    await customer.query("INSERT INTO people VALUES ($1, '')", [id]);
  const kept = await inTheGap();
  const proof = equalityProven('video-db', 'video-fallback-w1', kept);
  await proof.act?.(context);
  expect(await proof.observe(context)).toMatchObject({
    ...{ is: 'done', facts: { proof: { uncompared: ['public.people.name'] } } },
    detail: 'equal: 1 tables; not compared, as declared or accepted: values of public.people.name: their loss was accepted',
  });
  ids.length = 0;
});

test('who writes to the fenced production past every grant is told by the number of the transaction, where the rows were fed', async () => {
  const db = await own('video-db');
  const name = feedName(window.name);
  await ensureMarker(db);
  await db.query(`CREATE PUBLICATION ${name} FOR TABLE people, switchback.marker`);
  await ensureSlot(db, name, pollEvery(10, 10_000, 'the slot'));
  const to = await own('video-fallback-w1');
  await to.query('TRUNCATE people');
  for (const row of await db.query<{ id: number; name: string }>('SELECT id, name FROM people'))
    await to.query('INSERT INTO people VALUES ($1, $2)', [row.id, row.name]);
  facts['feed.drained'] = { numbers: [await writeMarker(db, 'marker', 'x'), await writeMarker(db, 'marker', 'x')] };

  const compared = async () => {
    verdict = undefined;
    const kept = new Moment();
    await comparisonSnapshotTaken('video-fallback-w1', kept).act?.(context);
    const proof = equalityProven('video-db', 'video-fallback-w1', kept);
    await proof.act?.(context);
    return proof.observe(context);
  };
  // a number, and nothing that is fed.
  await db.query('CREATE TEMP TABLE mine (n int)');
  expect(await tracesSince(db, facts['feed.drained']['numbers'] as string[])).toHaveLength(1);
  expect(await compared()).toMatchObject({ is: 'done' });
  // the same value again: no comparison would find it.
  await db.query('UPDATE people SET name = name WHERE id < 3');
  expect(await compared()).toMatchObject({
    ...{ is: 'failed', code: 'proof.written-behind' },
    message: expect.stringMatching(
      /2 transaction\(s\) of somebody else since the last marker .* changed 2 row\(s\) on video-db behind the fence/,
    ),
  });
  await db.query('SELECT pg_drop_replication_slot($1)', [name]);
  expect(await compared()).toMatchObject({
    ...{ is: 'done', facts: { proven: false } },
    detail: expect.stringContaining('cannot be told: its slot cannot be read [written-behind:untold]'),
  });
});
