import { openTo } from '../../../lib/postgres/access/fence';
import { allowMigrations, forbidMigrations } from '../../../lib/postgres/access/roles';
import type { Db } from '../../../lib/postgres/connection/connect';
import { pollEvery } from '../../../lib/postgres/connection/lsn';
import { copyTables, type FeedHealth, feedHealth, pauseFeed, resumeFeed, secondsLeft } from '../../../lib/postgres/replication/feed';
import { beat } from '../../../lib/postgres/replication/heartbeat';
import { markerRoundTrip } from '../../../lib/postgres/replication/marker';
import { publishable, readPublication } from '../../../lib/postgres/replication/publication';
import { disableFeed, dropSlot, feedName, readSlot, silentTables, unknownTables } from '../../../lib/postgres/replication/subscription';
import { unsentChanges } from '../../../lib/postgres/replication/unsent';
import { compareTables } from '../../../lib/postgres/verification/compare';
import { lookAtFeed } from '../../../lib/postgres/verification/feed-look';
import { blue, feed, forkTo, migrator, roles, type Server, stopServers, withStandby } from '../servers';

const name = feedName('w1');
let [a, b]: Server[] = [];
let [production, fallback]: Db[] = [];

beforeAll(async () => {
  ({ a, b, production } = await withStandby(
    `CREATE TABLE users (id int PRIMARY KEY, name text, email text NOT NULL); CREATE TABLE ballast (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, filler text);
     INSERT INTO users SELECT i, 'name ' || i, 'mail ' || i FROM generate_series(1, 100) i`,
    { settings: { max_slot_wal_keep_size: '48MB', max_wal_size: '64MB' } },
  ));
  await openTo(production, roles, blue.username);
  fallback = await forkTo(b, { production, name, source: { address: a.address, login: feed } });
});
afterAll(stopServers);

const source = () => ({ address: a!.address, login: feed });
async function healthBecomes(state: FeedHealth['state'], options?: Parameters<typeof feedHealth>[3]): Promise<FeedHealth> {
  const poll = pollEvery(20, 20_000, `the feed being ${state}`);
  for (;;) {
    const health = await feedHealth(production!, fallback!, name, options);
    if (health.state === state) return health;
    await poll();
  }
}

test('a feed with a young heartbeat is alive, and its marker comes back each time', async () => {
  await beat(production!);
  await markerRoundTrip(production!, fallback!);
  const health = await healthBecomes('alive');
  expect(health.reasons).toEqual([]);
  expect(health.heartbeatSeconds).toBeLessThan(5);
  expect(health.bytesLeft).toBeGreaterThan(1e6);
  for (let n = 0; n < 20; n += 1) await markerRoundTrip(production!, fallback!);
});

test('disabling the feed makes durable what it has applied, and its worker ends by itself', async () => {
  const admin = await b!.superuser();
  await admin.query("ALTER SYSTEM SET wal_writer_delay = '1s'");
  await admin.query('SELECT pg_reload_conf()');
  await production!.query("INSERT INTO ballast (filler) SELECT 'durable' FROM generate_series(1, 1000)");
  await markerRoundTrip(production!, fallback!);
  const [applied] = await fallback!.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  // as a master user with it off has it: the commit must not lean on a setting.
  await fallback!.query('SET synchronous_commit = off');
  await disableFeed(fallback!, name);
  const [flushed] = await fallback!.query<{ done: boolean }>('SELECT pg_current_wal_flush_lsn() >= $1::pg_lsn AS done', [applied!.lsn]);
  expect(flushed).toEqual({ done: true });
  await fallback!.query('SET synchronous_commit = on');
  // whoever peeks the slot waits for that end, a moment.
  expect(await unsentChanges(production!, name, ['3'])).toEqual([]);
  expect((await readSlot(production!, name))!.active).toBe(false);
  await disableFeed(fallback!, name);
  await fallback!.query(`ALTER SUBSCRIPTION ${name} ENABLE`);
  await admin.query('ALTER SYSTEM RESET wal_writer_delay');
  await admin.query('SELECT pg_reload_conf()');
  await admin.close();
  await markerRoundTrip(production!, fallback!);
});

test('a feed that stops applying is behind by its heartbeat', async () => {
  const admin = await b!.superuser();
  await admin.query('BEGIN; LOCK TABLE switchback.marker IN EXCLUSIVE MODE');
  await beat(production!);
  const health = await healthBecomes('behind', { behindSeconds: 0.3 });
  expect(health.reasons[0]).toMatch(/the fallback is \d+\.\d s behind/);
  await admin.query('ROLLBACK');
  await admin.close();
  await markerRoundTrip(production!, fallback!);
});

test('a stray write on the fallback stops the feed loudly, and it goes on when that is mended', async () => {
  const admin = await b!.superuser();
  await admin.query("INSERT INTO users VALUES (500, 'stray', 'x')");
  await production!.query("INSERT INTO users VALUES (500, 'customer', 'y')");
  const health = await healthBecomes('stuck');
  expect(health.reasons[0]).toContain('could not apply a change');
  // one that broke off, which is counted too, is told apart by trying again.
  const look = await lookAtFeed(production!, fallback!, name, { waitMs: 100 });
  expect(look).toMatchObject({ state: 'stuck', reasons: [expect.stringContaining('could not apply a change')] });
  await admin.query('DELETE FROM users WHERE id = 500');
  await admin.close();
  await markerRoundTrip(production!, fallback!);
  expect((await compareTables(production!, fallback!)).equal).toBe(true);
});

