/** Listener rules: their operations. The order of priorities is where traffic goes. */
import type * as Sdk from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError } from '../../service';
import type { Elbv2 } from './elbv2';
import { listenerOf, page, type RuleRow, ruleOf, rulesOf } from './tables';
import { checkedActions, checkedConditions, checkedPriority } from './validate';

const show = (row: RuleRow): Sdk.Rule => ({
  RuleArn: row.arn,
  Priority: String(row.priority),
  Conditions: row.conditions,
  Actions: row.actions,
  IsDefault: row.priority === 'default',
});

const inUse = (priority: number): AwsError => new AwsError('PriorityInUse', `Priority '${priority}' is currently in use`);

export const ruleHandlers = (elbv2: Elbv2) => ({
  CreateRule(input: Sdk.CreateRuleInput): Sdk.CreateRuleOutput {
    const listener = listenerOf(elbv2, input.ListenerArn);
    const priority = checkedPriority(input.Priority);
    const conditions = checkedConditions(input.Conditions);
    const actions = checkedActions(elbv2, input.Actions, listener.loadBalancerArn);
    if (rulesOf(elbv2, listener.arn).some((rule) => rule.priority === priority)) throw inUse(priority);
    const count = elbv2.rules
      .values()
      .filter(
        (rule) => rule.priority !== 'default' && listenerOf(elbv2, rule.listenerArn).loadBalancerArn === listener.loadBalancerArn,
      ).length;
    if (count >= 100) {
      throw new AwsError(
        'TooManyRules',
        `The maximum number of rules has been reached on load balancer '${listener.loadBalancerArn}': 100`,
      );
    }
    const arn = listener.arn.replace(':listener/', ':listener-rule/').concat(`/${elbv2.sandbox.id(16)}`);
    const row = elbv2.rules.set(arn, { arn, listenerArn: listener.arn, priority, conditions, actions, tags: input.Tags ?? [] });
    elbv2.traffic.rulesChanged(listener.arn);
    return { Rules: [show(row)] };
  },

  DescribeRules(input: Sdk.DescribeRulesInput): Sdk.DescribeRulesOutput {
    if (Boolean(input.ListenerArn) === Boolean(input.RuleArns?.length)) {
      throw new AwsError('ValidationError', 'You must specify either listener rule ARNs or a listener ARN');
    }
    const rows = input.ListenerArn
      ? rulesOf(elbv2, listenerOf(elbv2, input.ListenerArn).arn)
      : input.RuleArns!.map((arn) => ruleOf(elbv2, arn));
    const { rows: shown, ...next } = page(rows, input);
    return { Rules: shown.map(show), ...next };
  },

  /** Replaces the whole list of conditions, and of actions, that is given. */
  ModifyRule(input: Sdk.ModifyRuleInput): Sdk.ModifyRuleOutput {
    const row = ruleOf(elbv2, input.RuleArn);
    if (row.priority === 'default') throw new AwsError('OperationNotPermitted', `Default rule '${row.arn}' cannot be modified`);
    const conditions = input.Conditions ? checkedConditions(input.Conditions) : row.conditions;
    const actions = input.Actions ? checkedActions(elbv2, input.Actions, listenerOf(elbv2, row.listenerArn).loadBalancerArn) : row.actions;
    const changed = elbv2.rules.set(row.arn, { ...row, conditions, actions });
    elbv2.traffic.rulesChanged(row.listenerArn);
    return { Rules: [show(changed)] };
  },

  DeleteRule(input: Sdk.DeleteRuleInput): Sdk.DeleteRuleOutput {
    const row = ruleOf(elbv2, input.RuleArn);
    if (row.priority === 'default') throw new AwsError('OperationNotPermitted', `Default rule '${row.arn}' cannot be deleted`);
    elbv2.rules.delete(row.arn);
    elbv2.traffic.rulesChanged(row.listenerArn);
    return {};
  },

  /** All or nothing. Rules named in the call may take each other's priorities, as on AWS. */
  SetRulePriorities(input: Sdk.SetRulePrioritiesInput): Sdk.SetRulePrioritiesOutput {
    const pairs = (input.RulePriorities ?? []).map((pair) => ({
      row: ruleOf(elbv2, pair.RuleArn),
      priority: checkedPriority(pair.Priority),
    }));
    if (pairs.length === 0) throw new AwsError('ValidationError', 'At least one rule priority must be specified');
    const listenerArn = pairs[0]!.row.listenerArn;
    for (const { row } of pairs) {
      if (row.priority === 'default')
        throw new AwsError('OperationNotPermitted', `The priority of default rule '${row.arn}' cannot be changed`);
      if (row.listenerArn !== listenerArn) {
        throw new AwsError(
          'ValidationError',
          `The rules of one call must belong to one listener: '${row.arn}' does not belong to '${listenerArn}'`,
        );
      }
    }
    const named = new Set(pairs.map(({ row }) => row.arn));
    if (named.size < pairs.length) throw new AwsError('ValidationError', 'A rule is named more than once');
    const taken = new Set(rulesOf(elbv2, listenerArn).flatMap((rule) => (named.has(rule.arn) ? [] : [rule.priority])));
    for (const { priority } of pairs) {
      if (taken.has(priority)) throw inUse(priority);
      taken.add(priority);
    }
    const rules = pairs.map(({ row, priority }) => elbv2.rules.set(row.arn, { ...row, priority }));
    elbv2.traffic.rulesChanged(listenerArn);
    return { Rules: rules.map(show) };
  },
});
