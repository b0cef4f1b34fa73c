import { handler } from '../../../lib/constructs/handlers/workers.lambda';
import { type Bench, startBench } from './balancer';
import { CloudFormation } from './cloudformation';

let all: Bench;
let cloudFormation: CloudFormation;
const definitions: string[] = [];
beforeAll(async () => {
  [all, cloudFormation] = [await startBench(), await CloudFormation.of(handler)];
  await all.sandbox.call('ecs', 'CreateCluster', { clusterName: 'shop' });
  for (const version of ['1', '2']) {
    const { taskDefinition } = await all.sandbox.call('ecs', 'RegisterTaskDefinition', {
      family: 'queue',
      networkMode: 'awsvpc',
      requiresCompatibilities: ['FARGATE'],
      cpu: '256',
      memory: '512',
      containerDefinitions: [{ name: 'queue', image: `shop:${version}` }],
    });
    definitions.push(taskDefinition.taskDefinitionArn);
  }
});
afterAll(async () => {
  await cloudFormation.stop();
  await all.sandbox.stop();
});

const properties = (service: string, more: object = {}) => ({
  Cluster: 'shop',
  Service: service,
  TaskDefinition: definitions[0],
  Subnets: ['subnet-1'],
  SecurityGroups: ['sg-1'],
  Once: false,
  ...more,
});
const describe = async (service: string) =>
  (await all.sandbox.call('ecs', 'DescribeServices', { cluster: 'shop', services: [service] })).services[0];
const scalable = async (service: string) =>
  (await all.sandbox.call('autoscaling', 'DescribeScalableTargets', { ServiceNamespace: 'ecs', ResourceIds: [`service/shop/${service}`] }))
    .ScalableTargets;

test('a worker is made at zero; one that may run only once is never two', async () => {
  expect(await cloudFormation.create(properties('green-queue'))).toMatchObject({
    Status: 'SUCCESS',
    PhysicalResourceId: 'shop/green-queue',
  });
  expect(await describe('green-queue')).toMatchObject({
    status: 'ACTIVE',
    desiredCount: 0,
    deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 200 },
  });
  await cloudFormation.create(properties('green-clock', { Once: true }));
  expect(await describe('green-clock')).toMatchObject({
    desiredCount: 0,
    deploymentConfiguration: { minimumHealthyPercent: 0, maximumPercent: 100 },
  });
});

test('an update brings the new definition and leaves the count to the runbooks', async () => {
  const { PhysicalResourceId } = await cloudFormation.create(properties('green-mail'));
  await all.sandbox.call('ecs', 'UpdateService', { cluster: 'shop', service: 'green-mail', desiredCount: 2 });
  const changed = properties('green-mail', { TaskDefinition: definitions[1] });
  expect(await cloudFormation.update(PhysicalResourceId, changed, properties('green-mail'))).toMatchObject({ Status: 'SUCCESS' });
  expect(await describe('green-mail')).toMatchObject({ desiredCount: 2, taskDefinition: definitions[1] });
});

test('run again after a lost answer, it changes nothing', async () => {
  const first = await cloudFormation.create(properties('green-again'));
  expect(await cloudFormation.create(properties('green-again'))).toMatchObject({
    Status: 'SUCCESS',
    PhysicalResourceId: first.PhysicalResourceId,
  });
});

test('scaling is registered suspended, and goes with the property', async () => {
  const scaled = properties('green-scaled', { Scaling: { Min: 1, Max: 4, CpuPercent: 60 } });
  const { PhysicalResourceId } = await cloudFormation.create(scaled);
  expect(await scalable('green-scaled')).toMatchObject([
    {
      MinCapacity: 1,
      MaxCapacity: 4,
      SuspendedState: { DynamicScalingInSuspended: true, DynamicScalingOutSuspended: true, ScheduledScalingSuspended: true },
    },
  ]);
  expect((await cloudFormation.update(PhysicalResourceId, properties('green-scaled'), scaled)).Status).toBe('SUCCESS');
  expect(await scalable('green-scaled')).toEqual([]);
});

test('deleting brings it to zero first, and is done when there is none', async () => {
  const { PhysicalResourceId } = await cloudFormation.create(properties('green-gone', { Scaling: { Min: 1, Max: 4, CpuPercent: 60 } }));
  expect((await cloudFormation.delete(PhysicalResourceId, properties('green-gone'))).Status).toBe('SUCCESS');
  expect((await describe('green-gone')).status).toBe('INACTIVE');
  expect(await scalable('green-gone')).toEqual([]);
  expect((await cloudFormation.delete(PhysicalResourceId, properties('green-gone'))).Status).toBe('SUCCESS');
  // and a service of the same name can be made again.
  expect((await cloudFormation.create(properties('green-gone'))).Status).toBe('SUCCESS');
});
