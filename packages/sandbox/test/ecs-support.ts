/** What the tests of ECS share: a cluster with real tasks, and the image folders that they run. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Service, Task } from '@aws-sdk/client-ecs';
import { AwsError, type Sandbox, type Service as SandboxService } from '../lib/service';
import { ecs } from '../lib/services/ecs';
import { elbv2 } from '../lib/services/elbv2';
import { logs } from '../lib/services/logs';
import { subnets } from './balancer-support';
import { eventually, type TinySandbox, tinySandbox } from './tiny';

/** Serves its release; `/env` shows its environment, `/pid` its process; ends on SIGTERM after requests in flight. */
const server = `
const http = require('http');
const log = (line) => console.log(line);
const server = http.createServer((request, response) => {
  if (request.url === '/health') response.writeHead(Number(process.env.HEALTH || 200)).end();
  else if (request.url === '/env') response.end(JSON.stringify(process.env));
  else if (request.url === '/pid') response.end(String(process.pid));
  else if (request.url === '/slow') setTimeout(() => response.end('slow ' + process.env.RELEASE), 400);
  else response.end(process.env.RELEASE);
});
server.listen(process.env.PORT, process.env.HOST, () => log('listening'));
process.on('SIGTERM', () => { log('SIGTERM'); server.close(() => { log('closed'); process.exit(0); }); server.closeIdleConnections(); });
`;

const secrets = (values: Record<string, string>) => (): SandboxService => ({
  client: 'client-secrets-manager',
  handlers: {
    GetSecretValue: (input: { SecretId: string; VersionStage?: string }) => {
      const value = values[[input.SecretId, input.VersionStage].filter(Boolean).join('@')];
      if (value === undefined) throw new AwsError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
      return { SecretString: value };
    },
    GetParameter: (input: { Name: string }) => {
      if (values[input.Name] === undefined) throw new AwsError('ParameterNotFound', '');
      return { Parameter: { Value: values[input.Name] } };
    },
  },
});

export class Cluster {
  readonly images = mkdtempSync(join(tmpdir(), 'switchback-images-'));
  sandbox!: TinySandbox;
  readonly values: Record<string, string> = {};

  static async start(options: { speed?: number } = {}): Promise<Cluster> {
    const cluster = new Cluster();
    cluster.image('app/v1', { 'server.js': server });
    const withImages = (sandbox: Sandbox) => ecs({ ...sandbox, images: cluster.images });
    const store = secrets(cluster.values);
    const services = { elbv2, ecs: withImages, logs, ec2: subnets, secretsmanager: store, ssm: store };
    cluster.sandbox = await tinySandbox(services, { speed: options.speed ?? 300 });
    await cluster.sandbox.call('logs', 'CreateLogGroup', { logGroupName: '/app' });
    await cluster.call('CreateCluster', { clusterName: 'video' });
    return cluster;
  }

  image(name: string, files: Record<string, string>): void {
    const folder = join(this.images, name);
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the shapes are per operation.
  call(operation: string, input: object): Promise<any> {
    return this.sandbox.call('ecs', operation, operation.includes('Cluster') ? input : { cluster: 'video', ...input });
  }

  /** Registers a task definition of the test image; `container` changes it. */
  async definition(family: string, container: object = {}): Promise<string> {
    const made = await this.sandbox.call('ecs', 'RegisterTaskDefinition', {
      family,
      networkMode: 'awsvpc',
      requiresCompatibilities: ['FARGATE'],
      cpu: '256',
      memory: '512',
      containerDefinitions: [
        {
          name: 'app',
          image: 'repository/app:v1',
          command: ['node', 'server.js'],
          environment: [{ name: 'RELEASE', value: family }],
          portMappings: [{ containerPort: 8080 }],
          logConfiguration: { logDriver: 'awslogs', options: { 'awslogs-group': '/app', 'awslogs-stream-prefix': family } },
          ...container,
        },
      ],
    });
    return made.taskDefinition.taskDefinitionArn;
  }

  async service(name: string, taskDefinition: string, more: object = {}): Promise<Service> {
    const made = await this.call('CreateService', { serviceName: name, taskDefinition, networkConfiguration: network, ...more });
    return made.service;
  }

  async run(taskDefinition: string, more: object = {}): Promise<Task> {
    return (await this.call('RunTask', { taskDefinition, networkConfiguration: network, ...more })).tasks[0];
  }

  async describe(service: string): Promise<Service> {
    return (await this.call('DescribeServices', { services: [service] })).services[0];
  }

  async task(arn: string | undefined): Promise<Task> {
    return (await this.call('DescribeTasks', { tasks: [arn] })).tasks[0];
  }

  /** Wanted and unwanted, stopped too. */
  async tasks(service: string): Promise<Task[]> {
    const lists = await Promise.all(
      ['RUNNING', 'STOPPED'].map((desiredStatus) => this.call('ListTasks', { serviceName: service, desiredStatus })),
    );
    return Promise.all(lists.flatMap((list) => list.taskArns).map((arn) => this.task(arn)));
  }

  async running(service: string): Promise<Task[]> {
    return (await this.tasks(service)).filter((task) => task.lastStatus === 'RUNNING');
  }

  stopped(arn: string | undefined): Promise<Task> {
    return eventually(async () => {
      const task = await this.task(arn);
      return task.lastStatus === 'STOPPED' && task;
    });
  }

  /** As the SDK's waiter has it, and the deployment is complete. */
  stable(service: string): Promise<Service> {
    return eventually(async () => {
      const row = await this.describe(service);
      const complete = row.deployments?.length === 1 && row.deployments[0]!.rolloutState === 'COMPLETED';
      return complete && row.runningCount === row.desiredCount && row;
    }, 20);
  }

  async lines(stream?: string): Promise<string[]> {
    const found = await this.sandbox.call('logs', 'FilterLogEvents', {
      logGroupName: '/app',
      ...(stream ? { logStreamNames: [stream] } : {}),
    });
    return found.events.map((event: { message: string }) => event.message);
  }

  async stop(): Promise<void> {
    await this.sandbox.stop();
    rmSync(this.images, { recursive: true, force: true });
  }
}

export const network = { awsvpcConfiguration: { subnets: ['subnet-1'], securityGroups: ['sg-1'] } };
export const portOf = (task: Task): number => task.containers?.[0]?.networkBindings?.[0]?.hostPort ?? 0;
export const idOf = (task: Task): string => task.taskArn!.split('/').at(-1)!;

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // a process that is dead and not yet collected by its parent still takes signals.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
