/** Networks. Nothing in the sandbox routes packets by them; ids, lists and references are AWS's. */
import type { Properties } from '../records';
import { changed, gone, inert, type ResourceCall, type ResourceType } from '../type';

const tagged = (type: string, properties: Properties, call: ResourceCall): object => ({
  TagSpecifications: [{ ResourceType: type, Tags: call.tags(properties['Tags']) }],
});

/** Whatever else there is to do for a type: a created id to clean up after, and no change in place but tags. */
const simple = (
  createOnly: readonly string[],
  create: ResourceType['create'],
  remove: (call: ResourceCall, id: string, properties: Properties) => Promise<unknown>,
): ResourceType => ({ createOnly, create, delete: (call, { id }, properties) => gone(remove(call, id, properties)) });

const vpcAttributes = async (id: string, properties: Properties, call: ResourceCall): Promise<void> => {
  for (const name of ['EnableDnsSupport', 'EnableDnsHostnames'])
    if (properties[name] !== undefined) await call.send('ec2', 'ModifyVpcAttribute', { VpcId: id, [name]: { Value: properties[name] } });
};

const vpc: ResourceType = {
  createOnly: ['CidrBlock', 'InstanceTenancy'],
  async create(properties, call) {
    const { Vpc: made } = await call.send('ec2', 'CreateVpc', { ...properties, ...tagged('vpc', properties, call) });
    call.started(made.VpcId);
    await vpcAttributes(made.VpcId, properties, call);
    const groups = await call.send('ec2', 'DescribeSecurityGroups', {
      Filters: [
        { Name: 'vpc-id', Values: [made.VpcId] },
        { Name: 'group-name', Values: ['default'] },
      ],
    });
    return {
      id: made.VpcId,
      attributes: {
        VpcId: made.VpcId,
        CidrBlock: made.CidrBlock,
        DefaultSecurityGroup: groups.SecurityGroups?.[0]?.GroupId,
        CidrBlockAssociations: (made.CidrBlockAssociationSet ?? []).map((one: Properties) => one['AssociationId']),
        Ipv6CidrBlocks: [],
      },
    };
  },
  async update(properties, call, made) {
    await vpcAttributes(made.id, properties, call);
    return made;
  },
  delete: (call, { id }) => gone(call.send('ec2', 'DeleteVpc', { VpcId: id })),
};

const publicIps = async (id: string, properties: Properties, call: ResourceCall): Promise<void> => {
  if (properties['MapPublicIpOnLaunch'] !== undefined)
    await call.send('ec2', 'ModifySubnetAttribute', { SubnetId: id, MapPublicIpOnLaunch: { Value: properties['MapPublicIpOnLaunch'] } });
};

const subnet: ResourceType = {
  createOnly: ['VpcId', 'AvailabilityZone', 'AvailabilityZoneId', 'CidrBlock', 'Ipv6Native', 'OutpostArn'],
  async create(properties, call) {
    const { Subnet: made } = await call.send('ec2', 'CreateSubnet', { ...properties, ...tagged('subnet', properties, call) });
    call.started(made.SubnetId);
    await publicIps(made.SubnetId, properties, call);
    const { SubnetId, VpcId, CidrBlock, AvailabilityZone } = made;
    return { id: SubnetId, attributes: { SubnetId, VpcId, CidrBlock, AvailabilityZone, Ipv6CidrBlocks: [] } };
  },
  async update(properties, call, made) {
    await publicIps(made.id, properties, call);
    return made;
  },
  delete: (call, { id }) => gone(call.send('ec2', 'DeleteSubnet', { SubnetId: id })),
};

const destination = (properties: Properties): Properties => ({
  RouteTableId: properties['RouteTableId'],
  DestinationCidrBlock: properties['DestinationCidrBlock'],
  DestinationIpv6CidrBlock: properties['DestinationIpv6CidrBlock'],
  DestinationPrefixListId: properties['DestinationPrefixListId'],
});

const route: ResourceType = {
  createOnly: ['RouteTableId', 'DestinationCidrBlock', 'DestinationIpv6CidrBlock', 'DestinationPrefixListId'],
  async create(properties, call) {
    await call.send('ec2', 'CreateRoute', properties);
    const to = properties['DestinationCidrBlock'] ?? properties['DestinationIpv6CidrBlock'] ?? properties['DestinationPrefixListId'];
    return { id: `${properties['RouteTableId']}|${to}`, attributes: { CidrBlock: to } };
  },
  async update(properties, call, made) {
    await call.send('ec2', 'ReplaceRoute', properties);
    return made;
  },
  delete: (call, _made, properties) => gone(call.send('ec2', 'DeleteRoute', destination(properties))),
};

