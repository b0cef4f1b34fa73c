import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeVpcAttributeCommand, EC2Client } from '@aws-sdk/client-ec2';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { signedBy } from '../lib/faults/ask';
import { startSandbox } from '../lib/server';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await sandboxForTest();
});
afterAll(() => sandbox.stop());

const refused = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: Error & { code?: string; status?: number }) => ({ name: error.name, message: error.message }),
  );

test('a call in process sees what the wire sees, and fails as the wire fails', async () => {
  const ssm = new SSMClient(clientConfig(sandbox));
  await sandbox.call('ssm', 'PutParameter', { Name: '/a', Value: 'x', Type: 'String' });
  const { $metadata: _, ...overHttp } = await ssm.send(new GetParameterCommand({ Name: '/a' }));
  expect(await sandbox.call('ssm', 'GetParameter', { Name: '/a' })).toEqual(
    JSON.parse(JSON.stringify(overHttp), (key, value) => (key === 'LastModifiedDate' ? new Date(value) : value)),
  );
  const again = { Name: '/a', Value: 'y', Type: 'String' as const };
  expect(await refused(sandbox.call('ssm', 'PutParameter', again))).toEqual(await refused(ssm.send(new PutParameterCommand(again))));
});

test('an answer is a copy: changing it changes nothing', async () => {
  await sandbox.call('iam', 'CreateRole', { RoleName: 'copied', AssumeRolePolicyDocument: '{}' });
  const { Role } = await sandbox.call('iam', 'GetRole', { RoleName: 'copied' });
  Role.Description = 'changed by the caller';
  expect((await sandbox.call('iam', 'GetRole', { RoleName: 'copied' })).Role.Description).toBeUndefined();
});

test('text is taken for a number or a boolean where the API has one, and what the API does not know is dropped', async () => {
  const made = await sandbox.call('ec2', 'CreateVpc', { CidrBlock: '10.0.0.0/16', NoSuchMember: 1 });
  await sandbox.call('ec2', 'ModifyVpcAttribute', { VpcId: made.Vpc.VpcId, EnableDnsHostnames: { Value: 'true' } });
  const ec2 = new EC2Client(clientConfig(sandbox));
  const answer = await ec2.send(new DescribeVpcAttributeCommand({ VpcId: made.Vpc.VpcId, Attribute: 'enableDnsHostnames' }));
  expect(answer.EnableDnsHostnames?.Value).toBe(true);
});

test('a member that must be there and is not is named', async () => {
  await expect(sandbox.call('ec2', 'DeleteVpc', {})).rejects.toMatchObject({
    code: 'MissingParameter',
    message: expect.stringContaining('VpcId'),
  });
  await expect(sandbox.call('ssm', 'PutParameter', { Name: '/x' })).rejects.toMatchObject({
    code: 'ValidationException',
    message: expect.stringContaining('Value'),
  });
  const TagSpecifications = [{ ResourceType: 'vpc', Tags: [{ Key: 'a' }] }];
  await sandbox.call('ec2', 'CreateVpc', { CidrBlock: '10.0.0.0/16', TagSpecifications });
  await expect(sandbox.call('secretsmanager', 'CreateSecret', {})).rejects.toMatchObject({
    code: 'InvalidParameterException',
    message: expect.stringContaining("'Name'"),
  });
});

test('an operation that is not served says so, with its name and that of its service', async () => {
  await expect(sandbox.call('ec2', 'RunInstances', {})).rejects.toMatchObject({
    code: 'NotServedBySandbox',
    status: 400,
    message: expect.stringContaining('RunInstances of ec2'),
  });
});

test('a port in use and a folder in use are each one clear sentence', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => taken.once('listening', done));
  const { port } = taken.address() as { port: number };
  const folder = mkdtempSync(join(tmpdir(), 'switchback-sandbox-'));
  await expect(startSandbox({ folder, port })).rejects.toThrow(
    `port ${port} is in use by another process; choose another with --port, or 0 for a free one.`,
  );
  expect(existsSync(join(folder, 'sandbox.json'))).toBe(false);
  taken.close();
  rmSync(folder, { recursive: true });
  await expect(startSandbox({ folder: sandbox.folder })).rejects.toThrow(
    `a sandbox already runs on ${sandbox.folder}: process ${process.pid} at ${sandbox.endpoint}`,
  );
  expect(await refused(sandbox.call('sts', 'GetCallerIdentity', {}))).toBeUndefined();
});

test('after a restart the state is there, at the same address', async () => {
  await sandbox.call('ssm', 'PutParameter', { Name: '/kept', Value: 'x', Type: 'String' });
  await sandbox.restart();
  const ssm = new SSMClient(clientConfig(sandbox));
  const { Parameter } = await ssm.send(new GetParameterCommand({ Name: '/kept' }));
  expect(Parameter).toMatchObject({ Value: 'x', LastModifiedDate: expect.any(Date) });
});

test('what was changed and what went wrong is in the log, without values', async () => {
  await sandbox.call('secretsmanager', 'CreateSecret', { Name: 'logged', SecretString: 'top-secret-value' });
  await refused(sandbox.call('ssm', 'GetParameter', { Name: '/not-there' }));
  const log = readFileSync(join(sandbox.folder, 'sandbox.log'), 'utf8');
  expect(log).toMatch(/secretsmanager CreateSecret \d+ ms/);
  expect(log).toMatch(/ssm GetParameter \d+ ms: ParameterNotFound: Parameter \/not-there not found\./);
  expect(log).not.toContain('top-secret-value');
});

test('onCall is told every call from outside, also one that only reads or fails, and its client', async () => {
  const calls: string[] = [];
  const measured = await sandboxForTest({
    onCall: ({ operation, agent, from, to }) => calls.push(`${operation} ${/lib\/\w+/.exec(agent)?.[0] ?? agent} ${to >= from}`),
  });
  try {
    const ssm = new SSMClient({ ...clientConfig(measured), customUserAgent: 'lib/bench' });
    await refused(ssm.send(new GetParameterCommand({ Name: '/not-there' })));
    await measured.call('ssm', 'PutParameter', { Name: '/inside', Value: 'x', Type: 'String' });
    expect(calls).toEqual(['GetParameter lib/bench true']);
  } finally {
    await measured.stop();
  }
});

test('a request that is no operation at all is refused, not left hanging', async () => {
  const answer = await fetch(`${sandbox.endpoint}/2015-03-31/nonsense`, {
    headers: { authorization: signedBy(sandbox.env['AWS_ACCESS_KEY_ID']!, 'lambda') },
  });
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({ message: expect.stringContaining('GET /2015-03-31/nonsense') });
});
