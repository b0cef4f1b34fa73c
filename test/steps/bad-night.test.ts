/** What the sandbox does on a bad night, and real steps in the middle of it: noticed, said, survived. One story, run in its order. */
import { join } from 'node:path';
import { build } from 'esbuild';
import { zipSync } from 'fflate';
import type { JournalEvent } from '../../lib/engine/events';
import { compareTables } from '../../lib/postgres/verification/compare';
import { feedCaughtUp, feedStarted, feedStopped, sequencesAhead, slotMade } from '../../lib/steps/feed';
import { drained, fenced, opened } from '../../lib/steps/fence';
import { fallbackAnswers, promoted } from '../../lib/steps/replica';
import { workersStarted, workersStopped } from '../../lib/steps/workers';
import { askFaults } from '../../packages/sandbox/lib/faults/ask';
import { eventually } from '../../packages/sandbox/test/tiny';
import { blue, master } from '../postgres/servers';
import { at, fallback, production, type SmallWorld, smallWorld } from './small-world';

// what these tests show does not depend on it, and the machine's disk is the slowest part of them.
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
let charges = 0;
/** A customer of blue. */
const pay = async (): Promise<void> => {
  const app = await world.as(production, blue);
  charges += 1;
  await app.query(`INSERT INTO charges VALUES (${charges}, 'c${charges}')`);
  await app.close();
};

describe('a promotion that takes twenty times as long', () => {
  const steps = () => [slotMade(production, fallback), promoted(fallback), feedStarted(production, fallback)];

  test('is waited for as long as patience lasts, with what RDS says meanwhile; then the run stops, and says how to go on', async () => {
    await world.rules({ service: 'rds', operation: 'PromoteReadReplica', kind: 'long', factor: 20, target: fallback });
    const stopped = await world.command(steps(), { patienceSeconds: 3 });
    expect(stopped).toMatchObject({
      ...{ state: 'stopped', code: 'step.too-slow' },
      message: `"Promote ${fallback}: it becomes a database of its own" is not done after 3 s: ${fallback} is modifying`,
    });
    expect(await world.progressOf('fallback.promote')).toContain(`${fallback} is modifying`);
  });

  test('the same command goes on: it is asked for once, and waited for to its end', async () => {
    const from = performance.now();
    expect(await world.command(steps())).toEqual(finished);
    // of 3,800 seconds of AWS at speed 600, three had passed.
    expect(performance.now() - from).toBeGreaterThan(2000);
    expect(world.calls.filter((operation) => operation === 'PromoteReadReplica')).toHaveLength(1);
    expect(await world.progressOf('fallback.promote')).toContain(`${fallback} is rebooting`);
  });
});

describe('databases that restart and crash around the fence', () => {
  // the end of a step is the beginning of the next: each kind between any two of them.
  const cases = ['database.drain', 'database.fence', 'database.open'].flatMap((step) => [
    ['restart', 'step.started', step] as const,
    ['crash', 'step.done', step] as const,
  ]);

  test.each(cases)('production: %s at the %s of %s', async (kind, when, step) => {
    await world.rules(at(when, step, kind, production));
    expect(await world.command([drained(production), fenced(production), opened(production, 'blue')])).toEqual(finished);
    await eventually(() =>
      pay().then(
        () => true,
        () => false,
      ),
    );
  });

  test.each([
    ['production', 'restart'],
    ['production', 'crash'],
    ['fallback', 'restart'],
    ['fallback', 'crash'],
  ])('%s: %s while the marker is awaited; nothing is lost or twice', async (which, kind) => {
    await pay();
    await world.rules(at('step.started', 'feed.level', kind, which === 'production' ? production : fallback));
    expect(await world.command([feedCaughtUp(production, fallback)])).toEqual(finished);
    const compared = await compareTables(await world.as(production, master), await world.as(fallback, master));
    expect(compared).toMatchObject({ equal: true });
  });
});

describe('a rollback whose fallback is down', () => {
  const back = () => [
    fallbackAnswers(fallback),
    drained(production),
    fenced(production),
    sequencesAhead(production, fallback),
    opened(production, 'blue'),
  ];

  test('waits for it while production is still open', async () => {
    await world.rules(at('step.started', 'fallback.answers', 'crash', fallback));
    expect(await world.command(back())).toEqual(finished);
    expect(await world.progressOf('fallback.answers')).toContainEqual(expect.stringContaining('cannot connect as master'));
  });

  test('waits for it behind the fence as well, as long as a failover takes', async () => {
    await world.rules(at('step.started', 'sequences.ahead', 'crash', fallback));
    expect(await world.command(back())).toEqual(finished);
    await pay();
  });
});

test('a feed that stands still is waited for, and said to; with it everything arrives', async () => {
  await pay();
  // 5,400 seconds of AWS, nine of ours: longer than the marker is tried at once.
  await world.rules(at('step.started', 'feed.level', 'stall', fallback, { seconds: 5400 }));
  expect(await world.command([feedCaughtUp(production, fallback)])).toEqual(finished);
  expect(await world.progressOf('feed.level')).toContainEqual(
    expect.stringMatching(/^it has not arrived yet; the fallback is .*; it has heard nothing from production for \d+ s/),
  );
  const compared = await compareTables(await world.as(production, master), await world.as(fallback, master));
  expect(compared).toMatchObject({ equal: true });
});

