/** Target groups and their targets: their operations. */
import type * as Sdk from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError } from '../../service';
import type { Elbv2 } from './elbv2';
import { attributeList, chosen, loadBalancerOf, page, setAttributes, type TargetGroupRow, targetGroupOf, targetKey } from './tables';
import { loadBalancersOf } from './validate';

const defaults = {
  'deregistration_delay.timeout_seconds': '300',
  'load_balancing.algorithm.anomaly_mitigation': 'off',
  'load_balancing.algorithm.type': 'round_robin',
  'load_balancing.cross_zone.enabled': 'use_load_balancer_configuration',
  'slow_start.duration_seconds': '0',
  'stickiness.app_cookie.cookie_name': '',
  'stickiness.app_cookie.duration_seconds': '86400',
  'stickiness.enabled': 'false',
  'stickiness.lb_cookie.duration_seconds': '86400',
  'stickiness.type': 'lb_cookie',
  'target_group_health.dns_failover.minimum_healthy_targets.count': '1',
  'target_group_health.dns_failover.minimum_healthy_targets.percentage': 'off',
  'target_group_health.unhealthy_state_routing.minimum_healthy_targets.count': '1',
  'target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage': 'off',
};

const healthFields = [
  'HealthCheckProtocol',
  'HealthCheckPort',
  'HealthCheckPath',
  'HealthCheckEnabled',
  'HealthCheckIntervalSeconds',
  'HealthCheckTimeoutSeconds',
  'HealthyThresholdCount',
  'UnhealthyThresholdCount',
  'Matcher',
] as const;

export const targetGroupHandlers = (elbv2: Elbv2) => {
  const show = (row: TargetGroupRow): Sdk.TargetGroup => ({ ...row.targetGroup, LoadBalancerArns: loadBalancersOf(elbv2, row.arn) });
  return {
    CreateTargetGroup(input: Sdk.CreateTargetGroupInput): Sdk.CreateTargetGroupOutput {
      const name = input.Name ?? '';
      if (!/^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?$/.test(name)) {
        throw new AwsError(
          'ValidationError',
          `The target group name '${name}' must have 1 to 32 letters, digits and hyphens, and not begin or end with a hyphen`,
        );
      }
      if (input.TargetType !== 'ip') {
        throw new AwsError(
          'ValidationError',
          `Target groups of type '${input.TargetType ?? 'instance'}' are not served by the sandbox, only 'ip' (what Fargate needs)`,
        );
      }
      if (elbv2.targetGroups.values().some((row) => row.targetGroup.TargetGroupName === name)) {
        throw new AwsError('DuplicateTargetGroupName', `A target group with the same name '${name}' exists, but with different settings`);
      }
      const targetGroup: Sdk.TargetGroup = {
        TargetGroupName: name,
        Protocol: input.Protocol ?? 'HTTP',
        ProtocolVersion: input.ProtocolVersion ?? 'HTTP1',
        Port: input.Port,
        VpcId: input.VpcId,
        TargetType: 'ip',
        IpAddressType: input.IpAddressType ?? 'ipv4',
        ...withHealth({}, { HealthCheckEnabled: true, HealthCheckProtocol: 'HTTP', HealthCheckPort: 'traffic-port', HealthCheckPath: '/' }),
        ...withHealth(
          {},
          { HealthCheckIntervalSeconds: 30, HealthCheckTimeoutSeconds: 5, HealthyThresholdCount: 5, UnhealthyThresholdCount: 2 },
        ),
        Matcher: { HttpCode: '200' },
      };
      const arn = elbv2.sandbox.arn('elasticloadbalancing', `targetgroup/${name}/${elbv2.sandbox.id(16)}`);
      targetGroup.TargetGroupArn = arn;
      const row = { arn, targetGroup: withHealth(targetGroup, input), attributes: { ...defaults }, tags: input.Tags ?? [] };
      checkHealth(row.targetGroup);
      elbv2.targetGroups.set(arn, row);
      elbv2.traffic.addGroup(row);
      return { TargetGroups: [show(row)] };
    },

    DescribeTargetGroups(input: Sdk.DescribeTargetGroupsInput): Sdk.DescribeTargetGroupsOutput {
      const all = elbv2.targetGroups.values();
      const missing = (name: string): AwsError => new AwsError('TargetGroupNotFound', `One or more target groups not found: '${name}'`);
      if (input.LoadBalancerArn) loadBalancerOf(elbv2, input.LoadBalancerArn);
      const rows = input.LoadBalancerArn
        ? all.filter((row) => loadBalancersOf(elbv2, row.arn).includes(input.LoadBalancerArn!))
        : input.Names?.length
          ? chosen(all, input.Names, (row) => row.targetGroup.TargetGroupName, missing)
          : chosen(all, input.TargetGroupArns, (row) => row.arn, missing);
      const { rows: shown, ...next } = page(rows, input);
      return { TargetGroups: shown.map(show), ...next };
    },

    ModifyTargetGroup(input: Sdk.ModifyTargetGroupInput): Sdk.ModifyTargetGroupOutput {
      const row = targetGroupOf(elbv2, input.TargetGroupArn);
      const changed = { ...row, targetGroup: withHealth(row.targetGroup, input) };
      checkHealth(changed.targetGroup);
      elbv2.targetGroups.set(row.arn, changed);
      elbv2.traffic.changeCheck(changed);
      return { TargetGroups: [show(changed)] };
    },

    DeleteTargetGroup(input: Sdk.DeleteTargetGroupInput): Sdk.DeleteTargetGroupOutput {
      const arn = input.TargetGroupArn ?? '';
      if (loadBalancersOf(elbv2, arn).length > 0) {
        throw new AwsError('ResourceInUse', `Target group '${arn}' is currently in use by a listener or a rule`);
      }
      elbv2.traffic.removeGroup(arn);
      for (const target of elbv2.targets.values()) {
        if (target.targetGroupArn === arn) elbv2.targets.delete(targetKey(arn, target.id, target.port));
      }
      elbv2.targetGroups.delete(arn);
      return {};
    },

    DescribeTargetGroupAttributes(input: Sdk.DescribeTargetGroupAttributesInput): Sdk.DescribeTargetGroupAttributesOutput {
      return { Attributes: attributeList(targetGroupOf(elbv2, input.TargetGroupArn).attributes) };
    },

    ModifyTargetGroupAttributes(input: Sdk.ModifyTargetGroupAttributesInput): Sdk.ModifyTargetGroupAttributesOutput {
      const row = targetGroupOf(elbv2, input.TargetGroupArn);
      const attributes = { ...row.attributes };
      setAttributes(attributes, input.Attributes);
      const delay = Number(attributes['deregistration_delay.timeout_seconds']);
      if (!(delay >= 0 && delay <= 3600))
        throw new AwsError('ValidationError', `The deregistration delay '${delay}' must be between 0 and 3600 seconds`);
      if (attributes['stickiness.enabled'] === 'true') {
        throw new AwsError(
          'InvalidConfigurationRequest',
          'Stickiness is not served by the sandbox: a cookie would outlive a switch of traffic',
        );
      }
      elbv2.targetGroups.set(row.arn, { ...row, attributes });
      return { Attributes: attributeList(attributes) };
    },
  };
};

