import {
  CreateDBInstanceCommand,
  DBInstanceAlreadyExistsFault,
  DBInstanceNotFoundFault,
  DescribeDBInstancesCommand,
  InvalidDBInstanceStateFault,
  PromoteReadReplicaCommand,
  RDSClient,
} from '@aws-sdk/client-rds';
import { clientConfig, sandboxForTest } from './_helpers/sandbox';
import { asMaster, available, create, gone, describe as instance, password, rdsSandbox, statuses, stopSandbox } from './rds-support';
import { eventually, type TinySandbox } from './tiny';

let sandbox: TinySandbox;
const call = (operation: string, input: object = {}) => sandbox.call('rds', operation, input);
const named = (id: string, more: object = {}) => ({ DBInstanceIdentifier: id, ...more });
const refused = (code: string, message: string | RegExp) => ({
  code,
  message: typeof message === 'string' ? message : expect.stringMatching(message),
});

beforeAll(async () => {
  sandbox = await rdsSandbox();
  await create(sandbox, 'video');
  await available(sandbox, 'video');
});
afterAll(() => stopSandbox(sandbox));

describe('a new instance', () => {
  test('has no endpoint before it is there, takes its first backup, and then accepts the master user', async () => {
    const seen = await statuses(sandbox, 'fresh', async () => {
      const { DBInstance } = (await create(sandbox, 'Fresh', { BackupRetentionPeriod: 2 })) as { DBInstance: object };
      expect(DBInstance).toMatchObject({ DBInstanceIdentifier: 'fresh', DBInstanceStatus: 'creating', BackupRetentionPeriod: 2 });
      expect(DBInstance).not.toHaveProperty('Endpoint');
    });
    expect(seen).toEqual(['creating', 'backing-up', 'available']);
    expect(await instance(sandbox, 'fresh')).toMatchObject({ Endpoint: { Address: '127.0.0.1', Port: expect.any(Number) } });
    expect(await asMaster(sandbox, 'fresh', 'SELECT current_user, current_database()')).toEqual([
      { current_user: 'master', current_database: 'video' },
    ]);
    const { DBSnapshots } = await call('DescribeDBSnapshots', named('fresh'));
    expect(DBSnapshots).toMatchObject([{ SnapshotType: 'automated', Status: 'available', DBInstanceIdentifier: 'fresh' }]);
    await call('DeleteDBInstance', named('fresh', { SkipFinalSnapshot: true }));
    await gone(sandbox, 'fresh');
    expect(await call('DescribeDBSnapshots', named('fresh'))).toEqual({ DBSnapshots: [] });
  });

  test('has a master user that is no superuser but may do what rds_superuser may', async () => {
    const [role] = await asMaster(sandbox, 'video', "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'master'");
    expect(role).toEqual({ rolsuper: false, rolcreaterole: true, rolcreatedb: true });
    for (const statement of [
      'CREATE SCHEMA own',
      'CREATE TABLE own.t (n int PRIMARY KEY)',
      'CREATE PUBLICATION p FOR TABLE own.t',
      "CREATE ROLE app LOGIN PASSWORD 'app-password'",
      'GRANT pg_monitor TO app',
      'GRANT rds_replication TO app',
      'CHECKPOINT',
      'SET session_replication_role = replica',
      "SELECT pg_replication_origin_create('o')",
      "SELECT pg_replication_origin_advance('o', '0/1')",
      'SELECT * FROM pg_replication_origin_status',
      'CREATE DATABASE another',
    ]) {
      await asMaster(sandbox, 'video', statement);
    }
    await expect(asMaster(sandbox, 'video', 'SELECT * FROM pg_authid')).rejects.toThrow('permission denied');
    await expect(asMaster(sandbox, 'video', 'ALTER SYSTEM SET work_mem = 1')).rejects.toThrow('permission denied');
    await expect(asMaster(sandbox, 'video', "COPY (SELECT 1) TO PROGRAM 'true'")).rejects.toThrow('permission denied');
    await expect(asMaster(sandbox, 'video', 'SELECT 1', { database: 'rdsadmin' })).rejects.toThrow('permission denied');
    await expect(
      asMaster(sandbox, 'video', "SELECT pg_replication_origin_create('x')", { user: 'app', password: 'app-password' }),
    ).rejects.toThrow('permission denied');
  });

  test.each([
    ['a--b', {}, 'InvalidParameterValue', /DBInstanceIdentifier is not a valid identifier.*'a--b'/],
    ['1a', {}, 'InvalidParameterValue', /not a valid identifier/],
    ['a-', {}, 'InvalidParameterValue', /not a valid identifier/],
    ['a'.repeat(64), {}, 'InvalidParameterValue', /at most 63 characters/],
    ['VIDEO', {}, 'DBInstanceAlreadyExists', 'DB instance already exists'],
    ['n', { Engine: 'mysql' }, 'InvalidParameterValue', /mysql/],
    ['n', { EngineVersion: '9.6' }, 'InvalidParameterCombination', 'Cannot find version 9.6 for postgres'],
    ['n', { MasterUsername: 'rdsadmin' }, 'InvalidParameterValue', /reserved word/],
    ['n', { MasterUserPassword: 'short' }, 'InvalidParameterValue', /between 8 and 128/],
    ['n', { MasterUserPassword: 'with/a/slash' }, 'InvalidParameterValue', /printable ASCII/],
    ['n', { MasterUserPassword: undefined }, 'InvalidParameterValue', /MasterUserPassword must be provided/],
    ['n', { ManageMasterUserPassword: true }, 'InvalidParameterCombination', /ManageMasterUserPassword/],
    ['n', { AllocatedStorage: 5 }, 'InvalidParameterValue', /Invalid storage size.*gp2: 5/],
    ['n', { DBInstanceClass: 'large' }, 'InvalidParameterValue', 'Invalid DB Instance class: large'],
    ['n', { BackupRetentionPeriod: 36 }, 'InvalidParameterValue', /between 0 and 35/],
    ['n', { DBSubnetGroupName: 'none' }, 'DBSubnetGroupNotFoundFault', /'none' does not exist/],
    ['n', { DBParameterGroupName: 'none' }, 'DBParameterGroupNotFound', 'DBParameterGroup not found: none'],
  ])('is refused: %s %j', async (id, more, code, message) => {
    await expect(create(sandbox, id, more)).rejects.toMatchObject(refused(code, message));
  });
});

