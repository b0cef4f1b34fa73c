/** Partitions that production gets while it is fed from: the fallback gets them too, or it is said why not. */

import { wallClock } from '../../../lib/base/clock';
import type { Context } from '../../../lib/engine/context';
import type { Observation } from '../../../lib/engine/step';
import { openTo } from '../../../lib/postgres/access/fence';
import type { Db } from '../../../lib/postgres/connection/connect';
import { pollEvery } from '../../../lib/postgres/connection/lsn';
import { feedHealth } from '../../../lib/postgres/replication/feed';
import { beat } from '../../../lib/postgres/replication/heartbeat';
import { markerRoundTrip } from '../../../lib/postgres/replication/marker';
import { makePartitions, missingPartitions } from '../../../lib/postgres/replication/new-partitions';
import { feedName } from '../../../lib/postgres/replication/subscription';
import { compareTables } from '../../../lib/postgres/verification/compare';
import { lookAtFeed } from '../../../lib/postgres/verification/feed-look';
import { feedCaughtUp } from '../../../lib/steps/feed';
import { blue, feed, forkTo, roles, type Server, stopServers, withStandby } from '../servers';

const name = feedName('w1');
let [a, b]: Server[] = [];
let [production, fallback]: Db[] = [];

beforeAll(async () => {
  ({ a, b, production } = await withStandby(`CREATE TABLE ev (id int, d date NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
    CREATE TABLE ev_11 PARTITION OF ev FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
    CREATE TABLE log (what text, n int) PARTITION BY LIST (n); ALTER TABLE log REPLICA IDENTITY FULL; CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1); ALTER TABLE log_1 REPLICA IDENTITY FULL;
    CREATE TABLE rest (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE rest_all PARTITION OF rest DEFAULT`));
  await openTo(production, roles, blue.username);
  fallback = await forkTo(b, { production, name, source: { address: a.address, login: feed } });
  await beat(production);
  await markerRoundTrip(production, fallback);
});
afterAll(stopServers);

const asOwner = (sql: string): Promise<unknown> => production!.query(`SET ROLE ${roles.owner}; ${sql}; RESET ROLE`);
const partitions = (db: Db): Promise<unknown[]> =>
  db.query(`SELECT c.oid::regclass::text AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds, pg_get_userbyid(c.relowner) AS owner, c.relreplident AS identity
     FROM pg_class c WHERE c.relispartition AND c.relkind IN ('r','p') ORDER BY 1`);
async function isEqual(): Promise<void> {
  await markerRoundTrip(production!, fallback!, { timeoutMs: 20_000 });
  expect((await compareTables(production!, fallback!)).tables.filter(({ equal }) => !equal)).toEqual([]);
}

test('a row of a new partition stops the feed; a look that may makes the partition, and the feed goes on by itself', async () => {
  await asOwner(
    "CREATE TABLE ev_12 PARTITION OF ev FOR VALUES FROM ('2026-12-01') TO ('2027-01-01'); INSERT INTO ev VALUES (1, '2026-12-05'); UPDATE ev SET id = 2 WHERE id = 1",
  );
  const poll = pollEvery(50, 20_000, 'the feed being stuck');
  while ((await feedHealth(production!, fallback!, name)).state !== 'stuck') await poll();
  const before = await partitions(fallback!);
  const { applyErrors, state } = await lookAtFeed(production!, fallback!, name, { waitMs: 100 });
  expect(state).toBe('stuck');
  expect(await partitions(fallback!)).toEqual(before);
  const look = await lookAtFeed(production!, fallback!, name, { knownErrors: applyErrors, makesPartitions: true });
  expect(look).toMatchObject({
    ...{ state: 'alive', reasons: [], drift: [] },
    madePartitions: ['the partition public.ev_12 was made on the fallback, too'],
  });
  expect(await partitions(fallback!)).toEqual(await partitions(production!));
  await isEqual();
  expect(await lookAtFeed(production!, fallback!, name, { knownErrors: look.applyErrors, makesPartitions: true })).toMatchObject({
    ...{ state: 'alive', drift: [], madePartitions: [] },
  });
}, 60_000);

