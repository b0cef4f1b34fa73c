/** Elastic Container Service on Fargate: tasks are processes on this machine. What is served: docs/sandbox/ecs.md. */
import type { Sandbox, Service } from '../../service';
import { clusterHandlers } from './clusters';
import { keyOf, Scheduler } from './scheduler';
import { serviceHandlers } from './services';
import type { ClusterRow, EcsTables, ServiceRow, TaskDefinitionRow, TaskRow } from './tables';
import { tagHandlers } from './tags';
import { taskDefinitionHandlers } from './task-definitions';
import { TaskLife } from './task-life';
import { taskHandlers } from './tasks';

export function ecs(sandbox: Sandbox): Service {
  const tables: EcsTables = {
    sandbox,
    clusters: sandbox.table<ClusterRow>('ecs.clusters'),
    taskDefinitions: sandbox.table<TaskDefinitionRow>('ecs.task-definitions'),
    services: sandbox.table<ServiceRow>('ecs.services'),
    tasks: sandbox.table<TaskRow>('ecs.tasks'),
    tokens: sandbox.table<{ request: string; tasks: string[] }>('ecs.client-tokens'),
  };
  const scheduler: Scheduler = new Scheduler(tables, () => life);
  const life: TaskLife = new TaskLife(tables, (row) => scheduler.taskChanged(row));
  let lastLook = 0;
  return {
    client: 'client-ecs',
    handlers: {
      ...clusterHandlers(tables),
      ...taskDefinitionHandlers(tables),
      ...serviceHandlers(tables, scheduler),
      ...taskHandlers(tables, life),
      ...tagHandlers(tables),
    },
    /** Tasks died with the last run of the sandbox; services are brought back to their count with new ones. */
    async start() {
      await life.bury();
      for (const service of tables.services.values()) scheduler.poke(keyOf(service));
      sandbox.every(5, () => {
        // at a high speed that would be all the time.
        if (Date.now() - lastLook < 100) return;
        lastLook = Date.now();
        scheduler.pokeAll();
      });
    },
    async stop() {
      await scheduler.stop();
      await life.halt();
    },
    faults: { kill: async (target) => life.killOne(target) },
  };
}