test('instances are found by name, ARN and filter, and answered page by page', async () => {
  const arn = sandbox.arn('rds', 'db:video');
  expect((await call('DescribeDBInstances', named(arn))).DBInstances).toHaveLength(1);
  const filters = (Name: string, ...Values: string[]) => ({ Filters: [{ Name, Values }] });
  expect((await call('DescribeDBInstances', filters('db-instance-id', arn, 'x'))).DBInstances).toHaveLength(1);
  expect((await call('DescribeDBInstances', filters('db-instance-id', 'x'))).DBInstances).toEqual([]);
  await expect(call('DescribeDBInstances', filters('color', 'blue'))).rejects.toMatchObject(refused('InvalidParameterValue', /color/));
  await expect(call('DescribeDBInstances', { MaxRecords: 5 })).rejects.toMatchObject(
    refused('InvalidParameterValue', /between 20 and 100/),
  );
  await expect(call('DescribeDBInstances', named('none'))).rejects.toMatchObject(
    refused('DBInstanceNotFound', 'DBInstance none not found.'),
  );
  // there are more parameters than fit on one page.
  const names: string[] = [];
  for (let Marker: string | undefined; names.length === 0 || Marker !== undefined; ) {
    const page = await call('DescribeDBParameters', {
      DBParameterGroupName: 'default.postgres17',
      MaxRecords: 100,
      ...(Marker && { Marker }),
    });
    names.push(...page.Parameters.map(({ ParameterName }: { ParameterName: string }) => ParameterName));
    Marker = page.Marker;
  }
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(300);
});

