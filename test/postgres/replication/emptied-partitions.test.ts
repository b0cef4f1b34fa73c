/** TRUNCATE of partitions of production: the fallback empties the same rows, in order with those before and after, and nothing else. */

import { openTo } from '../../../lib/postgres/access/fence';
import type { Db } from '../../../lib/postgres/connection/connect';
import { unwatchPartitions, watchPartitions } from '../../../lib/postgres/replication/emptied-partitions';
import { beat } from '../../../lib/postgres/replication/heartbeat';
import { markerRoundTrip } from '../../../lib/postgres/replication/marker';
import { feedName, removeFeed } from '../../../lib/postgres/replication/subscription';
import { compareTables } from '../../../lib/postgres/verification/compare';
import { lookAtFeed } from '../../../lib/postgres/verification/feed-look';
import { blue, feed, forkTo, roles, type Server, stopServers, withStandby } from '../servers';

const name = feedName('w1');
let [a, b]: Server[] = [];
let [production, fallback]: Db[] = [];

beforeAll(async () => {
  ({ a, b, production } = await withStandby(`CREATE TABLE ev (id int, d date NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
    CREATE TABLE ev_10 PARTITION OF ev FOR VALUES FROM ('2026-10-01') TO ('2026-11-01'); CREATE TABLE ev_11 PARTITION OF ev FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
    CREATE TABLE ev_27 PARTITION OF ev FOR VALUES FROM ('2027-01-01') TO ('2028-01-01') PARTITION BY HASH (id);
    CREATE TABLE ev_27_0 PARTITION OF ev_27 FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE ev_27_1 PARTITION OF ev_27 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE ev_rest PARTITION OF ev DEFAULT;
    CREATE TABLE kept (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE kept_1 PARTITION OF kept FOR VALUES FROM (0) TO (10);
    CREATE TABLE points (id int PRIMARY KEY, k int CONSTRAINT points_k REFERENCES kept); INSERT INTO kept VALUES (1), (2)`));
  await openTo(production, roles, blue.username);
  fallback = await forkTo(b, { production, name, source: { address: a.address, login: feed } });
  await beat(production);
});
afterAll(stopServers);

beforeEach(async () => {
  await production!.query(`DELETE FROM ev; INSERT INTO ev SELECT g, '2026-10-01'::date + g FROM generate_series(1, 500) g`);
});

const watched = async (db: Db): Promise<unknown[]> =>
  (
    await db.query<{ name: string }>(
      "SELECT tgrelid::regclass::text AS name FROM pg_trigger WHERE tgname = 'switchback_emptied' ORDER BY 1",
    )
  ).map((row) => row.name);
async function isEqual(): Promise<void> {
  await markerRoundTrip(production!, fallback!, { timeoutMs: 20_000 });
  expect((await compareTables(production!, fallback!)).tables.filter(({ equal }) => !equal)).toEqual([]);
}
const rows = async (db: Db): Promise<number> => (await db.query<{ n: number }>('SELECT count(*)::int AS n FROM ev'))[0]!.n;

const allLeaves = ['ev_10', 'ev_11', 'ev_27_0', 'ev_27_1', 'ev_rest', 'kept_1'];

test('every partition of production is watched, and the fallback listens', async () => {
  expect(await watched(production!)).toEqual(allLeaves);
  expect(await watched(fallback!)).toEqual(['switchback.marker']);
  await isEqual();
});

