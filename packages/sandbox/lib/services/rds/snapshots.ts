/** Snapshots: made of a running instance, kept as files, restored as new instances. */
import type {
  CreateDBSnapshotMessage,
  CreateDBSnapshotResult,
  DBSnapshotMessage,
  DeleteDBSnapshotMessage,
  DeleteDBSnapshotResult,
  DescribeDBSnapshotsMessage,
  RestoreDBInstanceFromDBSnapshotMessage,
  RestoreDBInstanceFromDBSnapshotResult,
} from '@aws-sdk/client-rds';
import { AwsError } from '../../service';
import { filtered, identifier, instanceClass, nameOf, page } from './checks';
import { type Context, instanceOf, mustBeAvailable, saveTags, show, snapshotOf } from './context';
import { snapshotExists, snapshotNotFound } from './errors';
import { firstBackup, newIdentifier, newInstance } from './instances';
import { groupFor } from './parameter-groups';
import { shownSnapshot } from './shape';
import { newSnapshot, removeSnapshot } from './snapshot-files';
import { subnetGroupOf } from './subnet-groups';

export const snapshotHandlers = (context: Context) => ({
  CreateDBSnapshot: (input: CreateDBSnapshotMessage): CreateDBSnapshotResult => {
    const id = identifier(input.DBSnapshotIdentifier, 'DBSnapshotIdentifier', 255);
    const instance = instanceOf(context, input.DBInstanceIdentifier);
    if (context.records.snapshots.has(id)) throw snapshotExists(id);
    mustBeAvailable(
      instance,
      `Cannot create a snapshot because the database instance ${instance.id} is not currently in the available state.`,
    );
    const snapshot = newSnapshot(context.records, instance, id, 'manual');
    saveTags(context, context.sandbox.arn('rds', `snapshot:${id}`), input.Tags);
    instance.status = 'backing-up';
    context.workflows.add(instance, { kind: 'backup', snapshot: id });
    return { DBSnapshot: shownSnapshot(context.sandbox, context.records, snapshot) };
  },

  DescribeDBSnapshots: (input: DescribeDBSnapshotsMessage): DBSnapshotMessage => {
    const named = input.DBSnapshotIdentifier;
    const all = context.records.snapshots.values().filter((snapshot) => {
      if (named !== undefined && snapshot.id !== nameOf(named)) return false;
      if (input.DBInstanceIdentifier !== undefined && snapshot.instance !== nameOf(input.DBInstanceIdentifier)) return false;
      if (input.DbiResourceId !== undefined && snapshot.of.resourceId !== input.DbiResourceId) return false;
      return input.SnapshotType === undefined || snapshot.type === input.SnapshotType;
    });
    if (named !== undefined && all.length === 0) throw snapshotNotFound(nameOf(named));
    const kept = filtered(all, input.Filters, {
      'db-instance-id': ({ instance }) => [instance, context.sandbox.arn('rds', `db:${instance}`)],
      'db-snapshot-id': ({ id }) => [id],
      'dbi-resource-id': ({ of }) => [of.resourceId],
      'snapshot-type': ({ type }) => [type],
      engine: () => ['postgres'],
    });
    const { items, Marker } = page(kept, ({ id }) => id, input);
    return {
      DBSnapshots: items.map((snapshot) => shownSnapshot(context.sandbox, context.records, snapshot)),
      ...(Marker !== undefined && { Marker }),
    };
  },

  DeleteDBSnapshot: async (input: DeleteDBSnapshotMessage): Promise<DeleteDBSnapshotResult> => {
    const snapshot = snapshotOf(context, input.DBSnapshotIdentifier);
    if (snapshot.type === 'automated') {
      throw new AwsError('InvalidDBSnapshotState', `Only manual snapshots may be deleted: ${snapshot.id} is automated.`);
    }
    if (snapshot.status !== 'available')
      throw new AwsError('InvalidDBSnapshotState', `Snapshot ${snapshot.id} is ${snapshot.status}, not available.`);
    const shown = { ...shownSnapshot(context.sandbox, context.records, snapshot), Status: 'deleted' };
    context.records.tags.delete(context.sandbox.arn('rds', `snapshot:${snapshot.id}`));
    await removeSnapshot(context.records, context.engine, snapshot);
    return { DBSnapshot: shown };
  },

  RestoreDBInstanceFromDBSnapshot: (input: RestoreDBInstanceFromDBSnapshotMessage): RestoreDBInstanceFromDBSnapshotResult => {
    const id = newIdentifier(context, input.DBInstanceIdentifier);
    const snapshot = snapshotOf(context, input.DBSnapshotIdentifier);
    if (snapshot.status !== 'available') {
      throw new AwsError('InvalidDBSnapshotState', `The snapshot ${snapshot.id} is not available: its status is ${snapshot.status}.`);
    }
    const { resourceId: _, created: __, subnetGroup, ...of } = snapshot.of;
    const instance = newInstance(context, {
      ...of,
      id,
      class: instanceClass(input.DBInstanceClass ?? of.class),
      storageType: input.StorageType ?? of.storageType,
      storage: input.AllocatedStorage ?? of.storage,
      retention: input.BackupRetentionPeriod ?? of.retention,
      multiAZ: input.MultiAZ ?? false,
      // unlike the rest, the parameter group does not come with the snapshot.
      parameterGroup: groupFor(context, input.DBParameterGroupName, of.version).name,
      deletionProtection: input.DeletionProtection ?? false,
      publiclyAccessible: input.PubliclyAccessible ?? false,
      copyTags: input.CopyTagsToSnapshot ?? false,
      minorUpgrades: input.AutoMinorVersionUpgrade ?? true,
      iamAuthentication: input.EnableIAMDatabaseAuthentication ?? false,
      logExports: input.EnableCloudwatchLogsExports ?? [],
      securityGroups: input.VpcSecurityGroupIds ?? [],
      zone: input.AvailabilityZone ?? of.zone,
    });
    const group = input.DBSubnetGroupName ? subnetGroupOf(context, input.DBSubnetGroupName).name : subnetGroup;
    if (group !== undefined) instance.subnetGroup = group;
    saveTags(context, context.sandbox.arn('rds', `db:${id}`), input.Tags);
    context.records.instances.set(id, instance);
    context.workflows.add(instance, { kind: 'restore', snapshot: snapshot.id }, ...firstBackup(instance.retention));
    return { DBInstance: show(context, instance) };
  },
});
