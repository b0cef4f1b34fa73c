/** Makes listener rules at their place in the order that is live right now, and keeps their content up to date. */
import { makeClients } from '../../aws/clients';
import { type ListenerRule, ListenerRules, type RuleContent, type TaggedRule } from '../../aws/rules';
import { prioritiesPerListener, priorityOf } from '../../manifest/priorities';
import { attributeOfRule, type RuleToBe, rulesSchema } from '../properties';
import { arrangement } from './arrangement';
import { customResource } from './respond';

const clients = makeClients();

export const handler = customResource(rulesSchema, async ({ type, properties }) => {
  const { System: system, Owner: owner, Listener: listenerArn, Rules: wanted, FirstPriority: first } = properties;
  const listener = new ListenerRules(clients, listenerArn);
  const whose = { system, owner };
  const all = await listener.all();
  const owned = await listener.owned(all, whose);
  // another listener is another resource: CloudFormation then deletes the rules on the old one.
  const physicalId = `${system}-${owner}@${listenerArn}`;

  if (type === 'Delete') {
    for (const { arn } of owned) await listener.remove(arn);
    return { physicalId };
  }

  const now = arrangement(
    all.map(({ priority }) => priority),
    first,
  );
  const color = owner === 'maintenance' ? undefined : owner;
  // nothing live: green stands behind. No maintenance rules yet: nobody has opened the system, so they come first.
  const where = { live: now.live ?? ('blue' as const), maintenance: now.maintenance ?? true };
  const placeOf = (rule: RuleToBe) => priorityOf({ kind: rule.Kind, slot: rule.Slot }, color, first, where);

  const left = new Map(owned.map((rule) => [rule.name, rule]));
  const kept: { rule: TaggedRule; toBe: RuleToBe }[] = [];
  const missing: RuleToBe[] = [];
  for (const toBe of wanted) {
    const rule = left.get(nameOf(toBe));
    if (rule) kept.push({ rule, toBe });
    else missing.push(toBe);
    left.delete(nameOf(toBe));
  }
  for (const { arn } of left.values()) await listener.remove(arn);
  await reorder(
    listener,
    kept.map(({ rule, toBe }) => ({ ...rule, target: placeOf(toBe) })),
    first,
  );
  const arns = new Map<RuleToBe, string>();
  for (const { rule, toBe } of kept) {
    await listener.modify(rule.arn, contentOf(toBe));
    arns.set(toBe, rule.arn);
  }
  for (const toBe of missing) {
    const place = placeOf(toBe);
    const taken = all.find(({ priority, arn }) => priority === place && !owned.some((rule) => rule.arn === arn));
    if (taken) {
      throw new Error(
        `priority ${place} of the listener is taken by ${taken.arn}, which is not of this system; give Switchback other priorities with firstPriority (now ${first}, it uses ${prioritiesPerListener})`,
      );
    }
    arns.set(toBe, await listener.create(whose, nameOf(toBe), place, contentOf(toBe)));
  }

  const prefix = `${listenerArn.replace(':listener/', ':listener-rule/')}/`;
  const endOf = (arn: string) => {
    if (!arn.startsWith(prefix)) throw new Error(`the rule ${arn} does not belong to the listener ${listenerArn}`);
    return arn.slice(prefix.length);
  };
  return {
    physicalId,
    attributes: {
      Address: await listener.address(properties.LoadBalancer),
      ...Object.fromEntries([...arns].map(([toBe, arn]) => [attributeOfRule(toBe.Kind, toBe.Slot), endOf(arn)])),
    },
  };
});

/**
 * Rules whose slot has changed, because applications were added or put in another order, go to their new place within
 * the block they are in. Never a permutation: what would meet a place still taken steps aside first.
 */
async function reorder(listener: ListenerRules, rules: readonly (ListenerRule & { target: number })[], first: number): Promise<void> {
  const moving = rules.filter(({ priority, target }) => priority !== target);
  const taken = new Set(moving.map(({ priority }) => priority));
  if (moving.some(({ target }) => taken.has(target))) {
    const aside = first + prioritiesPerListener - 100;
    await listener.move(moving.map(({ arn }, index) => ({ arn, priority: aside + index })));
  }
  await listener.move(moving.map(({ arn, target }) => ({ arn, priority: target })));
}

const nameOf = (rule: RuleToBe): string => `${rule.Kind}/${rule.Application}`;

function contentOf({ Application, Paths: paths, Hosts: hosts, Header, TargetGroup, Response }: RuleToBe): RuleContent {
  const header = Header && { name: Header.Name, value: Header.Value };
  if (TargetGroup) return { paths, hosts, header, leadsTo: { targetGroup: TargetGroup } };
  if (!Response) throw new Error(`the rule of application '${Application}' leads nowhere: it has neither a target group nor an answer`);
  const { Status: status, ContentType: contentType, Body: body } = Response;
  return { paths, hosts, header, leadsTo: { status, contentType, body } };
}
