/** Task definitions: families of numbered revisions. */
import type * as Sdk from '@aws-sdk/client-ecs';
import { clientError, type EcsTables, findTaskDefinition, pageOf, type TaskDefinitionRow } from './tables';

export const taskDefinitionHandlers = (tables: EcsTables) => ({
  RegisterTaskDefinition(input: Sdk.RegisterTaskDefinitionRequest): Sdk.RegisterTaskDefinitionResponse {
    const { tags, ...given } = input;
    const family = given.family ?? '';
    if (!/^[\w-]{1,255}$/.test(family))
      throw clientError(`Family '${family}' must have 1 to 255 letters, digits, hyphens and underscores.`);
    const containers = (given.containerDefinitions ?? []).map(checkedContainer);
    if (containers.length !== 1) {
      throw clientError(`The sandbox runs tasks of exactly one container; task definition '${family}' has ${containers.length}.`);
    }
    if (given.requiresCompatibilities?.includes('FARGATE')) {
      if (!given.cpu || !given.memory) throw clientError("Fargate requires that 'cpu' and 'memory' be defined at the task level.");
      if (given.networkMode !== 'awsvpc') throw clientError("Fargate only supports network mode 'awsvpc'.");
    }
    const revisions = tables.taskDefinitions.values().filter((row) => row.definition.family === family);
    const revision = Math.max(0, ...revisions.map((row) => row.definition.revision)) + 1;
    const arn = tables.sandbox.arn('ecs', `task-definition/${family}:${revision}`);
    const row = tables.taskDefinitions.set(`${family}:${revision}`, {
      arn,
      definition: {
        ...given,
        family,
        revision,
        taskDefinitionArn: arn,
        containerDefinitions: containers,
        volumes: given.volumes ?? [],
        placementConstraints: given.placementConstraints ?? [],
        status: 'ACTIVE',
        compatibilities: ['EC2', 'FARGATE'],
        registeredAt: new Date(),
      },
      tags: tags ?? [],
    });
    return { taskDefinition: row.definition, tags: row.tags };
  },

  DescribeTaskDefinition(input: Sdk.DescribeTaskDefinitionRequest): Sdk.DescribeTaskDefinitionResponse {
    const row = known(tables, input.taskDefinition, 'Unable to describe task definition.');
    return { taskDefinition: row.definition, tags: input.include?.includes('TAGS') ? row.tags : [] };
  },

  /** Services and tasks of the revision keep running; nothing new can be started from it. */
  DeregisterTaskDefinition(input: Sdk.DeregisterTaskDefinitionRequest): Sdk.DeregisterTaskDefinitionResponse {
    const row = known(tables, input.taskDefinition, 'The specified task definition does not exist.');
    row.definition = { ...row.definition, status: 'INACTIVE', deregisteredAt: row.definition.deregisteredAt ?? new Date() };
    tables.taskDefinitions.set(`${row.definition.family}:${row.definition.revision}`, row);
    return { taskDefinition: row.definition };
  },

  ListTaskDefinitions(input: Sdk.ListTaskDefinitionsRequest): Sdk.ListTaskDefinitionsResponse {
    const status = input.status ?? 'ACTIVE';
    const order = input.sort === 'DESC' ? -1 : 1;
    const found = tables.taskDefinitions
      .values()
      .filter((row) => row.definition.status === status && (!input.familyPrefix || row.definition.family === input.familyPrefix))
      .sort((one, other) => {
        const [a, b] = [one.definition, other.definition];
        return order * (a.family === b.family ? a.revision - b.revision : a.family < b.family ? -1 : 1);
      });
    const { rows, ...next } = pageOf(found, input);
    return { taskDefinitionArns: rows.map((row) => row.arn), ...next };
  },
});

function known(tables: EcsTables, name: string | undefined, missing: string): TaskDefinitionRow {
  const row = findTaskDefinition(tables, name);
  if (!row) throw clientError(`${missing} (${name})`);
  return row;
}

function checkedContainer(container: Sdk.ContainerDefinition): Sdk.ContainerDefinition {
  if (!container.name || !container.image)
    throw clientError(`A container definition needs a name and an image; got '${container.name}' and '${container.image}'.`);
  const { logConfiguration } = container;
  if (logConfiguration && logConfiguration.logDriver !== 'awslogs') {
    throw clientError(
      `The log driver '${logConfiguration.logDriver}' of container '${container.name}' is not served by the sandbox, only 'awslogs'.`,
    );
  }
  for (const option of ['awslogs-group', 'awslogs-stream-prefix']) {
    if (logConfiguration && !logConfiguration.options?.[option]) throw clientError(`Log driver awslogs requires options: ${option}`);
  }
  if ((container.stopTimeout ?? 0) > 120)
    throw clientError(`The stop timeout '${container.stopTimeout}' of container '${container.name}' must be at most 120 seconds.`);
  return {
    cpu: 0,
    portMappings: [],
    essential: true,
    environment: [],
    mountPoints: [],
    volumesFrom: [],
    ...container,
  };
}
