/** ECS clusters, task definitions, and services that are complete when they are stable. */
import type { Properties } from '../records';
import { changed, gone, type ResourceCall, type ResourceType } from '../type';

const cluster: ResourceType = {
  createOnly: ['ClusterName'],
  async create(properties, call) {
    const name = properties['ClusterName'] ?? call.name(255);
    const { cluster: made } = await call.send('ecs', 'CreateCluster', {
      ...properties,
      ClusterName: name,
      Settings: properties['ClusterSettings'],
      Tags: call.tags(properties['Tags']),
    });
    return { id: name, attributes: { Arn: made.clusterArn } };
  },
  async update(properties, call, made, before) {
    if (changed(before, properties, 'ClusterSettings', 'Configuration', 'ServiceConnectDefaults'))
      await call.send('ecs', 'UpdateCluster', { ...properties, Cluster: made.id, Settings: properties['ClusterSettings'] });
    return made;
  },
  delete: (call, { id }) => gone(call.send('ecs', 'DeleteCluster', { Cluster: id })),
};

const capacityProviders: ResourceType = {
  createOnly: ['Cluster'],
  async create(properties, call) {
    await call.send('ecs', 'PutClusterCapacityProviders', properties);
    return { id: properties['Cluster'] };
  },
  async update(properties, call, made) {
    await call.send('ecs', 'PutClusterCapacityProviders', properties);
    return made;
  },
  delete: (call, { id }) =>
    gone(call.send('ecs', 'PutClusterCapacityProviders', { Cluster: id, CapacityProviders: [], DefaultCapacityProviderStrategy: [] })),
};

const taskDefinition: ResourceType = {
  createOnly: [
    'ContainerDefinitions',
    'Cpu',
    'EphemeralStorage',
    'ExecutionRoleArn',
    'Family',
    'InferenceAccelerators',
    'IpcMode',
    'Memory',
    'NetworkMode',
    'PidMode',
    'PlacementConstraints',
    'ProxyConfiguration',
    'RequiresCompatibilities',
    'RuntimePlatform',
    'TaskRoleArn',
    'Volumes',
  ],
  async create(properties, call) {
    const { taskDefinition: made } = await call.send('ecs', 'RegisterTaskDefinition', {
      ...properties,
      Family: properties['Family'] ?? call.name(255),
      Tags: call.tags(properties['Tags']),
    });
    return { id: made.taskDefinitionArn, attributes: { TaskDefinitionArn: made.taskDefinitionArn } };
  },
  delete: (call, { id }) => gone(call.send('ecs', 'DeregisterTaskDefinition', { TaskDefinition: id }), 'ClientException'),
};

const service: ResourceType = {
  createOnly: ['Cluster', 'DeploymentController', 'LaunchType', 'Role', 'SchedulingStrategy', 'ServiceName'],
  async create(properties, call) {
    const name = properties['ServiceName'] ?? call.name(255);
    const { service: made } = await call.send('ecs', 'CreateService', {
      ...properties,
      ServiceName: name,
      Tags: call.tags(properties['Tags']),
    });
    call.started(made.serviceArn);
    await stable(made, call);
    return { id: made.serviceArn, attributes: { Name: made.serviceName, ServiceArn: made.serviceArn } };
  },
  async update(properties, call, made, before) {
    // a property that left the template, such as a desired count, is left as it is.
    const { service: updated } = await call.send('ecs', 'UpdateService', {
      ...properties,
      ...(changed(before, properties, 'DesiredCount') ? {} : { DesiredCount: undefined }),
      Service: made.id,
    });
    await stable(updated, call);
    return made;
  },
  async delete(call, { id }, properties) {
    const cluster = properties['Cluster'];
    await gone(call.send('ecs', 'DeleteService', { Cluster: cluster, Service: id, Force: true }), 'ServiceNotActiveException');
    await call.until('the service to be inactive', async () => {
      const answer = await call.send('ecs', 'DescribeServices', { Cluster: cluster, Services: [id] }).catch(() => ({ services: [] }));
      const [found] = answer.services as Properties[];
      return !found || found['status'] === 'INACTIVE' ? true : undefined;
    });
  },
};

/** AWS waits up to three hours; a circuit breaker ends it earlier. */
async function stable(made: Properties, call: ResourceCall): Promise<void> {
  const wanted = (made['deployments'] as Properties[] | undefined)?.find((one) => one['status'] === 'PRIMARY')?.['id'];
  await call.until(
    `the service ${made['serviceName']} to be stable`,
    async () => {
      const answer = await call.send('ecs', 'DescribeServices', { Cluster: made['clusterArn'], Services: [made['serviceArn']] });
      const [found] = answer.services as Properties[];
      if (found?.['status'] !== 'ACTIVE')
        throw Object.assign(new Error(`the service is ${found?.['status'] ?? 'gone'}`), { name: 'NotStabilized' });
      const deployments = (found['deployments'] ?? []) as Properties[];
      const own = deployments.find((one) => one['id'] === wanted);
      if (wanted && (!own || own['rolloutState'] === 'FAILED'))
        throw Object.assign(new Error("Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."), {
          name: 'GeneralServiceException',
        });
      const settled = deployments.length === 1 && found['runningCount'] === found['desiredCount'];
      return settled && (deployments[0]!['rolloutState'] ?? 'COMPLETED') === 'COMPLETED' ? true : undefined;
    },
    { every: 3, timeout: 3 * 3600 },
  );
}

export const ecsTypes: Readonly<Record<string, ResourceType>> = {
  'AWS::ECS::Cluster': cluster,
  'AWS::ECS::ClusterCapacityProviderAssociations': capacityProviders,
  'AWS::ECS::TaskDefinition': taskDefinition,
  'AWS::ECS::Service': service,
};