test('partitions of partitions, of a table without a key, and by two at once: each is made once', async () => {
  await asOwner(`CREATE TABLE ev_2027 PARTITION OF ev FOR VALUES FROM ('2027-01-01') TO ('2028-01-01') PARTITION BY LIST (id); CREATE TABLE ev_2027_1 PARTITION OF ev_2027 FOR VALUES IN (1);
    CREATE TABLE log_2 PARTITION OF log FOR VALUES IN (2); ALTER TABLE log_2 REPLICA IDENTITY FULL`);
  expect(await missingPartitions(production!, fallback!, name)).toEqual(['public.ev_2027', 'public.log_2']);
  const [other, elsewhere] = [await a!.master(), await b!.master()];
  const both = await Promise.all([makePartitions(production!, fallback!, name), makePartitions(other, elsewhere, name)]);
  await Promise.all([other.close(), elsewhere.close()]);
  expect(both.flatMap(({ made }) => made).sort()).toEqual(['public.ev_2027', 'public.ev_2027_1', 'public.log_2']);
  expect(both.flatMap(({ refused }) => refused)).toEqual([]);
  expect(await partitions(fallback!)).toEqual(await partitions(production!));
  await production!.query("INSERT INTO ev VALUES (1, '2027-05-05'); INSERT INTO log VALUES ('x', 2), ('y', 2)");
  await production!.query("UPDATE log SET what = 'z' WHERE what = 'x'; DELETE FROM log WHERE what = 'y'");
  await isEqual();
}, 60_000);

test('one that was made just before a rollback: the step that waits for the feed makes it', async () => {
  await asOwner(
    "CREATE TABLE ev_2028 PARTITION OF ev FOR VALUES FROM ('2028-01-01') TO ('2029-01-01'); INSERT INTO ev VALUES (7, '2028-02-02')",
  );
  const context = {
    window: { name: 'w1' },
    view: { facts: () => undefined },
    clock: wallClock,
    waitedMs: () => 0,
    database: (instance: string) => Promise.resolve(instance === 'production' ? production! : fallback!),
  } as unknown as Context;
  const step = feedCaughtUp('production', 'fallback', 'feed.drained');
  const seen: Observation[] = [];
  const poll = pollEvery(50, 30_000, 'the marker');
  do {
    await poll();
    seen.push(await step.observe(context));
  } while (seen.at(-1)!.is === 'pending');
  expect(seen[0]).toMatchObject({
    is: 'pending',
    detail: expect.stringContaining('the partition public.ev_2028 was made on the fallback, too'),
  });
  expect(seen.at(-1)!.is).toBe('done');
  await isEqual();
}, 60_000);

test('rows that a default partition of the fallback has taken stay in it, and it is said', async () => {
  await production!.query('INSERT INTO rest VALUES (5)');
  await markerRoundTrip(production!, fallback!);
  await asOwner(
    'ALTER TABLE rest DETACH PARTITION rest_all; CREATE TABLE rest_1 PARTITION OF rest FOR VALUES FROM (0) TO (10); ALTER TABLE rest_all ADD CHECK (id = 5)',
  );
  await production!.query('INSERT INTO rest VALUES (6)');
  const { applyErrors } = await feedHealth(production!, fallback!, name);
  const look = await lookAtFeed(production!, fallback!, name, { knownErrors: applyErrors, makesPartitions: true });
  expect(look).toMatchObject({ state: 'alive', madePartitions: [] });
  expect(look.drift).toContainEqual(
    expect.stringMatching(
      /^the partition public.rest_1 \(FOR VALUES FROM \(0\) TO \(10\)\) is new, and the fallback does not take it: .*default partition "rest_all"/,
    ),
  );
  await markerRoundTrip(production!, fallback!);
  expect(await fallback!.query('SELECT id FROM rest_all ORDER BY 1')).toEqual([{ id: 5 }, { id: 6 }]);
}, 60_000);
