/**
 * Application Auto Scaling for ECS services. Scaling by load is not imitated; what can trap a runbook is: a service
 * below its minimum is raised to it about a minute later, behind whoever set it to zero, unless scaling is suspended.
 */
import type {
  DeregisterScalableTargetRequest,
  DescribeScalableTargetsRequest,
  DescribeScalingPoliciesRequest,
  PutScalingPolicyRequest,
  RegisterScalableTargetRequest,
  SuspendedState,
} from '@aws-sdk/client-application-auto-scaling';
import { AwsError, type Sandbox, type Service } from '../service';

interface ScalableTarget {
  ServiceNamespace: string;
  ResourceId: string;
  ScalableDimension: string;
  MinCapacity: number;
  MaxCapacity: number;
  RoleARN: string;
  CreationTime: Date;
  SuspendedState: Required<SuspendedState>;
  ScalableTargetARN: string;
}

interface Policy {
  PolicyARN: string;
  PolicyName: string;
  ServiceNamespace: string;
  ResourceId: string;
  ScalableDimension: string;
  PolicyType: string;
  StepScalingPolicyConfiguration?: object;
  TargetTrackingScalingPolicyConfiguration?: object;
  CreationTime: Date;
}

type TargetKey = Pick<DeregisterScalableTargetRequest, 'ServiceNamespace' | 'ResourceId' | 'ScalableDimension'>;

/** AWS seconds between a service falling below its minimum and being raised. */
const raiseAfter = 60;
const checkEvery = 10;

