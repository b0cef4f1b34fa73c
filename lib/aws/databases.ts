/** RDS in our words. */
import {
  CreateDBSnapshotCommand,
  type DBInstance,
  DeleteDBInstanceCommand,
  DeleteDBSnapshotCommand,
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
  ModifyDBInstanceCommand,
  PromoteReadReplicaCommand,
  RestoreDBInstanceFromDBSnapshotCommand,
} from '@aws-sdk/client-rds';
import type { Clients } from './clients';
import { isAws, mutate } from './outcome';

export interface Instance {
  readonly id: string;
  /** As RDS says it: `available`, `modifying`, `backing-up`, … */
  readonly status: string;
  /** Missing until the instance has been available once. */
  readonly address: { readonly host: string; readonly port: number } | undefined;
  /** The instance it replicates from; none once promoted. */
  readonly replicaOf: string | undefined;
  readonly backupDays: number;
  readonly deletionProtection: boolean;
  readonly class: string;
  readonly storageGb: number;
  readonly multiAz: boolean;
  readonly parameterGroups: readonly string[];
  readonly managedPassword: boolean;
  /** What `snapshot` and `restore` were told. */
  readonly madeFor: string | undefined;
}

export interface Snapshot {
  /** `creating`, `available`, `failed`. */
  readonly status: string;
  readonly madeFor: string | undefined;
}

/** The tag by which what a window made is told from what somebody else gave the same name. */
const madeForTag = 'switchback:made-for';

export class Databases {
  constructor(private readonly clients: Pick<Clients, 'rds'>) {}

  /** Undefined when there is no such instance. */
  async describe(id: string): Promise<Instance | undefined> {
    try {
      const { DBInstances: [found] = [] } = await this.clients.rds.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: id }));
      return found && inOurWords(found);
    } catch (error) {
      if (isAws(error, 'DBInstanceNotFoundFault', 'DBInstanceNotFound')) return undefined;
      throw error;
    }
  }

  /** `backupDays` is the replica's own retention: left out, RDS sets it to 1 (aws-facts, fact 3). */
  async promote(id: string, backupDays: number): Promise<void> {
    await mutate(`rds PromoteReadReplica ${id}`, lookAt(id), () =>
      this.clients.rds.send(new PromoteReadReplicaCommand({ DBInstanceIdentifier: id, BackupRetentionPeriod: backupDays })),
    );
  }

  async snapshot(instance: string, name: string, madeFor: string): Promise<void> {
    await mutate(`rds CreateDBSnapshot ${name}`, lookAtSnapshot(name), () =>
      this.clients.rds.send(
        new CreateDBSnapshotCommand({
          DBInstanceIdentifier: instance,
          DBSnapshotIdentifier: name,
          Tags: [{ Key: madeForTag, Value: madeFor }],
        }),
      ),
    );
  }

  /** Undefined when there is no such snapshot. */
  async describeSnapshot(name: string): Promise<Snapshot | undefined> {
    try {
      const { DBSnapshots: [found] = [] } = await this.clients.rds.send(new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: name }));
      return found && { status: found.Status ?? 'unknown', madeFor: madeForOf(found) };
    } catch (error) {
      if (isAws(error, 'DBSnapshotNotFoundFault', 'DBSnapshotNotFound')) return undefined;
      throw error;
    }
  }

  async deleteSnapshot(name: string): Promise<void> {
    await mutate(`rds DeleteDBSnapshot ${name}`, lookAtSnapshot(name), () =>
      this.clients.rds.send(new DeleteDBSnapshotCommand({ DBSnapshotIdentifier: name })),
    );
  }

  /** A new instance with a snapshot's data. The parameter group does not come with the snapshot. */
  async restore(
    snapshot: string,
    id: string,
    where: {
      readonly subnetGroup: string;
      readonly securityGroups: readonly string[];
      readonly parameterGroup?: string | undefined;
      /** @default - the snapshot's */
      readonly storageGb?: number | undefined;
      readonly madeFor: string;
    },
  ): Promise<void> {
    await mutate(`rds RestoreDBInstanceFromDBSnapshot ${id}`, lookAt(id), () =>
      this.clients.rds.send(
        new RestoreDBInstanceFromDBSnapshotCommand({
          DBInstanceIdentifier: id,
          DBSnapshotIdentifier: snapshot,
          DBSubnetGroupName: where.subnetGroup,
          VpcSecurityGroupIds: [...where.securityGroups],
          ...(where.parameterGroup ? { DBParameterGroupName: where.parameterGroup } : {}),
          ...(where.storageGb === undefined ? {} : { AllocatedStorage: where.storageGb }),
          BackupRetentionPeriod: 0,
          MultiAZ: false,
          PubliclyAccessible: false,
          DeletionProtection: false,
          AutoMinorVersionUpgrade: false,
          CopyTagsToSnapshot: false,
          Tags: [{ Key: madeForTag, Value: where.madeFor }],
        }),
      ),
    );
  }

  /** Nothing of it stays: no final snapshot, no automated backups. */
  async delete(id: string): Promise<void> {
    await mutate(`rds DeleteDBInstance ${id}`, lookAt(id), () =>
      this.clients.rds.send(
        new DeleteDBInstanceCommand({ DBInstanceIdentifier: id, SkipFinalSnapshot: true, DeleteAutomatedBackups: true }),
      ),
    );
  }

  /** Switches deletion protection off; no outage. Answers false where RDS is busy with the instance and takes no change: ask again. */
  async allowDeletion(id: string): Promise<boolean> {
    try {
      await mutate(`rds ModifyDBInstance ${id}`, lookAt(id), () =>
        this.clients.rds.send(new ModifyDBInstanceCommand({ DBInstanceIdentifier: id, DeletionProtection: false, ApplyImmediately: true })),
      );
      return true;
    } catch (error) {
      if (isAws(error, 'InvalidDBInstanceState', 'InvalidDBInstanceStateFault')) return false;
      throw error;
    }
  }
}

const lookAt = (id: string): string => `aws rds describe-db-instances --db-instance-identifier ${id}`;
const lookAtSnapshot = (name: string): string => `aws rds describe-db-snapshots --db-snapshot-identifier ${name}`;

function inOurWords(instance: DBInstance): Instance {
  return {
    id: instance.DBInstanceIdentifier ?? '',
    status: instance.DBInstanceStatus ?? 'unknown',
    address: instance.Endpoint?.Address ? { host: instance.Endpoint.Address, port: instance.Endpoint.Port ?? 5432 } : undefined,
    replicaOf: instance.ReadReplicaSourceDBInstanceIdentifier || undefined,
    backupDays: instance.BackupRetentionPeriod ?? 0,
    deletionProtection: instance.DeletionProtection ?? false,
    class: instance.DBInstanceClass ?? '',
    storageGb: instance.AllocatedStorage ?? 0,
    multiAz: instance.MultiAZ ?? false,
    parameterGroups: (instance.DBParameterGroups ?? []).map((group) => group.DBParameterGroupName ?? ''),
    managedPassword: Boolean(instance.MasterUserSecret),
    madeFor: madeForOf(instance),
  };
}

const madeForOf = ({ TagList: tags = [] }: Pick<DBInstance, 'TagList'>): string | undefined =>
  tags.find(({ Key }) => Key === madeForTag)?.Value;
