import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as rds from 'aws-cdk-lib/aws-rds';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { databaseName, masterUser } from './names';
import type { Network } from './network';
import { acknowledge } from './permissions';
import type { DatabaseProps } from './props';
import { UserSecret } from './user-secret';

/** Why databases answer at the port everybody knows. */
export const defaultPort = 'only tasks and the runner reach it, by security groups; tools expect PostgreSQL at 5432';

const defaultStorage = 100;

/**
 * What the feed needs. A fallback notices in 5 s (in ms) that production has gone silent, and not only after 30. Logical replication is static, so it is set before the instance has ever run. A slot whose reader
 * hangs keeps WAL: at most 30 % of the storage (in MB), so that it can never fill production's disk.
 */
export const parametersFor = ({ allocatedStorage = defaultStorage }: DatabaseProps): Record<string, string> => ({
  'rds.logical_replication': '1',
  wal_receiver_timeout: '5000',
  max_slot_wal_keep_size: String(Math.floor(allocatedStorage * 1024 * 0.3)),
});

export const databaseVersion = (props: DatabaseProps): rds.PostgresEngineVersion => props.version ?? rds.PostgresEngineVersion.VER_17;

export interface ProductionDatabaseProps extends DatabaseProps {
  readonly system: string;
  readonly network: Network;
  readonly removalPolicy: RemovalPolicy;
}

/** The instance customers' writes go to until a roll-back makes a fallback production: made here, or adopted. */
export class ProductionDatabase extends Construct {
  readonly instance: rds.IDatabaseInstance;
  readonly identifier: string;
  readonly databaseName: string;
  readonly masterSecret: secretsmanager.ISecret;

  /** @internal */
  constructor(scope: Construct, id: string, props: ProductionDatabaseProps) {
    super(scope, id);
    this.databaseName = props.name ?? databaseName(props.system);
    if (props.instance && props.masterSecret) {
      refuseManagedPassword(props.instance);
      this.instance = props.instance;
      this.identifier = props.instance.instanceIdentifier;
      this.masterSecret = props.masterSecret;
      const { tasks, functions } = props.network;
      // from our side, so that the rules are made in our stack and theirs does not depend on it.
      for (const group of [tasks, functions]) group.connections.allowToDefaultPort(this.instance);
      return;
    }
    const secret = new UserSecret(this, 'Master', masterUser, `Master user of the databases of ${props.system}`);
    const engine = rds.DatabaseInstanceEngine.postgres({ version: databaseVersion(props) });
    const kept = props.removalPolicy !== RemovalPolicy.DESTROY;
    this.masterSecret = secret;
    // a name of its own makes a replacement fail instead of starting with an empty database.
    this.identifier = `${props.system}-database`;
    this.instance = new rds.DatabaseInstance(this, 'Instance', {
      instanceIdentifier: this.identifier,
      engine,
      instanceType: props.instanceType ?? ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.MEDIUM),
      // not fromSecret: it would attach the instance's host to the secret, and the host is the runbooks' to know.
      // not a password that RDS manages: such an instance cannot have read replicas on PostgreSQL.
      credentials: rds.Credentials.fromPassword(masterUser, secret.secretValueFromJson('password')),
      databaseName: this.databaseName,
      vpc: props.network.vpc,
      vpcSubnets: props.network.isolated,
      securityGroups: [props.network.database],
      parameterGroup: new rds.ParameterGroup(this, 'Parameters', {
        engine,
        description: `${props.system}: production`,
        parameters: parametersFor(props),
      }),
      allocatedStorage: props.allocatedStorage ?? defaultStorage,
      storageType: rds.StorageType.GP3,
      storageEncrypted: true,
      multiAz: props.multiAz ?? true,
      backupRetention: props.backupRetention ?? Duration.days(7),
      deletionProtection: kept,
      removalPolicy: kept ? RemovalPolicy.SNAPSHOT : RemovalPolicy.DESTROY,
      deleteAutomatedBackups: !kept,
      copyTagsToSnapshot: true,
      autoMinorVersionUpgrade: false,
      publiclyAccessible: false,
      enablePerformanceInsights: false,
    });
    acknowledge(this.instance, 'RDS11', defaultPort);
  }
}

function refuseManagedPassword(instance: rds.IDatabaseInstance): void {
  const child = instance.node.tryFindChild('Resource');
  if (child instanceof rds.CfnDBInstance && child.manageMasterUserPassword === true) {
    throw new Error(
      `the master password of ${instance.node.path} is managed by RDS: such an instance cannot have read replicas on PostgreSQL; give it a password of its own (rds.Credentials.fromSecret)`,
    );
  }
}
