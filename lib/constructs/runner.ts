import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { ArnFormat, Duration, Stack } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { emergencyParameter } from '../manifest/emergency';
import { parameterName } from '../manifest/schema';
import { looking, ruleArns } from './custom-resources';
import { HandlerFunction } from './functions';
import type { Network } from './network';
import { grant, type Permission } from './permissions';
import type { Trial } from './trial';

export interface RunnerProps {
  readonly system: string;
  readonly network: Network;
  readonly cluster: ecs.ICluster;
  readonly journal: s3.IBucket;
  readonly secrets: readonly secretsmanager.ISecret[];
  readonly logs: readonly logs.ILogGroup[];
  /** Identifier of the production database. */
  readonly database: string;
  readonly scheduleGroup: string;
  readonly listenerArn: string;
  readonly reservedConcurrency: boolean;
  readonly trial?: Trial;
}

/** The function inside the VPC that executes the steps of runbooks, and what asks it to go on when nobody is there. */
export class Runner extends Construct {
  readonly function: lambda.Function;
  /** Gets its rights in a color from that color's stack. @internal */
  readonly role: iam.Role;
  /** @internal */
  readonly scheduleRole: iam.Role;

  /** @internal */
  constructor(scope: Construct, id: string, props: RunnerProps) {
    super(scope, id);
    const group = new scheduler.CfnScheduleGroup(this, 'Schedules', { name: props.scheduleGroup });
    this.scheduleRole = new iam.Role(this, 'ScheduleRole', {
      description: `Lets a schedule of ${props.system} ask the runner to go on`,
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    });
    const runner = new HandlerFunction(this, 'Function', {
      description: `Switchback ${props.system}: executes the steps of a window`,
      handler: 'runner',
      network: { vpc: props.network.vpc, subnets: props.network.inside, securityGroup: props.network.functions },
      // one writer.
      ...(props.reservedConcurrency ? { reservedConcurrentExecutions: 1 } : {}),
      timeout: Duration.minutes(15),
      memorySize: 1024,
      permissions: this.permissions(props, group),
    });
    this.function = runner.function;
    this.role = runner.role;
    for (const secret of props.secrets) {
      secret.grantRead(this.role);
      secret.grantWrite(this.role);
    }
    grant(this.scheduleRole, [{ actions: ['lambda:InvokeFunction'], resources: [this.function.functionArn] }]);
  }

