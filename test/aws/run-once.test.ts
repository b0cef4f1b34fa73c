/** A migration must run once: the token that says so is the caller's, and outlives whoever asked first. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ECSClient } from '@aws-sdk/client-ecs';
import { Tasks } from '../../lib/aws/tasks';
import { clientConfig, sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';

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
