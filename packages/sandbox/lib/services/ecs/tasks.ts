/** Tasks: their operations. */
import type * as Sdk from '@aws-sdk/client-ecs';
import { AwsError } from '../../service';
import { activeTaskDefinition, clusterOf, type EcsTables, invalid, pageOf, shortName, type TaskRow } from './tables';
import type { TaskLife } from './task-life';

export const taskHandlers = (tables: EcsTables, life: TaskLife) => {
  const show = (row: TaskRow, include: readonly string[] | undefined): Sdk.Task => ({
    ...row.task,
    tags: include?.includes('TAGS') ? row.task.tags : [],
  });
  const tasksOf = (clusterArn: string): TaskRow[] => tables.tasks.values().filter((row) => row.clusterArn === clusterArn);

  return {
    /** The same client token starts the same tasks only once. */
    RunTask(input: Sdk.RunTaskRequest): Sdk.RunTaskResponse {
      const cluster = clusterOf(tables, input.cluster);
      const count = input.count ?? 1;
      if (count < 1 || count > 10) throw invalid(`count '${count}' must be between 1 and 10.`);
      if ((input.startedBy?.length ?? 0) > 128) throw invalid('startedBy can have at most 128 characters.');
      if ((input.clientToken?.length ?? 0) > 64) throw invalid('clientToken can have at most 64 characters.');
      const { clientToken, ...rest } = input;
      const request = JSON.stringify(rest);
      const before = clientToken ? tables.tokens.get(`${cluster.name} ${clientToken}`) : undefined;
      if (before) {
        if (before.request !== request)
          throw new AwsError('ConflictException', `The client token '${clientToken}' was used with other parameters.`, 400, {
            resourceIds: before.tasks,
          });
        return { tasks: before.tasks.flatMap((arn) => tables.tasks.get(arn)?.task ?? []), failures: [] };
      }
      const definition = activeTaskDefinition(tables, input.taskDefinition);
      if (definition.definition.networkMode === 'awsvpc' && !input.networkConfiguration?.awsvpcConfiguration?.subnets?.length) {
        throw invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.");
      }
      for (const override of input.overrides?.containerOverrides ?? []) {
        if (!definition.definition.containerDefinitions?.some((container) => container.name === override.name)) {
          throw invalid(`Override for container named ${override.name} is not a container in the TaskDefinition.`);
        }
      }
      const tasks = Array.from({ length: count }, () =>
        life.launch({
          definition,
          clusterArn: cluster.arn,
          group: input.group ?? `family:${definition.definition.family}`,
          startedBy: input.startedBy,
          overrides: input.overrides,
          networkConfiguration: input.networkConfiguration,
          launchType: input.launchType,
          tags: [...(input.propagateTags === 'TASK_DEFINITION' ? definition.tags : []), ...(input.tags ?? [])],
        }),
      );
      if (clientToken) tables.tokens.set(`${cluster.name} ${clientToken}`, { request, tasks: tasks.map((row) => row.arn) });
      return { tasks: tasks.map((row) => row.task), failures: [] };
    },

    /** Deregisters and sends SIGTERM at once: unlike the service scheduler it does not wait for the load balancer to drain. */
    StopTask(input: Sdk.StopTaskRequest): Sdk.StopTaskResponse {
      const cluster = clusterOf(tables, input.cluster);
      const row = tasksOf(cluster.arn).find((one) => shortName(one.arn) === shortName(input.task ?? ''));
      if (!row) throw invalid('The referenced task was not found.');
      life.stop(row, { code: 'UserInitiated', reason: input.reason ?? 'Task stopped by user', drain: false });
      return { task: row.task };
    },

    DescribeTasks(input: Sdk.DescribeTasksRequest): Sdk.DescribeTasksResponse {
      const cluster = clusterOf(tables, input.cluster);
      if (!input.tasks?.length) throw invalid('Tasks cannot be empty.');
      if (input.tasks.length > 100) throw invalid(`Tasks can be at most 100, not ${input.tasks.length}.`);
      const tasks: Sdk.Task[] = [];
      const failures: Sdk.Failure[] = [];
      for (const name of input.tasks) {
        const row = tables.tasks.get(tables.sandbox.arn('ecs', `task/${cluster.name}/${shortName(name)}`));
        if (row) tasks.push(show(row, input.include));
        else failures.push({ arn: tables.sandbox.arn('ecs', `task/${cluster.name}/${shortName(name)}`), reason: 'MISSING' });
      }
      return { tasks, failures };
    },

    /** By default those that are wanted: a task that is stopping is listed under STOPPED only. */
    ListTasks(input: Sdk.ListTasksRequest): Sdk.ListTasksResponse {
      const cluster = clusterOf(tables, input.cluster);
      // "When you specify startedBy as a filter, it must be the only filter that you use": ListTasks in the ECS API reference.
      if (input.startedBy && (input.desiredStatus || input.family || input.serviceName || input.launchType || input.containerInstance))
        throw invalid('startedBy must be the only filter that is used.');
      const status = input.desiredStatus ?? 'RUNNING';
      const serviceName = input.serviceName && shortName(input.serviceName);
      if (serviceName && !tables.services.has(`${cluster.name}/${serviceName}`))
        throw new AwsError('ServiceNotFoundException', 'Service not found.');
      // AWS promises no order; the newest first keeps an earlier attempt's tasks out of what the CDK CLI shows of a failure.
      const found = tasksOf(cluster.arn)
        .toReversed()
        .filter(
          (row) =>
            row.task.desiredStatus === status &&
            (!serviceName || row.serviceName === serviceName) &&
            (!input.family || row.family === input.family) &&
            (!input.startedBy || row.task.startedBy === input.startedBy),
        );
      const { rows, ...next } = pageOf(found, input);
      return { taskArns: rows.map((row) => row.arn), ...next };
    },
  };
};
