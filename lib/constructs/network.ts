import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { acknowledge } from './permissions';

export interface NetworkProps {
  readonly vpc: ec2.IVpc | undefined;
  readonly natGateways: number;
  readonly internetFacing: boolean;
  readonly listenerPorts: readonly number[];
  readonly containerPorts: readonly number[];
}

/** The VPC and who may talk to whom in it: customers to the balancer, the balancer to tasks, tasks and functions to databases. */
export class Network extends Construct {
  readonly vpc: ec2.IVpc;
  readonly balancer: ec2.SecurityGroup;
  readonly tasks: ec2.SecurityGroup;
  readonly functions: ec2.SecurityGroup;
  readonly database: ec2.SecurityGroup;
  /** Where tasks and functions run. */
  readonly inside: ec2.SubnetSelection;
  /** Where databases are. */
  readonly isolated: ec2.SubnetSelection;

  /** @internal */
  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id);
    this.vpc =
      props.vpc ??
      new ec2.Vpc(this, 'Vpc', {
        maxAzs: 2,
        natGateways: props.natGateways,
        subnetConfiguration: [
          { name: 'public', subnetType: ec2.SubnetType.PUBLIC },
          { name: 'inside', subnetType: props.natGateways > 0 ? ec2.SubnetType.PRIVATE_WITH_EGRESS : ec2.SubnetType.PRIVATE_ISOLATED },
          { name: 'database', subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
        ],
      });
    if (!props.vpc)
      acknowledge(
        this.vpc,
        'VPC7',
        'where flow logs go and how long they are kept is the account’s to decide: `shared.network.vpc.addFlowLog()`',
      );
    if (props.vpc) {
      this.inside = {
        subnets: (props.vpc.privateSubnets.length > 0 ? props.vpc.privateSubnets : props.vpc.isolatedSubnets) as ec2.ISubnet[],
      };
      this.isolated = {
        subnets: (props.vpc.isolatedSubnets.length > 0 ? props.vpc.isolatedSubnets : props.vpc.privateSubnets) as ec2.ISubnet[],
      };
    } else {
      this.inside = { subnetGroupName: 'inside' };
      this.isolated = { subnetGroupName: 'database' };
    }

    const group = (name: string, description: string, allowAllOutbound: boolean) =>
      new ec2.SecurityGroup(this, name, { vpc: this.vpc, description, allowAllOutbound });
    this.balancer = group('Balancer', 'The load balancer: from customers, to tasks', false);
    this.tasks = group('Tasks', 'Tasks of both colors', true);
    this.functions = group('Functions', 'The runner and the functions that prepare databases', true);
    this.database = group('Database', 'Production and fallback databases', false);

    for (const port of props.listenerPorts) {
      if (props.internetFacing) this.balancer.addIngressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(port), 'customers');
      else this.balancer.addIngressRule(ec2.Peer.ipv4(this.vpc.vpcCidrBlock), ec2.Port.tcp(port), 'customers in the VPC');
    }
    for (const port of props.containerPorts)
      this.tasks.connections.allowFrom(this.balancer, ec2.Port.tcp(port), 'requests and health checks');
    if (props.internetFacing && props.listenerPorts.length > 0) acknowledge(this.balancer, 'EC23', 'customers come from everywhere');
    const postgres = ec2.Port.tcp(5432);
    this.database.connections.allowFrom(this.tasks, postgres, 'applications, workers, migrations');
    this.database.connections.allowFrom(this.functions, postgres, 'the runner');
    // production feeds the fallback and the other way round.
    this.database.connections.allowInternally(postgres, 'replication between production and fallback');
  }
}
