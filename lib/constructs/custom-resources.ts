import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { ArnFormat, Duration, Fn, Stack } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { parameterName } from '../manifest/schema';
import { HandlerFunction } from './functions';
import type { Network } from './network';
import type { Permission } from './permissions';

export interface HandlersProps {
  readonly system: string;
  readonly network: Network;
  readonly masterSecret: secretsmanager.ISecret;
  readonly migratorSecret: secretsmanager.ISecret;
  readonly cluster: ecs.ICluster;
  readonly listenerArn: string;
}

/**
 * The functions behind the custom resources of every stack of a system. They live in the shared stack, so that a new
 * version of them is no change of a color.
 */
export class Handlers extends Construct {
  readonly rules: string;
  readonly workers: string;
  readonly database: string;
  readonly source: string;
  readonly guard: string;
  readonly guardFunction: HandlerFunction;
  /** May read and write the colors' secrets, by policies in their stacks. */
  readonly databaseRole: iam.IRole;

  constructor(scope: Construct, id: string, props: HandlersProps) {
    super(scope, id);
    const { system } = props;
    const stack = Stack.of(this);
    const arn = (service: string, resource: string) => stack.formatArn({ service, resource });
    const readState: Permission = { actions: ['ssm:GetParameter'], resources: [arn('ssm', `parameter${parameterName.state(system)}`)] };

    const rules = new HandlerFunction(this, 'Rules', {
      description: `Switchback ${system}: listener rules`,
      handler: 'rules',
      permissions: [
        {
          actions: [
            'elasticloadbalancing:DescribeRules',
            'elasticloadbalancing:DescribeTags',
            'elasticloadbalancing:DescribeListeners',
            'elasticloadbalancing:DescribeLoadBalancers',
          ],
          resources: ['*'],
          because: looking,
        },
        { actions: ['elasticloadbalancing:CreateRule'], resources: [props.listenerArn] },
        {
          actions: [
            'elasticloadbalancing:AddTags',
            'elasticloadbalancing:ModifyRule',
            'elasticloadbalancing:DeleteRule',
            'elasticloadbalancing:SetRulePriorities',
          ],
          resources: [ruleArns(stack, props.listenerArn)],
          because: 'the rules of one listener, whose names are known only once they are made',
        },
      ],
    });
    const workers = new HandlerFunction(this, 'Workers', {
      description: `Switchback ${system}: worker services`,
      handler: 'workers',
      // a delete waits for tasks to stop.
      timeout: Duration.minutes(10),
      permissions: [
        {
          actions: ['ecs:CreateService', 'ecs:UpdateService', 'ecs:DeleteService', 'ecs:DescribeServices', 'ecs:TagResource'],
          resources: [arn('ecs', `service/${props.cluster.clusterName}/*`)],
          because: 'the services of one cluster: workers are made and deleted in it',
        },
        {
          actions: ['ecs:ListTasks', 'ecs:DescribeTasks'],
          resources: ['*'],
          conditions: { ArnEquals: { 'ecs:cluster': props.cluster.clusterArn } },
          because: 'the tasks of one cluster, which the condition names',
        },
        {
          actions: [
            'application-autoscaling:RegisterScalableTarget',
            'application-autoscaling:DeregisterScalableTarget',
            'application-autoscaling:PutScalingPolicy',
          ],
          resources: [arn('application-autoscaling', 'scalable-target/*')],
          because: 'a scalable target has a random name; which service it scales is not part of its ARN',
        },
        {
          // application auto scaling makes the alarms of a policy in the name of whoever puts it. Source: "Service auto scaling", ECS guide.
          actions: ['cloudwatch:PutMetricAlarm', 'cloudwatch:DeleteAlarms'],
          resources: [
            stack.formatArn({
              service: 'cloudwatch',
              resource: 'alarm',
              resourceName: `TargetTracking-service/${props.cluster.clusterName}/*`,
              arnFormat: ArnFormat.COLON_RESOURCE_NAME,
            }),
          ],
          because: 'the alarms of scaled workers in one cluster, whose names end in a random part',
        },
        { actions: ['cloudwatch:DescribeAlarms'], resources: ['*'], because: looking },
        {
          actions: ['iam:CreateServiceLinkedRole'],
          resources: [`arn:${stack.partition}:iam::${stack.account}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/*`],
          because: 'the role that application auto scaling makes for itself when it is first used',
        },
      ],
    });
    const database = new HandlerFunction(this, 'Database', {
      description: `Switchback ${system}: database roles and users`,
      handler: 'database',
      asleepAtTimes: true,
      network: { vpc: props.network.vpc, subnets: props.network.inside, securityGroup: props.network.functions },
      permissions: [
        readState,
        {
          actions: ['rds:DescribeDBInstances'],
          resources: [stack.formatArn({ service: 'rds', resource: 'db', resourceName: '*', arnFormat: ArnFormat.COLON_RESOURCE_NAME })],
          because: looking,
        },
      ],
    });
    props.masterSecret.grantRead(database.role);
    props.migratorSecret.grantRead(database.role);
    props.migratorSecret.grantWrite(database.role);
    const source = new HandlerFunction(this, 'Source', {
      description: `Switchback ${system}: the instance a fallback replicates`,
      handler: 'source',
      permissions: [readState],
    });
    this.guardFunction = new HandlerFunction(this, 'Guard', {
      description: `Switchback ${system}: refuses changes to what is live or in use`,
      handler: 'guard',
      permissions: [
        readState,
        { actions: ['elasticloadbalancing:DescribeRules'], resources: ['*'], because: looking },
        {
          actions: ['cloudformation:DescribeStacks'],
          resources: [arn('cloudformation', `stack/${system}-*`)],
          because: 'the stacks of one system, whose ARNs end in a random part',
        },
      ],
    });
    this.rules = rules.function.functionArn;
    this.workers = workers.function.functionArn;
    this.database = database.function.functionArn;
    this.source = source.function.functionArn;
    this.guard = this.guardFunction.function.functionArn;
    this.databaseRole = database.role;
  }
}

/** Why an action that only looks is allowed everywhere. */
export const looking = 'it only looks, and the action knows no narrower resource';

/** The ARNs of all rules of a listener. */
export const ruleArns = (stack: Stack, listenerArn: string): string =>
  stack.formatArn({
    service: 'elasticloadbalancing',
    resource: 'listener-rule',
    resourceName: `${Fn.select(1, Fn.split(':listener/', listenerArn))}/*`,
  });
