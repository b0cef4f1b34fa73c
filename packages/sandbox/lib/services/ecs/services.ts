/** Services: their operations. What they lead to is done by the scheduler. */
import type * as Sdk from '@aws-sdk/client-ecs';
import { AwsError } from '../../service';
import { newDeployment } from './deployments';
import { keyOf, type Scheduler } from './scheduler';
import {
  activeTaskDefinition,
  clusterOf,
  type DeploymentRow,
  type EcsTables,
  invalid,
  pageOf,
  type ServiceRow,
  saveService,
  serviceOf,
  shortName,
  type TaskDefinitionRow,
  type TaskRow,
} from './tables';

const waiting = new Set(['PROVISIONING', 'PENDING']);

export const serviceHandlers = (tables: EcsTables, scheduler: Scheduler) => {
  const count = (tasks: TaskRow[]) => ({
    runningCount: tasks.filter((row) => row.task.lastStatus === 'RUNNING').length,
    pendingCount: tasks.filter((row) => waiting.has(row.task.lastStatus ?? '') && row.task.desiredStatus === 'RUNNING').length,
  });

  /** runningCount counts RUNNING tasks only: one that is stopping runs still, and is not counted. */
  const show = (row: ServiceRow): Sdk.Service => {
    const tasks = tables.tasks.values().filter((task) => task.serviceArn === row.arn);
    const desiredCount = row.status === 'ACTIVE' ? row.desiredCount : 0;
    const deployment = (one: DeploymentRow): Sdk.Deployment => ({
      ...one,
      desiredCount: one.status === 'PRIMARY' ? desiredCount : 0,
      ...count(tasks.filter((task) => task.task.startedBy === one.id)),
      launchType: row.launchType,
      capacityProviderStrategy: row.capacityProviderStrategy,
      platformFamily: 'Linux',
    });
    return {
      serviceArn: row.arn,
      serviceName: row.name,
      clusterArn: row.clusterArn,
      status: row.status,
      desiredCount,
      ...count(tasks),
      launchType: row.launchType,
      capacityProviderStrategy: row.capacityProviderStrategy,
      platformVersion: row.deployments[0]!.platformVersion,
      platformFamily: 'Linux',
      taskDefinition: row.deployments[0]!.taskDefinition,
      deploymentConfiguration: row.deploymentConfiguration,
      deployments: row.status === 'INACTIVE' ? [] : row.deployments.map(deployment),
      loadBalancers: row.loadBalancers,
      serviceRegistries: row.serviceRegistries,
      networkConfiguration: row.deployments[0]!.networkConfiguration,
      healthCheckGracePeriodSeconds: row.healthCheckGracePeriodSeconds,
      schedulingStrategy: 'REPLICA',
      deploymentController: { type: 'ECS' },
      roleArn: row.roleArn,
      events: row.events,
      createdAt: row.createdAt,
      placementConstraints: [],
      placementStrategy: [],
      enableECSManagedTags: row.enableECSManagedTags,
      enableExecuteCommand: row.enableExecuteCommand,
      propagateTags: row.propagateTags,
      availabilityZoneRebalancing: row.availabilityZoneRebalancing,
      tags: row.tags,
    };
  };

  return {
    /** DesiredCount left out is 1. */
    async CreateService(input: Sdk.CreateServiceRequest): Promise<Sdk.CreateServiceResponse> {
      const cluster = clusterOf(tables, input.cluster);
      const name = input.serviceName ?? '';
      if (!/^[\w-]{1,255}$/.test(name))
        throw invalid(`The service name '${name}' must have 1 to 255 letters, digits, hyphens and underscores.`);
      const known = tables.services.get(`${cluster.name}/${name}`);
      if (known && known.status !== 'INACTIVE') {
        if (known.status === 'DRAINING') throw invalid('Unable to Start a service that is still Draining.');
        if (input.clientToken && known.clientToken === input.clientToken) return { service: show(known) };
        throw invalid('Creation of service was not idempotent.');
      }
      if ((input.deploymentController?.type ?? 'ECS') !== 'ECS') {
        throw invalid(`The deployment controller '${input.deploymentController?.type}' is not served by the sandbox, only 'ECS'.`);
      }
      if ((input.schedulingStrategy ?? 'REPLICA') !== 'REPLICA')
        throw invalid(`The scheduling strategy '${input.schedulingStrategy}' is not served by the sandbox, only 'REPLICA'.`);
      const definition = activeTaskDefinition(tables, input.taskDefinition);
      checkNetwork(definition, input.networkConfiguration);
      await checkLoadBalancers(tables, definition, input.loadBalancers);
      const row: ServiceRow = {
        arn: tables.sandbox.arn('ecs', `service/${cluster.name}/${name}`),
        name,
        clusterArn: cluster.arn,
        status: 'ACTIVE',
        desiredCount: checkedCount(input.desiredCount ?? 1),
        launchType: input.launchType ?? (input.capacityProviderStrategy ? undefined : 'FARGATE'),
        capacityProviderStrategy: input.capacityProviderStrategy,
        loadBalancers: input.loadBalancers ?? [],
        serviceRegistries: input.serviceRegistries ?? [],
        serviceConnectConfiguration: input.serviceConnectConfiguration,
        deploymentConfiguration: withDefaults(input.deploymentConfiguration),
        healthCheckGracePeriodSeconds: input.healthCheckGracePeriodSeconds,
        roleArn: input.role,
        enableECSManagedTags: input.enableECSManagedTags ?? false,
        enableExecuteCommand: input.enableExecuteCommand ?? false,
        propagateTags: input.propagateTags ?? 'NONE',
        availabilityZoneRebalancing: input.availabilityZoneRebalancing,
        createdAt: new Date(),
        deployments: [],
        events: [],
        steady: false,
        failures: 0,
        retryAt: 0,
        clientToken: input.clientToken,
        tags: input.tags ?? [],
      };
      const platformVersion = input.platformVersion === 'LATEST' ? undefined : input.platformVersion;
      newDeployment(tables, row, { taskDefinition: definition.arn, networkConfiguration: input.networkConfiguration, platformVersion });
      saveService(tables, row);
      scheduler.poke(keyOf(row));
      return { service: show(row) };
    },

    /** A new task definition, network, load balancer or forceNewDeployment replaces the tasks; a new count does not. */
    async UpdateService(input: Sdk.UpdateServiceRequest): Promise<Sdk.UpdateServiceResponse> {
      const cluster = clusterOf(tables, input.cluster);
      const row = serviceOf(tables, cluster, input.service);
      if (row.status !== 'ACTIVE') throw new AwsError('ServiceNotActiveException', 'Service was not ACTIVE.');
      const current = row.deployments[0]!;
      const definition = input.taskDefinition === undefined ? undefined : activeTaskDefinition(tables, input.taskDefinition);
      const used = definition ?? activeOrCurrent(tables, current.taskDefinition);
      if (input.networkConfiguration) checkNetwork(used, input.networkConfiguration);
      if (input.loadBalancers) await checkLoadBalancers(tables, used, input.loadBalancers);
      const desiredCount = checkedCount(input.desiredCount ?? row.desiredCount);
      row.deploymentConfiguration = withDefaults({ ...row.deploymentConfiguration, ...input.deploymentConfiguration });
      row.desiredCount = desiredCount;
      row.healthCheckGracePeriodSeconds = input.healthCheckGracePeriodSeconds ?? row.healthCheckGracePeriodSeconds;
      row.capacityProviderStrategy = input.capacityProviderStrategy ?? row.capacityProviderStrategy;
      row.enableECSManagedTags = input.enableECSManagedTags ?? row.enableECSManagedTags;
      row.enableExecuteCommand = input.enableExecuteCommand ?? row.enableExecuteCommand;
      row.propagateTags = input.propagateTags ?? row.propagateTags;
      row.availabilityZoneRebalancing = input.availabilityZoneRebalancing ?? row.availabilityZoneRebalancing;
      row.loadBalancers = input.loadBalancers ?? row.loadBalancers;
      row.serviceRegistries = input.serviceRegistries ?? row.serviceRegistries;
      const network = input.networkConfiguration ?? current.networkConfiguration;
      const different =
        (definition && definition.arn !== current.taskDefinition) ||
        !same(network, current.networkConfiguration) ||
        Boolean(input.loadBalancers) ||
        (input.platformVersion && input.platformVersion !== 'LATEST' && input.platformVersion !== current.platformVersion);
      if (different || input.forceNewDeployment) {
        newDeployment(tables, row, { taskDefinition: used.arn, networkConfiguration: network, platformVersion: current.platformVersion });
        row.failures = 0;
        row.retryAt = 0;
      }
      saveService(tables, row);
      scheduler.poke(keyOf(row));
      return { service: show(row) };
    },

    DeleteService(input: Sdk.DeleteServiceRequest): Sdk.DeleteServiceResponse {
      const row = serviceOf(tables, clusterOf(tables, input.cluster), input.service);
      if (row.status === 'ACTIVE' && row.desiredCount > 0 && !input.force) {
        throw invalid('The service cannot be stopped while it is scaled above 0.');
      }
      row.status = 'DRAINING';
      row.desiredCount = 0;
      saveService(tables, row);
      scheduler.poke(keyOf(row));
      return { service: show(row) };
    },

    DescribeServices(input: Sdk.DescribeServicesRequest): Sdk.DescribeServicesResponse {
      const cluster = clusterOf(tables, input.cluster);
      if (!input.services?.length) throw invalid('Services cannot be empty.');
      if (input.services.length > 10) throw invalid(`Services can be at most 10, not ${input.services.length}.`);
      const services: Sdk.Service[] = [];
      const failures: Sdk.Failure[] = [];
      for (const name of input.services) {
        const row = tables.services.get(`${cluster.name}/${shortName(name)}`);
        if (row) services.push({ ...show(row), tags: input.include?.includes('TAGS') ? row.tags : [] });
        else failures.push({ arn: tables.sandbox.arn('ecs', `service/${cluster.name}/${shortName(name)}`), reason: 'MISSING' });
      }
      return { services, failures };
    },

    ListServices(input: Sdk.ListServicesRequest): Sdk.ListServicesResponse {
      const cluster = clusterOf(tables, input.cluster);
      const found = tables.services.values().filter((row) => row.clusterArn === cluster.arn && row.status !== 'INACTIVE');
      const { rows, ...next } = pageOf(found, { maxResults: 10, ...input });
      return { serviceArns: rows.map((row) => row.arn), ...next };
    },
  };
};

