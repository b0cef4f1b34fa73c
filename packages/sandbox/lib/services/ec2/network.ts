/** VPCs, subnets and the gateways between them and the world. Metadata only: nothing is routed. */
import type {
  AllocateAddressRequest,
  CreateInternetGatewayRequest,
  CreateNatGatewayRequest,
  CreateSubnetRequest,
  CreateVpcRequest,
  DescribeVpcAttributeRequest,
  ModifySubnetAttributeRequest,
  ModifyVpcAttributeRequest,
} from '@aws-sdk/client-ec2';
import { AwsError, type Handler } from '../../service';
import { contains, overlaps } from './cidr';
import { createGroup } from './groups';
import { createTable } from './routes';
import type { Ec2Tables, Row } from './tables';

export const ZONES = ['a', 'b', 'c'];

export function vpcHandlers(tables: Ec2Tables): Record<string, Handler> {
  const { sandbox } = tables;
  return {
    CreateVpc: (input: CreateVpcRequest) => {
      const vpc = tables.create(
        'Vpcs',
        {
          CidrBlock: input.CidrBlock,
          CidrBlockAssociationSet: [
            { AssociationId: `vpc-cidr-assoc-${sandbox.id(17)}`, CidrBlock: input.CidrBlock, CidrBlockState: { State: 'associated' } },
          ],
          InstanceTenancy: input.InstanceTenancy ?? 'default',
          IsDefault: false,
          OwnerId: sandbox.account,
          State: 'available',
          DhcpOptionsId: 'dopt-default',
          EnableDnsSupport: true,
          EnableDnsHostnames: false,
        },
        input.TagSpecifications,
      );
      // every VPC is born with a main route table and a default security group.
      createTable(tables, String(vpc['VpcId']), true);
      createGroup(tables, { GroupName: 'default', Description: 'default VPC security group', VpcId: String(vpc['VpcId']) });
      return { Vpc: vpc };
    },
    DescribeVpcs: tables.describe('Vpcs'),
    ModifyVpcAttribute: (input: ModifyVpcAttributeRequest) => {
      const vpc = tables.get('Vpcs', input.VpcId);
      for (const name of ['EnableDnsSupport', 'EnableDnsHostnames'] as const) if (input[name]) vpc[name] = input[name].Value;
      tables.save('Vpcs', vpc);
    },
    DescribeVpcAttribute: (input: DescribeVpcAttributeRequest) => {
      const vpc = tables.get('Vpcs', input.VpcId);
      const name = (input.Attribute ?? '').replace(/^e/, 'E');
      return { VpcId: input.VpcId, [name]: { Value: vpc[name] ?? false } };
    },
    DeleteVpc: ({ VpcId }: { VpcId: string }) => {
      const inIt = (row: Row): boolean => row['VpcId'] === VpcId;
      const gateways = tables.all('InternetGateways').filter((row) => (row['Attachments'] as Row[]).some(inIt));
      const routeTables = tables.all('RouteTables').filter((row) => inIt(row) && !isMain(row));
      const groups = tables.all('SecurityGroups').filter((row) => inIt(row) && row['GroupName'] !== 'default');
      tables.checkUnused('Vpcs', VpcId, [...tables.all('Subnets').filter(inIt), ...gateways, ...routeTables, ...groups]);
      for (const row of tables.all('RouteTables').filter(inIt)) tables.delete('RouteTables', row['RouteTableId']);
      for (const row of tables.all('SecurityGroups').filter(inIt)) tables.delete('SecurityGroups', row['GroupId']);
      tables.delete('Vpcs', VpcId);
    },

    CreateSubnet: (input: CreateSubnetRequest) => {
      const vpc = tables.get('Vpcs', input.VpcId);
      const block = input.CidrBlock ?? '';
      if (!contains(String(vpc['CidrBlock']), block)) throw new AwsError('InvalidSubnet.Range', `The CIDR '${block}' is invalid.`);
      const neighbours = tables.all('Subnets').filter((row) => row['VpcId'] === input.VpcId);
      if (neighbours.some((row) => overlaps(String(row['CidrBlock']), block))) {
        throw new AwsError('InvalidSubnet.Conflict', `The CIDR '${block}' conflicts with another subnet`);
      }
      const zone = input.AvailabilityZone ?? `${sandbox.region}${ZONES[0]}`;
      if (!ZONES.some((letter) => zone === `${sandbox.region}${letter}`)) {
        throw new AwsError('InvalidParameterValue', `Value (${zone}) for parameter availabilityZone is invalid.`);
      }
      const subnet = tables.create(
        'Subnets',
        {
          AvailabilityZone: zone,
          AvailabilityZoneId: zoneId(zone),
          AvailableIpAddressCount: 2 ** (32 - Number(block.split('/')[1])) - 5,
          CidrBlock: block,
          DefaultForAz: false,
          MapPublicIpOnLaunch: false,
          OwnerId: sandbox.account,
          State: 'available',
          VpcId: input.VpcId,
        },
        input.TagSpecifications,
      );
      subnet['SubnetArn'] = sandbox.arn('ec2', `subnet/${String(subnet['SubnetId'])}`);
      return { Subnet: tables.save('Subnets', subnet) };
    },
    DescribeSubnets: tables.describe('Subnets'),
    ModifySubnetAttribute: (input: ModifySubnetAttributeRequest) => {
      const subnet = tables.get('Subnets', input.SubnetId);
      if (input.MapPublicIpOnLaunch) subnet['MapPublicIpOnLaunch'] = input.MapPublicIpOnLaunch.Value;
      tables.save('Subnets', subnet);
    },
    DeleteSubnet: ({ SubnetId }: { SubnetId: string }) => {
      const nats = tables.all('NatGateways').filter((row) => row['SubnetId'] === SubnetId && row['State'] !== 'deleted');
      const interfaces = tables.all('NetworkInterfaces').filter((row) => row['SubnetId'] === SubnetId);
      tables.checkUnused('Subnets', SubnetId, [...nats, ...interfaces]);
      for (const table of tables.all('RouteTables')) {
        const left = (table['Associations'] as Row[]).filter((association) => association['SubnetId'] !== SubnetId);
        if (left.length < (table['Associations'] as Row[]).length) tables.save('RouteTables', { ...table, Associations: left });
      }
      tables.delete('Subnets', SubnetId);
    },

    DescribeAvailabilityZones: () => ({
      AvailabilityZones: ZONES.map((letter) => `${sandbox.region}${letter}`).map((zone) => ({
        ZoneName: zone,
        ZoneId: zoneId(zone),
        ZoneType: 'availability-zone',
        State: 'available',
        RegionName: sandbox.region,
        OptInStatus: 'opt-in-not-required',
        GroupName: sandbox.region,
      })),
    }),
  };
}

