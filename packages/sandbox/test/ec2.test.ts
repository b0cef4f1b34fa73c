import {
  AllocateAddressCommand,
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateInternetGatewayCommand,
  CreateNatGatewayCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateTagsCommand,
  CreateVpcCommand,
  CreateVpcEndpointCommand,
  DeleteInternetGatewayCommand,
  DeleteNatGatewayCommand,
  DeleteRouteTableCommand,
  DeleteSecurityGroupCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  DeleteVpcEndpointsCommand,
  DescribeAvailabilityZonesCommand,
  DescribeNatGatewaysCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcsCommand,
  DetachInternetGatewayCommand,
  DisassociateRouteTableCommand,
  EC2Client,
  ModifySubnetAttributeCommand,
  ModifyVpcAttributeCommand,
  ReleaseAddressCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';

let sandbox: TestSandbox;
let ec2: EC2Client;
let VpcId: string;
beforeAll(async () => {
  sandbox = await sandboxForTest();
  ec2 = new EC2Client(clientConfig(sandbox));
});
afterAll(() => sandbox.stop());
beforeEach(async () => {
  const TagSpecifications = [{ ResourceType: 'vpc' as const, Tags: [{ Key: 'Name', Value: 'video' }] }];
  VpcId = (await ec2.send(new CreateVpcCommand({ CidrBlock: '10.0.0.0/16', TagSpecifications }))).Vpc!.VpcId!;
});

const subnet = async (CidrBlock: string, AvailabilityZone = 'eu-central-1a') =>
  (await ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock, AvailabilityZone }))).Subnet!.SubnetId!;
const group = async (GroupName: string) =>
  (await ec2.send(new CreateSecurityGroupCommand({ GroupName, Description: GroupName, VpcId }))).GroupId!;

test('a VPC has its tags, its DNS attributes, a main route table and a default security group', async () => {
  const byTag = await ec2.send(
    new DescribeVpcsCommand({
      Filters: [
        { Name: 'tag:Name', Values: ['vid*'] },
        { Name: 'vpc-id', Values: [VpcId] },
      ],
    }),
  );
  expect(byTag.Vpcs).toMatchObject([
    { VpcId, CidrBlock: '10.0.0.0/16', State: 'available', IsDefault: false, Tags: [{ Key: 'Name', Value: 'video' }] },
  ]);
  await ec2.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsHostnames: { Value: true } }));
  const attribute = await ec2.send(new DescribeVpcAttributeCommand({ VpcId, Attribute: 'enableDnsHostnames' }));
  expect(attribute.EnableDnsHostnames?.Value).toBe(true);
  const Filters = [{ Name: 'vpc-id', Values: [VpcId] }];
  const tables = await ec2.send(new DescribeRouteTablesCommand({ Filters: [...Filters, { Name: 'association.main', Values: ['true'] }] }));
  expect(tables.RouteTables).toMatchObject([{ Routes: [{ DestinationCidrBlock: '10.0.0.0/16', GatewayId: 'local' }] }]);
  const groups = await ec2.send(new DescribeSecurityGroupsCommand({ Filters }));
  expect(groups.SecurityGroups).toMatchObject([{ GroupName: 'default', IpPermissions: [] }]);
});

test('subnets lie in their VPC, beside each other, in a zone of the region', async () => {
  const SubnetId = await subnet('10.0.0.0/24');
  await ec2.send(new ModifySubnetAttributeCommand({ SubnetId, MapPublicIpOnLaunch: { Value: true } }));
  const described = await ec2.send(new DescribeSubnetsCommand({ SubnetIds: [SubnetId] }));
  expect(described.Subnets).toMatchObject([
    { VpcId, AvailabilityZone: 'eu-central-1a', MapPublicIpOnLaunch: true, AvailableIpAddressCount: 251 },
  ]);
  await expect(subnet('10.0.0.128/25')).rejects.toMatchObject({ name: 'InvalidSubnet.Conflict' });
  await expect(subnet('10.1.0.0/24')).rejects.toMatchObject({ name: 'InvalidSubnet.Range' });
  await expect(subnet('10.0.1.0/24', 'eu-west-1a')).rejects.toMatchObject({ name: 'InvalidParameterValue' });
  await expect(ec2.send(new DescribeSubnetsCommand({ SubnetIds: ['subnet-0'] }))).rejects.toMatchObject({
    name: 'InvalidSubnetID.NotFound',
    $metadata: { httpStatusCode: 400 },
  });
  const zones = await ec2.send(new DescribeAvailabilityZonesCommand({}));
  expect(zones.AvailabilityZones?.map(({ ZoneName }) => ZoneName)).toEqual(['eu-central-1a', 'eu-central-1b', 'eu-central-1c']);
});

