import type { Aws } from '../../lib/aws';
import type { EventBody, HoldSeen, JournalEvent } from '../../lib/engine/events';
import { lastHoldSeen } from '../../lib/engine/events';
import { fold } from '../../lib/engine/window-view';
import { isNews } from '../../lib/operations/feed-watch';
import { handleRequest } from '../../lib/operations/handle-request';
import { watchPhase } from '../../lib/operations/look-now';
import type { Reply } from '../../lib/operations/request';
import { endOf, wayBack, wayBackOf, wayBackWords } from '../../lib/operations/way-back';
import type { Db } from '../../lib/postgres/connection/connect';
import { pollEvery } from '../../lib/postgres/connection/lsn';
import { dropSlot, ensureFeedUser, feedName, stopFeed } from '../../lib/postgres/replication/subscription';
import { watchName } from '../../lib/steps/schedule';
import { operator, Rig, window, manifest as windowManifest } from '../_helpers/runbook';
import { forks } from '../plans/model';
import {
  allowFeeding,
  database,
  feed,
  forkTo,
  master,
  prepareUsers,
  roles,
  type Server,
  startServer,
  stopServers,
} from '../postgres/servers';

const manifest = forks.ahead;
const opened: EventBody = { type: 'window.opened', window, manifest, state: { production: 'video-db', opened: true } };
const run = (verb: 'stage' | 'cutover' | 'rollback' | 'teardown', ...steps: string[]): EventBody[] => [
  { type: 'run.started', verb, plan: [], runner: 'test' },
  ...steps.map((step): EventBody => ({ type: 'step.started', step })),
];
const finished = (verb: 'stage' | 'rollback'): EventBody => ({ type: 'run.finished', verb, seconds: 1 });
const phase = (...bodies: EventBody[]) => {
  const events = [opened, ...bodies].map(
    (body, i): JournalEvent => ({ ...body, number: i + 1, at: '2026-11-21T02:00:00.000Z', run: 'r', by: operator, nonce: String(i) }),
  );
  return watchPhase(fold(events)!);
};

const fed: EventBody = { type: 'step.done', step: 'fork.feed', seconds: 1, acted: true, facts: { markerMs: 3 } };
const stopped = (verb: 'stage' | 'cutover' | 'rollback' | 'teardown', code: string): EventBody => ({
  ...{ type: 'run.stopped', verb, code, message: '', next: [], exit: 1 },
});

test('the feed is watched between stage and cutover and in the hold, and at no other time', () => {
  const staged = [...run('stage', 'watch.schedule', 'fork.feed'), fed];
  expect(phase()).toBe('none');
  expect(phase(...run('stage', 'watch.schedule'))).toBe('none');
  expect(phase(...staged)).toBe('staged');
  expect(phase(...staged, ...run('stage', 'undo.trial'))).toBe('none');
  expect(phase(...staged, ...run('cutover', 'database.fence'))).toBe('none');
  expect(phase(...staged, ...run('cutover', 'feed.pause'))).toBe('none');
  expect(phase(...run('cutover', 'feed.pause', 'database.open'))).toBe('open');
  expect(phase(...run('cutover', 'database.open'), ...run('rollback', 'feed.stop'))).toBe('none');
  expect(phase(...run('cutover', 'database.open'), ...run('rollback'), finished('rollback'))).toBe('over');
  expect(phase(...run('cutover', 'database.open'), ...run('teardown', 'standby.idle', 'feed.remove'))).toBe('over');
  expect(phase(...staged, { type: 'window.closed', outcome: 'undone' })).toBe('over');
});

test.each<[string, EventBody[]]>([
  ['a stage that stopped after the fork', [stopped('stage', 'step.too-slow')]],
  [
    'a cutover that was refused before anything happened',
    [finished('stage'), ...run('cutover', 'trial.passed'), stopped('cutover', 'migrations.untried')],
  ],
  [
    'a cutover that stopped in front of the fence',
    [finished('stage'), ...run('cutover', 'traffic.maintenance'), stopped('cutover', 'step.too-slow')],
  ],
  ['a stage typed again that stopped', [finished('stage'), ...run('stage', 'preflight'), stopped('stage', 'preflight.refused')]],
])('the feed is watched on after %s', (_, ended) => {
  expect(phase(...run('stage', 'watch.schedule', 'fork.feed'), fed, ...ended)).toBe('staged');
});