describe('a change', () => {
  test('is accepted while the status still says available, and refused while another is under way', async () => {
    const seen = await statuses(sandbox, 'video', async () => {
      const { DBInstance } = await call('ModifyDBInstance', named('video', { MasterUserPassword: 'another-password' }));
      expect(DBInstance).toMatchObject({ DBInstanceStatus: 'available', PendingModifiedValues: { MasterUserPassword: '****' } });
      await expect(call('ModifyDBInstance', named('video', { MultiAZ: true }))).rejects.toMatchObject(
        refused('InvalidDBInstanceState', /not in available state/),
      );
    });
    expect(seen).toEqual(['available', 'modifying', 'available']);
    await expect(asMaster(sandbox, 'video', 'SELECT 1')).rejects.toThrow('password authentication failed');
    await asMaster(sandbox, 'video', 'SELECT 1', { password: 'another-password' });
    await call('ModifyDBInstance', named('video', { MasterUserPassword: password }));
    expect((await available(sandbox, 'video')).PendingModifiedValues).toEqual({});
  });

  test('of the class waits unless it is to apply immediately', async () => {
    await call('ModifyDBInstance', named('video', { DBInstanceClass: 'db.t4g.small' }));
    expect(await available(sandbox, 'video')).toMatchObject({
      DBInstanceClass: 'db.t4g.micro',
      PendingModifiedValues: { DBInstanceClass: 'db.t4g.small' },
    });
    await call('ModifyDBInstance', named('video', { ApplyImmediately: true }));
    expect(await available(sandbox, 'video')).toMatchObject({ DBInstanceClass: 'db.t4g.small', PendingModifiedValues: {} });
  });

  test('of backups from 0 takes the instance offline and takes one at once', async () => {
    await create(sandbox, 'bare', { BackupRetentionPeriod: 0 });
    await available(sandbox, 'bare');
    await expect(call('CreateDBInstanceReadReplica', named('r', { SourceDBInstanceIdentifier: 'bare' }))).rejects.toMatchObject(
      refused('InvalidDBInstanceState', /^Automated backups are not enabled for this database instance/),
    );
    const started = () => asMaster<{ at: Date }>(sandbox, 'bare', 'SELECT pg_postmaster_start_time() AS at');
    const before = await started();
    const seen = await statuses(sandbox, 'bare', () =>
      call('ModifyDBInstance', named('bare', { BackupRetentionPeriod: 7, ApplyImmediately: true })),
    );
    expect(seen).toEqual(['available', 'modifying', 'backing-up', 'available']);
    expect(await started()).not.toEqual(before);
    // from one number of days to another there is neither.
    expect(await statuses(sandbox, 'bare', () => call('ModifyDBInstance', named('bare', { BackupRetentionPeriod: 3 })))).toEqual([
      'available',
      'modifying',
      'available',
    ]);
    expect(await instance(sandbox, 'bare')).toMatchObject({ BackupRetentionPeriod: 3, PendingModifiedValues: {} });
    await call('DeleteDBInstance', named('bare', { SkipFinalSnapshot: true }));
    await gone(sandbox, 'bare');
  });
});

test('a reboot ends every session and starts the server again on the same port', async () => {
  const before = await instance(sandbox, 'video');
  const session = asMaster(sandbox, 'video', 'SELECT pg_sleep(60)').catch((error: Error) => error.message);
  await eventually(
    async () => (await asMaster(sandbox, 'video', "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")).length > 0,
  );
  expect(await statuses(sandbox, 'video', () => call('RebootDBInstance', named('video')))).toEqual(['rebooting', 'available']);
  expect(await session).toMatch(/terminating connection|Connection terminated/);
  expect((await instance(sandbox, 'video')).Endpoint).toEqual(before.Endpoint);
  await expect(call('RebootDBInstance', named('video', { ForceFailover: true }))).rejects.toMatchObject({
    code: 'InvalidParameterCombination',
  });
});

