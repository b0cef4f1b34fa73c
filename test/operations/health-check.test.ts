/** `status --check` on two real servers in the hold of w1: each thing that is not as it should be is said, with what to type. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Aws } from '../../lib/aws';
import { type Advice, say, switchback, typed } from '../../lib/base/advice';
import type { EventBody, Facts } from '../../lib/engine/events';
import { priorityOf } from '../../lib/manifest/priorities';
import type { Color, Manifest } from '../../lib/manifest/schema';
import { type RuleOrder, rulesOf } from '../../lib/manifest/traffic';
import type { CheckReport } from '../../lib/operations/check-report';
import { handleRequest } from '../../lib/operations/handle-request';
import { openTo } from '../../lib/postgres/access/fence';
import type { Db } from '../../lib/postgres/connection/connect';
import { pollEvery } from '../../lib/postgres/connection/lsn';
import { feedHealth } from '../../lib/postgres/replication/feed';
import { markerRoundTrip } from '../../lib/postgres/replication/marker';
import { dropSlot, ensureFeedUser, feedName, stopFeed } from '../../lib/postgres/replication/subscription';
import { readCatalog } from '../../lib/postgres/schema/catalog';
import { checkScreen } from '../../lib/report/health-check';
import { manifest as modelled, operator, Rig, window } from '../_helpers/runbook';
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

const manifest: Manifest = {
  ...modelled,
  shared: { ...modelled.shared, database: { ...modelled.shared.database, name: database, roles, feedSecret: 'feed' } },
};
const name = feedName('w1');
const holdEndsAt = '2026-11-22T02:00:00.000Z';
let servers: Record<string, Server>;
let [production, fallback]: Db[] = [];

/** What AWS shows; tests change it and put it back. */
const shown = {
  live: 'green' as Color,
  maintenance: false,
  workers: { 'blue-clock': 0, 'green-clock': 1 } as Record<string, number>,
  schedules: ['video-w1-watch', 'video-w1-teardown'],
};
const order = (): RuleOrder =>
  new Map(
    rulesOf(manifest).map(({ rule, owner }) => [
      rule.arn,
      priorityOf(rule, owner, manifest.shared.listeners[0]!.firstPriority, { live: shown.live, maintenance: shown.maintenance }),
    ]),
  );

/** Answers as the rules stand. */
const balancer = createServer((_request, response) => {
  const { version } = manifest[shown.live]!.release;
  if (shown.maintenance) response.writeHead(503).end('back soon');
  else response.writeHead(200, { 'x-release': version, 'x-commit': `commit-${version}` }).end('ok');
});
beforeAll(() => new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve)));
afterAll(() => void balancer.close());

let rig: Rig;
const aws = {
  settings: {
    manifest: async () => ({ manifest, state: { production: 'video-db', window: 'w1', opened: true } }),
    secret: async () => master,
    state: async () => ({ production: 'video-db', window: 'w1', opened: true }),
  },
  journal: () => rig.store,
  databases: { describe: async (instance: string) => ({ status: 'available', address: servers[instance]?.address }) },
  traffic: {
    order: async () => order(),
    frontDoors: async () => [{ host: '127.0.0.1', port: (balancer.address() as AddressInfo).port, tls: false }],
  },
  emergency: { read: async () => undefined },
  tasks: {
    workers: async (_cluster: string, names: string[]) =>
      names.map((service) => ({
        name: service,
        wanted: shown.workers[service],
        running: shown.workers[service],
        notStopped: shown.workers[service],
      })),
  },
  stacks: { status: async () => ({ status: 'CREATE_COMPLETE', reason: undefined }) },
  schedules: {
    startsAt: async (_group: string, schedule: string) => (shown.schedules.includes(schedule) ? new Date(holdEndsAt) : undefined),
  },
} as unknown as Aws;

async function check(): Promise<CheckReport> {
  const request = { system: 'video', check: true as const, run: 'check', by: operator };
  const reply = await handleRequest(request, { aws, clock: rig.clock, runner: 'test', deadline: Number.POSITIVE_INFINITY });
  if (!reply.check) throw new Error(JSON.stringify(reply));
  return reply.check;
}

/** Names of what is wrong, each with what is said and what to type. */
async function wrong(): Promise<Record<string, { what: string; next: readonly Advice[] }>> {
  const { checks } = await check();
  return Object.fromEntries(checks.filter(({ ok }) => !ok).map(({ name: of, what, next }) => [of, { what: what.join('; '), next }]));
}

