import type { Task } from '@aws-sdk/client-ecs';
import { ask, path } from './balancer-support';
import { alive, Cluster, portOf } from './ecs-support';
import { eventually } from './tiny';

let cluster: Cluster;
beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.stop());

const refused = (code: string, text = '') => expect.objectContaining({ code, message: expect.stringContaining(text) });
const elbv2 = (operation: string, input: object) => cluster.sandbox.call('elbv2', operation, input);
const byText = (one: string, other: string) => one.localeCompare(other);
const idsOf = (tasks: Task[]) => tasks.map((task) => task.taskArn ?? '').sort(byText);

/** A load balancer with a rule that forwards everything to a new target group. */
async function balanced(more: object = {}): Promise<{ port: number; group: string; loadBalancers: object[] }> {
  const made = await elbv2('CreateLoadBalancer', { Name: 'video', Subnets: ['subnet-1', 'subnet-2'] });
  const listener = await elbv2('CreateListener', {
    LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn,
    Protocol: 'HTTP',
    Port: 80,
    DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }],
  });
  const created = await elbv2('CreateTargetGroup', {
    Name: 'app',
    TargetType: 'ip',
    Port: 8080,
    Protocol: 'HTTP',
    HealthCheckPath: '/health',
    HealthCheckIntervalSeconds: 30,
    HealthyThresholdCount: 2,
    ...more,
  });
  const group = created.TargetGroups[0].TargetGroupArn;
  await elbv2('ModifyTargetGroupAttributes', {
    TargetGroupArn: group,
    Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '150' }],
  });
  await elbv2('CreateRule', {
    ListenerArn: listener.Listeners[0].ListenerArn,
    Priority: 1,
    Conditions: [path('/*')],
    Actions: [{ Type: 'forward', TargetGroupArn: group }],
  });
  return { port: listener.Listeners[0].Port, group, loadBalancers: [{ targetGroupArn: group, containerName: 'app', containerPort: 8080 }] };
}

test('a service brings up its count, one if it names none, and follows a new one', async () => {
  const definition = await cluster.definition('a');
  expect(await cluster.service('site', definition)).toMatchObject({ desiredCount: 1, status: 'ACTIVE' });
  await cluster.stable('site');
  await cluster.call('UpdateService', { service: 'site', desiredCount: 3 });
  await cluster.stable('site');
  expect(await cluster.running('site')).toHaveLength(3);
  const deployments = (await cluster.describe('site')).deployments!;
  expect(deployments).toHaveLength(1);
  await cluster.call('UpdateService', { service: 'site', desiredCount: 0 });
  const row = await cluster.stable('site');
  expect(row.deployments![0]!.id).toBe(deployments[0]!.id);
  expect(row.events!.map((event) => event.message)).toEqual(
    expect.arrayContaining([expect.stringContaining('has reached a steady state.')]),
  );
});

test('scaled to zero, a task that still ends its work is counted no more but is not STOPPED yet', async () => {
  cluster.image('worker/v1', {
    'server.js':
      "process.on('SIGTERM', () => setTimeout(() => process.exit(0), 600)); console.log('up ' + process.pid); setInterval(() => {}, 1000);",
  });
  await cluster.service('worker', await cluster.definition('worker', { image: 'worker:v1' }));
  const [line] = await eventually(async () => {
    const lines = await cluster.lines();
    return lines.length > 0 && lines;
  });
  await cluster.stable('worker');
  await cluster.call('UpdateService', { service: 'worker', desiredCount: 0 });
  await eventually(async () => (await cluster.describe('worker')).runningCount === 0);
  expect(alive(Number(line!.slice(3)))).toBe(true);
  const [task] = await cluster.tasks('worker');
  expect(task).toMatchObject({ lastStatus: 'STOPPING', desiredStatus: 'STOPPED' });
  expect((await cluster.stopped(task!.taskArn)).containers![0]!.exitCode).toBe(0);
});

test('CreateService refuses a target group that is in no listener rule', async () => {
  const { group } = await balanced();
  const other = (await elbv2('CreateTargetGroup', { Name: 'other', TargetType: 'ip', Port: 8080, Protocol: 'HTTP' })).TargetGroups[0]
    .TargetGroupArn;
  const definition = await cluster.definition('a');
  const create = (targetGroupArn: string, containerName = 'app', containerPort = 8080) =>
    cluster.service('site', definition, { loadBalancers: [{ targetGroupArn, containerName, containerPort }] });
  await expect(create(other)).rejects.toEqual(
    refused('InvalidParameterException', `The target group with targetGroupArn ${other} does not have an associated load balancer.`),
  );
  await expect(create(group, 'web')).rejects.toEqual(refused('InvalidParameterException', 'web'));
  await expect(create(group, 'app', 80)).rejects.toEqual(refused('InvalidParameterException', '80'));
  await create(group);
});