export function gatewayHandlers(tables: Ec2Tables): Record<string, Handler> {
  const { sandbox } = tables;
  return {
    CreateInternetGateway: (input: CreateInternetGatewayRequest) => ({
      InternetGateway: tables.create('InternetGateways', { Attachments: [], OwnerId: sandbox.account }, input.TagSpecifications),
    }),
    DescribeInternetGateways: tables.describe('InternetGateways'),
    AttachInternetGateway: (input: { InternetGatewayId: string; VpcId: string }) => {
      const gateway = tables.get('InternetGateways', input.InternetGatewayId);
      tables.get('Vpcs', input.VpcId);
      if ((gateway['Attachments'] as Row[]).length > 0) {
        throw new AwsError('Resource.AlreadyAssociated', `resource ${input.InternetGatewayId} is already attached to a network`);
      }
      tables.save('InternetGateways', { ...gateway, Attachments: [{ State: 'available', VpcId: input.VpcId }] });
    },
    DetachInternetGateway: (input: { InternetGatewayId: string; VpcId: string }) => {
      const gateway = tables.get('InternetGateways', input.InternetGatewayId);
      if (!(gateway['Attachments'] as Row[]).some((attachment) => attachment['VpcId'] === input.VpcId)) {
        throw new AwsError('Gateway.NotAttached', `resource ${input.InternetGatewayId} is not attached to network ${input.VpcId}`);
      }
      tables.save('InternetGateways', { ...gateway, Attachments: [] });
    },
    DeleteInternetGateway: ({ InternetGatewayId }: { InternetGatewayId: string }) => {
      tables.checkUnused('InternetGateways', InternetGatewayId, tables.get('InternetGateways', InternetGatewayId)['Attachments'] as Row[]);
      tables.delete('InternetGateways', InternetGatewayId);
    },

    AllocateAddress: (input: AllocateAddressRequest) => {
      const used = tables.all('Addresses').length + 1;
      // TEST-NET-3: addresses that nobody has.
      const address = tables.create(
        'Addresses',
        { PublicIp: `203.0.113.${used % 256}`, Domain: input.Domain ?? 'vpc' },
        input.TagSpecifications,
      );
      return { AllocationId: address['AllocationId'], PublicIp: address['PublicIp'], Domain: address['Domain'] };
    },
    DescribeAddresses: tables.describe('Addresses'),
    ReleaseAddress: ({ AllocationId }: { AllocationId: string }) => {
      if (tables.get('Addresses', AllocationId)['AssociationId']) {
        throw new AwsError('InvalidIPAddress.InUse', `Address with allocation ${AllocationId} is in use.`);
      }
      tables.delete('Addresses', AllocationId);
    },

    CreateNatGateway: (input: CreateNatGatewayRequest) => {
      const subnet = tables.get('Subnets', input.SubnetId);
      const address = input.AllocationId ? tables.get('Addresses', input.AllocationId) : undefined;
      const gateway = tables.create(
        'NatGateways',
        {
          SubnetId: input.SubnetId,
          VpcId: subnet['VpcId'],
          State: 'available',
          ConnectivityType: input.ConnectivityType ?? 'public',
          CreateTime: new Date(),
          NatGatewayAddresses: address ? [{ AllocationId: input.AllocationId, PublicIp: address['PublicIp'] }] : [],
        },
        input.TagSpecifications,
      );
      if (address) tables.save('Addresses', { ...address, AssociationId: `eipassoc-${sandbox.id(17)}` });
      return { NatGateway: gateway };
    },
    DescribeNatGateways: (input: { NatGatewayIds?: string[]; Filter?: object[] }) => tables.describe('NatGateways')(input),
    DeleteNatGateway: ({ NatGatewayId }: { NatGatewayId: string }) => {
      const gateway = tables.get('NatGateways', NatGatewayId);
      for (const { AllocationId } of gateway['NatGatewayAddresses'] as { AllocationId?: string }[]) {
        const { AssociationId: _, ...address } = tables.get('Addresses', AllocationId);
        tables.save('Addresses', address);
      }
      // it stays in sight for a while after it is deleted, as on AWS.
      tables.save('NatGateways', { ...gateway, State: 'deleted', DeleteTime: new Date() });
      return { NatGatewayId };
    },
  };
}

function isMain(table: Row): boolean {
  return (table['Associations'] as Row[]).some((association) => association['Main'] === true);
}

function zoneId(zone: string): string {
  return `euc1-az${ZONES.indexOf(zone.at(-1) ?? '') + 1}`;
}
