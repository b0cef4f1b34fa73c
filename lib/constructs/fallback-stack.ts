import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as rds from 'aws-cdk-lib/aws-rds';
import { CfnDeletionPolicy, CustomResource, Duration } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { type FallbackPart, manifestVersion } from '../manifest/schema';
import { Guard } from './guard';
import { fallbackInstance } from './names';
import { acknowledge } from './permissions';
import { databaseVersion, defaultPort, parametersFor } from './production-database';
import type { SourceProperties } from './properties';
import type { SwitchbackProps } from './props';
import { type SharedStack, writePart } from './shared-stack';
import { SystemStack } from './system-stack';

/** One window's fallback database: a replica of what is production when the stack is made, and never touched by a deploy again. */
export class FallbackStack extends SystemStack {
  readonly instance: string;

  /** @internal */
  constructor(scope: Construct, window: number, shared: SharedStack, props: SwitchbackProps) {
    const { system } = shared;
    super(scope, `fallback-w${window}`, system, {
      description: `Switchback ${system}: the fallback database of window w${window}`,
      terminationProtection: true,
      ...(props.env ? { env: props.env } : {}),
    });
    const database = props.database ?? {};
    this.instance = fallbackInstance(system, window);
    const properties: SourceProperties = { System: system, Window: `w${window}`, Instance: shared.database.identifier };
    const source = new CustomResource(this, 'Source', {
      serviceToken: shared.handlers.source,
      resourceType: 'Custom::SwitchbackSource',
      properties,
    }).getAttString('Source');

    const group = new rds.ParameterGroup(this, 'Parameters', {
      engine: rds.DatabaseInstanceEngine.postgres({ version: databaseVersion(database) }),
      description: `${system}: fallback of window w${window}`,
      parameters: parametersFor(database),
    });
    const type = database.instanceType ?? ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.MEDIUM);
    // not the library's construct for replicas: it refuses backups on them by a rule of 2021. With backups on from the
    // start, the promotion does not drag a first backup behind it.
    const replica = new rds.CfnDBInstance(this, 'Replica', {
      dbInstanceIdentifier: this.instance,
      sourceDbInstanceIdentifier: source,
      dbInstanceClass: `db.${type.toString()}`,
      dbParameterGroupName: group.bindToInstance({}).parameterGroupName,
      vpcSecurityGroups: [shared.network.database.securityGroupId],
      backupRetentionPeriod: (database.backupRetention ?? Duration.days(7)).toDays(),
      // a roll-back makes it production.
      multiAz: database.multiAz ?? true,
      deletionProtection: true,
      publiclyAccessible: false,
      copyTagsToSnapshot: true,
      autoMinorVersionUpgrade: false,
    });
    replica.cfnOptions.deletionPolicy = CfnDeletionPolicy.SNAPSHOT;
    replica.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.RETAIN;
    acknowledge(replica, 'RDS11', defaultPort);
    acknowledge(replica, 'RDS2', 'a replica is encrypted as its source is, and RDS refuses the property on it');

    const part: FallbackPart = {
      manifest: manifestVersion,
      part: 'fallback',
      system,
      window: `w${window}`,
      stack: this.stackName,
      instance: this.instance,
      source,
    };
    writePart(this, part).node.addDependency(replica);
    new Guard(this, {
      serviceToken: shared.handlers.guard,
      protects: 'fallback',
      subject: `fallback of window w${window}`,
      instance: this.instance,
      deletable: props.removalPolicy === 'destroy',
    });
  }
}
