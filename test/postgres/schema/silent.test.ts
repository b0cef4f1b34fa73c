import type { Db } from '../../../lib/postgres/connection/connect';
import { pollEvery } from '../../../lib/postgres/connection/lsn';
import { majorVersion } from '../../../lib/postgres/connection/server';
import { feedHealth } from '../../../lib/postgres/replication/feed';
import { beat } from '../../../lib/postgres/replication/heartbeat';
import { markerRoundTrip } from '../../../lib/postgres/replication/marker';
import { ensureSlot, feedName } from '../../../lib/postgres/replication/subscription';
import { catalogDrift, readCatalog } from '../../../lib/postgres/schema/catalog';
import { classify } from '../../../lib/postgres/schema/classify';
import { compareTables } from '../../../lib/postgres/verification/compare';
import { failure, feed, forkTo, type Server, stopServers, withStandby } from '../servers';

const name = feedName('w1');
let [a, b]: Server[] = [];
let [production, fallback]: Db[] = [];

beforeAll(async () => {
  ({ a, b, production } = await withStandby(
    `CREATE TABLE users (id int PRIMARY KEY, name text); CREATE TABLE whole (x int, y int); ALTER TABLE whole REPLICA IDENTITY FULL;
     INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 50) i; INSERT INTO whole VALUES (1, 1)`,
  ));
  fallback = await forkTo(b, { production, name, source: { address: a.address, login: feed } });
});
afterAll(stopServers);

// (2), (4), (5) and (6) of the silent losses are in feed.test.ts, window.test.ts and bridge.test.ts.
test('an update of a row that the fallback lacks is lost without an error; the comparison names the row', async () => {
  const stray = await b!.superuser();
  await stray.query('DELETE FROM users WHERE id = 7');
  await stray.close();
  await production!.query("UPDATE users SET name = 'changed' WHERE id = 7");
  await markerRoundTrip(production!, fallback!);
  // PostgreSQL 18 counts it, a moment later; before that nothing but a comparison tells.
  const counts = (await majorVersion(fallback!)) >= 18;
  const poll = pollEvery(50, 10_000, 'the conflict being counted');
  let health = await feedHealth(production!, fallback!, name);
  while (counts && health.conflicts?.['update_missing'] !== 1) {
    await poll();
    health = await feedHealth(production!, fallback!, name);
  }
  expect([health.applyErrors, health.conflicts?.['update_missing']]).toEqual([0, counts ? 1 : undefined]);
  await beat(production!);
  await markerRoundTrip(production!, fallback!);
  const { state, reasons } = await feedHealth(production!, fallback!, name);
  expect(state).toBe('alive');
  expect(reasons).toEqual(counts ? [expect.stringContaining('lacked rows that production changed (update_missing: 1)')] : []);
  const found = await compareTables(production!, fallback!, { tables: ['public.users'] });
  expect(found.tables[0]!.differences).toEqual([{ key: '(7)', is: 'only on a' }]);
  await production!.query('DELETE FROM users WHERE id = 7');
});

test('a table whose rows are found by all columns gets no column from a bridge; that is said beforehand', async () => {
  const old = await readCatalog(fallback!);
  const now = structuredClone(old) as unknown as { tables: { name: string; columns: unknown[] }[] };
  now.tables
    .find((table) => table.name === 'public.whole')!
    .columns.push({
      number: 3,
      name: 'z',
      type: 'integer',
      enum: 0,
      notNull: false,
      default: null,
      identity: '',
      generated: '',
      aside: false,
    });
  const { differences } = classify(old, now as unknown as typeof old);
  expect(differences).toEqual([
    expect.objectContaining({
      id: 'public.whole.z:added',
      verdict: 'lossy',
      instead: 'give it a primary key before the window',
    }),
  ]);
});

test('whoever changes the form of the database while it is fed is noticed', async () => {
  const before = await readCatalog(production!);
  expect(catalogDrift(before, await readCatalog(production!))).toEqual([]);
  await production!.query(
    'ALTER TABLE users ADD COLUMN age int, ALTER name SET NOT NULL; ALTER TABLE users ADD CONSTRAINT adult CHECK (age > 17); CREATE TABLE sneaked (id int); ALTER TABLE whole RENAME TO entire',
  );
  expect(catalogDrift(before, await readCatalog(production!))).toEqual([
    'the column public.users.name has changed',
    'the column public.users.age is new',
    'the keys, constraints or unique indexes of public.users have changed',
    'the table public.whole is called public.entire',
    'the table public.sneaked is new',
  ]);
});

test('a slot that waits for a prepared transaction gives up and names it', async () => {
  const other = await a!.master();
  await other.query("BEGIN; INSERT INTO users VALUES (900, 'x'); PREPARE TRANSACTION 'forgotten'");
  const error = await failure(ensureSlot(production!, 'switchback_other', pollEvery(10, 5_000, 'the slot'), 300));
  expect(error.message).toContain("it waits for the prepared transaction 'forgotten'");
  await other.query("ROLLBACK PREPARED 'forgotten'");
});

test('changes of form during the hold: a listed column cannot be dropped, a table can, and a renamed column stops the feed, which says so', async () => {
  expect((await failure(production!.query('ALTER TABLE users DROP COLUMN name'))).sqlstate).toBe('2BP01');
  await production!.query('DROP TABLE entire');
  await markerRoundTrip(production!, fallback!);
  await beat(production!);
  await markerRoundTrip(production!, fallback!);
  expect((await feedHealth(production!, fallback!, name)).state).toBe('alive');
  await production!.query("ALTER TABLE users RENAME COLUMN name TO full_name; INSERT INTO users (id, full_name) VALUES (1000, 'x')");
  const poll = pollEvery(20, 15_000, 'the feed being stuck');
  let health = await feedHealth(production!, fallback!, name);
  while (health.state !== 'stuck') {
    await poll();
    health = await feedHealth(production!, fallback!, name);
  }
  expect(health.reasons[0]).toContain('could not apply a change');
  // production is not affected
  expect(await production!.query('SELECT full_name FROM users WHERE id = 1000')).toEqual([{ full_name: 'x' }]);
});
