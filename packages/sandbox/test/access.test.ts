/** Who is let in through the sandbox's port, and what others find of it: requests exactly as a browser sends them. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { DescribeVpcsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { DescribeDBInstancesCommand, RDSClient } from '@aws-sdk/client-rds';
import { CreateBucketCommand, GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DescribeParametersCommand, SSMClient } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { strToU8, zipSync } from 'fflate';
import { foreignTo } from '../lib/access/door';
import { Keys, type Lent, ownerOf } from '../lib/access/keys';
import { signedBy } from '../lib/faults/ask';
import { startSandbox } from '../lib/server';
import { State } from '../lib/state';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';
import { eventually } from './tiny';

let sandbox: TestSandbox;
const scratch = mkdtempSync(join(tmpdir(), 'switchback-access-'));
beforeAll(async () => {
  sandbox = await sandboxForTest();
});
afterAll(async () => {
  await sandbox.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const key = () => sandbox.env['AWS_ACCESS_KEY_ID']!;
const own = () => `localhost:${sandbox.port}`;

function send(method: string, path: string, headers: Record<string, string>, body = ''): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: sandbox.port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('a web page', () => {
  const functions = '/2015-03-31/functions';
  /** Even one that has found out the key: what a link says of it. */
  const link = (path: string) => `${path}?X-Amz-Credential=${key()}/20260101/eu-central-1/lambda/aws4_request`;
  const written = join(scratch, 'written');
  const create = () =>
    JSON.stringify({
      ...{ FunctionName: 'kittens', Runtime: 'nodejs20.x', Handler: 'index.handler', Role: 'arn:aws:iam::111122223333:role/r' },
      Code: {
        ZipFile: Buffer.from(
          zipSync({ 'index.js': strToU8(`exports.handler = async () => require('fs').writeFileSync(${JSON.stringify(written)}, '')`) }),
        ).toString('base64'),
      },
    });
  /** Chromium's, of `fetch(url, { method: 'POST', mode: 'no-cors', body })`. */
  const chromium = {
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36',
    accept: '*/*',
    'accept-encoding': 'gzip, deflate, br, zstd',
    'content-type': 'text/plain;charset=UTF-8',
    'sec-fetch-mode': 'no-cors',
    'sec-fetch-dest': 'empty',
  };
  const attack = async (headers: Record<string, string>) => [
    await send('POST', link(functions), { ...chromium, ...headers }, create()),
    await send('POST', link(`${functions}/kittens/invocations`), { ...chromium, ...headers }, '{}'),
  ];

  test.each([
    ['of another port of this machine', () => ({ host: own(), origin: 'http://localhost:21998', 'sec-fetch-site': 'same-site' })],
    ['of another site', () => ({ host: own(), origin: 'https://kittens.example', 'sec-fetch-site': 'cross-site' })],
    ['in a sandboxed frame', () => ({ host: own(), origin: 'null', 'sec-fetch-site': 'cross-site' })],
    ['with a picture or a link, which have no Origin', () => ({ host: own(), 'sec-fetch-site': 'cross-site' })],
    [
      'whose own name was made to lead here',
      () => ({ host: `evil.example:${sandbox.port}`, origin: `http://evil.example:${sandbox.port}`, 'sec-fetch-site': 'same-origin' }),
    ],
  ])('%s runs nothing here', async (_, headers) => {
    for (const { status, text } of await attack(headers())) {
      expect(status).toBe(403);
      expect(text).toMatch(/is not this sandbox|may not send requests here/);
    }
    expect((await sandbox.call('lambda', 'ListFunctions')).Functions).toEqual([]);
    expect(existsSync(written)).toBe(false);
  });

  test('the same requests do run code when it is the owner who sends them', async () => {
    expect((await attack({ host: own() })).map(({ status }) => status)).toEqual([201, 200]);
    await eventually(() => existsSync(written));
    await sandbox.call('lambda', 'DeleteFunction', { FunctionName: 'kittens' });
  });

  test('reads nothing, not even whether it may ask', async () => {
    const origin = { host: own(), origin: 'https://kittens.example', 'sec-fetch-site': 'cross-site' };
    expect((await send('OPTIONS', '/', { ...origin, 'access-control-request-method': 'PUT' })).status).toBe(403);
    expect((await send('GET', '/', origin)).status).toBe(403);
    expect((await send('DELETE', '/_sandbox/faults', { ...origin, authorization: signedBy(key()) })).status).toBe(403);
  });

  test('the log says what was refused, and why', () => {
    const log = readFileSync(join(sandbox.folder, 'sandbox.log'), 'utf8');
    expect(log).toContain('refused: POST /2015-03-31/functions: a web page of https://kittens.example may not send requests here');
    expect(log).toContain(`refused: POST /2015-03-31/functions: Host evil.example:${sandbox.port} is not this sandbox`);
    expect(log).not.toContain(key());
  });
});

