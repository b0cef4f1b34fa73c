import {
  ApplicationAutoScalingClient,
  DeregisterScalableTargetCommand,
  DescribeScalableTargetsCommand,
  ObjectNotFoundException,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling';
import { autoscaling } from '../lib/services/autoscaling';
import { clientConfig, sandboxForTest } from './_helpers/sandbox';
import { eventually, type TinySandbox, tinySandbox } from './tiny';

const key = { ServiceNamespace: 'ecs', ResourceId: 'service/video/queue-blue', ScalableDimension: 'ecs:service:DesiredCount' };
/** The desired count of each service. */
let desired: Record<string, number>;
let updates: { service: string; desiredCount: number }[];
/** Only as much of ECS as scaling looks at. */
const ecs = () => ({
  client: 'client-ecs',
  handlers: {
    DescribeServices({ cluster, services: [name = ''] }: { cluster: string; services: string[] }) {
      if (cluster !== 'video') throw new Error('Cluster not found.');
      return { services: name in desired ? [{ status: 'ACTIVE', desiredCount: desired[name] }] : [] };
    },
    UpdateService(input: { service: string; desiredCount: number }) {
      updates.push(input);
      desired[input.service] = input.desiredCount;
      return {};
    },
  },
});

let sandbox: TinySandbox;
const call = (operation: string, input: object) => sandbox.call('autoscaling', operation, input);
const describe_ = async () => (await call('DescribeScalableTargets', { ServiceNamespace: 'ecs' })).ScalableTargets;

beforeEach(async () => {
  desired = { 'queue-blue': 2, 'queue-green': 2 };
  updates = [];
  sandbox = await tinySandbox({ autoscaling, ecs }, { speed: 200 });
});
afterEach(() => sandbox.stop());

test('a service below its minimum is raised to it about a minute later', async () => {
  await call('RegisterScalableTarget', { ...key, MinCapacity: 2, MaxCapacity: 4 });
  const zero = Date.now();
  desired['queue-blue'] = 0;
  await eventually(() => updates.length === 1);
  expect(updates[0]).toMatchObject({ cluster: 'video', service: 'queue-blue', desiredCount: 2 });
  expect(((Date.now() - zero) / 1000) * sandbox.speed).toBeGreaterThanOrEqual(60);
  expect(sandbox.lines).toContain('autoscaling: service/video/queue-blue has 0, below its minimum; raised to 2');
});

test('a service whose scaling is suspended stays where it is put, until scaling is resumed', async () => {
  await call('RegisterScalableTarget', { ...key, MinCapacity: 2, MaxCapacity: 4 });
  const suspended = { DynamicScalingInSuspended: true, DynamicScalingOutSuspended: true, ScheduledScalingSuspended: true };
  await call('RegisterScalableTarget', { ...key, SuspendedState: suspended });
  desired['queue-blue'] = 0;
  // another service that falls below its minimum a little later, and is raised, shows that the time has passed.
  await call('RegisterScalableTarget', { ...key, ResourceId: 'service/video/queue-green', MinCapacity: 1, MaxCapacity: 4 });
  await call('RegisterScalableTarget', { ...key, ResourceId: 'service/gone/queue', MinCapacity: 1, MaxCapacity: 4 });
  desired['queue-green'] = 0;
  await eventually(() => desired['queue-green'] === 1);
  expect(updates).toEqual([{ cluster: 'video', service: 'queue-green', desiredCount: 1 }]);
  await call('RegisterScalableTarget', { ...key, SuspendedState: { DynamicScalingOutSuspended: false } });
  await eventually(() => desired['queue-blue'] === 2);
  expect((await describe_()).slice(0, 1)).toEqual([
    expect.objectContaining({ MinCapacity: 2, MaxCapacity: 4, SuspendedState: { ...suspended, DynamicScalingOutSuspended: false } }),
  ]);
});

test('a target is registered, changed in part, and deregistered with its policies', async () => {
  await expect(call('RegisterScalableTarget', { ...key, MinCapacity: 1 })).rejects.toMatchObject({ code: 'ValidationException' });
  const { ScalableTargetARN } = await call('RegisterScalableTarget', { ...key, MinCapacity: 1, MaxCapacity: 4 });
  expect(await call('RegisterScalableTarget', { ...key, MaxCapacity: 8 })).toEqual({ ScalableTargetARN });
  expect(await describe_()).toEqual([expect.objectContaining({ ...key, MinCapacity: 1, MaxCapacity: 8, ScalableTargetARN })]);
  const policy = {
    ...key,
    PolicyName: 'cpu',
    PolicyType: 'TargetTrackingScaling',
    TargetTrackingScalingPolicyConfiguration: { TargetValue: 50 },
  };
  const { PolicyARN } = await call('PutScalingPolicy', policy);
  expect((await call('DescribeScalingPolicies', { ServiceNamespace: 'ecs' })).ScalingPolicies).toEqual([
    expect.objectContaining({ PolicyARN, PolicyName: 'cpu', TargetTrackingScalingPolicyConfiguration: { TargetValue: 50 } }),
  ]);
  await call('DeleteScalingPolicy', { ...key, PolicyName: 'cpu' });
  await expect(call('DeleteScalingPolicy', { ...key, PolicyName: 'cpu' })).rejects.toMatchObject({ code: 'ObjectNotFoundException' });
  await call('PutScalingPolicy', policy);
  sandbox = await sandbox.restart();
  await call('DeregisterScalableTarget', key);
  expect(await describe_()).toEqual([]);
  expect((await call('DescribeScalingPolicies', { ServiceNamespace: 'ecs' })).ScalingPolicies).toEqual([]);
  await expect(call('DeregisterScalableTarget', key)).rejects.toMatchObject({
    code: 'ObjectNotFoundException',
    message: expect.stringContaining('No scalable target registered for service namespace: ecs, resource ID: service/video/queue-blue'),
  });
  await expect(call('PutScalingPolicy', policy)).rejects.toMatchObject({ code: 'ObjectNotFoundException' });
});

test.each([
  ['a minimum above the maximum', { MinCapacity: 5, MaxCapacity: 4 }, '5 to 4'],
  ['another namespace', { ServiceNamespace: 'dynamodb' }, 'of dynamodb'],
  ['a resource that is no service', { ResourceId: 'cluster/video' }, 'not cluster/video'],
])('%s is refused', async (_what, input, message) => {
  const given = { ...key, MinCapacity: 1, MaxCapacity: 2, ...input };
  await expect(call('RegisterScalableTarget', given)).rejects.toMatchObject({
    code: 'ValidationException',
    message: expect.stringContaining(message),
  });
});

test('the SDK registers a target, suspends it and is told when it is not there', async () => {
  const running = await sandboxForTest();
  const client = new ApplicationAutoScalingClient(clientConfig(running));
  const target = { ServiceNamespace: 'ecs', ResourceId: key.ResourceId, ScalableDimension: 'ecs:service:DesiredCount' } as const;
  await client.send(new RegisterScalableTargetCommand({ ...target, MinCapacity: 1, MaxCapacity: 4 }));
  await client.send(new RegisterScalableTargetCommand({ ...target, SuspendedState: { DynamicScalingOutSuspended: true } }));
  const { ScalableTargets } = await client.send(new DescribeScalableTargetsCommand({ ServiceNamespace: 'ecs' }));
  expect(ScalableTargets).toEqual([
    expect.objectContaining({
      MinCapacity: 1,
      CreationTime: expect.any(Date),
      SuspendedState: expect.objectContaining({ DynamicScalingOutSuspended: true }),
    }),
  ]);
  await client.send(new DeregisterScalableTargetCommand(target));
  await expect(client.send(new DeregisterScalableTargetCommand(target))).rejects.toBeInstanceOf(ObjectNotFoundException);
  await running.stop();
});
