/** The running side of a target group: its targets, their states, and whose turn it is. */
import { Agent } from 'node:http';
import type { TargetHealthReasonEnum, TargetHealthStateEnum } from '@aws-sdk/client-elastic-load-balancing-v2';
import { checkTarget, type HealthCheck } from './health-check';

export interface Target {
  readonly id: string;
  readonly port: number;
  state: TargetHealthStateEnum;
  reason?: TargetHealthReasonEnum | undefined;
  description?: string | undefined;
  /** Kept connections to this target; closed when it leaves. */
  readonly agent: Agent;
  /** Checks in a row with the same outcome: above zero passed, below zero failed. */
  streak: number;
  /** Ends the checks that are under way. */
  checks?: AbortController | undefined;
}

const reasons = {
  'Elb.RegistrationInProgress': 'Target registration is in progress',
  'Elb.InitialHealthChecking': 'Initial health checks in progress',
  'Target.DeregistrationInProgress': 'Target deregistration is in progress',
  'Target.NotInUse': 'Target group is not configured to receive traffic from the load balancer',
} as const;

export class TargetGroup {
  private readonly targets = new Map<string, Target>();
  private turn = 0;
  private inUse = false;

  constructor(
    readonly arn: string,
    private check: HealthCheck,
    private readonly speed: number,
  ) {}

  list(): Target[] {
    return [...this.targets.values()];
  }

  find(id: string, port: number): Target | undefined {
    return this.targets.get(`${id}:${port}`);
  }

  setCheck(check: HealthCheck): void {
    this.check = check;
    if (!this.inUse) return;
    for (const target of this.targets.values()) {
      if (target.state !== 'draining') this.startChecks(target, false);
    }
  }

  /** A target group that no rule forwards to is not checked: its targets are `unused`. */
  setInUse(inUse: boolean): void {
    if (inUse === this.inUse) return;
    this.inUse = inUse;
    for (const target of this.targets.values()) {
      if (target.state !== 'draining') this.admit(target);
    }
  }

  /** Adds a target, or takes it back if it was draining. A target that is already in is left as it is. */
  register(id: string, port: number): void {
    const key = `${id}:${port}`;
    const known = this.targets.get(key);
    if (known && known.state !== 'draining') return;
    const target = known ?? {
      id,
      port,
      state: 'initial',
      agent: new Agent({ keepAlive: true, keepAliveMsecs: 1000 }),
      streak: 0,
    };
    this.targets.set(key, target);
    this.admit(target);
  }

  /** New requests stop going there at once; those in flight go on. */
  drain(id: string, port: number): void {
    const target = this.find(id, port);
    if (!target || target.state === 'draining') return;
    this.stopChecks(target);
    this.become(target, 'draining', 'Target.DeregistrationInProgress');
  }

  remove(id: string, port: number): void {
    const target = this.find(id, port);
    if (!target) return;
    this.stopChecks(target);
    this.targets.delete(`${id}:${port}`);
    for (const socket of Object.values(target.agent.freeSockets).flat()) socket?.destroy();
  }

  /** The next target in turn. Without a healthy one every registered target is tried (AWS calls it fail open). */
  next(): Target | undefined {
    const registered = this.list().filter((target) => target.state !== 'draining' && target.state !== 'unused');
    const healthy = registered.filter((target) => target.state === 'healthy');
    const candidates = healthy.length > 0 ? healthy : registered;
    return candidates.length === 0 ? undefined : candidates[this.turn++ % candidates.length];
  }

  stop(): void {
    for (const target of this.targets.values()) {
      this.stopChecks(target);
      target.agent.destroy();
    }
  }

  private admit(target: Target): void {
    if (this.inUse) {
      this.become(target, 'initial', 'Elb.RegistrationInProgress');
      this.startChecks(target, true);
    } else {
      this.stopChecks(target);
      this.become(target, 'unused', 'Target.NotInUse');
    }
  }

  private startChecks(target: Target, fresh: boolean): void {
    this.stopChecks(target);
    if (fresh) target.streak = 0;
    const checks = new AbortController();
    target.checks = checks;
    const round = async (): Promise<void> => {
      const started = Date.now();
      const failure = await checkTarget(this.check, target, checks.signal);
      if (checks.signal.aborted) return;
      this.judge(target, failure);
      // from start to start, as AWS does; never under 50 ms, and 500 while nothing changes, so that a high speed does not eat the machine.
      const least = target.state === 'healthy' && !failure ? 500 : 50;
      const interval = Math.max(least, (this.check.intervalSeconds * 1000) / this.speed);
      const timer = setTimeout(() => void round(), Math.max(10, interval - (Date.now() - started)));
      checks.signal.onabort = () => clearTimeout(timer);
    };
    void round();
  }

  private stopChecks(target: Target): void {
    target.checks?.abort();
  }

  private judge(target: Target, failure: Awaited<ReturnType<typeof checkTarget>>): void {
    target.streak = failure ? Math.min(0, target.streak) - 1 : Math.max(0, target.streak) + 1;
    if (!failure) {
      // a new target needs one passed check, one that was unhealthy needs the threshold.
      if (target.state === 'initial' || target.streak >= this.check.healthyThreshold) this.become(target, 'healthy');
    } else if (-target.streak >= this.check.unhealthyThreshold) {
      this.become(target, 'unhealthy', failure.reason, failure.description);
    } else if (target.state === 'initial') {
      this.become(target, 'initial', 'Elb.InitialHealthChecking');
    }
  }

  private become(target: Target, state: TargetHealthStateEnum, reason?: TargetHealthReasonEnum, description?: string): void {
    target.state = state;
    target.reason = reason;
    target.description = description ?? (reason === undefined ? undefined : reasons[reason as keyof typeof reasons]);
  }
}