  private permissions(props: RunnerProps, group: scheduler.CfnScheduleGroup): Permission[] {
    const { system, cluster, journal } = props;
    const stack = Stack.of(this);
    const arn = (service: string, resource: string) => stack.formatArn({ service, resource });
    const rds = (kind: string, name: string) =>
      stack.formatArn({ service: 'rds', resource: kind, resourceName: name, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
    return [
      {
        actions: [
          'elasticloadbalancing:DescribeRules',
          'elasticloadbalancing:DescribeTags',
          'elasticloadbalancing:DescribeListeners',
          'elasticloadbalancing:DescribeLoadBalancers',
          'elasticloadbalancing:DescribeTargetHealth',
          'application-autoscaling:DescribeScalableTargets',
          'cloudwatch:GetMetricData',
          'rds:DescribeDBInstances',
          'rds:DescribeDBSnapshots',
          'rds:DescribeDBParameters',
        ],
        resources: ['*'],
        because: looking,
      },
      {
        actions: ['elasticloadbalancing:SetRulePriorities'],
        resources: [ruleArns(stack, props.listenerArn)],
        because: 'the rules of one listener, whose names are known only once they are made',
      },
      {
        actions: ['ecs:UpdateService', 'ecs:DescribeServices'],
        resources: [arn('ecs', `service/${cluster.clusterName}/*`)],
        because: 'the services of one cluster: the colors come and go',
      },
      {
        actions: ['ecs:ListTasks', 'ecs:DescribeTasks', 'ecs:StopTask'],
        resources: ['*'],
        conditions: { ArnEquals: { 'ecs:cluster': cluster.clusterArn } },
        because: 'the tasks of one cluster, which the condition names',
      },
      {
        actions: ['application-autoscaling:RegisterScalableTarget'],
        resources: [arn('application-autoscaling', 'scalable-target/*')],
        because: 'a scalable target has a random name; which service it scales is not part of its ARN',
      },
      {
        actions: ['rds:PromoteReadReplica', 'rds:ModifyDBInstance', 'rds:CreateDBSnapshot', 'rds:AddTagsToResource'],
        resources: [rds('db', `${system}-fallback-*`), rds('db', props.database), rds('snapshot', `${system}-*`)],
        because: 'the fallback databases of one system, one for each window, and the snapshots of them',
      },
      ...(props.trial ? this.trialPermissions(system, props.trial, rds) : []),
      {
        actions: ['ssm:GetParameter', 'ssm:GetParameters', 'ssm:GetParametersByPath'],
        resources: [arn('ssm', `parameter/switchback/${system}`), arn('ssm', `parameter/switchback/${system}/*`)],
        because: 'the manifest of one system, of which each stack writes a part',
      },
      {
        actions: ['ssm:PutParameter'],
        resources: [parameterName.state(system), emergencyParameter(system)].map((name) => arn('ssm', `parameter${name}`)),
      },
      { actions: ['s3:ListBucket'], resources: [journal.bucketArn] },
      {
        actions: ['s3:GetObject', 's3:PutObject'],
        resources: [journal.arnForObjects('*')],
        because: 'the events of the journal; none is ever deleted',
      },
      {
        actions: ['scheduler:CreateSchedule', 'scheduler:GetSchedule', 'scheduler:UpdateSchedule', 'scheduler:DeleteSchedule'],
        resources: [arn('scheduler', `schedule/${group.ref}/*`)],
        because: 'the schedules of one group, which is of this system alone',
      },
      {
        actions: ['iam:PassRole'],
        resources: [this.scheduleRole.roleArn],
        conditions: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
      },
      {
        // the teardown deletes a color's stack and the fallback's; CloudFormation does it with the role it deployed them with.
        actions: [
          'cloudformation:DescribeStacks',
          'cloudformation:DescribeStackEvents',
          'cloudformation:DeleteStack',
          'cloudformation:UpdateTerminationProtection',
        ],
        resources: ['blue', 'green', 'fallback-*'].map((part) => arn('cloudformation', `stack/${system}-${part}/*`)),
        because: 'the stacks a teardown deletes, whose ARNs end in a random part',
      },
      {
        actions: ['logs:GetLogEvents', 'logs:FilterLogEvents', 'logs:DescribeLogStreams'],
        resources: props.logs.map(({ logGroupArn }) => logGroupArn),
      },
      {
        // a schedule is made for the function's ARN, and the function is asked by its name.
        actions: ['lambda:GetFunctionConfiguration'],
        resources: [
          stack.formatArn({
            service: 'lambda',
            resource: 'function',
            resourceName: `${stack.stackName}-*`,
            arnFormat: ArnFormat.COLON_RESOURCE_NAME,
          }),
        ],
        because: 'the functions of the shared stack: a function cannot be named in its own rights',
      },
    ];
  }

  /** A copy of production comes and goes with its snapshot. */
  private trialPermissions(system: string, { subnets }: Trial, rds: (kind: string, name: string) => string): Permission[] {
    const copies = [rds('db', `${system}-*-trial`), rds('snapshot', `${system}-*-trial`)];
    return [
      {
        actions: ['rds:DeleteDBInstance', 'rds:DeleteDBSnapshot'],
        resources: copies,
        because: 'the copies of production of one system, one for each window, and the snapshots they are made from',
      },
      {
        actions: ['rds:AddTagsToResource'],
        resources: [rds('db', `${system}-*-trial`)],
        because: 'a copy carries the name of its window, so that nothing of anybody else is deleted',
      },
      {
        // to create a thing, RDS asks for the right to each thing it uses.
        actions: ['rds:RestoreDBInstanceFromDBSnapshot'],
        resources: [...copies, rds('subgrp', subnets.subnetGroupName), rds('pg', '*'), rds('og', '*')],
        because:
          'the copy has whatever parameter group production has, which may be the fallback of an earlier window, and the default option group',
      },
    ];
  }
}
