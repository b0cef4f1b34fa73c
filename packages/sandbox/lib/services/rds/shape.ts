/** Instances and snapshots as the API shows them. */
import type { DBInstance, DBSnapshot, DBSubnetGroup } from '@aws-sdk/client-rds';
import type { Sandbox } from '../../service';
import type { Instance, Records, Snapshot, SubnetGroup } from './records';

/** What a look at a replica's server found; not worth keeping over a restart. */
export type ReplicaStates = ReadonlyMap<string, boolean>;

export function shownInstance(sandbox: Sandbox, records: Records, replicas: ReplicaStates, instance: Instance): DBInstance {
  const arn = sandbox.arn('rds', `db:${instance.id}`);
  const group = instance.subnetGroup === undefined ? undefined : records.subnetGroups.get(instance.subnetGroup);
  const replicating = replicas.get(instance.resourceId) ?? true;
  return {
    DBInstanceIdentifier: instance.id,
    DBInstanceArn: arn,
    DbiResourceId: instance.resourceId,
    DBInstanceClass: instance.class,
    DBInstanceStatus: instance.status,
    Engine: 'postgres',
    EngineVersion: instance.version,
    LicenseModel: 'postgresql-license',
    MasterUsername: instance.username,
    ...(instance.database !== undefined && { DBName: instance.database }),
    ...(instance.shown && { Endpoint: { Address: '127.0.0.1', Port: instance.port ?? 0, HostedZoneId: 'ZSANDBOX' } }),
    ...(instance.created && { InstanceCreateTime: instance.created }),
    AllocatedStorage: instance.storage,
    StorageType: instance.storageType,
    ...(instance.iops !== undefined && { Iops: instance.iops }),
    StorageEncrypted: instance.encrypted,
    ...(instance.kmsKey !== undefined && { KmsKeyId: instance.kmsKey }),
    MultiAZ: instance.multiAZ,
    AvailabilityZone: instance.zone,
    PubliclyAccessible: instance.publiclyAccessible,
    BackupRetentionPeriod: instance.retention,
    PreferredBackupWindow: instance.backupWindow,
    PreferredMaintenanceWindow: instance.maintenanceWindow,
    ...(instance.retention > 0 && instance.shown && { LatestRestorableTime: new Date(Date.now() - 300_000) }),
    AutoMinorVersionUpgrade: instance.minorUpgrades,
    CopyTagsToSnapshot: instance.copyTags,
    DeletionProtection: instance.deletionProtection,
    IAMDatabaseAuthenticationEnabled: instance.iamAuthentication,
    ...(instance.logExports.length > 0 && { EnabledCloudwatchLogsExports: instance.logExports }),
    DBParameterGroups: [{ DBParameterGroupName: instance.parameterGroup, ParameterApplyStatus: applyStatus(records, instance) }],
    OptionGroupMemberships: [{ OptionGroupName: `default:postgres-${instance.version.split('.')[0]}`, Status: 'in-sync' }],
    ...(group && { DBSubnetGroup: shownSubnetGroup(sandbox, group) }),
    DBSecurityGroups: [],
    VpcSecurityGroups: instance.securityGroups.map((id) => ({ VpcSecurityGroupId: id, Status: 'active' })),
    PendingModifiedValues: pendingValues(instance),
    ...(instance.source !== undefined && {
      ReadReplicaSourceDBInstanceIdentifier: instance.source,
      StatusInfos: instance.shown
        ? [{ StatusType: 'read replication', Normal: replicating, Status: replicating ? 'replicating' : 'error' }]
        : [],
    }),
    ReadReplicaDBInstanceIdentifiers: records.instances.values().flatMap(({ id, source }) => (source === instance.id ? [id] : [])),
    ...(instance.secret !== undefined && { MasterUserSecret: { SecretArn: instance.secret, SecretStatus: 'active' } }),
    MonitoringInterval: 0,
    PerformanceInsightsEnabled: false,
    CACertificateIdentifier: 'rds-ca-rsa2048-g1',
    TagList: records.tags.get(arn)?.tags ?? [],
  };
}

/** `pending-reboot` as long as the server runs with other values than its group has. */
function applyStatus(records: Records, instance: Instance): string {
  const values = records.parameterGroups.get(instance.parameterGroup)?.values ?? {};
  const { group, values: applied } = instance.applied;
  const names = new Set([...Object.keys(values), ...Object.keys(applied)]);
  const same = group === instance.parameterGroup && [...names].every((name) => values[name]?.value === applied[name]);
  return same ? 'in-sync' : 'pending-reboot';
}

function pendingValues({ pending }: Instance): NonNullable<DBInstance['PendingModifiedValues']> {
  return {
    ...(pending.class !== undefined && { DBInstanceClass: pending.class }),
    ...(pending.storage !== undefined && { AllocatedStorage: pending.storage }),
    ...(pending.storageType !== undefined && { StorageType: pending.storageType }),
    ...(pending.iops !== undefined && { Iops: pending.iops }),
    ...(pending.multiAZ !== undefined && { MultiAZ: pending.multiAZ }),
    ...(pending.retention !== undefined && { BackupRetentionPeriod: pending.retention }),
    ...(pending.password && { MasterUserPassword: '****' }),
  };
}

export function shownSnapshot(sandbox: Sandbox, records: Records, snapshot: Snapshot): DBSnapshot {
  const { of } = snapshot;
  const arn = sandbox.arn('rds', `snapshot:${snapshot.id}`);
  return {
    DBSnapshotIdentifier: snapshot.id,
    DBSnapshotArn: arn,
    DBInstanceIdentifier: snapshot.instance,
    DbiResourceId: of.resourceId,
    Status: snapshot.status,
    PercentProgress: snapshot.status === 'available' ? 100 : 0,
    SnapshotType: snapshot.type,
    // AWS shows no time before the snapshot is available.
    ...(snapshot.status === 'available' && { SnapshotCreateTime: snapshot.created, OriginalSnapshotCreateTime: snapshot.created }),
    ...(of.created && { InstanceCreateTime: of.created }),
    Engine: 'postgres',
    EngineVersion: of.version,
    LicenseModel: 'postgresql-license',
    MasterUsername: of.username,
    AllocatedStorage: of.storage,
    StorageType: of.storageType,
    ...(of.iops !== undefined && { Iops: of.iops }),
    Port: 5432,
    AvailabilityZone: of.zone,
    Encrypted: of.encrypted,
    ...(of.kmsKey !== undefined && { KmsKeyId: of.kmsKey }),
    OptionGroupName: `default:postgres-${of.version.split('.')[0]}`,
    IAMDatabaseAuthenticationEnabled: false,
    TagList: records.tags.get(arn)?.tags ?? [],
  };
}

export function shownSubnetGroup(sandbox: Sandbox, group: SubnetGroup): DBSubnetGroup {
  return {
    DBSubnetGroupName: group.name,
    DBSubnetGroupArn: sandbox.arn('rds', `subgrp:${group.name}`),
    DBSubnetGroupDescription: group.description,
    VpcId: group.vpc,
    SubnetGroupStatus: 'Complete',
    Subnets: group.subnets.map(({ id, zone }) => ({
      SubnetIdentifier: id,
      SubnetAvailabilityZone: { Name: zone },
      SubnetStatus: 'Active',
    })),
    SupportedNetworkTypes: ['IPV4'],
  };
}
