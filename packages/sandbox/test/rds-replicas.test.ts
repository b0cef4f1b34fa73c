import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { placeFor } from '../lib/postgres/place';
import { asMaster, available, create, gone, describe as instance, password, rdsSandbox, statuses, stopSandbox } from './rds-support';
import { eventually, type TinySandbox } from './tiny';

let sandbox: TinySandbox;
const call = (operation: string, input: object = {}) => sandbox.call('rds', operation, input);
const named = (id: string, more: object = {}) => ({ DBInstanceIdentifier: id, ...more });
const replicate = (id: string, source: string, more: object = {}) =>
  call('CreateDBInstanceReadReplica', named(id, { SourceDBInstanceIdentifier: source, ...more }));
const refused = (code: string, message?: RegExp) => ({ code, ...(message && { message: expect.stringMatching(message) }) });
const sql = <Row extends object>(id: string, text: string) => asMaster<Row & Record<string, unknown>>(sandbox, id, text);
const startedAt = async (id: string) => (await sql<{ at: Date }>(id, 'SELECT pg_postmaster_start_time() AS at'))[0]?.at;

beforeAll(async () => {
  sandbox = await rdsSandbox();
  await create(sandbox, 'video');
  await available(sandbox, 'video');
  await sql('video', 'CREATE TABLE t (n int PRIMARY KEY)');
});
afterAll(() => stopSandbox(sandbox));

test('a replica streams from its source, cannot be written, and begins without backups', async () => {
  const seen = await statuses(sandbox, 'r1', async () => {
    await replicate('r1', sandbox.arn('rds', 'db:video'), { DeletionProtection: true });
    await expect(replicate('r1', 'video')).rejects.toMatchObject({ code: 'DBInstanceAlreadyExists' });
    await expect(call('PromoteReadReplica', named('r1'))).rejects.toMatchObject(
      refused('InvalidDBInstanceState', /not in available state: creating/),
    );
  });
  expect(seen).toEqual(['creating', 'available']);
  expect(await instance(sandbox, 'r1')).toMatchObject({
    ReadReplicaSourceDBInstanceIdentifier: 'video',
    StatusInfos: [{ StatusType: 'read replication', Normal: true, Status: 'replicating' }],
    BackupRetentionPeriod: 0,
    DeletionProtection: true,
  });
  expect((await instance(sandbox, 'video')).ReadReplicaDBInstanceIdentifiers).toEqual(['r1']);
  await sql('video', 'INSERT INTO t VALUES (1)');
  await eventually(async () => (await sql('r1', 'SELECT n FROM t')).length === 1);
  await expect(sql('r1', 'INSERT INTO t VALUES (2)')).rejects.toThrow('read-only transaction');
  const [slot] = await sql<{ active: boolean }>(
    'video',
    "SELECT active FROM pg_replication_slots WHERE slot_name LIKE 'rds_eu_central_1_db_%'",
  );
  expect(slot?.active).toBe(true);
  await expect(call('PromoteReadReplica', named('video'))).rejects.toMatchObject(refused('InvalidDBInstanceState', /not a read replica/));
  await expect(call('PromoteReadReplica', named('none'))).rejects.toMatchObject({ code: 'DBInstanceNotFound' });
});

test('ReplicaLag climbs while nothing is written and falls when RDS switches the segment', async () => {
  const now = Date.now();
  const lags = async (): Promise<number[]> => {
    const input = {
      Namespace: 'AWS/RDS',
      MetricName: 'ReplicaLag',
      Dimensions: [{ Name: 'DBInstanceIdentifier', Value: 'r1' }],
      Period: 1,
    };
    const range = { StartTime: new Date(now - 60_000), EndTime: new Date(Date.now() + 60_000), Statistics: ['Maximum'] };
    const { Datapoints } = await sandbox.call('cloudwatch', 'GetMetricStatistics', { ...input, ...range });
    return (Datapoints as { Maximum: number; Timestamp: Date }[]).sort((a, b) => +a.Timestamp - +b.Timestamp).map(({ Maximum }) => Maximum);
  };
  await eventually(async () => (await lags()).some((lag) => lag > 0.5));
  // the heartbeat is a transaction of its own: it is replayed, although nobody wrote.
  const age = async () =>
    Number((await sql<{ age: string }>('r1', 'SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp()) AS age'))[0]?.age);
  await eventually(async () => (await age()) < 0.3);
});

