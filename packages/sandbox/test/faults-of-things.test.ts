/** Faults of things: each does what docs/sandbox/faults.md says, over HTTP and with the real things behind it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { strToU8, zipSync } from 'fflate';
import { Client, type QueryResultRow } from 'pg';
import { sendToFaults } from '../lib/faults/ask';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';
import { eventually } from './tiny';

// what these tests show does not depend on it, and the machine's disk is the slowest part of them.
process.env['SWITCHBACK_POSTGRES_FSYNC'] = 'off';

const images = mkdtempSync(join(tmpdir(), 'switchback-images-'));
let sandbox: TestSandbox;
beforeAll(async () => {
  mkdirSync(join(images, 'app/v1'), { recursive: true });
  writeFileSync(join(images, 'app/v1/worker.js'), "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)");
  sandbox = await sandboxForTest({ images, speed: 1200 });
});
afterEach(() => control('DELETE', ''));
afterAll(async () => {
  await sandbox.stop();
  rmSync(images, { recursive: true, force: true });
});

const control = async (method: string, path: string, body?: object) => {
  const answer = await sendToFaults(sandbox.env, method, path, body);
  return { status: answer.status, ...((await answer.json()) as { done?: string; message?: string; rules?: { injected: number }[] }) };
};
const faultNow = (kind: string, target: string, seconds?: number) =>
  control('POST', '/now', { kind, target, ...(seconds ? { seconds } : {}) });

describe('databases that feed each other', () => {
  const login = { user: 'master', password: 'correct-horse', database: 'video' };
  const instance = async (id: string) => (await sandbox.call('rds', 'DescribeDBInstances', { DBInstanceIdentifier: id })).DBInstances[0];
  const sql = async <Row extends QueryResultRow>(id: string, text: string): Promise<Row[]> => {
    const { Endpoint } = await instance(id);
    const client = new Client({ host: Endpoint.Address, port: Endpoint.Port, ...login });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  };
  const rows = async (id: string): Promise<number> => (await sql<{ n: number }>(id, 'SELECT count(*)::int AS n FROM t'))[0]?.n ?? -1;
  const started = async (id: string) => (await sql<{ at: Date }>(id, 'SELECT pg_postmaster_start_time() AS at'))[0]?.at.getTime() ?? 0;

  beforeAll(async () => {
    await sandbox.call('rds', 'CreateDBParameterGroup', {
      ...{ DBParameterGroupName: 'logical', DBParameterGroupFamily: 'postgres17', Description: 'feeds' },
    });
    await sandbox.call('rds', 'ModifyDBParameterGroup', {
      DBParameterGroupName: 'logical',
      Parameters: [{ ParameterName: 'rds.logical_replication', ParameterValue: '1', ApplyMethod: 'pending-reboot' }],
    });
    for (const id of ['production', 'fallback'])
      await sandbox.call('rds', 'CreateDBInstance', {
        ...{ DBInstanceIdentifier: id, DBInstanceClass: 'db.t4g.micro', Engine: 'postgres', AllocatedStorage: 20 },
        ...{ MasterUsername: login.user, MasterUserPassword: login.password, DBName: 'video', DBParameterGroupName: 'logical' },
      });
    for (const id of ['production', 'fallback']) {
      await eventually(async () => (await instance(id)).DBInstanceStatus === 'available', 30);
      await sql(id, 'CREATE TABLE t (n int PRIMARY KEY)');
    }
    await sql('production', "SELECT pg_create_logical_replication_slot('feed', 'pgoutput')");
    await sql('production', 'CREATE PUBLICATION feed FOR TABLE t');
    const { Endpoint } = await instance('production');
    const conninfo = `host=${Endpoint.Address} port=${Endpoint.Port} user=master password=${login.password} dbname=video`;
    await sql(
      'fallback',
      `CREATE SUBSCRIPTION feed CONNECTION '${conninfo}' PUBLICATION feed WITH (create_slot = false, slot_name = 'feed', copy_data = false)`,
    );
    await sql('production', 'INSERT INTO t VALUES (1)');
    await eventually(async () => (await rows('fallback')) === 1);
  });

  test.each(['production', 'fallback'])('the feed stands still at %s, and goes on by itself with nothing lost', async (end) => {
    const before = await rows('production');
    const { done } = await faultNow('stall', end, 2400);
    expect(done).toMatch(/the replication of \w+ stands still for 2400 s \(\d processes\)/);
    const from = performance.now();
    await sql('production', `INSERT INTO t VALUES (${before + 1})`);
    // production serves, and nothing arrives.
    expect(await rows('production')).toBe(before + 1);
    expect(await rows('fallback')).toBe(before);
    await eventually(async () => (await rows('fallback')) === before + 1, 20);
    // 2,400 seconds of AWS at speed 1200.
    expect(performance.now() - from).toBeGreaterThan(1800);
  });

  test('DELETE lets a feed that stands still go on', async () => {
    const before = await rows('production');
    await faultNow('stall', 'fallback', 100_000);
    await sql('production', `INSERT INTO t VALUES (${before + 1})`);
    await control('DELETE', '');
    await eventually(async () => (await rows('fallback')) === before + 1, 20);
  });

  test('a database is restarted, also while its replication stands still', async () => {
    const before = await started('fallback');
    await faultNow('stall', 'fallback', 100_000);
    expect(await faultNow('restart', 'fallback')).toMatchObject({ status: 200, done: 'the server of fallback was restarted' });
    expect(await started('fallback')).toBeGreaterThan(before);
    await sql('production', 'INSERT INTO t VALUES (1000)');
    await eventually(async () => (await sql('fallback', 'SELECT FROM t WHERE n = 1000')).length === 1, 20);
  });

  test('a database that is down stays down until it is rebooted', async () => {
    await faultNow('down', 'fallback');
    await expect(sql('fallback', 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await sandbox.call('rds', 'RebootDBInstance', { DBInstanceIdentifier: 'fallback' });
    await eventually(async () => (await sql('fallback', 'SELECT 1').catch(() => [])).length === 1, 20);
  });

  test('a change takes as many times as long as a rule says; the next one does not', async () => {
    const rule = { service: 'rds', operation: 'RebootDBInstance', kind: 'long', factor: 30, target: 'production' };
    await control('POST', '', { rules: [rule] });
    const reboot = async (): Promise<number> => {
      const from = performance.now();
      await sandbox.call('rds', 'RebootDBInstance', { DBInstanceIdentifier: 'production' });
      const status = async () =>
        (await sandbox.call('rds', 'DescribeDBInstances', { DBInstanceIdentifier: 'production' })).DBInstances[0].DBInstanceStatus;
      await eventually(async () => (await status()) === 'available', 20);
      return performance.now() - from;
    };
    // 60 seconds of AWS thirty times over, at speed 1200.
    expect(await reboot()).toBeGreaterThan(1450);
    expect(await reboot()).toBeLessThan(1400);
    expect((await control('GET', '')).rules).toMatchObject([{ kind: 'long', seen: 2, injected: 1 }]);
  });

  test('production gives up the slot of the feed, for good, and goes on serving with the settings it had', async () => {
    const setting = async () =>
      (await sql<{ s: string }>('production', "SELECT setting AS s FROM pg_settings WHERE name = 'max_slot_wal_keep_size'"))[0]?.s;
    const before = await setting();
    expect(await faultNow('slot', 'production')).toMatchObject({ done: 'production gave up its slots: feed' });
    expect(await sql('production', 'SELECT wal_status FROM pg_replication_slots')).toEqual([{ wal_status: 'lost' }]);
    await eventually(async () => (await setting()) === before);
    await sql('production', 'INSERT INTO t VALUES (2000)');
  });
});

describe('tasks', () => {
  const call = (operation: string, input: object) => sandbox.call('ecs', operation, { cluster: 'video', ...input });
  const tasks = async (desiredStatus = 'RUNNING') => {
    const { taskArns } = await call('ListTasks', { serviceName: 'clock', desiredStatus });
    return taskArns.length === 0 ? [] : (await call('DescribeTasks', { tasks: taskArns })).tasks;
  };
  const running = () => eventually(async () => (await tasks()).find(({ lastStatus }: { lastStatus: string }) => lastStatus === 'RUNNING'));
  const exitOf = (arn: string) =>
    eventually(async () => {
      const [task] = (await call('DescribeTasks', { tasks: [arn] })).tasks;
      return task.lastStatus === 'STOPPED' && { code: task.containers[0].exitCode };
    }).then(({ code }) => code);

  beforeAll(async () => {
    await sandbox.call('ecs', 'CreateCluster', { clusterName: 'video' });
    await sandbox.call('ecs', 'RegisterTaskDefinition', {
      ...{ family: 'worker', networkMode: 'awsvpc', requiresCompatibilities: ['FARGATE'], cpu: '256', memory: '512' },
      containerDefinitions: [{ name: 'app', image: 'repository/app:v1', command: ['node', 'worker.js'], stopTimeout: 120 }],
    });
    const networkConfiguration = { awsvpcConfiguration: { subnets: ['subnet-1'], securityGroups: ['sg-1'] } };
    await call('CreateService', { serviceName: 'clock', taskDefinition: 'worker', desiredCount: 1, networkConfiguration });
    await running();
  });

  test.each(['clock', 'worker'])('a task of %s is killed, and the service starts another', async (name) => {
    const before = await running();
    expect(await faultNow('kill', name)).toMatchObject({ done: expect.stringContaining(before.taskArn.split('/').at(-1)) });
    expect(await exitOf(before.taskArn)).toBe(137);
    const [stopped] = (await call('DescribeTasks', { tasks: [before.taskArn] })).tasks;
    expect(stopped).toMatchObject({ stopCode: 'EssentialContainerExited', stoppedReason: 'Essential container in task exited' });
    expect((await running()).taskArn).not.toBe(before.taskArn);
  });

  test('a task ignores SIGTERM by a fault: it works on until ECS kills it; the next one hears', async () => {
    await control('POST', '', { rules: [{ service: 'ecs', operation: 'StopTask', kind: 'ignores-sigterm', target: 'clock' }] });
    const stop = async () => {
      const { taskArn } = await running();
      const from = performance.now();
      await call('StopTask', { task: taskArn });
      const exitCode = await exitOf(taskArn);
      return { exitCode, took: performance.now() - from };
    };
    const killed = await stop();
    // ECS waits for the stop timeout, and never less than a real second.
    expect(killed.exitCode).toBe(137);
    expect(killed.took).toBeGreaterThan(950);
    expect((await stop()).exitCode).toBe(0);
  });

  test('a task takes long to start', async () => {
    await control('POST', '', { rules: [{ service: 'ecs', operation: 'RunTask', kind: 'long', factor: 80, target: 'worker' }] });
    const { taskArn } = await running();
    const from = performance.now();
    await call('StopTask', { task: taskArn });
    await eventually(async () => (await running()).taskArn !== taskArn);
    // 30 seconds of AWS eighty times over, at speed 1200.
    expect(performance.now() - from).toBeGreaterThan(1900);
  });

  test('a fault of a thing comes at the call whose input has the text: just before that event is in the journal, for example', async () => {
    await sandbox.call('s3', 'CreateBucket', { Bucket: 'journal' });
    const put = (Key: string, Body: string) =>
      new S3Client(clientConfig(sandbox)).send(new PutObjectCommand({ Bucket: 'journal', Key, Body }));
    const containing = '"step":"database.fence"';
    await control('POST', '', { rules: [{ service: 's3', operation: 'PutObject', containing, kind: 'kill', target: 'clock' }] });
    const { taskArn } = await running();
    await put('1', '{"type":"step.started","step":"database.drain"}');
    expect((await control('GET', '')).rules).toMatchObject([{ seen: 0, injected: 0 }]);
    await put('2', '{"type":"step.started","step":"database.fence"}');
    expect((await control('GET', '')).rules).toMatchObject([{ seen: 1, injected: 1 }]);
    expect(await exitOf(taskArn)).toBe(137);
  });
});

test("a function's clock is moved, in the middle of what it does, and put right again; what it measures without a clock goes on", async () => {
  const source = `exports.handler = async ({ wait }) => {
    const [from, steady] = [Date.now(), performance.now()];
    if (wait) while (Math.abs(Date.now() - from) < 600_000 && performance.now() - steady < 10_000) await new Promise((done) => setTimeout(done, 10));
    return { now: Date.now(), date: new Date().toISOString(), moved: Date.now() - from, took: performance.now() - steady };
  };`;
  await sandbox.call('lambda', 'CreateFunction', {
    ...{
      FunctionName: 'runner',
      Runtime: 'nodejs20.x',
      Handler: 'index.handler',
      Role: 'arn:aws:iam::000000000000:role/runner',
      Timeout: 20,
    },
    Code: { ZipFile: zipSync({ 'index.js': strToU8(source) }) },
  });
  const invoke = async (event: object) => {
    const { Payload } = await sandbox.call('lambda', 'Invoke', { FunctionName: 'runner', Payload: JSON.stringify(event) });
    return JSON.parse(Buffer.from(Payload).toString()) as { now: number; date: string; moved: number; took: number };
  };
  expect(Math.abs((await invoke({})).now - Date.now())).toBeLessThan(5000);
  const under = invoke({ wait: true });
  await new Promise((done) => setTimeout(done, 100));
  expect(await faultNow('clock', 'runner', -3600)).toMatchObject({ done: 'the clock of runner is off by -3600 s from now on' });
  const seen = await under;
  expect(seen.moved).toBeLessThan(-3_590_000);
  expect(seen.took).toBeLessThan(5000);
  expect(Math.abs(Date.parse(seen.date) - seen.now)).toBeLessThan(1000);
  expect(Math.abs((await invoke({})).now + 3_600_000 - Date.now())).toBeLessThan(5000);
  await control('DELETE', '');
  expect(Math.abs((await invoke({})).now - Date.now())).toBeLessThan(5000);
});

test('what is no fault of a thing, or has a target that is not there, is refused', async () => {
  expect(await faultNow('explode', 'x')).toMatchObject({
    status: 400,
    message: expect.stringContaining('this is no fault of a thing: kind'),
  });
  expect(await faultNow('crash', 'nobody')).toMatchObject({ status: 400, message: expect.stringContaining('nobody') });
  expect(await faultNow('kill', 'nobody')).toMatchObject({ status: 400, message: 'no task of nobody runs' });
  expect(await faultNow('stall', 'production', -5)).toMatchObject({ status: 400, message: expect.stringContaining('seconds are above 0') });
  const rule = { service: 'rds', operation: 'PromoteReadReplica', kind: 'long', factor: 1 };
  expect(await control('POST', '', { rules: [rule] })).toMatchObject({ status: 400, message: expect.stringContaining('rules.0.factor') });
  // a rule whose target is gone does not harm the call it stands before.
  await control('POST', '', { rules: [{ service: 's3', operation: 'PutObject', kind: 'crash', target: 'nobody' }] });
  await sandbox.call('s3', 'CreateBucket', { Bucket: 'whole' });
  await new S3Client(clientConfig(sandbox)).send(new PutObjectCommand({ Bucket: 'whole', Key: 'k', Body: 'x' }));
});
