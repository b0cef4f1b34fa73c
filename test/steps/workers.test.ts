/** Workers that a run had begun to start when it died. */

import { switchback } from '../../lib/base/advice';
import type { Context } from '../../lib/engine/context';
import type { Manifest } from '../../lib/manifest/schema';
import { workersStarted, workersStopped } from '../../lib/steps/workers';
import { manifest as plain, TestClock } from '../_helpers/runbook';

const scaled = { name: 'queue', service: 'green-queue', once: false, count: 2, scaling: { min: 2, max: 8 } };
const manifest = { ...plain, green: { ...plain.green!, workers: [scaled] } } as Manifest;

function world({ wanted, running, suspended }: { wanted: number; running: number; suspended: boolean }) {
  const facts = { wanted, running, suspended };
  const calls: string[] = [];
  const state = () => ({ name: 'green-queue', wanted: facts.wanted, running: facts.running, notStopped: facts.running });
  const tasks = {
    services: async () => [state()],
    workers: async (_: string, names: string[]) => names.map((name) => ({ name, wanted: 0, running: 0, notStopped: 0 })),
    setCount: async (_: string, service: string, count: number) => {
      calls.push(`${service} ${count}`);
      facts.wanted = count;
      facts.running = count;
    },
    scalingSuspended: async () => facts.suspended,
    setScaling: async (_: string, service: string, active: boolean) => {
      calls.push(`scaling of ${service} ${active}`);
      facts.suspended = !active;
    },
  };
  const context = { manifest, aws: { tasks }, clock: new TestClock(), progress: async () => undefined } as unknown as Context;
  return { calls, context, step: workersStarted('green') };
}

test('one that runs but was not yet let scale is let scale, and not started again', async () => {
  const { calls, context, step } = world({ wanted: 2, running: 2, suspended: true });
  expect(await step.observe(context)).toMatchObject({ is: 'todo', detail: 'scaling of queue is suspended' });
  await step.act?.(context);
  expect(calls).toEqual(['scaling of green-queue true']);
  expect(await step.observe(context)).toEqual({ is: 'done' });
});

test('one whose task has ended by itself is waited for: ECS starts it again', async () => {
  const { context, step } = world({ wanted: 2, running: 1, suspended: false });
  expect(await step.observe(context)).toMatchObject({ is: 'pending' });
});

test('one that was stopped behind our back is to be started', async () => {
  const { calls, context, step } = world({ wanted: 0, running: 0, suspended: false });
  expect(await step.observe(context)).toMatchObject({ is: 'todo' });
  await step.act?.(context);
  expect(calls).toEqual(['green-queue 2', 'scaling of green-queue true']);
  expect(await step.observe(context)).toEqual({ is: 'done' });
});

test('when one cannot be stopped, nothing is on its way to the others any more by the time the run hears of it', async () => {
  const calls: string[] = [];
  let free: (() => void) | undefined;
  const tasks = {
    setScaling: async (_: string, service: string) => {
      if (service === 'green-broken') throw new Error('AccessDenied');
      await new Promise<void>((resolve) => {
        free = resolve;
      });
    },
    setCount: async (_: string, service: string) => void calls.push(service),
  };
  const workers = [{ ...scaled, name: 'broken', service: 'green-broken' }, scaled];
  const context = { manifest: { ...plain, green: { ...plain.green!, workers } }, aws: { tasks } } as unknown as Context;
  const heard = workersStopped('green')
    .act?.(context)
    .catch(() => calls.push('the run hears of it'));
  await new Promise((turn) => setImmediate(turn));
  free?.();
  await heard;
  await new Promise((turn) => setImmediate(turn));
  expect(calls).toEqual(['green-queue', 'the run hears of it']);
});

// a rollback advised a cutover: the verb of an earlier list.
test.each([
  ['rollback' as const, [switchback('rollback')]],
  ['cutover' as const, [switchback('cutover'), switchback('rollback')]],
])('one that does not come up in a %s advises the verb under way', async (verb, next) => {
  const { context, step } = world({ wanted: 0, running: 0, suspended: false });
  const never = Object.assign(context.aws.tasks, { setCount: async () => undefined });
  const clock = new TestClock();
  const given = { ...context, aws: { tasks: never }, view: { current: { verb } }, clock } as unknown as Context;
  await expect(step.act?.(given)).rejects.toMatchObject({
    code: 'workers.start.slow',
    next: [{ type: expect.stringContaining('describe-services') }, ...next],
  });
});
