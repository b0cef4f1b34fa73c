/** Application Load Balancers, listeners, rules and target groups. */
import type { Properties } from '../records';
import { changed, gone, type ResourceCall, type ResourceType } from '../type';

const loadBalancer: ResourceType = {
  createOnly: ['Name', 'Scheme', 'Type'],
  async create(properties, call) {
    const {
      LoadBalancers: [made],
    } = await call.send('elbv2', 'CreateLoadBalancer', {
      ...properties,
      Name: properties['Name'] ?? call.name(32),
      Tags: call.tags(properties['Tags']),
    });
    const arn = made.LoadBalancerArn;
    call.started(arn);
    await attributes('LoadBalancer', arn, properties, {}, call);
    await call.until('the load balancer to be active', async () => {
      const {
        LoadBalancers: [found],
      } = await call.send('elbv2', 'DescribeLoadBalancers', { LoadBalancerArns: [arn] });
      return found.State?.Code === 'active' ? true : undefined;
    });
    return {
      id: arn,
      attributes: {
        LoadBalancerArn: arn,
        LoadBalancerName: made.LoadBalancerName,
        LoadBalancerFullName: arn.split(':loadbalancer/')[1],
        DNSName: made.DNSName,
        CanonicalHostedZoneID: made.CanonicalHostedZoneId,
        SecurityGroups: made.SecurityGroups ?? [],
      },
    };
  },
  async update(properties, call, made, before) {
    if (changed(before, properties, 'Subnets', 'SubnetMappings'))
      await call.send('elbv2', 'SetSubnets', { ...properties, LoadBalancerArn: made.id });
    if (changed(before, properties, 'SecurityGroups'))
      await call.send('elbv2', 'SetSecurityGroups', { ...properties, LoadBalancerArn: made.id });
    await attributes('LoadBalancer', made.id, properties, before, call);
    return { ...made, attributes: { ...made.attributes, SecurityGroups: properties['SecurityGroups'] ?? [] } };
  },
  delete: (call, { id }) => gone(call.send('elbv2', 'DeleteLoadBalancer', { LoadBalancerArn: id })),
};

async function attributes(
  kind: 'LoadBalancer' | 'TargetGroup',
  arn: string,
  properties: Properties,
  before: Properties,
  call: ResourceCall,
): Promise<void> {
  const name = `${kind}Attributes`;
  if (!changed(before, properties, name) || !properties[name]?.length) return;
  await call.send('elbv2', `Modify${name}`, { [`${kind}Arn`]: arn, Attributes: properties[name] });
}

const targetGroup: ResourceType = {
  createOnly: ['IpAddressType', 'Name', 'Port', 'Protocol', 'ProtocolVersion', 'TargetType', 'VpcId'],
  async create(properties, call) {
    const {
      TargetGroups: [made],
    } = await call.send('elbv2', 'CreateTargetGroup', {
      ...properties,
      Name: properties['Name'] ?? call.name(32),
      Tags: call.tags(properties['Tags']),
    });
    const arn = made.TargetGroupArn;
    call.started(arn);
    await attributes('TargetGroup', arn, properties, {}, call);
    await targets(arn, [], properties['Targets'] ?? [], call);
    return {
      id: arn,
      attributes: {
        TargetGroupArn: arn,
        TargetGroupName: made.TargetGroupName,
        TargetGroupFullName: arn.split(':').at(-1),
        LoadBalancerArns: made.LoadBalancerArns ?? [],
      },
    };
  },
  async update(properties, call, made, before) {
    const checks = Object.keys({ ...before, ...properties }).filter((name) => /^HealthCheck|ThresholdCount$|^Matcher$/.test(name));
    if (changed(before, properties, ...checks)) await call.send('elbv2', 'ModifyTargetGroup', { ...properties, TargetGroupArn: made.id });
    await attributes('TargetGroup', made.id, properties, before, call);
    await targets(made.id, before['Targets'] ?? [], properties['Targets'] ?? [], call);
    return made;
  },
  delete: (call, { id }) => gone(call.send('elbv2', 'DeleteTargetGroup', { TargetGroupArn: id })),
};

async function targets(arn: string, before: Properties[], after: Properties[], call: ResourceCall): Promise<void> {
  const missing = (from: Properties[], other: Properties[]): Properties[] =>
    from.filter((one) => !other.some((two) => JSON.stringify(two) === JSON.stringify(one)));
  const added = missing(after, before);
  const removed = missing(before, after);
  if (added.length > 0) await call.send('elbv2', 'RegisterTargets', { TargetGroupArn: arn, Targets: added });
  if (removed.length > 0) await call.send('elbv2', 'DeregisterTargets', { TargetGroupArn: arn, Targets: removed });
}

const listener: ResourceType = {
  createOnly: ['LoadBalancerArn'],
  async create(properties, call) {
    const {
      Listeners: [made],
    } = await call.send('elbv2', 'CreateListener', properties);
    return { id: made.ListenerArn, attributes: { ListenerArn: made.ListenerArn } };
  },
  async update(properties, call, made) {
    await call.send('elbv2', 'ModifyListener', { ...properties, ListenerArn: made.id });
    return made;
  },
  delete: (call, { id }) => gone(call.send('elbv2', 'DeleteListener', { ListenerArn: id })),
};

const rule: ResourceType = {
  createOnly: ['ListenerArn'],
  async create(properties, call) {
    const {
      Rules: [made],
    } = await call.send('elbv2', 'CreateRule', properties);
    return { id: made.RuleArn, attributes: { RuleArn: made.RuleArn, IsDefault: false } };
  },
  // as AWS's handler does: any change of the rule sends all of it, actions and conditions as the template has them.
  async update(properties, call, made, before) {
    if (changed(before, properties, 'Priority'))
      await call.send('elbv2', 'SetRulePriorities', { RulePriorities: [{ RuleArn: made.id, Priority: properties['Priority'] }] });
    if (changed(before, properties, 'Actions', 'Conditions')) await call.send('elbv2', 'ModifyRule', { ...properties, RuleArn: made.id });
    return made;
  },
  delete: (call, { id }) => gone(call.send('elbv2', 'DeleteRule', { RuleArn: id })),
};

export const elbv2Types: Readonly<Record<string, ResourceType>> = {
  'AWS::ElasticLoadBalancingV2::LoadBalancer': loadBalancer,
  'AWS::ElasticLoadBalancingV2::TargetGroup': targetGroup,
  'AWS::ElasticLoadBalancingV2::Listener': listener,
  'AWS::ElasticLoadBalancingV2::ListenerRule': rule,
};