const ran = (verb: 'stage' | 'cutover' | 'rollback', ...steps: (string | [string, object])[]): EventBody[] => [
  { type: 'run.started', verb, plan: [], runner: 'test' },
  ...steps.flatMap((step): EventBody[] => {
    const [id, facts] = typeof step === 'string' ? [step, {}] : step;
    return [
      { type: 'step.started', step: id },
      { type: 'step.done', step: id, seconds: 1, acted: true, facts: facts as Facts },
    ];
  }),
  { type: 'run.finished', verb, seconds: 1 },
];

const upToGate = async (): Promise<(string | [string, object])[]> => [
  ...['traffic.maintenance', 'workers.stop', 'database.fence', 'database.open'],
  ['loss.baseline', { form: await readCatalog(production!) }],
];

async function night(...bodies: EventBody[]): Promise<void> {
  rig = new Rig();
  const journal = rig.journal();
  for (const body of [{ type: 'window.opened', window, manifest, state: { production: 'video-db', opened: true } } as EventBody, ...bodies])
    await journal.append('run', operator, body);
}

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
});
afterAll(stopServers);

const asItShouldBe = structuredClone(shown);
beforeEach(async () => {
  Object.assign(shown, structuredClone(asItShouldBe));
  await night(
    ...ran('stage', 'watch.schedule', ['fork.feed', { markerMs: 3 }]),
    ...ran('cutover', ...(await upToGate()), 'traffic.switch', 'workers.start', 'traffic.open', ['hold.schedule', { holdEndsAt }]),
  );
});

test('a hold in which everything is as it should be, with the time until which a rollback is possible', async () => {
  const report = await check();
  expect(report).toMatchObject({ system: 'video', window: 'w1', rollbackPossibleUntil: { at: holdEndsAt, ends: 'hold' } });
  expect(report.checks.map(({ name: of, ok }) => [of, ok])).toEqual(
    ['feed', 'schema', 'sequences', 'traffic', 'customers', 'database', 'fence', 'workers', 'schedule'].map((of) => [of, true]),
  );
  const plain = { paint: (_: string, text: string) => text, columns: 80, rows: 24, timeZone: 'UTC' };
  const lines = checkScreen(report, plain);
  expect(lines.map((line) => line.replace(/\d+\.\d s|\d+ MB/, 'N').replace(/127.0.0.1:\d+/, 'HOST'))).toEqual([
    'video w1, looked at 2026-11-21 02:00 UTC',
    '',
    '✔ feed       alive, N behind',
    '             video-db keeps N for it of 1.1 GB',
    '✔ schema     no table has changed since the migrations',
    '✔ sequences  each has numbers left, on the fallback too',
    '✔ traffic    green in front, maintenance parked',
    '✔ customers  http://HOST/release answers 200 by release 2.0.0',
    '✔ database   video_green may write to video-db, and nobody else',
    '✔ fence      nobody but the feed can write to video-fallback-w1',
    "✔ workers    green's 1 run",
    "             blue's 1 are stopped",
    '✔ schedule   the feed is looked at every 5 minutes',
    '             the teardown begins by itself at 2026-11-22 02:00 UTC',
    '',
    'rollback possible until 2026-11-22 02:00 UTC: then the hold ends',
    '',
    'Everything is as it should be.',
  ]);
});

