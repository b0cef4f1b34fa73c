/** Endpoints, network interfaces and flow logs: kept, described, deleted. */
import type {
  CreateFlowLogsRequest,
  CreateNetworkInterfaceRequest,
  CreateVpcEndpointRequest,
  ModifyVpcEndpointRequest,
} from '@aws-sdk/client-ec2';
import type { Handler } from '../../service';
import type { Rows } from './tables';

export function otherHandlers(rows: Rows): Record<string, Handler> {
  const { sandbox } = rows;
  return {
    CreateVpcEndpoint: (input: CreateVpcEndpointRequest) => {
      rows.get('Vpcs', input.VpcId);
      const endpoint = rows.create(
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
    DescribeVpcEndpoints: rows.describe('VpcEndpoints'),
    ModifyVpcEndpoint: (input: ModifyVpcEndpointRequest) => {
      const endpoint = rows.get('VpcEndpoints', input.VpcEndpointId);
      const edited = (name: string, add: string[] | undefined, remove: string[] | undefined): string[] => [
        ...((endpoint[name] as string[] | undefined) ?? []).filter((id) => !remove?.includes(id)),
        ...(add ?? []),
      ];
      rows.save('VpcEndpoints', {
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
        if (rows.table('VpcEndpoints').has(id)) rows.delete('VpcEndpoints', id);
        else
          Unsuccessful.push({
            ResourceId: id,
            Error: { Code: 'InvalidVpcEndpoint.NotFound', Message: `The Vpc Endpoint Id '${id}' does not exist` },
          });
      }
      return { Unsuccessful };
    },

    CreateNetworkInterface: (input: CreateNetworkInterfaceRequest) => {
      const subnet = rows.get('Subnets', input.SubnetId);
      const made = rows.create(
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
      const { NetworkInterfaces } = rows.describe('NetworkInterfaces')(input) as { NetworkInterfaces: ReturnType<Rows['all']> };
      return { NetworkInterfaces: NetworkInterfaces.map((row) => ({ ...row, TagSet: row.Tags })) };
    },
    DeleteNetworkInterface: (input: { NetworkInterfaceId: string }) => {
      rows.get('NetworkInterfaces', input.NetworkInterfaceId);
      rows.delete('NetworkInterfaces', input.NetworkInterfaceId);
    },

    CreateFlowLogs: ({ ResourceIds, TagSpecifications, ...input }: CreateFlowLogsRequest) => ({
      FlowLogIds: (ResourceIds ?? []).map((ResourceId) => {
        const members = { ...input, ResourceId, FlowLogStatus: 'ACTIVE', CreationTime: new Date() };
        return rows.create('FlowLogs', members, TagSpecifications)['FlowLogId'];
      }),
    }),
    // this one says Filter, and FlowLogIds.
    DescribeFlowLogs: (input: Record<string, unknown>) => rows.describe('FlowLogs')(input),
    DeleteFlowLogs: (input: { FlowLogIds: string[] }) => {
      for (const id of input.FlowLogIds) rows.delete('FlowLogs', id);
      return { Unsuccessful: [] };
    },

    // what a VPC lookup of the CDK also asks.
    DescribeVpnGateways: () => ({ VpnGateways: [] }),
  };
}
