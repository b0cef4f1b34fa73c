/** The life of tasks, from PROVISIONING to STOPPED. Each RUNNING task is a process; what it writes goes to its log stream. */
import { dirname } from 'node:path';
import type * as Sdk from '@aws-sdk/client-ecs';
import { freePort } from '../../ports';
import { AwsError } from '../../service';
import { Guard } from '../../tasks/guard';
import { watchHealth } from '../../tasks/health';
import { imageFolder, resolveCommand, StartError } from '../../tasks/image';
import { TaskProcess } from '../../tasks/process';
import { readSecrets } from '../../tasks/secrets';
import { type LogWriter, openLog } from '../logs';
import { type EcsTables, findTaskDefinition, invalid, type ServiceRow, shortName, type TaskDefinitionRow, type TaskRow } from './tables';

/** AWS seconds a Fargate task needs: until its network is there, and until its image is. */
const provisioning = 10;
const pending = 20;
/** How many stopped tasks are remembered. AWS forgets them after an hour or so. */
const remembered = 100;

export interface Launch {
  readonly definition: TaskDefinitionRow;
  readonly clusterArn: string;
  readonly group: string;
  readonly startedBy?: string | undefined;
  readonly service?: ServiceRow;
  readonly overrides?: Sdk.TaskOverride | undefined;
  readonly networkConfiguration?: Sdk.NetworkConfiguration | undefined;
  readonly launchType?: Sdk.LaunchType | undefined;
  readonly tags?: Sdk.Tag[] | undefined;
}

export interface Stop {
  readonly code: Sdk.TaskStopCode;
  readonly reason: string;
  /** Waits until the load balancer has drained the task before SIGTERM, as the service scheduler does; StopTask does not. */
  readonly drain: boolean;
}

export class TaskLife {
  private readonly guard = new Guard();
  private readonly processes = new Map<string, TaskProcess>();
  private readonly lives = new Set<Promise<void>>();
  private halted = false;
  private halting: () => void = () => undefined;
  private readonly untilHalt = new Promise<never>((_resolve, reject) => {
    this.halting = () => reject(new Error('the sandbox stops'));
  });

  constructor(
    private readonly tables: EcsTables,
    /** Told after every change of a task's state. */
    private readonly changed: (row: TaskRow) => void,
  ) {
    this.untilHalt.catch(() => undefined);
  }

  launch(launch: Launch): TaskRow {
    const { sandbox } = this.tables;
    const { definition } = launch.definition;
    const container = definition.containerDefinitions![0]!;
    const id = sandbox.id(32);
    const cluster = shortName(launch.clusterArn);
    const arn = sandbox.arn('ecs', `task/${cluster}/${id}`);
    const network = launch.networkConfiguration?.awsvpcConfiguration;
    const row: TaskRow = {
      arn,
      clusterArn: launch.clusterArn,
      family: definition.family,
      ...(launch.service ? { serviceName: launch.service.name, serviceArn: launch.service.arn } : {}),
      port: 0,
      targetGroups: (launch.service?.loadBalancers ?? []).flatMap((balancer) => balancer.targetGroupArn ?? []),
      task: {
        taskArn: arn,
        clusterArn: launch.clusterArn,
        taskDefinitionArn: launch.definition.arn,
        group: launch.group,
        startedBy: launch.startedBy,
        launchType: launch.launchType ?? 'FARGATE',
        platformVersion: '1.4.0',
        platformFamily: 'Linux',
        availabilityZone: `${sandbox.region}a`,
        connectivity: 'CONNECTED',
        cpu: definition.cpu,
        memory: definition.memory,
        desiredStatus: 'RUNNING',
        lastStatus: 'PROVISIONING',
        healthStatus: 'UNKNOWN',
        overrides: launch.overrides ?? { containerOverrides: [{ name: container.name }] },
        attachments: [
          {
            id: sandbox.id(32),
            type: 'ElasticNetworkInterface',
            status: 'ATTACHED',
            details: [
              { name: 'subnetId', value: network?.subnets?.[0] ?? '' },
              { name: 'privateIPv4Address', value: '127.0.0.1' },
            ],
          },
        ],
        containers: [
          {
            containerArn: sandbox.arn('ecs', `container/${cluster}/${id}/${sandbox.id(32)}`),
            taskArn: arn,
            name: container.name,
            image: container.image,
            lastStatus: 'PENDING',
            healthStatus: 'UNKNOWN',
            networkBindings: [],
            networkInterfaces: [{ privateIpv4Address: '127.0.0.1' }],
          },
        ],
        createdAt: new Date(),
        version: 1,
        tags: launch.tags ?? [],
      },
    };
    this.tables.tasks.set(arn, row);
    const life = this.live(row, launch).catch((error: unknown) => {
      if (!this.halted) sandbox.log(`ecs: task ${id} failed: ${error instanceof Error ? error.stack : String(error)}`);
    });
    this.lives.add(life);
    void life.then(() => this.lives.delete(life));
    return row;
  }

