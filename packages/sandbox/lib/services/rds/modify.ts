/** ModifyDBInstance: what changes at once, what waits, and what costs an outage. */
import { randomBytes } from 'node:crypto';
import type { ModifyDBInstanceMessage, ModifyDBInstanceResult } from '@aws-sdk/client-rds';
import { instanceClass, masterPassword, retentionDays, storageGigabytes } from './checks';
import { type Context, instanceOf, mustBeAvailable, show } from './context';
import { invalidCombination, invalidState } from './errors';
import { firstBackup, managedSecret } from './instances';
import { groupFor } from './parameter-groups';
import type { Changes, Instance, Workflow } from './records';
import { scramVerifier } from './roles';
import { durations } from './workflows';

export const modifyHandlers = (context: Context) => ({
  ModifyDBInstance: async (input: ModifyDBInstanceMessage): Promise<ModifyDBInstanceResult> => {
    const instance = instanceOf(context, input.DBInstanceIdentifier);
    mustBeAvailable(instance, `Database instance ${instance.id} is not in available state.`);
    const wanted = changesIn(input, instance);
    refuse(context, instance, input, wanted);
    const password = input.MasterUserPassword === undefined ? undefined : masterPassword(input.MasterUserPassword);
    // from here on nothing is refused.
    const verifier = password === undefined ? await manage(context, instance, input) : scramVerifier(password);
    changeAtOnce(context, instance, input);
    const changes = now(instance, wanted, input.ApplyImmediately === true);
    const workflows = workflowsFor(instance, changes, verifier);
    if (verifier !== undefined) instance.pending.password = true;
    context.workflows.add(instance, ...workflows);
    return { DBInstance: show(context, instance) };
  },
});

/** Only what differs from what is. */
function changesIn(input: ModifyDBInstanceMessage, instance: Instance): Changes {
  const wanted: Changes = {
    ...(input.DBInstanceClass !== undefined && { class: instanceClass(input.DBInstanceClass) }),
    ...(input.AllocatedStorage !== undefined && {
      storage: storageGigabytes(input.AllocatedStorage, input.StorageType ?? instance.storageType),
    }),
    ...(input.StorageType !== undefined && { storageType: input.StorageType }),
    ...(input.Iops !== undefined && { iops: input.Iops }),
    ...(input.MultiAZ !== undefined && { multiAZ: input.MultiAZ }),
    ...(input.BackupRetentionPeriod !== undefined && { retention: retentionDays(input.BackupRetentionPeriod) }),
  };
  const differing = Object.entries(wanted).filter(([name, value]) => instance[name as keyof Changes] !== value);
  return Object.fromEntries(differing) as Changes;
}

function refuse(context: Context, instance: Instance, input: ModifyDBInstanceMessage, wanted: Changes): void {
  const replicas = context.records.instances.values().filter(({ source }) => source === instance.id);
  if (wanted.retention === 0 && replicas.length > 0) {
    throw invalidState(`Automated backups cannot be disabled for ${instance.id}: it is the source of read replicas.`);
  }
  if (wanted.storage !== undefined && wanted.storage < instance.storage) {
    throw invalidCombination(
      `Invalid storage size for modification: ${wanted.storage} is less than the ${instance.storage} that is allocated`,
    );
  }
  if (instance.source !== undefined && (input.MasterUserPassword !== undefined || input.ManageMasterUserPassword !== undefined)) {
    throw invalidState(`The master user of the read replica ${instance.id} is changed on its source.`);
  }
  if (input.ManageMasterUserPassword && replicas.length > 0) {
    throw invalidState(`The password of ${instance.id} cannot be managed in Secrets Manager: it is the source of read replicas.`);
  }
  if (input.MasterUserPassword !== undefined && instance.secret !== undefined && input.ManageMasterUserPassword !== false) {
    throw invalidCombination("You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled.");
  }
  if (input.EngineVersion !== undefined && input.EngineVersion.split('.')[0] !== instance.version.split('.')[0]) {
    throw invalidCombination(
      `Cannot upgrade postgres from ${instance.version} to ${input.EngineVersion}; the sandbox does not upgrade instances`,
    );
  }
  if (input.NewDBInstanceIdentifier !== undefined && input.NewDBInstanceIdentifier.toLowerCase() !== instance.id) {
    throw invalidCombination(`The sandbox does not rename instances: ${instance.id} to ${input.NewDBInstanceIdentifier}`);
  }
  // looked up before anything changes; its values come with the next reboot.
  if (input.DBParameterGroupName !== undefined) groupFor(context, input.DBParameterGroupName, instance.version);
}

