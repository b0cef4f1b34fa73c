import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  CreateFunctionCommand,
  InvokeCommand,
  type InvokeCommandInput,
  LambdaClient,
  PutFunctionConcurrencyCommand,
  ResourceNotFoundException,
  TooManyRequestsException,
} from '@aws-sdk/client-lambda';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateScheduleCommand, DeleteScheduleCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { strToU8, zipSync } from 'fflate';
import { type RunningSandbox, startSandbox } from '../lib/server';
import { lambda } from '../lib/services/lambda';
import { logs } from '../lib/services/logs';
import { clientConfig } from './_helpers/sandbox';
import { eventually, type TinySandbox, tinySandbox } from './tiny';

let sandbox: TinySandbox;
const call = (operation: string, input: object) => sandbox.call('lambda', operation, input);
const role = 'arn:aws:iam::000000000000:role/runner';
const zip = (files: Record<string, string>) =>
  zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)])));

const create = (source: string, more: object = {}) =>
  call('CreateFunction', {
    FunctionName: 'f',
    Runtime: 'nodejs20.x',
    Handler: 'index.handler',
    Role: role,
    Code: { ZipFile: zip({ 'index.js': source }) },
    ...more,
  });

const invoke = async (event: unknown = {}, more: object = {}) => {
  const answer = await call('Invoke', { FunctionName: 'f', Payload: JSON.stringify(event), ...more });
  return { ...answer, Payload: JSON.parse(Buffer.from(answer.Payload ?? 'null').toString()) };
};

const logLines = async (): Promise<string[]> => {
  const found = await sandbox.call('logs', 'FilterLogEvents', { logGroupName: '/aws/lambda/f' });
  return found.events.map((event: { message: string }) => event.message);
};

