import { handler } from '../../../lib/constructs/handlers/rules.lambda';
import type { RuleDefinition } from '../../../lib/constructs/properties';
import { type Balancer, type Bench, startBench } from './balancer';
import { CloudFormation } from './cloudformation';

let all: Bench;
let bench: Balancer;
let cloudFormation: CloudFormation;
let groups: Record<string, string>;
beforeAll(async () => {
  [all, cloudFormation] = [await startBench(), await CloudFormation.of(handler)];
});
beforeEach(async () => {
  bench = await all.balancer();
  groups = { blue: await bench.targetGroup('blue'), green: await bench.targetGroup('green') };
});
afterAll(async () => {
  await cloudFormation.stop();
  await all.sandbox.stop();
});

const apps = ['/watch/*', '/api/*', '/*'];
/** The rules of a system whose first path stays open. */
function properties(owner: 'blue' | 'green' | 'maintenance', paths: readonly string[] = apps) {
  const rules = paths.flatMap((path, Slot): RuleDefinition[] => {
    const open = path.startsWith('/watch');
    const rule = { Application: path.replace(/\W/g, '') || 'site', Slot, Paths: [path] };
    if (owner === 'maintenance')
      return open ? [] : [{ ...rule, Kind: 'maintenance', Response: { Status: '503', ContentType: 'text/plain', Body: 'back soon' } }];
    const forward = { ...rule, TargetGroup: groups[owner]! };
    return [
      { ...forward, Kind: open ? 'open' : 'application' },
      { ...forward, Kind: 'key', Header: { Name: 'x-switchback', Value: owner } },
    ];
  });
  return { System: 'shop', Owner: owner, Listener: bench.listener, LoadBalancer: bench.loadBalancer, FirstPriority: 1000, Rules: rules };
}

async function wholeSystem() {
  const maintenance = await cloudFormation.create(properties('maintenance'));
  const blue = await cloudFormation.create(properties('blue'));
  const green = await cloudFormation.create(properties('green'));
  return { maintenance, blue, green };
}

test('a system nobody has opened yet answers maintenance, with blue before green and keys before everything', async () => {
  await wholeSystem();
  expect(await bench.rules()).toEqual([
    '1000 /watch/* x-switchback=blue',
    '1001 /api/* x-switchback=blue',
    '1002 /* x-switchback=blue',
    '1050 /watch/* x-switchback=green',
    '1051 /api/* x-switchback=green',
    '1052 /* x-switchback=green',
    '1200 /watch/*',
    '1300 /watch/*',
    '1401 /api/*',
    '1402 /*',
    '1601 /api/*',
    '1602 /*',
    '1701 /api/*',
    '1702 /*',
  ]);
});

test('the answer carries each rule’s name and the address customers use now', async () => {
  const { Status, Data } = await cloudFormation.create(properties('blue', ['/*']));
  expect(Status).toBe('SUCCESS');
  const { Listeners } = await all.sandbox.call('elbv2', 'DescribeListeners', { ListenerArns: [bench.listener] });
  expect(Data).toEqual({
    Address: `http://localhost:${Listeners[0].Port}`,
    application0: expect.stringMatching(/^[0-9a-f]{16}$/),
    key0: expect.stringMatching(/^[0-9a-f]{16}$/),
  });
});

test('the rules of forty-five applications fit into an answer of CloudFormation', async () => {
  const answer = await cloudFormation.create(
    properties(
      'blue',
      Array.from({ length: 45 }, (_, i) => `/app${i}`),
    ),
  );
  expect(JSON.stringify(answer).length).toBeLessThan(4096);
});

test('run again after a lost answer, it finds what it made', async () => {
  const first = await cloudFormation.create(properties('green'));
  const before = await bench.rules();
  expect((await cloudFormation.create(properties('green'))).Data).toEqual(first.Data);
  expect(await bench.rules()).toEqual(before);
});