test('backups can be switched on on a replica, and it cannot be promoted meanwhile', async () => {
  const change = () => call('ModifyDBInstance', named('r1', { BackupRetentionPeriod: 2, ApplyImmediately: true }));
  const seen = await statuses(sandbox, 'r1', change, async () => {
    await eventually(async () => (await instance(sandbox, 'r1')).DBInstanceStatus === 'backing-up');
    await expect(call('PromoteReadReplica', named('r1'))).rejects.toMatchObject(refused('InvalidDBInstanceState', /backing-up/));
  });
  expect(seen).toEqual(['available', 'modifying', 'backing-up', 'available']);
});

test('promotion ends replication for good, restarts the server once, and takes no backup where there were some', async () => {
  await replicate('below', 'r1');
  await available(sandbox, 'below');
  const before = await startedAt('r1');
  const logged = sandbox.lines.length;
  const seen = await statuses(sandbox, 'r1', async () => {
    const { DBInstance } = await call('PromoteReadReplica', named('r1'));
    expect(DBInstance).toMatchObject({ DBInstanceStatus: 'available', ReadReplicaSourceDBInstanceIdentifier: 'video' });
    await expect(call('PromoteReadReplica', named('r1'))).rejects.toMatchObject(refused('InvalidDBInstanceState'));
  });
  expect(seen).toEqual(['available', 'modifying', 'rebooting', 'available']);
  const promoted = await instance(sandbox, 'r1');
  expect(promoted).not.toHaveProperty('ReadReplicaSourceDBInstanceIdentifier');
  expect(promoted).not.toHaveProperty('StatusInfos');
  expect(promoted).toMatchObject({ BackupRetentionPeriod: 2, ReadReplicaDBInstanceIdentifiers: ['below'] });
  expect((await instance(sandbox, 'video')).ReadReplicaDBInstanceIdentifiers).toEqual([]);
  expect(await sql('video', 'SELECT 1 FROM pg_replication_slots')).toEqual([]);
  expect(await startedAt('r1')).not.toEqual(before);
  expect(sandbox.lines.slice(logged).filter((line) => line === 'rds: r1 is rebooting')).toHaveLength(1);
  // after the reboot the server no longer knows where it left recovery; its timeline's history does.
  expect(await sql('r1', 'SELECT pg_last_wal_replay_lsn() AS lsn')).toEqual([{ lsn: null }]);
  const { Endpoint } = promoted;
  const replication = { user: 'master', password, database: 'video', replication: 'database' } as object;
  const client = new Client({ host: Endpoint?.Address, port: Endpoint?.Port, ...replication });
  await client.connect();
  expect((await client.query('TIMELINE_HISTORY 2')).rows).toHaveLength(1);
  await client.end();
  // the two go their own ways; a replica below goes with the promoted one.
  await sql('r1', 'INSERT INTO t VALUES (100)');
  await sql('video', 'INSERT INTO t VALUES (200)');
  await eventually(async () => (await sql('below', 'SELECT n FROM t WHERE n = 100')).length === 1);
  expect(await sql('r1', 'SELECT n FROM t WHERE n = 200')).toEqual([]);
  await expect(call('ModifyDBInstance', named('r1', { BackupRetentionPeriod: 0, ApplyImmediately: true }))).rejects.toMatchObject(
    refused('InvalidDBInstanceState', /source of read replicas/),
  );
});

test('promotion of a replica without backups switches them on and backs up at once; 0 leaves them off', async () => {
  await Promise.all([replicate('on', 'video'), replicate('off', 'video')]);
  await Promise.all([available(sandbox, 'on'), available(sandbox, 'off')]);
  const on = statuses(sandbox, 'on', () => call('PromoteReadReplica', named('on')));
  const off = statuses(sandbox, 'off', () => call('PromoteReadReplica', named('off', { BackupRetentionPeriod: 0 })));
  expect(await on).toEqual(['available', 'modifying', 'rebooting', 'backing-up', 'available']);
  expect(await off).toEqual(['available', 'modifying', 'rebooting', 'available']);
  expect((await instance(sandbox, 'on')).BackupRetentionPeriod).toBe(1);
  for (const id of ['on', 'off']) await call('DeleteDBInstance', named(id, { SkipFinalSnapshot: true }));
  await Promise.all([gone(sandbox, 'on'), gone(sandbox, 'off')]);
});

