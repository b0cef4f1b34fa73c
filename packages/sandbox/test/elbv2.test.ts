import type { Rule } from '@aws-sdk/client-elastic-load-balancing-v2';
import { elbv2 } from '../lib/services/elbv2';
import { ask, Bench, fixed, path, subnets, to } from './balancer-support';
import { eventually, tinySandbox } from './tiny';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start();
});
afterEach(() => bench.stop());

const refused = (code: string, text = '') => expect.objectContaining({ code, message: expect.stringContaining(text) });
const priorities = async (): Promise<string[]> => {
  const { Rules } = await bench.call('DescribeRules', { ListenerArn: bench.listener });
  return Rules.map((rule: Rule) => `${rule.Priority} ${rule.Actions![0]!.FixedResponseConfig?.MessageBody ?? 'forward'}`);
};

test('rules are listed by priority, the default last, in pages', async () => {
  for (const priority of [30, 4, 200]) await bench.rule(priority, [path(`/${priority}`)], fixed(`r${priority}`));
  expect(await priorities()).toEqual(['4 r4', '30 r30', '200 r200', 'default default']);
  const seen: string[] = [];
  let marker: string | undefined;
  do {
    const found = await bench.call('DescribeRules', { ListenerArn: bench.listener, PageSize: 3, Marker: marker });
    seen.push(...found.Rules.map((rule: Rule) => rule.Priority));
    marker = found.NextMarker;
  } while (marker);
  expect(seen).toEqual(['4', '30', '200', 'default']);
});

test('SetRulePriorities moves all rules or none, and may permute', async () => {
  const [one, two] = [await bench.rule(1, [path('/*')], fixed('one')), await bench.rule(2, [path('/*')], fixed('two'))];
  await bench.rule(3, [path('/*')], fixed('three'));
  const move = (...pairs: [string, number][]) =>
    bench.call('SetRulePriorities', { RulePriorities: pairs.map(([RuleArn, Priority]) => ({ RuleArn, Priority })) });
  await expect(move([one, 50], [two, 3])).rejects.toEqual(refused('PriorityInUse', "'3'"));
  await expect(move([one, 50], [two, 50])).rejects.toEqual(refused('PriorityInUse', "'50'"));
  await expect(move([one, 50], [`${two}0`, 60])).rejects.toEqual(refused('RuleNotFound'));
  await expect(move([one, 0])).rejects.toEqual(refused('ValidationError', "'0'"));
  expect(await priorities()).toEqual(['1 one', '2 two', '3 three', 'default default']);
  await move([one, 2], [two, 1]);
  expect(await priorities()).toEqual(['1 two', '2 one', '3 three', 'default default']);
  await eventually(async () => (await ask(bench.port)).body === 'two');
});

test('an accepted change is not seen at once: changes are collected, and a batch lands whole', async () => {
  const slow = await Bench.start({ speed: 10 });
  try {
    const [one, two] = [await slow.rule(1, [path('/one')], fixed('old')), await slow.rule(2, [path('/two')], fixed('old'))];
    const seen = () => Promise.all(['/one', '/two'].map(async (at) => (await ask(slow.port, at)).body));
    await eventually(async () => (await seen()).join() === 'old,old');
    await Promise.all([one, two].map((RuleArn) => slow.call('ModifyRule', { RuleArn, Actions: [fixed('new')] })));
    const { Rules } = await slow.call('DescribeRules', { RuleArns: [one, two] });
    expect(Rules.map((rule: { Actions: { FixedResponseConfig: object }[] }) => rule.Actions[0]?.FixedResponseConfig)).toEqual([
      expect.objectContaining({ MessageBody: 'new' }),
      expect.objectContaining({ MessageBody: 'new' }),
    ]);
    expect(await seen()).toEqual(['old', 'old']);
    await eventually(async () => (await ask(slow.port, '/one')).body === 'new');
    expect((await ask(slow.port, '/two')).body).toBe('new');
  } finally {
    await slow.stop();
  }
});

