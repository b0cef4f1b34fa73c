/** `status --check` on two real servers in the hold of w1: each thing that is not as it should be is said, with what to type. */

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
import { forkAhead } from '../../lib/postgres/replication/fork';
import { dropSlot, ensureFeedUser, feedName, stopFeed } from '../../lib/postgres/replication/subscription';
import { readCatalog } from '../../lib/postgres/schema/catalog';
import { checkScreen } from '../../lib/report/health-check';
import { manifest as modelled, operator, Rig, window } from '../_helpers/runbook';
import { allowFeeding, database, green, master, prepareUsers, roles, type Server, startServer, stopServers } from '../postgres/servers';

const manifest: Manifest = {
  ...modelled,
  shared: { ...modelled.shared, database: { ...modelled.shared.database, name: database, roles, feedSecret: 'feed' } },
};
const feed = { username: 'switchback_feed', password: 'feed-secret' };
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

let rig: Rig;
const aws = {
  settings: {
    manifest: async () => ({ manifest, state: { production: 'video-db', window: 'w1', opened: true } }),
    secret: async () => master,
  },
  journal: () => rig.store,
  databases: { describe: async (instance: string) => ({ status: 'available', address: servers[instance]?.address }) },
  traffic: { order: async () => order() },
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

const ran = (verb: 'stage' | 'cutover', ...steps: (string | [string, object])[]): EventBody[] => [
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
  await forkAhead({ production, fallback: () => b.master(), name, source, roles, login: master, promote: () => b.test.promote() });
  fallback = await b.master();
  await openTo(production, roles, green.username);
});
afterAll(stopServers);

const asItShouldBe = structuredClone(shown);
beforeEach(async () => {
  Object.assign(shown, structuredClone(asItShouldBe));
  await night(
    ...ran('stage', 'watch.schedule', ['fork.feed', { markerMs: 3 }]),
    ...ran('cutover', 'database.fence', 'database.open', ['loss.baseline', { form: await readCatalog(production!) }], 'traffic.open', [
      'hold.schedule',
      { holdEndsAt },
    ]),
  );
});

test('a hold in which everything is as it should be, with the time until which a rollback is possible', async () => {
  const report = await check();
  expect(report).toMatchObject({ system: 'video', window: 'w1', rollbackPossibleUntil: { at: holdEndsAt, ends: 'hold' } });
  expect(report.checks.map(({ name: of, ok }) => [of, ok])).toEqual(
    ['feed', 'schema', 'sequences', 'traffic', 'database', 'fence', 'workers', 'schedule'].map((of) => [of, true]),
  );
  const plain = { paint: (_: string, text: string) => text, columns: 80, rows: 24, timeZone: 'UTC' };
  const lines = checkScreen(report, plain);
  expect(lines.map((line) => line.replace(/\d+\.\d s|\d+ MB/, 'N'))).toEqual([
    'video w1, looked at 2026-11-21 02:00 UTC',
    '',
    '✔ feed       alive, N behind',
    '             video-db keeps N for it of 1.1 GB',
    '✔ schema     no table has changed since the migrations',
    '✔ sequences  each has numbers left, on the fallback too',
    '✔ traffic    green in front, maintenance parked',
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
      next: [switchback('status'), switchback('rollback')],
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
  expect(report.rollbackPossibleUntil?.ends).toBe('limit');
  const left = Date.parse(report.rollbackPossibleUntil!.at) - clock.now();
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(10 * 60_000);
  clock.pause = pause;
  await fallback!.query(`ALTER SUBSCRIPTION ${name} ENABLE`);
  const poll = pollEvery(20, 15_000, 'the feed being alive');
  while ((await feedHealth(production!, fallback!, name)).state !== 'alive' || Object.keys(await wrong()).length > 0) await poll();
});

test('between windows: traffic, who may write, and workers', async () => {
  rig = new Rig();
  const { checks, window: open } = await check();
  expect(open).toBeUndefined();
  expect(checks.map(({ name: of, ok }) => [of, ok])).toEqual([
    ['traffic', true],
    ['database', true],
    ['workers', true],
  ]);
});

test('a night that stopped in the middle is said with the way out, and nothing is expected of what it was moving', async () => {
  await night(
    ...ran('stage', 'watch.schedule', ['fork.feed', { markerMs: 3 }]),
    ...ran('cutover', 'traffic.maintenance', 'database.fence').slice(0, -1),
    { type: 'run.stopped', verb: 'cutover', code: 'x', message: 'x', next: [], exit: 1 },
  );
  const { checks, rollbackPossibleUntil } = await check();
  expect(checks).toEqual([
    { name: 'window', ok: false, what: ['the cutover has stopped in the middle'], next: [switchback('rollback'), switchback('cutover')] },
  ]);
  expect(rollbackPossibleUntil).toBeUndefined();
});

test('a database that does not answer is said, and the rest is looked at all the same', async () => {
  const kept = servers;
  servers = { 'video-db': kept['video-db']! };
  const found = await wrong();
  expect(Object.keys(found)).toEqual(['feed', 'fence']);
  expect(found['fence']?.what).toContain('video-fallback-w1 could not be looked at');
  servers = kept;
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
