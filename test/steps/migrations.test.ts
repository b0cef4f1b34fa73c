/** Whether migrations have run, in a cluster that lists its tasks late and forgets them: never twice, unless a person says so. */

import type { Context } from '../../lib/engine/context';
import type { AskedTask } from '../../lib/engine/window-view';
import { migrationsRun } from '../../lib/steps/migrations';
import { manifest, TestClock, window } from '../_helpers/runbook';

jest.mock('../../lib/postgres/access/fence', () => ({ allowMigrations: async () => undefined, migrationsAllowed: async () => false }));
jest.mock('../../lib/postgres/access/lock-waits', () => ({
  endTransactionsOfColors: async () => [],
  migratorWaits: async () => [],
  waitWords: String,
}));

const hour = 3_600_000;
const ended = (exitCode: number | undefined, id: string) => ({
  ...{ arn: `arn:${id}`, id, status: 'STOPPED', exitCode, reason: undefined, seconds: 1, takes: 1 },
});
type Task = ReturnType<typeof ended>;

/** An ECS that tells what the test lets it know, and a journal that keeps what the step says of its tasks. */
class Cluster {
  readonly clock = new TestClock();
  readonly asked = new Map<string, AskedTask>();
  /** In the order in which they were started, by token. */
  readonly started: string[] = [];
  /** What ECS still knows, by token. */
  readonly known = new Map<string, Task>();
  /** What becomes of the answer to RunTask. */
  answer: (token: string) => Promise<{ arn: string }> = async (token) => ({ arn: `arn:${token}` });
  migrateAgain = false;

  /** A new process: nothing but the journal is remembered. */
  process() {
    const tasks = {
      findOnce: async (_: string, { token }: { token: string }) => this.known.get(token),
      describeOnce: async (_: string, arn: string) => [...this.known].find(([token]) => `arn:${token}` === arn)?.[1],
      runOnce: async ({ token }: { token: string }) => {
        if (!this.started.includes(token)) this.started.push(token);
        return this.answer(token);
      },
    };
    const aws = {
      tasks,
      logs: { lines: async () => ({ lines: [], token: undefined }) },
      databases: { describe: async () => ({ address: { host: 'db', port: 5432 } }) },
      settings: { secret: async () => ({ username: 'm', password: 'p' }), writeSecret: async () => undefined },
    };
    const context = {
      ...{ aws, manifest, window, clock: this.clock, migrateAgain: this.migrateAgain },
      view: { openedAt: 'then', tasks: this.asked, current: { verb: 'cutover' } },
      database: async () => ({}),
      progress: async () => undefined,
      asked: async (token: string, arn?: string) => {
        const at = this.asked.get(token)?.at ?? new Date(this.clock.now()).toISOString();
        this.asked.set(token, { at, ...(arn === undefined ? {} : { arn }) });
      },
    } as unknown as Context;
    const step = migrationsRun('video-db', 'green');
    return { look: () => step.observe(context), act: () => step.act?.(context) };
  }

  ends(exitCode: number | undefined): void {
    const token = this.started.at(-1)!;
    this.known.set(token, ended(exitCode, `task-${this.started.length}`));
  }
}

let cluster: Cluster;
beforeEach(() => {
  cluster = new Cluster();
});

test('an attempt that ECS has taken and does not list yet is waited for: the failure of the one before is not the last word', async () => {
  const { look, act } = cluster.process();
  expect(await look()).toEqual({ is: 'todo' });
  await act();
  cluster.ends(1);
  expect(await look()).toMatchObject({ is: 'failed', code: 'migrations.failed' });
  await act();
  expect(await look()).toEqual({ is: 'pending', detail: 'attempt 2 is not listed yet' });
  // by whoever comes after a crash, too.
  expect(await cluster.process().look()).toEqual({ is: 'pending', detail: 'attempt 2 is not listed yet' });
  cluster.ends(0);
  expect(await look()).toMatchObject({ is: 'done', facts: { task: 'task-2', attempt: 2 } });
});

test('an answer that was lost is asked for again by the same token, and one task has run', async () => {
  cluster.answer = () => Promise.reject(new Error('socket hang up'));
  await expect(cluster.process().act()).rejects.toThrow('socket hang up');
  cluster.answer = async (token) => ({ arn: `arn:${token}` });
  const { look, act } = cluster.process();
  expect(await look()).toEqual({ is: 'todo' });
  await act();
  expect(cluster.started).toHaveLength(1);
});

test.each(['answered', 'lost'])(
  'a task that ECS has forgotten is not started again by anybody but a person (its answer was %s)',
  async (was) => {
    if (was === 'lost') cluster.answer = () => Promise.reject(new Error('socket hang up'));
    await Promise.resolve(cluster.process().act()).catch(() => undefined);
    cluster.answer = async (token) => ({ arn: `arn:${token}` });
    cluster.ends(0);
    cluster.clock.time += 3 * hour;
    cluster.known.clear();
    const { look, act } = cluster.process();
    const unknown = {
      code: 'migrations.unknown',
      message: expect.stringMatching(
        /no longer knows the migration task.* asked for at 2026-11-21T02:00:00.000Z, and nobody saw how it ended/,
      ),
      state: 'Whether video-db has been migrated is not known; nothing was started again.',
    };
    await expect(look()).rejects.toMatchObject(unknown);
    await expect(Promise.resolve(act())).rejects.toMatchObject(unknown);
    expect(cluster.started).toHaveLength(1);

    cluster.migrateAgain = true;
    const told = cluster.process();
    expect(await told.look()).toEqual({ is: 'todo' });
    await told.act();
    expect(cluster.started).toHaveLength(2);
    cluster.ends(0);
    cluster.migrateAgain = false;
    // the word was for one start: the next process finds it, and starts nothing.
    expect(await cluster.process().look()).toMatchObject({ is: 'done', facts: { attempt: 2 } });
  },
);

test('a task that has run for hours is found by its ARN while it runs', async () => {
  await cluster.process().act();
  cluster.clock.time += 5 * hour;
  cluster.known.set(cluster.started[0]!, { ...ended(undefined, 'task-1'), status: 'RUNNING' });
  expect(await cluster.process().look()).toMatchObject({ is: 'pending', detail: 'task task-1 is RUNNING' });
});
