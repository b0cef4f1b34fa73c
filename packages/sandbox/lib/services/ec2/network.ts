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
import type { Row, Rows } from './tables';

export const ZONES = ['a', 'b', 'c'];

export function vpcHandlers(rows: Rows): Record<string, Handler> {
  const { sandbox } = rows;
  return {
    CreateVpc: (input: CreateVpcRequest) => {
      const vpc = rows.create(
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
      createTable(rows, String(vpc['VpcId']), true);
      createGroup(rows, { GroupName: 'default', Description: 'default VPC security group', VpcId: String(vpc['VpcId']) });
      return { Vpc: vpc };
    },
    DescribeVpcs: rows.describe('Vpcs'),
    ModifyVpcAttribute: (input: ModifyVpcAttributeRequest) => {
      const vpc = rows.get('Vpcs', input.VpcId);
      for (const name of ['EnableDnsSupport', 'EnableDnsHostnames'] as const) if (input[name]) vpc[name] = input[name].Value;
      rows.save('Vpcs', vpc);
    },
    DescribeVpcAttribute: (input: DescribeVpcAttributeRequest) => {
      const vpc = rows.get('Vpcs', input.VpcId);
      const name = (input.Attribute ?? '').replace(/^e/, 'E');
      return { VpcId: input.VpcId, [name]: { Value: vpc[name] ?? false } };
    },
    DeleteVpc: ({ VpcId }: { VpcId: string }) => {
      const inIt = (row: Row): boolean => row['VpcId'] === VpcId;
      const gateways = rows.all('InternetGateways').filter((row) => (row['Attachments'] as Row[]).some(inIt));
      const tables = rows.all('RouteTables').filter((row) => inIt(row) && !isMain(row));
      const groups = rows.all('SecurityGroups').filter((row) => inIt(row) && row['GroupName'] !== 'default');
      rows.checkUnused('Vpcs', VpcId, [...rows.all('Subnets').filter(inIt), ...gateways, ...tables, ...groups]);
      for (const row of rows.all('RouteTables').filter(inIt)) rows.delete('RouteTables', row['RouteTableId']);
      for (const row of rows.all('SecurityGroups').filter(inIt)) rows.delete('SecurityGroups', row['GroupId']);
      rows.delete('Vpcs', VpcId);
    },

    CreateSubnet: (input: CreateSubnetRequest) => {
      const vpc = rows.get('Vpcs', input.VpcId);
      const block = input.CidrBlock ?? '';
      if (!contains(String(vpc['CidrBlock']), block)) throw new AwsError('InvalidSubnet.Range', `The CIDR '${block}' is invalid.`);
      const neighbours = rows.all('Subnets').filter((row) => row['VpcId'] === input.VpcId);
      if (neighbours.some((row) => overlaps(String(row['CidrBlock']), block))) {
        throw new AwsError('InvalidSubnet.Conflict', `The CIDR '${block}' conflicts with another subnet`);
      }
      const zone = input.AvailabilityZone ?? `${sandbox.region}${ZONES[0]}`;
      if (!ZONES.some((letter) => zone === `${sandbox.region}${letter}`)) {
        throw new AwsError('InvalidParameterValue', `Value (${zone}) for parameter availabilityZone is invalid.`);
      }
      const subnet = rows.create(
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
      return { Subnet: rows.save('Subnets', subnet) };
    },
    DescribeSubnets: rows.describe('Subnets'),
    ModifySubnetAttribute: (input: ModifySubnetAttributeRequest) => {
      const subnet = rows.get('Subnets', input.SubnetId);
      if (input.MapPublicIpOnLaunch) subnet['MapPublicIpOnLaunch'] = input.MapPublicIpOnLaunch.Value;
      rows.save('Subnets', subnet);
    },
    DeleteSubnet: ({ SubnetId }: { SubnetId: string }) => {
      const nats = rows.all('NatGateways').filter((row) => row['SubnetId'] === SubnetId && row['State'] !== 'deleted');
      const interfaces = rows.all('NetworkInterfaces').filter((row) => row['SubnetId'] === SubnetId);
      rows.checkUnused('Subnets', SubnetId, [...nats, ...interfaces]);
      for (const table of rows.all('RouteTables')) {
        const left = (table['Associations'] as Row[]).filter((association) => association['SubnetId'] !== SubnetId);
        if (left.length < (table['Associations'] as Row[]).length) rows.save('RouteTables', { ...table, Associations: left });
      }
      rows.delete('Subnets', SubnetId);
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

export function gatewayHandlers(rows: Rows): Record<string, Handler> {
  const { sandbox } = rows;
  return {
    CreateInternetGateway: (input: CreateInternetGatewayRequest) => ({
      InternetGateway: rows.create('InternetGateways', { Attachments: [], OwnerId: sandbox.account }, input.TagSpecifications),
    }),
    DescribeInternetGateways: rows.describe('InternetGateways'),
    AttachInternetGateway: (input: { InternetGatewayId: string; VpcId: string }) => {
      const gateway = rows.get('InternetGateways', input.InternetGatewayId);
      rows.get('Vpcs', input.VpcId);
      if ((gateway['Attachments'] as Row[]).length > 0) {
        throw new AwsError('Resource.AlreadyAssociated', `resource ${input.InternetGatewayId} is already attached to a network`);
      }
      rows.save('InternetGateways', { ...gateway, Attachments: [{ State: 'available', VpcId: input.VpcId }] });
    },
    DetachInternetGateway: (input: { InternetGatewayId: string; VpcId: string }) => {
      const gateway = rows.get('InternetGateways', input.InternetGatewayId);
      if (!(gateway['Attachments'] as Row[]).some((attachment) => attachment['VpcId'] === input.VpcId)) {
        throw new AwsError('Gateway.NotAttached', `resource ${input.InternetGatewayId} is not attached to network ${input.VpcId}`);
      }
      rows.save('InternetGateways', { ...gateway, Attachments: [] });
    },
    DeleteInternetGateway: ({ InternetGatewayId }: { InternetGatewayId: string }) => {
      rows.checkUnused('InternetGateways', InternetGatewayId, rows.get('InternetGateways', InternetGatewayId)['Attachments'] as Row[]);
      rows.delete('InternetGateways', InternetGatewayId);
    },

    AllocateAddress: (input: AllocateAddressRequest) => {
      const used = rows.all('Addresses').length + 1;
      // TEST-NET-3: addresses that nobody has.
      const address = rows.create(
        'Addresses',
        { PublicIp: `203.0.113.${used % 256}`, Domain: input.Domain ?? 'vpc' },
        input.TagSpecifications,
      );
      return { AllocationId: address['AllocationId'], PublicIp: address['PublicIp'], Domain: address['Domain'] };
    },
    DescribeAddresses: rows.describe('Addresses'),
    ReleaseAddress: ({ AllocationId }: { AllocationId: string }) => {
      if (rows.get('Addresses', AllocationId)['AssociationId']) {
        throw new AwsError('InvalidIPAddress.InUse', `Address with allocation ${AllocationId} is in use.`);
      }
      rows.delete('Addresses', AllocationId);
    },

    CreateNatGateway: (input: CreateNatGatewayRequest) => {
      const subnet = rows.get('Subnets', input.SubnetId);
      const address = input.AllocationId ? rows.get('Addresses', input.AllocationId) : undefined;
      const gateway = rows.create(
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
      if (address) rows.save('Addresses', { ...address, AssociationId: `eipassoc-${sandbox.id(17)}` });
      return { NatGateway: gateway };
    },
    DescribeNatGateways: (input: { NatGatewayIds?: string[]; Filter?: object[] }) => rows.describe('NatGateways')(input),
    DeleteNatGateway: ({ NatGatewayId }: { NatGatewayId: string }) => {
      const gateway = rows.get('NatGateways', NatGatewayId);
      for (const { AllocationId } of gateway['NatGatewayAddresses'] as { AllocationId?: string }[]) {
        const { AssociationId: _, ...address } = rows.get('Addresses', AllocationId);
        rows.save('Addresses', address);
      }
      // it stays in sight for a while after it is deleted, as on AWS.
      rows.save('NatGateways', { ...gateway, State: 'deleted', DeleteTime: new Date() });
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
