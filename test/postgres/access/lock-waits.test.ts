import { allowMigrations, fence, openTo } from '../../../lib/postgres/access/fence';
import { endTransactionsOfColors, migratorWaits, waitWords } from '../../../lib/postgres/access/lock-waits';
import type { Db } from '../../../lib/postgres/connection/connect';
import { pollEvery } from '../../../lib/postgres/connection/lsn';
import { blue, failure, green, migrator, prepareUsers, reader, roles, type Server, startServer, stopServers } from '../servers';

let server: Server;
let db: Db;
beforeAll(async () => {
  server = await startServer();
  db = await server.master();
  await db.query('CREATE TABLE orders (id int PRIMARY KEY, note text)');
  await prepareUsers(db);
});
afterAll(stopServers);

test('before migrations no transaction of the colors is left, of readers neither; what ends by itself is not touched', async () => {
  const [idle, reading, ending] = [await server.as(blue, { applicationName: 'api' }), await server.as(reader), await server.as(green)];
  await idle.query('BEGIN; SELECT * FROM orders');
  await reading.query('BEGIN; SELECT 1');
  await ending.query('BEGIN; SELECT * FROM orders');
  const ended = endTransactionsOfColors(db, roles, { graceMs: 300 });
  await ending.query('COMMIT');
  expect((await ended).map(({ user, query }) => ({ user, query })).sort((a, b) => a.user.localeCompare(b.user))).toEqual([
    { user: 'video_blue', query: 'BEGIN; SELECT * FROM orders' },
    { user: 'video_reader', query: 'BEGIN; SELECT ?' },
  ]);
  for (const gone of [idle, reading]) expect((await failure(gone.query('SELECT 1'))).name).toBe('ConnectionLost');
  expect(await ending.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  expect(await endTransactionsOfColors(db, roles, { graceMs: 0 })).toEqual([]);
});

test('a migration that waits for a lock says for whom and since when, and what ends that', async () => {
  await openTo(db, roles, blue.username);
  const customer = await server.as(blue, { applicationName: 'api' });
  await customer.query("BEGIN; UPDATE orders SET note = 'x'");
  await fence(db, roles);
  await allowMigrations(db, roles);
  const migration = await server.as(migrator);
  const altering = migration.query('ALTER TABLE orders ADD COLUMN late int');
  const poll = pollEvery(5, 5_000, 'the wait');
  while ((await migratorWaits(db, roles, 0)).length === 0) await poll();
  const [wait] = await migratorWaits(db, roles, 0);
  expect(waitWords(wait!)).toMatch(
    /^waits since 0 s for a lock that 'video_blue' holds \(pid (\d+), api, idle in transaction, its transaction is open since \d+ s: BEGIN; UPDATE orders SET note = \?\); to end that one: SELECT pg_terminate_backend\(\1\)$/,
  );
  expect(await migratorWaits(db, roles, 60)).toEqual([]);
  await customer.query('ROLLBACK');
  await altering;
  expect(await migratorWaits(db, roles, 0)).toEqual([]);
});
