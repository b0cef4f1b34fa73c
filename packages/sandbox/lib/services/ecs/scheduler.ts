/** The service scheduler: looks at a service and its tasks, does what is missing, and is asked again after every change. */
import type { Task } from '@aws-sdk/client-ecs';
import { newDeployment } from './deployments';
import { nextMove } from './rollout';
import { type DeploymentRow, type EcsTables, findTaskDefinition, type ServiceRow, saveService, shortName, type TaskRow } from './tables';
import type { TaskLife } from './task-life';

/** What a process does at its start takes real time, whatever the speed: no target is judged before. */
const startGraceMs = 10_000;
/** Without a health check a deployment is not complete before its tasks have run so long: one that dies at once has not started. */
const settledMs = 1000;

type Health = 'starting' | 'healthy' | 'unhealthy';

export class Scheduler {
  private readonly busy = new Map<string, Promise<void>>();
  private readonly again = new Set<string>();
  private readonly everHealthy = new Set<string>();
  private stopped = false;
  private turn = 0;

  constructor(
    private readonly tables: EcsTables,
    private readonly life: () => TaskLife,
  ) {}

  /** Looks at the service now, or once more after the look that is under way. */
  poke(key: string): void {
    if (this.stopped) return;
    if (this.busy.has(key)) {
      this.again.add(key);
      return;
    }
    const round = this.look(key)
      .catch((error: unknown) => {
        if (!this.stopped) this.tables.sandbox.log(`ecs: service ${key}: ${error instanceof Error ? error.stack : String(error)}`);
      })
      .then(() => {
        this.busy.delete(key);
        if (this.again.delete(key)) this.poke(key);
      });
    this.busy.set(key, round);
  }

  /** Target health has no event of its own: unfinished services are looked at every time, those behind a load balancer now and then. */
  pokeAll(): void {
    this.turn++;
    for (const service of this.tables.services.values()) {
      if (service.status === 'INACTIVE') continue;
      if (!service.steady || (service.loadBalancers.length > 0 && this.turn % 5 === 0)) this.poke(keyOf(service));
    }
  }