test('traffic, workers and schedules that somebody has changed', async () => {
  Object.assign(shown, { live: 'blue', maintenance: true, workers: { 'blue-clock': 1, 'green-clock': 0 }, schedules: [] });
  expect(await wrong()).toEqual({
    traffic: {
      what: 'blue in front, maintenance in front; it should be green, with maintenance parked',
      next: [switchback('status'), say`where customers are not well: ${switchback('rollback')}`],
    },
    customers: {
      what: expect.stringMatching(/answers 503, without a release; it should be green's release 2.0.0$/),
      next: [switchback('status')],
    },
    workers: {
      what: "green's clock should run and do not; blue's clock should be stopped and are not",
      next: [
        typed('aws ecs update-service --cluster cluster --service green-clock --desired-count 1'),
        typed('aws ecs update-service --cluster cluster --service blue-clock --desired-count 0'),
      ],
    },
    schedule: {
      what: 'nobody looks at the feed: its schedule is gone; the teardown does not begin by itself: its schedule is gone',
      next: [say`${switchback('status', '--check')}, now and then`, say`${switchback('teardown')}, after ${holdEndsAt}`],
    },
  });
});

test('somebody may write who must not, on either side', async () => {
  await production!.query('GRANT video_write TO video_blue');
  await fallback!.query('GRANT video_rights TO video_write');
  const found = await wrong();
  expect(found['database']).toEqual({
    what: 'may write to video-db: video_blue, video_green; it should be video_green',
    next: [say`on video-db: REVOKE video_write FROM video_blue`],
  });
  expect(found['fence']?.what).toContain("'video_write' is a member of 'video_rights'; run: REVOKE");
  await production!.query('REVOKE video_write FROM video_blue');
  await fallback!.query('REVOKE video_rights FROM video_write');
  expect(await wrong()).toEqual({});
});

test('a change of form under the feed, and a feed that was switched off, with the time that production gives it', async () => {
  await production!.query('ALTER TABLE users ADD COLUMN nickname text');
  expect((await wrong())['schema']).toEqual({ what: 'the column public.users.nickname is new', next: [say`put it back as it was`] });
  await production!.query('ALTER TABLE users DROP COLUMN nickname');
  await stopFeed(fallback!, name);
  // what production writes meanwhile uses its limit up: the second look, after the pause, measures how fast.
  const { clock } = rig;
  const pause = clock.pause.bind(clock);
  clock.pause = async (ms) => {
    await production!.query('INSERT INTO users SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 20000) i');
    return pause(ms);
  };
  const report = await check();
  expect(report.checks.find(({ ok }) => !ok)).toMatchObject({
    name: 'feed',
    what: [
      expect.stringMatching(/^paused/),
      expect.stringContaining('is disabled'),
      expect.stringMatching(/^video-db keeps \d+ MB for it of/),
    ],
    next: [say`on video-fallback-w1: ALTER SUBSCRIPTION switchback_w1 ENABLE`],
  });
  expect(report.rollbackPossibleUntil).toBeUndefined();
  expect(report.mendBy?.ends).toBe('limit');
  const said = checkScreen(report, { paint: (_: string, text: string) => text, columns: 200, rows: 24, timeZone: 'UTC' }).join('\n');
  expect(said).toMatch(
    /\nno rollback without loss while the feed is paused, mend it by \S+ \S+ UTC at the latest: then production gives the fallback up, at the rate at which it writes now\n/,
  );
  expect(said).not.toContain('possible until');
  const left = Date.parse(report.mendBy!.at) - clock.now();
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(10 * 60_000);
  clock.pause = pause;
  await fallback!.query(`ALTER SUBSCRIPTION ${name} ENABLE`);
  const poll = pollEvery(20, 15_000, 'the feed being alive');
  while ((await feedHealth(production!, fallback!, name)).state !== 'alive' || Object.keys(await wrong()).length > 0) await poll();
});

test('what a rollback has found is not as it should be, until it is accepted', async () => {
  await night(
    ...ran('cutover', 'database.open'),
    { type: 'run.started', verb: 'rollback', plan: [{ id: 'proof.equal', title: 'Compare', estimateSeconds: 1 }], runner: 'test' },
    { type: 'step.started', step: 'feed.stop' },
    { type: 'run.stopped', verb: 'rollback', code: 'step.too-slow', message: 'x', next: [], exit: 1 },
  );
  expect((await wrong())['proof']).toEqual({
    what: 'the comparison after the rollback has not come to its end',
    next: [switchback('rollback')],
  });
  const journal = rig.journal();
  await journal.refresh();
  const id = 'public.users:different';
  await journal.append('run', operator, {
    ...{ type: 'proof.found', proof: {}, findings: [{ id, is: 'different', what: 'public.users differs', rows: 1 }] },
  });
  expect((await wrong())['proof']).toEqual({
    what: 'not equal: public.users differs [public.users:different]',
    next: [switchback('rollback', `--accept-difference ${id}`, '--reason "<why>"')],
  });
  await journal.note('run', operator, { type: 'difference.accepted', ids: [id], reason: 'put in' });
  await journal.append('run', operator, { type: 'step.done', step: 'proof.equal', seconds: 1, acted: true });
  const { checks } = await check();
  expect(checks.find(({ name: of }) => of === 'proof')).toMatchObject({ ok: true });
});

test('between windows: traffic, who may write, and workers', async () => {
  rig = new Rig();
  const { checks, window: open } = await check();
  expect(open).toBeUndefined();
  expect(checks.map(({ name: of, ok }) => [of, ok])).toEqual([
    ['traffic', true],
    ['customers', true],
    ['database', true],
    ['workers', true],
  ]);
});

// found by an operator: at the gate it left out traffic, database, fence and workers, and said that nobody was at it.
describe.each([80, 200])('at the gate, at %i columns', (columns) => {
  const style = { paint: (_: string, text: string) => text, columns, rows: 24, timeZone: 'UTC' };
  const atGate = async () => {
    Object.assign(shown, {
      live: 'blue',
      maintenance: true,
      workers: { 'blue-clock': 0, 'green-clock': 0 },
      schedules: ['video-w1-watch'],
    });
    const question = 'landing test by the business: passed? Go?';
    await night(
      ...ran('stage', 'watch.schedule', ['fork.feed', { markerMs: 3 }]),
      ...ran('cutover', ...(await upToGate())).slice(0, -1),
      { type: 'step.started', step: 'gate.go' },
      { type: 'gate.asked', step: 'gate.go', question },
    );
  };

  test('everything is looked at, and that it waits for people is no fault', async () => {
    await atGate();
    const lines = checkScreen(await check(), style).map((line) => line.replace(/\d+\.\d s|\d+ MB/, 'N').replace(/127.0.0.1:\d+/, 'HOST'));
    const waits = 'the cutover of ada on ada@laptop waits for go or no-go since 2026-11-21 02:00 UTC';
    expect(lines).toEqual([
      'video w1, looked at 2026-11-21 02:00 UTC',
      '',
      ...(columns === 80
        ? ['✔ window     the cutover of ada on ada@laptop waits for go or no-go since', '             2026-11-21 02:00 UTC']
        : [`✔ window     ${waits}`]),
      '             landing test by the business: passed? Go?',
      '             → npx switchback cutover --answer go --reason "<why>"',
      '             → npx switchback cutover --answer no-go --reason "<why>"',
      '✔ feed       alive, N behind',
      '             video-db keeps N for it of 1.1 GB',
      '✔ schema     no table has changed since the migrations',
      '✔ sequences  each has numbers left, on the fallback too',
      '✔ traffic    blue in front, maintenance in front',
      '✔ customers  http://HOST/release answers 503, without a release',
      '✔ database   video_green may write to video-db, and nobody else',
      '✔ fence      nobody but the feed can write to video-fallback-w1',
      "✔ workers    blue's 1 are stopped",
      "             green's 1 are stopped",
      '✔ schedule   the feed is looked at every 5 minutes',
      '',
      'Everything is as it should be.',
    ]);
  });

  test('what somebody has changed behind it is said there, too', async () => {
    await atGate();
    Object.assign(shown, { maintenance: false, workers: { 'blue-clock': 1, 'green-clock': 0 } });
    const found = await wrong();
    expect(Object.keys(found)).toEqual(['traffic', 'customers', 'workers']);
    expect(found['traffic']?.what).toBe('blue in front, maintenance parked; it should be blue, with maintenance in front');
    expect(found['customers']?.what).toMatch(/answers 200 by release 1.0.0; it should be the maintenance answer$/);
    expect(found['workers']?.what).toBe("blue's clock should be stopped and are not; green's 1 are stopped");
  });
});

test('a cutover that stopped in the middle is said with the way out, and what it was moving is told without being judged', async () => {
  Object.assign(shown, { live: 'blue', maintenance: true, workers: { 'blue-clock': 0, 'green-clock': 0 }, schedules: ['video-w1-watch'] });
  await night(
    ...ran('stage', 'watch.schedule', ['fork.feed', { markerMs: 3 }]),
    ...ran('cutover', 'traffic.maintenance', 'workers.stop').slice(0, -1),
    { type: 'step.started', step: 'database.fence' },
    { type: 'run.stopped', verb: 'cutover', code: 'x', message: 'x', next: [], exit: 1 },
  );
  const { checks, rollbackPossibleUntil } = await check();
  expect(checks.filter(({ ok }) => !ok)).toEqual([
    { name: 'window', ok: false, what: ['the cutover has stopped in the middle'], next: [switchback('rollback'), switchback('cutover')] },
  ]);
  expect(checks.map(({ name: of }) => of)).toEqual(['window', 'traffic', 'customers', 'database', 'fence', 'workers']);
  expect(checks.find(({ name: of }) => of === 'database')?.what).toEqual([
    'may write to video-db: video_green; a run was left while it changed that',
  ]);
  expect(rollbackPossibleUntil).toBeUndefined();
});

test('while a run is at it, what differs is told and not judged', async () => {
  Object.assign(shown, { live: 'green', maintenance: true, workers: { 'blue-clock': 0, 'green-clock': 0 } });
  await night(...ran('stage', ['fork.feed', { markerMs: 3 }]), ...ran('cutover', ...(await upToGate())).slice(0, -1), {
    type: 'step.started',
    step: 'checks.smoke',
  });
  const { checks } = await check();
  expect(checks.find(({ name: of }) => of === 'window')?.what).toEqual(['the cutover of ada on ada@laptop is under way']);
  expect(checks.find(({ name: of }) => of === 'traffic')).toEqual({
    ...{ name: 'traffic', ok: true, next: [] },
    what: [
      'green in front, maintenance in front; it should be blue, with maintenance in front',
      'the run that is under way may be changing it',
    ],
  });
});

test('during a rollback the database that customers go back to is the one that is looked at', async () => {
  Object.assign(shown, { live: 'green', maintenance: true, workers: { 'blue-clock': 0, 'green-clock': 0 } });
  await night(
    ...ran('stage', ['fork.feed', { markerMs: 3 }]),
    ...ran('cutover', ...(await upToGate()), 'traffic.switch', 'workers.start', 'traffic.open'),
    ...ran('rollback', 'traffic.maintenance', 'standby.workers').slice(0, -1),
    { type: 'step.started', step: 'database.fence' },
    { type: 'run.stopped', verb: 'rollback', code: 'x', message: 'x', next: [], exit: 1 },
  );
  const { checks } = await check();
  expect(checks.filter(({ ok }) => !ok).map(({ name: of, next }) => [of, next])).toEqual([['window', [switchback('rollback')]]]);
  expect(checks.find(({ name: of }) => of === 'traffic')?.what).toEqual(['green in front, maintenance in front']);
});

test('a database that does not answer is said, and the rest is looked at all the same', async () => {
  const kept = servers;
  servers = { 'video-db': kept['video-db']! };
  const found = await wrong();
  expect(Object.keys(found)).toEqual(['feed', 'fence']);
  expect(found['fence']?.what).toContain('video-fallback-w1 could not be looked at');
  servers = kept;
});

test('beside a feed that is stuck, neither a check nor the end of a cutover says until when a rollback is possible', async () => {
  const cutover = () =>
    handleRequest(
      { system: 'video', verb: 'cutover', run: 'again', by: operator },
      { aws, clock: rig.clock, runner: 'test', deadline: Number.POSITIVE_INFINITY },
    );
  expect(await cutover()).toEqual({
    ...{ state: 'finished', window: 'w1' },
    closing: { words: `rollback possible until ${holdEndsAt}`, ok: true },
  });
  const stray = await servers['video-fallback-w1']!.superuser();
  await stray.query("INSERT INTO users VALUES (500000, 'stray')");
  await production!.query("INSERT INTO users VALUES (500000, 'customer')");
  await stray.close();
  const stuck = pollEvery(20, 20_000, 'the feed being stuck');
  while ((await feedHealth(production!, fallback!, name)).state !== 'stuck') await stuck();
  for (const columns of [80, 200]) {
    const lines = checkScreen(await check(), { paint: (_: string, text: string) => text, columns, rows: 24, timeZone: 'UTC' });
    expect(lines.join(' ')).toContain('no rollback without loss while the feed is stuck');
    expect(lines.join(' ')).not.toContain('possible until');
  }
  expect(await cutover()).toEqual({
    ...{ state: 'finished', window: 'w1' },
    closing: {
      words: `no rollback without loss while the feed is stuck, mend it by ${holdEndsAt} at the latest`,
      ok: false,
      next: [switchback('status', '--check')],
    },
  });
  const again = await servers['video-fallback-w1']!.superuser();
  await again.query('DELETE FROM users WHERE id = 500000');
  await again.close();
  await markerRoundTrip(production!, fallback!);
});

test('a dead feed: what it means, and no time until which a rollback is possible', async () => {
  await stopFeed(fallback!, name);
  await dropSlot(production!, name);
  const report = await check();
  expect(report.rollbackPossibleUntil).toBeUndefined();
  expect((await wrong())['feed']).toMatchObject({
    what: expect.stringContaining('production itself is not affected'),
    next: [say`${switchback('rollback', '--accept-loss')}, or go on without a way back`],
  });
});
