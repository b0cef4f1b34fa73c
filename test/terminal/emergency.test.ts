import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { emergencyParameter } from '../../lib/manifest/emergency';
import { type CountingProxy, countingProxy } from '../../packages/rehearsal/lib/bench/counting-proxy';
import { type RulesWorld, rulesWorld } from '../../packages/rehearsal/lib/bench/rules-world';
import { askFaults } from '../../packages/sandbox/lib/faults/ask';
import { sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';
import { eventually } from '../../packages/sandbox/test/tiny';

const root = join(__dirname, '../..');
let sandbox: TestSandbox;
let proxy: CountingProxy;
let world: RulesWorld;
beforeAll(async () => {
  sandbox = await sandboxForTest();
  world = await rulesWorld(sandbox, 'video', 4);
  proxy = await countingProxy(sandbox.endpoint);
});
afterAll(async () => {
  await proxy?.stop();
  await sandbox?.stop();
});
beforeEach(async () => {
  await world.greenInFront();
  proxy.take();
});
afterEach(() => faults());

const parameter = async () =>
  JSON.parse((await sandbox.call('ssm', 'GetParameter', { Name: emergencyParameter('video') })).Parameter.Value) as typeof world.emergency;

const write = (value: object) =>
  sandbox.call('ssm', 'PutParameter', { Name: emergencyParameter('video'), Value: JSON.stringify(value), Overwrite: true });

const faults = (...rules: object[]) => askFaults(sandbox.env, 'POST', '', { rules });

/** The command as people type it. */
async function rollback(...flags: string[]) {
  const by = flags.includes('--by') ? [] : ['--by', 'ada'];
  const args = ['--import', 'tsx', join(root, 'scripts/verb.ts'), 'rollback', '--traffic-only', '--json', ...by, ...flags];
  const env = { ...process.env, ...sandbox.env, AWS_ENDPOINT_URL: proxy.endpoint };
  const ran = await promisify(execFile)(process.execPath, args, { cwd: root, env }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => ({ code: error.code, stdout: error.stdout }),
  );
  const events = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code: ran.code, events, calls: proxy.take().map(({ operation }) => operation) };
}

test('a name and a reason are text, in the parameter and on the screen', async () => {
  await rollback('--yes', '--system', 'video', '--by', 'ada\u001b]0;title\u0007\r\nroot', '--reason', '\u001b[3Aworse\u202e');
  expect((await parameter()).used).toMatchObject({ by: 'ada root', reason: 'worse' });
});

test('the old color is in front after three calls, and the run that may be under way is told afterwards', async () => {
  const { code, events, calls } = await rollback('--yes', '--system', 'video');
  expect(events[0]).toMatchObject({ event: 'rollback.traffic-only', system: 'video', window: 'w1', live: 'blue', rules: 4 });
  expect(code).toBe(0);
  expect(await world.isBack()).toBe(true);
  // no identity, no journal, no runner, no database.
  expect(calls).toEqual(['GetParameter', 'DescribeRules', 'SetRulePriorities', 'PutParameter', 'DescribeRules']);
  expect((await parameter()).used).toMatchObject({ by: 'ada' });
});

test('maintenance that is in front is parked in the same call', async () => {
  await world.greenInFront(true);
  const { events, calls } = await rollback('--yes', '--system', 'video');
  expect(events[0]).toMatchObject({ rules: 8 });
  expect(calls.filter((call) => call === 'SetRulePriorities')).toHaveLength(1);
  expect(await world.isBack()).toBe(true);
});

test('without a name the only system with an open window is meant; done twice it moves nothing', async () => {
  await rollback('--yes');
  const { code, events, calls } = await rollback('--yes');
  expect({ code, rules: events[0]?.['rules'] }).toEqual({ code: 0, rules: 0 });
  expect(calls.slice(0, 2)).toEqual(['GetParametersByPath', 'DescribeRules']);
});

test('it asks before it moves anything, and refuses where nobody can be asked', async () => {
  const { code, events, calls } = await rollback('--system', 'video');
  expect({ code, event: events[0]?.['code'] }).toEqual({ code: 2, event: 'confirm.no-terminal' });
  expect(calls).toEqual(['GetParameter']);
  expect(await world.isBack()).toBe(false);
});

