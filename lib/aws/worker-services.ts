/** ECS services of workers as the stacks make them: at zero, and with a count that only runbooks change. */
import {
  DeregisterScalableTargetCommand,
  PutScalingPolicyCommand,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling';
import { CreateServiceCommand, DeleteServiceCommand, DescribeServicesCommand, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import type { Clients } from './clients';
import { isAws } from './outcome';
import { Tasks } from './tasks';

export interface WorkerDefinition {
  readonly cluster: string;
  readonly service: string;
  readonly taskDefinition: string;
  readonly subnets: readonly string[];
  readonly securityGroups: readonly string[];
  /** Never two at a time: the old task has stopped before the new one starts. */
  readonly once: boolean;
  readonly scaling?: { readonly min: number; readonly max: number; readonly cpuPercent: number } | undefined;
}

const dimension = 'ecs:service:DesiredCount' as const;
const suspended = { DynamicScalingInSuspended: true, DynamicScalingOutSuspended: true, ScheduledScalingSuspended: true };

export class WorkerServices {
  constructor(private readonly clients: Pick<Clients, 'ecs' | 'scaling'>) {}

  /** `ACTIVE`, `DRAINING`, `INACTIVE`; undefined when there is none. */
  async status(cluster: string, service: string): Promise<string | undefined> {
    try {
      const { services: [found] = [] } = await this.clients.ecs.send(new DescribeServicesCommand({ cluster, services: [service] }));
      return found?.status;
    } catch (error) {
      if (isAws(error, 'ClusterNotFoundException')) return undefined;
      throw error;
    }
  }

  async create(worker: WorkerDefinition, clientToken: string): Promise<void> {
    await this.clients.ecs.send(
      new CreateServiceCommand({
        ...definition(worker),
        serviceName: worker.service,
        launchType: 'FARGATE',
        desiredCount: 0,
        propagateTags: 'SERVICE',
        clientToken,
      }),
    );
  }

  /** Everything but the count. */
  async update(worker: WorkerDefinition): Promise<void> {
    await this.clients.ecs.send(new UpdateServiceCommand({ ...definition(worker), service: worker.service }));
  }

  /** Registers scaling, suspended: it is resumed when the worker's color goes live. Without `scaling`, what was registered goes. */
  async scale({ cluster, service, scaling }: WorkerDefinition): Promise<void> {
    const target = { ServiceNamespace: 'ecs' as const, ResourceId: scalableId(cluster, service), ScalableDimension: dimension };
    if (!scaling) {
      await this.clients.scaling.send(new DeregisterScalableTargetCommand(target)).catch((error: unknown) => {
        if (!isAws(error, 'ObjectNotFoundException')) throw error;
      });
      return;
    }
    await this.clients.scaling.send(
      new RegisterScalableTargetCommand({ ...target, MinCapacity: scaling.min, MaxCapacity: scaling.max, SuspendedState: suspended }),
    );
    await this.clients.scaling.send(
      new PutScalingPolicyCommand({
        ...target,
        PolicyName: `${service}-cpu`,
        PolicyType: 'TargetTrackingScaling',
        TargetTrackingScalingPolicyConfiguration: {
          TargetValue: scaling.cpuPercent,
          PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' },
        },
      }),
    );
  }

  async toZero(cluster: string, service: string): Promise<void> {
    await this.clients.ecs.send(new UpdateServiceCommand({ cluster, service, desiredCount: 0 }));
  }

  /** Tasks that have not stopped, whatever they are doing. */
  async alive(cluster: string, service: string): Promise<number> {
    const [state] = await new Tasks(this.clients).workers(cluster, [service]);
    return state?.notStopped ?? 0;
  }

  async delete(cluster: string, service: string): Promise<void> {
    try {
      await this.clients.ecs.send(new DeleteServiceCommand({ cluster, service }));
    } catch (error) {
      if (!isAws(error, 'ServiceNotFoundException', 'ServiceNotActiveException', 'ClusterNotFoundException')) throw error;
    }
  }
}

/** The resource id of application auto scaling. `cluster` may be a name or an ARN. */
const scalableId = (cluster: string, service: string) => `service/${cluster.split('/').at(-1)}/${service}`;

function definition({ cluster, taskDefinition, subnets, securityGroups, once }: WorkerDefinition) {
  return {
    cluster,
    taskDefinition,
    networkConfiguration: {
      awsvpcConfiguration: { subnets: [...subnets], securityGroups: [...securityGroups], assignPublicIp: 'DISABLED' as const },
    },
    deploymentConfiguration: once ? { minimumHealthyPercent: 0, maximumPercent: 100 } : { minimumHealthyPercent: 100, maximumPercent: 200 },
  };
}
