/** Security groups. Their rules are rows of their own; the permissions that Describe answers are made from them. */
import type {
  AuthorizeSecurityGroupIngressRequest,
  CreateSecurityGroupRequest,
  DescribeSecurityGroupRulesRequest,
  IpPermission,
  RevokeSecurityGroupIngressRequest,
  TagSpecification,
} from '@aws-sdk/client-ec2';
import { AwsError, type Handler } from '../../service';
import { type Ec2Tables, matches, type Row } from './tables';

export function createGroup(
  tables: Ec2Tables,
  input: Pick<CreateSecurityGroupRequest, 'GroupName' | 'Description' | 'VpcId'>,
  tagging?: TagSpecification[],
): Row {
  const group = tables.create(
    'SecurityGroups',
    { GroupName: input.GroupName, Description: input.Description, VpcId: input.VpcId, OwnerId: tables.sandbox.account },
    tagging,
  );
  const id = String(group['GroupId']);
  tables.save('SecurityGroups', { ...group, SecurityGroupArn: tables.sandbox.arn('ec2', `security-group/${id}`) });
  addRules(tables, id, true, [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }]);
  return group;
}

export function groupHandlers(tables: Ec2Tables): Record<string, Handler> {
  const described = (group: Row): Row => ({
    ...group,
    IpPermissions: permissionsOf(tables, String(group['GroupId']), false),
    IpPermissionsEgress: permissionsOf(tables, String(group['GroupId']), true),
  });
  const authorize = (egress: boolean) => (input: AuthorizeSecurityGroupIngressRequest) => {
    const group = groupOf(tables, input);
    return { Return: true, SecurityGroupRules: addRules(tables, group, egress, asked(input), input.TagSpecifications) };
  };
  const revoke = (egress: boolean) => (input: RevokeSecurityGroupIngressRequest) => {
    const group = groupOf(tables, input);
    const wanted = input.SecurityGroupRuleIds?.map((id) => tables.get('SecurityGroupRules', id));
    const gone =
      wanted ??
      asked(input)
        .flatMap(rulesIn)
        .map((rule) => findRule(tables, group, egress, rule));
    for (const rule of gone) {
      if (!rule) throw new AwsError('InvalidPermission.NotFound', `The specified rule does not exist in security group ${group}.`);
      tables.delete('SecurityGroupRules', rule['SecurityGroupRuleId']);
    }
    return { Return: true };
  };

  return {
    CreateSecurityGroup: (input: CreateSecurityGroupRequest) => {
      if (input.VpcId) tables.get('Vpcs', input.VpcId);
      const twin = tables.all('SecurityGroups').some((row) => row['GroupName'] === input.GroupName && row['VpcId'] === input.VpcId);
      if (twin)
        throw new AwsError('InvalidGroup.Duplicate', `The security group '${input.GroupName}' already exists for VPC '${input.VpcId}'`);
      return { GroupId: createGroup(tables, input, input.TagSpecifications)['GroupId'] };
    },
    DescribeSecurityGroups: (input: { GroupIds?: string[]; GroupNames?: string[]; Filters?: object[] }) => {
      const { SecurityGroups } = tables.describe('SecurityGroups')({ GroupIds: input.GroupIds }) as { SecurityGroups: Row[] };
      const named = SecurityGroups.filter((row) => !input.GroupNames?.length || input.GroupNames.includes(String(row['GroupName'])));
      return { SecurityGroups: named.map(described).filter((row) => (input.Filters ?? []).every((filter) => matches(row, filter))) };
    },
    DescribeSecurityGroupRules: (input: DescribeSecurityGroupRulesRequest) =>
      tables.describe('SecurityGroupRules')(input as Record<string, unknown>),
    DeleteSecurityGroup: (input: { GroupId: string }) => {
      const users = tables
        .all('SecurityGroupRules')
        .filter(
          (rule) => rule['GroupId'] !== input.GroupId && (rule['ReferencedGroupInfo'] as Row | undefined)?.['GroupId'] === input.GroupId,
        );
      tables.checkUnused('SecurityGroups', input.GroupId, users);
      for (const rule of tables.all('SecurityGroupRules').filter((row) => row['GroupId'] === input.GroupId)) {
        tables.delete('SecurityGroupRules', rule['SecurityGroupRuleId']);
      }
      tables.delete('SecurityGroups', input.GroupId);
      return { Return: true, GroupId: input.GroupId };
    },
    AuthorizeSecurityGroupIngress: authorize(false),
    AuthorizeSecurityGroupEgress: authorize(true),
    RevokeSecurityGroupIngress: revoke(false),
    RevokeSecurityGroupEgress: revoke(true),
  };
}

function groupOf(tables: Ec2Tables, input: { GroupId?: string | undefined; GroupName?: string | undefined }): string {
  const id = input.GroupId ?? tables.all('SecurityGroups').find((row) => row['GroupName'] === input.GroupName)?.['GroupId'];
  return String(tables.get('SecurityGroups', id)['GroupId']);
}