test('an update never moves a rule that a runbook has moved', async () => {
  const { green, maintenance } = await wholeSystem();
  for (const [from, to] of [
    [1300, 1100],
    [1701, 1501],
    [1702, 1502],
    [1401, 1801],
    [1402, 1802],
  ] as const)
    await bench.move(from, to);
  const before = await bench.rules();
  expect((await cloudFormation.update(green.PhysicalResourceId, properties('green'))).Status).toBe('SUCCESS');
  expect((await cloudFormation.update(maintenance.PhysicalResourceId, properties('maintenance'))).Status).toBe('SUCCESS');
  expect(await bench.rules()).toEqual(before);
});

test('green that is made again while it is live stands in front, and new maintenance rules join the parked ones', async () => {
  const { green, maintenance } = await wholeSystem();
  for (const [from, to] of [
    [1300, 1100],
    [1701, 1501],
    [1702, 1502],
    [1401, 1801],
    [1402, 1802],
  ] as const)
    await bench.move(from, to);
  const more = ['/watch/*', '/api/*', '/admin/*', '/*'];
  await cloudFormation.update(maintenance.PhysicalResourceId, properties('maintenance', more));
  await cloudFormation.update(green.PhysicalResourceId, properties('green', more));
  const rules = await bench.rules();
  expect(rules).toEqual(
    expect.arrayContaining(['1801 /api/*', '1802 /admin/*', '1803 /*', '1501 /api/*', '1502 /admin/*', '1503 /*', '1100 /watch/*']),
  );
  expect(rules.filter((rule) => /^1[47]/.test(rule))).toEqual([]);
});

test('applications may change their order, their conditions, and go', async () => {
  const { green } = await wholeSystem();
  const answer = await cloudFormation.update(green.PhysicalResourceId, properties('green', ['/*', '/api/*']));
  expect(answer.Status).toBe('SUCCESS');
  expect((await bench.rules()).filter((rule) => /^1(05|3|7)/.test(rule))).toEqual([
    '1050 /* x-switchback=green',
    '1051 /api/* x-switchback=green',
    '1700 /*',
    '1701 /api/*',
  ]);
});

test('deleting removes its own rules, and is done when the listener is gone', async () => {
  const { green, blue } = await wholeSystem();
  expect((await cloudFormation.delete(green.PhysicalResourceId, properties('green'))).Status).toBe('SUCCESS');
  expect((await bench.rules()).filter((rule) => /^1(05|3|7)/.test(rule))).toEqual([]);
  expect(await bench.rules()).toHaveLength(8);
  await all.sandbox.call('elbv2', 'DeleteListener', { ListenerArn: bench.listener });
  const answer = await cloudFormation.delete(blue.PhysicalResourceId, properties('blue'));
  expect(answer).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: blue.PhysicalResourceId });
});

test('a priority that somebody else uses is named, with what to do', async () => {
  await all.sandbox.call('elbv2', 'CreateRule', {
    ListenerArn: bench.listener,
    Priority: 1601,
    Conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/theirs'] } }],
    Actions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '200' } }],
  });
  const { Status, Reason } = await cloudFormation.create(properties('blue'));
  expect(Status).toBe('FAILED');
  expect(Reason).toMatch(/^priority 1601 of the listener is taken by .* give Switchback other priorities with firstPriority/);
});

test('what was made half goes when CloudFormation rolls back', async () => {
  const wrong = properties('blue');
  wrong.Rules.at(-1)!.TargetGroup = 'arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/none/1';
  const { Status, PhysicalResourceId } = await cloudFormation.create(wrong);
  expect(Status).toBe('FAILED');
  expect(await bench.rules()).not.toEqual([]);
  expect((await cloudFormation.delete(PhysicalResourceId, wrong)).Status).toBe('SUCCESS');
  expect(await bench.rules()).toEqual([]);
});

test('the response URL is asked again when it does not listen', async () => {
  cloudFormation.refusals = 1;
  expect((await cloudFormation.create(properties('blue', ['/*']))).Status).toBe('SUCCESS');
});