describe('deleting', () => {
  const remove = (id: string, more: object) => call('DeleteDBInstance', named(id, more));

  test('is refused for what is protected, for a snapshot that is not named or named twice, and while it is under way', async () => {
    await create(sandbox, 'kept', { DeletionProtection: true });
    await available(sandbox, 'kept');
    await expect(remove('kept', { SkipFinalSnapshot: true })).rejects.toMatchObject(
      refused('InvalidParameterCombination', 'Cannot delete protected DB Instance, please disable deletion protection and try again.'),
    );
    await call('ModifyDBInstance', named('kept', { DeletionProtection: false }));
    await available(sandbox, 'kept');
    await expect(remove('kept', {})).rejects.toMatchObject(
      refused('InvalidParameterCombination', 'FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.'),
    );
    await expect(remove('kept', { SkipFinalSnapshot: true, FinalDBSnapshotIdentifier: 'f' })).rejects.toMatchObject({
      code: 'InvalidParameterCombination',
    });
    await expect(remove('kept', { FinalDBSnapshotIdentifier: 'f--f' })).rejects.toMatchObject({ code: 'InvalidParameterValue' });
    const seen = await statuses(sandbox, 'kept', async () => {
      await remove('kept', { FinalDBSnapshotIdentifier: 'kept-final' });
      await expect(remove('kept', { SkipFinalSnapshot: true })).rejects.toMatchObject(
        refused('InvalidDBInstanceState', /already being deleted/),
      );
    });
    expect(seen).toEqual(['deleting', 'deleted']);
    expect((await call('DescribeDBSnapshots', { DBSnapshotIdentifier: 'kept-final' })).DBSnapshots).toMatchObject([
      { Status: 'available', SnapshotType: 'manual' },
    ]);
    await expect(remove('video', { FinalDBSnapshotIdentifier: 'kept-final' })).rejects.toMatchObject({ code: 'DBSnapshotAlreadyExists' });
  });

  test('an instance that is still being made breaks that off, without a final snapshot only', async () => {
    await create(sandbox, 'early');
    await expect(remove('early', { FinalDBSnapshotIdentifier: 'early-final' })).rejects.toMatchObject({ code: 'InvalidDBInstanceState' });
    await remove('early', { SkipFinalSnapshot: true });
    await gone(sandbox, 'early');
  });
});

test('a password managed by RDS is in a secret, works, and keeps the instance from having replicas', async () => {
  await create(sandbox, 'managed', { ManageMasterUserPassword: true, MasterUserPassword: undefined });
  const { MasterUserSecret } = await available(sandbox, 'managed');
  const { SecretString } = await sandbox.call('secretsmanager', 'GetSecretValue', { SecretId: MasterUserSecret?.SecretArn });
  const secret = JSON.parse(SecretString) as { username: string; password: string };
  await asMaster(sandbox, 'managed', 'SELECT 1', { user: secret.username, password: secret.password });
  await expect(call('CreateDBInstanceReadReplica', named('r', { SourceDBInstanceIdentifier: 'managed' }))).rejects.toMatchObject(
    refused('InvalidDBInstanceState', /managed by RDS in Secrets Manager/),
  );
  await call('DeleteDBInstance', named('managed', { SkipFinalSnapshot: true }));
  await gone(sandbox, 'managed');
});

test("the server's own log can be listed and read in portions", async () => {
  await asMaster(sandbox, 'video', 'SELECT no_such_column').catch(() => {});
  const { DescribeDBLogFiles } = await call('DescribeDBLogFiles', named('video', { FilenameContains: 'postgresql.log' }));
  const name = DescribeDBLogFiles.at(-1).LogFileName as string;
  expect(name).toMatch(/^error\/postgresql\.log\.\d{4}-\d\d-\d\d-\d\d$/);
  const read = (more: object) => call('DownloadDBLogFilePortion', named('video', { LogFileName: name, ...more }));
  await eventually(async () => (await read({})).LogFileData.includes('column "no_such_column" does not exist'));
  const first = await read({ Marker: '0', NumberOfLines: 2 });
  expect(first).toMatchObject({ AdditionalDataPending: true, LogFileData: expect.stringMatching(/^.*\n.*\n$/) });
  expect((await read({ Marker: first.Marker })).LogFileData).not.toContain(first.LogFileData);
  expect((await read({ NumberOfLines: 1 })).LogFileData).toMatch(/^[^\n]+\n$/);
  await expect(read({ LogFileName: 'error/../passwords.json' })).rejects.toMatchObject({ code: 'DBLogFileNotFoundFault' });
});

test('tags are kept by ARN, go with the instance, and are refused for what is not there', async () => {
  const ResourceName = sandbox.arn('rds', 'db:video');
  await call('AddTagsToResource', {
    ResourceName,
    Tags: [
      { Key: 'system', Value: 'video' },
      { Key: 'window', Value: 'w1' },
    ],
  });
  await call('RemoveTagsFromResource', { ResourceName, TagKeys: ['window'] });
  expect(await call('ListTagsForResource', { ResourceName })).toEqual({ TagList: [{ Key: 'system', Value: 'video' }] });
  expect((await instance(sandbox, 'video')).TagList).toEqual([{ Key: 'system', Value: 'video' }]);
  await expect(call('ListTagsForResource', { ResourceName: sandbox.arn('rds', 'db:none') })).rejects.toMatchObject({
    code: 'DBInstanceNotFound',
  });
  expect(await call('DescribePendingMaintenanceActions')).toEqual({ PendingMaintenanceActions: [] });
  expect((await call('DescribeDBEngineVersions', { Engine: 'postgres' })).DBEngineVersions[0]).toMatchObject({
    DBParameterGroupFamily: 'postgres17',
  });
});