const alive = (pid: number) => {
  try {
    process.kill(pid, 0);
    // a process that is dead and not yet collected by its parent still takes signals.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

beforeEach(async () => {
  sandbox = await tinySandbox({ lambda, logs });
});
afterEach(() => sandbox.stop());

test('a function runs as its zip says, and its instance stays warm', async () => {
  await create(`
    let calls = 0;
    exports.handler = async (event, context) => ({
      calls: ++calls, pid: process.pid, event, name: context.functionName, arn: context.invokedFunctionArn,
      id: context.awsRequestId, remaining: context.getRemainingTimeInMillis(),
    });`);
  const first = await invoke({ window: 'w1' });
  expect(first).toMatchObject({
    StatusCode: 200,
    ExecutedVersion: '$LATEST',
    Payload: { calls: 1, event: { window: 'w1' }, name: 'f', arn: 'arn:aws:lambda:eu-central-1:000000000000:function:f' },
  });
  expect(first.FunctionError).toBeUndefined();
  expect(first.Payload.id).toMatch(/^[0-9a-f-]{36}$/);
  expect(first.Payload.remaining).toBeGreaterThan(1000);
  expect(first.Payload.remaining).toBeLessThanOrEqual(3000);
  const second = await invoke();
  expect(second.Payload).toMatchObject({ calls: 2, pid: first.Payload.pid });
});

test('a function gets its own variables and those of Lambda, and nothing else of the sandbox', async () => {
  process.env['SECRET_OF_THE_PARENT'] = 'x';
  await create('exports.handler = async () => process.env;', { Environment: { Variables: { SYSTEM: 'video' } } });
  const { Payload: env } = await invoke();
  delete process.env['SECRET_OF_THE_PARENT'];
  expect(env).toMatchObject({
    SYSTEM: 'video',
    AWS_REGION: 'eu-central-1',
    AWS_LAMBDA_FUNCTION_NAME: 'f',
    AWS_ENDPOINT_URL: 'http://localhost:1',
    AWS_ACCESS_KEY_ID: 'ASIATINY',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    PATH: process.env['PATH'],
  });
  expect(env).not.toHaveProperty('SECRET_OF_THE_PARENT');
  expect(env).not.toHaveProperty('JEST_WORKER_ID');
});

test('an error that is thrown is answered with its type and message', async () => {
  await create('exports.handler = async () => { throw new RangeError("too far"); };');
  const answer = await invoke();
  expect(answer).toMatchObject({
    StatusCode: 200,
    FunctionError: 'Unhandled',
    Payload: { errorType: 'RangeError', errorMessage: 'too far' },
  });
  expect(answer.Payload.trace[0]).toBe('RangeError: too far');
});

test('a function that takes too long is killed, and the next invocation has a new instance', async () => {
  await create(
    `exports.handler = async (event) => {
      if (event.pid) return process.pid;
      console.log('pid', process.pid);
      for (;;);
    };`,
    { Timeout: 1 },
  );
  const answer = await invoke();
  expect(answer.FunctionError).toBe('Unhandled');
  expect(answer.Payload).toEqual({
    errorType: 'Sandbox.Timedout',
    errorMessage: expect.stringMatching(/^RequestId: [0-9a-f-]{36} Error: Task timed out after 1.00 seconds$/),
  });
  const pid = Number(/pid (\d+)/.exec((await logLines()).join('\n'))?.[1]);
  expect(alive(pid)).toBe(false);
  expect((await invoke({ pid: true })).Payload).not.toBe(pid);
});

test('a process that ends, or dies, in the middle of an invocation is an error of the function', async () => {
  await create(`exports.handler = async (event) => {
    if (event.exit) process.exit(event.exit);
    if (event.kill) process.kill(process.pid, 'SIGKILL');
    if (event.late) setTimeout(() => { throw new Error('nobody waits for me'); }, 0);
    if (event.rejected) void Promise.reject(new Error('nobody catches me'));
    return new Promise((resolve) => setTimeout(resolve, 500));
  };`);
  const exit = (text: string) => ({
    FunctionError: 'Unhandled',
    Payload: { errorType: 'Runtime.ExitError', errorMessage: expect.stringContaining(text) },
  });
  expect(await invoke({ exit: 3 })).toMatchObject(exit('Error: Runtime exited with error: exit status 3'));
  expect(await invoke({ kill: true })).toMatchObject(exit('Error: Runtime exited with error: signal: killed'));
  expect(await invoke({ late: true })).toMatchObject({ FunctionError: 'Unhandled', Payload: { errorMessage: 'nobody waits for me' } });
  expect(await invoke({ rejected: true })).toMatchObject({
    FunctionError: 'Unhandled',
    Payload: { errorType: 'Runtime.UnhandledPromiseRejection', errorMessage: 'nobody catches me' },
  });
  expect((await invoke()).FunctionError).toBeUndefined();
});

test('a handler that cannot be loaded is answered as the runtime says it', async () => {
  await create('exports.other = 1;');
  expect((await invoke()).Payload).toMatchObject({
    errorType: 'Runtime.HandlerNotFound',
    errorMessage: 'index.handler is undefined or not exported',
  });
  await call('UpdateFunctionCode', { FunctionName: 'f', ZipFile: zip({ 'index.js': 'exports.handler = ;' }) });
  expect((await invoke()).Payload).toMatchObject({ errorType: 'Runtime.UserCodeSyntaxError' });
  await call('UpdateFunctionCode', { FunctionName: 'f', ZipFile: zip({ 'other.js': '' }) });
  expect((await invoke()).Payload).toMatchObject({
    errorType: 'Runtime.ImportModuleError',
    errorMessage: "Error: Cannot find module 'index'",
  });
});

test('a module that is not in the zip is not found, except for the AWS SDK of the runtime', async () => {
  await create(`exports.handler = async (event) => Object.keys(require(event.module)).length;`);
  expect((await invoke({ module: 'pg' })).Payload.errorMessage).toContain("Cannot find module 'pg'");
  expect((await invoke({ module: '@aws-sdk/client-sts' })).Payload).toBeGreaterThan(10);
});

test('ES modules, callbacks and handlers in folders are served; a value returned without async is not an answer', async () => {
  const code = {
    'index.mjs': 'export const handler = async () => import.meta.url.endsWith("index.mjs");',
    'src/old.js': 'exports.handler = (event, context, callback) => { setTimeout(() => callback(null, "called back"), 5); };',
    'src/sync.js': 'exports.handler = () => "lost";',
    'src/done.js': 'exports.handler = (event, context) => context.fail(new Error("gave up"));',
  };
  await create('', { Code: { ZipFile: zip(code) } });
  const with_ = async (Handler: string) => {
    await call('UpdateFunctionConfiguration', { FunctionName: 'f', Handler });
    return (await invoke()).Payload;
  };
  expect(await with_('index.handler')).toBe(true);
  expect(await with_('src/old.handler')).toBe('called back');
  expect(await with_('src/sync.handler')).toBeNull();
  expect(await with_('src/done.handler')).toMatchObject({ errorMessage: 'gave up' });
});

test('what a function prints is in its log group, between the lines of Lambda, and in the answer if asked for', async () => {
  await create(
    `exports.handler = async (event) => { console.log('fork %s', event.n); console.error('careful'); process.stdout.write('no end'); };`,
  );
  const { LogResult } = await invoke({ n: 1 }, { LogType: 'Tail' });
  const tail = Buffer.from(LogResult, 'base64').toString();
  expect(tail).toMatch(
    /^START RequestId: .* Version: \$LATEST\n.*\tINFO\tfork 1\n.*\tERROR\tcareful\nno end\nEND RequestId: .*\nREPORT RequestId: /,
  );
  expect((await logLines()).join('\n')).toBe(tail.trimEnd());
  const { logStreams } = await sandbox.call('logs', 'DescribeLogStreams', { logGroupName: '/aws/lambda/f' });
  expect(logStreams[0].logStreamName).toMatch(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
});

test('concurrent invocations get instances of their own, up to the reserved concurrency', async () => {
  await create('exports.handler = async () => new Promise((resolve) => setTimeout(() => resolve(process.pid), 300));');
  const [a, b] = await Promise.all([invoke(), invoke()]);
  expect(a.Payload).not.toBe(b.Payload);
  await call('PutFunctionConcurrency', { FunctionName: 'f', ReservedConcurrentExecutions: 1 });
  const running = invoke();
  await expect(invoke()).rejects.toMatchObject({
    code: 'TooManyRequestsException',
    status: 429,
    message: 'Rate Exceeded.',
    details: { Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded' },
  });
  await running;
  expect((await invoke()).FunctionError).toBeUndefined();
  expect((await call('GetFunction', { FunctionName: 'f' })).Concurrency).toEqual({ ReservedConcurrentExecutions: 1 });
  await call('DeleteFunctionConcurrency', { FunctionName: 'f' });
  expect(await call('GetFunctionConcurrency', { FunctionName: 'f' })).toEqual({});
  await expect(call('PutFunctionConcurrency', { FunctionName: 'f', ReservedConcurrentExecutions: 901 })).rejects.toThrow(
    'below its minimum value of [100]',
  );
});

test('an asynchronous invocation that fails is tried twice more', async () => {
  await create(`exports.handler = async (event, context) => { console.log('attempt', context.awsRequestId); throw new Error('no'); };`);
  const answer = await call('Invoke', { FunctionName: 'f', InvocationType: 'Event', Payload: '{}' });
  expect(answer).toEqual({ StatusCode: 202 });
  await eventually(() => sandbox.lines.some((line) => line.includes('f failed 3 times')));
  const attempts = (await logLines()).filter((line) => line.includes('\tINFO\tattempt'));
  expect(attempts).toHaveLength(3);
  // it is the same invocation each time.
  expect(new Set(attempts.map((line) => line.split('\tINFO\t')[1])).size).toBe(1);
});

test('an asynchronous invocation waits while the function is throttled', async () => {
  await create(`exports.handler = async () => { console.log('ran'); };`);
  await call('PutFunctionConcurrency', { FunctionName: 'f', ReservedConcurrentExecutions: 0 });
  await call('Invoke', { FunctionName: 'f', InvocationType: 'Event' });
  await call('DeleteFunctionConcurrency', { FunctionName: 'f' });
  await eventually(async () => (await logLines().catch(() => [])).some((line) => line.endsWith('ran')));
});

test('an asynchronous invocation that was running when the sandbox stopped runs again when it starts', async () => {
  await create(`exports.handler = async () => { console.log('begun'); await new Promise(() => setTimeout(() => {}, 60000)); };`, {
    Timeout: 60,
  });
  await call('Invoke', { FunctionName: 'f', InvocationType: 'Event' });
  const begun = async (times: number) => (await logLines().catch(() => [])).filter((line) => line.endsWith('begun')).length === times;
  await eventually(() => begun(1));
  sandbox = await sandbox.restart();
  await eventually(() => begun(2));
});

test('new code and new configuration reach the next invocation; a running one ends with the old', async () => {
  await create('exports.handler = async (event) => new Promise((resolve) => setTimeout(() => resolve("old " + process.env.A), event.ms));');
  await invoke({ ms: 0 });
  const running = invoke({ ms: 300 });
  const updated = await call('UpdateFunctionCode', {
    FunctionName: 'f',
    ZipFile: zip({ 'index.js': 'exports.handler = async () => "new " + process.env.A;' }),
  });
  expect(updated).toMatchObject({ State: 'Active', LastUpdateStatus: 'Successful' });
  expect((await invoke()).Payload).toBe('new undefined');
  await call('UpdateFunctionConfiguration', { FunctionName: 'f', Environment: { Variables: { A: '1' } } });
  expect((await invoke()).Payload).toBe('new 1');
  expect((await running).Payload).toBe('old undefined');
});

test('code comes from S3 too, and what cannot be read there is said', async () => {
  await sandbox.stop();
  const s3 = () => ({
    client: 'client-s3',
    handlers: {
      GetObject({ Key }: { Key: string }) {
        if (Key !== 'code.zip') throw Object.assign(new Error('The specified key does not exist.'), { name: 'NoSuchKey' });
        return { Body: zip({ 'index.js': 'exports.handler = async () => "from s3";' }) };
      },
    },
  });
  sandbox = await tinySandbox({ lambda, logs, s3 });
  await create('', { Code: { S3Bucket: 'assets', S3Key: 'code.zip' } });
  expect((await invoke()).Payload).toBe('from s3');
  await expect(call('UpdateFunctionCode', { FunctionName: 'f', S3Bucket: 'assets', S3Key: 'gone.zip' })).rejects.toMatchObject({
    code: 'InvalidParameterValueException',
    message:
      'Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist. (s3://assets/gone.zip)',
  });
});

test('a function is described, listed, tagged and deleted', async () => {
  await create('exports.handler = async () => 1;', {
    Tags: { system: 'video' },
    Timeout: 900,
    VpcConfig: { SubnetIds: ['subnet-1'], SecurityGroupIds: ['sg-1'] },
  });
  const arn = 'arn:aws:lambda:eu-central-1:000000000000:function:f';
  expect(await call('GetFunctionConfiguration', { FunctionName: arn })).toMatchObject({
    FunctionName: 'f',
    FunctionArn: arn,
    Timeout: 900,
    MemorySize: 128,
    Runtime: 'nodejs20.x',
    VpcConfig: { SubnetIds: ['subnet-1'] },
    LoggingConfig: { LogGroup: '/aws/lambda/f' },
  });
  expect((await call('ListFunctions', {})).Functions).toHaveLength(1);
  await call('TagResource', { Resource: arn, Tags: { color: 'blue' } });
  expect((await call('GetFunction', { FunctionName: 'f' })).Tags).toEqual({ system: 'video', color: 'blue' });
  await call('DeleteFunction', { FunctionName: 'f' });
  await expect(call('GetFunction', { FunctionName: 'f' })).rejects.toMatchObject({
    code: 'ResourceNotFoundException',
    status: 404,
    message: `Function not found: ${arn}`,
  });
});

test('permissions make the policy of the function', async () => {
  await create('exports.handler = async () => 1;');
  await expect(call('GetPolicy', { FunctionName: 'f' })).rejects.toMatchObject({ status: 404 });
  const permission = {
    FunctionName: 'f',
    StatementId: 's1',
    Action: 'lambda:InvokeFunction',
    Principal: 'scheduler.amazonaws.com',
    SourceArn: 'arn:x',
  };
  await call('AddPermission', permission);
  await expect(call('AddPermission', permission)).rejects.toMatchObject({ code: 'ResourceConflictException', status: 409 });
  expect(JSON.parse((await call('GetPolicy', { FunctionName: 'f' })).Policy).Statement).toEqual([
    {
      Sid: 's1',
      Effect: 'Allow',
      Principal: { Service: 'scheduler.amazonaws.com' },
      Action: 'lambda:InvokeFunction',
      Resource: 'arn:aws:lambda:eu-central-1:000000000000:function:f',
      Condition: { ArnLike: { 'AWS:SourceArn': 'arn:x' } },
    },
  ]);
  await call('RemovePermission', { FunctionName: 'f', StatementId: 's1' });
  await expect(call('RemovePermission', { FunctionName: 'f', StatementId: 's1' })).rejects.toMatchObject({ status: 404 });
});

test.each([
  ['a runtime that is not Node.js', { Runtime: 'python3.12' }, 'asks for python3.12'],
  ['a reserved variable', { Environment: { Variables: { AWS_REGION: 'x' } } }, 'Reserved keys used in this request: AWS_REGION'],
  ['more than 4 KB of variables', { Environment: { Variables: { MANIFEST: 'x'.repeat(4096) } } }, 'exceeded the 4KB limit.'],
  ['a timeout over 15 minutes', { Timeout: 901 }, "Value '901' at 'timeout'"],
  ['a name with a space', { FunctionName: 'my function' }, "Value 'my function' at 'functionName'"],
  ['a layer', { Layers: ['arn:aws:lambda:x:layer:y:1'] }, 'does not serve layers'],
  ['an image', { Code: { ImageUri: 'repo/image' } }, 'not the image repo/image'],
  ['a file that is no zip', { Code: { ZipFile: Buffer.from('text') } }, 'Could not unzip uploaded file'],
  ['a zip that leaves its folder', { Code: { ZipFile: zipSync({ '../../x.js': strToU8('') }) } }, 'outside of itself: ../../x.js'],
])('%s is refused', async (_what, input, message) => {
  await expect(create('exports.handler = async () => 1;', input)).rejects.toThrow(message);
});

test('an event that is no JSON, or is too large, is refused before the function runs', async () => {
  await create('exports.handler = async () => "x".repeat(7 * 1024 * 1024);');
  await expect(call('Invoke', { FunctionName: 'f', Payload: '{oops' })).rejects.toMatchObject({ code: 'InvalidRequestContentException' });
  await expect(
    call('Invoke', { FunctionName: 'f', InvocationType: 'Event', Payload: `"${'x'.repeat(1024 * 1024)}"` }),
  ).rejects.toMatchObject({
    code: 'RequestTooLargeException',
    status: 413,
  });
  expect((await invoke()).Payload.errorType).toBe('Function.ResponseSizeTooLarge');
});

test('functions survive a restart of the sandbox, and their processes do not', async () => {
  await create('exports.handler = async () => process.pid;');
  const { Payload: pid } = await invoke();
  expect(alive(pid)).toBe(true);
  sandbox = await sandbox.restart();
  expect(alive(pid)).toBe(false);
  expect((await invoke()).Payload).not.toBe(pid);
});

describe('over HTTP, with the SDK', () => {
  let running: RunningSandbox;
  let folder: string;
  const config = () => ({ ...clientConfig(running), maxAttempts: 1 });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchback-lambda-'));
    running = await startSandbox({ folder, speed: 1000 });
  });
  afterAll(async () => {
    await running.stop();
    rmSync(folder, { recursive: true });
  });

  test('a function from S3 answers, fails and is throttled in the shapes of the client, and calls AWS itself', async () => {
    const s3 = new S3Client({ ...config(), forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: 'assets' }));
    const source = `
      const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts');
      exports.handler = async (event) => {
        if (event.fail) throw new TypeError('as asked');
        if (event.wait) await new Promise((resolve) => setTimeout(resolve, event.wait));
        return (await new STSClient().send(new GetCallerIdentityCommand())).Account;
      };`;
    await s3.send(new PutObjectCommand({ Bucket: 'assets', Key: 'code.zip', Body: zip({ 'index.js': source }) }));
    const client = new LambdaClient(config());
    const code = { S3Bucket: 'assets', S3Key: 'code.zip' };
    const made = await client.send(
      new CreateFunctionCommand({
        FunctionName: 'web',
        Runtime: 'nodejs20.x',
        Handler: 'index.handler',
        Role: role,
        Code: code,
        Timeout: 20,
      }),
    );
    expect(made).toMatchObject({ FunctionName: 'web', State: 'Active', Timeout: 20 });
    const send = (event: object, more: Partial<InvokeCommandInput> = {}) =>
      client.send(new InvokeCommand({ FunctionName: 'web', Payload: Buffer.from(JSON.stringify(event)), ...more }));
    const answer = await send({}, { LogType: 'Tail' });
    expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
    expect(answer.FunctionError).toBeUndefined();
    expect(answer.Payload?.transformToString()).toBe('"111122223333"');
    expect(Buffer.from(answer.LogResult ?? '', 'base64').toString()).toContain('REPORT RequestId');
    const failed = await send({ fail: true });
    expect(failed.FunctionError).toBe('Unhandled');
    expect(JSON.parse(failed.Payload?.transformToString() ?? '')).toMatchObject({ errorType: 'TypeError', errorMessage: 'as asked' });
    await client.send(new PutFunctionConcurrencyCommand({ FunctionName: 'web', ReservedConcurrentExecutions: 1 }));
    const both = await Promise.allSettled([send({ wait: 300 }), send({ wait: 300 })]);
    const refused = both.find((each) => each.status === 'rejected')?.reason;
    expect(refused).toBeInstanceOf(TooManyRequestsException);
    expect(refused).toMatchObject({ Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded', $metadata: { httpStatusCode: 429 } });
    await expect(client.send(new InvokeCommand({ FunctionName: 'none' }))).rejects.toBeInstanceOf(ResourceNotFoundException);
  });

  test('a schedule invokes a function, whose output is in its log', async () => {
    const client = new LambdaClient(config());
    const { FunctionArn } = await client.send(
      new CreateFunctionCommand({
        ...{ FunctionName: 'clock', Runtime: 'nodejs20.x', Handler: 'index.handler', Role: role },
        Code: { ZipFile: zip({ 'index.js': 'exports.handler = async (event) => console.log("verb", event.verb);' }) },
      }),
    );
    const schedules = new SchedulerClient(config());
    await schedules.send(
      new CreateScheduleCommand({
        ...{ Name: 'w1-teardown', ScheduleExpression: 'rate(5 minutes)', FlexibleTimeWindow: { Mode: 'OFF' } },
        Target: { Arn: FunctionArn, RoleArn: role, Input: '{"verb":"teardown"}' },
      }),
    );
    const logsClient = new CloudWatchLogsClient(config());
    const find = new FilterLogEventsCommand({ logGroupName: '/aws/lambda/clock', filterPattern: '"verb teardown"' });
    await eventually(async () => {
      const found = await logsClient.send(find).catch(() => undefined);
      return (found?.events?.length ?? 0) >= 2;
    });
    await schedules.send(new DeleteScheduleCommand({ Name: 'w1-teardown' }));
  });
});

test('the processes of functions end when the sandbox is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchback-lambda-'));
  const program = `
    import { strToU8, zipSync } from 'fflate';
    import { startSandbox } from ${JSON.stringify(join(__dirname, '../lib/server.ts'))};
    void (async () => {
      const sandbox = await startSandbox({ folder: ${JSON.stringify(folder)} });
      const ZipFile = zipSync({ 'index.js': strToU8('exports.handler = async () => process.pid;') });
      await sandbox.call('lambda', 'CreateFunction', { FunctionName: 'f', Runtime: 'nodejs20.x', Handler: 'index.handler', Role: '${role}', Code: { ZipFile } });
      const { Payload } = await sandbox.call('lambda', 'Invoke', { FunctionName: 'f' });
      console.log('pid ' + Buffer.from(Payload).toString());
    })();`;
  // beside the test, so that its imports are found.
  const file = join(__dirname, `.killed-${process.pid}.ts`);
  writeFileSync(file, program);
  const quiet = { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };
  const child = spawn(process.execPath, ['--import', 'tsx', file], { env: quiet, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (piece) => {
    output += piece;
  });
  const pid = await eventually(() => Number(/pid (\d+)/.exec(output)?.[1]));
  expect(alive(pid)).toBe(true);
  child.kill('SIGKILL');
  await eventually(() => !alive(pid));
  rmSync(file);
  rmSync(folder, { recursive: true });
});

test('a function in a VPC that slept is made ready by the call that finds it asleep, and runs nothing until then', async () => {
  await create("exports.handler = async () => 'here'", { VpcConfig: { SubnetIds: ['subnet-1'], SecurityGroupIds: ['sg-1'] } });
  expect(await sandbox.faultNow('asleep', 'f', 120)).toBe('f is Inactive');
  const state = async () => (await call('GetFunctionConfiguration', { FunctionName: 'f' })).State;
  expect(await state()).toBe('Inactive');
  await expect(invoke()).rejects.toMatchObject({ name: 'ResourceNotReadyException' });
  await expect(invoke({}, { InvocationType: 'Event' })).rejects.toMatchObject({ name: 'CodeArtifactUserPendingException' });
  expect(await state()).toBe('Pending');
  await eventually(async () => (await state()) === 'Active');
  expect((await invoke()).Payload).toBe('here');
});

test('a function outside of a VPC does not sleep', async () => {
  await create("exports.handler = async () => 'here'");
  expect(await sandbox.faultNow('asleep', 'f', 120)).toBe('f is in no VPC, and does not sleep');
  expect((await invoke()).Payload).toBe('here');
});
