/** What others do to the databases while a feed runs: time limits that they set, tools that replicate, slots that they move. */

import { openTo } from '../../../lib/postgres/access/fence';
import { type Db, timeouts } from '../../../lib/postgres/connection/connect';
import { pollEvery } from '../../../lib/postgres/connection/lsn';
import { copyAhead } from '../../../lib/postgres/replication/copy';
import { feedHealth } from '../../../lib/postgres/replication/feed';
import { type ForkOptions, forkAhead } from '../../../lib/postgres/replication/fork';
import { markerRoundTrip } from '../../../lib/postgres/replication/marker';
import { ensureFeedUser, feedName } from '../../../lib/postgres/replication/subscription';
import { compareTables } from '../../../lib/postgres/verification/compare';
import { allowFeeding, blue, database, master, prepareUsers, roles, type Server, startServer, stopServers } from '../servers';

const name = feedName('w1');
const feed = { username: 'switchback_feed', password: 'feed-secret' };
let [a, b]: Server[] = [];
let [production, fallback]: Db[] = [];

async function begin(before = async (_: Server): Promise<void> => undefined): Promise<void> {
  a = await startServer();
  production = await a.master();
  await production.query(
    'CREATE TABLE orders (id int PRIMARY KEY, ref text); CREATE TABLE log (ref text); ALTER TABLE log REPLICA IDENTITY FULL',
  );
  await production.query("INSERT INTO orders SELECT i, 'o' || i FROM generate_series(1, 50) i");
  await prepareUsers(production);
  await allowFeeding(a);
  await before(a);
  await ensureFeedUser(production, { user: feed.username, password: feed.password, roles, database });
  b = await a.standby();
  await openTo(production, roles, blue.username);
}
afterEach(stopServers);

const options = (): ForkOptions => ({
  production: production!,
  fallback: () => b!.master(),
  name,
  source: { address: a!.address, login: feed },
  roles,
  login: master,
  promote: () => b!.test.promote(),
});
async function fork(): Promise<void> {
  await forkAhead(options());
  fallback = await b!.master();
}
async function becomes(db: Db, what: string, sql: string): Promise<void> {
  const poll = pollEvery(20, 30_000, what);
  while ((await db.query(sql)).length === 0) await poll();
}
async function isEqual(): Promise<void> {
  await markerRoundTrip(production!, fallback!);
  expect((await compareTables(production!, fallback!)).tables.filter(({ equal }) => !equal)).toEqual([]);
}

const limit = 400;
/** A lock that is waited for longer than any of the limits lets it be. */
const waitsLonger = `SELECT FROM pg_locks l JOIN pg_stat_activity s ON s.pid = l.pid WHERE NOT l.granted AND s.backend_type <> 'client backend' AND clock_timestamp() - l.waitstart > interval '${limit * 3} ms'`;
/** As a team sets them for its application. */
const limited = async (server: Server): Promise<void> => {
  const admin = await server.superuser();
  const known = new Set((await admin.query<{ name: string }>('SELECT name FROM pg_settings')).map((row) => row.name));
  const each = timeouts.filter((one) => known.has(one));
  for (const one of each) await admin.query(`ALTER DATABASE ${database} SET ${one} = ${limit}`);
  await admin.query(`ALTER DATABASE ${database} SET default_transaction_read_only = on`);
  await admin.close();
};

test('time limits of a database bind neither our sessions, nor the copy of a table, nor what applies changes', async () => {
  await begin(limited);
  const ours = await a!.master();
  for (const one of timeouts) {
    const [row] = await ours.query<{ value: string | null }>(`SELECT current_setting('${one}', true) AS value`);
    expect([one, row!.value ?? '0']).toEqual([one, '0']);
  }
  // a copy that waits on production for longer than a customer's statement may take.
  const holder = await a!.superuser();
  await holder.query('BEGIN');
  await b!.test.promote();
  const copying = copyAhead(options());
  await becomes(
    production!,
    'the slot',
    `SELECT FROM pg_replication_slots WHERE slot_name = '${name}' AND confirmed_flush_lsn IS NOT NULL`,
  );
  await holder.query('LOCK orders');
  await becomes(ours, 'a copy that waits', waitsLonger);
  await holder.query('COMMIT');
  await copying;
  fallback = await b!.master();
  // a change that waits on the fallback for longer than a lock or a transaction may.
  const worker = () => fallback!.query(`SELECT pid FROM pg_stat_subscription WHERE subname = '${name}' AND relid IS NULL`);
  const before = await worker();
  const blocker = await b!.superuser();
  await blocker.query('BEGIN; SELECT FROM orders WHERE id = 1 FOR UPDATE');
  await production!.query("UPDATE orders SET ref = 'late' WHERE id = 1");
  await becomes(fallback, 'a change that waits', waitsLonger);
  await blocker.query('COMMIT');
  await isEqual();
  expect(await worker()).toEqual(before);
  expect((await feedHealth(production!, fallback, name)).applyErrors).toBe(0);
});

test('rows that another replication tool brings to production under its own origin travel on', async () => {
  await begin();
  const tool = await a!.superuser();
  const bring = async (from: number): Promise<void> => {
    await tool.query("SELECT pg_replication_origin_create('bucardo') WHERE NOT EXISTS (SELECT FROM pg_replication_origin)");
    await tool.query("SELECT pg_replication_origin_session_setup('bucardo')");
    await tool.query(
      `BEGIN; INSERT INTO orders SELECT i, 'brought' FROM generate_series(${from}, ${from + 9}) i; UPDATE orders SET ref = 'changed' WHERE id = 50; COMMIT`,
    );
    await tool.query('SELECT pg_replication_origin_session_reset()');
  };
  await fork();
  await bring(101);
  await isEqual();
  await production!.query('DELETE FROM orders WHERE id > 100');
  await isEqual();
  // what keeps changes from going round: nothing goes out of it.
  expect(await fallback!.query('SELECT FROM pg_publication')).toEqual([]);
});
