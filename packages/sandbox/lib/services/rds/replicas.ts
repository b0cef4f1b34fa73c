/** CreateDBInstanceReadReplica and PromoteReadReplica. */
import type {
  CreateDBInstanceReadReplicaMessage,
  CreateDBInstanceReadReplicaResult,
  PromoteReadReplicaMessage,
  PromoteReadReplicaResult,
} from '@aws-sdk/client-rds';
import { AwsError } from '../../service';
import { instanceClass, retentionDays } from './checks';
import { type Context, instanceOf, mustBeAvailable, saveTags, show } from './context';
import { invalidState } from './errors';
import { firstBackup, newIdentifier, newInstance } from './instances';
import { groupFor } from './parameter-groups';
import type { Instance } from './records';
import { subnetGroupOf } from './subnet-groups';

export const replicaHandlers = (context: Context) => ({
  CreateDBInstanceReadReplica: (input: CreateDBInstanceReadReplicaMessage): CreateDBInstanceReadReplicaResult => {
    const source = instanceOf(context, input.SourceDBInstanceIdentifier, 'SourceDBInstanceIdentifier');
    const id = newIdentifier(context, input.DBInstanceIdentifier);
    mayHaveReplica(context, source);
    const { database, iops, kmsKey } = source;
    const replica = newInstance(context, {
      id,
      source: source.id,
      class: instanceClass(input.DBInstanceClass ?? source.class),
      storage: input.AllocatedStorage ?? source.storage,
      storageType: input.StorageType ?? source.storageType,
      multiAZ: input.MultiAZ ?? false,
      // a replica begins without backups; ModifyDBInstance switches them on.
      retention: 0,
      username: source.username,
      version: source.version,
      parameterGroup: input.DBParameterGroupName
        ? groupFor(context, input.DBParameterGroupName, source.version).name
        : source.parameterGroup,
      deletionProtection: input.DeletionProtection ?? false,
      publiclyAccessible: input.PubliclyAccessible ?? false,
      encrypted: source.encrypted,
      copyTags: input.CopyTagsToSnapshot ?? false,
      minorUpgrades: input.AutoMinorVersionUpgrade ?? source.minorUpgrades,
      iamAuthentication: input.EnableIAMDatabaseAuthentication ?? false,
      logExports: input.EnableCloudwatchLogsExports ?? [],
      securityGroups: input.VpcSecurityGroupIds ?? source.securityGroups,
      zone: input.AvailabilityZone ?? `${context.sandbox.region}b`,
      backupWindow: source.backupWindow,
      maintenanceWindow: source.maintenanceWindow,
      ...(database !== undefined && { database }),
      ...(iops !== undefined && { iops }),
      ...(kmsKey !== undefined && { kmsKey }),
    });
    replica.slot = `rds_${context.sandbox.region}_${replica.resourceId}`.toLowerCase().replaceAll('-', '_');
    const group = input.DBSubnetGroupName ? subnetGroupOf(context, input.DBSubnetGroupName).name : source.subnetGroup;
    if (group !== undefined) replica.subnetGroup = group;
    saveTags(context, context.sandbox.arn('rds', `db:${id}`), input.Tags);
    context.records.instances.set(id, replica);
    context.workflows.add(replica, { kind: 'replicate' });
    return { DBInstance: show(context, replica) };
  },

  PromoteReadReplica: (input: PromoteReadReplicaMessage): PromoteReadReplicaResult => {
    const instance = instanceOf(context, input.DBInstanceIdentifier);
    if (instance.source === undefined) throw invalidState(`DB Instance ${instance.id} is not a read replica`);
    mustBeAvailable(instance, `Read replica ${instance.id} can not be promoted because it is not in available state: ${instance.status}`);
    const hadBackups = instance.retention > 0;
    const retention = retentionDays(input.BackupRetentionPeriod ?? (hadBackups ? instance.retention : 1));
    if (retention === 0 && replicasOf(context, instance).length > 0) {
      throw invalidState(`Automated backups cannot be disabled for ${instance.id}: it is the source of read replicas.`);
    }
    if (input.PreferredBackupWindow !== undefined) instance.backupWindow = input.PreferredBackupWindow;
    instance.retention = retention;
    context.workflows.add(instance, { kind: 'promote' }, ...(hadBackups ? [] : firstBackup(retention)));
    return { DBInstance: show(context, instance) };
  },
});

function mayHaveReplica(context: Context, source: Instance): void {
  if (source.retention === 0) {
    throw invalidState(
      'Automated backups are not enabled for this database instance. To enable automated backups, use ModifyDBInstance to set the backup retention period to a non-zero value.',
    );
  }
  if (source.secret !== undefined) {
    throw invalidState(
      `A read replica of ${source.id} cannot be created: its master password is managed by RDS in Secrets Manager, which PostgreSQL read replicas do not support.`,
    );
  }
  // other workflows on the source do not matter, as long as there is a server to copy from.
  if (!source.shown || ['deleting', 'rebooting', 'failed', 'incompatible-parameters'].includes(source.status)) {
    throw invalidState(`The source ${source.id} is ${source.status}.`);
  }
  const depth = depthOf(context, source);
  if (depth >= 3) throw invalidState(`A read replica of ${source.id} would be at level ${depth + 1}; there are three levels at most.`);
  const most = depth === 0 ? 15 : 5;
  if (replicasOf(context, source).length >= most) {
    throw new AwsError('InstanceQuotaExceeded', `${source.id} has ${most} read replicas already.`);
  }
}

const replicasOf = (context: Context, source: Instance): Instance[] =>
  context.records.instances.values().filter((instance) => instance.source === source.id);

function depthOf(context: Context, instance: Instance): number {
  const source = context.records.instances.get(instance.source ?? '');
  return source ? 1 + depthOf(context, source) : 0;
}
