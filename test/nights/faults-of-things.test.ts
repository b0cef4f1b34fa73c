/**
 * A window in which clocks are set, workers ignore SIGTERM, tasks are killed and targets flap, and that ends well; and a hold in
 * which production gives up the feed. With the commands people type. One story, run in its order.
 */
import { makeAws } from '../../lib/aws';
import type { JournalEvent } from '../../lib/engine/events';
import { askFaults } from '../../packages/sandbox/lib/faults/ask';
import { makeWorld, type World } from '../windows/bad-input/world';

let world: World;
beforeAll(async () => {
  world = await makeWorld(200);
  await world.must(world.cdk(['bootstrap', '--no-notices'], {}));
  await world.must(world.cdk(['deploy', 'shared', 'blue'], { green: 'none', window: 'none' }));
  await world.must(world.verb('cutover', ['--yes']));
  await world.must(world.cdk(['deploy', 'green', 'fallback-w1'], { window: '1' }));
}, 600_000);
afterAll(() => world.end());

const faults = async (path: string, method: 'GET' | 'POST' | 'DELETE', body?: object) => {
  const said = await askFaults(world.sandbox.env, method, path, body);
  return JSON.parse(said) as { rules: { kind: string; injected: number; service: string }[]; done: string };
};
const events = async (): Promise<readonly JournalEvent[]> => {
  const { manifest } = await world.look();
  const texts = await makeAws().journal(manifest.shared.journalBucket, 'video').read('w1', 1);
  return texts.map((text) => JSON.parse(text));
};
/** When the journal is told that a step begins. */
const before = (step: string, kind: string, target: string, more: object = {}) => ({
  ...{ service: 's3', operation: 'PutObject', containing: `"type":"step.started","step":"${step}"`, kind, target },
  ...more,
});

test('the runner’s clock jumps back and forth, workers ignore SIGTERM, tasks die, a target flaps: the cutover goes through', async () => {
  const { manifest } = await world.look();
  const { runner } = manifest.shared;
  const site = manifest.green?.applications.find(({ name }) => name === 'site');
  const rules = [
    before('open-paths.fallback', 'clock', runner, { seconds: -3600 }),
    before('migrations', 'clock', runner, { seconds: 7200 }),
    before('database.open', 'clock', runner, { seconds: -300 }),
    before('hold.schedule', 'clock', runner, { seconds: 3600 }),
    { service: 'ecs', operation: 'StopTask', kind: 'ignores-sigterm', target: manifest.blue?.workers[0]?.service },
    before('watch', 'flap', site?.targetGroup ?? '', { seconds: 20 }),
    before('traffic.proof', 'kill', manifest.green?.workers[0]?.service ?? ''),
  ];
  await faults('', 'POST', { rules });
  const from = Date.now();
  const text = await world.must(world.verb('cutover', ['--yes', '--go-at-gate']));
  const to = Date.now();
  const struck = (await faults('', 'GET')).rules;
  // where two rules hit one call, the first acts.
  expect(struck.filter(({ injected }) => injected === 0)).toEqual([]);
  await faults('', 'DELETE');

  expect(await world.look()).toMatchObject({ live: 'green', maintenance: false });
  await world.proveServedBy('2.0.0');
  expect(text).not.toMatch(/-\d+(\.\d+)? s\b/);
  const all = await events();
  // in order, and in the time that AWS had: whole seconds, as its answers tell it.
  for (const [n, { at }] of all.entries()) {
    expect(Date.parse(at)).toBeGreaterThanOrEqual(Date.parse(all[n - 1]?.at ?? '2000-01-01') - 2000);
    expect(Date.parse(at)).toBeLessThan(to + 2000);
  }
  for (const event of all) if (event.type === 'step.done') expect(event.seconds).toBeLessThan((to - from) / 1000);
  const ends = all.find((event) => event.type === 'step.done' && event.step === 'hold.schedule');
  const holdEndsAt = Date.parse(String((ends as { facts?: { holdEndsAt?: string } }).facts?.holdEndsAt));
  expect(Math.abs(holdEndsAt - to - 900_000)).toBeLessThan(60_000);
});

test('production gives up the feed: the status says so in red words by itself, and customers notice nothing', async () => {
  expect((await faults('/now', 'POST', { kind: 'slot', target: 'video-database' })).done).toContain('gave up its slots: switchback_w1');
  for (let n = 0; n < 5; n += 1) await world.proveServedBy('2.0.0');
  // the schedule looks every five minutes of AWS.
  const deadline = Date.now() + 120_000;
  for (;;) {
    const text = await world.must(world.verb('status'));
    if (text.includes('feed dead')) {
      expect(text).toContain('production gave the slot switchback_w1 up because the fallback was too far behind');
      expect(text).toMatch(/a rollback would leave what was written since \S+ \S+ \S+ behind \(--accept-loss\); production goes on/);
      expect(text).toContain('npm run rollback -- --accept-loss');
      break;
    }
    if (Date.now() > deadline) throw new Error(`the status does not say it: ${text}`);
  }
});

test('a rollback is refused before anything is down', async () => {
  const { code, text } = await world.verb('rollback', ['--yes']);
  expect(text).toContain(
    'rollback.loses-writes: a rollback without loss is not possible any more: production gave the slot switchback_w1 up',
  );
  expect(text).toMatch(/since the opening at least \d+ rows have changed \(public\.\w+: /);
  expect(text).toContain('Nothing was begun and nothing is down');
  expect(text).toContain('npm run rollback -- --accept-loss');
  expect(code).toBe(6);
  await world.proveServedBy('2.0.0');
});