test.each<[string, EventBody[]]>([
  ['a rollback that stopped before it touched the feed', [...run('rollback', 'sequences.ahead'), stopped('rollback', 'step.too-slow')]],
  [
    'a teardown that was refused because somebody is served',
    [...run('teardown', 'standby.idle'), stopped('teardown', 'teardown.standby-in-use')],
  ],
])('in the hold the feed is watched on after %s', (_, ended) => {
  expect(phase(...run('cutover', 'database.open'), ...ended)).toBe('open');
});

test('where the fork is made in the window there is no feed to look at, only the decision time', () => {
  const events = [{ ...opened, manifest: windowManifest }, ...run('cutover', 'watch.schedule', 'database.open')].map(
    (body, i): JournalEvent => ({ ...body, number: i + 1, at: '2026-11-21T02:00:00.000Z', run: 'r', by: operator, nonce: String(i) }),
  );
  expect(watchPhase(fold(events)!)).toBe('none');
});

test('a cutover without a stage before it has its feed watched, too', () => {
  expect(phase(...run('cutover', 'watch.schedule', 'fork.feed'), fed, stopped('cutover', 'step.too-slow'))).toBe('staged');
});

test('a rollback is possible until the hold ends, of a feed that lives; one that does not must be mended before production gives it up', () => {
  const look = (state: HoldSeen['state'], bytesLeft?: number) => ({ at: 60_000, health: { state, bytesLeft } });
  expect(endOf(look('alive'), undefined, undefined)).toBeUndefined();
  expect(endOf(look('alive', 100), undefined, 3_600_000)).toEqual({ at: 3_600_000, ends: 'hold' });
  // 10 bytes in a minute: the 100 that are left last 10 more.
  expect(endOf(look('behind', 100), { at: 0, bytesLeft: 110 }, 3_600_000)).toEqual({ at: 660_000, ends: 'limit' });
  expect(endOf(look('behind', 100), { at: 0, bytesLeft: 110 }, 120_000)).toEqual({ at: 120_000, ends: 'hold' });
  expect(endOf(look('alive', 110), { at: 0, bytesLeft: 100 }, 3_600_000)).toEqual({ at: 3_600_000, ends: 'hold' });
  expect(endOf(look('dead'), undefined, 3_600_000)).toBeUndefined();
});

test.each<[HoldSeen['state'], string]>([
  ['alive', 'rollback possible until 1970-01-01T01:00:00.000Z'],
  ['behind', 'a rollback would wait until the fallback has caught up, until 1970-01-01T01:00:00.000Z at the latest'],
  ['paused', 'no rollback without loss while the feed is paused, mend it by 1970-01-01T01:00:00.000Z at the latest'],
  ['stuck', 'no rollback without loss while the feed is stuck, mend it by 1970-01-01T01:00:00.000Z at the latest'],
  ['dead', 'no rollback without loss: the feed is dead'],
  ['unreachable', 'whether a rollback is possible is not known: the feed could not be looked at'],
])('a feed that is %s: %s', (state, words) => {
  expect(wayBackWords(wayBack(state, { at: 3_600_000, ends: 'hold' }))).toBe(words);
  // journals of earlier versions have an hour beside whatever the feed was.
  const noted: HoldSeen = { type: 'hold.seen', state, reasons: [], drift: [], applyErrors: 0 };
  expect(wayBackWords(wayBackOf({ ...noted, rollbackPossibleUntil: '1970-01-01T01:00:00.000Z' }))).toBe(words);
});

test('a living feed is noted once an hour, a change at once, one that is behind at every look', () => {
  const seen = (state: HoldSeen['state'], drift: string[] = []): HoldSeen => ({
    type: 'hold.seen',
    state,
    reasons: [],
    drift,
    applyErrors: 0,
  });
  const at = '2026-11-21T02:00:00.000Z';
  const after = (minutes: number) => Date.parse(at) + minutes * 60_000;
  expect(isNews(seen('alive'), undefined, after(0))).toBe(true);
  expect(isNews(seen('alive'), { ...seen('alive'), at }, after(5))).toBe(false);
  expect(isNews(seen('alive'), { ...seen('alive'), at }, after(60))).toBe(true);
  expect(isNews(seen('alive', ['the table t is new']), { ...seen('alive'), at }, after(5))).toBe(true);
  expect(isNews({ ...seen('alive'), madePartitions: ['made'] }, { ...seen('alive'), at }, after(5))).toBe(true);
  expect(isNews(seen('behind'), { ...seen('behind'), at }, after(5))).toBe(true);
  expect(isNews(seen('dead'), { ...seen('behind'), at }, after(1))).toBe(true);
});