type Health = Pick<Sdk.TargetGroup, (typeof healthFields)[number]>;

function withHealth(group: Sdk.TargetGroup, changes: Health): Sdk.TargetGroup {
  const result: Sdk.TargetGroup = { ...group };
  for (const field of healthFields) {
    if (changes[field] !== undefined) Object.assign(result, { [field]: changes[field] });
  }
  return result;
}

function checkHealth(group: Sdk.TargetGroup): void {
  const within = (name: string, value: number | undefined, low: number, high: number): void => {
    if (value === undefined || value < low || value > high)
      throw new AwsError('ValidationError', `${name} '${value}' must be between ${low} and ${high}`);
  };
  within('Target group port', group.Port, 1, 65_535);
  within('Health check interval', group.HealthCheckIntervalSeconds, 5, 300);
  within('Health check timeout', group.HealthCheckTimeoutSeconds, 2, 120);
  within('Healthy threshold count', group.HealthyThresholdCount, 2, 10);
  within('Unhealthy threshold count', group.UnhealthyThresholdCount, 2, 10);
  if (group.HealthCheckTimeoutSeconds! >= group.HealthCheckIntervalSeconds!) {
    throw new AwsError(
      'ValidationError',
      `Health check timeout '${group.HealthCheckTimeoutSeconds}' must be smaller than the interval '${group.HealthCheckIntervalSeconds}'`,
    );
  }
  if (!/^\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*$/.test(group.Matcher?.HttpCode ?? '')) {
    throw new AwsError(
      'ValidationError',
      `Health check matcher '${group.Matcher?.HttpCode}' must be codes such as 200, 200-299 or 200,301`,
    );
  }
}
