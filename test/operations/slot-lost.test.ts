/** In the hold, production gives up the slot of the feed: said loudly, production goes on, and nothing is lost that nobody accepted to lose. */

import type { Aws } from '../../lib/aws';
import { say, switchback } from '../../lib/base/advice';
import type { EventBody } from '../../lib/engine/events';
import { lastHoldSeen } from '../../lib/engine/events';
import type { Manifest } from '../../lib/manifest/schema';
import { handleRequest } from '../../lib/operations/handle-request';
import type { Reply, VerbRequest, WatchRequest } from '../../lib/operations/request';
import { openTo } from '../../lib/postgres/access/fence';
import type { Db } from '../../lib/postgres/connection/connect';
import { pollEvery } from '../../lib/postgres/connection/lsn';
import { markerRoundTrip } from '../../lib/postgres/replication/marker';
import { ensureFeedUser, feedName, readSlot } from '../../lib/postgres/replication/subscription';
import { takeBaseline } from '../../lib/postgres/verification/change-counts';
import { operator, manifest as plain, Rig, window } from '../_helpers/runbook';
import {
  allowFeeding,
  database,
  feed,
  forkTo,
  green,
  master,
  prepareUsers,
  roles,
  type Server,
  startServer,
  stopServers,
} from '../postgres/servers';

const name = feedName('w1');
const manifest: Manifest = { ...plain, shared: { ...plain.shared, database: { ...plain.shared.database, feedSecret: 'feed' } } };
const rig = new Rig();
let servers: Record<string, Server>;
let [production, fallback, app]: Db[] = [];
const aws = {
  settings: { manifest: async () => ({ manifest, state: undefined }), state: async () => undefined, secret: async () => master },
  journal: () => rig.store,
  traffic: {
    order: async () => {
      throw new Error('this world has no load balancer');
    },
  },
  databases: { describe: async (instance: string) => ({ address: servers[instance]?.address }) },
} as unknown as Aws;
const ask = (request: Partial<VerbRequest> | Partial<WatchRequest>): Promise<Reply> =>
  handleRequest({ system: 'video', verb: 'rollback', run: 'run-2', by: operator, ...request } as VerbRequest | WatchRequest, {
    aws,
    clock: rig.clock,
    runner: 'test',
    deadline: Number.POSITIVE_INFINITY,
  });
const watch = async () => {
  rig.clock.time += 300_000;
  expect(await ask({ verb: 'teardown', watch: true, window: 'w1', run: 'watch-w1' })).toMatchObject({ state: 'finished' });
};
const journal = async () => {
  const found = rig.journal();
  await found.refresh();
  return found;
};

beforeAll(async () => {
  const a = await startServer({ settings: { max_slot_wal_keep_size: '1GB' } });
  production = await a.master();
  await production.query('CREATE TABLE users (id int PRIMARY KEY, name text)');
  await prepareUsers(production);
  await allowFeeding(a);
  await ensureFeedUser(production, { user: feed.username, password: feed.password, roles, database });
  const b = await a.standby();
  servers = { 'video-db': a, 'video-fallback-w1': b };
  const source = { address: a.address, login: feed };
  fallback = await forkTo(b, { production, name, source });
  await openTo(production, roles, green.username);
  app = await a.as(green);
  const writer = rig.journal();
  const said: EventBody[] = [
    { type: 'window.opened', window, manifest, state: { production: 'video-db', opened: true } },
    { type: 'run.started', verb: 'cutover', plan: [], runner: 'test' },
    { type: 'step.started', step: 'migrations' },
    { type: 'step.done', step: 'loss.baseline', seconds: 0, acted: false, facts: { baseline: await takeBaseline(production) } },
    { type: 'step.started', step: 'database.open' },
    { type: 'run.finished', verb: 'cutover', seconds: 60 },
  ];
  for (const body of said) await writer.append('run-1', operator, body);
});
afterAll(stopServers);

test('as long as the feed lives, a rollback is not refused', async () => {
  await app!.query("INSERT INTO users VALUES (1, 'carried')");
  await markerRoundTrip(production!, fallback!);
  await watch();
  expect(lastHoldSeen((await journal()).events)).toMatchObject({ state: 'alive' });
  // it goes on to its plan.
  expect(await ask({})).toMatchObject({ message: expect.stringContaining('no load balancer') });
});