// a look at a feed that does not answer takes seconds; the machine that runs the tests is busy.

describe('asked by its schedule, with two servers', () => {
  const name = feedName('w1');
  const rig = new Rig();
  let servers: Record<string, Server>;
  let [production, fallback]: Db[] = [];
  const removed: string[] = [];
  const aws = {
    settings: {
      manifest: async () => ({ manifest, state: undefined }),
      secret: async () => master,
    },
    journal: () => rig.store,
    databases: { describe: async (instance: string) => ({ address: servers[instance]?.address }) },
    schedules: { remove: async (_group: string, schedule: string) => void removed.push(schedule) },
  } as unknown as Aws;
  const watch = async (): Promise<Reply> => {
    rig.clock.time += 300_000;
    return handleRequest(
      { system: 'video', verb: 'teardown', watch: true, window: 'w1', run: 'watch-w1', by: operator },
      { aws, clock: rig.clock, runner: 'test', deadline: Number.POSITIVE_INFINITY },
    );
  };
  const seen = async () => {
    expect(await watch()).toMatchObject({ state: 'finished' });
    const journal = rig.journal();
    await journal.refresh();
    return lastHoldSeen(journal.events);
  };
  const subscription = (what: string) => fallback!.query(`ALTER SUBSCRIPTION ${name} ${what}`);

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
    // as the manifest calls the database inside the instance.
    expect(database).toBe(manifest.shared.database.name);
    const journal = rig.journal();
    for (const body of [opened, ...run('stage', 'watch.schedule', 'fork.feed'), fed, finished('stage')])
      await journal.append('stage-1', operator, body);
  });
  afterAll(stopServers);

  test('a living feed is noted, and nothing takes the window', async () => {
    const first = await seen();
    expect(first).toMatchObject({ state: 'alive', reasons: [], drift: [], applyErrors: 0 });
    expect(first?.heartbeatSeconds).toBeLessThan(5);
    expect(first?.bytesLeft).toBeGreaterThan(1e6);
    // the same again is no news.
    expect((await seen())?.at).toBe(first?.at);
    expect(fold((await rig.store.read('w1', 1)).map((text) => JSON.parse(text)))?.current).toMatchObject({
      verb: 'stage',
      ended: 'finished',
    });
  });

  test('somebody who changes the form under the feed is found out', async () => {
    await production!.query('ALTER TABLE users ADD COLUMN nickname text');
    expect((await seen())?.drift).toEqual(['the column public.users.nickname is new']);
    await production!.query('ALTER TABLE users DROP COLUMN nickname');
    expect((await seen())?.drift).toEqual([]);
  });

  test('a sequence near its end is found out, and noted once', async () => {
    for (const db of [production!, fallback!]) await db.query('CREATE SEQUENCE tickets AS int');
    await production!.query("SELECT setval('tickets', 2147483600)");
    const first = await seen();
    expect(first?.nearEnd).toEqual(['the sequence public.tickets has 47 numbers left on the fallback']);
    await production!.query("SELECT nextval('tickets')");
    expect((await seen())?.at).toBe(first?.at);
    for (const db of [production!, fallback!]) await db.query('DROP SEQUENCE tickets');
    expect((await seen())?.nearEnd).toBeUndefined();
  });

  test.each(['video-fallback-w1', 'video-db'])(
    '%s crashes and comes back: what was written meanwhile arrives, and the next look finds the feed alive',
    async (instance) => {
      const server = servers[instance]!;
      await server.test.crash();
      expect(await seen()).toMatchObject({ state: 'unreachable', reasons: [expect.stringContaining('could not be looked at')] });
      await server.test.restart();
      // the tests' own connections went with it.
      [production, fallback] = [await servers['video-db']!.master(), await servers['video-fallback-w1']!.master()];
      await production.query("INSERT INTO users SELECT coalesce(max(id), 0) + 1, 'after the crash' FROM users");
      const poll = pollEvery(100, 45_000, 'the feed being alive again');
      while ((await seen())?.state !== 'alive') await poll();
      expect(await fallback.query('SELECT * FROM users ORDER BY id')).toEqual(await production.query('SELECT * FROM users ORDER BY id'));
    },
  );

  test('the connection of the feed is cut: it is made again by itself', async () => {
    const walsender = "FROM pg_stat_replication WHERE application_name = 'switchback_w1'";
    const [before] = await production!.query<{ pid: number }>(`SELECT pid ${walsender}`);
    const admin = await servers['video-db']!.superuser();
    await admin.query(`SELECT pg_terminate_backend(pid) ${walsender}`);
    await production!.query("INSERT INTO users VALUES (1000, 'after the cut')");
    const poll = pollEvery(100, 45_000, 'the feed being alive again');
    while ((await seen())?.state !== 'alive' || (await fallback!.query('SELECT FROM users WHERE id = 1000')).length === 0) await poll();
    expect((await production!.query<{ pid: number }>(`SELECT pid ${walsender}`))[0]?.pid).not.toBe(before?.pid);
    await admin.close();
  });

  test('a stray writer on the fallback: what it broke is said, and when it is mended the feed goes on', async () => {
    const admin = await servers['video-fallback-w1']!.superuser();
    await admin.query("INSERT INTO users VALUES (2000, 'stray')");
    await production!.query("INSERT INTO users VALUES (2000, 'customer')");
    const poll = pollEvery(100, 45_000, 'the feed being stuck');
    let note = await seen();
    for (; note?.state !== 'stuck'; note = await seen()) await poll();
    expect(note.reasons).toEqual([expect.stringContaining('could not apply a change')]);
    await admin.query('DELETE FROM users WHERE id = 2000');
    await admin.close();
    const again = pollEvery(100, 45_000, 'the feed being alive again');
    while ((await seen())?.state !== 'alive') await again();
    expect(await fallback!.query('SELECT name FROM users WHERE id = 2000')).toEqual([{ name: 'customer' }]);
  });

  test('a feed that was switched off, one that stands still, and one that goes on', async () => {
    await stopFeed(fallback!, name);
    expect(await seen()).toMatchObject({ state: 'paused', reasons: [expect.stringContaining('is disabled')] });
    await subscription('ENABLE');
    expect(await seen()).toMatchObject({ state: 'alive' });
    const admin = await servers['video-fallback-w1']!.superuser();
    await admin.query('BEGIN; LOCK TABLE switchback.marker IN EXCLUSIVE MODE');
    // its heartbeat is the one of the look before, five minutes ago by its clock and a moment ago by the server's.
    await fallback!.query('SELECT 1');
    await admin.query("UPDATE switchback.marker SET at = at - interval '5 minutes'");
    await admin.query('COMMIT');
    await admin.query('BEGIN; LOCK TABLE switchback.marker IN EXCLUSIVE MODE');
    expect(await seen()).toMatchObject({ state: 'behind', reasons: [expect.stringContaining('s behind')] });
    await admin.query('ROLLBACK');
    await admin.close();
    expect(await seen()).toMatchObject({ state: 'alive' });
  });

  test('a database that does not answer is said, too', async () => {
    const kept = servers;
    servers = { 'video-db': kept['video-db']! };
    expect(await seen()).toMatchObject({ state: 'unreachable', reasons: [expect.stringContaining('video-fallback-w1')] });
    servers = kept;
    expect(await seen()).toMatchObject({ state: 'alive' });
  });

  test.each([
    ['production', 'video-db'],
    ['the fallback', 'video-fallback-w1'],
  ])('%s that crashes, or is restarted, in the hold: said, and the feed goes on by itself', async (_, instance) => {
    const { test } = servers[instance]!;
    await test.crash();
    expect(await seen()).toMatchObject({ state: 'unreachable', reasons: [expect.stringContaining('the feed could not be looked at: ')] });
    await test.restart();
    await test.restart();
    [production, fallback] = [await servers['video-db']!.master(), await servers['video-fallback-w1']!.master()];
    expect(await seen()).toMatchObject({ state: 'alive', reasons: [] });
  });

  test('a slot that is gone is a dead feed: no rollback without loss, and production goes on', async () => {
    await stopFeed(fallback!, name);
    await dropSlot(production!, name);
    const last = await seen();
    expect(last).toMatchObject({ state: 'dead', reasons: [expect.stringContaining('production itself is not affected')] });
    expect(last?.rollbackPossibleUntil).toBeUndefined();
    expect(last?.heartbeatSeconds).toBeGreaterThan(0);
  });

  test('a watch with nothing left to watch takes its schedule away', async () => {
    expect(removed).toEqual([]);
    const journal = rig.journal();
    await journal.refresh();
    await journal.append('close', operator, { type: 'window.closed', outcome: 'done' });
    expect(await watch()).toMatchObject({ state: 'finished' });
    expect(removed).toEqual([watchName(window)]);
  });
});
