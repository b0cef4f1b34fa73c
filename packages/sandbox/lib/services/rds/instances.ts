/** CreateDBInstance, DescribeDBInstances, RebootDBInstance, DeleteDBInstance. */
import { randomBytes } from 'node:crypto';
import type {
  CreateDBInstanceMessage,
  CreateDBInstanceResult,
  DBInstanceMessage,
  DeleteDBInstanceMessage,
  DeleteDBInstanceResult,
  DescribeDBInstancesMessage,
  RebootDBInstanceMessage,
  RebootDBInstanceResult,
} from '@aws-sdk/client-rds';
import { AwsError } from '../../service';
import {
  databaseName,
  filtered,
  identifier,
  instanceClass,
  masterPassword,
  masterUsername,
  nameOf,
  page,
  required,
  retentionDays,
  storageGigabytes,
} from './checks';
import { type Context, instanceOf, mustBeAvailable, saveTags, show } from './context';
import { Engine } from './engine';
import { invalidCombination, invalidState, invalidValue, snapshotExists } from './errors';
import { groupFor } from './parameter-groups';
import type { Instance, Workflow } from './records';
import { scramVerifier } from './roles';
import { newSnapshot } from './snapshot-files';
import { subnetGroupOf } from './subnet-groups';

export const instanceHandlers = (context: Context) => ({
  CreateDBInstance: async (input: CreateDBInstanceMessage): Promise<CreateDBInstanceResult> => {
    const id = newIdentifier(context, input.DBInstanceIdentifier);
    if (input.Engine !== 'postgres') throw invalidValue(`Invalid DB engine: ${input.Engine}; the sandbox runs postgres`);
    const version = versionFor(input.EngineVersion);
    const username = masterUsername(input.MasterUsername);
    if (input.ManageMasterUserPassword && input.MasterUserPassword !== undefined) {
      throw invalidCombination("You can't specify MasterUserPassword when ManageMasterUserPassword is enabled.");
    }
    const password = input.ManageMasterUserPassword ? randomBytes(20).toString('hex') : masterPassword(input.MasterUserPassword);
    const storageType = input.StorageType ?? 'gp2';
    const instance = newInstance(context, {
      id,
      class: instanceClass(input.DBInstanceClass),
      storage: storageGigabytes(input.AllocatedStorage, storageType),
      storageType,
      multiAZ: input.MultiAZ ?? false,
      retention: retentionDays(input.BackupRetentionPeriod ?? 1),
      username,
      version,
      parameterGroup: groupFor(context, input.DBParameterGroupName, version).name,
      deletionProtection: input.DeletionProtection ?? false,
      publiclyAccessible: input.PubliclyAccessible ?? false,
      encrypted: input.StorageEncrypted ?? false,
      copyTags: input.CopyTagsToSnapshot ?? false,
      minorUpgrades: input.AutoMinorVersionUpgrade ?? true,
      iamAuthentication: input.EnableIAMDatabaseAuthentication ?? false,
      logExports: input.EnableCloudwatchLogsExports ?? [],
      securityGroups: input.VpcSecurityGroupIds ?? [],
      zone: input.AvailabilityZone ?? `${context.sandbox.region}a`,
      backupWindow: input.PreferredBackupWindow ?? '03:00-03:30',
      maintenanceWindow: input.PreferredMaintenanceWindow ?? 'sun:05:00-sun:05:30',
    });
    const database = databaseName(input.DBName);
    if (database !== undefined) instance.database = database;
    if (input.Iops !== undefined) instance.iops = input.Iops;
    if (input.KmsKeyId !== undefined) instance.kmsKey = input.KmsKeyId;
    if (input.DBSubnetGroupName !== undefined) instance.subnetGroup = subnetGroupOf(context, input.DBSubnetGroupName).name;
    if (input.ManageMasterUserPassword) instance.secret = await managedSecret(context, instance, password);
    saveTags(context, context.sandbox.arn('rds', `db:${id}`), input.Tags);
    context.records.instances.set(id, instance);
    context.workflows.add(instance, { kind: 'create', verifier: scramVerifier(password) }, ...firstBackup(instance.retention));
    return { DBInstance: show(context, instance) };
  },

  DescribeDBInstances: (input: DescribeDBInstancesMessage): DBInstanceMessage => {
    const all = input.DBInstanceIdentifier ? [instanceOf(context, input.DBInstanceIdentifier)] : context.records.instances.values();
    const kept = filtered(all, input.Filters, {
      'db-instance-id': ({ id }) => [id, context.sandbox.arn('rds', `db:${id}`)],
      'dbi-resource-id': ({ resourceId }) => [resourceId],
      engine: () => ['postgres'],
      'db-cluster-id': () => [],
      domain: () => [],
    });
    const { items, Marker } = page(kept, ({ id }) => id, input);
    return { DBInstances: items.map((instance) => show(context, instance)), ...(Marker !== undefined && { Marker }) };
  },

  RebootDBInstance: (input: RebootDBInstanceMessage): RebootDBInstanceResult => {
    const instance = instanceOf(context, input.DBInstanceIdentifier);
    if (input.ForceFailover && !instance.multiAZ) {
      throw invalidCombination(`Cannot force failover of ${instance.id} because it is not a Multi-AZ instance.`);
    }
    // a server that does not start with its parameters is mended by a reboot with others.
    if (instance.status !== 'incompatible-parameters')
      mustBeAvailable(instance, `Database instance ${instance.id} is not in available state.`);
    instance.status = 'rebooting';
    context.workflows.add(instance, { kind: 'reboot' });
    return { DBInstance: show(context, instance) };
  },

  DeleteDBInstance: (input: DeleteDBInstanceMessage): DeleteDBInstanceResult => {
    const instance = instanceOf(context, input.DBInstanceIdentifier);
    if (instance.status === 'deleting') throw invalidState(`Instance ${instance.id} is already being deleted.`);
    if (instance.deletionProtection) {
      throw invalidCombination('Cannot delete protected DB Instance, please disable deletion protection and try again.');
    }
    const final = finalSnapshot(context, instance, input);
    const backup: Workflow[] =
      final === undefined ? [] : [{ kind: 'backup', snapshot: newSnapshot(context.records, instance, final, 'manual').id }];
    context.workflows.delete(instance, ...backup, { kind: 'delete' });
    return { DBInstance: show(context, instance) };
  },
});