test('a rolling deployment waits for healthy targets, drains the old ones, and no request fails', async () => {
  const { port, loadBalancers } = await balanced();
  await cluster.service('site', await cluster.definition('a'), { desiredCount: 2, loadBalancers });
  await cluster.stable('site');
  const seen: string[] = [];
  let asking = true;
  const customers = (async () => {
    while (asking) seen.push((await ask(port, seen.length % 5 === 0 ? '/slow' : '/')).body);
  })();
  await eventually(() => seen.length > 10);
  await cluster.call('UpdateService', { service: 'site', taskDefinition: await cluster.definition('b') });
  const during = await cluster.describe('site');
  expect(during.deployments!.map((one) => [one.status, one.rolloutState])).toEqual([
    ['PRIMARY', 'IN_PROGRESS'],
    ['ACTIVE', 'COMPLETED'],
  ]);
  await eventually(async () => (await cluster.tasks('site')).some((task) => task.lastStatus === 'DEACTIVATING'));
  await cluster.stable('site');
  await eventually(() => seen.at(-1) === 'b');
  asking = false;
  await customers;
  expect([...new Set(seen)].sort()).toEqual(['a', 'b', 'slow a', 'slow b']);
});

test('forceNewDeployment replaces every task of an unchanged definition', async () => {
  const definition = await cluster.definition('a');
  await cluster.service('site', definition, { desiredCount: 2 });
  await cluster.stable('site');
  const before = idsOf(await cluster.running('site'));
  await cluster.call('UpdateService', { service: 'site', taskDefinition: definition });
  expect((await cluster.describe('site')).deployments).toHaveLength(1);
  await cluster.call('UpdateService', { service: 'site', forceNewDeployment: true });
  await cluster.stable('site');
  const after = idsOf(await cluster.running('site'));
  expect(after).toHaveLength(2);
  expect(after.filter((arn) => before.includes(arn!))).toEqual([]);
});

test('with 0 and 100 percent the old task is STOPPED before the new one starts', async () => {
  const deploymentConfiguration = { minimumHealthyPercent: 0, maximumPercent: 100 };
  await cluster.service('clock', await cluster.definition('clock'), { deploymentConfiguration });
  await cluster.stable('clock');
  const [old] = await cluster.running('clock');
  await cluster.call('UpdateService', { service: 'clock', forceNewDeployment: true });
  await cluster.stable('clock');
  const [now] = await cluster.running('clock');
  expect(now!.createdAt!.getTime()).toBeGreaterThanOrEqual((await cluster.task(old!.taskArn)).stoppedAt!.getTime());
});

test('a task that dies is replaced, at growing intervals', async () => {
  cluster.image('crash/v1', { 'server.js': 'process.exit(7)' });
  await cluster.service('crash', await cluster.definition('crash', { image: 'crash:v1' }));
  const tasks = await eventually(async () => {
    const ended = (await cluster.tasks('crash')).filter((task) => task.lastStatus === 'STOPPED');
    return ended.length >= 4 && ended;
  });
  expect(tasks[0]!.containers![0]!.exitCode).toBe(7);
  const created = tasks.map((task) => task.createdAt!.getTime()).sort((one, other) => one - other);
  expect(created[3]! - created[2]!).toBeGreaterThanOrEqual(450);
  expect(await cluster.describe('crash')).toMatchObject({ deployments: [{ rolloutState: 'IN_PROGRESS' }] });
});

test('the circuit breaker rolls a failing deployment back to the last one that worked', async () => {
  cluster.image('crash/v1', { 'server.js': 'process.exit(7)' });
  const good = await cluster.definition('a');
  const deploymentConfiguration = { deploymentCircuitBreaker: { enable: true, rollback: true } };
  await cluster.service('site', good, { deploymentConfiguration });
  await cluster.stable('site');
  const before = idsOf(await cluster.running('site'));
  await cluster.call('UpdateService', { service: 'site', taskDefinition: await cluster.definition('crash', { image: 'crash:v1' }) });
  const failed = await eventually(async () => {
    const found = (await cluster.describe('site')).events!.find((event) => event.message!.includes('rolling back'));
    return found && (await cluster.describe('site'));
  });
  expect(failed.taskDefinition).toBe(good);
  const row = await cluster.stable('site');
  expect(row.deployments![0]!.taskDefinition).toBe(good);
  expect(before.length).toBe(1);
});

test('without roll back the failed deployment stays, and starts nothing more', async () => {
  cluster.image('crash/v1', { 'server.js': 'process.exit(7)' });
  const deploymentConfiguration = { deploymentCircuitBreaker: { enable: true, rollback: false } };
  await cluster.service('crash', await cluster.definition('crash', { image: 'crash:v1' }), { deploymentConfiguration });
  const row = await eventually(async () => {
    const now = await cluster.describe('crash');
    return now.deployments![0]!.rolloutState === 'FAILED' && now;
  });
  expect(row.deployments![0]).toMatchObject({ failedTasks: 3, rolloutStateReason: expect.stringContaining('tasks failed to start') });
});

