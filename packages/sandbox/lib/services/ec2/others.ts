/** Endpoints, network interfaces and flow logs: kept, described, deleted. */
import type {
  CreateFlowLogsRequest,
  CreateNetworkInterfaceRequest,
  CreateVpcEndpointRequest,
  ModifyVpcEndpointRequest,
} from '@aws-sdk/client-ec2';
import type { Handler } from '../../service';
import type { Ec2Tables } from './tables';

export function otherHandlers(tables: Ec2Tables): Record<string, Handler> {
  const { sandbox } = tables;
  return {
    CreateVpcEndpoint: (input: CreateVpcEndpointRequest) => {
      tables.get('Vpcs', input.VpcId);
      const endpoint = tables.create(
        'VpcEndpoints',
        {
          VpcEndpointType: input.VpcEndpointType ?? 'Gateway',
          VpcId: input.VpcId,
          ServiceName: input.ServiceName,
          State: 'available',
          PolicyDocument: input.PolicyDocument,
          RouteTableIds: input.RouteTableIds ?? [],
          SubnetIds: input.SubnetIds ?? [],
          Groups: (input.SecurityGroupIds ?? []).map((GroupId) => ({ GroupId })),
          PrivateDnsEnabled: input.PrivateDnsEnabled ?? false,
          CreationTimestamp: new Date(),
          OwnerId: sandbox.account,
        },
        input.TagSpecifications,
      );
      return { VpcEndpoint: endpoint };
    },
    DescribeVpcEndpoints: tables.describe('VpcEndpoints'),
    ModifyVpcEndpoint: (input: ModifyVpcEndpointRequest) => {
      const endpoint = tables.get('VpcEndpoints', input.VpcEndpointId);
      const edited = (name: string, add: string[] | undefined, remove: string[] | undefined): string[] => [
        ...((endpoint[name] as string[] | undefined) ?? []).filter((id) => !remove?.includes(id)),
        ...(add ?? []),
      ];
      tables.save('VpcEndpoints', {
        ...endpoint,
        PolicyDocument: input.ResetPolicy ? undefined : (input.PolicyDocument ?? endpoint['PolicyDocument']),
        PrivateDnsEnabled: input.PrivateDnsEnabled ?? endpoint['PrivateDnsEnabled'],
        RouteTableIds: edited('RouteTableIds', input.AddRouteTableIds, input.RemoveRouteTableIds),
        SubnetIds: edited('SubnetIds', input.AddSubnetIds, input.RemoveSubnetIds),
      });
      return { Return: true };
    },
    DeleteVpcEndpoints: (input: { VpcEndpointIds: string[] }) => {
      const Unsuccessful = [];
      for (const id of input.VpcEndpointIds) {
        if (tables.table('VpcEndpoints').has(id)) tables.delete('VpcEndpoints', id);
        else
          Unsuccessful.push({
            ResourceId: id,
            Error: { Code: 'InvalidVpcEndpoint.NotFound', Message: `The Vpc Endpoint Id '${id}' does not exist` },
          });
      }
      return { Unsuccessful };
    },

    CreateNetworkInterface: (input: CreateNetworkInterfaceRequest) => {
      const subnet = tables.get('Subnets', input.SubnetId);
      const made = tables.create(
        'NetworkInterfaces',
        {
          SubnetId: input.SubnetId,
          VpcId: subnet['VpcId'],
          AvailabilityZone: subnet['AvailabilityZone'],
          Description: input.Description ?? '',
          Groups: (input.Groups ?? []).map((GroupId) => ({ GroupId })),
          InterfaceType: 'interface',
          OwnerId: sandbox.account,
          PrivateIpAddress: input.PrivateIpAddress,
          Status: 'available',
        },
        input.TagSpecifications,
      );
      return { NetworkInterface: { ...made, TagSet: made.Tags } };
    },
    DescribeNetworkInterfaces: (input: Record<string, unknown>) => {
      const { NetworkInterfaces } = tables.describe('NetworkInterfaces')(input) as { NetworkInterfaces: ReturnType<Ec2Tables['all']> };
      return { NetworkInterfaces: NetworkInterfaces.map((row) => ({ ...row, TagSet: row.Tags })) };
    },
    DeleteNetworkInterface: (input: { NetworkInterfaceId: string }) => {
      tables.get('NetworkInterfaces', input.NetworkInterfaceId);
      tables.delete('NetworkInterfaces', input.NetworkInterfaceId);
    },

    CreateFlowLogs: ({ ResourceIds, TagSpecifications, ...input }: CreateFlowLogsRequest) => ({
      FlowLogIds: (ResourceIds ?? []).map((ResourceId) => {
        const members = { ...input, ResourceId, FlowLogStatus: 'ACTIVE', CreationTime: new Date() };
        return tables.create('FlowLogs', members, TagSpecifications)['FlowLogId'];
      }),
    }),
    // this one says Filter, and FlowLogIds.
    DescribeFlowLogs: (input: Record<string, unknown>) => tables.describe('FlowLogs')(input),
    DeleteFlowLogs: (input: { FlowLogIds: string[] }) => {
      for (const id of input.FlowLogIds) tables.delete('FlowLogs', id);
      return { Unsuccessful: [] };
    },

    // what a VPC lookup of the CDK also asks.
    DescribeVpnGateways: () => ({ VpnGateways: [] }),
  };
}
