/** Rules in the order they are asked, ready to be matched. */
import type { Action, RuleCondition, TargetGroupTuple } from '@aws-sdk/client-elastic-load-balancing-v2';
import { type Condition, compileCondition, type RequestFacts } from './conditions';

export interface RouteSource {
  readonly conditions: readonly RuleCondition[];
  readonly action: Action;
}

export class Route {
  readonly action: Action;
  private readonly conditions: readonly Condition[];
  private readonly weights: { arn: string; weight: number; credit: number }[];

  constructor(source: RouteSource) {
    this.action = source.action;
    this.conditions = source.conditions.map(compileCondition);
    this.weights = targetGroupsOf(source.action).map((group) => ({ arn: group.TargetGroupArn!, weight: group.Weight ?? 1, credit: 0 }));
  }

  matches(request: RequestFacts): boolean {
    return this.conditions.every((condition) => condition(request));
  }

  /** The target group in turn: smooth weighted round robin, so that shares are exact over few requests too. */
  nextGroup(): string | undefined {
    let total = 0;
    let best: (typeof this.weights)[number] | undefined;
    for (const entry of this.weights) {
      if (entry.weight === 0) continue;
      entry.credit += entry.weight;
      total += entry.weight;
      if (!best || entry.credit > best.credit) best = entry;
    }
    if (best) best.credit -= total;
    return best?.arn;
  }
}

export function targetGroupsOf(action: Action): TargetGroupTuple[] {
  return action.ForwardConfig?.TargetGroups ?? (action.TargetGroupArn ? [{ TargetGroupArn: action.TargetGroupArn, Weight: 1 }] : []);
}
