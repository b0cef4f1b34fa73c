/** ECS in our words: how many of a service run, how many are wanted, a new deployment, a one-off task. */
import { DescribeScalableTargetsCommand, RegisterScalableTargetCommand } from '@aws-sdk/client-application-auto-scaling';
import {
  DescribeServicesCommand,
  DescribeTasksCommand,
  type Failure,
  ListTasksCommand,
  type ListTasksCommandInput,
  RunTaskCommand,
  StopTaskCommand,
  type Task,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs';
import type { Clients } from './clients';
import { isAws, mutate } from './outcome';

export interface ServiceState {
  readonly name: string;
  /** `family:revision` */
  readonly taskDefinition?: string;
  readonly wanted: number;
  readonly running: number;
  /** The newest deployment. */
  readonly deployment: { readonly createdAt: Date; readonly state: string; readonly settled: boolean; readonly failedTasks: number };
}

export interface WorkerState extends ServiceState {
  /** Tasks that have not stopped yet, whatever they are doing: `runningCount` leaves stopping ones out. */
  readonly notStopped: number;
}

/** A task that must run once, by what it was asked for with. */
export interface OnceNamed {
  readonly token: string;
  /** Its ARN, or `family:revision`. */
  readonly taskDefinition: string;
}

export interface OneOff {
  readonly arn: string;
  readonly id: string;
  readonly status: string;
  readonly exitCode: number | undefined;
  readonly reason: string | undefined;
  /** From its start to its end; undefined while it runs, or when it never did. */
  readonly seconds: number | undefined;
  /** From asking for it to its end: with the time until it was placed and its image was there. */
  readonly takes: number | undefined;
}

export class Tasks {
  constructor(private readonly clients: Pick<Clients, 'ecs' | 'scaling'>) {}

  /** @throws Error when a service does not exist: its stack is missing or incomplete. */
  async services(cluster: string, names: readonly string[]): Promise<ServiceState[]> {
    const states: ServiceState[] = [];
    // ten at a time is the limit of DescribeServices.
    for (let i = 0; i < names.length; i += 10) {
      const { services = [], failures = [] } = await this.clients.ecs.send(
        new DescribeServicesCommand({ cluster, services: names.slice(i, i + 10) }),
      );
      const missing = failures[0]?.arn;
      if (missing) throw new Error(`the service ${missing} does not exist in ${cluster}`);
      for (const service of services) {
        const newest = service.deployments?.find((deployment) => deployment.status === 'PRIMARY');
        states.push({
          name: service.serviceName ?? '',
          ...(service.taskDefinition ? { taskDefinition: service.taskDefinition.split('/').at(-1) ?? '' } : {}),
          wanted: service.desiredCount ?? 0,
          running: service.runningCount ?? 0,
          deployment: {
            createdAt: newest?.createdAt ?? new Date(0),
            state: newest?.rolloutState ?? 'UNKNOWN',
            settled:
              service.deployments?.length === 1 && newest?.runningCount === service.desiredCount && newest?.rolloutState !== 'FAILED',
            failedTasks: newest?.failedTasks ?? 0,
          },
        });
      }
    }
    return states;
  }

  /** With what is left of them, which takes two calls and more for each. @throws Error when a service does not exist */
  async workers(cluster: string, names: readonly string[]): Promise<WorkerState[]> {
    const states = await this.services(cluster, names);
    // counted after the look at what is wanted: a task started in between is counted.
    return Promise.all(states.map(async (state) => ({ ...state, notStopped: await this.notStopped(cluster, state.name) })));
  }

  private async notStopped(cluster: string, serviceName: string): Promise<number> {
    let alive = 0;
    // tasks wanted RUNNING, and tasks wanted STOPPED that have not got there.
    for (const desiredStatus of ['RUNNING', 'STOPPED'] as const) {
      // a big worker has more than a page that stopped in the last hour, and the one that has not is on any page.
      for await (const arns of this.listed({ cluster, serviceName, desiredStatus }))
        alive +=
          desiredStatus === 'RUNNING'
            ? arns.length
            : (await this.described(cluster, arns)).filter((task) => task.lastStatus !== 'STOPPED').length;
    }
    return alive;
  }

  async setCount(cluster: string, service: string, count: number): Promise<void> {
    await mutate(`ecs UpdateService ${service} desiredCount=${count}`, lookAt(cluster, service), () =>
      this.clients.ecs.send(new UpdateServiceCommand({ cluster, service, desiredCount: count })),
    );
  }

  /** New tasks from the unchanged task definition: they read their secrets anew. */
  async redeploy(cluster: string, service: string): Promise<void> {
    await mutate(`ecs UpdateService ${service} forceNewDeployment`, lookAt(cluster, service), () =>
      this.clients.ecs.send(new UpdateServiceCommand({ cluster, service, forceNewDeployment: true })),
    );
  }

  /**
   * Starts a task once: the same token answers the same task, also where its definition has changed since. At most 64 characters. ECS keeps
   * a token for a day at most: whoever asks later than that must know from elsewhere that it did not run.
   */
  async runOnce(options: {
    cluster: string;
    taskDefinition: string;
    container: string;
    command: readonly string[];
    network: { readonly subnets: readonly string[]; readonly securityGroups: readonly string[] };
    token: string;
  }): Promise<OneOff> {
    const startedBy = startedByOf(options.token);
    const look = `aws ecs list-tasks --cluster ${options.cluster} --started-by ${startedBy}`;
    const { tasks = [], failures = [] } = await mutate(`ecs RunTask ${options.taskDefinition}`, look, () =>
      this.runOrFind(
        options.cluster,
        new RunTaskCommand({
          cluster: options.cluster,
          taskDefinition: options.taskDefinition,
          launchType: 'FARGATE',
          clientToken: options.token,
          startedBy,
          networkConfiguration: {
            awsvpcConfiguration: {
              subnets: [...options.network.subnets],
              securityGroups: [...options.network.securityGroups],
              assignPublicIp: 'DISABLED',
            },
          },
          overrides: { containerOverrides: [{ name: options.container, command: [...options.command] }] },
        }),
      ),
    );
    const [task] = tasks;
    if (!task) throw new Error(`the task of ${options.taskDefinition} could not be started: ${failures[0]?.reason ?? 'no reason given'}`);
    return oneOff(task);
  }

  private async runOrFind(cluster: string, command: RunTaskCommand): Promise<{ tasks?: Task[]; failures?: Failure[] }> {
    try {
      return await this.clients.ecs.send(command);
    } catch (error) {
      const { resourceIds = [] } = error as { resourceIds?: string[] };
      if (!isAws(error, 'ConflictException') || resourceIds.length === 0) throw error;
      return { tasks: await this.described(cluster, resourceIds) };
    }
  }

  /**
   * The one-off task of this definition with this token, while ECS knows it: a stopped task for at least an hour. `startedBy` must be the
   * only filter of ListTasks and then lists running tasks only, so those of the family are looked through.
   */
  async findOnce(cluster: string, { token, taskDefinition }: OnceNamed): Promise<OneOff | undefined> {
    const family = (taskDefinition.split('/').at(-1) ?? '').split(':')[0];
    for (const desiredStatus of ['RUNNING', 'STOPPED'] as const) {
      for await (const arns of this.listed({ cluster, family, desiredStatus })) {
        const found = (await this.described(cluster, arns)).find(({ startedBy }) => startedBy === startedByOf(token));
        if (found) return oneOff(found);
      }
    }
    return undefined;
  }

  async describeOnce(cluster: string, arn: string): Promise<OneOff | undefined> {
    const [task] = await this.described(cluster, [arn]);
    return task && oneOff(task);
  }

  /** ARNs page by page, of which each holds a hundred. */
  private async *listed(filter: Omit<ListTasksCommandInput, 'nextToken'>): AsyncGenerator<string[]> {
    let nextToken: string | undefined;
    do {
      const page = await this.clients.ecs.send(new ListTasksCommand({ ...filter, ...(nextToken ? { nextToken } : {}) }));
      yield page.taskArns ?? [];
      nextToken = page.nextToken;
    } while (nextToken);
  }

  /** A hundred at most. */
  private async described(cluster: string, arns: readonly string[]): Promise<Task[]> {
    if (arns.length === 0) return [];
    return (await this.clients.ecs.send(new DescribeTasksCommand({ cluster, tasks: [...arns] }))).tasks ?? [];
  }

  async stopOnce(cluster: string, arn: string, reason: string): Promise<void> {
    await mutate(`ecs StopTask ${arn}`, `aws ecs describe-tasks --cluster ${cluster} --tasks ${arn}`, () =>
      this.clients.ecs.send(new StopTaskCommand({ cluster, task: arn, reason })),
    );
  }

  /** Whether scaling of a service is suspended; false where none is registered. */
  async scalingSuspended(cluster: string, service: string): Promise<boolean> {
    const [target] = await this.scalableTargets(cluster, service);
    const { DynamicScalingInSuspended, DynamicScalingOutSuspended, ScheduledScalingSuspended } = target?.SuspendedState ?? {};
    return Boolean(DynamicScalingInSuspended || DynamicScalingOutSuspended || ScheduledScalingSuspended);
  }

  /** Suspends or resumes scaling of a service; nothing to do where none is registered. */
  async setScaling(cluster: string, service: string, active: boolean): Promise<void> {
    for (const target of await this.scalableTargets(cluster, service)) {
      const off = !active;
      await mutate(
        `application-autoscaling RegisterScalableTarget ${service}`,
        `aws application-autoscaling describe-scalable-targets --service-namespace ecs --resource-ids ${target.ResourceId}`,
        () =>
          this.clients.scaling.send(
            new RegisterScalableTargetCommand({
              ServiceNamespace: 'ecs',
              ResourceId: target.ResourceId,
              ScalableDimension: 'ecs:service:DesiredCount',
              SuspendedState: { DynamicScalingInSuspended: off, DynamicScalingOutSuspended: off, ScheduledScalingSuspended: off },
            }),
          ),
      );
    }
  }

  private async scalableTargets(cluster: string, service: string) {
    const { ScalableTargets: targets = [] } = await this.clients.scaling.send(
      new DescribeScalableTargetsCommand({ ServiceNamespace: 'ecs', ResourceIds: [`service/${cluster.split('/').at(-1)}/${service}`] }),
    );
    return targets;
  }
}

const lookAt = (cluster: string, service: string): string => `aws ecs describe-services --cluster ${cluster} --services ${service}`;

const startedByOf = (token: string): string => token.slice(0, 36);

function oneOff(task: Task): OneOff {
  return {
    arn: task.taskArn ?? '',
    id: task.taskArn?.split('/').at(-1) ?? '',
    status: task.lastStatus ?? 'UNKNOWN',
    exitCode: task.containers?.[0]?.exitCode,
    reason: task.stoppedReason,
    seconds: between(task.startedAt, task.stoppedAt),
    takes: between(task.createdAt, task.stoppedAt),
  };
}

const between = (from: Date | undefined, to: Date | undefined): number | undefined =>
  from && to ? (to.getTime() - from.getTime()) / 1000 : undefined;