test.each([
  ['a leaf', 'TRUNCATE ev_10'],
  ['a leaf of hash partitions', 'TRUNCATE ev_27_1'],
  ['a partition with partitions, and another one', 'TRUNCATE ev_27, ev_11'],
  ['the default one', 'TRUNCATE ev_rest'],
  ['all of them', 'TRUNCATE ev'],
  [
    'between rows of one transaction',
    "INSERT INTO ev VALUES (901, '2026-10-05'); TRUNCATE ev_10; INSERT INTO ev VALUES (902, '2026-10-05'); TRUNCATE ev_27_0",
  ],
  ['one that is taken back', 'BEGIN; SAVEPOINT a; TRUNCATE ev_10; ROLLBACK TO a; TRUNCATE ev_11; COMMIT'],
  ['by a session that silences triggers', 'SET session_replication_role = replica; TRUNCATE ev_10; RESET session_replication_role'],
])('%s', async (_, sql) => {
  const before = await rows(production!);
  await production!.query(sql);
  expect(await rows(production!)).toBeLessThan(before);
  await isEqual();
  expect(await production!.query("SELECT FROM switchback.marker WHERE id LIKE 'emptied%'")).toEqual([]);
});

test('the fallback has other partitions than production, and a key that production has dropped', async () => {
  await production!.query('TRUNCATE ev_rest');
  await markerRoundTrip(production!, fallback!);
  await fallback!.query(`SET ROLE ${roles.owner}; ALTER TABLE ev DETACH PARTITION ev_10; ALTER TABLE ev DETACH PARTITION ev_11; DROP TABLE ev_10, ev_11;
    CREATE TABLE ev_q4 PARTITION OF ev FOR VALUES FROM ('2026-10-01') TO ('2027-01-01'); RESET ROLE`);
  await production!.query('TRUNCATE ev_10, ev_11');
  await isEqual();
  await production!.query("INSERT INTO ev VALUES (1, '2026-10-03'), (2, '2026-11-03'), (3, '2027-03-03'); TRUNCATE ev_10, ev_27");
  await isEqual();
  await production!.query('ALTER TABLE points DROP CONSTRAINT points_k; TRUNCATE kept_1; INSERT INTO kept VALUES (2)');
  await isEqual();
});

test('a partition that came since is watched from the next look on, one that is none any more is a table', async () => {
  await production!.query(
    `SET ROLE ${roles.owner}; CREATE TABLE ev_28 PARTITION OF ev FOR VALUES FROM ('2029-01-01') TO ('2030-01-01'); RESET ROLE`,
  );
  expect(await lookAtFeed(production!, fallback!, name, { makesPartitions: true })).toMatchObject({ state: 'alive' });
  await production!.query("INSERT INTO ev VALUES (1, '2029-03-03'); TRUNCATE ev_28; INSERT INTO ev VALUES (2, '2029-03-03')");
  await isEqual();
  await production!.query(`SET ROLE ${roles.owner}; ALTER TABLE ev DETACH PARTITION ev_28; RESET ROLE; TRUNCATE ev_28`);
  await markerRoundTrip(production!, fallback!);
  expect(await fallback!.query("SELECT id FROM ev WHERE d = '2029-03-03'")).toEqual([{ id: 2 }]);
  await production!.query('DROP TABLE ev_28');
});

test('two at once, and again: each is watched once. A lock in the way is asked for again', async () => {
  const other = await a!.master();
  await unwatchPartitions(production!);
  expect(await watched(production!)).toEqual([]);
  await other.query('BEGIN; LOCK TABLE ev_11 IN ROW EXCLUSIVE MODE');
  const watching = watchPartitions(production!);
  const third = await a!.master();
  const both = Promise.all([watching, watchPartitions(third)]);
  await expect(Promise.race([both, other.query('SELECT pg_sleep(0.2)').then(() => 'waits')])).resolves.toBe('waits');
  await other.query('COMMIT');
  expect(await both).toEqual([[], []]);
  expect(await watched(production!)).toEqual(allLeaves);
  await Promise.all([other.close(), third.close()]);
});

test('a feed that is removed leaves nothing', async () => {
  await removeFeed(production!, fallback!, name);
  expect([await watched(production!), await watched(fallback!)]).toEqual([[], []]);
  for (const db of [production!, fallback!])
    expect(await db.query("SELECT proname FROM pg_proc WHERE proname IN ('note_emptied', 'empty_partition')")).toEqual([]);
});