test('a DB subnet group covers two zones, and stays while an instance uses it', async () => {
  const { Vpc } = await sandbox.call('ec2', 'CreateVpc', { CidrBlock: '10.0.0.0/16' });
  const subnet = async (zone: string, CidrBlock: string): Promise<string> =>
    (await sandbox.call('ec2', 'CreateSubnet', { VpcId: Vpc.VpcId, AvailabilityZone: `eu-central-1${zone}`, CidrBlock })).Subnet.SubnetId;
  const ids = [await subnet('a', '10.0.0.0/24'), await subnet('b', '10.0.1.0/24')];
  const group = { DBSubnetGroupName: 'private', DBSubnetGroupDescription: 'private subnets' };
  await expect(call('CreateDBSubnetGroup', { ...group, SubnetIds: ids.slice(0, 1) })).rejects.toMatchObject({
    code: 'DBSubnetGroupDoesNotCoverEnoughAZs',
  });
  await expect(call('CreateDBSubnetGroup', { ...group, SubnetIds: ['subnet-none'] })).rejects.toMatchObject({ code: 'InvalidSubnet' });
  await call('CreateDBSubnetGroup', { ...group, SubnetIds: ids });
  await expect(call('CreateDBSubnetGroup', { ...group, SubnetIds: ids })).rejects.toMatchObject({ code: 'DBSubnetGroupAlreadyExists' });
  await create(sandbox, 'inside', { DBSubnetGroupName: 'private' });
  expect((await instance(sandbox, 'inside')).DBSubnetGroup).toMatchObject({ DBSubnetGroupName: 'private', SubnetGroupStatus: 'Complete' });
  await expect(call('DeleteDBSubnetGroup', { DBSubnetGroupName: 'private' })).rejects.toMatchObject({
    code: 'InvalidDBSubnetGroupStateFault',
  });
  await call('DeleteDBInstance', named('inside', { SkipFinalSnapshot: true }));
  await gone(sandbox, 'inside');
  await call('DeleteDBSubnetGroup', { DBSubnetGroupName: 'private' });
  await expect(call('DescribeDBSubnetGroups', { DBSubnetGroupName: 'private' })).rejects.toMatchObject({
    code: 'DBSubnetGroupNotFoundFault',
  });
});

test('the SDK reads answers and errors over HTTP as it reads those of AWS', async () => {
  const served = await sandboxForTest({ speed: 3000 });
  const client = new RDSClient(clientConfig(served));
  try {
    const input = { DBInstanceIdentifier: 'wired', DBInstanceClass: 'db.t4g.micro', Engine: 'postgres', AllocatedStorage: 20 };
    await client.send(new CreateDBInstanceCommand({ ...input, MasterUsername: 'master', MasterUserPassword: password }));
    const found = await eventually(async () => {
      const { DBInstances } = await client.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: 'wired' }));
      return DBInstances?.[0]?.DBInstanceStatus === 'available' && DBInstances[0];
    }, 25);
    expect(found).toMatchObject({ Endpoint: { Address: '127.0.0.1' }, InstanceCreateTime: expect.any(Date), MultiAZ: false });
    await expect(client.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: 'none' }))).rejects.toBeInstanceOf(
      DBInstanceNotFoundFault,
    );
    await expect(client.send(new PromoteReadReplicaCommand({ DBInstanceIdentifier: 'wired' }))).rejects.toBeInstanceOf(
      InvalidDBInstanceStateFault,
    );
    await expect(
      client.send(new CreateDBInstanceCommand({ ...input, MasterUsername: 'master', MasterUserPassword: password })),
    ).rejects.toBeInstanceOf(DBInstanceAlreadyExistsFault);
  } finally {
    client.destroy();
    await served.stop();
  }
});
