/** The same over HTTP, through the SDK's own clients and waiters, against a whole sandbox. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ECS, waitUntilServicesStable, waitUntilTasksRunning } from '@aws-sdk/client-ecs';
import { ElasticLoadBalancingV2 } from '@aws-sdk/client-elastic-load-balancing-v2';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';
import { ask } from './balancer-support';
import { network } from './ecs-support';
import { eventually } from './tiny';

let sandbox: TestSandbox;
let ecs: ECS;
let elbv2: ElasticLoadBalancingV2;
const images = mkdtempSync(join(tmpdir(), 'switchback-images-'));
const fast = { minDelay: 1, maxDelay: 1, maxWaitTime: 20 };

beforeAll(async () => {
  mkdirSync(join(images, 'app/v1'), { recursive: true });
  const source = "require('http').createServer((_, response) => response.end('served')).listen(process.env.PORT, process.env.HOST)";
  writeFileSync(join(images, 'app/v1/server.js'), source);
  sandbox = await sandboxForTest({ images });
  ecs = new ECS(clientConfig(sandbox));
  elbv2 = new ElasticLoadBalancingV2(clientConfig(sandbox));
});
afterAll(async () => {
  ecs.destroy();
  elbv2.destroy();
  await sandbox.stop();
  rmSync(images, { recursive: true, force: true });
});

test('a service behind a load balancer, from its network to its answer', async () => {
  const { Vpc } = await sandbox.call('ec2', 'CreateVpc', { CidrBlock: '10.0.0.0/16' });
  const subnets: string[] = [];
  for (const index of [1, 2]) {
    const made = await sandbox.call('ec2', 'CreateSubnet', {
      VpcId: Vpc.VpcId,
      CidrBlock: `10.0.${index}.0/24`,
      AvailabilityZone: `eu-central-1${'ab'[index - 1]}`,
    });
    subnets.push(made.Subnet.SubnetId);
  }
  const balancer = (await elbv2.createLoadBalancer({ Name: 'video', Subnets: subnets })).LoadBalancers![0]!;
  expect(balancer).toMatchObject({
    DNSName: 'localhost',
    VpcId: Vpc.VpcId,
    State: { Code: 'provisioning' },
    CreatedTime: expect.any(Date),
  });
  const listener = (
    await elbv2.createListener({
      LoadBalancerArn: balancer.LoadBalancerArn,
      Protocol: 'HTTP',
      Port: 80,
      DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '503' } }],
    })
  ).Listeners![0]!;
  const group = (
    await elbv2.createTargetGroup({ Name: 'app', TargetType: 'ip', Protocol: 'HTTP', Port: 8080, VpcId: Vpc.VpcId, HealthCheckPath: '/' })
  ).TargetGroups![0]!;
  await elbv2.createRule({
    ListenerArn: listener.ListenerArn,
    Priority: 10,
    Conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/*'] } }],
    Actions: [{ Type: 'forward', TargetGroupArn: group.TargetGroupArn }],
  });
  await ecs.createCluster({ clusterName: 'video' });
  await sandbox.call('logs', 'CreateLogGroup', { logGroupName: '/app' });
  await ecs.registerTaskDefinition({
    family: 'app',
    networkMode: 'awsvpc',
    requiresCompatibilities: ['FARGATE'],
    cpu: '256',
    memory: '512',
    containerDefinitions: [{ name: 'app', image: 'app:v1', command: ['node', 'server.js'], portMappings: [{ containerPort: 8080 }] }],
  });
  await ecs.createService({
    cluster: 'video',
    serviceName: 'site',
    taskDefinition: 'app',
    networkConfiguration: network,
    loadBalancers: [{ targetGroupArn: group.TargetGroupArn, containerName: 'app', containerPort: 8080 }],
  });
  await waitUntilServicesStable({ client: ecs, ...fast }, { cluster: 'video', services: ['site'] });
  await eventually(async () => (await ask(listener.Port!)).body === 'served');
  const { services } = await ecs.describeServices({ cluster: 'video', services: ['site'] });
  expect(services![0]).toMatchObject({ status: 'ACTIVE', runningCount: 1, deployments: [{ createdAt: expect.any(Date) }] });

  await sandbox.restart();
  await eventually(async () => (await ask(listener.Port!).catch(() => undefined))?.body === 'served');
});

test('errors arrive as the classes of the SDK', async () => {
  await expect(elbv2.describeRules({ RuleArns: ['arn:aws:none'] })).rejects.toMatchObject({ name: 'RuleNotFoundException' });
  await expect(elbv2.describeTargetGroups({ Names: ['none'] })).rejects.toMatchObject({ name: 'TargetGroupNotFoundException' });
  await expect(ecs.updateService({ cluster: 'video', service: 'none' })).rejects.toMatchObject({ name: 'ServiceNotFoundException' });
  await expect(ecs.listServices({ cluster: 'none' })).rejects.toMatchObject({ name: 'ClusterNotFoundException' });
});

test('a one-off task, with its waiter', async () => {
  const { tasks } = await ecs.runTask({
    cluster: 'video',
    taskDefinition: 'app',
    networkConfiguration: network,
    startedBy: 'w1',
    clientToken: 'w1-1',
  });
  await waitUntilTasksRunning({ client: ecs, ...fast }, { cluster: 'video', tasks: [tasks![0]!.taskArn!] });
  const stopped = await ecs.stopTask({ cluster: 'video', task: tasks![0]!.taskArn, reason: 'enough' });
  expect(stopped.task).toMatchObject({ desiredStatus: 'STOPPED', stoppedReason: 'enough' });
});
