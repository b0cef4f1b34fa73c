import { connect } from 'node:net';
import { CreateClusterCommand, ECSClient } from '@aws-sdk/client-ecs';
import { ElasticLoadBalancingV2Client, SetRulePrioritiesCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { CreateDBParameterGroupCommand, DescribeDBParameterGroupsCommand, RDSClient } from '@aws-sdk/client-rds';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { sandboxCommand } from '../lib/command';
import { faultsOf } from '../lib/faults';
import { sendToFaults } from '../lib/faults/ask';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await sandboxForTest();
});
afterEach(() => control('DELETE'));
afterAll(() => sandbox.stop());

// one attempt: a fault that the SDK would get over by itself is to be seen here.
const config = () => ({ ...clientConfig(sandbox), maxAttempts: 1 });
const ssm = () => new SSMClient(config());
const control = async (method: string, body?: object) => {
  const answer = await sendToFaults(sandbox.env, method, '', body);
  return {
    status: answer.status,
    body: (await answer.json()) as { seed: string; rules: { seen: number; injected: number }[]; message?: string },
  };
};
const put = (Name: string, client = ssm()) => client.send(new PutParameterCommand({ Name, Value: 'x', Type: 'String' }));
const isThere = (Name: string) =>
  ssm()
    .send(new GetParameterCommand({ Name }))
    .then(
      () => true,
      () => false,
    );
const failure = (promise: Promise<unknown>): Promise<{ name: string; message: string; status?: number; code?: string }> =>
  promise.then(
    () => ({ name: 'no failure', message: '' }),
    (error) => ({ name: error.name, message: error.message, status: error.$metadata?.httpStatusCode, code: error.code }),
  );

test('every service refuses for load with its own code', async () => {
  await control('POST', {
    rules: (['elbv2', 'rds', 'ecs', 'ssm', 's3'] as const).map((service) => ({ service, operation: '*', kind: 'throttle' })),
  });
  const seen = await Promise.all([
    failure(new ElasticLoadBalancingV2Client(config()).send(new SetRulePrioritiesCommand({ RulePriorities: [] }))),
    failure(
      new RDSClient(config()).send(
        new CreateDBParameterGroupCommand({ DBParameterGroupName: 'a', DBParameterGroupFamily: 'postgres17', Description: 'a' }),
      ),
    ),
    failure(new ECSClient(config()).send(new CreateClusterCommand({ clusterName: 'a' }))),
    failure(put('/throttled')),
    failure(new S3Client(config()).send(new PutObjectCommand({ Bucket: 'b', Key: 'k', Body: 'x' }))),
  ]);
  expect(seen.map(({ name, message }) => `${name}: ${message}`)).toEqual([
    'ThrottlingException: Rate exceeded',
    'Throttling: Rate exceeded',
    'ThrottlingException: Rate exceeded',
    'ThrottlingException: Rate exceeded',
    'SlowDown: Please reduce your request rate.',
  ]);
  // once each; reads were never touched.
  expect((await new RDSClient(config()).send(new DescribeDBParameterGroupsCommand({}))).DBParameterGroups).toBeDefined();
  await put('/throttled');
  expect((await control('GET')).body.rules.map(({ injected }) => injected)).toEqual([1, 1, 1, 1, 1]);
});

test('an error comes before the change, a lost answer after it', async () => {
  await control('POST', { rules: [{ service: 'ssm', operation: 'PutParameter', kind: 'error' }] });
  expect(await failure(put('/error'))).toMatchObject({ status: 500 });
  expect(await isThere('/error')).toBe(false);

  await control('POST', { rules: [{ service: 'ssm', operation: 'PutParameter', kind: 'lost', times: 1 }] });
  const lost = await failure(put('/lost'));
  expect(lost).toMatchObject({ message: expect.stringContaining('ECONNRESET'), status: undefined });
  expect(await isThere('/lost')).toBe(true);
});

test('a slow answer comes after the change, and late', async () => {
  await control('POST', { rules: [{ service: 'ssm', operation: 'PutParameter', kind: 'slow', seconds: 180 }] });
  const from = performance.now();
  await put('/slow');
  // 180 seconds of AWS at speed 600.
  expect(performance.now() - from).toBeGreaterThan(290);
  expect(await isThere('/slow')).toBe(true);
});

test('S3 refuses writes for as long as the rule stands', async () => {
  const s3 = new S3Client(config());
  await s3.send(new CreateBucketCommand({ Bucket: 'journal' }));
  const write = () => s3.send(new PutObjectCommand({ Bucket: 'journal', Key: 'k', Body: 'x', IfNoneMatch: '*' }));
  await control('POST', { rules: [{ service: 's3', operation: 'PutObject', kind: 'refuse', rate: 1 }] });
  for (let i = 0; i < 3; i += 1) expect(await failure(write())).toMatchObject({ name: 'AccessDenied', status: 403 });
  await control('DELETE');
  await write();
});