  taskChanged(row: TaskRow): void {
    if (!row.serviceArn) return;
    const service = this.tables.services.values().find((one) => one.arn === row.serviceArn && one.status !== 'INACTIVE');
    if (!service) return;
    if (row.task.lastStatus === 'STOPPED') {
      this.everHealthy.delete(row.arn);
      if (row.task.stopCode === 'EssentialContainerExited' || row.task.stopCode === 'TaskFailedToStart') this.failed(service, row);
    }
    this.poke(keyOf(service));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.busy.values());
  }

  private async look(key: string): Promise<void> {
    const service = this.tables.services.get(key);
    if (!service || service.status === 'INACTIVE') return;
    const health = await this.healthOf(service);
    if (this.stopped) return;
    // what was asked of the service meanwhile counts; nothing below waits.
    const row = this.tables.services.get(key);
    if (!row || row.status === 'INACTIVE' || row.arn !== service.arn) return;
    const before = JSON.stringify(row);
    this.replaceUnhealthy(row, health);
    const desired = row.status === 'ACTIVE' ? row.desiredCount : 0;
    this.move(row, health, desired);
    this.finish(row, health, desired);
    if (JSON.stringify(row) !== before) saveService(this.tables, row);
  }

  private move(row: ServiceRow, health: ReadonlyMap<string, Health>, desired: number): void {
    const primary = row.deployments[0]!;
    const tasks = this.tasksOf(row).map((task) => ({
      id: task.arn,
      primary: task.task.startedBy === primary.id,
      wanted: task.task.desiredStatus === 'RUNNING',
      healthy: health.get(task.arn) === 'healthy',
    }));
    const { minimumHealthyPercent, maximumPercent } = row.deploymentConfiguration;
    const move = nextMove(tasks, { desired, minimumHealthyPercent: minimumHealthyPercent ?? 100, maximumPercent: maximumPercent ?? 200 });
    for (const arn of move.stop) {
      this.life().stop(this.tables.tasks.get(arn)!, {
        code: 'ServiceSchedulerInitiated',
        reason: `Scaling activity initiated by (deployment ${primary.id})`,
        drain: true,
      });
    }
    if (move.stop.length > 0) {
      const names = move.stop.map((arn) => `(task ${shortName(arn)})`).join(' ');
      if (row.loadBalancers.length > 0) this.event(row, `has begun draining connections on ${move.stop.length} tasks.`);
      this.event(row, `has stopped ${move.stop.length} running tasks: ${names}.`);
    }
    if (move.start > 0) this.start(row, primary, move.start);
  }

  private start(row: ServiceRow, deployment: DeploymentRow, count: number): void {
    // a deployment that failed for good starts nothing any more.
    if (deployment.rolloutState === 'FAILED') return;
    if (Date.now() < row.retryAt) return;
    const definition = findTaskDefinition(this.tables, deployment.taskDefinition)!;
    const started = Array.from({ length: count }, () =>
      this.life().launch({
        definition,
        clusterArn: row.clusterArn,
        group: `service:${row.name}`,
        startedBy: deployment.id,
        service: row,
        networkConfiguration: deployment.networkConfiguration,
        launchType: row.launchType,
        tags: row.propagateTags === 'SERVICE' ? row.tags : row.propagateTags === 'TASK_DEFINITION' ? definition.tags : [],
      }),
    );
    this.event(row, `has started ${count} tasks: ${started.map((task) => `(task ${shortName(task.arn)})`).join(' ')}.`);
  }

  private replaceUnhealthy(row: ServiceRow, health: ReadonlyMap<string, Health>): void {
    for (const task of this.tasksOf(row)) {
      if (health.get(task.arn) !== 'unhealthy' || task.task.desiredStatus !== 'RUNNING') continue;
      const reason =
        task.task.healthStatus === 'UNHEALTHY'
          ? 'Task failed container health checks'
          : `Task failed ELB health checks in (target-group ${task.targetGroups.join(', ')})`;
      this.event(row, `(task ${shortName(task.arn)}) is unhealthy: ${reason}.`);
      this.failed(row, task);
      this.life().stop(task, { code: 'ServiceSchedulerInitiated', reason, drain: true });
    }
  }

  /** Ends deployments, notes the steady state, and lets a deleted service go. */
  private finish(row: ServiceRow, health: ReadonlyMap<string, Health>, desired: number): void {
    const alive = this.tasksOf(row);
    const primary = row.deployments[0]!;
    // an old deployment is listed while its tasks run or drain; one that only ends its process is listed no more.
    const listed = new Set(alive.filter((task) => task.task.lastStatus !== 'STOPPING').map((task) => task.task.startedBy));
    row.deployments = row.deployments.filter((deployment) => deployment === primary || listed.has(deployment.id));
    if (row.status === 'DRAINING') {
      if (alive.length === 0) row.status = 'INACTIVE';
      return;
    }
    const wanted = alive.filter((task) => task.task.desiredStatus === 'RUNNING');
    const ready = wanted.filter((task) => task.task.startedBy === primary.id && health.get(task.arn) === 'healthy');
    const there = ready.length === desired && wanted.length === desired && row.deployments.length === 1;
    const young = ready.some((task) => !this.isChecked(task) && Date.now() - (task.task.startedAt?.getTime() ?? 0) < settledMs);
    const steady = there && !young;
    if (steady && primary.rolloutState === 'IN_PROGRESS') {
      primary.rolloutState = 'COMPLETED';
      primary.rolloutStateReason = `ECS deployment ${primary.id} completed.`;
      primary.updatedAt = new Date();
      row.lastCompleted = { id: primary.id, taskDefinition: primary.taskDefinition };
      this.event(row, `(deployment ${primary.id}) deployment completed.`);
    }
    if (steady && !row.steady) this.event(row, 'has reached a steady state.');
    row.steady = steady;
  }

  /** Counts a task that ended by itself: the next is started later each time, and the circuit breaker may end the deployment. */
  private failed(row: ServiceRow, task: TaskRow): void {
    const { sandbox } = this.tables;
    const ranFor = Date.now() - (task.task.startedAt?.getTime() ?? Date.now());
    row.failures = ranFor > startGraceMs ? 1 : row.failures + 1;
    if (row.failures > 1) {
      const awsSeconds = Math.min(900, 10 * 2 ** (row.failures - 2));
      row.retryAt = Date.now() + Math.max(500, (awsSeconds * 1000) / sandbox.speed);
    }
    const primary = row.deployments[0]!;
    if (primary.id === task.task.startedBy && primary.rolloutState === 'IN_PROGRESS') {
      primary.failedTasks++;
      this.breakCircuit(row, primary);
    }
    saveService(this.tables, row);
  }

  private breakCircuit(row: ServiceRow, primary: DeploymentRow): void {
    const breaker = row.deploymentConfiguration.deploymentCircuitBreaker;
    const threshold = Math.min(200, Math.max(3, Math.ceil(row.desiredCount / 2)));
    if (!breaker?.enable || primary.failedTasks < threshold) return;
    primary.rolloutState = 'FAILED';
    primary.rolloutStateReason = 'ECS deployment circuit breaker: tasks failed to start.';
    primary.updatedAt = new Date();
    this.event(row, `(deployment ${primary.id}) deployment failed: tasks failed to start.`);
    if (!breaker.rollback || !row.lastCompleted) return;
    this.event(row, `rolling back to deployment ${row.lastCompleted.id}.`);
    const why = `ECS deployment circuit breaker: rolling back to deploymentId ${row.lastCompleted.id}.`;
    newDeployment(
      this.tables,
      row,
      { taskDefinition: row.lastCompleted.taskDefinition, networkConfiguration: primary.networkConfiguration },
      why,
    );
  }

  private tasksOf(row: ServiceRow): TaskRow[] {
    return this.tables.tasks.values().filter((task) => task.serviceArn === row.arn && task.task.lastStatus !== 'STOPPED');
  }

  private async healthOf(row: ServiceRow): Promise<Map<string, Health>> {
    const groups = new Map<string, Map<string, string>>();
    for (const { targetGroupArn } of row.loadBalancers) {
      if (targetGroupArn) groups.set(targetGroupArn, await this.targetStates(targetGroupArn));
    }
    const health = new Map<string, Health>();
    for (const task of this.tasksOf(row)) {
      const own = this.containerHealth(task.task);
      const states = task.targetGroups.map((arn) => groups.get(arn)?.get(`127.0.0.1:${task.port}`));
      if (own === 'healthy' && states.every((state) => state === 'healthy')) {
        this.everHealthy.add(task.arn);
        health.set(task.arn, 'healthy');
      } else if (own === 'unhealthy' || (own === 'healthy' && states.includes('unhealthy') && this.pastGrace(row, task))) {
        health.set(task.arn, 'unhealthy');
      } else health.set(task.arn, 'starting');
    }
    return health;
  }

  private containerHealth(task: Task): Health {
    if (task.lastStatus !== 'RUNNING') return 'starting';
    const checked = findTaskDefinition(this.tables, task.taskDefinitionArn)?.definition.containerDefinitions?.[0]?.healthCheck;
    if (!checked || task.healthStatus === 'HEALTHY') return 'healthy';
    return task.healthStatus === 'UNHEALTHY' ? 'unhealthy' : 'starting';
  }

  private isChecked(task: TaskRow): boolean {
    return task.targetGroups.length > 0 || task.task.healthStatus === 'HEALTHY';
  }

  private pastGrace(row: ServiceRow, task: TaskRow): boolean {
    const asked = ((row.healthCheckGracePeriodSeconds ?? 0) * 1000) / this.tables.sandbox.speed;
    const grace = this.everHealthy.has(task.arn) ? asked : Math.max(asked, startGraceMs);
    return Date.now() - (task.task.startedAt?.getTime() ?? Date.now()) > grace;
  }

  private async targetStates(targetGroupArn: string): Promise<Map<string, string>> {
    const states = new Map<string, string>();
    const found = await this.tables.sandbox
      .call('elbv2', 'DescribeTargetHealth', { TargetGroupArn: targetGroupArn })
      .catch(() => undefined);
    for (const one of found?.TargetHealthDescriptions ?? []) states.set(`${one.Target.Id}:${one.Target.Port}`, one.TargetHealth.State);
    return states;
  }

  private event(row: ServiceRow, message: string): void {
    const { sandbox } = this.tables;
    row.events = [{ id: sandbox.id(32), createdAt: new Date(), message: `(service ${row.name}) ${message}` }, ...row.events].slice(0, 100);
    sandbox.log(`ecs: service ${row.name} ${message}`);
  }
}

export const keyOf = (row: ServiceRow): string => `${shortName(row.clusterArn)}/${row.name}`;