const natGateway: ResourceType = {
  createOnly: ['AllocationId', 'ConnectivityType', 'PrivateIpAddress', 'SubnetId', 'VpcId'],
  async create(properties, call) {
    const { NatGateway: made } = await call.send('ec2', 'CreateNatGateway', { ...properties, ...tagged('natgateway', properties, call) });
    const id = made.NatGatewayId;
    call.started(id);
    await call.until('the NAT gateway to be available', async () => ((await natState(id, call)) === 'available' ? true : undefined));
    return { id, attributes: { NatGatewayId: id } };
  },
  async delete(call, { id }) {
    await gone(call.send('ec2', 'DeleteNatGateway', { NatGatewayId: id }));
    await call.until('the NAT gateway to be deleted', async () =>
      ((await natState(id, call)) ?? 'deleted') === 'deleted' ? true : undefined,
    );
  },
};

const natState = async (id: string, call: ResourceCall): Promise<string | undefined> =>
  (await call.send('ec2', 'DescribeNatGateways', { NatGatewayIds: [id] }).catch(() => undefined))?.NatGateways?.[0]?.State;

/** A rule as templates write it, as the permission the API takes. */
function permission(rule: Properties): Properties {
  const peer = rule['SourceSecurityGroupId'] ?? rule['DestinationSecurityGroupId'];
  const prefixes = rule['SourcePrefixListId'] ?? rule['DestinationPrefixListId'];
  const text = rule['Description'] ? { Description: rule['Description'] } : {};
  return {
    IpProtocol: String(rule['IpProtocol']),
    FromPort: rule['FromPort'],
    ToPort: rule['ToPort'],
    ...(rule['CidrIp'] ? { IpRanges: [{ CidrIp: rule['CidrIp'], ...text }] } : {}),
    ...(rule['CidrIpv6'] ? { Ipv6Ranges: [{ CidrIpv6: rule['CidrIpv6'], ...text }] } : {}),
    ...(peer ? { UserIdGroupPairs: [{ GroupId: peer, ...text }] } : {}),
    ...(prefixes ? { PrefixListIds: [{ PrefixListId: prefixes, ...text }] } : {}),
  };
}

const everywhere = { IpProtocol: '-1', CidrIp: '0.0.0.0/0' };

async function groupRules(
  id: string,
  direction: 'Ingress' | 'Egress',
  before: Properties[],
  after: Properties[],
  call: ResourceCall,
): Promise<void> {
  const key = (rule: Properties): string => JSON.stringify(permission(rule));
  for (const rule of before.filter((old) => !after.some((one) => key(one) === key(old))))
    await gone(call.send('ec2', `RevokeSecurityGroup${direction}`, { GroupId: id, IpPermissions: [permission(rule)] }));
  for (const rule of after.filter((one) => !before.some((old) => key(old) === key(one))))
    await call.send('ec2', `AuthorizeSecurityGroup${direction}`, { GroupId: id, IpPermissions: [permission(rule)] });
}

// a group allows every way out until its template says which.
const egress = (properties: Properties): Properties[] => properties['SecurityGroupEgress'] ?? [everywhere];
const ingress = (properties: Properties): Properties[] => properties['SecurityGroupIngress'] ?? [];

const securityGroup: ResourceType = {
  createOnly: ['GroupDescription', 'GroupName', 'VpcId'],
  async create(properties, call) {
    const { GroupId: id } = await call.send('ec2', 'CreateSecurityGroup', {
      GroupName: properties['GroupName'] ?? call.name(255),
      Description: properties['GroupDescription'],
      VpcId: properties['VpcId'],
      ...tagged('security-group', properties, call),
    });
    call.started(id);
    await groupRules(id, 'Ingress', [], ingress(properties), call);
    await groupRules(id, 'Egress', [everywhere], egress(properties), call);
    return { id, attributes: { GroupId: id, Id: id, VpcId: properties['VpcId'] } };
  },
  async update(properties, call, made, before) {
    await groupRules(made.id, 'Ingress', ingress(before), ingress(properties), call);
    await groupRules(made.id, 'Egress', egress(before), egress(properties), call);
    return made;
  },
  delete: (call, { id }) => gone(call.send('ec2', 'DeleteSecurityGroup', { GroupId: id })),
};

const ruleProperties = [
  'CidrIp',
  'CidrIpv6',
  'FromPort',
  'GroupId',
  'IpProtocol',
  'ToPort',
  'SourceSecurityGroupId',
  'SourcePrefixListId',
  'DestinationSecurityGroupId',
  'DestinationPrefixListId',
];

const groupRule = (direction: 'Ingress' | 'Egress'): ResourceType => ({
  createOnly: ruleProperties,
  async create(properties, call) {
    const answer = await call.send('ec2', `AuthorizeSecurityGroup${direction}`, {
      GroupId: properties['GroupId'],
      IpPermissions: [permission(properties)],
    });
    const id = answer.SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? `sgr-${call.sandbox.id(17)}`;
    return { id, attributes: { Id: id } };
  },
  delete: (call, _made, properties) =>
    gone(call.send('ec2', `RevokeSecurityGroup${direction}`, { GroupId: properties['GroupId'], IpPermissions: [permission(properties)] })),
});