/** Permissions as a list, also when the one permission was given in the members of the request itself. */
function asked(input: AuthorizeSecurityGroupIngressRequest): IpPermission[] {
  if (input.IpPermissions?.length) return input.IpPermissions;
  return [
    {
      IpProtocol: input.IpProtocol ?? '-1',
      FromPort: input.FromPort,
      ToPort: input.ToPort,
      ...(input.CidrIp ? { IpRanges: [{ CidrIp: input.CidrIp }] } : {}),
      ...(input.SourceSecurityGroupName ? { UserIdGroupPairs: [{ GroupName: input.SourceSecurityGroupName }] } : {}),
    },
  ];
}

/** One rule for every source or destination of a permission. */
function rulesIn(permission: IpPermission): Row[] {
  const all = permission.IpProtocol === '-1';
  const common = {
    IpProtocol: permission.IpProtocol,
    FromPort: all ? -1 : permission.FromPort,
    ToPort: all ? -1 : permission.ToPort,
  };
  return [
    ...(permission.IpRanges ?? []).map(({ CidrIp, Description }) => ({ ...common, CidrIpv4: CidrIp, Description })),
    ...(permission.Ipv6Ranges ?? []).map(({ CidrIpv6, Description }) => ({ ...common, CidrIpv6, Description })),
    ...(permission.PrefixListIds ?? []).map(({ PrefixListId, Description }) => ({ ...common, PrefixListId, Description })),
    ...(permission.UserIdGroupPairs ?? []).map(({ GroupId, UserId, Description }) => ({
      ...common,
      ReferencedGroupInfo: { GroupId, UserId },
      Description,
    })),
  ];
}

function addRules(tables: Ec2Tables, group: string, egress: boolean, permissions: IpPermission[], tagging?: TagSpecification[]): Row[] {
  const wanted = permissions.flatMap(rulesIn);
  for (const rule of wanted) {
    if (findRule(tables, group, egress, rule)) {
      throw new AwsError('InvalidPermission.Duplicate', `the specified rule "${describeRule(rule)}" already exists in ${group}`);
    }
    const other = (rule['ReferencedGroupInfo'] as Row | undefined)?.['GroupId'];
    if (other) tables.get('SecurityGroups', other);
  }
  const { sandbox } = tables;
  return wanted.map((rule) => {
    const made = tables.create('SecurityGroupRules', { GroupId: group, GroupOwnerId: sandbox.account, IsEgress: egress, ...rule }, tagging);
    return tables.save('SecurityGroupRules', {
      ...made,
      SecurityGroupRuleArn: sandbox.arn('ec2', `security-group-rule/${String(made['SecurityGroupRuleId'])}`),
    });
  });
}

/** The same traffic from the same source; the description makes no difference. */
function findRule(tables: Ec2Tables, group: string, egress: boolean, wanted: Row): Row | undefined {
  return tables
    .all('SecurityGroupRules')
    .find((rule) => rule['GroupId'] === group && rule['IsEgress'] === egress && describeRule(rule) === describeRule(wanted));
}

function trafficOf(rule: Row): string {
  return `${String(rule['IpProtocol'])}, from port: ${String(rule['FromPort'])}, to port: ${String(rule['ToPort'])}`;
}

function describeRule(rule: Row): string {
  const peer =
    rule['CidrIpv4'] ?? rule['CidrIpv6'] ?? rule['PrefixListId'] ?? (rule['ReferencedGroupInfo'] as Row | undefined)?.['GroupId'];
  return `peer: ${String(peer)}, ${trafficOf(rule)}`;
}

/** Rules with the same protocol and ports are one permission. */
function permissionsOf(tables: Ec2Tables, group: string, egress: boolean): IpPermission[] {
  const permissions = new Map<
    string,
    Required<Pick<IpPermission, 'IpRanges' | 'Ipv6Ranges' | 'PrefixListIds' | 'UserIdGroupPairs'>> & IpPermission
  >();
  for (const rule of tables.all('SecurityGroupRules')) {
    if (rule['GroupId'] !== group || rule['IsEgress'] !== egress) continue;
    const key = trafficOf(rule);
    const permission = permissions.get(key) ?? {
      IpProtocol: rule['IpProtocol'] as string,
      ...(rule['IpProtocol'] === '-1' ? {} : { FromPort: rule['FromPort'] as number, ToPort: rule['ToPort'] as number }),
      IpRanges: [],
      Ipv6Ranges: [],
      PrefixListIds: [],
      UserIdGroupPairs: [],
    };
    permissions.set(key, permission);
    const Description = rule['Description'] as string | undefined;
    if (rule['CidrIpv4']) permission.IpRanges.push({ CidrIp: rule['CidrIpv4'] as string, Description });
    else if (rule['CidrIpv6']) permission.Ipv6Ranges.push({ CidrIpv6: rule['CidrIpv6'] as string, Description });
    else if (rule['PrefixListId']) permission.PrefixListIds.push({ PrefixListId: rule['PrefixListId'] as string, Description });
    else
      permission.UserIdGroupPairs.push({
        GroupId: (rule['ReferencedGroupInfo'] as Row)['GroupId'] as string,
        UserId: tables.sandbox.account,
        Description,
      });
  }
  return [...permissions.values()];
}
