/** Keeps the running balancer in step with the tables: listeners, their routes, target groups and who is checked. */
import { Listener } from '../../balancer/listener';
import { Route, targetGroupsOf } from '../../balancer/routes';
import { TargetGroup } from '../../balancer/target-group';
import type { Elbv2Tables, TargetGroupRow } from './tables';
import { rulesOf } from './tables';

/**
 * AWS seconds in which changes of a listener's rules are collected before its nodes have them, all of a batch at once. AWS publishes no
 * figure; the service team's was relayed in kubernetes-sigs/aws-load-balancer-controller#3816.
 */
const batchSeconds = 10;
/** AWS seconds that the node behind the second address is behind the first: nodes may differ. */
const lagSeconds = 2;

/** The nodes of a listener, by the address that leads to them. */
type Node = 'first' | 'second';
type Routes = Readonly<Record<Node, readonly Route[]>>;

export class Traffic {
  private readonly listeners = new Map<string, Listener>();
  private readonly routes = new Map<string, Routes>();
  /** Listeners with a batch of changes under way. */
  private readonly collecting = new Set<string>();
  private readonly groups = new Map<string, TargetGroup>();

  /** Nothing may be written any more once this is set. */
  stopped = false;

  /** Set once, right after both exist. */
  elbv2!: Elbv2Tables;

  /** Starts a listener; resolves to the port that really listens. */
  async listen(listenerArn: string, port: number): Promise<number> {
    const listener = new Listener({
      routes: (second) => this.routes.get(listenerArn)?.[second ? 'second' : 'first'] ?? [],
      group: (arn) => this.groups.get(arn),
      idleMs: () => this.idleMs(listenerArn),
    });
    const real = await listener.listen(port);
    this.listeners.set(listenerArn, listener);
    return real;
  }

  /** Stops listening; requests in flight finish on their own. */
  close(listenerArn: string): void {
    const listener = this.listeners.get(listenerArn);
    this.listeners.delete(listenerArn);
    this.routes.delete(listenerArn);
    void listener?.close();
  }

  group(arn: string): TargetGroup | undefined {
    return this.groups.get(arn);
  }

  addGroup(row: TargetGroupRow): TargetGroup {
    const group = new TargetGroup(row.arn, this.checkOf(row), this.elbv2.sandbox.speed);
    this.groups.set(row.arn, group);
    return group;
  }

  changeCheck(row: TargetGroupRow): void {
    this.groups.get(row.arn)?.setCheck(this.checkOf(row));
  }

  removeGroup(arn: string): void {
    this.groups.get(arn)?.stop();
    this.groups.delete(arn);
  }

  /** Call after every change of rules: the load balancer follows when the batch that it is collecting is full. */
  rulesChanged(listenerArn: string): void {
    if (!this.routes.has(listenerArn)) this.give(listenerArn, this.routesOf(listenerArn), 'first', 'second');
    else if (!this.collecting.has(listenerArn)) {
      this.collecting.add(listenerArn);
      this.elbv2.sandbox.after(batchSeconds, () => {
        this.collecting.delete(listenerArn);
        const routes = this.routesOf(listenerArn);
        this.give(listenerArn, routes, 'first');
        this.elbv2.sandbox.after(lagSeconds, () => this.give(listenerArn, routes, 'second'));
      });
    }
    this.reviewUse();
  }

  /** As the rules are now. */
  private routesOf(listenerArn: string): readonly Route[] {
    return rulesOf(this.elbv2, listenerArn).map((rule) => new Route({ conditions: rule.conditions, action: rule.actions.at(-1)! }));
  }

  private give(listenerArn: string, routes: readonly Route[], ...nodes: readonly Node[]): void {
    const before = this.routes.get(listenerArn) ?? { first: [], second: [] };
    // it may have been closed meanwhile.
    if (this.elbv2.listeners.has(listenerArn))
      this.routes.set(listenerArn, { ...before, ...Object.fromEntries(nodes.map((node) => [node, routes])) });
    this.reviewUse();
  }

  /** Only target groups that a rule forwards to are checked; one that still gets traffic by an old rule counts too. */
  reviewUse(): void {
    const actions = [
      ...this.elbv2.rules.values().flatMap((rule) => rule.actions),
      ...[...this.routes.values()].flatMap(({ first, second }) => [...first, ...second]).map((route) => route.action),
    ];
    const used = new Set(actions.flatMap(targetGroupsOf).map((group) => group.TargetGroupArn));
    for (const [arn, group] of this.groups) group.setInUse(used.has(arn));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    for (const group of this.groups.values()) group.stop();
    await Promise.all([...this.listeners.values()].map((listener) => listener.stop()));
  }

  private idleMs(listenerArn: string): number {
    const listener = this.elbv2.listeners.get(listenerArn);
    const attributes = this.elbv2.loadBalancers.get(listener?.loadBalancerArn ?? '')?.attributes;
    // requests take real time, so their timeout is not scaled.
    return Number(attributes?.['idle_timeout.timeout_seconds'] ?? 60) * 1000;
  }

  private checkOf(row: TargetGroupRow): ConstructorParameters<typeof TargetGroup>[1] {
    const group = row.targetGroup;
    return {
      path: group.HealthCheckPath ?? '/',
      port: group.HealthCheckPort ?? 'traffic-port',
      matcher: group.Matcher?.HttpCode ?? '200',
      intervalSeconds: group.HealthCheckIntervalSeconds ?? 30,
      // a target's answer takes real time: a scaled timeout would call a busy machine unhealthy.
      timeoutMs: Math.max(1000, ((group.HealthCheckTimeoutSeconds ?? 5) * 1000) / this.elbv2.sandbox.speed),
      healthyThreshold: group.HealthyThresholdCount ?? 5,
      unhealthyThreshold: group.UnhealthyThresholdCount ?? 2,
    };
  }
}
