import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { ArnFormat, Duration, Stack } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { allow, HandlerFunction, handlerEntry } from './functions';
import type { Network } from './network';

export interface HandlersProps {
  readonly system: string;
  readonly network: Network;
  readonly masterSecret: secretsmanager.ISecret;
  readonly migratorSecret: secretsmanager.ISecret;
  readonly clusterName: string;
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
    const parameters = arn('ssm', `parameter/switchback/${system}/*`);
    const readState = allow(['ssm:GetParameter'], [parameters]);

    const rules = new HandlerFunction(this, 'Rules', {
      description: `Switchback ${system}: listener rules`,
      entry: handlerEntry('rules'),
      clients: ['elastic-load-balancing-v2'],
      statements: [
        // these actions know no resources.
        allow(
          [
            'elasticloadbalancing:DescribeRules',
            'elasticloadbalancing:DescribeTags',
            'elasticloadbalancing:DescribeListeners',
            'elasticloadbalancing:DescribeLoadBalancers',
          ],
          ['*'],
        ),
        allow(
          [
            'elasticloadbalancing:CreateRule',
            'elasticloadbalancing:ModifyRule',
            'elasticloadbalancing:DeleteRule',
            'elasticloadbalancing:SetRulePriorities',
            'elasticloadbalancing:AddTags',
          ],
          [arn('elasticloadbalancing', 'listener/app/*'), arn('elasticloadbalancing', 'listener-rule/app/*')],
        ),
      ],
    });
    const workers = new HandlerFunction(this, 'Workers', {
      description: `Switchback ${system}: worker services`,
      entry: handlerEntry('workers'),
      clients: ['ecs', 'application-auto-scaling'],
      // a delete waits for tasks to stop.
      timeout: Duration.minutes(10),
      statements: [
        allow(
          ['ecs:CreateService', 'ecs:UpdateService', 'ecs:DeleteService', 'ecs:DescribeServices', 'ecs:TagResource'],
          [arn('ecs', `service/${props.clusterName}/*`)],
        ),
        allow(['ecs:ListTasks', 'ecs:DescribeTasks'], ['*'], { ArnEquals: { 'ecs:cluster': arn('ecs', `cluster/${props.clusterName}`) } }),
        allow(
          [
            'application-autoscaling:RegisterScalableTarget',
            'application-autoscaling:DeregisterScalableTarget',
            'application-autoscaling:PutScalingPolicy',
          ],
          [arn('application-autoscaling', 'scalable-target/*')],
        ),
        // services of workers scale by alarms that application auto scaling makes in its own name.
        allow(
          ['iam:CreateServiceLinkedRole'],
          [`arn:${stack.partition}:iam::${stack.account}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/*`],
        ),
      ],
    });
    const database = new HandlerFunction(this, 'Database', {
      description: `Switchback ${system}: database roles and users`,
      entry: handlerEntry('database'),
      clients: ['ssm', 'secrets-manager', 'rds'],
      network: { vpc: props.network.vpc, subnets: props.network.inside, securityGroup: props.network.functions },
      statements: [
        readState,
        allow(
          ['rds:DescribeDBInstances'],
          [stack.formatArn({ service: 'rds', resource: 'db', resourceName: '*', arnFormat: ArnFormat.COLON_RESOURCE_NAME })],
        ),
      ],
    });
    props.masterSecret.grantRead(database.function);
    props.migratorSecret.grantRead(database.function);
    props.migratorSecret.grantWrite(database.function);
    const source = new HandlerFunction(this, 'Source', {
      description: `Switchback ${system}: the instance a fallback replicates`,
      entry: handlerEntry('source'),
      clients: ['ssm', 'secrets-manager', 'rds'],
      statements: [readState],
    });
    this.guardFunction = new HandlerFunction(this, 'Guard', {
      description: `Switchback ${system}: refuses changes to what is live or in use`,
      entry: handlerEntry('guard'),
      clients: ['elastic-load-balancing-v2', 'ssm', 'cloudformation'],
      statements: [
        readState,
        allow(['elasticloadbalancing:DescribeRules'], ['*']),
        allow(['cloudformation:DescribeStacks'], [arn('cloudformation', `stack/${system}-*`)]),
      ],
    });
    this.rules = rules.function.functionArn;
    this.workers = workers.function.functionArn;
    this.database = database.function.functionArn;
    this.source = source.function.functionArn;
    this.guard = this.guardFunction.function.functionArn;
    this.databaseRole = database.function.role!;
  }
}