/** Switches RDS's management of the password on or off; answers the verifier of a new password. */
async function manage(context: Context, instance: Instance, input: ModifyDBInstanceMessage): Promise<string | undefined> {
  if (!input.ManageMasterUserPassword || instance.secret !== undefined) return undefined;
  const password = randomBytes(20).toString('hex');
  instance.secret = await managedSecret(context, instance, password);
  return scramVerifier(password);
}

function changeAtOnce(context: Context, instance: Instance, input: ModifyDBInstanceMessage): void {
  if (input.DeletionProtection !== undefined) instance.deletionProtection = input.DeletionProtection;
  if (input.DBParameterGroupName !== undefined)
    instance.parameterGroup = groupFor(context, input.DBParameterGroupName, instance.version).name;
  if (input.VpcSecurityGroupIds !== undefined) instance.securityGroups = input.VpcSecurityGroupIds;
  if (input.PreferredBackupWindow !== undefined) instance.backupWindow = input.PreferredBackupWindow;
  if (input.PreferredMaintenanceWindow !== undefined) instance.maintenanceWindow = input.PreferredMaintenanceWindow;
  if (input.CopyTagsToSnapshot !== undefined) instance.copyTags = input.CopyTagsToSnapshot;
  if (input.AutoMinorVersionUpgrade !== undefined) instance.minorUpgrades = input.AutoMinorVersionUpgrade;
  if (input.PubliclyAccessible !== undefined) instance.publiclyAccessible = input.PubliclyAccessible;
  if (input.EnableIAMDatabaseAuthentication !== undefined) instance.iamAuthentication = input.EnableIAMDatabaseAuthentication;
  if (input.EngineVersion !== undefined) instance.version = input.EngineVersion.includes('.') ? input.EngineVersion : instance.version;
  if (input.ManageMasterUserPassword === false) delete instance.secret;
  const { EnableLogTypes = [], DisableLogTypes = [] } = input.CloudwatchLogsExportConfiguration ?? {};
  instance.logExports = [...new Set([...instance.logExports, ...EnableLogTypes])].filter((type) => !DisableLogTypes.includes(type));
}

/** What is done now. The rest is left pending, and done by the next call that applies immediately: the sandbox has no maintenance window. */
function now(instance: Instance, wanted: Changes, immediately: boolean): Changes {
  if (immediately) {
    const { password: _, ...pending } = instance.pending;
    return { ...pending, ...wanted };
  }
  const { retention, ...later } = wanted;
  Object.assign(instance.pending, later);
  if (retention === undefined) return {};
  // from one number of days to another needs no outage and is not deferred; to or from 0 is.
  if (retention > 0 && instance.retention > 0) return { retention };
  instance.pending.retention = retention;
  return {};
}

function workflowsFor(instance: Instance, changes: Changes, verifier: string | undefined): Workflow[] {
  const backupsOn = changes.retention !== undefined && changes.retention > 0 && instance.retention === 0;
  const backupsOff = changes.retention === 0;
  const resized = changes.class !== undefined || changes.multiAZ !== undefined || changes.storage !== undefined;
  Object.assign(instance.pending, changes);
  const workflow: Workflow = {
    kind: 'modify',
    changes,
    // switching backups on or off, or another class, takes the instance offline.
    offline: backupsOn || backupsOff || changes.class !== undefined,
    seconds: resized ? durations.resize : durations.modify,
    ...(verifier !== undefined && { verifier }),
  };
  return [workflow, ...(backupsOn ? firstBackup(changes.retention ?? 0) : [])];
}
