/** What AWS refuses in actions and conditions, with its codes. */
import type { Action, RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2';
import { targetGroupsOf } from '../../balancer/routes';
import { AwsError } from '../../service';
import type { Elbv2 } from './elbv2';
import { listenerOf } from './tables';

const invalid = (message: string): AwsError => new AwsError('ValidationError', message);

const contentTypes = ['text/plain', 'text/css', 'text/html', 'application/javascript', 'application/json'];

/** Checks a list of actions and returns it as AWS would show it. */
export function checkedActions(elbv2: Elbv2, actions: Action[] | undefined, loadBalancerArn: string): Action[] {
  if (actions?.length !== 1) {
    throw invalid(
      `A rule must have exactly one of the actions forward, redirect and fixed-response here, but ${actions?.length ?? 0} were given (authentication is not served by the sandbox)`,
    );
  }
  return [checkedAction(elbv2, actions[0]!, loadBalancerArn)];
}

function checkedAction(elbv2: Elbv2, action: Action, loadBalancerArn: string): Action {
  switch (action.Type) {
    case 'fixed-response':
      return { ...checkedFixedResponse(action), Order: action.Order ?? 1 };
    case 'redirect':
      return { ...checkedRedirect(action), Order: action.Order ?? 1 };
    case 'forward':
      return { ...checkedForward(elbv2, action, loadBalancerArn), Order: action.Order ?? 1 };
    default:
      throw invalid(`The action type '${action.Type}' is not served by the sandbox; it knows forward, redirect and fixed-response`);
  }
}

function checkedFixedResponse(action: Action): Action {
  const { StatusCode, MessageBody, ContentType } = action.FixedResponseConfig ?? {};
  if (!/^[245]\d\d$/.test(StatusCode ?? '')) throw invalid(`The status code '${StatusCode}' of a fixed response must be 2XX, 4XX or 5XX`);
  if ((MessageBody ?? '').length > 1024) {
    throw invalid(
      `1 validation error detected: Value at 'actions.1.member.fixedResponseConfig.messageBody' failed to satisfy constraint: Member must have length less than or equal to 1024 (it has ${MessageBody!.length})`,
    );
  }
  if (ContentType !== undefined && !contentTypes.includes(ContentType)) {
    throw invalid(`The content type '${ContentType}' of a fixed response must be one of ${contentTypes.join(', ')}`);
  }
  return action;
}

function checkedRedirect(action: Action): Action {
  const redirect = action.RedirectConfig;
  if (redirect?.StatusCode !== 'HTTP_301' && redirect?.StatusCode !== 'HTTP_302') {
    throw invalid(`The status code '${redirect?.StatusCode}' of a redirect must be HTTP_301 or HTTP_302`);
  }
  const filled = { Protocol: '#{protocol}', Host: '#{host}', Port: '#{port}', Path: '/#{path}', Query: '#{query}', ...redirect };
  const same = filled.Protocol === '#{protocol}' && filled.Host === '#{host}' && filled.Port === '#{port}' && filled.Path === '/#{path}';
  if (same) throw new AwsError('InvalidLoadBalancerAction', 'The redirect configuration is not valid because it creates a loop.');
  return { ...action, RedirectConfig: filled };
}

function checkedForward(elbv2: Elbv2, action: Action, loadBalancerArn: string): Action {
  const groups = targetGroupsOf(action);
  if (groups.length === 0) throw invalid('A forward action must name a target group');
  if (groups.length > 5)
    throw new AwsError('TooManyTargetGroups', `A forward action can name at most 5 target groups, not ${groups.length}`);
  if (action.TargetGroupArn && (groups.length > 1 || groups[0]!.TargetGroupArn !== action.TargetGroupArn)) {
    throw invalid('TargetGroupArn and ForwardConfig of a forward action must name the same target group');
  }
  if (action.ForwardConfig?.TargetGroupStickinessConfig?.Enabled) {
    throw invalid('Target group stickiness is not served by the sandbox: a cookie would outlive a switch of traffic');
  }
  for (const group of groups) {
    const weight = group.Weight ?? 1;
    if (weight < 0 || weight > 999) throw invalid(`The weight '${weight}' of a target group must be between 0 and 999`);
    const arn = group.TargetGroupArn ?? '';
    if (!elbv2.targetGroups.has(arn)) throw new AwsError('TargetGroupNotFound', `Target groups '${arn}' not found`);
    if (loadBalancersOf(elbv2, arn).some((other) => other !== loadBalancerArn)) {
      throw new AwsError(
        'TargetGroupAssociationLimit',
        `The following target groups cannot be associated with more than one load balancer: ${arn}`,
      );
    }
  }
  const shown = groups.map((group) => ({ TargetGroupArn: group.TargetGroupArn, Weight: group.Weight ?? 1 }));
  const config = { TargetGroups: shown, TargetGroupStickinessConfig: { Enabled: false } };
  return shown.length === 1
    ? { Type: 'forward', TargetGroupArn: shown[0]!.TargetGroupArn, ForwardConfig: config }
    : { Type: 'forward', ForwardConfig: config };
}

/** The load balancers whose rules forward to a target group: none or one. */
export function loadBalancersOf(elbv2: Elbv2, targetGroupArn: string): string[] {
  const found = new Set<string>();
  for (const rule of elbv2.rules.values()) {
    const named = rule.actions.some((action) => targetGroupsOf(action).some((group) => group.TargetGroupArn === targetGroupArn));
    if (named) found.add(listenerOf(elbv2, rule.listenerArn).loadBalancerArn);
  }
  return [...found];
}

const configs = {
  'host-header': 'HostHeaderConfig',
  'path-pattern': 'PathPatternConfig',
  'http-header': 'HttpHeaderConfig',
  'http-request-method': 'HttpRequestMethodConfig',
  'query-string': 'QueryStringConfig',
  'source-ip': 'SourceIpConfig',
} as const;

/** Checks conditions and returns them as AWS would show them: host and path with both Values and their config. */
export function checkedConditions(conditions: RuleCondition[] | undefined): RuleCondition[] {
  if (!conditions?.length) throw invalid('A rule must have at least one condition');
  const shown = conditions.map(checkedCondition);
  const values = shown.flatMap(valuesOf);
  if (values.length > 5) throw invalid("A rule can only have '5' condition values");
  const wildcards = values.join('').replace(/\\./g, '').match(/[*?]/g)?.length ?? 0;
  if (wildcards > 5) throw invalid("A rule can only have '5' condition wildcards");
  for (const field of ['host-header', 'path-pattern', 'http-request-method', 'source-ip']) {
    if (shown.filter((condition) => condition.Field === field).length > 1) throw invalid(`A rule can only have one '${field}' condition`);
  }
  return shown;
}

function valuesOf(condition: RuleCondition): string[] {
  const config = condition[configs[condition.Field as keyof typeof configs]];
  return (config?.Values ?? []).map((value) => (typeof value === 'string' ? value : `${value.Key ?? ''}${value.Value ?? ''}`));
}

function checkedCondition(condition: RuleCondition): RuleCondition {
  const name = configs[condition.Field as keyof typeof configs];
  if (!name) throw invalid(`Condition field '${condition.Field}' must be one of '[${Object.keys(configs).join(', ')}]'`);
  const config: { Values?: unknown; RegexValues?: string[] | undefined } | undefined =
    condition[name] ?? (condition.Values ? { Values: condition.Values } : undefined);
  const values = config?.Values as unknown[] | undefined;
  if (condition.RegexValues?.length || config?.RegexValues?.length) {
    throw invalid('Regular expressions in conditions are not served by the sandbox; use wildcards');
  }
  if (!values?.length) throw invalid(`A condition value must be specified for '${condition.Field}'`);
  for (const value of values) {
    if (typeof value === 'string' && (value.length === 0 || value.length > 128)) {
      throw invalid(`A '${condition.Field}' condition value must have 1 to 128 characters, not ${value.length}`);
    }
  }
  if (name === 'HttpHeaderConfig' && !condition.HttpHeaderConfig?.HttpHeaderName)
    throw invalid('An http-header condition must name its header');
  if (name === 'SourceIpConfig') checkRanges(values as string[]);
  const both = condition.Field === 'host-header' || condition.Field === 'path-pattern';
  return { Field: condition.Field, ...(both ? { Values: values as string[] } : {}), [name]: config };
}

function checkRanges(ranges: string[]): void {
  const cidr = /^(\d{1,3}(\.\d{1,3}){3}\/\d{1,2}|[0-9a-fA-F:]+\/\d{1,3})$/;
  const wrong = ranges.find((range) => !cidr.test(range));
  if (wrong !== undefined) throw invalid(`The source-ip condition value '${wrong}' must be a CIDR block, for example 203.0.113.0/24`);
}

export function checkedPriority(priority: number | undefined): number {
  if (priority === undefined || !Number.isInteger(priority) || priority < 1 || priority > 50_000) {
    throw invalid(
      `1 validation error detected: Value '${priority}' at 'priority' failed to satisfy constraint: Member must be between 1 and 50000`,
    );
  }
  return priority;
}
