import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { ArnFormat, Duration, Stack } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { allow, HandlerFunction, runnerEntry } from './functions';
import type { Network } from './network';

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
}

/** The function inside the VPC that executes the steps of runbooks, and what asks it to go on when nobody is there. */
export class Runner extends Construct {
  readonly function: lambda.Function;
  readonly scheduleRole: iam.Role;

  constructor(scope: Construct, id: string, props: RunnerProps) {
    super(scope, id);
    const group = new scheduler.CfnScheduleGroup(this, 'Schedules', { name: props.scheduleGroup });
    this.scheduleRole = new iam.Role(this, 'ScheduleRole', {
      description: `Lets a schedule of ${props.system} ask the runner to go on`,
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    });
    this.function = new HandlerFunction(this, 'Function', {
      description: `Switchback ${props.system}: executes the steps of a window`,
      entry: runnerEntry,
      clients: [
        'application-auto-scaling',
        'cloudformation',
        'cloudwatch',
        'cloudwatch-logs',
        'ecs',
        'elastic-load-balancing-v2',
        'lambda',
        'rds',
        's3',
        'scheduler',
        'secrets-manager',
        'ssm',
        'sts',
      ],
      network: { vpc: props.network.vpc, subnets: props.network.inside, securityGroup: props.network.functions },
      // one writer.
      reservedConcurrentExecutions: 1,
      timeout: Duration.minutes(15),
      memorySize: 1024,
      statements: this.statements(props, group),
    }).function;
    props.journal.grantReadWrite(this.function);
    for (const secret of props.secrets) {
      secret.grantRead(this.function);
      secret.grantWrite(this.function);
    }
    this.function.grantInvoke(this.scheduleRole);
  }

  private statements(props: RunnerProps, group: scheduler.CfnScheduleGroup): iam.PolicyStatement[] {
    const { system } = props;
    const stack = Stack.of(this);
    const arn = (service: string, resource: string) => stack.formatArn({ service, resource });
    const rds = (kind: string, name: string) =>
      stack.formatArn({ service: 'rds', resource: kind, resourceName: name, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
    const inCluster = { ArnEquals: { 'ecs:cluster': props.cluster.clusterArn } };
    return [
      // what only looks, and knows no resources.
      allow(
        [
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
        ['*'],
      ),
      allow(['elasticloadbalancing:SetRulePriorities'], [arn('elasticloadbalancing', 'listener-rule/app/*')]),
      allow(['ecs:UpdateService', 'ecs:DescribeServices'], [arn('ecs', `service/${props.cluster.clusterName}/*`)]),
      allow(['ecs:ListTasks', 'ecs:DescribeTasks', 'ecs:StopTask'], ['*'], inCluster),
      allow(['application-autoscaling:RegisterScalableTarget'], [arn('application-autoscaling', 'scalable-target/*')]),
      allow(
        ['rds:PromoteReadReplica', 'rds:ModifyDBInstance', 'rds:DeleteDBInstance', 'rds:CreateDBSnapshot', 'rds:AddTagsToResource'],
        [rds('db', `${system}-fallback-*`), rds('db', props.database), rds('snapshot', `${system}-*`)],
      ),
      allow(
        ['ssm:GetParameter', 'ssm:GetParameters', 'ssm:GetParametersByPath'],
        [arn('ssm', `parameter/switchback/${system}`), arn('ssm', `parameter/switchback/${system}/*`)],
      ),
      allow(['ssm:PutParameter'], [arn('ssm', `parameter/switchback/${system}/state`)]),
      allow(
        ['scheduler:CreateSchedule', 'scheduler:GetSchedule', 'scheduler:UpdateSchedule', 'scheduler:DeleteSchedule'],
        [arn('scheduler', `schedule/${group.ref}/*`)],
      ),
      allow(['iam:PassRole'], [this.scheduleRole.roleArn], { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } }),
      // the teardown deletes the standby color's stack and the fallback's; CloudFormation does it with the role it deployed them with.
      allow(
        ['cloudformation:DescribeStacks', 'cloudformation:DeleteStack', 'cloudformation:UpdateTerminationProtection'],
        ['blue', 'green', 'fallback-*'].map((part) => arn('cloudformation', `stack/${system}-${part}/*`)),
      ),
      allow(
        ['logs:GetLogEvents', 'logs:FilterLogEvents', 'logs:DescribeLogStreams'],
        props.logs.flatMap(({ logGroupArn }) => [logGroupArn, `${logGroupArn}:log-stream:*`]),
      ),
      // the schedule is made for the function by its ARN.
      allow(['lambda:GetFunctionConfiguration'], [arn('lambda', 'function:*')]),
    ];
  }
}
