/** Registering, draining and describing targets. */

import { isIP } from 'node:net';
import type * as Sdk from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError } from '../../service';
import type { Elbv2 } from './elbv2';
import { type TargetGroupRow, type TargetRow, targetGroupOf, targetKey } from './tables';

export const targetHandlers = (elbv2: Elbv2) => ({
  RegisterTargets(input: Sdk.RegisterTargetsInput): Sdk.RegisterTargetsOutput {
    const group = targetGroupOf(elbv2, input.TargetGroupArn);
    for (const { id, port } of named(group, input.Targets)) {
      elbv2.targets.set(targetKey(group.arn, id, port), { targetGroupArn: group.arn, id, port });
      elbv2.traffic.group(group.arn)?.register(id, port);
    }
    return {};
  },

  DeregisterTargets(input: Sdk.DeregisterTargetsInput): Sdk.DeregisterTargetsOutput {
    const group = targetGroupOf(elbv2, input.TargetGroupArn);
    const delay = Number(group.attributes['deregistration_delay.timeout_seconds']);
    for (const { id, port } of named(group, input.Targets)) {
      const row = elbv2.targets.get(targetKey(group.arn, id, port));
      if (!row || row.drainedAt !== undefined) continue;
      row.drainedAt = Date.now() + (delay * 1000) / elbv2.sandbox.speed;
      elbv2.targets.set(targetKey(group.arn, id, port), row);
      drain(elbv2, row);
    }
    return {};
  },

  DescribeTargetHealth(input: Sdk.DescribeTargetHealthInput): Sdk.DescribeTargetHealthOutput {
    const group = targetGroupOf(elbv2, input.TargetGroupArn);
    const running = elbv2.traffic.group(group.arn);
    const wanted = input.Targets?.length ? named(group, input.Targets) : (running?.list() ?? []);
    return {
      TargetHealthDescriptions: wanted.map(({ id, port }) => {
        const target = running?.find(id, port);
        const health: Sdk.TargetHealth = target
          ? { State: target.state, Reason: target.reason, Description: target.description }
          : { State: 'unused', Reason: 'Target.NotRegistered', Description: 'Target is not registered to the target group' };
        const check = group.targetGroup.HealthCheckPort === 'traffic-port' ? String(port) : group.targetGroup.HealthCheckPort;
        return {
          Target: { Id: id, Port: port, AvailabilityZone: `${elbv2.sandbox.region}a` },
          HealthCheckPort: check,
          TargetHealth: health,
        };
      }),
    };
  },
});

/** Brings a stored target back after a restart of the sandbox. */
export function restoreTarget(elbv2: Elbv2, row: TargetRow): void {
  elbv2.traffic.group(row.targetGroupArn)?.register(row.id, row.port);
  if (row.drainedAt !== undefined) drain(elbv2, row);
}

function drain(elbv2: Elbv2, row: TargetRow): void {
  const until = row.drainedAt!;
  elbv2.traffic.group(row.targetGroupArn)?.drain(row.id, row.port);
  elbv2.sandbox.after((Math.max(0, until - Date.now()) * elbv2.sandbox.speed) / 1000, () => {
    const key = targetKey(row.targetGroupArn, row.id, row.port);
    // registered again in the meantime: it stays.
    if (elbv2.traffic.stopped || elbv2.targets.get(key)?.drainedAt !== until) return;
    elbv2.targets.delete(key);
    elbv2.traffic.group(row.targetGroupArn)?.remove(row.id, row.port);
  });
}

function named(group: TargetGroupRow, targets: Sdk.TargetDescription[] | undefined): { id: string; port: number }[] {
  return (targets ?? []).map((target) => {
    const id = target.Id ?? '';
    if (isIP(id) === 0)
      throw new AwsError('InvalidTarget', `The target '${id}' is not an IP address, which the target group '${group.arn}' needs`);
    return { id, port: target.Port ?? group.targetGroup.Port ?? 80 };
  });
}