  /** Asks a task to stop; it is STOPPED later. A task that is stopping already goes on as it does. */
  stop(row: TaskRow, stop: Stop): void {
    if (row.task.desiredStatus === 'STOPPED') return;
    this.update(row, { desiredStatus: 'STOPPED', stopCode: stop.code, stoppedReason: stop.reason, stoppingAt: new Date() });
    const process = this.processes.get(row.arn);
    if (!process) return; // not started yet: its life ends before it does.
    void this.takeDown(row, process, stop.drain).catch((error: unknown) => {
      if (this.halted) return;
      this.tables.sandbox.log(`ecs: task ${shortName(row.arn)} is stopped without draining: ${String(error)}`);
      process.stop(1000);
    });
  }

  /** Tasks of the last run of the sandbox died with it; they are recorded as stopped, and their targets leave. */
  async bury(): Promise<void> {
    for (const row of this.tables.tasks.values()) {
      if (row.task.lastStatus === 'STOPPED') continue;
      await this.deregister(row);
      const died = { stopCode: row.task.stopCode, stoppedReason: row.task.stoppedReason ?? 'The sandbox was stopped while the task ran.' };
      this.update(row, { ...died, desiredStatus: 'STOPPED', lastStatus: 'STOPPED', stoppedAt: new Date() });
    }
  }

  /** Ends every process; resolves when all their output is in the logs. */
  async halt(): Promise<void> {
    this.halted = true;
    this.halting();
    for (const process of this.processes.values()) process.stop(2000);
    await Promise.all(this.lives);
    await this.guard.close();
  }

  private async live(row: TaskRow, launch: Launch): Promise<void> {
    const { sandbox } = this.tables;
    const factor = sandbox.fault('long', { service: 'ecs', operation: 'RunTask', names: namesOf(row) }) ?? 1;
    await this.pause(provisioning * factor);
    this.update(row, { lastStatus: 'PENDING', connectivityAt: new Date(), pullStartedAt: new Date() });
    await this.pause(pending * factor);
    if (row.task.desiredStatus === 'STOPPED') return this.stopped(row, undefined);
    let started: { process: TaskProcess; log: LogWriter | undefined; endHealth: () => void };
    try {
      started = await this.start(row, launch);
    } catch (error) {
      if (this.halted) throw error;
      const why = error instanceof StartError ? error.message : `ResourceInitializationError: ${String(error)}`;
      sandbox.log(`ecs: task ${shortName(row.arn)} did not start: ${why}`);
      if (row.task.desiredStatus !== 'STOPPED') {
        this.update(row, { desiredStatus: 'STOPPED', stopCode: 'TaskFailedToStart', stoppedReason: why, stoppingAt: new Date() });
      }
      return this.stopped(row, undefined);
    }
    const { process, log, endHealth } = started;
    const code = await process.ended;
    endHealth();
    this.processes.delete(row.arn);
    await log?.close();
    await this.deregister(row);
    if (row.task.desiredStatus !== 'STOPPED') {
      this.update(row, {
        desiredStatus: 'STOPPED',
        stopCode: 'EssentialContainerExited',
        stoppedReason: this.halted ? 'The sandbox was stopped while the task ran.' : 'Essential container in task exited',
        stoppingAt: new Date(),
      });
    }
    this.stopped(row, code);
  }