test.each([
  ['localhost:4566', true],
  ['LOCALHOST:4566', true],
  ['127.0.0.1:4566', true],
  ['[::1]:4566', true],
  ['my.bucket.localhost:4566', true],
  ['bucket.s3.localhost:4566', true],
  ['localhost:4567', false],
  ['localhost', false],
  ['127.0.0.2:4566', false],
  ['notlocalhost:4566', false],
  ['localhost.evil.example:4566', false],
  ['localhost@evil.example:4566', false],
  ['evil.example/.localhost:4566', false],
  ['', false],
])('Host %s: its own is %s', (host, isOwn) => {
  expect(foreignTo(4566, { host }) === undefined).toBe(isOwn);
});

describe('without the key of this sandbox', () => {
  const stranger = () => ({
    ...clientConfig(sandbox),
    credentials: { accessKeyId: 'AKIASANDBOXSANDBOX00', secretAccessKey: 'x' },
    maxAttempts: 1,
  });
  test.each([
    ['query', () => new RDSClient(stranger()).send(new DescribeDBInstancesCommand({})), 'InvalidClientTokenId', 403],
    ['STS', () => new STSClient(stranger()).send(new GetCallerIdentityCommand({})), 'InvalidClientTokenId', 403],
    ['EC2', () => new EC2Client(stranger()).send(new DescribeVpcsCommand({})), 'AuthFailure', 401],
    ['JSON', () => new SSMClient(stranger()).send(new DescribeParametersCommand({})), 'UnrecognizedClientException', 403],
    ['CloudWatch', () => new CloudWatchClient(stranger()).send(new DescribeAlarmsCommand({})), 'UnrecognizedClientException', 403],
    ['REST JSON', () => new LambdaClient(stranger()).send(new ListFunctionsCommand({})), 'UnrecognizedClientException', 403],
    ['S3', () => new S3Client(stranger()).send(new ListBucketsCommand({})), 'InvalidAccessKeyId', 403],
  ] as const)('a client of %s is refused with the code of AWS', async (_, call, name, status) => {
    await expect(call()).rejects.toMatchObject({ name, $metadata: { httpStatusCode: status } });
  });

  test('what is not signed at all is refused, also by the fault endpoints and for a service that is not served', async () => {
    expect(await send('GET', '/bucket/key', { host: own() })).toMatchObject({ status: 403, text: expect.stringContaining('AccessDenied') });
    const form = { host: own(), 'content-type': 'application/x-www-form-urlencoded' };
    const identity = await send('POST', '/', form, 'Action=GetCallerIdentity&Version=2011-06-15');
    expect(identity).toMatchObject({ status: 403, text: expect.stringContaining('<Code>MissingAuthenticationToken</Code>') });
    const kms = { host: own(), 'content-type': 'application/x-amz-json-1.1', authorization: signedBy('AKIANOBODY', 'kms') };
    expect(JSON.parse((await send('POST', '/', kms, '{}')).text)).toMatchObject({ __type: 'UnrecognizedClientException' });
    for (const [method, path] of [
      ['GET', '/_sandbox/faults'],
      ['POST', '/_sandbox/faults'],
      ['DELETE', '/_sandbox/faults'],
      ['POST', '/_sandbox/faults/now'],
    ] as const) {
      for (const authorization of ['Basic b3duZXI6', signedBy('AKIANOBODY')]) {
        const answer = await send(method, path, { host: own(), authorization }, method === 'POST' ? '{}' : '');
        expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('no key of this sandbox') });
      }
    }
    expect((await send('GET', '/_sandbox/faults', { host: own(), authorization: signedBy(key()) })).status).toBe(200);
  });

  test('a probe sees that it is up, and nothing else', async () => {
    expect(await send('GET', '/', { host: own() })).toEqual({ status: 200, text: 'sandbox\n' });
    expect((await send('GET', '/?list-type=2', { host: own() })).status).toBe(403);
  });
});