describe('while somebody thinks about the question', () => {
  /** What they see once `meanwhile` has happened and they have typed the answer. */
  async function answeredAfter(meanwhile: () => Promise<unknown>): Promise<{ code: number; screen: string }> {
    const atTerminal = 'data:text/javascript,process.stdin.isTTY=process.stderr.isTTY=true';
    const args = [
      '--import',
      'tsx',
      '--import',
      atTerminal,
      join(root, 'scripts/verb.ts'),
      'rollback',
      '--traffic-only',
      '--system',
      'video',
    ];
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...sandbox.env, AWS_ENDPOINT_URL: proxy.endpoint } });
    let screen = '';
    child.stderr.on('data', (data) => {
      screen += data;
    });
    await eventually(() => screen.includes('Type video to go on'));
    await meanwhile();
    child.stdin.write('video\n');
    const [code] = await once(child, 'exit');
    return { code, screen };
  }

  // The color to go back to is being deleted by then.
  test('a window that is closed is not gone back to', async () => {
    const window = await parameter();
    const { code, screen } = await answeredAfter(() => write({ ...window, window: undefined }));
    await write(window);
    expect(screen).toContain('w1 of video was closed while you were asked');
    expect(screen).toContain('Nothing was moved.');
    expect({ code, back: await world.isBack() }).toEqual({ code: 2, back: false });
  });

  test('what can no longer be looked up is as it was, and the rules move', async () => {
    const { code } = await answeredAfter(() => faults({ service: 'ssm', operation: 'GetParameter', kind: 'error', rate: 1 }));
    expect({ code, back: await world.isBack() }).toEqual({ code: 0, back: true });
  });
});

test('without an open window there is nothing to go back to', async () => {
  const { code, events } = await rollback('--yes', '--system', 'other');
  expect({ code, event: events[0]?.['code'] }).toEqual({ code: 2, event: 'emergency.no-window' });
});

describe('when AWS does not do as it is asked', () => {
  const moving = { service: 'elbv2', operation: 'SetRulePriorities' };

  test('a lost answer is looked at: what has moved is not moved again', async () => {
    // both attempts of the SDK.
    await faults({ ...moving, kind: 'lost', times: 2 });
    const { code, events, calls } = await rollback('--yes', '--system', 'video');
    expect(events.map(({ event, rules }) => [event, rules])).toEqual([
      ['rollback.traffic-only.again', undefined],
      ['rollback.traffic-only', 0],
      ['rollback.traffic-only.next', undefined],
    ]);
    expect({ code, calls: calls.slice(0, 3) }).toEqual({ code: 0, calls: ['GetParameter', 'DescribeRules', 'DescribeRules'] });
    expect(await world.isBack()).toBe(true);
  });

  test('refused for load it asks again, as long as a journal would', async () => {
    // six tries, as the journal's, and each is asked of AWS once.
    await faults({ ...moving, kind: 'throttle', times: 5 });
    const { code } = await rollback('--yes', '--system', 'video');
    expect({ code, back: await world.isBack() }).toEqual({ code: 0, back: true });
  });

  test('an answer that never comes ends as unknown, not as a fault of Switchback', async () => {
    await faults({ ...moving, kind: 'error', rate: 1 });
    const { code, events } = await rollback('--yes', '--system', 'video');
    expect(events.at(-1)).toMatchObject({
      ...{ event: 'error', code: 'emergency.unanswered', exit: 7 },
      next: ['the same command again: it looks before it moves anything', 'npm run status'],
    });
    expect(code).toBe(7);
  });

  test('the rules are moved although the run cannot be told; why somebody did it is told where it can', async () => {
    await rollback('--yes', '--system', 'video', '--reason', 'checkout is down');
    expect((await parameter()).used).toMatchObject({ by: 'ada', reason: 'checkout is down' });
    await world.greenInFront();
    await faults({ service: 'ssm', operation: 'PutParameter', kind: 'refuse', rate: 1 });
    const { code, events } = await rollback('--yes', '--system', 'video');
    expect(events.map(({ event }) => event)).toContain('rollback.traffic-only.not-noted');
    expect({ code, back: await world.isBack() }).toEqual({ code: 0, back: true });
  });
});