test('what AWS refuses in a rule is refused with its code', async () => {
  const create = (more: object) =>
    bench.call('CreateRule', { ListenerArn: bench.listener, Priority: 1, Conditions: [path('/a')], Actions: [fixed('a')], ...more });
  await expect(create({ Actions: [fixed('x'.repeat(1025))] })).rejects.toEqual(refused('ValidationError', '1024'));
  await expect(create({ Actions: [fixed('x', '301')] })).rejects.toEqual(refused('ValidationError', "'301'"));
  await expect(create({ Conditions: [path('/1', '/2', '/3'), { Field: 'host-header', Values: ['a', 'b', 'c'] }] })).rejects.toEqual(
    refused('ValidationError', "'5' condition values"),
  );
  await expect(create({ Conditions: [path('/*/*/*/*/*/*')] })).rejects.toEqual(refused('ValidationError', 'wildcards'));
  await expect(create({ Conditions: [] })).rejects.toEqual(refused('ValidationError', 'at least one condition'));
  await expect(create({ Priority: 50_001 })).rejects.toEqual(refused('ValidationError', "'50001'"));
  await expect(create({ Actions: [to('arn:aws:none')] })).rejects.toEqual(refused('TargetGroupNotFound', 'arn:aws:none'));
  await expect(create({ ListenerArn: 'arn:aws:none' })).rejects.toEqual(refused('ListenerNotFound', 'arn:aws:none'));
  await expect(create({ Actions: [{ Type: 'redirect', RedirectConfig: { StatusCode: 'HTTP_301' } }] })).rejects.toEqual(
    refused('InvalidLoadBalancerAction'),
  );
  const rule = await create({});
  await expect(create({})).rejects.toEqual(refused('PriorityInUse', "'1'"));
  await expect(bench.call('DescribeRules', { RuleArns: [rule.Rules[0].RuleArn, 'arn:aws:none'] })).rejects.toEqual(refused('RuleNotFound'));
});

test('a load balancer has at most 100 rules', async () => {
  for (let priority = 1; priority <= 100; priority++) await bench.rule(priority, [path('/a')], fixed('a'));
  await expect(bench.rule(101, [path('/a')], fixed('a'))).rejects.toEqual(refused('TooManyRules'));
});

test('ModifyRule replaces the whole list it is given and leaves the other', async () => {
  const arn = await bench.rule(1, [path('/a'), { Field: 'host-header', Values: ['a'] }], fixed('a'));
  await bench.call('ModifyRule', { RuleArn: arn, Conditions: [path('/b')] });
  const { Rules } = await bench.call('DescribeRules', { RuleArns: [arn] });
  expect(Rules[0]).toMatchObject({
    Conditions: [{ Field: 'path-pattern', Values: ['/b'], PathPatternConfig: { Values: ['/b'] } }],
    Actions: [{ FixedResponseConfig: { MessageBody: 'a' } }],
  });
});

test('the default rule stays: no deletion, no priority, changed through its listener', async () => {
  const { Rules } = await bench.call('DescribeRules', { ListenerArn: bench.listener });
  const arn = Rules[0].RuleArn;
  expect(Rules[0].IsDefault).toBe(true);
  await expect(bench.call('DeleteRule', { RuleArn: arn })).rejects.toEqual(refused('OperationNotPermitted'));
  await expect(bench.call('SetRulePriorities', { RulePriorities: [{ RuleArn: arn, Priority: 1 }] })).rejects.toEqual(
    refused('OperationNotPermitted'),
  );
  await bench.call('ModifyListener', { ListenerArn: bench.listener, DefaultActions: [fixed('changed', '503')] });
  expect(await priorities()).toEqual(['default changed']);
  await eventually(async () => (await ask(bench.port)).status === 503);
});

test('a target group belongs to one load balancer and cannot be deleted while a rule names it', async () => {
  const group = await bench.group('app');
  const rule = await bench.rule(1, [path('/*')], to(group));
  const described = await bench.call('DescribeTargetGroups', { LoadBalancerArn: bench.loadBalancer });
  expect(described.TargetGroups).toEqual([expect.objectContaining({ TargetGroupArn: group, LoadBalancerArns: [bench.loadBalancer] })]);
  await expect(bench.call('DeleteTargetGroup', { TargetGroupArn: group })).rejects.toEqual(refused('ResourceInUse', group));
  const other = await bench.call('CreateLoadBalancer', { Name: 'other', Subnets: ['subnet-1', 'subnet-2'] });
  const listener = { LoadBalancerArn: other.LoadBalancers[0].LoadBalancerArn, Protocol: 'HTTP', Port: 80, DefaultActions: [to(group)] };
  await expect(bench.call('CreateListener', listener)).rejects.toEqual(refused('TargetGroupAssociationLimit', group));
  await bench.call('DeleteRule', { RuleArn: rule });
  await bench.call('DeleteTargetGroup', { TargetGroupArn: group });
  await expect(bench.call('DescribeTargetGroups', { TargetGroupArns: [group] })).rejects.toEqual(refused('TargetGroupNotFound', group));
});