describe('with a key that it gave', () => {
  test('a role that is assumed may call, under its own key', async () => {
    const sts = new STSClient(clientConfig(sandbox));
    const { Credentials: given } = await sts.send(
      new AssumeRoleCommand({ RoleArn: 'arn:aws:iam::111122223333:role/deploy', RoleSessionName: 'me' }),
    );
    expect(given?.AccessKeyId).not.toBe(key());
    const credentials = { accessKeyId: given!.AccessKeyId!, secretAccessKey: given!.SecretAccessKey!, sessionToken: given!.SessionToken! };
    const session = { ...clientConfig(sandbox), credentials };
    expect(await new STSClient(session).send(new GetCallerIdentityCommand({}))).toMatchObject({ Account: '111122223333' });
    await sandbox.restart();
    expect(await new STSClient(session).send(new GetCallerIdentityCommand({}))).toMatchObject({ Account: '111122223333' });
  });

  test('a link into a bucket needs no header; the bucket may be in the host', async () => {
    const s3 = new S3Client(clientConfig(sandbox));
    await s3.send(new CreateBucketCommand({ Bucket: 'linked' }));
    await s3.send(new PutObjectCommand({ Bucket: 'linked', Key: 'k', Body: 'v' }));
    const query = (id: string) => `?X-Amz-Credential=${id}/20260101/eu-central-1/s3/aws4_request&X-Amz-Signature=0`;
    expect(await send('GET', `/linked/k${query(key())}`, { host: own() })).toEqual({ status: 200, text: 'v' });
    expect(await send('GET', `/k${query(key())}`, { host: `linked.${own()}` })).toEqual({ status: 200, text: 'v' });
    expect((await send('GET', `/linked/k${query('AKIANOBODY')}`, { host: own() })).text).toContain('InvalidAccessKeyId');
    expect(await (await s3.send(new GetObjectCommand({ Bucket: 'linked', Key: 'k' }))).Body?.transformToString()).toBe('v');
  });

  test('what is lent ends, is refused as ended, and is forgotten', () => {
    let now = 0;
    const folder = mkdtempSync(join(scratch, 'keys-'));
    const table = new State(folder).table<Lent>('keys');
    const keys = new Keys(ownerOf(folder), table, () => now);
    const { accessKeyId } = keys.lend(900);
    expect(keys.standingOf(accessKeyId)).toBe('known');
    now = 900_000;
    expect(keys.standingOf(accessKeyId)).toBe('expired');
    now += 3_600_001;
    const next = keys.lend(900);
    expect(table.values()).toEqual([next]);
    expect(keys.standingOf(accessKeyId)).toBe('unknown');
  });
});

describe('its folder', () => {
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
  // root's databases run under another account, which passes through and sees nothing.
  const closed = process.getuid?.() === 0 ? '710' : '700';

  test('is closed to others, also one that stood open; its key is kept in it, and is its own', async () => {
    const folder = mkdtempSync(join(scratch, 'open-'));
    chmodSync(folder, 0o755);
    const first = await startSandbox({ folder });
    await first.stop();
    const again = await startSandbox({ folder });
    await again.stop();
    expect(modeOf(folder)).toBe(closed);
    expect(modeOf(join(folder, 'credentials.json'))).toBe('600');
    if (closed === '710') expect(['state', 's3', 'logs', 'lambda'].map((name) => modeOf(join(folder, name)))).toEqual(Array(4).fill('700'));
    expect(again.env['AWS_ACCESS_KEY_ID']).toBe(first.env['AWS_ACCESS_KEY_ID']);
    expect(first.env['AWS_ACCESS_KEY_ID']).toMatch(/^AKIA[A-Z2-7]{16}$/);
    expect(first.env['AWS_ACCESS_KEY_ID']).not.toBe(key());
  });

  test('is refused when it is everybody’s', async () => {
    const folder = mkdtempSync(join(scratch, 'shared-'));
    chmodSync(folder, 0o1777);
    await expect(startSandbox({ folder })).rejects.toThrow(
      `${folder} belongs to others too, and a sandbox closes its folder to them; choose another --folder.`,
    );
    expect(modeOf(folder)).toBe('777');
  });
});