describe('workers', () => {
  test('one that ignores SIGTERM is not taken for stopped before ECS has killed it', async () => {
    await world.rules({ service: 'ecs', operation: 'StopTask', kind: 'ignores-sigterm', target: 'blue-clock' });
    expect(await world.command([workersStopped('blue')])).toEqual(finished);
    expect(await world.progressOf('workers.stop')).toContainEqual(expect.stringContaining('blue-clock: 1 not stopped yet'));
    const { taskArns } = await world.sandbox.call('ecs', 'ListTasks', {
      ...{ cluster: 'video', serviceName: 'blue-clock', desiredStatus: 'STOPPED' },
    });
    const { tasks } = await world.sandbox.call('ecs', 'DescribeTasks', { cluster: 'video', tasks: taskArns });
    expect(tasks).toMatchObject([{ lastStatus: 'STOPPED', containers: [{ exitCode: 137 }] }]);
  });

  test('one that is killed while the others are started runs again before the step is done', async () => {
    const killed = { service: 's3', operation: 'PutObject', containing: 'clock: 1 running', kind: 'kill', target: 'blue-clock' };
    await world.rules(killed);
    expect(await world.command([workersStarted('blue')])).toEqual(finished);
    const { services } = await world.sandbox.call('ecs', 'DescribeServices', {
      ...{ cluster: 'video', services: ['blue-clock', 'blue-billing'] },
    });
    expect(services).toMatchObject([{ runningCount: 1 }, { runningCount: 1 }]);
    const { taskArns } = await world.sandbox.call('ecs', 'ListTasks', {
      ...{ cluster: 'video', serviceName: 'blue-clock', desiredStatus: 'STOPPED' },
    });
    expect(taskArns).toHaveLength(2);
  });
});

describe('the runner function, in a machine whose clock is wrong', () => {
  const watch = async (): Promise<JournalEvent | undefined> => {
    const request = {
      system: 'video',
      verb: 'teardown',
      watch: true,
      window: 'w1',
      run: 'watch-w1',
      by: { who: 'schedule', where: 'test' },
    };
    const { Payload } = await world.sandbox.call('lambda', 'Invoke', { FunctionName: 'runner', Payload: JSON.stringify(request) });
    expect(JSON.parse(Buffer.from(Payload).toString())).toEqual({ state: 'finished', window: 'w1' });
    return (await world.events()).at(-1);
  };

  beforeAll(async () => {
    const { shared, blue: color, green, fallbacks } = world.manifest;
    for (const part of [shared, color, green, ...Object.values(fallbacks)]) {
      const name = part?.part === 'fallback' ? `fallback-${part.window}` : part?.part;
      const parameter = { Name: `/switchback/video/${name}`, Value: JSON.stringify(part), Type: 'String', Tier: 'Advanced' };
      await world.sandbox.call('ssm', 'PutParameter', parameter);
    }
    const { outputFiles } = await build({
      ...{ entryPoints: [join(__dirname, '../../lib/operations/runner.lambda.ts')], bundle: true, write: false },
      ...{ platform: 'node', target: 'node20', format: 'cjs', external: ['pg-native', '@aws-sdk/*'], logLevel: 'error' },
    });
    await world.sandbox.call('lambda', 'CreateFunction', {
      ...{ FunctionName: 'runner', Runtime: 'nodejs20.x', Handler: 'index.handler', Timeout: 60, MemorySize: 512 },
      ...{ Role: 'arn:aws:iam::111122223333:role/runner', Code: { ZipFile: zipSync({ 'index.js': outputFiles[0]!.contents }) } },
    });
  });

  test.each([-3600, 3600])('%s s: what it writes has the time of AWS', async (seconds) => {
    await world.strike('clock', 'runner', seconds);
    // a disabled feed and an enabled one are news each time.
    const db = await world.as(fallback, master);
    await db.query(`ALTER SUBSCRIPTION switchback_w1 ${seconds < 0 ? 'DISABLE' : 'ENABLE'}`);
    const from = Date.now();
    const seen = await watch();
    expect(seen).toMatchObject({ type: 'hold.seen', state: seconds < 0 ? 'paused' : 'alive' });
    expect(Date.parse(seen?.at ?? '')).toBeGreaterThan(from - 2000);
    expect(Date.parse(seen?.at ?? '')).toBeLessThan(Date.now() + 2000);
  });
});

describe('a feed that production has given up', () => {
  test('is stopped as any other', async () => {
    await world.strike('slot', production);
    expect(await world.command([feedStopped(fallback)], { verb: 'rollback' })).toEqual(finished);
    const [row] = await (await world.as(fallback, master)).query('SELECT subenabled AS on FROM pg_subscription');
    expect(row).toEqual({ on: false });
  });
});

describe('S3', () => {
  const steps = () => [drained(production), fenced(production), opened(production, 'blue')];

  test('refuses writes for a moment: the run goes on as if nothing had been', async () => {
    await world.rules({ service: 's3', operation: 'PutObject', kind: 'throttle', times: 5 });
    expect(await world.command(steps())).toEqual(finished);
  });

  test('refuses writes for good: nothing is begun that is not in the journal, and the run says what it could not write', async () => {
    await world.rules(at('step.started', 'database.fence', 'refuse', '', { target: undefined, rate: 1 }), {
      service: 's3',
      operation: 'PutObject',
      containing: 'run.stopped',
      kind: 'refuse',
      rate: 1,
    });
    expect(await world.command(steps(), { run: 'refused' })).toMatchObject({
      ...{ state: 'stopped', code: 'journal.unwritable', exit: 1 },
      message: expect.stringMatching(/^event \d+ of w1 \(step\.started\) could not be written in 6 tries: Access Denied/),
    });
    // the fence was not begun: customers write.
    await pay();
    expect((await world.events()).at(-1)).toMatchObject({ type: 'step.done', step: 'database.drain' });
  });

  test('takes writes again: the same command goes on where it was', async () => {
    expect(await world.command(steps(), { run: 'refused' })).toEqual(finished);
    await pay();
    const numbers = (await world.events()).map(({ number }) => number);
    expect(numbers).toEqual(numbers.map((_, n) => n + 1));
  });
});
