/** Keeps the running balancer in step with the tables: listeners, their routes, target groups and who is checked. */
import { Listener } from '../../balancer/listener';
import { Route, targetGroupsOf } from '../../balancer/routes';
import { TargetGroup } from '../../balancer/target-group';
import type { Elbv2Tables, TargetGroupRow } from './tables';
import { rulesOf } from './tables';

/** AWS seconds until the load balancer's nodes follow a change of rules. AWS publishes no figure; readers must not assume zero. */
const propagation = 2;

export class Traffic {
  private readonly listeners = new Map<string, Listener>();
  private readonly routes = new Map<string, Route[]>();
  private readonly groups = new Map<string, TargetGroup>();

  /** Nothing may be written any more once this is set. */
  stopped = false;

  /** Set once, right after both exist. */
  elbv2!: Elbv2Tables;

  /** Starts a listener; resolves to the port that really listens. */
  async listen(listenerArn: string, port: number): Promise<number> {
    const listener = new Listener({
      routes: () => this.routes.get(listenerArn) ?? [],
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

  /** Call after every change of rules: the load balancer follows a moment later, all rules of a change at once. */
  rulesChanged(listenerArn: string): void {
    if (this.routes.has(listenerArn)) this.elbv2.sandbox.after(propagation, () => this.publish(listenerArn));
    else this.publish(listenerArn);
    this.reviewUse();
  }

  private publish(listenerArn: string): void {
    if (this.elbv2.listeners.has(listenerArn)) {
      const routes = rulesOf(this.elbv2, listenerArn).map(
        (rule) => new Route({ conditions: rule.conditions, action: rule.actions.at(-1)! }),
      );
      this.routes.set(listenerArn, routes);
    }
    this.reviewUse();
  }

  /** Only target groups that a rule forwards to are checked; one that still gets traffic by an old rule counts too. */
  reviewUse(): void {
    const actions = [
      ...this.elbv2.rules.values().flatMap((rule) => rule.actions),
      ...[...this.routes.values()].flat().map((route) => route.action),
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