test('paused for migrations, the fallback keeps the data before the change; started again it gets every later write and nothing twice', async () => {
  await markerRoundTrip(production!, fallback!);
  await pauseFeed(production!, fallback!, name);
  expect((await feedHealth(production!, fallback!, name)).state).toBe('paused');
  const before = await fallback!.query('SELECT * FROM users ORDER BY id');
  await allowMigrations(production!, roles);
  const migration = await a!.as(migrator);
  await migration.query(
    "UPDATE users SET name = upper(name); DELETE FROM users WHERE id = 2; ALTER TABLE users ADD COLUMN phone text; ALTER TABLE users DROP COLUMN email; INSERT INTO users (id, name) VALUES (600, 'by the migration')",
  );
  await forbidMigrations(production!, roles);
  expect(await fallback!.query('SELECT * FROM users ORDER BY id')).toEqual(before);

  await fallback!.query('ALTER TABLE users ALTER COLUMN email DROP NOT NULL');
  const tables = (await publishable(production!)).map((table) => (table.table === 'users' ? { ...table, columns: ['id', 'name'] } : table));
  await resumeFeed(production!, fallback!, name, source(), tables);
  const app = await a!.as(blue);
  await app.query(
    "INSERT INTO users (id, name, phone) VALUES (700, 'customer', '1'); UPDATE users SET name = 'renamed' WHERE id = 1; DELETE FROM users WHERE id = 3",
  );
  await markerRoundTrip(production!, fallback!);
  expect(await fallback!.query('SELECT id, name FROM users WHERE id IN (1, 2, 3, 600, 700) ORDER BY id')).toEqual([
    { id: 1, name: 'renamed' },
    { id: 2, name: 'name 2' },
    { id: 700, name: 'customer' },
  ]);
  expect((await readPublication(production!, name)).map(({ table }) => table)).toEqual(['ballast', 'users', 'marker']);
});

test('a table that is published but unknown to the subscription is found, although everything looks healthy', async () => {
  await production!.query(`CREATE TABLE late (id int PRIMARY KEY); GRANT SELECT ON late TO ${feed.username}`);
  await fallback!.query('CREATE TABLE late (id int PRIMARY KEY)');
  await production!.query(`ALTER PUBLICATION ${name} ADD TABLE late (id)`);
  await production!.query('INSERT INTO late VALUES (1)');
  await beat(production!);
  await markerRoundTrip(production!, fallback!);
  expect(await fallback!.query('SELECT * FROM late')).toEqual([]);
  const health = await feedHealth(production!, fallback!, name);
  expect(health).toMatchObject({ state: 'stuck', applyErrors: expect.any(Number) });
  expect(health.reasons[0]).toContain('lost without a word: public.late');
  // nobody copies it: a run that died between publishing it and telling the subscription must do both again.
  expect(await unknownTables(production!, fallback!, name)).toEqual(['public.late']);
  await resumeFeed(
    production!,
    fallback!,
    name,
    source(),
    (await readPublication(production!, name)).filter(({ schema, table }) => schema === 'public' && table !== 'late'),
  );
  await copyTables(production!, fallback!, name, [{ schema: 'public', table: 'late', columns: ['id'] }]);
  expect(await fallback!.query('SELECT * FROM late')).toEqual([{ id: 1 }]);
  expect(await unknownTables(production!, fallback!, name)).toEqual([]);
});

test('a table that is being copied is known to the subscription, and not ready', async () => {
  await production!.query(`CREATE TABLE held (id int PRIMARY KEY); INSERT INTO held VALUES (1); GRANT SELECT ON held TO ${feed.username}`);
  await fallback!.query('CREATE TABLE held (id int PRIMARY KEY)');
  const admin = await b!.superuser();
  await admin.query('BEGIN; LOCK TABLE held IN EXCLUSIVE MODE');
  const copied = copyTables(production!, fallback!, name, [{ schema: 'public', table: 'held', columns: ['id'] }]);
  const poll = pollEvery(20, 20_000, 'the copy being under way');
  while (
    (await silentTables(production!, fallback!, name)).join() !== 'public.held' ||
    (await unknownTables(production!, fallback!, name)).length > 0
  )
    await poll();
  await admin.query('ROLLBACK');
  await admin.close();
  await copied;
  expect(await fallback!.query('SELECT * FROM held')).toEqual([{ id: 1 }]);
});

test('a fallback that is down too long is given up by production, which says so and goes on', async () => {
  const [first, began] = [await feedHealth(production!, fallback!, name), performance.now()];
  await pauseFeed(production!, fallback!, name);
  const app = await a!.as(blue);
  const poll = pollEvery(0, 25_000, 'the slot being given up');
  for (;;) {
    await app.query('INSERT INTO ballast (filler) SELECT repeat(md5(i::text), 20) FROM generate_series(1, 10000) i');
    await (await a!.superuser()).query('SELECT pg_switch_wal(); CHECKPOINT');
    const health = await feedHealth(production!, fallback!, name);
    if (health.state === 'dead') {
      expect(health.reasons[0]).toContain('gave the slot switchback_w1 up');
      break;
    }
    expect(secondsLeft(first, health, (performance.now() - began) / 1000)).toBeGreaterThan(0);
    await poll();
  }
  expect(await app.query('SELECT count(*) > 10000 AS serving FROM ballast')).toEqual([{ serving: true }]);
  await dropSlot(production!, name);
  expect((await feedHealth(production!, fallback!, name)).reasons[0]).toContain('does not exist on production');
});
