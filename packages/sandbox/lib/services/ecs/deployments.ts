/** Deployments of a service. */
import type { NetworkConfiguration } from '@aws-sdk/client-ecs';
import type { DeploymentRow, EcsTables, ServiceRow } from './tables';

/** Puts a new deployment in front; the one before it is ACTIVE until its tasks are gone. */
export function newDeployment(
  tables: EcsTables,
  row: ServiceRow,
  runs: { taskDefinition: string; networkConfiguration?: NetworkConfiguration | undefined; platformVersion?: string | undefined },
  why?: string,
): DeploymentRow {
  const id = `ecs-svc/${BigInt(`0x${tables.sandbox.id(15)}`)
    .toString()
    .padStart(19, '0')
    .slice(0, 19)}`;
  const now = new Date();
  const deployment: DeploymentRow = {
    id,
    status: 'PRIMARY',
    taskDefinition: runs.taskDefinition,
    networkConfiguration: runs.networkConfiguration,
    platformVersion: runs.platformVersion ?? row.deployments[0]?.platformVersion ?? '1.4.0',
    createdAt: now,
    updatedAt: now,
    rolloutState: 'IN_PROGRESS',
    rolloutStateReason: why ?? `ECS deployment ${id} in progress.`,
    failedTasks: 0,
  };
  row.deployments = [deployment, ...row.deployments.map((old) => ({ ...old, status: 'ACTIVE' as const, updatedAt: now }))];
  row.steady = false;
  return deployment;
}
