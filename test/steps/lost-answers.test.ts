/** Real steps whose calls get no answer: what is done once is done once, and what nobody can know ends in exit code 7. */
import { say, switchback, typed } from '../../lib/base/advice';
import type { Context } from '../../lib/engine/context';
import type { Step } from '../../lib/engine/step';
import { fenced, opened } from '../../lib/steps/fence';
import { promoted } from '../../lib/steps/replica';
import { workersStopped } from '../../lib/steps/workers';
import { askFaults } from '../../packages/sandbox/lib/faults/ask';
import { fallback, production, type SmallWorld, smallWorld } from './small-world';

process.env['SWITCHBACK_POSTGRES_FSYNC'] = 'off';

let world: SmallWorld;
beforeAll(async () => {
  world = await smallWorld();
});
afterEach(async () => {
  await askFaults(world.sandbox.env, 'DELETE', '');
});
afterAll(() => world?.end());

const finished = { state: 'finished' };
const callsOf = (operation: string) => world.calls.filter((each) => each === operation).length;

test('a change whose answer is lost is looked up before it is sent again, by the SDK too', async () => {
  await world.rules({ service: 'rds', operation: 'PromoteReadReplica', kind: 'lost' });
  expect(await world.command([promoted(fallback)])).toEqual(finished);
  expect(callsOf('PromoteReadReplica')).toBe(1);
});

test('one that is refused for load is sent again by the SDK: nothing was changed', async () => {
  await world.rules({ service: 'ecs', operation: 'UpdateService', kind: 'throttle' });
  expect(await world.command([workersStopped('blue')])).toEqual(finished);
  expect(callsOf('UpdateService')).toBe(3);
});

/** What happens to the world just before the step's change is sent. */
const before = (step: Step, happens: (context: Context) => Promise<unknown>): Step => ({
  ...step,
  act: async (context) => {
    await happens(context);
    await step.act?.(context);
  },
});

test('what cannot be looked up ends in exit code 7, with the call and the command that shows the truth; the journal says so', async () => {
  await world.sandbox.call('ecs', 'UpdateService', { cluster: 'video', service: 'blue-clock', desiredCount: 1 });
  const step = before(workersStopped('blue'), () =>
    world.rules(
      { service: 'ecs', operation: 'UpdateService', containing: 'blue-clock', kind: 'lost' },
      { service: 'ecs', operation: 'DescribeServices', kind: 'error', rate: 1 },
    ),
  );
  const stopped = {
    ...{ code: 'step.unknown', exit: 7 },
    message: expect.stringContaining('ecs UpdateService blue-clock desiredCount=0: the answer was lost'),
    next: [
      typed('aws ecs describe-services --cluster video --services blue-clock'),
      say`then the same command again: it looks before it does anything`,
    ],
  };
  expect(await world.command([step], { patienceSeconds: 2 })).toMatchObject({ state: 'stopped', ...stopped });
  expect((await world.events()).at(-1)).toMatchObject({ type: 'run.stopped', step: 'workers.stop', ...stopped });
});

test('a database that dies under a change is waited for, looked at, and changed when it was not', async () => {
  const step = before(fenced(production), async (context) => {
    await context.database(production);
    if (!dead) await world.strike('crash', production);
    dead = true;
  });
  let dead = false;
  expect(await world.command([opened(production, 'blue'), step])).toEqual(finished);
  expect(dead).toBe(true);
});

test('a call of the runner without an answer is no bug of ours: it may be at work, and its journal says so', async () => {
  await world.rules({ service: 'lambda', operation: 'Invoke', kind: 'error' });
  await expect(world.aws.functions.invokeRunner({ runner: 'video-runner' }, {})).rejects.toMatchObject({
    ...{ code: 'runner.unanswered', exit: 7, message: expect.stringContaining('lambda Invoke video-runner') },
    next: [switchback('status', '--watch'), say`then the same command again`],
  });
});
