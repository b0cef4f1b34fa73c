/** What ECS remembers, and how its parts reach each other. */
import type * as Sdk from '@aws-sdk/client-ecs';
import { AwsError, type Sandbox } from '../../service';
import type { Table } from '../../state';

export interface ClusterRow {
  arn: string;
  name: string;
  status: 'ACTIVE' | 'INACTIVE';
  settings: Sdk.ClusterSetting[];
  configuration?: Sdk.ClusterConfiguration | undefined;
  tags: Sdk.Tag[];
}

export interface TaskDefinitionRow {
  arn: string;
  definition: Sdk.TaskDefinition & { family: string; revision: number };
  tags: Sdk.Tag[];
}

export interface TaskRow {
  arn: string;
  clusterArn: string;
  /** As ListTasks filters by it. */
  family: string;
  serviceName?: string;
  serviceArn?: string;
  /** As DescribeTasks shows it. */
  task: Sdk.Task;
  /** The port of the process on 127.0.0.1; 0 until it has one. */
  port: number;
  /** Where the task is registered as a target while it runs. */
  targetGroups: string[];
}

export interface DeploymentRow {
  id: string;
  status: 'PRIMARY' | 'ACTIVE';
  taskDefinition: string;
  networkConfiguration?: Sdk.NetworkConfiguration | undefined;
  platformVersion: string;
  createdAt: Date;
  updatedAt: Date;
  rolloutState: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  rolloutStateReason: string;
  failedTasks: number;
}

export interface ServiceRow {
  arn: string;
  name: string;
  clusterArn: string;
  status: 'ACTIVE' | 'DRAINING' | 'INACTIVE';
  desiredCount: number;
  launchType?: Sdk.LaunchType | undefined;
  capacityProviderStrategy?: Sdk.CapacityProviderStrategyItem[] | undefined;
  loadBalancers: Sdk.LoadBalancer[];
  serviceRegistries: Sdk.ServiceRegistry[];
  serviceConnectConfiguration?: Sdk.ServiceConnectConfiguration | undefined;
  deploymentConfiguration: Sdk.DeploymentConfiguration;
  healthCheckGracePeriodSeconds?: number | undefined;
  roleArn?: string | undefined;
  enableECSManagedTags: boolean;
  enableExecuteCommand: boolean;
  propagateTags: Sdk.PropagateTags;
  availabilityZoneRebalancing?: Sdk.AvailabilityZoneRebalancing | undefined;
  createdAt: Date;
  /** The newest first; that one is PRIMARY. */
  deployments: DeploymentRow[];
  /** What a deployment that fails is rolled back to. */
  lastCompleted?: { id: string; taskDefinition: string } | undefined;
  /** The newest first. */
  events: Sdk.ServiceEvent[];
  steady: boolean;
  /** Tasks that ended soon after their start, in a row. */
  failures: number;
  /** No task is started before, in real milliseconds. */
  retryAt: number;
  clientToken?: string | undefined;
  tags: Sdk.Tag[];
}

export interface EcsTables {
  readonly sandbox: Sandbox;
  readonly clusters: Table<ClusterRow>;
  readonly taskDefinitions: Table<TaskDefinitionRow>;
  readonly services: Table<ServiceRow>;
  readonly tasks: Table<TaskRow>;
  /** What RunTask answered to a client token. */
  readonly tokens: Table<{ request: string; tasks: string[] }>;
}

export const invalid = (message: string): AwsError => new AwsError('InvalidParameterException', message);
export const clientError = (message: string): AwsError => new AwsError('ClientException', message);

/** `cluster` and everything else is named by its short name or its ARN. */
export const shortName = (nameOrArn: string): string => nameOrArn.split('/').at(-1)!;

export function clusterOf(tables: EcsTables, nameOrArn: string | undefined): ClusterRow {
  const row = tables.clusters.get(shortName(nameOrArn ?? 'default'));
  if (row?.status !== 'ACTIVE') throw new AwsError('ClusterNotFoundException', 'Cluster not found.');
  return row;
}

export function serviceOf(tables: EcsTables, cluster: ClusterRow, nameOrArn: string | undefined): ServiceRow {
  const row = tables.services.get(`${cluster.name}/${shortName(nameOrArn ?? '')}`);
  if (!row || row.status === 'INACTIVE') throw new AwsError('ServiceNotFoundException', 'Service not found.');
  return row;
}

export const saveService = (tables: EcsTables, row: ServiceRow): ServiceRow =>
  tables.services.set(`${shortName(row.clusterArn)}/${row.name}`, row);

/** By ARN, `family:revision`, or `family` for its newest active revision. */
export function findTaskDefinition(tables: EcsTables, name: string | undefined): TaskDefinitionRow | undefined {
  const short = shortName(name ?? '');
  if (short.includes(':')) return tables.taskDefinitions.get(short);
  return tables.taskDefinitions
    .values()
    .filter((row) => row.definition.family === short && row.definition.status === 'ACTIVE')
    .sort((one, other) => other.definition.revision - one.definition.revision)[0];
}

export function activeTaskDefinition(tables: EcsTables, name: string | undefined): TaskDefinitionRow {
  const row = findTaskDefinition(tables, name);
  if (!row) throw clientError(`TaskDefinition not found: ${name}`);
  if (row.definition.status !== 'ACTIVE') throw clientError(`TaskDefinition is inactive: ${name}`);
  return row;
}

/** One page of a list of names; the token is the place in the list. */
export function pageOf<T>(
  all: T[],
  input: { nextToken?: string | undefined; maxResults?: number | undefined },
): { rows: T[]; nextToken?: string } {
  const start = input.nextToken === undefined ? 0 : Number(Buffer.from(input.nextToken, 'base64').toString());
  if (!Number.isInteger(start) || start < 0) throw invalid('Invalid token');
  const end = start + (input.maxResults ?? 100);
  const rows = all.slice(start, end);
  return end < all.length ? { rows, nextToken: Buffer.from(String(end)).toString('base64') } : { rows };
}
