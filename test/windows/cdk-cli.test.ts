/** The real CDK CLI against the sandbox: what a user types, from bootstrap to destroy. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';
import { synthesize } from './cdk-cli/app';

let sandbox: TestSandbox;
let scratch: string;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'switchback-cdk-'));
  for (const release of ['v1', 'v2']) {
    mkdirSync(join(scratch, 'images', 'hello', release), { recursive: true });
    writeFileSync(
      join(scratch, 'images', 'hello', release, 'server.js'),
      "require('node:http').createServer((_request, response) => response.end(`${process.env.RELEASE} ${process.env.PASSWORD.length}`)).listen(process.env.PORT ?? 8080);",
    );
  }
  sandbox = await sandboxForTest({ speed: 60, images: join(scratch, 'images') });
});
afterAll(async () => {
  await sandbox.stop();
  rmSync(scratch, { recursive: true, force: true });
});

function cdk(...args: string[]): Promise<{ code: number; output: string }> {
  const env = { ...process.env, ...sandbox.env, CDK_VALIDATION: 'false', CI: 'true', NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [require.resolve('aws-cdk/bin/cdk'), ...args],
      { env, cwd: scratch, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, output: stdout + stderr }),
    );
  });
}

const deploy = (release: string, greeting: string): Promise<{ code: number; output: string }> => {
  const app = join(scratch, `cdk.out-${release}-${greeting}`);
  synthesize(app, { release, greeting });
  return cdk('deploy', '--app', app, '--require-approval', 'never', '--progress', 'events');
};

const stack = async (): Promise<{ StackStatus: string; Outputs: { OutputKey: string; OutputValue: string }[] }> =>
  (await sandbox.call('cloudformation', 'DescribeStacks', { StackName: 'small' })).Stacks[0];

const output = async (key: string): Promise<string> => (await stack()).Outputs.find((one) => one.OutputKey === key)!.OutputValue;

const said = async (): Promise<string> => (await sandbox.call('ssm', 'GetParameter', { Name: '/small/said' })).Parameter.Value;

/** What a customer gets through the load balancer. */
async function page(): Promise<string> {
  const { Listeners } = await sandbox.call('elbv2', 'DescribeListeners', { ListenerArns: [await output('Listener')] });
  return (await fetch(`http://localhost:${Listeners[0].Port}/`)).text();
}

test('bootstrap, deploy, deploy again, update, an update that is refused, and destroy', async () => {
  const bootstrap = await cdk('bootstrap', 'aws://111122223333/eu-central-1');
  expect(bootstrap.output).toContain('bootstrapped.');

  const first = await deploy('v1', 'hello');
  expect(first.output).toContain('✅  small');
  expect(await stack()).toMatchObject({ StackStatus: 'CREATE_COMPLETE' });
  expect(await page()).toBe('v1 24');
  expect(await said()).toBe('hello, world');
  expect((await sandbox.call('s3', 'ListBuckets')).Buckets.map((one: { Name: string }) => one.Name)).toContain(await output('BucketName'));

  expect((await deploy('v1', 'hello')).output).toContain('(no changes)');

  const app = join(scratch, 'cdk.out-diff');
  synthesize(app, { release: 'v2', greeting: 'welcome' });
  const diff = await cdk('diff', '--app', app);
  expect(diff.output).toContain('TaskDefinition Task');
  expect(diff.output).toContain('replace');
  expect(diff.output).toContain('Number of stacks with differences: 1');

  expect(await deploy('v2', 'welcome')).toMatchObject({ code: 0 });
  expect(await page()).toBe('v2 24');
  expect(await said()).toBe('welcome, world');

  // the service is back on v2 and the parameter back to what it said, though both may have been changed on the way.
  const refused = await deploy('v1', 'refuse');
  expect(refused.code).not.toBe(0);
  expect(refused.output).toContain('this greeting is not allowed');
  expect(await stack()).toMatchObject({ StackStatus: 'UPDATE_ROLLBACK_COMPLETE' });
  expect(await said()).toBe('welcome, world');
  expect(await page()).toBe('v2 24');

  expect(await cdk('destroy', '--app', app, '--force')).toMatchObject({ code: 0 });
  await expect(stack()).rejects.toThrow('does not exist');
  expect((await sandbox.call('elbv2', 'DescribeLoadBalancers')).LoadBalancers).toEqual([]);
  expect((await sandbox.call('ecs', 'ListClusters')).clusterArns).toEqual([]);
  expect((await sandbox.call('ec2', 'DescribeNatGateways')).NatGateways.every((one: { State: string }) => one.State === 'deleted')).toBe(
    true,
  );
}, 600_000);