test('a container whose HEALTHCHECK fails is replaced', async () => {
  cluster.image('ill/v1', {
    'server.js': 'setInterval(() => {}, 1000);',
    'check.js': "process.exit(require('fs').existsSync('ill') ? 1 : 0)",
  });
  const healthCheck = { command: ['CMD-SHELL', 'node check.js'], interval: 5, retries: 1 };
  await cluster.service('ill', await cluster.definition('ill', { image: 'ill:v1', healthCheck }));
  await cluster.stable('ill');
  const [task] = await cluster.running('ill');
  expect(task!.healthStatus).toBe('HEALTHY');
  cluster.image('ill/v1', { ill: '' });
  expect(await cluster.stopped(task!.taskArn)).toMatchObject({
    healthStatus: 'UNHEALTHY',
    stopCode: 'ServiceSchedulerInitiated',
    stoppedReason: 'Task failed container health checks',
  });
});

test('a task whose target becomes unhealthy is replaced', async () => {
  const { port, group, loadBalancers } = await balanced();
  await cluster.service('site', await cluster.definition('a'), { loadBalancers });
  await cluster.stable('site');
  const [task] = await cluster.running('site');
  await elbv2('ModifyTargetGroup', { TargetGroupArn: group, HealthCheckPath: '/env', Matcher: { HttpCode: '418' } });
  expect((await cluster.stopped(task!.taskArn)).stoppedReason).toMatch(/^Task failed ELB health checks/);
  await elbv2('ModifyTargetGroup', { TargetGroupArn: group, HealthCheckPath: '/health', Matcher: { HttpCode: '200' } });
  await eventually(async () => (await ask(port)).status === 200);
});

test('a service is deleted when its tasks are gone, and then nothing can be changed', async () => {
  const definition = await cluster.definition('a');
  await cluster.service('site', definition);
  await cluster.stable('site');
  const remove = (force?: boolean) => cluster.call('DeleteService', { service: 'site', force });
  await expect(cluster.service('site', definition)).rejects.toEqual(refused('InvalidParameterException', 'idempotent'));
  await expect(remove()).rejects.toEqual(refused('InvalidParameterException', 'scaled above 0'));
  await expect(cluster.call('DeleteCluster', { cluster: 'video' })).rejects.toEqual(refused('ClusterContainsServicesException'));
  expect((await remove(true)).service).toMatchObject({ status: 'DRAINING', desiredCount: 0 });
  await expect(cluster.call('UpdateService', { service: 'site', desiredCount: 1 })).rejects.toEqual(refused('ServiceNotActiveException'));
  await eventually(async () => (await cluster.describe('site')).status === 'INACTIVE');
  expect((await cluster.call('ListServices', {})).serviceArns).toEqual([]);
  await expect(cluster.call('UpdateService', { service: 'site', desiredCount: 1 })).rejects.toEqual(refused('ServiceNotFoundException'));
  expect(await cluster.call('DescribeServices', { services: ['none'] })).toMatchObject({ services: [], failures: [{ reason: 'MISSING' }] });
  await cluster.service('site', definition);
});

test('after a restart of the sandbox services are back at their count with new tasks, behind the same port', async () => {
  const { port, group, loadBalancers } = await balanced();
  await cluster.service('site', await cluster.definition('a'), { desiredCount: 2, loadBalancers });
  await cluster.stable('site');
  const before = await cluster.running('site');
  cluster.sandbox = await cluster.sandbox.restart();
  await eventually(async () => (await ask(port).catch(() => undefined))?.body === 'a');
  await eventually(async () => (await cluster.running('site')).length === 2);
  const after = await cluster.running('site');
  expect(after.map((task) => task.taskArn)).not.toEqual(expect.arrayContaining(before.map((task) => task.taskArn)));
  const { TargetHealthDescriptions } = await elbv2('DescribeTargetHealth', { TargetGroupArn: group });
  const serving = TargetHealthDescriptions.filter((one: { TargetHealth: { State: string } }) => one.TargetHealth.State !== 'draining');
  expect(serving.map((one: { Target: { Port: number } }) => String(one.Target.Port)).sort(byText)).toEqual(
    after.map((task) => String(portOf(task))).sort(byText),
  );
});

test('tags are kept', async () => {
  const service = await cluster.service('site', await cluster.definition('a'), { tags: [{ key: 'a', value: '1' }] });
  await cluster.call('TagResource', { resourceArn: service.serviceArn, tags: [{ key: 'b', value: '2' }] });
  await cluster.call('UntagResource', { resourceArn: service.serviceArn, tagKeys: ['a'] });
  expect((await cluster.call('ListTagsForResource', { resourceArn: service.serviceArn })).tags).toEqual([{ key: 'b', value: '2' }]);
});
