/** Elastic Load Balancing v2: application load balancers that really listen. What is served: docs/sandbox/elbv2.md. */
import type { Sandbox, Service } from '../../service';
import type { Elbv2 } from './elbv2';
import { listenerHandlers } from './listeners';
import { loadBalancerHandlers } from './load-balancers';
import { ruleHandlers } from './rules';
import type { ListenerRow, LoadBalancerRow, RuleRow, TargetGroupRow, TargetRow } from './tables';
import { tagHandlers } from './tags';
import { targetGroupHandlers } from './target-groups';
import { restoreTarget, targetHandlers } from './targets';
import { Traffic } from './traffic';

export function elbv2(sandbox: Sandbox): Service {
  const traffic = new Traffic();
  const parts: Elbv2 = {
    sandbox,
    traffic,
    loadBalancers: sandbox.table<LoadBalancerRow>('elbv2.load-balancers'),
    listeners: sandbox.table<ListenerRow>('elbv2.listeners'),
    rules: sandbox.table<RuleRow>('elbv2.rules'),
    targetGroups: sandbox.table<TargetGroupRow>('elbv2.target-groups'),
    targets: sandbox.table<TargetRow>('elbv2.targets'),
  };
  traffic.elbv2 = parts;
  return {
    client: 'client-elastic-load-balancing-v2',
    handlers: {
      ...loadBalancerHandlers(parts),
      ...listenerHandlers(parts),
      ...ruleHandlers(parts),
      ...targetGroupHandlers(parts),
      ...targetHandlers(parts),
      ...tagHandlers(parts),
    },
    async start() {
      for (const row of parts.targetGroups.values()) traffic.addGroup(row);
      for (const row of parts.listeners.values()) {
        const port = await traffic.listen(row.arn, row.listener.Port ?? 0);
        if (port !== row.listener.Port) {
          sandbox.log(`elbv2: port ${row.listener.Port} of listener ${row.arn} is taken; it listens on ${port} from now on`);
          parts.listeners.set(row.arn, { ...row, listener: { ...row.listener, Port: port } });
        }
        traffic.rulesChanged(row.arn);
      }
      for (const row of parts.targets.values()) restoreTarget(parts, row);
    },
    stop: () => traffic.stop(),
    faults: {
      /** One target leaves, and comes back. */
      async flap(target, seconds) {
        const { TargetHealthDescriptions: found = [] } = await sandbox.call('elbv2', 'DescribeTargetHealth', { TargetGroupArn: target });
        const one = { TargetGroupArn: target, Targets: found.slice(0, 1).map(({ Target }: { Target: object }) => Target) };
        if (one.Targets.length === 0) return `${target} has no target to take out`;
        await sandbox.call('elbv2', 'DeregisterTargets', one);
        sandbox.after(seconds, () => sandbox.call('elbv2', 'RegisterTargets', one));
        return `${JSON.stringify(one.Targets[0])} was taken out of ${target} for ${seconds} s`;
      },
    },
  };
}
