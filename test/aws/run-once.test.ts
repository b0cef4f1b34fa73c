/** A migration must run once: the token that says so is the caller's, and outlives whoever asked first. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ECSClient } from '@aws-sdk/client-ecs';
import { Tasks } from '../../lib/aws/tasks';
import { clientConfig, sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';
import { eventually } from '../../packages/sandbox/test/tiny';

const images = mkdtempSync(join(tmpdir(), 'switchback-once-'));
let sandbox: TestSandbox;
beforeAll(async () => {
  mkdirSync(join(images, 'migrate', '1'), { recursive: true });
  sandbox = await sandboxForTest({ images, speed: 3000 });
  await sandbox.call('ecs', 'CreateCluster', { clusterName: 'video' });
  await sandbox.call('ecs', 'RegisterTaskDefinition', {
    ...{ family: 'migrate', networkMode: 'awsvpc', requiresCompatibilities: ['FARGATE'], cpu: '256', memory: '512' },
    containerDefinitions: [{ name: 'migrate', image: 'migrate:1' }],
  });
});
afterAll(async () => {
  await sandbox.stop();
  rmSync(images, { recursive: true, force: true });
});

test('asked for by two, the second of whom never heard of the first, one task is started', async () => {
  const ask = () =>
    new Tasks({ ecs: new ECSClient(clientConfig(sandbox)) } as never).runOnce({
      ...{ cluster: 'video', taskDefinition: 'migrate', container: 'migrate', token: 'migrations-w1' },
      command: ['node', '-e', 'setInterval(() => {}, 1000)'],
      network: { subnets: ['subnet-1'], securityGroups: [] },
    });
  const [first, second] = [await ask(), await ask()];
  expect(second.arn).toBe(first.arn);
  expect((await sandbox.call('ecs', 'ListTasks', { cluster: 'video' })).taskArns).toEqual([first.arn]);
});

const tasks = () => new Tasks({ ecs: new ECSClient(clientConfig(sandbox)) } as never);
const run = (token: string, command: readonly string[]) =>
  tasks().runOnce({
    ...{ cluster: 'video', taskDefinition: 'migrate', container: 'migrate', token, command },
    network: { subnets: ['subnet-1'], securityGroups: [] },
  });

test('it is found by what it was started with, while it runs and after it has stopped, among others of its family', async () => {
  await run('other-token', ['node', '-e', '']);
  const { arn } = await run('one-token', ['node', '-e', 'setInterval(() => {}, 1000)']);
  const find = () =>
    tasks().findOnce('video', { token: 'one-token', taskDefinition: 'arn:aws:ecs:eu-central-1:1:task-definition/migrate:1' });
  expect(await find()).toMatchObject({ arn });
  await tasks().stopOnce('video', arn, 'enough');
  await eventually(async () => (await find())?.status === 'STOPPED');
  expect(await tasks().findOnce('video', { token: 'never', taskDefinition: 'migrate:1' })).toBeUndefined();
});

test('asked for with other parameters, the task that the token stands for is the answer', async () => {
  const { arn } = await run('same-token', ['node', '-e', '']);
  expect(await run('same-token', ['node', '-e', 'process.exit(3)'])).toMatchObject({ arn });
});

test('the sandbox refuses what the API reference forbids: startedBy beside another filter', async () => {
  await expect(sandbox.call('ecs', 'ListTasks', { cluster: 'video', startedBy: 'a', desiredStatus: 'STOPPED' })).rejects.toThrow(
    'startedBy must be the only filter',
  );
});
