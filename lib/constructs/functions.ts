import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { bundledCode } from './bundle';
import { grant, type Permission } from './permissions';
import { insideVariable } from './properties';

export interface HandlerFunctionProps {
  readonly description: string;
  /** Which export of `functions.lambda` it runs. */
  readonly handler: keyof typeof import('./functions.lambda');
  readonly permissions: readonly Permission[];
  readonly timeout?: Duration;
  readonly memorySize?: number;
  readonly environment?: Record<string, string>;
  readonly reservedConcurrentExecutions?: number;
  /** CloudFormation asks another function, outside of the VPC, which waits until this one is awake (handlers/waking.lambda.ts). @default false */
  readonly asleepAtTimes?: boolean;
  readonly network?: { readonly vpc: ec2.IVpc; readonly subnets: ec2.SubnetSelection; readonly securityGroup: ec2.ISecurityGroup };
}

/** A function of Switchback's own: a bundled file, a log group that ends some day, and no more rights than it says. */
export class HandlerFunction extends Construct {
  /** The one that is asked. */
  readonly function: lambda.Function;
  /** Of the one that does the work. */
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: HandlerFunctionProps) {
    super(scope, id);
    if (!props.asleepAtTimes) {
      ({ function: this.function, role: this.role } = this.make('', 'Resource', props));
      return;
    }
    const inside = this.make('', 'Inside', props);
    this.role = inside.role;
    // it has the id of a function that works alone: CloudFormation lets no custom resource change to another function.
    this.function = this.make('Waking', 'Resource', {
      description: `${props.description}: waits until the function in the VPC is awake`,
      handler: 'waking',
      timeout: Duration.minutes(10),
      permissions: [{ actions: ['lambda:InvokeFunction'], resources: [inside.function.functionArn] }],
      environment: { [insideVariable]: inside.function.functionArn },
    }).function;
  }

  private make(prefix: string, id: string, props: HandlerFunctionProps): { function: lambda.Function; role: iam.Role } {
    const logGroup = new logs.LogGroup(this, `${prefix}Logs`, {
      retention: logs.RetentionDays.SIX_MONTHS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // not the managed policies: they allow every log group of the account.
    const role = new iam.Role(this, `${prefix}Role`, {
      assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
      description: props.description,
    });
    logGroup.grantWrite(role);
    grant(role, [...props.permissions, ...(props.network ? [networkPermission] : [])]);
    const made = new lambda.Function(this, id, {
      description: props.description,
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      handler: `index.${props.handler}`,
      code: bundledCode(),
      timeout: props.timeout ?? Duration.minutes(5),
      memorySize: props.memorySize ?? 512,
      environment: {
        AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
        // where Lambda keeps the authorities that sign RDS's certificates, those of the newest Regions too (postgres/connection/certificates.ts).
        NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
        ...props.environment,
      },
      logGroup,
      role,
      ...(props.reservedConcurrentExecutions === undefined ? {} : { reservedConcurrentExecutions: props.reservedConcurrentExecutions }),
      ...(props.network
        ? { vpc: props.network.vpc, vpcSubnets: props.network.subnets, securityGroups: [props.network.securityGroup] }
        : {}),
    });
    return { function: made, role };
  }
}

/** Lambda makes the function's network interfaces with the function's own role; these actions know no resources. */
const networkPermission: Permission = {
  actions: [
    'ec2:CreateNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:DeleteNetworkInterface',
    'ec2:AssignPrivateIpAddresses',
    'ec2:UnassignPrivateIpAddresses',
  ],
  resources: ['*'],
  because: 'network interfaces of a function in a VPC: these actions know no resources',
};
