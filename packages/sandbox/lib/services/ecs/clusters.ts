/** Clusters: their operations. */
import type * as Sdk from '@aws-sdk/client-ecs';
import { AwsError } from '../../service';
import { type ClusterRow, clusterOf, type EcsTables, pageOf, shortName } from './tables';

export const clusterHandlers = (tables: EcsTables) => {
  const show = (row: ClusterRow): Sdk.Cluster => {
    const tasks = tables.tasks.values().filter((task) => task.clusterArn === row.arn);
    return {
      clusterArn: row.arn,
      clusterName: row.name,
      status: row.status,
      configuration: row.configuration,
      registeredContainerInstancesCount: 0,
      runningTasksCount: tasks.filter((task) => task.task.lastStatus === 'RUNNING').length,
      pendingTasksCount: tasks.filter((task) => task.task.lastStatus === 'PROVISIONING' || task.task.lastStatus === 'PENDING').length,
      activeServicesCount: tables.services.values().filter((service) => service.clusterArn === row.arn && service.status === 'ACTIVE')
        .length,
      statistics: [],
      tags: row.tags,
      settings: row.settings,
      capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
      defaultCapacityProviderStrategy: [],
    };
  };
  return {
    /** A cluster that is there already is answered as it is. */
    CreateCluster(input: Sdk.CreateClusterRequest): Sdk.CreateClusterResponse {
      const name = input.clusterName ?? 'default';
      const known = tables.clusters.get(name);
      if (known?.status === 'ACTIVE') return { cluster: show(known) };
      const row = tables.clusters.set(name, {
        arn: tables.sandbox.arn('ecs', `cluster/${name}`),
        name,
        status: 'ACTIVE',
        settings: input.settings ?? [],
        configuration: input.configuration,
        tags: input.tags ?? [],
      });
      return { cluster: show(row) };
    },

    DescribeClusters(input: Sdk.DescribeClustersRequest): Sdk.DescribeClustersResponse {
      const clusters: Sdk.Cluster[] = [];
      const failures: Sdk.Failure[] = [];
      for (const name of input.clusters ?? ['default']) {
        const row = tables.clusters.get(shortName(name));
        if (row) clusters.push(show(row));
        else failures.push({ arn: tables.sandbox.arn('ecs', `cluster/${shortName(name)}`), reason: 'MISSING' });
      }
      return { clusters, failures };
    },

    ListClusters(input: Sdk.ListClustersRequest): Sdk.ListClustersResponse {
      const { rows, ...next } = pageOf(
        tables.clusters.values().filter((row) => row.status === 'ACTIVE'),
        input,
      );
      return { clusterArns: rows.map((row) => row.arn), ...next };
    },

    UpdateCluster(input: Sdk.UpdateClusterRequest): Sdk.UpdateClusterResponse {
      const row = clusterOf(tables, input.cluster);
      const changed = { ...row, settings: input.settings ?? row.settings, configuration: input.configuration ?? row.configuration };
      return { cluster: show(tables.clusters.set(row.name, changed)) };
    },

    DeleteCluster(input: Sdk.DeleteClusterRequest): Sdk.DeleteClusterResponse {
      const row = clusterOf(tables, input.cluster);
      if (tables.services.values().some((service) => service.clusterArn === row.arn && service.status !== 'INACTIVE')) {
        throw new AwsError('ClusterContainsServicesException', 'The Cluster cannot be deleted while Services are active.');
      }
      if (tables.tasks.values().some((task) => task.clusterArn === row.arn && task.task.lastStatus !== 'STOPPED')) {
        throw new AwsError('ClusterContainsTasksException', 'The Cluster cannot be deleted while Tasks are active.');
      }
      return { cluster: show(tables.clusters.set(row.name, { ...row, status: 'INACTIVE' })) };
    },
  };
};
