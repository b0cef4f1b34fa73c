/** Makes a worker's ECS service at zero, keeps its definition up to date, and never touches how many run. */

import { makeClients } from '../../aws/clients';
import { type WorkerDefinition, WorkerServices } from '../../aws/worker-services';
import { wallClock } from '../../base/clock';
import { workerPropertiesSchema } from '../properties';
import { customResource } from './respond';

const clients = makeClients();
const services = new WorkerServices(clients);

export const handler = customResource(workerPropertiesSchema, async ({ type, properties, old, requestId, deadline }) => {
  const { Cluster: cluster, Service: service, Scaling: scaling } = properties;
  const answer = { physicalId: `${cluster}/${service}` };
  const status = await services.status(cluster, service);
  if (type === 'Delete') {
    if (status !== undefined && status !== 'INACTIVE') await drainAndDelete(cluster, service, status, deadline);
    return answer;
  }
  const worker: WorkerDefinition = {
    cluster,
    service,
    taskDefinition: properties.TaskDefinition,
    subnets: properties.Subnets,
    securityGroups: properties.SecurityGroups,
    once: properties.Once,
    scaling: scaling && { min: scaling.Min, max: scaling.Max, cpuPercent: scaling.CpuPercent },
  };
  // a service that is there already: an update, or a Create whose first answer was lost.
  if (status === 'ACTIVE') await services.update(worker);
  else await services.create(worker, requestId);
  if (JSON.stringify(scaling) !== JSON.stringify(old?.Scaling)) await services.scale(worker);
  return answer;
});

async function drainAndDelete(cluster: string, service: string, status: string, deadline: number): Promise<void> {
  if (status === 'ACTIVE') {
    // scaling would start what is being stopped.
    await services.scale({ cluster, service, taskDefinition: '', subnets: [], securityGroups: [], once: true });
    await services.toZero(cluster, service);
    for (let pause = 250; ; pause = Math.min(pause * 2, 4_000)) {
      const alive = await services.alive(cluster, service);
      if (alive === 0) break;
      if (wallClock.now() > deadline - 10_000)
        throw new Error(
          `${alive} tasks of ${service} have not stopped; see aws ecs list-tasks --cluster ${cluster} --service-name ${service}`,
        );
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    await services.delete(cluster, service);
  }
  // a service of this name can be made again only once it is inactive.
  while (!['INACTIVE', undefined].includes(await services.status(cluster, service))) {
    if (wallClock.now() > deadline - 10_000) throw new Error(`the service ${service} is still draining`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