test('a deleted source leaves its replicas as instances of their own, with every write', async () => {
  const remove = (id: string, more: object) => call('DeleteDBInstance', named(id, more));
  await expect(remove('below', { FinalDBSnapshotIdentifier: 'f' })).rejects.toMatchObject(
    refused('InvalidParameterCombination', /replica/),
  );
  await expect(remove('below', {})).rejects.toMatchObject(refused('InvalidParameterCombination', /SkipFinalSnapshot/));
  await call('ModifyDBInstance', named('r1', { DeletionProtection: false }));
  await available(sandbox, 'r1');
  await sql('r1', 'INSERT INTO t VALUES (101)');
  await remove('r1', { SkipFinalSnapshot: true });
  await gone(sandbox, 'r1');
  expect(await available(sandbox, 'below')).not.toHaveProperty('ReadReplicaSourceDBInstanceIdentifier');
  expect(await sql('below', 'SELECT n FROM t WHERE n > 99')).toEqual([{ n: 100 }, { n: 101 }]);
  await sql('below', 'INSERT INTO t VALUES (102)');
  await remove('below', { SkipFinalSnapshot: true });
  await gone(sandbox, 'below');
});

test('a snapshot is a copy of the running server and is restored as an instance of its own', async () => {
  const seen = await statuses(sandbox, 'video', async () => {
    const { DBSnapshot } = await call('CreateDBSnapshot', named('video', { DBSnapshotIdentifier: 'Before' }));
    expect(DBSnapshot).toMatchObject({ DBSnapshotIdentifier: 'before', Status: 'creating', SnapshotType: 'manual' });
    await expect(call('CreateDBSnapshot', named('video', { DBSnapshotIdentifier: 'before' }))).rejects.toMatchObject(
      refused('DBSnapshotAlreadyExists'),
    );
    await expect(call('CreateDBSnapshot', named('video', { DBSnapshotIdentifier: 'other' }))).rejects.toMatchObject(
      refused('InvalidDBInstanceState'),
    );
    await expect(call('DeleteDBSnapshot', { DBSnapshotIdentifier: 'before' })).rejects.toMatchObject(refused('InvalidDBSnapshotState'));
    await expect(call('RestoreDBInstanceFromDBSnapshot', named('copy', { DBSnapshotIdentifier: 'before' }))).rejects.toMatchObject(
      refused('InvalidDBSnapshotState'),
    );
  });
  expect(seen).toEqual(['backing-up', 'available']);
  const then = await sql<{ n: number }>('video', 'SELECT n FROM t ORDER BY n');
  await sql('video', 'DELETE FROM t');
  await call('RestoreDBInstanceFromDBSnapshot', named('copy', { DBSnapshotIdentifier: sandbox.arn('rds', 'snapshot:before') }));
  await available(sandbox, 'copy');
  expect(await sql('copy', 'SELECT n FROM t ORDER BY n')).toEqual(then);
  expect(await sql('video', 'SELECT n FROM t')).toEqual([]);
  expect((await call('DescribeDBSnapshots', { SnapshotType: 'manual' })).DBSnapshots).toMatchObject([
    { DBSnapshotIdentifier: 'before', PercentProgress: 100 },
  ]);
  const { DBSnapshots } = await call('DescribeDBSnapshots', named('video', { SnapshotType: 'automated' }));
  await expect(call('DeleteDBSnapshot', { DBSnapshotIdentifier: DBSnapshots[0].DBSnapshotIdentifier })).rejects.toMatchObject(
    refused('InvalidDBSnapshotState'),
  );
  await call('DeleteDBSnapshot', { DBSnapshotIdentifier: 'before' });
  await expect(call('DescribeDBSnapshots', { DBSnapshotIdentifier: 'before' })).rejects.toMatchObject({ code: 'DBSnapshotNotFound' });
});

test('a snapshot is whole, whatever the server does while it is taken', async () => {
  await call('CreateDBSnapshot', named('video', { DBSnapshotIdentifier: 'restless' }));
  const files = join(placeFor(join(sandbox.folder, 'rds')), 'snapshots');
  await eventually(() => readdirSync(files).some((name) => /^restless-.*unfinished$/.test(name)));
  await sandbox.faultNow('restart', 'video');
  await available(sandbox, 'video');
  expect((await call('DescribeDBSnapshots', { DBSnapshotIdentifier: 'restless' })).DBSnapshots).toMatchObject([{ Status: 'available' }]);
  await call('DeleteDBSnapshot', { DBSnapshotIdentifier: 'restless' });
});

