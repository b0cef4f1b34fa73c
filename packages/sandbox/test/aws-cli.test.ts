/** A client nobody here wrote: the AWS CLI against every service. Reported as skipped where `aws` is not installed. */
import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sandboxForTest, type TestSandbox } from './_helpers/sandbox';

const run = promisify(execFile);
const installed = spawnSync('aws', ['--version']).status === 0;
const suite = installed ? describe : describe.skip;

suite('the AWS CLI', () => {
  let sandbox: TestSandbox;
  beforeAll(async () => {
    sandbox = await sandboxForTest();
  });
  afterAll(() => sandbox.stop());

  const aws = async (...args: string[]) => {
    const { PATH, HOME, LANG } = process.env;
    const env = { PATH, HOME, LANG, ...sandbox.env, AWS_PAGER: '', AWS_MAX_ATTEMPTS: '1' };
    try {
      const { stdout } = await run('aws', args, { env });
      return stdout.trim().startsWith('{') ? JSON.parse(stdout) : stdout;
    } catch (error) {
      return (error as { stderr: string }).stderr;
    }
  };

  test.each([
    ['sts get-caller-identity', { Account: '111122223333' }],
    ['iam list-roles', { Roles: [] }],
    ['cloudformation describe-stacks', { Stacks: [] }],
    ['ssm describe-parameters', { Parameters: [] }],
    ['secretsmanager list-secrets', { SecretList: [] }],
    ['ec2 describe-vpcs', { Vpcs: [] }],
    ['elbv2 describe-load-balancers', { LoadBalancers: [] }],
    ['rds describe-db-instances', { DBInstances: [] }],
    ['ecs list-clusters', { clusterArns: [] }],
    ['lambda list-functions', { Functions: [] }],
    ['scheduler list-schedules', { Schedules: [] }],
    ['cloudwatch describe-alarms', { MetricAlarms: [] }],
    ['logs describe-log-groups', { logGroups: [] }],
    ['application-autoscaling describe-scalable-targets --service-namespace ecs', { ScalableTargets: [] }],
  ])('%s is understood', async (command, answer) => {
    expect(await aws(...command.split(' '))).toMatchObject(answer);
  });

  test('a large file goes into a bucket in parts and is listed', async () => {
    const file = join(sandbox.folder, 'large');
    writeFileSync(file, Buffer.alloc(9_000_000, 'x'));
    await aws('s3', 'mb', 's3://files');
    await aws('s3', 'cp', '--quiet', file, 's3://files/a b/large');
    expect(await aws('s3', 'ls', '--recursive', 's3://files')).toMatch(/ 9000000 a b\/large\n$/);
    const link = String(await aws('s3', 'presign', 's3://files/a b/large')).trim();
    expect((await (await fetch(link)).arrayBuffer()).byteLength).toBe(9_000_000);
  });

  test('errors carry the code and text of the service, of whatever protocol', async () => {
    expect(await aws('rds', 'describe-db-instances', '--db-instance-identifier', 'nope')).toContain('(DBInstanceNotFound)');
    expect(await aws('ec2', 'describe-vpcs', '--vpc-ids', 'vpc-0')).toContain('(InvalidVpcID.NotFound)');
    expect(await aws('ssm', 'get-parameter', '--name', '/nope')).toContain('(ParameterNotFound)');
    expect(await aws('lambda', 'get-function', '--function-name', 'nope')).toContain('(ResourceNotFoundException)');
    expect(await aws('kms', 'list-keys')).toContain('(NotServedBySandbox)');
  });
});
