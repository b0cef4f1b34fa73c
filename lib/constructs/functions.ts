import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { bundledCode, type ClientPackage } from './bundle';

export interface HandlerFunctionProps {
  readonly description: string;
  /** Path of the handler's file without extension. */
  readonly entry: string;
  /** The SDK clients it uses; the others stay out of the bundle. */
  readonly clients: readonly ClientPackage[];
  readonly statements: readonly iam.PolicyStatement[];
  readonly timeout?: Duration;
  readonly memorySize?: number;
  readonly environment?: Record<string, string>;
  readonly reservedConcurrentExecutions?: number;
  readonly network?: { readonly vpc: ec2.IVpc; readonly subnets: ec2.SubnetSelection; readonly securityGroup: ec2.ISecurityGroup };
}

/** A function of Switchback's own: a bundled file, a log group that ends some day, and no more rights than it says. */
export class HandlerFunction extends Construct {
  readonly function: lambda.Function;

  constructor(scope: Construct, id: string, props: HandlerFunctionProps) {
    super(scope, id);
    this.function = new lambda.Function(this, 'Resource', {
      description: props.description,
      runtime: lambda.Runtime.NODEJS_20_X,
      architecture: lambda.Architecture.ARM_64,
      handler: 'index.handler',
      code: bundledCode(props.entry, props.clients),
      timeout: props.timeout ?? Duration.minutes(5),
      memorySize: props.memorySize ?? 512,
      environment: {
        AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
        // where Lambda keeps the authorities that sign RDS's certificates; Node 20 does not read it by itself.
        NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
        ...props.environment,
      },
      logGroup: new logs.LogGroup(this, 'Logs', { retention: logs.RetentionDays.SIX_MONTHS, removalPolicy: RemovalPolicy.DESTROY }),
      initialPolicy: [...props.statements],
      ...(props.reservedConcurrentExecutions === undefined ? {} : { reservedConcurrentExecutions: props.reservedConcurrentExecutions }),
      ...(props.network
        ? { vpc: props.network.vpc, vpcSubnets: props.network.subnets, securityGroups: [props.network.securityGroup] }
        : {}),
    });
  }
}

/** A custom resource's handler in `handlers/`. */
export const handlerEntry = (name: string): string => join(__dirname, 'handlers', `${name}.lambda`);

/** The runner: executes the steps of runbooks. */
export const runnerEntry = join(__dirname, '..', 'runbook', 'runner.lambda');

/** False while only the constructs are built: the runner's file is written beside them. */
export const entryExists = (entry: string): boolean => ['.ts', '.js'].some((extension) => existsSync(entry + extension));

export const allow = (
  actions: readonly string[],
  resources: readonly string[],
  conditions?: Record<string, unknown>,
): iam.PolicyStatement =>
  new iam.PolicyStatement({ actions: [...actions], resources: [...resources], ...(conditions ? { conditions } : {}) });