test('a network is built and taken down in order; what is in use is not deleted', async () => {
  const SubnetId = await subnet('10.0.0.0/24');
  const InternetGatewayId = (await ec2.send(new CreateInternetGatewayCommand({}))).InternetGateway!.InternetGatewayId!;
  await ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId, VpcId }));
  const RouteTableId = (await ec2.send(new CreateRouteTableCommand({ VpcId }))).RouteTable!.RouteTableId!;
  await ec2.send(new CreateRouteCommand({ RouteTableId, DestinationCidrBlock: '0.0.0.0/0', GatewayId: InternetGatewayId }));
  const { AssociationId } = await ec2.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }));
  const { AllocationId } = await ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
  const NatGatewayId = (await ec2.send(new CreateNatGatewayCommand({ SubnetId, AllocationId }))).NatGateway!.NatGatewayId!;
  const nats = await ec2.send(new DescribeNatGatewaysCommand({ Filter: [{ Name: 'vpc-id', Values: [VpcId] }] }));
  expect(nats.NatGateways).toMatchObject([{ NatGatewayId, State: 'available' }]);

  const inUse = { name: 'DependencyViolation' };
  await expect(ec2.send(new DeleteVpcCommand({ VpcId }))).rejects.toMatchObject(inUse);
  await expect(ec2.send(new DeleteSubnetCommand({ SubnetId }))).rejects.toMatchObject(inUse);
  await expect(ec2.send(new DeleteRouteTableCommand({ RouteTableId }))).rejects.toMatchObject(inUse);
  await expect(ec2.send(new DeleteInternetGatewayCommand({ InternetGatewayId }))).rejects.toMatchObject(inUse);
  await expect(ec2.send(new ReleaseAddressCommand({ AllocationId }))).rejects.toMatchObject({ name: 'InvalidIPAddress.InUse' });

  await ec2.send(new DeleteNatGatewayCommand({ NatGatewayId }));
  await ec2.send(new ReleaseAddressCommand({ AllocationId }));
  await ec2.send(new DisassociateRouteTableCommand({ AssociationId }));
  await ec2.send(new DeleteRouteTableCommand({ RouteTableId }));
  await ec2.send(new DetachInternetGatewayCommand({ InternetGatewayId, VpcId }));
  await ec2.send(new DeleteInternetGatewayCommand({ InternetGatewayId }));
  await ec2.send(new DeleteSubnetCommand({ SubnetId }));
  await ec2.send(new DeleteVpcCommand({ VpcId }));
  await expect(ec2.send(new DescribeVpcsCommand({ VpcIds: [VpcId] }))).rejects.toMatchObject({ name: 'InvalidVpcID.NotFound' });
});

test('rules of a security group come, are refused twice, and go', async () => {
  const [GroupId, tasks] = [await group('balancer'), await group('tasks')];
  const web = { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: '0.0.0.0/0', Description: 'customers' }] };
  const fromBalancer = { IpProtocol: 'tcp', FromPort: 8080, ToPort: 8080, UserIdGroupPairs: [{ GroupId }] };
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [web] }));
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: tasks, IpPermissions: [fromBalancer] }));
  await expect(ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [web] }))).rejects.toMatchObject({
    name: 'InvalidPermission.Duplicate',
  });
  await ec2.send(
    new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }] }),
  );
  const described = await ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }));
  expect(described.SecurityGroups).toMatchObject([{ IpPermissions: [web], IpPermissionsEgress: [] }]);
  await expect(ec2.send(new DeleteSecurityGroupCommand({ GroupId }))).rejects.toMatchObject({ name: 'DependencyViolation' });
  await ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId: tasks, IpPermissions: [fromBalancer] }));
  await expect(ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId: tasks, IpPermissions: [fromBalancer] }))).rejects.toMatchObject({
    name: 'InvalidPermission.NotFound',
  });
  await ec2.send(new DeleteSecurityGroupCommand({ GroupId }));
});

test('endpoints, tags and interfaces', async () => {
  const created = await ec2.send(new CreateVpcEndpointCommand({ VpcId, ServiceName: 'com.amazonaws.eu-central-1.s3' }));
  const id = created.VpcEndpoint!.VpcEndpointId!;
  expect(created.VpcEndpoint).toMatchObject({ State: 'available', VpcEndpointType: 'Gateway' });
  await ec2.send(new CreateTagsCommand({ Resources: [VpcId, id], Tags: [{ Key: 'Name', Value: 'other' }] }));
  const vpcs = await ec2.send(new DescribeVpcsCommand({ VpcIds: [VpcId] }));
  expect(vpcs.Vpcs?.[0]?.Tags).toEqual([{ Key: 'Name', Value: 'other' }]);
  expect((await ec2.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [id, 'vpce-0'] }))).Unsuccessful).toMatchObject([
    { ResourceId: 'vpce-0' },
  ]);
  expect((await ec2.send(new DescribeNetworkInterfacesCommand({}))).NetworkInterfaces).toEqual([]);
});