test('a load balancer is provisioning, then active; deletion takes its listeners and rules with it', async () => {
  const made = await bench.call('CreateLoadBalancer', { Name: 'second', Subnets: ['subnet-1', 'subnet-2'] });
  const row = made.LoadBalancers[0];
  expect(row).toMatchObject({ DNSName: 'localhost', State: { Code: 'provisioning' }, VpcId: 'vpc-1' });
  await eventually(async () => (await bench.call('DescribeLoadBalancers', { Names: ['second'] })).LoadBalancers[0].State.Code === 'active');
  await bench.rule(1, [path('/*')], fixed('a'));
  await bench.call('ModifyLoadBalancerAttributes', {
    LoadBalancerArn: bench.loadBalancer,
    Attributes: [{ Key: 'deletion_protection.enabled', Value: 'true' }],
  });
  const remove = () => bench.call('DeleteLoadBalancer', { LoadBalancerArn: bench.loadBalancer });
  await expect(remove()).rejects.toEqual(refused('OperationNotPermitted', 'deletion protection'));
  await bench.call('ModifyLoadBalancerAttributes', {
    LoadBalancerArn: bench.loadBalancer,
    Attributes: [{ Key: 'deletion_protection.enabled', Value: 'false' }],
  });
  await remove();
  await expect(bench.call('DescribeRules', { ListenerArn: bench.listener })).rejects.toEqual(refused('ListenerNotFound'));
  await expect(ask(bench.port)).rejects.toThrow('ECONNREFUSED');
  await remove();
});

test('the listener tells the port it really has, and keeps it when the sandbox starts again', async () => {
  const second = { LoadBalancerArn: bench.loadBalancer, Protocol: 'HTTP', Port: bench.port, DefaultActions: [fixed('second')] };
  const { Listeners } = await bench.call('CreateListener', second);
  expect(Listeners[0].Port).not.toBe(bench.port);
  await expect(bench.call('CreateListener', { ...second, Port: 80 })).rejects.toEqual(refused('DuplicateListener'));
  await bench.rule(1, [path('/kept')], fixed('kept'));
  const group = await bench.group('app');
  const target = await bench.target((_incoming, response) => void response.end('from the target'));
  await bench.rule(2, [path('/app')], to(group));
  await bench.register(group, target.port);
  const again = await bench.sandbox.restart();
  try {
    expect((await ask(bench.port, '/kept')).body).toBe('kept');
    expect((await ask(Listeners[0].Port)).body).toBe('second');
    await eventually(async () => (await ask(bench.port, '/app')).body === 'from the target');
  } finally {
    await again.stop();
  }
});

test('tags and attributes are kept, unknown attributes refused', async () => {
  const group = await bench.group('app');
  await bench.call('AddTags', { ResourceArns: [group], Tags: [{ Key: 'a', Value: '1' }] });
  await bench.call('AddTags', { ResourceArns: [group], Tags: [{ Key: 'a', Value: '2' }] });
  const { TagDescriptions } = await bench.call('DescribeTags', { ResourceArns: [group, bench.loadBalancer] });
  expect(TagDescriptions.map((one: { Tags: object[] }) => one.Tags)).toEqual([[{ Key: 'a', Value: '2' }], []]);
  const change = (Key: string, Value: string) =>
    bench.call('ModifyTargetGroupAttributes', { TargetGroupArn: group, Attributes: [{ Key, Value }] });
  await expect(change('no.such.attribute', '1')).rejects.toEqual(refused('ValidationError', 'no.such.attribute'));
  await expect(change('deregistration_delay.timeout_seconds', '3601')).rejects.toEqual(refused('ValidationError', '3601'));
});

test('nothing listens after a stop', async () => {
  const sandbox = await tinySandbox({ elbv2, ec2: subnets });
  const made = await sandbox.call('elbv2', 'CreateLoadBalancer', { Name: 'a', Subnets: ['subnet-1', 'subnet-2'] });
  const { Listeners } = await sandbox.call('elbv2', 'CreateListener', {
    LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn,
    Protocol: 'HTTP',
    Port: 80,
    DefaultActions: [fixed('a')],
  });
  await sandbox.stop();
  await expect(ask(Listeners[0].Port)).rejects.toThrow('ECONNREFUSED');
});
