/** A trial whose migrations outlast the runner: each invocation is a fresh process that knows the journal and the copy. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Aws } from '../../lib/aws';
import { type Clock, wallClock } from '../../lib/base/clock';
import type { RunAnswer } from '../../lib/engine/run-options';
import { migrationsAllowed } from '../../lib/postgres/access/fence';
import type { Db } from '../../lib/postgres/connection/connect';
import { prepareLocks } from '../../lib/postgres/schema/rewrites';
import { migrationsTried } from '../../lib/steps/trial-migrations';
import { manifest, Rig } from '../_helpers/runbook';
import { database, master, migrator, prepareUsers, type Server, startServer, stopServers } from '../postgres/servers';

const roles = { owner: 'video_owner', write: 'video_write', read: 'video_read', migrator: 'video_migrator', reader: 'video_reader' };
let server: Server;
let db: Db;
beforeAll(async () => {
  server = await startServer();
  db = await server.master();
  await db.query('CREATE TABLE charges (id int PRIMARY KEY, cents int)');
  await prepareUsers(db);
});
afterAll(stopServers);

async function open(rig: Rig<Clock>): Promise<void> {
  const shared = { ...manifest.shared, database: { ...manifest.shared.database, name: database, roles } };
  await rig.journal().append(
    'open',
    { who: 'ada', where: 'here' },
    {
      type: 'window.opened',
      window: { name: 'w1', system: 'video', from: 'blue', to: 'green', production: 'video-db', fallback: 'video-fallback-w1' },
      manifest: { ...manifest, shared },
      state: { production: 'video-db', opened: true },
    },
  );
}

test.each([
  ['expand', 'stopped'],
  ['contract', 'finished'],
] as const)('a part that fails on the copy: %s, the run has %s', async (part, state) => {
  const rig = new Rig();
  await open(rig);
  const lines = ['ERROR: check constraint "charges_cents_positive" is violated by some row', 'rolled back', 'connection closed'];
  const task = { arn: 'arn', id: 'task', status: 'STOPPED', exitCode: 1, reason: undefined, seconds: 2, takes: 9 };
  const aws = {
    databases: { describe: async () => ({ address: server.address }) },
    settings: { secret: async () => master, writeSecret: async () => undefined },
    tasks: { findOnce: async () => task, runOnce: async () => undefined },
    logs: { lines: async (_group: string, _stream: string, token?: string) => ({ lines: token ? [] : lines, token: 'end' }) },
  } as unknown as Aws;
  await prepareLocks(db);
  const step = migrationsTried({ id: 'trial.migrate', place: 'video-w1-trial', color: 'green', part, attempt: 1 });
  // it was tried before: this run only looks.
  const answer = await rig.advance([{ id: step.id, title: step.title, estimateSeconds: 1, patienceSeconds: 60, observe: step.observe }], {
    ...{ aws, verb: 'stage', run: 'stage-1' },
  });
  expect(answer).toMatchObject({
    state,
    ...(state === 'stopped'
      ? {
          code: 'trial.migrations.failed',
          message: `on a copy of video-db the migration task task ended with exit code 1: ${lines[0]}\nthe last lines of its log:\n  ${lines[1]}\n  ${lines[2]}`,
        }
      : {}),
  });
  const done = (await rig.events()).find(({ type }) => type === 'step.done');
  // what the new release writes until the teardown is not on a copy of today.
  if (state === 'finished') expect(done).toMatchObject({ facts: { failed: `ended with exit code 1: ${lines[0]}` } });
});

test('locks and duration are whole although the runner had to hand over while a table was closed', async () => {
  const started: string[] = [];
  let stopped = false;
  const task = () => ({
    ...{ arn: 'arn', id: 'task', reason: undefined },
    ...(stopped
      ? { status: 'STOPPED', exitCode: 0, seconds: 4, takes: 34 }
      : { status: 'RUNNING', exitCode: undefined, seconds: undefined, takes: undefined }),
  });
  const aws = {
    databases: { describe: async () => ({ address: server.address }) },
    settings: { secret: async () => master, writeSecret: async () => undefined },
    tasks: {
      findOnce: async (_cluster: string, { token }: { token: string }) => (started.includes(token) ? task() : undefined),
      runOnce: async ({ token }: { token: string }) => void started.push(token),
    },
    logs: { lines: async () => ({ lines: [], token: undefined }) },
  } as unknown as Aws;
  const clock = { ...wallClock, pause: (ms: number) => pause(Math.min(ms, 50)) };
  // the journal's hours are those of the run, or a step seems to have begun on another day.
  const rig = new Rig<Clock>(clock);
  await open(rig);
  /** As long as two looks take: the runner leaves twenty seconds before its end. */
  const invoke = (): Promise<RunAnswer> =>
    rig.advance([migrationsTried({ id: 'trial.migrate', place: 'video-w1-trial', color: 'green', part: 'expand', attempt: 1 })], {
      aws,
      clock,
      verb: 'stage',
      run: 'stage-1',
      deadline: Date.now() + 20_300,
    });

  expect(await invoke()).toEqual({ state: 'continue' });
  expect(await migrationsAllowed(db, roles)).toBe(true);
  const migration = await server.as(migrator);
  await migration.query('BEGIN; ALTER TABLE charges ADD COLUMN account int');
  const closed = Date.now();
  let invocations = 1;
  // longer than any of them lives.
  while (Date.now() - closed < 1500) {
    expect(await invoke()).toEqual({ state: 'continue' });
    invocations += 1;
  }
  await migration.query('COMMIT');
  stopped = true;
  expect(await invoke()).toEqual({ state: 'finished' });
  expect(invocations).toBeGreaterThan(3);
  const events = await rig.events();
  expect(events.filter(({ type }) => type === 'step.started')).toHaveLength(1);
  expect(
    events.filter((event) => event.type === 'step.progress' && JSON.stringify(event).includes('nobody can read public.charges')),
  ).toHaveLength(1);
  expect(events.find(({ type }) => type === 'step.done')).toMatchObject({
    facts: { seconds: 4, takes: 34, locks: [{ table: 'public.charges', seconds: expect.any(Number) }] },
  });
  const done = events.find(({ type }) => type === 'step.done') as unknown as { facts: { locks: { seconds: number }[] } };
  expect(done.facts.locks[0]?.seconds).toBeGreaterThanOrEqual(1);
  expect(started).toEqual([expect.stringMatching(/-w1-trial-1$/)]);
  expect(await migrationsAllowed(db, roles)).toBe(false);
});