test('with a feed that cannot apply what it gets, a rollback would take the site down and wait: it is refused, with the way out', async () => {
  const stray = await servers['video-fallback-w1']!.superuser();
  await stray.query("INSERT INTO users VALUES (500, 'stray')");
  await app!.query("INSERT INTO users VALUES (500, 'customer')");
  const poll = pollEvery(20, 10_000, 'the feed being stuck');
  while ((await readSlot(production!, name))?.active) await poll();
  const before = (await journal()).events.length;
  expect(await ask({})).toMatchObject({
    ...{ state: 'stopped', code: 'rollback.feed-stands', exit: 6 },
    message: expect.stringMatching(/^video-fallback-w1 is not catching up: the fallback could not apply a change \(\d+ errors so far/),
    world: expect.stringContaining('Nothing was begun and nothing is down'),
    next: expect.arrayContaining([say`mend that, then ${switchback('rollback')}`]),
  });
  expect((await journal()).events).toHaveLength(before);
  await stray.query('DELETE FROM users WHERE id = 500');
  await app!.query('DELETE FROM users WHERE id = 500');
  await markerRoundTrip(production!, fallback!);
  expect(await ask({})).toMatchObject({ message: expect.stringContaining('no load balancer') });
});

test('while the fallback is down production writes more than it keeps: the slot is lost, and customers notice nothing', async () => {
  await servers['video-fallback-w1']!.test.crash();
  const admin = await servers['video-db']!.superuser();
  await admin.query("ALTER SYSTEM SET max_slot_wal_keep_size = '8MB'");
  await admin.query('SELECT pg_reload_conf()');
  const poll = pollEvery(0, 25_000, 'the slot being given up');
  for (let id = 2; (await readSlot(production!, name))?.walStatus !== 'lost'; id += 1) {
    await app!.query(`INSERT INTO users VALUES (${id}, '${'x'.repeat(1000)}')`);
    await admin.query('SELECT pg_switch_wal()');
    await admin.query('CHECKPOINT');
    await poll();
  }
  await servers['video-fallback-w1']!.test.restart();
  await app!.query("INSERT INTO users VALUES (1000, 'served')");
  // its statistics arrive with its end.
  await app!.close();
});

test('the watch says it loudly, once and for all, and what it means', async () => {
  await watch();
  const seen = lastHoldSeen((await journal()).events);
  expect(seen).toMatchObject({
    state: 'dead',
    reasons: [
      'production gave the slot switchback_w1 up because the fallback was too far behind (max_slot_wal_keep_size): what production wrote since cannot be sent any more, so a rollback would lose it; production itself is not affected',
    ],
  });
  expect(seen?.rollbackPossibleUntil).toBeUndefined();
});

test('a rollback is refused before anything is down, with what would be lost and the words that accept it', async () => {
  const before = (await journal()).events.length;
  const reply = await ask({});
  expect(reply).toMatchObject({ state: 'stopped', code: 'rollback.loses-writes', exit: 6, window: 'w1' });
  if (reply.state !== 'stopped') throw new Error('unreachable');
  expect(reply.message).toMatch(
    /^a rollback without loss is not possible any more: production gave the slot switchback_w1 up .* What was written since \d{4}-\d\d-\d\dT\S+Z is only on video-db and would stay behind there; since the opening at least \d+ rows have changed \(public\.users: \d+ inserted, 0 updated, 1 deleted\)$/,
  );
  expect(reply.world).toBe(
    'Nothing was begun and nothing is down: video-db goes on in the new schema. video-fallback-w1 has what was written until then.',
  );
  expect(reply.next).toEqual([switchback('rollback', '--accept-loss'), switchback('status')]);
  // the window is as it was: no run has begun, the watch goes on, a teardown ends the hold.
  expect((await journal()).events).toHaveLength(before);
});

test('what is accepted is gone through with; the fallback has everything until then', async () => {
  expect(await ask({ acceptLoss: true })).toMatchObject({ message: expect.stringContaining('no load balancer') });
  expect(await fallback!.query('SELECT 1').catch(() => 'the old connection')).toBe('the old connection');
  const again = await servers['video-fallback-w1']!.master();
  expect(await again.query('SELECT id, name FROM users')).toEqual([{ id: 1, name: 'carried' }]);
});
