/** The runner that kept the moment of a rollback dies: the next one proves what can be proven without it, and says so. */

import { wallClock } from '../../lib/base/clock';
import type { Context } from '../../lib/engine/context';
import type { Facts } from '../../lib/engine/events';
import { tracesSince } from '../../lib/postgres/access/tripwire';
import { connect, type Db } from '../../lib/postgres/connection/connect';
import { pollEvery } from '../../lib/postgres/connection/lsn';
import { ensureMarker, writeMarker } from '../../lib/postgres/replication/marker';
import { ensureSlot, feedName } from '../../lib/postgres/replication/subscription';
import { readCatalog } from '../../lib/postgres/schema/catalog';
import { comparisonSnapshotTaken, equalityProven, Moment } from '../../lib/steps/equality';
import { manifest, window } from '../_helpers/runbook';
import { master, type Server, startServer, stopServers } from '../postgres/servers';

let server: Server;
const facts: Record<string, Facts> = {};
const said: string[] = [];
const at = (database: string): Promise<Db> => connect({ ...server.address, database }, master);
const open: Db[] = [];
const context = {
  window,
  manifest,
  clock: wallClock,
  view: { facts: (step: string) => facts[step] },
  facts: (step: string) => facts[step],
  database: async (instance: string) => own(instance),
  connection: async (instance: string) => own(instance),
  progress: async (text: string) => void said.push(text),
} as unknown as Context;
async function own(instance: string): Promise<Db> {
  const db = await at(instance === 'video-db' ? 'a' : 'b');
  open.push(db);
  return db;
}

beforeAll(async () => {
  server = await startServer();
  const admin = await server.superuser();
  for (const name of ['b', 'a']) {
    await admin.query(`CREATE DATABASE ${name} OWNER master TEMPLATE template0`);
    const db = await at(name);
    await db.query('CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people SELECT i, i FROM generate_series(1, 100) i');
    const catalog = await readCatalog(db);
    facts['form.before'] = { catalog };
    facts['form.classified'] = { now: catalog };
    await db.close();
  }
});
afterAll(async () => {
  await Promise.all(open.map((db) => db.close()));
  await stopServers();
});

test('equality is proven but for what customers have written since, and gone rows are said not to be', async () => {
  const kept = new Moment();
  const keep = comparisonSnapshotTaken('video-fallback-w1', kept);
  await keep.act?.(context);
  const seen = await keep.observe(context);
  expect(seen).toMatchObject({ is: 'done', facts: { note: { before: expect.stringMatching(/^\d+$/) } } });
  facts['proof.moment'] = JSON.parse(JSON.stringify((seen as { facts: Facts }).facts)) as Facts;
  await kept.snapshot?.db.close();

  const customer = await own('video-fallback-w1');
  await customer.query("UPDATE people SET name = 'new' WHERE id < 4");
  const next = equalityProven('video-db', 'video-fallback-w1', new Moment());
  expect(await next.observe(context)).toEqual({ is: 'todo' });
  await next.act?.(context);
  expect(said[0]).toContain('the moment was lost');
  const proven = await next.observe(context);
  expect(proven).toMatchObject({
    detail: 'equal but for 3 rows that customers have written since the opening, compared without the moment: 1 tables',
  });
  expect((proven as { facts: Facts }).facts['proven']).toBeUndefined();

  await customer.query('DELETE FROM people WHERE id > 98');
  const later = equalityProven('video-db', 'video-fallback-w1', new Moment());
  await later.act?.(context);
  expect(await later.observe(context)).toMatchObject({
    detail: expect.stringContaining(
      'not proven for rows that are gone, deleted by customers since or never arrived: public.people: 2 ((99), (100)), 5 deletes and updates were counted',
    ),
    facts: { proven: false },
  });
});

test('rows that differ are named by their keys, with the database that has them', async () => {
  const production = await own('video-db');
  await production.query("UPDATE people SET name = 'lost' WHERE id = 50; INSERT INTO people VALUES (1001, 'lost')");
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

test('who writes to the fenced production past every grant is told by the number of the transaction, where the rows were fed', async () => {
  const production = await own('video-db');
  const name = feedName(window.name);
  await ensureMarker(production);
  await production.query(`CREATE PUBLICATION ${name} FOR TABLE people, switchback.marker`);
  await ensureSlot(production, name, pollEvery(10, 10_000, 'the slot'));
  const fallback = await own('video-fallback-w1');
  await fallback.query('TRUNCATE people');
  for (const row of await production.query<{ id: number; name: string }>('SELECT id, name FROM people'))
    await fallback.query('INSERT INTO people VALUES ($1, $2)', [row.id, row.name]);
  facts['feed.drained'] = { numbers: [await writeMarker(production, 'marker', 'x'), await writeMarker(production, 'marker', 'x')] };

  const compared = async () => {
    const kept = new Moment();
    await comparisonSnapshotTaken('video-fallback-w1', kept).act?.(context);
    const proof = equalityProven('video-db', 'video-fallback-w1', kept);
    await proof.act?.(context);
    return proof.observe(context);
  };
  // a number, and nothing that is fed.
  await production.query('CREATE TEMP TABLE mine (n int)');
  expect(await tracesSince(production, facts['feed.drained']['numbers'] as string[])).toHaveLength(1);
  expect(await compared()).toMatchObject({ is: 'done' });
  // the same value again: no comparison would find it.
  await production.query('UPDATE people SET name = name WHERE id < 3');
  expect(await compared()).toMatchObject({
    ...{ is: 'failed', code: 'proof.written-behind' },
    message: expect.stringMatching(
      /2 transaction\(s\) of somebody else since the last marker .* changed 2 row\(s\) on video-db behind the fence/,
    ),
  });
  await production.query('SELECT pg_drop_replication_slot($1)', [name]);
  expect(await compared()).toMatchObject({ is: 'failed', message: expect.stringContaining('cannot be told: its slot cannot be read') });
});