function finalSnapshot(context: Context, instance: Instance, input: DeleteDBInstanceMessage): string | undefined {
  const named = input.FinalDBSnapshotIdentifier;
  if (instance.source !== undefined && named !== undefined) {
    throw invalidCombination('FinalDBSnapshotIdentifier can not be specified when deleting a replica instance');
  }
  if (input.SkipFinalSnapshot) {
    if (named !== undefined) throw invalidCombination('FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is enabled.');
    return undefined;
  }
  if (instance.source !== undefined) throw invalidCombination('SkipFinalSnapshot must be specified when deleting a replica instance');
  if (named === undefined) throw invalidCombination('FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.');
  const id = identifier(named, 'FinalDBSnapshotIdentifier', 255);
  if (context.records.snapshots.has(id)) throw snapshotExists(id);
  if (instance.status !== 'available') {
    throw invalidState(`Cannot create a snapshot because the database instance ${instance.id} is not currently in the available state.`);
  }
  return id;
}

/** The backup that RDS takes at once when backups are on. */
export const firstBackup = (retention: number): Workflow[] => (retention > 0 ? [{ kind: 'backup' }] : []);

export function newIdentifier(context: Context, wanted: string | undefined): string {
  const id = identifier(wanted, 'DBInstanceIdentifier', 63);
  if (context.records.instances.has(nameOf(id))) throw new AwsError('DBInstanceAlreadyExists', 'DB instance already exists');
  return id;
}

/** What is asked for, as long as there are programs of its major. */
function versionFor(wanted: string | undefined): string {
  const binaries = wanted === undefined ? Engine.all()[0] : Engine.find(wanted);
  if (!binaries || (wanted !== undefined && !/^\d+(\.\d+)?$/.test(wanted)))
    throw invalidCombination(`Cannot find version ${wanted} for postgres`);
  return wanted?.includes('.') ? wanted : binaries.version;
}

type Given = Omit<Instance, 'resourceId' | 'status' | 'applied' | 'ready' | 'shown' | 'pending' | 'work'>;

export function newInstance(context: Context, given: Given): Instance {
  const applied = { group: given.parameterGroup, values: {} };
  const resourceId = `db-${context.sandbox.id(26).toUpperCase()}`;
  return { ...given, resourceId, status: 'creating', applied, ready: false, shown: false, pending: {}, work: [] };
}

export async function managedSecret(context: Context, instance: Instance, password: string): Promise<string> {
  const created = (await context.sandbox.call('secretsmanager', 'CreateSecret', {
    // RDS writes rds!db-…, a name that only AWS itself may give.
    Name: `rds-${instance.resourceId.toLowerCase()}`,
    Description: `The secret associated with the primary RDS DB instance: ${context.sandbox.arn('rds', `db:${instance.id}`)}`,
    SecretString: JSON.stringify({ username: instance.username, password }),
  })) as { ARN?: string };
  return required(created.ARN, 'SecretArn');
}
