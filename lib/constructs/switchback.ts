import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as iam from 'aws-cdk-lib/aws-iam';
import { ArnFormat, Stack } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { emergencyParameter } from '../manifest/emergency';
import type { Color, Release } from '../manifest/release';
import { ColorStack } from './color-stack';
import { ruleArns } from './custom-resources';
import { FallbackStack } from './fallback-stack';
import type { SwitchbackProps } from './props';
import { SharedStack } from './shared-stack';
import { validate } from './validate';

/**
 * A system that goes through release windows: the stacks `shared`, `blue`, `green` and `fallback-w<n>`, made beside
 * this construct so that `cdk deploy green` finds them; in a stage it is `cdk deploy Prod/green`.
 */
export class Switchback extends Construct {
  /** The name of the system. */
  readonly system: string;
  /** What both colors share. */
  readonly shared: SharedStack;
  /** Undefined while blue has no release. */
  readonly blue: ColorStack | undefined;
  /** Undefined while green has no release. */
  readonly green: ColorStack | undefined;
  /** Undefined while the app names no window. */
  readonly fallback: FallbackStack | undefined;

  /**
   * @param scope the app, or a stage of it
   * @param id the system's name, unless `system` gives another
   */
  constructor(scope: Construct, id: string, props: SwitchbackProps) {
    super(scope, id);
    this.system = props.system ?? id;
    validate(this.system, props);
    this.shared = new SharedStack(scope, this.system, props);
    const color = (name: Color, release: Release | undefined) => release && new ColorStack(scope, name, release, this.shared, props);
    this.blue = color('blue', props.blue);
    this.green = color('green', props.green);
    this.fallback = props.window === undefined ? undefined : new FallbackStack(scope, props.window, this.shared, props);
  }

  /** The principals that tasks of both colors run as: `bucket.grantRead(principal)` for each. */
  get taskRoles(): iam.IRole[] {
    return [this.blue, this.green].flatMap((stack) => (stack ? [stack.tasks.taskRole] : []));
  }

  /** Lets somebody look: `status`, `plan`, `--watch`, what customers see. `status --check` asks the runner, and needs `grantOperate`. */
  grantWatch(grantee: iam.IGrantable): iam.Grant {
    const { journal, system } = this.shared;
    const stack = Stack.of(this.shared);
    journal.grantRead(grantee);
    iam.Grant.addToPrincipal({
      grantee,
      actions: [
        'elasticloadbalancing:DescribeRules',
        'elasticloadbalancing:DescribeListeners',
        'elasticloadbalancing:DescribeLoadBalancers',
        'rds:DescribeDBInstances',
      ],
      resourceArns: ['*'],
    });
    return iam.Grant.addToPrincipal({
      grantee,
      actions: ['ssm:GetParameter', 'ssm:GetParametersByPath'],
      // without a name of its own, a command looks for the one system whose window is open.
      resourceArns: [
        'parameter/switchback',
        'parameter/switchback/',
        `parameter/switchback/${system}`,
        `parameter/switchback/${system}/*`,
      ].map((resource) => stack.formatArn({ service: 'ssm', resource, arnFormat: ArnFormat.NO_RESOURCE_NAME })),
    });
  }

  /**
   * Lets somebody run the verbs: look, ask the runner, write notes into the journal while the runner is at work (Ctrl-C, a landing test, an
   * answer), and in an emergency move the rules (`rollback --traffic-only`). With `--here` a terminal does the runner's work, and needs the
   * runner's rights.
   */
  grantOperate(grantee: iam.IGrantable): iam.Grant {
    const { runner, journal, frontDoor, cluster, system } = this.shared;
    const stack = Stack.of(this.shared);
    this.grantWatch(grantee);
    runner.function.grantInvoke(grantee);
    iam.Grant.addToPrincipal({ grantee, actions: ['s3:PutObject'], resourceArns: [journal.arnForObjects('*')] });
    // before a way back, what was changed past CloudFormation is said.
    iam.Grant.addToPrincipal({
      grantee,
      actions: ['ecs:DescribeServices'],
      resourceArns: [
        stack.formatArn({ service: 'ecs', resource: `service/${cluster.clusterName}/*`, arnFormat: ArnFormat.NO_RESOURCE_NAME }),
      ],
    });
    // who has used the emergency, and why.
    iam.Grant.addToPrincipal({
      grantee,
      actions: ['ssm:PutParameter'],
      resourceArns: [
        stack.formatArn({ service: 'ssm', resource: `parameter${emergencyParameter(system)}`, arnFormat: ArnFormat.NO_RESOURCE_NAME }),
      ],
    });
    return iam.Grant.addToPrincipal({
      grantee,
      actions: ['elasticloadbalancing:SetRulePriorities'],
      resourceArns: [ruleArns(stack, frontDoor.listener.listenerArn)],
    });
  }

  /** Invocations of the runner that ended in an error. */
  metricRunnerErrors(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.shared.runner.function.metricErrors(options);
  }
}