export const autoscaling = (sandbox: Sandbox): Service => {
  const targets = sandbox.table<ScalableTarget>('autoscaling.targets');
  const policies = sandbox.table<Policy>('autoscaling.policies');
  /** Since when a target has been below its minimum (real milliseconds). */
  const below = new Map<string, number>();

  const keyOf = (input: TargetKey) => {
    if (input.ServiceNamespace !== 'ecs' || input.ScalableDimension !== 'ecs:service:DesiredCount') {
      throw invalid(`The sandbox scales ecs:service:DesiredCount only, not ${input.ScalableDimension} of ${input.ServiceNamespace}`);
    }
    if (!/^service\/[^/]+\/[^/]+$/.test(input.ResourceId ?? '')) {
      throw invalid(
        `Unsupported service namespace, resource type or scalable dimension: ResourceId must be service/<cluster>/<service>, not ${input.ResourceId}`,
      );
    }
    return `${input.ServiceNamespace} ${input.ResourceId} ${input.ScalableDimension}`;
  };
  const find = (input: TargetKey) => {
    const target = targets.get(keyOf(input));
    if (!target) {
      throw missing(
        `No scalable target registered for service namespace: ${input.ServiceNamespace}, resource ID: ${input.ResourceId}, scalable dimension: ${input.ScalableDimension}`,
      );
    }
    return target;
  };
  const policyKey = (input: TargetKey & { PolicyName?: string }) => `${keyOf(input)} ${input.PolicyName}`;

  const check = async (): Promise<void> => {
    for (const [key, target] of targets.entries()) {
      const desired = await desiredCount(sandbox, target);
      if (desired === undefined || desired >= target.MinCapacity || target.SuspendedState.DynamicScalingOutSuspended) {
        below.delete(key);
        continue;
      }
      const since = below.get(key) ?? Date.now();
      below.set(key, since);
      if (((Date.now() - since) / 1000) * sandbox.speed < raiseAfter) continue;
      below.delete(key);
      const [, cluster, service] = target.ResourceId.split('/');
      sandbox.log(`autoscaling: ${target.ResourceId} has ${desired}, below its minimum; raised to ${target.MinCapacity}`);
      await sandbox.call('ecs', 'UpdateService', { cluster, service, desiredCount: target.MinCapacity });
    }
  };

  return {
    client: 'client-application-auto-scaling',
    async start() {
      sandbox.every(checkEvery, check);
    },
    handlers: {
      RegisterScalableTarget(input: RegisterScalableTargetRequest) {
        const key = keyOf(input);
        const existing = targets.get(key);
        const MinCapacity = input.MinCapacity ?? existing?.MinCapacity;
        const MaxCapacity = input.MaxCapacity ?? existing?.MaxCapacity;
        if (MinCapacity === undefined || MaxCapacity === undefined) {
          throw invalid('MinCapacity and MaxCapacity are required when a scalable target is registered for the first time.');
        }
        if (MinCapacity < 0 || MinCapacity > MaxCapacity) {
          throw invalid(`Minimum capacity cannot be greater than maximum capacity or below 0: ${MinCapacity} to ${MaxCapacity}`);
        }
        const target = targets.set(key, {
          ServiceNamespace: input.ServiceNamespace ?? '',
          ResourceId: input.ResourceId ?? '',
          ScalableDimension: input.ScalableDimension ?? '',
          MinCapacity,
          MaxCapacity,
          RoleARN:
            input.RoleARN ??
            existing?.RoleARN ??
            `arn:aws:iam::${sandbox.account}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService`,
          CreationTime: existing?.CreationTime ?? new Date(),
          // members that are not given keep what they are.
          SuspendedState: {
            DynamicScalingInSuspended: false,
            DynamicScalingOutSuspended: false,
            ScheduledScalingSuspended: false,
            ...existing?.SuspendedState,
            ...input.SuspendedState,
          },
          ScalableTargetARN: existing?.ScalableTargetARN ?? sandbox.arn('application-autoscaling', `scalable-target/${sandbox.id(32)}`),
        });
        return { ScalableTargetARN: target.ScalableTargetARN };
      },

      DescribeScalableTargets(input: DescribeScalableTargetsRequest) {
        const all = targets
          .values()
          .filter((target) => target.ServiceNamespace === input.ServiceNamespace)
          .filter((target) => !input.ResourceIds?.length || input.ResourceIds.includes(target.ResourceId))
          .filter((target) => !input.ScalableDimension || target.ScalableDimension === input.ScalableDimension);
        const { page, NextToken } = pageOf(all, input);
        return { NextToken, ScalableTargets: page };
      },

      DeregisterScalableTarget(input: DeregisterScalableTargetRequest) {
        const target = find(input);
        for (const [key, policy] of policies.entries()) if (policy.ResourceId === target.ResourceId) policies.delete(key);
        targets.delete(keyOf(input));
        below.delete(keyOf(input));
        return {};
      },

      PutScalingPolicy(input: PutScalingPolicyRequest) {
        find(input);
        const key = policyKey(input);
        const existing = policies.get(key);
        const name = `resource/ecs/${input.ResourceId}:policyName/${input.PolicyName}`;
        const policy = policies.set(key, {
          PolicyARN: existing?.PolicyARN ?? sandbox.arn('autoscaling', `scalingPolicy:${sandbox.id(32)}:${name}`),
          PolicyName: input.PolicyName ?? '',
          ServiceNamespace: input.ServiceNamespace ?? '',
          ResourceId: input.ResourceId ?? '',
          ScalableDimension: input.ScalableDimension ?? '',
          PolicyType: input.PolicyType ?? existing?.PolicyType ?? 'StepScaling',
          StepScalingPolicyConfiguration: input.StepScalingPolicyConfiguration ?? existing?.StepScalingPolicyConfiguration,
          TargetTrackingScalingPolicyConfiguration:
            input.TargetTrackingScalingPolicyConfiguration ?? existing?.TargetTrackingScalingPolicyConfiguration,
          CreationTime: existing?.CreationTime ?? new Date(),
        });
        return { PolicyARN: policy.PolicyARN, Alarms: [] };
      },

      DescribeScalingPolicies(input: DescribeScalingPoliciesRequest) {
        const all = policies
          .values()
          .filter((policy) => policy.ServiceNamespace === input.ServiceNamespace)
          .filter((policy) => !input.ResourceId || policy.ResourceId === input.ResourceId)
          .filter((policy) => !input.PolicyNames?.length || input.PolicyNames.includes(policy.PolicyName))
          .map((policy) => ({ ...policy, Alarms: [] }));
        const { page, NextToken } = pageOf(all, input);
        return { NextToken, ScalingPolicies: page };
      },

      DeleteScalingPolicy(input: TargetKey & { PolicyName?: string }) {
        if (!policies.has(policyKey(input))) {
          throw missing(
            `No scaling policy found for service namespace: ${input.ServiceNamespace}, resource ID: ${input.ResourceId}, policy name: ${input.PolicyName}`,
          );
        }
        policies.delete(policyKey(input));
        return {};
      },
    },
  };
};

/** Undefined while the service is not there or is going away: nothing to scale then. */
async function desiredCount(sandbox: Sandbox, target: ScalableTarget): Promise<number | undefined> {
  const [, cluster, name] = target.ResourceId.split('/');
  try {
    const { services } = await sandbox.call('ecs', 'DescribeServices', { cluster, services: [name] });
    const service = services?.[0];
    return service?.status === 'ACTIVE' ? service.desiredCount : undefined;
  } catch {
    // the cluster is gone.
    return undefined;
  }
}

function pageOf<T>(all: T[], input: { NextToken?: string; MaxResults?: number }) {
  const from = Number(input.NextToken ?? 0);
  const to = from + (input.MaxResults ?? 50);
  return { page: all.slice(from, to), NextToken: to < all.length ? String(to) : undefined };
}

const invalid = (message: string) => new AwsError('ValidationException', message);
const missing = (message: string) => new AwsError('ObjectNotFoundException', message);
