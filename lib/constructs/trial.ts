import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as rds from 'aws-cdk-lib/aws-rds';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import type { SharedPart } from '../manifest/schema';
import type { Network } from './network';

/**
 * Where a copy of production lives while migrations are tried on it: reached by the task that tries them and by the
 * runner, and nothing gets out. The task in turn reaches the copy, AWS, and no other database.
 */
export class Trial extends Construct {
  readonly subnets: rds.SubnetGroup;
  readonly securityGroup: ec2.SecurityGroup;
  readonly taskSecurityGroup: ec2.SecurityGroup;

  constructor(scope: Construct, id: string, network: Network) {
    super(scope, id);
    this.subnets = new rds.SubnetGroup(this, 'Subnets', {
      vpc: network.vpc,
      vpcSubnets: network.isolated,
      description: 'Copies of production, to try migrations on',
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // what a copy would do by itself (foreign tables, subscriptions, mail from a function) reaches nobody.
    this.securityGroup = new ec2.SecurityGroup(this, 'Group', {
      vpc: network.vpc,
      description: 'Copies of production: no way out',
      allowAllOutbound: false,
    });
    // the one exception: a feed between two databases of one copy connects to its own instance by its name.
    this.securityGroup.addIngressRule(this.securityGroup, ec2.Port.tcp(5432), 'the feed of a trial, to itself');
    // beside the rule that lets nothing out, which the group would lose by a rule of its own.
    new ec2.CfnSecurityGroupEgress(this, 'GroupToItself', {
      ...{ groupId: this.securityGroup.securityGroupId, destinationSecurityGroupId: this.securityGroup.securityGroupId },
      ...{ ipProtocol: 'tcp', fromPort: 5432, toPort: 5432, description: 'the feed of a trial, to itself' },
    });
    this.taskSecurityGroup = new ec2.SecurityGroup(this, 'TaskGroup', {
      vpc: network.vpc,
      description: 'Migrations on trial: to the copy and to AWS only',
      allowAllOutbound: false,
    });
    this.taskSecurityGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'images, secrets, logs');
    this.taskSecurityGroup.connections.allowTo(this.securityGroup, ec2.Port.tcp(5432), 'migrations on trial');
    this.securityGroup.addIngressRule(network.functions, ec2.Port.tcp(5432), 'the runner');
  }

  get manifest(): NonNullable<SharedPart['trial']> {
    return {
      securityGroups: [this.securityGroup.securityGroupId],
      subnetGroup: this.subnets.subnetGroupName,
      taskSecurityGroups: [this.taskSecurityGroup.securityGroupId],
    };
  }
}
