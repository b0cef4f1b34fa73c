/** Stacks in front of the real services: what AWS's handler does to a replica that was promoted behind its back. */
import { sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';
import type { Any } from '../../packages/sandbox/test/cloudformation-support';
import { eventually } from '../../packages/sandbox/test/tiny';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await sandboxForTest({ speed: 2000 });
});
afterAll(() => sandbox.stop());

const settled = (name: string): Promise<Any> =>
  eventually(async () => {
    const [stack] = (await sandbox.call('cloudformation', 'DescribeStacks', { StackName: name })).Stacks;
    return !stack.StackStatus.endsWith('_IN_PROGRESS') && stack;
  }, 60);

const create = async (name: string, template: object): Promise<Any> => {
  await sandbox.call('cloudformation', 'CreateStack', { StackName: name, TemplateBody: JSON.stringify(template) });
  return settled(name);
};

const update = async (name: string, template: object): Promise<Any> => {
  await sandbox.call('cloudformation', 'UpdateStack', { StackName: name, TemplateBody: JSON.stringify(template) });
  return settled(name);
};

const failures = async (name: string): Promise<string[]> => {
  const events = (await sandbox.call('cloudformation', 'DescribeStackEvents', { StackName: name })).StackEvents as Any[];
  return events
    .filter((event) => event.ResourceStatus.endsWith('_FAILED'))
    .map((event) => `${event.LogicalResourceId}: ${event.ResourceStatusReason}`);
};

const instances = async (): Promise<Any[]> => (await sandbox.call('rds', 'DescribeDBInstances')).DBInstances;

describe('a read replica in a stack', () => {
  const replica = (source: string | undefined, more: object = {}): object => ({
    Resources: {
      Fallback: {
        Type: 'AWS::RDS::DBInstance',
        DeletionPolicy: 'Retain',
        Properties: {
          DBInstanceClass: 'db.t4g.medium',
          DBInstanceIdentifier: 'fallback',
          BackupRetentionPeriod: 7,
          ...(source ? { SourceDBInstanceIdentifier: source } : {}),
          ...more,
        },
      },
    },
    Outputs: { Port: { Value: { 'Fn::GetAtt': ['Fallback', 'Endpoint.Port'] } } },
  });

  test('promoted outside: an update without the source fails, and deleting the stack ignores Retain but leaves a snapshot', async () => {
    const primary = await create('primary', {
      Resources: {
        Password: {
          Type: 'AWS::SecretsManager::Secret',
          Properties: {
            GenerateSecretString: { SecretStringTemplate: '{"username":"app"}', GenerateStringKey: 'password', ExcludePunctuation: true },
          },
        },
        Database: {
          Type: 'AWS::RDS::DBInstance',
          DeletionPolicy: 'Delete',
          Properties: {
            Engine: 'postgres',
            EngineVersion: '17',
            DBInstanceClass: 'db.t4g.medium',
            AllocatedStorage: '20',
            DBName: 'app',
            BackupRetentionPeriod: 1,
            MasterUsername: { 'Fn::Sub': '{{resolve:secretsmanager:${Password}:SecretString:username::}}' },
            MasterUserPassword: { 'Fn::Sub': '{{resolve:secretsmanager:${Password}:SecretString:password::}}' },
          },
        },
        Attached: {
          Type: 'AWS::SecretsManager::SecretTargetAttachment',
          Properties: { SecretId: { Ref: 'Password' }, TargetId: { Ref: 'Database' }, TargetType: 'AWS::RDS::DBInstance' },
        },
      },
      Outputs: { Id: { Value: { Ref: 'Database' } }, Secret: { Value: { Ref: 'Attached' } } },
    });
    expect(await failures('primary')).toEqual([]);
    const output = (key: string): string => primary.Outputs.find((one: Any) => one.OutputKey === key).OutputValue;
    const secret = JSON.parse((await sandbox.call('secretsmanager', 'GetSecretValue', { SecretId: output('Secret') })).SecretString);
    expect(secret).toMatchObject({ username: 'app', engine: 'postgres', dbname: 'app', dbInstanceIdentifier: output('Id') });

    await create('fallback', replica(output('Id')));
    expect(await failures('fallback')).toEqual([]);
    const replicated = (await instances()).find((one) => one.DBInstanceIdentifier === 'fallback');
    // the handler sets what CreateDBInstanceReadReplica does not take.
    expect(replicated).toMatchObject({ ReadReplicaSourceDBInstanceIdentifier: output('Id'), BackupRetentionPeriod: 7 });

    await sandbox.call('rds', 'PromoteReadReplica', { DBInstanceIdentifier: 'fallback', BackupRetentionPeriod: 7 });
    await eventually(async () => {
      const found = (await instances()).find((one) => one.DBInstanceIdentifier === 'fallback');
      return found.DBInstanceStatus === 'available' && !found.ReadReplicaSourceDBInstanceIdentifier;
    }, 30);
    expect(await update('fallback', replica(undefined))).toMatchObject({ StackStatus: 'UPDATE_ROLLBACK_COMPLETE' });
    expect((await failures('fallback'))[0]).toMatch(/^Fallback: .*InvalidDBInstanceState/);

    await sandbox.call('cloudformation', 'DeleteStack', { StackName: 'fallback' });
    await eventually(async () => (await instances()).every((one) => one.DBInstanceIdentifier !== 'fallback'), 30);
    const snapshots = (await sandbox.call('rds', 'DescribeDBSnapshots', { SnapshotType: 'manual' })).DBSnapshots as Any[];
    expect(snapshots.map((one) => one.DBInstanceIdentifier)).toEqual(['fallback']);
  }, 180_000);
});