test('the same seed decides the same for the same calls, another seed otherwise', async () => {
  const decisions = async (seed: string) => {
    await control('POST', { seed, rules: [{ service: 'ssm', operation: 'PutParameter', kind: 'throttle', rate: 0.4 }] });
    const seen: boolean[] = [];
    for (let i = 0; i < 30; i += 1) seen.push((await failure(put(`/seed/${seed}/${i}/${Math.random()}`))).name === 'ThrottlingException');
    return seen.map(Number).join('');
  };
  const first = await decisions('42');
  expect(first).toMatch(/01|10/);
  expect(await decisions('42')).toBe(first);
  expect(await decisions('43')).not.toBe(first);
});

test('calls of the CDK CLI are left alone unless a rule asks for them', async () => {
  const cdk = () => new SSMClient({ ...config(), customUserAgent: 'aws-cdk/2.1148.1' });
  await control('POST', { rules: [{ service: 'ssm', operation: '*', kind: 'throttle', rate: 1 }] });
  await put('/cdk', cdk());
  expect(await failure(put('/not-cdk'))).toMatchObject({ name: 'ThrottlingException' });
  await control('POST', { rules: [{ service: 'ssm', operation: '*', kind: 'throttle', rate: 1, cdk: true }] });
  expect(await failure(put('/cdk-2', cdk()))).toMatchObject({ name: 'ThrottlingException' });
});

test('calls that one service makes of another are never touched', async () => {
  await control('POST', { rules: [{ service: 'ssm', operation: '*', kind: 'throttle', rate: 1 }] });
  await sandbox.call('ssm', 'PutParameter', { Name: '/inside', Value: 'x', Type: 'String' });
});

test('a target flaps: taken out at the call, back after a while', async () => {
  const vpc = await sandbox.call('ec2', 'CreateVpc', { CidrBlock: '10.0.0.0/16' });
  const { TargetGroups } = await sandbox.call('elbv2', 'CreateTargetGroup', {
    ...{ Name: 'site', Protocol: 'HTTP', Port: 80, VpcId: vpc.Vpc.VpcId, TargetType: 'ip' },
  });
  const TargetGroupArn = TargetGroups[0].TargetGroupArn;
  await sandbox.call('elbv2', 'RegisterTargets', { TargetGroupArn, Targets: [{ Id: '127.0.0.1', Port: 9 }] });
  const state = async () =>
    (await sandbox.call('elbv2', 'DescribeTargetHealth', { TargetGroupArn })).TargetHealthDescriptions[0]?.TargetHealth.State;
  const before = await state();
  const rule = { service: 'ssm', operation: 'PutParameter', kind: 'flap', target: TargetGroupArn, seconds: 60 };
  await control('POST', { rules: [rule] });
  await put('/flap');
  expect(before).not.toBe('draining');
  expect(await state()).not.toBe(before);
  while ((await state()) !== before) await new Promise((done) => setTimeout(done, 20));
});

test('a database crashes at the call, and comes back by itself', async () => {
  await sandbox.call('rds', 'CreateDBInstance', {
    ...{ DBInstanceIdentifier: 'crashing', DBInstanceClass: 'db.t4g.micro', Engine: 'postgres', AllocatedStorage: 20 },
    ...{ MasterUsername: 'master', MasterUserPassword: 'not-a-secret', DBName: 'video' },
  });
  const describe = async () => (await sandbox.call('rds', 'DescribeDBInstances', { DBInstanceIdentifier: 'crashing' })).DBInstances[0];
  while ((await describe()).DBInstanceStatus !== 'available') await new Promise((done) => setTimeout(done, 50));
  const { Endpoint } = await describe();
  const answers = () =>
    new Promise<boolean>((done) => {
      const socket = connect(Endpoint.Port, Endpoint.Address, () => {
        socket.destroy();
        done(true);
      });
      socket.once('error', () => done(false));
    });
  expect(await answers()).toBe(true);
  await control('POST', { rules: [{ service: 'ssm', operation: 'PutParameter', kind: 'crash', target: 'crashing' }] });
  await put('/crash');
  expect(await answers()).toBe(false);
  while (!(await answers())) await new Promise((done) => setTimeout(done, 50));
});

test('what is no rule is named, and changes nothing', async () => {
  await control('POST', { seed: 'kept', rules: [{ service: 'ssm', operation: 'PutParameter', kind: 'lost' }] });
  const wrong = await control('POST', { rules: [{ service: 'sms', operation: 'PutParameter', kind: 'lots' }] });
  expect(wrong).toMatchObject({ status: 400, body: { message: expect.stringMatching(/rules\.0\.service.*rules\.0\.kind/) } });
  const crash = await control('POST', { rules: [{ service: 'rds', operation: '*', kind: 'crash' }] });
  expect(crash.body.message).toContain('need a target');
  expect((await control('GET')).body).toMatchObject({ seed: 'kept', rules: [{ kind: 'lost' }] });
});

test('--faults takes a seed and a rate, and says what is wrong with anything else', async () => {
  expect(faultsOf('42').rules).toContainEqual({ service: 'elbv2', operation: '*', kind: 'lost', rate: 0.0125 });
  const said: string[] = [];
  const spy = jest.spyOn(console, 'error').mockImplementation((line: string) => void said.push(line));
  expect(await sandboxCommand(['--faults', '42:2', '--folder', `${sandbox.folder}-none`], 'sandbox')).toBe(2);
  spy.mockRestore();
  expect(said.join()).toContain('--faults 42:2: a seed, and a rate above 0 and at most 1');
});