function withDefaults(given: Sdk.DeploymentConfiguration | undefined): Sdk.DeploymentConfiguration {
  const strategy = given?.strategy ?? 'ROLLING';
  if (strategy !== 'ROLLING') throw invalid(`The deployment strategy '${strategy}' is not served by the sandbox, only 'ROLLING'.`);
  return {
    deploymentCircuitBreaker: { enable: false, rollback: false },
    maximumPercent: 200,
    minimumHealthyPercent: 100,
    ...given,
    strategy,
  };
}

function checkedCount(count: number): number {
  if (!Number.isInteger(count) || count < 0) throw invalid(`The desired count '${count}' must be 0 or more.`);
  return count;
}

function checkNetwork(definition: TaskDefinitionRow, network: Sdk.NetworkConfiguration | undefined): void {
  if (definition.definition.networkMode === 'awsvpc' && !network?.awsvpcConfiguration?.subnets?.length) {
    throw invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.");
  }
}

async function checkLoadBalancers(
  tables: EcsTables,
  definition: TaskDefinitionRow,
  balancers: Sdk.LoadBalancer[] | undefined,
): Promise<void> {
  for (const { targetGroupArn, containerName, containerPort } of balancers ?? []) {
    const container = definition.definition.containerDefinitions!.find((one) => one.name === containerName);
    if (!container) throw invalid(`The container ${containerName} does not exist in the task definition.`);
    if (!container.portMappings?.some((mapping) => mapping.containerPort === containerPort)) {
      throw invalid(`The container ${containerName} did not have a container port ${containerPort} defined.`);
    }
    const found = await tables.sandbox
      .call('elbv2', 'DescribeTargetGroups', { TargetGroupArns: [targetGroupArn] })
      .catch((error: Error) => {
        throw invalid(`Unable to describe the target group with targetGroupArn ${targetGroupArn}: ${error.message}`);
      });
    if (!found.TargetGroups[0].LoadBalancerArns?.length) {
      throw invalid(`The target group with targetGroupArn ${targetGroupArn} does not have an associated load balancer.`);
    }
  }
}

/** A service may go on with a revision that was deregistered. */
function activeOrCurrent(tables: EcsTables, arn: string): TaskDefinitionRow {
  return tables.taskDefinitions.get(shortName(arn))!;
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
