/** The wire between production and the fallback: cut, or silent for a while. Nothing is dropped by it, and nothing may be lost. */

import { openTo } from '../../../lib/postgres/access/fence';
import type { Db } from '../../../lib/postgres/connection/connect';
import { pollEvery } from '../../../lib/postgres/connection/lsn';
import { type FeedHealth, feedHealth } from '../../../lib/postgres/replication/feed';
import { beat } from '../../../lib/postgres/replication/heartbeat';
import { markerRoundTrip } from '../../../lib/postgres/replication/marker';
import { ensureFeedUser, feedName, readSlot } from '../../../lib/postgres/replication/subscription';
import { compareTables } from '../../../lib/postgres/verification/compare';
import { lookAtFeed } from '../../../lib/postgres/verification/feed-look';
import { type StallingProxy, stallingProxy } from '../../_helpers/stalling-proxy';
import {
  allowFeeding,
  blue,
  database,
  failure,
  feed,
  forkTo,
  prepareUsers,
  roles,
  type Server,
  startServer,
  stopServers,
} from '../servers';

const name = feedName('w1');
let [a, b]: Server[] = [];
let [production, fallback, app]: Db[] = [];
let wire: StallingProxy;

beforeAll(async () => {
  a = await startServer();
  production = await a.master();
  await production.query(
    'CREATE TABLE charges (id int PRIMARY KEY, ref text); CREATE TABLE log (ref text); ALTER TABLE log REPLICA IDENTITY FULL',
  );
  await prepareUsers(production);
  await allowFeeding(a);
  await ensureFeedUser(production, { user: feed.username, password: feed.password, roles, database });
  // as the fallback's stack sets it; production's side is a setting of the feed's user.
  b = await a.standby({ wal_receiver_timeout: '5s' });
  await openTo(production, roles, blue.username);
  wire = await stallingProxy(() => a!.address);
  [fallback, app] = [
    await forkTo(b, { production, name, source: { address: { host: wire.host, port: wire.port, database }, login: feed } }),
    await a.as(blue),
  ];
  await beat(production);
  await markerRoundTrip(production, fallback);
});
afterAll(async () => {
  await wire?.stop();
  await stopServers();
});

let charges = 0;
/** A customer; the table without a key shows what is applied twice. */
const pay = async (): Promise<void> => {
  charges += 1;
  await app!.query(`INSERT INTO charges VALUES (${charges}, 'c${charges}'); INSERT INTO log VALUES ('c${charges}')`);
};
async function becomes(state: FeedHealth['state'], seconds: number): Promise<FeedHealth> {
  const poll = pollEvery(50, seconds * 1000, `the feed being ${state}`);
  for (;;) {
    await beat(production!);
    const health = await feedHealth(production!, fallback!, name, { behindSeconds: 1 });
    if (health.state === state) return health;
    await pay();
    await poll();
  }
}
/** Everything customers wrote is on the fallback once. */
async function nothingIsLost(): Promise<void> {
  await markerRoundTrip(production!, fallback!, { timeoutMs: 20_000 });
  expect(await fallback!.query('SELECT count(*)::int AS n, count(DISTINCT ref)::int AS refs FROM log')).toEqual([
    { n: charges, refs: charges },
  ]);
  const compared = await compareTables(production!, fallback!);
  expect(compared.tables.filter(({ equal }) => !equal)).toEqual([]);
}
const walsender = async (): Promise<number | null | undefined> => (await readSlot(production!, name))?.pid;

test('a feed whose connection is cut comes back by itself, with every write once', async () => {
  for (let cuts = 0; cuts < 3; cuts += 1) {
    const before = await walsender();
    for (let n = 0; n < 20; n += 1) await pay();
    wire.cut();
    for (let n = 0; n < 20; n += 1) await pay();
    // PostgreSQL counts it among the errors of applying; the watch does not take it for one.
    const look = await lookAtFeed(production!, fallback!, name);
    expect(look).toMatchObject({ state: 'alive', reasons: [] });
    expect(look.applyErrors).toBeGreaterThan(0);
    await nothingIsLost();
    expect(await walsender()).not.toBe(before);
  }
});

test('a wire that is silent for two seconds is seen by the heartbeat and heals by itself, on the same connection', async () => {
  await nothingIsLost();
  const before = await walsender();
  wire.stall();
  const health = await becomes('behind', 4);
  expect(health.reasons[0]).toMatch(/^the fallback is \d\.\d s behind$/);
  wire.heal();
  await becomes('alive', 20);
  expect(await walsender()).toBe(before);
  await nothingIsLost();
});

test('a wire that is silent for long: production serves on, both ends notice in seconds, and the feed is level soon after', async () => {
  await nothingIsLost();
  const before = await walsender();
  const { applyErrors: knownErrors } = await feedHealth(production!, fallback!, name);
  wire.stall();
  const from = performance.now();
  await becomes('behind', 20);
  // production gives the silent reader up after five seconds (a minute is PostgreSQL's default), so that the next one finds the slot free.
  const poll = pollEvery(50, 30_000, 'production giving the silent reader up');
  while ((await walsender()) === before) {
    await pay();
    await poll();
  }
  // the watch of the hold sees it in one look, and says where to look.
  const look = await lookAtFeed(production!, fallback!, name, { waitMs: 100, knownErrors });
  expect(look).toMatchObject({ state: 'behind' });
  expect(look.reasons[0]).toMatch(
    /the fallback is \d+\.\d s behind.*; it has heard nothing from production for \d+ s, so look at the network/,
  );
  // a rollback that is begun now does not open a fallback that lacks something: the marker does not arrive, and that is said.
  const unsent = await failure(markerRoundTrip(production!, fallback!, { timeoutMs: 1500 }));
  expect(unsent.message).toMatch(/the marker did not arrive at .* within 1.5 s: the feed is behind or does not run/);
  while ((performance.now() - from) / 1000 < 14) {
    await pay();
    await poll();
  }
  wire.heal();
  await becomes('alive', 40);
  await nothingIsLost();
});

test.each(['production', 'fallback'])('a silent wire while %s is restarted: the feed goes on, and nothing is lost', async (end) => {
  for (let n = 0; n < 10; n += 1) await pay();
  wire.stall();
  for (let n = 0; n < 10; n += 1) await pay();
  await (end === 'production' ? a : b)!.test.restart();
  [production, fallback, app] = [await a!.master(), await b!.master(), await a!.as(blue)];
  for (let n = 0; n < 10; n += 1) await pay();
  wire.heal();
  await nothingIsLost();
});
