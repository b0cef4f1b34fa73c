/** The load balancer in our words: the order of rules, the health of targets, the addresses to ask. */
import {
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeRulesCommand,
  DescribeTargetHealthCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Manifest } from '../manifest/schema';
import type { Moves, RuleOrder } from '../manifest/traffic';
import type { Clients } from './clients';
import { setPriorities } from './rules';

export interface Health {
  readonly healthy: number;
  readonly total: number;
  /** State and reason of those that are not healthy, for people. */
  readonly others: readonly string[];
}

/** What the load balancer answers by itself. */
export interface FixedAnswer {
  readonly status: number;
  readonly body: string;
}

/** One address customers may reach the system at. */
export interface FrontDoor {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

export class Traffic {
  constructor(private readonly clients: Pick<Clients, 'elbv2'>) {}

  /** Priorities of all rules of the system's listeners. */
  async order(manifest: Manifest): Promise<RuleOrder> {
    const order = new Map<string, number>();
    for (const { arn } of manifest.shared.listeners) {
      let marker: string | undefined;
      do {
        const page = await this.clients.elbv2.send(new DescribeRulesCommand({ ListenerArn: arn, ...(marker ? { Marker: marker } : {}) }));
        for (const rule of page.Rules ?? []) {
          if (rule.RuleArn && rule.Priority && rule.Priority !== 'default') order.set(rule.RuleArn, Number(rule.Priority));
        }
        marker = page.NextMarker;
      } while (marker);
    }
    return order;
  }

  /** What customers are told by a maintenance rule, as the load balancer has it. @throws the SDK's error when the rule is gone */
  async maintenanceAnswer(rule: string): Promise<FixedAnswer> {
    const { Rules: [found] = [] } = await this.clients.elbv2.send(new DescribeRulesCommand({ RuleArns: [rule] }));
    const answer = found?.Actions?.find(({ Type: type }) => type === 'fixed-response')?.FixedResponseConfig;
    return { status: Number(answer?.StatusCode ?? 503), body: answer?.MessageBody ?? '' };
  }

  /** One call per listener, one after the other. */
  async move(moves: readonly Moves[]): Promise<void> {
    for (const each of moves) await setPriorities(this.clients, each);
  }

  async health(targetGroup: string): Promise<Health> {
    const { TargetHealthDescriptions: targets = [] } = await this.clients.elbv2.send(
      new DescribeTargetHealthCommand({ TargetGroupArn: targetGroup }),
    );
    // targets that are on their way out are neither wanted nor counted.
    const staying = targets.filter((target) => target.TargetHealth?.State !== 'draining');
    const others = staying.filter((target) => target.TargetHealth?.State !== 'healthy');
    return {
      healthy: staying.length - others.length,
      total: staying.length,
      others: others.map(
        (target) =>
          `${target.Target?.Id}:${target.Target?.Port} ${target.TargetHealth?.State} (${target.TargetHealth?.Reason ?? 'no reason given'})`,
      ),
    };
  }

  /** Where customers come in: the load balancer's name with each listener's port. */
  async frontDoors(manifest: Manifest): Promise<FrontDoor[]> {
    const [{ LoadBalancers: [balancer] = [] }, { Listeners: listeners = [] }] = await Promise.all([
      this.clients.elbv2.send(new DescribeLoadBalancersCommand({ LoadBalancerArns: [manifest.shared.loadBalancer.arn] })),
      this.clients.elbv2.send(new DescribeListenersCommand({ ListenerArns: manifest.shared.listeners.map(({ arn }) => arn) })),
    ]);
    return listeners.map((listener) => ({ host: balancer?.DNSName ?? '', port: listener.Port ?? 0, tls: listener.Protocol === 'HTTPS' }));
  }
}
