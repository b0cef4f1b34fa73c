/** Listeners: their operations. HTTPS is accepted and served as plain HTTP. */
import type * as Sdk from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError } from '../../service';
import type { Elbv2 } from './elbv2';
import { attributeList, chosen, type ListenerRow, listenerOf, loadBalancerOf, page, rulesOf, setAttributes } from './tables';
import { checkedActions } from './validate';

export const listenerHandlers = (elbv2: Elbv2) => ({
  async CreateListener(input: Sdk.CreateListenerInput): Promise<Sdk.CreateListenerOutput> {
    const { arn: loadBalancerArn } = loadBalancerOf(elbv2, input.LoadBalancerArn);
    const asked = checkedPort(elbv2, input.Port, loadBalancerArn);
    const protocol = checkedProtocol(input.Protocol, input.Certificates);
    const actions = checkedActions(elbv2, input.DefaultActions, loadBalancerArn);
    const arn = loadBalancerArn.replace(':loadbalancer/', ':listener/').concat(`/${elbv2.sandbox.id(16)}`);
    const listener: Sdk.Listener = {
      ListenerArn: arn,
      LoadBalancerArn: loadBalancerArn,
      Protocol: protocol,
      DefaultActions: actions,
      ...(protocol === 'HTTPS' ? { Certificates: input.Certificates, SslPolicy: input.SslPolicy ?? 'ELBSecurityPolicy-2016-08' } : {}),
    };
    listener.Port = await elbv2.traffic.listen(arn, asked);
    elbv2.sandbox.log(`elbv2: listener ${arn}, asked for port ${asked}, listens on ${listener.Port}`);
    const row = {
      arn,
      loadBalancerArn,
      listener,
      askedPort: asked,
      attributes: { 'routing.http.response.server.enabled': 'true' },
      tags: input.Tags ?? [],
    };
    elbv2.listeners.set(arn, row);
    const rule = arn.replace(':listener/', ':listener-rule/').concat(`/${elbv2.sandbox.id(16)}`);
    elbv2.rules.set(rule, { arn: rule, listenerArn: arn, priority: 'default', conditions: [], actions, tags: [] });
    elbv2.traffic.rulesChanged(arn);
    return { Listeners: [row.listener] };
  },

  DescribeListeners(input: Sdk.DescribeListenersInput): Sdk.DescribeListenersOutput {
    const all = elbv2.listeners.values();
    const missing = (arn: string): AwsError => new AwsError('ListenerNotFound', `One or more listeners not found: '${arn}'`);
    if (input.LoadBalancerArn) loadBalancerOf(elbv2, input.LoadBalancerArn);
    else if (!input.ListenerArns?.length)
      throw new AwsError('ValidationError', 'You must specify either listener ARNs or a load balancer ARN');
    const rows = input.LoadBalancerArn
      ? all.filter((row) => row.loadBalancerArn === input.LoadBalancerArn)
      : chosen(all, input.ListenerArns, (row) => row.arn, missing);
    const { rows: shown, ...next } = page(rows, input);
    return { Listeners: shown.map((row) => row.listener), ...next };
  },

  /** Replaces the whole list of default actions when one is given. */
  async ModifyListener(input: Sdk.ModifyListenerInput): Promise<Sdk.ModifyListenerOutput> {
    const row = listenerOf(elbv2, input.ListenerArn);
    const actions = input.DefaultActions && checkedActions(elbv2, input.DefaultActions, row.loadBalancerArn);
    if (input.Protocol) row.listener.Protocol = checkedProtocol(input.Protocol, input.Certificates ?? row.listener.Certificates);
    if (input.Certificates) row.listener.Certificates = input.Certificates;
    if (input.Port !== undefined && input.Port !== row.askedPort && input.Port !== row.listener.Port) {
      const asked = checkedPort(elbv2, input.Port, row.loadBalancerArn);
      elbv2.traffic.close(row.arn);
      row.listener.Port = await elbv2.traffic.listen(row.arn, asked);
      row.askedPort = asked;
      elbv2.traffic.rulesChanged(row.arn);
    }
    if (actions) {
      row.listener.DefaultActions = actions;
      const rule = rulesOf(elbv2, row.arn).at(-1)!;
      elbv2.rules.set(rule.arn, { ...rule, actions });
      elbv2.traffic.rulesChanged(row.arn);
    }
    elbv2.listeners.set(row.arn, row);
    return { Listeners: [row.listener] };
  },

  DeleteListener(input: Sdk.DeleteListenerInput): Sdk.DeleteListenerOutput {
    deleteListenerRow(elbv2, listenerOf(elbv2, input.ListenerArn));
    return {};
  },

  DescribeListenerAttributes(input: Sdk.DescribeListenerAttributesInput): Sdk.DescribeListenerAttributesOutput {
    return { Attributes: attributeList(listenerOf(elbv2, input.ListenerArn).attributes) };
  },

  ModifyListenerAttributes(input: Sdk.ModifyListenerAttributesInput): Sdk.ModifyListenerAttributesOutput {
    const row = listenerOf(elbv2, input.ListenerArn);
    const attributes = { ...row.attributes };
    setAttributes(attributes, input.Attributes);
    elbv2.listeners.set(row.arn, { ...row, attributes });
    return { Attributes: attributeList(attributes) };
  },
});

/** With its rules; the target groups they named are checked no longer. */
export function deleteListenerRow(elbv2: Elbv2, row: ListenerRow): void {
  for (const rule of rulesOf(elbv2, row.arn)) elbv2.rules.delete(rule.arn);
  elbv2.listeners.delete(row.arn);
  elbv2.traffic.close(row.arn);
  elbv2.traffic.reviewUse();
}

function checkedPort(elbv2: Elbv2, port: number | undefined, loadBalancerArn: string): number {
  if (port === undefined || port < 1 || port > 65_535)
    throw new AwsError('ValidationError', `The listener port '${port}' must be between 1 and 65535`);
  if (elbv2.listeners.values().some((row) => row.loadBalancerArn === loadBalancerArn && row.askedPort === port)) {
    throw new AwsError('DuplicateListener', 'A listener already exists on this port for this load balancer');
  }
  return port;
}

function checkedProtocol(protocol: string | undefined, certificates: Sdk.Certificate[] | undefined): 'HTTP' | 'HTTPS' {
  if (protocol !== 'HTTP' && protocol !== 'HTTPS')
    throw new AwsError('ValidationError', `The listener protocol '${protocol}' must be HTTP or HTTPS`);
  if (protocol === 'HTTPS' && !certificates?.length)
    throw new AwsError('ValidationError', 'A certificate must be specified for HTTPS listeners');
  return protocol;
}