  private async start(row: TaskRow, launch: Launch): ReturnType<TaskLife['prepare']> {
    const started = await this.prepare(row, launch);
    this.processes.set(row.arn, started.process);
    const now = new Date();
    const containers = row.task.containers!.map((container) => ({
      ...container,
      lastStatus: 'RUNNING',
      networkBindings: [
        { bindIP: '127.0.0.1', containerPort: containerPort(launch.definition), hostPort: row.port, protocol: 'tcp' as const },
      ],
    }));
    this.update(row, { lastStatus: 'RUNNING', pullStoppedAt: now, startedAt: now, containers });
    for (const arn of row.targetGroups) {
      await this.elbv2('RegisterTargets', arn, row.port);
    }
    // stopped while it started: nobody else will end it.
    if (row.task.desiredStatus === 'STOPPED') this.end(row, started.process);
    return started;
  }

  private async prepare(row: TaskRow, launch: Launch) {
    const { sandbox } = this.tables;
    const container = launch.definition.definition.containerDefinitions![0]!;
    const override = launch.overrides?.containerOverrides?.find((one) => one.name === container.name);
    const folder = imageFolder(sandbox.images, container.image!);
    const secrets = await readSecrets(sandbox, container.secrets ?? []);
    const log = await this.openLog(row, container);
    row.port = await freePort();
    const environment = {
      ...Object.fromEntries(
        [...(container.environment ?? []), ...(override?.environment ?? [])].map((pair) => [pair.name ?? '', pair.value ?? '']),
      ),
      ...secrets,
      HOST: '127.0.0.1',
      PORT: String(row.port),
      PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? '/usr/bin:/bin'}`,
      HOME: folder,
      ...sandbox.environment(),
    };
    const argv = [...(container.entryPoint ?? []), ...(override?.command ?? container.command ?? [])];
    const command = resolveCommand(argv, folder, environment.PATH);
    if (this.halted) throw new StartError('CannotStartContainerError', 'the sandbox stops');
    const task = new TaskProcess({ command, folder, environment, guard: this.guard, output: log && ((line) => log.line(line)) });
    const endHealth = container.healthCheck?.command?.length
      ? watchHealth({
          check: container.healthCheck,
          folder,
          environment,
          speed: sandbox.speed,
          changed: (status) => this.health(row, status),
        })
      : () => undefined;
    return { process: task, log, endHealth };
  }

  /** The stream is `<prefix>/<container>/<task>`. A log group that is not there keeps the task from starting, as on AWS. */
  private async openLog(row: TaskRow, container: Sdk.ContainerDefinition): Promise<LogWriter | undefined> {
    const options = container.logConfiguration?.options;
    if (!options) return undefined;
    const group = options['awslogs-group']!;
    const stream = `${options['awslogs-stream-prefix']}/${container.name}/${shortName(row.arn)}`;
    const createGroup = options['awslogs-create-group'] === 'true';
    if (!createGroup) {
      await this.tables.sandbox.call('logs', 'CreateLogStream', { logGroupName: group, logStreamName: stream }).catch((error: Error) => {
        const why = `${error.name}: ${error.message}`;
        throw new StartError(
          'ResourceInitializationError',
          `failed to validate logger args: failed to create Cloudwatch log stream in ${group}: ${why}`,
        );
      });
    }
    return openLog(this.tables.sandbox, group, stream, { createGroup });
  }

  private async takeDown(row: TaskRow, process: TaskProcess, drain: boolean): Promise<void> {
    if (row.targetGroups.length > 0) {
      this.update(row, { lastStatus: 'DEACTIVATING' });
      await this.deregister(row);
      if (drain) await this.drained(row);
    }
    if (!this.processes.has(row.arn)) return; // it ended by itself meanwhile.
    this.update(row, { lastStatus: 'STOPPING' });
    this.end(row, process);
  }

  private end(row: TaskRow, process: TaskProcess): void {
    const { sandbox } = this.tables;
    const ignoresSigterm = sandbox.fault('ignores-sigterm', { service: 'ecs', operation: 'StopTask', names: namesOf(row) }) !== undefined;
    process.stop(this.graceOf(row), { ignoresSigterm });
  }

  /** A fault: SIGKILL to the process of a running task of that service or family; the oldest is the one that everybody knows. */
  killOne(name: string): string {
    const row = this.tables.tasks.values().find((each) => namesOf(each).includes(name) && this.processes.has(each.arn));
    if (!row) throw invalid(`no task of ${name} runs`);
    this.processes.get(row.arn)?.kill();
    return `the process of task ${shortName(row.arn)} of ${name} was killed`;
  }

  private pause(awsSeconds: number): Promise<void> {
    return Promise.race([this.tables.sandbox.pause(awsSeconds), this.untilHalt]);
  }

  private async drained(row: TaskRow): Promise<void> {
    for (const arn of row.targetGroups) {
      while (this.processes.has(row.arn)) {
        const health = await this.elbv2('DescribeTargetHealth', arn, row.port);
        if (health?.TargetHealthDescriptions?.[0]?.TargetHealth?.State !== 'draining') break;
        await this.pause(Math.max(1, this.tables.sandbox.speed / 20));
      }
    }
  }

  private async deregister(row: TaskRow): Promise<void> {
    if (row.port === 0) return;
    for (const arn of row.targetGroups) await this.elbv2('DeregisterTargets', arn, row.port);
  }

  /** A target group that was deleted meanwhile is no reason to keep a task from its end. */
  // biome-ignore lint/suspicious/noExplicitAny: the shape is per operation.
  private async elbv2(operation: string, targetGroupArn: string, port: number): Promise<any> {
    try {
      return await this.tables.sandbox.call('elbv2', operation, {
        TargetGroupArn: targetGroupArn,
        Targets: [{ Id: '127.0.0.1', Port: port }],
      });
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      this.tables.sandbox.log(`ecs: ${operation} of ${targetGroupArn}: ${error.message}`);
      return undefined;
    }
  }

  /** Never under a real second: what a process does at its end takes real time. */
  private graceOf(row: TaskRow): number {
    const definition = findTaskDefinition(this.tables, row.task.taskDefinitionArn);
    const timeout = definition?.definition.containerDefinitions?.[0]?.stopTimeout ?? 30;
    return Math.max(1000, (timeout * 1000) / this.tables.sandbox.speed);
  }

  private health(row: TaskRow, status: 'HEALTHY' | 'UNHEALTHY'): void {
    if (row.task.healthStatus === status || row.task.lastStatus !== 'RUNNING') return;
    this.update(row, {
      healthStatus: status,
      containers: row.task.containers!.map((container) => ({ ...container, healthStatus: status })),
    });
  }

  private stopped(row: TaskRow, exitCode: number | undefined): void {
    const reason = row.task.stopCode === 'TaskFailedToStart' ? row.task.stoppedReason : undefined;
    const containers = row.task.containers!.map((container) => ({ ...container, lastStatus: 'STOPPED', exitCode, reason }));
    this.update(row, { lastStatus: 'STOPPED', containers, executionStoppedAt: new Date(), stoppedAt: new Date() });
    const old = this.tables.tasks.values().filter((other) => other.task.lastStatus === 'STOPPED');
    for (const each of old.slice(0, Math.max(0, old.length - remembered))) this.tables.tasks.delete(each.arn);
  }

  private update(row: TaskRow, changes: Sdk.Task): void {
    row.task = { ...row.task, ...changes, version: (row.task.version ?? 0) + 1 };
    this.tables.tasks.set(row.arn, row);
    if (!this.halted) this.changed(row);
  }
}

const namesOf = ({ serviceName, family }: TaskRow): (string | undefined)[] => [serviceName, family];

const containerPort = (definition: TaskDefinitionRow): number | undefined =>
  definition.definition.containerDefinitions?.[0]?.portMappings?.[0]?.containerPort;
