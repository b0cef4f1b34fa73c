/**
 * RDS instances, with what AWS's handler does to replicas (docs/sandbox/cloudformation.md): a source that leaves the
 * template promotes, a source that changes replaces, and a deletion looks at what the instance is by then.
 */
import type { Properties } from '../records';
import { changed, gone, type ResourceCall, type ResourceType } from '../type';

const source = 'SourceDBInstanceIdentifier';

const instance: ResourceType = {
  createOnly: [
    'CharacterSetName',
    'DBClusterIdentifier',
    'DBInstanceIdentifier',
    'DBName',
    'DBSubnetGroupName',
    'KmsKeyId',
    'MasterUsername',
    'NcharCharacterSetName',
    'Port',
    'SourceRegion',
    'StorageEncrypted',
    'Timezone',
  ],
  // template against template: what the instance is in truth is not asked.
  replaces: (before, after) =>
    (changed(before, after, source) && after[source] !== undefined) ||
    (changed(before, after, 'DBSnapshotIdentifier') && after['DBSnapshotIdentifier'] !== undefined) ||
    (changed(before, after, 'Engine') && before['Engine'] !== undefined && after['Engine'] !== undefined),
  async create(properties, call) {
    const id = (properties['DBInstanceIdentifier'] ?? call.name(63)).toLowerCase();
    const input = { ...inputOf(properties, call), DBInstanceIdentifier: id };
    const operation = properties[source]
      ? 'CreateDBInstanceReadReplica'
      : properties['DBSnapshotIdentifier']
        ? 'RestoreDBInstanceFromDBSnapshot'
        : 'CreateDBInstance';
    await call.send(
      'rds',
      operation,
      operation === 'CreateDBInstance' ? input : without(input, 'MasterUsername', 'Engine', 'EngineVersion'),
    );
    call.started(id);
    await available(id, call);
    // what these two operations do not take is set on the new instance.
    if (operation !== 'CreateDBInstance') {
      const later = pick(properties, 'BackupRetentionPeriod', 'PreferredBackupWindow', 'PreferredMaintenanceWindow', 'MasterUserPassword');
      if (Object.keys(later).length > 0) await modify(id, later, call);
    }
    return { id, attributes: await attributes(id, call) };
  },
  async update(properties, call, made, before) {
    if (before[source] && !properties[source]) {
      await call.send('rds', 'PromoteReadReplica', {
        DBInstanceIdentifier: made.id,
        BackupRetentionPeriod: properties['BackupRetentionPeriod'],
      });
      await call.until(
        'the promotion to end',
        async () => ((await describe(made.id, call))?.['ReadReplicaSourceDBInstanceIdentifier'] ? undefined : true),
        long,
      );
      await available(made.id, call);
    }
    const names = Object.keys(properties).filter((name) => changed(before, properties, name));
    const input = pick(inputOf(properties, call), ...names, ...(names.includes('VPCSecurityGroups') ? ['VpcSecurityGroupIds'] : []));
    const logs = names.includes('EnableCloudwatchLogsExports')
      ? { CloudwatchLogsExportConfiguration: exportsChange(before, properties) }
      : {};
    const upgrade = names.includes('EngineVersion') ? pick(properties, 'AllowMajorVersionUpgrade') : {};
    const change = without({ ...input, ...logs, ...upgrade }, 'Tags', source);
    if (Object.keys(change).length > 0) await modify(made.id, change, call);
    if (names.includes('DBParameterGroupName') && (await pendingReboot(made.id, call))) {
      await call.send('rds', 'RebootDBInstance', { DBInstanceIdentifier: made.id });
      await available(made.id, call);
    }
    return { id: made.id, attributes: await attributes(made.id, call) };
  },
  async delete(call, { id }) {
    const live = await describe(id, call);
    if (!live) return;
    const snapshot = call.snapshot && !live['ReadReplicaSourceDBInstanceIdentifier'];
    const name = `${call.stack.name}-snapshot-${call.logicalId}-${call.sandbox.id(12)}`.toLowerCase();
    await gone(
      call.send('rds', 'DeleteDBInstance', {
        DBInstanceIdentifier: id,
        SkipFinalSnapshot: !snapshot,
        ...(snapshot ? { FinalDBSnapshotIdentifier: name } : {}),
      }),
    );
    await call.until('the instance to be deleted', async () => ((await describe(id, call)) ? undefined : true), long);
  },
  // read replicas do not support deletion policies: Retain is ignored, and a snapshot is taken if it was promoted.
  deletionPolicy: (policy, properties) => (properties[source] && policy === 'Retain' ? 'Snapshot' : (policy ?? 'Snapshot')),
};

const long = { every: 10, timeout: 36 * 3600 };

function inputOf(properties: Properties, call: ResourceCall): Properties {
  return { ...properties, VpcSecurityGroupIds: properties['VPCSecurityGroups'], Tags: call.tags(properties['Tags']) };
}

const pick = (properties: Properties, ...names: string[]): Properties =>
  Object.fromEntries(names.filter((name) => properties[name] !== undefined).map((name) => [name, properties[name]]));

const without = (properties: Properties, ...names: string[]): Properties =>
  Object.fromEntries(Object.entries(properties).filter(([name]) => !names.includes(name)));

async function describe(id: string, call: ResourceCall): Promise<Properties | undefined> {
  try {
    return (await call.send('rds', 'DescribeDBInstances', { DBInstanceIdentifier: id })).DBInstances[0];
  } catch (error) {
    if (/NotFound/.test((error as Error).name)) return undefined;
    throw error;
  }
}

const hopeless = /^(failed|incompatible-|restore-error|inaccessible-)/;

