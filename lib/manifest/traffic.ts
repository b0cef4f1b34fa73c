/** Reading and planning the order of rules: pure functions over what the load balancer says. */
import { priorityOf } from './priorities';
import type { Color, Manifest, Rule } from './schema';

/** Priority by rule ARN, as the load balancer has it now. */
export type RuleOrder = ReadonlyMap<string, number>;

export interface Where {
  readonly live: Color;
  readonly maintenance: boolean;
}

export interface Moves {
  readonly listener: string;
  readonly priorities: readonly { readonly rule: string; readonly priority: number }[];
}

/** Every rule of Switchback with the color it belongs to (none: maintenance). */
export function rulesOf(manifest: Manifest): { rule: Rule; owner: Color | undefined }[] {
  return [
    ...(manifest.blue?.rules ?? []).map((rule) => ({ rule, owner: 'blue' as const })),
    ...(manifest.green?.rules ?? []).map((rule) => ({ rule, owner: 'green' as const })),
    ...manifest.shared.maintenanceRules.map((rule) => ({ rule, owner: undefined })),
  ];
}

/** What must move so that the rules of the given kinds stand as `where` says; empty when they do. One call per listener. */
export function movesTo(manifest: Manifest, order: RuleOrder, where: Where, kinds: readonly Rule['kind'][]): Moves[] {
  return manifest.shared.listeners
    .map(({ arn, firstPriority }) => ({
      listener: arn,
      priorities: rulesOf(manifest)
        .filter(({ rule }) => rule.listener === arn && kinds.includes(rule.kind))
        .map(({ rule, owner }) => ({ rule: rule.arn, priority: priorityOf(rule, owner, firstPriority, where) }))
        .filter(({ rule, priority }) => order.get(rule) !== priority),
    }))
    .filter(({ priorities }) => priorities.length > 0);
}

/** Where the order stands now: `live` or `maintenance` is undefined when some rules have moved and others have not. */
export function whereNow(manifest: Manifest, order: RuleOrder): { live: Color | undefined; maintenance: boolean | undefined } {
  const first = new Map(manifest.shared.listeners.map(({ arn, firstPriority }) => [arn, firstPriority]));
  const agree = <T>(values: T[]): T | undefined => (new Set(values).size === 1 ? values[0] : undefined);
  const standsAt = (rule: Rule, owner: Color | undefined, where: Where) =>
    order.get(rule.arn) === priorityOf(rule, owner, first.get(rule.listener) ?? 0, where);

  const greens = (manifest.green?.rules ?? []).filter(({ kind }) => kind === 'application' || kind === 'open');
  const live =
    greens.length > 0
      ? agree(
          greens.map((rule): Color | 'neither' =>
            standsAt(rule, 'green', { live: 'green', maintenance: false })
              ? 'green'
              : standsAt(rule, 'green', { live: 'blue', maintenance: false })
                ? 'blue'
                : 'neither',
          ),
        )
      : 'blue';
  const maintenance = agree(manifest.shared.maintenanceRules.map((rule) => standsAt(rule, undefined, { live: 'blue', maintenance: true })));
  return {
    // green behind an absent blue: nobody is live.
    live: live === 'neither' || (live === 'blue' && !manifest.blue) ? undefined : live,
    maintenance: manifest.shared.maintenanceRules.length === 0 ? false : maintenance,
  };
}