const vpcEndpoint: ResourceType = {
  createOnly: ['VpcId', 'ServiceName', 'VpcEndpointType'],
  async create(properties, call) {
    const { VpcEndpoint: made } = await call.send('ec2', 'CreateVpcEndpoint', {
      ...properties,
      ...(properties['PolicyDocument'] ? { PolicyDocument: JSON.stringify(properties['PolicyDocument']) } : {}),
      ...tagged('vpc-endpoint', properties, call),
    });
    return { id: made.VpcEndpointId, attributes: { Id: made.VpcEndpointId, DnsEntries: [], NetworkInterfaceIds: [] } };
  },
  async update(properties, _call, made, before) {
    if (changed(before, properties, 'SubnetIds', 'SecurityGroupIds', 'RouteTableIds'))
      throw Object.assign(new Error('the sandbox does not change VPC endpoints in place; give it another logical id'), {
        name: 'NotUpdatable',
      });
    return made;
  },
  delete: (call, { id }) => gone(call.send('ec2', 'DeleteVpcEndpoints', { VpcEndpointIds: [id] })),
};

export const ec2Types: Readonly<Record<string, ResourceType>> = {
  'AWS::EC2::VPC': vpc,
  'AWS::EC2::Subnet': subnet,
  'AWS::EC2::Route': route,
  'AWS::EC2::NatGateway': natGateway,
  'AWS::EC2::SecurityGroup': securityGroup,
  'AWS::EC2::SecurityGroupIngress': groupRule('Ingress'),
  'AWS::EC2::SecurityGroupEgress': groupRule('Egress'),
  'AWS::EC2::VPCEndpoint': vpcEndpoint,
  'AWS::EC2::RouteTable': simple(
    ['VpcId'],
    async (properties, call) => {
      const { RouteTable: made } = await call.send('ec2', 'CreateRouteTable', {
        ...properties,
        ...tagged('route-table', properties, call),
      });
      return { id: made.RouteTableId, attributes: { RouteTableId: made.RouteTableId } };
    },
    (call, id) => call.send('ec2', 'DeleteRouteTable', { RouteTableId: id }),
  ),
  'AWS::EC2::SubnetRouteTableAssociation': simple(
    ['RouteTableId', 'SubnetId'],
    async (properties, call) => {
      const { AssociationId: id } = await call.send('ec2', 'AssociateRouteTable', properties);
      return { id, attributes: { Id: id } };
    },
    (call, id) => call.send('ec2', 'DisassociateRouteTable', { AssociationId: id }),
  ),
  'AWS::EC2::InternetGateway': simple(
    [],
    async (properties, call) => {
      const { InternetGateway: made } = await call.send('ec2', 'CreateInternetGateway', tagged('internet-gateway', properties, call));
      return { id: made.InternetGatewayId, attributes: { InternetGatewayId: made.InternetGatewayId } };
    },
    (call, id) => call.send('ec2', 'DeleteInternetGateway', { InternetGatewayId: id }),
  ),
  'AWS::EC2::VPCGatewayAttachment': simple(
    ['VpcId', 'InternetGatewayId'],
    async (properties, call) => {
      await call.send('ec2', 'AttachInternetGateway', properties);
      return { id: `IGW|${properties['VpcId']}`, attributes: { AttachmentType: 'IGW' } };
    },
    (call, _id, properties) => call.send('ec2', 'DetachInternetGateway', properties),
  ),
  'AWS::EC2::EIP': simple(
    ['Domain', 'Address', 'NetworkBorderGroup'],
    async (properties, call) => {
      const made = await call.send('ec2', 'AllocateAddress', { Domain: 'vpc', ...tagged('elastic-ip', properties, call) });
      return { id: made.PublicIp, attributes: { PublicIp: made.PublicIp, AllocationId: made.AllocationId } };
    },
    async (call, id) => {
      const found = await call.send('ec2', 'DescribeAddresses', { PublicIps: [id] });
      await call.send('ec2', 'ReleaseAddress', { AllocationId: found.Addresses[0].AllocationId });
    },
  ),
  'AWS::EC2::FlowLog': inert(
    (_properties, call) => {
      const id = `fl-${call.sandbox.id(17)}`;
      return { id, attributes: { Id: id } };
    },
    [
      'ResourceId',
      'ResourceType',
      'TrafficType',
      'LogDestination',
      'LogDestinationType',
      'LogGroupName',
      'LogFormat',
      'DeliverLogsPermissionArn',
    ],
  ),
};
