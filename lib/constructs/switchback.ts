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
    journal.grantRead(grantee);
    const looks = ['DescribeRules', 'DescribeListeners', 'DescribeLoadBalancers'].map((action) => `elasticloadbalancing:${action}`);
    allow(grantee, [...looks, 'rds:DescribeDBInstances'], ['*']);
    // without a name of its own, a command looks for the one system whose window is open.
    const parameters = ['', '/', `/${system}`, `/${system}/*`].map((rest) => this.arn('ssm', `parameter/switchback${rest}`));
    return allow(grantee, ['ssm:GetParameter', 'ssm:GetParametersByPath'], parameters);
  }

  /**
   * Lets somebody run the verbs: look, ask the runner, write notes into the journal while the runner is at work (Ctrl-C, a landing test, an
   * answer), and in an emergency move the rules (`rollback --traffic-only`). With `--here` a terminal does the runner's work, and needs the
   * runner's rights.
   */
  grantOperate(grantee: iam.IGrantable): iam.Grant {
    const { runner, journal, frontDoor, cluster, system } = this.shared;
    this.grantWatch(grantee);
    runner.function.grantInvoke(grantee);
    allow(grantee, ['s3:PutObject'], [journal.arnForObjects('*')]);
    // before a way back, what was changed past CloudFormation is said.
    allow(grantee, ['ecs:DescribeServices'], [this.arn('ecs', `service/${cluster.clusterName}/*`)]);
    // who has used the emergency, and why.
    allow(grantee, ['ssm:PutParameter'], [this.arn('ssm', `parameter${emergencyParameter(system)}`)]);
    const rules = ruleArns(Stack.of(this.shared), frontDoor.listener.listenerArn);
    return allow(grantee, ['elasticloadbalancing:SetRulePriorities'], [rules]);
  }

  /** Invocations of the runner that ended in an error. */
  metricRunnerErrors(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.shared.runner.function.metricErrors(options);
  }

  private arn(service: string, resource: string): string {
    return Stack.of(this.shared).formatArn({ service, resource, arnFormat: ArnFormat.NO_RESOURCE_NAME });
  }
}

const allow = (grantee: iam.IGrantable, actions: string[], resourceArns: string[]): iam.Grant =>
  iam.Grant.addToPrincipal({ grantee, actions, resourceArns });