async function available(id: string, call: ResourceCall): Promise<void> {
  await call.until(
    'the instance to be available',
    async () => {
      const found = await describe(id, call);
      const status = found?.['DBInstanceStatus'] as string | undefined;
      if (!status || hopeless.test(status))
        throw Object.assign(new Error(`DB instance ${id} is in state ${status ?? 'deleted'}`), { name: 'NotStabilized' });
      return status === 'available' && Object.keys(found!['PendingModifiedValues'] ?? {}).length === 0 ? true : undefined;
    },
    long,
  );
}

async function modify(id: string, change: Properties, call: ResourceCall): Promise<void> {
  await call.send('rds', 'ModifyDBInstance', { ...change, DBInstanceIdentifier: id, ApplyImmediately: true });
  // the answer of the call may come before the status changes.
  await call.sandbox.pause(5).catch(() => undefined);
  await available(id, call);
}

const pendingReboot = async (id: string, call: ResourceCall): Promise<boolean> =>
  (await describe(id, call))?.['DBParameterGroups']?.[0]?.ParameterApplyStatus === 'pending-reboot';

function exportsChange(before: Properties, after: Properties): Properties {
  const old = (before['EnableCloudwatchLogsExports'] ?? []) as string[];
  const wanted = (after['EnableCloudwatchLogsExports'] ?? []) as string[];
  return { EnableLogTypes: wanted.filter((type) => !old.includes(type)), DisableLogTypes: old.filter((type) => !wanted.includes(type)) };
}

async function attributes(id: string, call: ResourceCall): Promise<Properties> {
  const found = (await describe(id, call)) ?? {};
  return {
    DBInstanceArn: found['DBInstanceArn'],
    DbiResourceId: found['DbiResourceId'],
    'Endpoint.Address': found['Endpoint']?.Address,
    'Endpoint.Port': found['Endpoint'] ? String(found['Endpoint'].Port) : undefined,
    'Endpoint.HostedZoneId': found['Endpoint']?.HostedZoneId,
  };
}

const subnetGroup: ResourceType = {
  createOnly: ['DBSubnetGroupName'],
  async create(properties, call) {
    const id = (properties['DBSubnetGroupName'] ?? call.name(255)).toLowerCase();
    const { DBSubnetGroup: made } = await call.send('rds', 'CreateDBSubnetGroup', {
      ...properties,
      DBSubnetGroupName: id,
      Tags: call.tags(properties['Tags']),
    });
    return { id, attributes: { DBSubnetGroupArn: made.DBSubnetGroupArn } };
  },
  async update(properties, call, made) {
    await call.send('rds', 'ModifyDBSubnetGroup', { ...properties, DBSubnetGroupName: made.id });
    return made;
  },
  delete: (call, { id }) => gone(call.send('rds', 'DeleteDBSubnetGroup', { DBSubnetGroupName: id })),
};

const parameterGroup: ResourceType = {
  createOnly: ['DBParameterGroupName', 'Description', 'Family'],
  async create(properties, call) {
    const id = (properties['DBParameterGroupName'] ?? call.name(255)).toLowerCase();
    const { DBParameterGroup: made } = await call.send('rds', 'CreateDBParameterGroup', {
      ...properties,
      DBParameterGroupName: id,
      DBParameterGroupFamily: properties['Family'],
      Tags: call.tags(properties['Tags']),
    });
    call.started(id);
    await setParameters(id, {}, properties['Parameters'] ?? {}, call);
    return { id, attributes: { DBParameterGroupName: id, DBParameterGroupArn: made.DBParameterGroupArn } };
  },
  async update(properties, call, made, before) {
    await setParameters(made.id, before['Parameters'] ?? {}, properties['Parameters'] ?? {}, call);
    return made;
  },
  delete: (call, { id }) => gone(call.send('rds', 'DeleteDBParameterGroup', { DBParameterGroupName: id })),
};

/** Dynamic parameters apply at once, static ones with the next reboot; the API takes twenty at a time. */
async function setParameters(id: string, before: Properties, after: Properties, call: ResourceCall): Promise<void> {
  const known = await applyTypes(id, call);
  const entry = (name: string, value?: unknown): Properties => ({
    ParameterName: name,
    ...(value === undefined ? {} : { ParameterValue: String(value) }),
    ApplyMethod: known.get(name) === 'dynamic' ? 'immediate' : 'pending-reboot',
  });
  const set = Object.keys(after)
    .filter((name) => changed(before, after, name))
    .map((name) => entry(name, after[name]));
  const reset = Object.keys(before)
    .filter((name) => !(name in after))
    .map((name) => entry(name));
  for (let at = 0; at < set.length; at += 20)
    await call.send('rds', 'ModifyDBParameterGroup', { DBParameterGroupName: id, Parameters: set.slice(at, at + 20) });
  if (reset.length > 0) await call.send('rds', 'ResetDBParameterGroup', { DBParameterGroupName: id, Parameters: reset });
}

async function applyTypes(id: string, call: ResourceCall): Promise<Map<string, string>> {
  const types = new Map<string, string>();
  let marker: string | undefined;
  do {
    const page = await call.send('rds', 'DescribeDBParameters', { DBParameterGroupName: id, Marker: marker });
    for (const parameter of page.Parameters ?? []) types.set(parameter.ParameterName, parameter.ApplyType);
    marker = page.Marker;
  } while (marker);
  return types;
}

export const rdsTypes: Readonly<Record<string, ResourceType>> = {
  'AWS::RDS::DBInstance': instance,
  'AWS::RDS::DBSubnetGroup': subnetGroup,
  'AWS::RDS::DBParameterGroup': parameterGroup,
};
