/** Listener rules as the stacks make them: found again by their tags, whatever priority a runbook has given them. */
import {
  type Action,
  CreateRuleCommand,
  DeleteRuleCommand,
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeRulesCommand,
  DescribeTagsCommand,
  ModifyRuleCommand,
  type Rule,
  type RuleCondition,
  SetRulePrioritiesCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Moves } from '../manifest/traffic';
import type { Clients } from './clients';
import { isAws, mutate } from './outcome';

export interface ListenerRule {
  readonly arn: string;
  readonly priority: number;
}

export interface TaggedRule extends ListenerRule {
  /** `application/api`: kind and application. */
  readonly name: string;
}

/** What a rule matches, and where it leads. */
export interface RuleContent {
  readonly paths: readonly string[];
  readonly hosts: readonly string[];
  readonly header?: { readonly name: string; readonly value: string } | undefined;
  readonly leadsTo:
    | { readonly targetGroup: string }
    /** A fixed answer. */
    | { readonly status: string; readonly contentType: string; readonly body: string };
}

/** Whose rules: one system's, and of that blue's, green's or the maintenance rules. */
export interface Owner {
  readonly system: string;
  readonly owner: string;
}

const tag = { system: 'switchback:system', owner: 'switchback:owner', rule: 'switchback:rule' };

export class ListenerRules {
  constructor(
    private readonly clients: Pick<Clients, 'elbv2'>,
    private readonly listener: string,
  ) {}

  /** Every rule but the default one; none when the listener is gone. */
  async all(): Promise<ListenerRule[]> {
    const rules: Rule[] = [];
    let marker: string | undefined;
    try {
      do {
        const page = await this.clients.elbv2.send(
          new DescribeRulesCommand({ ListenerArn: this.listener, ...(marker ? { Marker: marker } : {}) }),
        );
        rules.push(...(page.Rules ?? []));
        marker = page.NextMarker;
      } while (marker);
    } catch (error) {
      if (isAws(error, 'ListenerNotFound')) return [];
      throw error;
    }
    return rules
      .filter((rule) => rule.RuleArn && rule.Priority !== 'default')
      .map((rule) => ({ arn: rule.RuleArn!, priority: Number(rule.Priority) }));
  }

  /** The rules of one owner among `rules`. */
  async owned(rules: readonly ListenerRule[], { system, owner }: Owner): Promise<TaggedRule[]> {
    const found: TaggedRule[] = [];
    // twenty at a time is the limit of DescribeTags.
    for (let i = 0; i < rules.length; i += 20) {
      const some = rules.slice(i, i + 20);
      const { TagDescriptions: descriptions = [] } = await this.clients.elbv2.send(
        new DescribeTagsCommand({ ResourceArns: some.map(({ arn }) => arn) }),
      );
      for (const { ResourceArn: arn, Tags: tags = [] } of descriptions) {
        const value = (key: string) => tags.find(({ Key }) => Key === key)?.Value;
        const rule = some.find((it) => it.arn === arn);
        const name = value(tag.rule);
        if (rule && name && value(tag.system) === system && value(tag.owner) === owner) found.push({ ...rule, name });
      }
    }
    return found;
  }

  async create({ system, owner }: Owner, name: string, priority: number, content: RuleContent): Promise<string> {
    const { Rules: [made] = [] } = await this.clients.elbv2.send(
      new CreateRuleCommand({
        ListenerArn: this.listener,
        Priority: priority,
        Conditions: conditionsOf(content),
        Actions: actionsOf(content),
        Tags: [
          { Key: tag.system, Value: system },
          { Key: tag.owner, Value: owner },
          { Key: tag.rule, Value: name },
        ],
      }),
    );
    return made!.RuleArn!;
  }

  async modify(arn: string, content: RuleContent): Promise<void> {
    await this.clients.elbv2.send(new ModifyRuleCommand({ RuleArn: arn, Conditions: conditionsOf(content), Actions: actionsOf(content) }));
  }

  async move(moves: readonly ListenerRule[]): Promise<void> {
    const priorities = moves.map(({ arn, priority }) => ({ rule: arn, priority }));
    if (moves.length > 0) await setPriorities(this.clients, { listener: this.listener, priorities });
  }

  /** A rule that is gone already is fine. */
  async remove(arn: string): Promise<void> {
    try {
      await this.clients.elbv2.send(new DeleteRuleCommand({ RuleArn: arn }));
    } catch (error) {
      if (!isAws(error, 'RuleNotFound')) throw error;
    }
  }

  /** Where the listener is reached: `http://<name of the load balancer>:<port>`. */
  async address(loadBalancer: string): Promise<string> {
    const { LoadBalancers: [balancer] = [] } = await this.clients.elbv2.send(
      new DescribeLoadBalancersCommand({ LoadBalancerArns: [loadBalancer] }),
    );
    const { Listeners: [listener] = [] } = await this.clients.elbv2.send(new DescribeListenersCommand({ ListenerArns: [this.listener] }));
    if (!balancer?.DNSName || !listener?.Port)
      throw new Error(`the load balancer ${loadBalancer} has no address for the listener ${this.listener}`);
    return `${(listener.Protocol ?? 'HTTP').toLowerCase()}://${balancer.DNSName}:${listener.Port}`;
  }
}

/**
 * One listener's rules to other priorities, all of them or none. One call per listener: whether a call may name rules of two is not documented.
 * @throws OutcomeUnknown when they may have moved
 */
export async function setPriorities({ elbv2 }: Pick<Clients, 'elbv2'>, { listener, priorities }: Moves): Promise<void> {
  await mutate(`elasticloadbalancing SetRulePriorities on ${listener}`, `aws elbv2 describe-rules --listener-arn ${listener}`, () =>
    elbv2.send(
      new SetRulePrioritiesCommand({ RulePriorities: priorities.map(({ rule, priority }) => ({ RuleArn: rule, Priority: priority })) }),
    ),
  );
}

const conditionsOf = ({ paths, hosts, header }: RuleContent): RuleCondition[] => [
  ...(hosts.length > 0 ? [{ Field: 'host-header', HostHeaderConfig: { Values: [...hosts] } }] : []),
  ...(paths.length > 0 ? [{ Field: 'path-pattern', PathPatternConfig: { Values: [...paths] } }] : []),
  ...(header ? [{ Field: 'http-header', HttpHeaderConfig: { HttpHeaderName: header.name, Values: [header.value] } }] : []),
];

const actionsOf = ({ leadsTo }: RuleContent): Action[] => {
  if ('targetGroup' in leadsTo) return [{ Type: 'forward', TargetGroupArn: leadsTo.targetGroup }];
  const { status, contentType, body } = leadsTo;
  return [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: status, ContentType: contentType, MessageBody: body } }];
};