test('a static parameter waits for a reboot, a dynamic one does not, and a promoted replica keeps its own group', async () => {
  const group = { DBParameterGroupName: 'logical' };
  const set = (ParameterName: string, ParameterValue: string, ApplyMethod: string) =>
    call('ModifyDBParameterGroup', { ...group, Parameters: [{ ParameterName, ParameterValue, ApplyMethod }] });
  const state = async () => (await instance(sandbox, 'copy')).DBParameterGroups;
  await expect(set('work_mem', '1024', 'immediate')).rejects.toMatchObject({ code: 'DBParameterGroupNotFound' });
  await call('CreateDBParameterGroup', { ...group, DBParameterGroupFamily: 'postgres17', Description: 'logical replication' });
  await expect(
    call('CreateDBParameterGroup', { ...group, DBParameterGroupFamily: 'postgres17', Description: 'again' }),
  ).rejects.toMatchObject({
    code: 'DBParameterGroupAlreadyExists',
  });
  await expect(set('rds.logical_replication', '1', 'immediate')).rejects.toMatchObject(
    refused('InvalidParameterCombination', /static parameter/),
  );
  await expect(set('rds.logical_replication', 'on', 'pending-reboot')).rejects.toMatchObject(
    refused('InvalidParameterValue', /allowed values are: 0,1/),
  );
  await expect(set('wal_level', 'logical', 'pending-reboot')).rejects.toMatchObject(refused('InvalidParameterValue', /cannot be modified/));
  await expect(set('max_connections', '0', 'pending-reboot')).rejects.toMatchObject(refused('InvalidParameterValue', /1-262143/));
  await expect(set('no_such', '1', 'pending-reboot')).rejects.toMatchObject(refused('InvalidParameterValue', /no_such/));
  await expect(call('DeleteDBParameterGroup', { DBParameterGroupName: 'default.postgres17' })).rejects.toMatchObject({
    code: 'InvalidDBParameterGroupState',
  });
  await call('ModifyDBInstance', named('copy', group));
  await available(sandbox, 'copy');
  expect(await state()).toEqual([{ DBParameterGroupName: 'logical', ParameterApplyStatus: 'pending-reboot' }]);
  await call('RebootDBInstance', named('copy'));
  await available(sandbox, 'copy');
  expect(await state()).toEqual([{ DBParameterGroupName: 'logical', ParameterApplyStatus: 'in-sync' }]);

  await set('log_min_duration_statement', '1234', 'immediate');
  await eventually(
    async () =>
      (await sql<{ v: string }>('copy', "SELECT setting AS v FROM pg_settings WHERE name = 'log_min_duration_statement'"))[0]?.v === '1234',
  );
  expect(await state()).toMatchObject([{ ParameterApplyStatus: 'in-sync' }]);
  await set('rds.logical_replication', '1', 'pending-reboot');
  expect(await state()).toMatchObject([{ ParameterApplyStatus: 'pending-reboot' }]);
  expect(await sql('copy', 'SHOW wal_level')).toEqual([{ wal_level: 'replica' }]);
  await call('RebootDBInstance', named('copy'));
  await available(sandbox, 'copy');
  expect(await sql('copy', 'SHOW wal_level')).toEqual([{ wal_level: 'logical' }]);
  const { Parameters } = await call('DescribeDBParameters', { ...group, Source: 'user' });
  expect(Parameters.map(({ ParameterName }: { ParameterName: string }) => ParameterName)).toEqual([
    'log_min_duration_statement',
    'rds.logical_replication',
  ]);
  // the master user can now decode, as on RDS.
  await sql('copy', "SELECT pg_create_logical_replication_slot('feed', 'pgoutput')");
  await sql('copy', "SELECT pg_replication_slot_advance('feed', pg_current_wal_lsn())");
  await sql('copy', "SELECT pg_drop_replication_slot('feed')");
  await call('ResetDBParameterGroup', group);
  expect(await state()).toMatchObject([{ ParameterApplyStatus: 'pending-reboot' }]);
  await expect(call('DeleteDBParameterGroup', group)).rejects.toMatchObject({ code: 'InvalidDBParameterGroupState' });
});

test('a server that dies is started again by RDS, with everything it had acknowledged', async () => {
  await sql('copy', 'INSERT INTO t VALUES (500)');
  await sandbox.faultNow('crash', 'copy');
  await eventually(async () => (await sql('copy', 'SELECT n FROM t WHERE n = 500').catch(() => [])).length === 1);
  await sandbox.faultNow('down', 'copy');
  await expect(sql('copy', 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  await call('RebootDBInstance', named('copy'));
  await available(sandbox, 'copy');
  await sql('copy', 'SELECT 1');
});

test('the passwords of hidden users are in a file for its owner only, and in no log and no answer', async () => {
  const file = join(sandbox.folder, 'rds', 'passwords.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const passwords = Object.values(JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>);
  const { DescribeDBLogFiles } = await call('DescribeDBLogFiles', named('video'));
  const logs: string[] = [];
  for (const { LogFileName } of DescribeDBLogFiles)
    logs.push((await call('DownloadDBLogFilePortion', named('video', { LogFileName }))).LogFileData);
  const told = [...sandbox.lines, ...logs, JSON.stringify(sandbox.table('rds.instances').values())].join('\n');
  for (const secret of [...passwords, password]) expect(told).not.toContain(secret);
});
