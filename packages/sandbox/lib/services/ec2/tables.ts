/** What all resources of EC2 have in common: an id with a prefix, tags, filters, an error when they are not there. */
import type { Filter, Tag, TagSpecification } from '@aws-sdk/client-ec2';
import { AwsError, type Sandbox } from '../../service';
import type { Table } from '../../state';

/** A resource in the shape in which EC2 describes it. */
export type Row = Record<string, unknown> & { Tags?: Tag[] };

export interface Kind {
  /** `vpc` of `vpc-0123…`, and of a TagSpecification's ResourceType unless `tagType` says otherwise. */
  readonly prefix: string;
  readonly tagType: string;
  /** The member that holds the id. */
  readonly id: string;
  /** The member of Describe's input that asks for some ids. */
  readonly ids: string;
  /** The member of Describe's output that lists them. */
  readonly list: string;
  readonly notFound: string;
}

const kind = (prefix: string, tagType: string, id: string, list: string, notFound: string, ids = `${id}s`): Kind => ({
  prefix,
  tagType,
  id,
  ids,
  list,
  notFound,
});

export const KINDS = {
  Vpcs: kind('vpc', 'vpc', 'VpcId', 'Vpcs', 'InvalidVpcID.NotFound'),
  Subnets: kind('subnet', 'subnet', 'SubnetId', 'Subnets', 'InvalidSubnetID.NotFound'),
  RouteTables: kind('rtb', 'route-table', 'RouteTableId', 'RouteTables', 'InvalidRouteTableID.NotFound'),
  InternetGateways: kind('igw', 'internet-gateway', 'InternetGatewayId', 'InternetGateways', 'InvalidInternetGatewayID.NotFound'),
  NatGateways: kind('nat', 'natgateway', 'NatGatewayId', 'NatGateways', 'NatGatewayNotFound'),
  Addresses: kind('eipalloc', 'elastic-ip', 'AllocationId', 'Addresses', 'InvalidAllocationID.NotFound'),
  SecurityGroups: kind('sg', 'security-group', 'GroupId', 'SecurityGroups', 'InvalidGroup.NotFound'),
  SecurityGroupRules: kind(
    'sgr',
    'security-group-rule',
    'SecurityGroupRuleId',
    'SecurityGroupRules',
    'InvalidSecurityGroupRuleId.NotFound',
  ),
  VpcEndpoints: kind('vpce', 'vpc-endpoint', 'VpcEndpointId', 'VpcEndpoints', 'InvalidVpcEndpointId.NotFound'),
  NetworkInterfaces: kind('eni', 'network-interface', 'NetworkInterfaceId', 'NetworkInterfaces', 'InvalidNetworkInterfaceID.NotFound'),
  FlowLogs: kind('fl', 'vpc-flow-log', 'FlowLogId', 'FlowLogs', 'InvalidFlowLogId.NotFound'),
} as const;

export type KindName = keyof typeof KINDS;

export class Ec2Tables {
  constructor(readonly sandbox: Sandbox) {}

  table(of: KindName): Table<Row> {
    return this.sandbox.table<Row>(`ec2.${of}`);
  }

  all(of: KindName): Row[] {
    return this.table(of).values();
  }

  get(of: KindName, id: unknown): Row {
    const row = this.table(of).get(String(id));
    const { notFound, id: member } = KINDS[of];
    if (!row) throw new AwsError(notFound, `The ${member} '${String(id)}' does not exist`);
    return row;
  }

  create(of: KindName, members: Record<string, unknown>, tagging?: TagSpecification[]): Row {
    const { prefix, tagType, id } = KINDS[of];
    const Tags = (tagging ?? []).filter(({ ResourceType }) => ResourceType === tagType).flatMap(({ Tags: tags }) => tags ?? []);
    const row: Row = { [id]: `${prefix}-${this.sandbox.id(17)}`, ...members, Tags };
    return this.save(of, row);
  }

  save(of: KindName, row: Row): Row {
    return this.table(of).set(String(row[KINDS[of].id]), row);
  }

  delete(of: KindName, id: unknown): void {
    this.table(of).delete(String(id));
  }

  /** Refuses to delete what something else still uses, as EC2 does. */
  checkUnused(of: KindName, id: string, users: readonly Row[]): void {
    this.get(of, id);
    if (users.length > 0)
      throw new AwsError('DependencyViolation', `The ${KINDS[of].tagType} '${id}' has dependencies and cannot be deleted.`);
  }

  describe(of: KindName) {
    return (input: Record<string, unknown>): Record<string, unknown> => {
      const { ids, list } = KINDS[of];
      const asked = input[ids] as string[] | undefined;
      const rows = asked?.length ? asked.map((id) => this.get(of, id)) : this.all(of);
      // NAT gateways alone call it Filter.
      const filters = (input['Filters'] ?? input['Filter'] ?? []) as Filter[];
      return { [list]: rows.filter((row) => filters.every((filter) => matches(row, filter))) };
    };
  }
}

/** `attachment.vpc-id` of `Attachments[].VpcId`, `tag:Name`, `tag-key`; values may have * and ? in them. */
export function matches(row: Row, { Name = '', Values = [] }: Filter): boolean {
  const patterns = Values.map(
    (value) =>
      new RegExp(
        `^${value
          .replace(/[.+^${}()|[\]\\]/g, '\\$&')
          .replaceAll('*', '.*')
          .replaceAll('?', '.')}$`,
      ),
  );
  const subjects = subjectsOf(row, Name);
  return subjects.some((subject) => patterns.some((pattern) => pattern.test(String(subject))));
}

/** Filters whose name is not that of the member. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  cidr: 'cidr-block',
  isDefault: 'is-default',
  'ip-permission.cidr': 'IpPermissions.IpRanges.CidrIp',
};

function subjectsOf(row: Row, name: string): unknown[] {
  if (name.startsWith('tag:')) return (row.Tags ?? []).filter(({ Key }) => Key === name.slice(4)).map(({ Value }) => Value);
  if (name === 'tag-key') return (row.Tags ?? []).map(({ Key }) => Key);
  let found: unknown[] = [row];
  for (const part of (OTHER_NAMES[name] ?? name).split('.')) {
    const member = part.replace(/(^|-)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
    found = found.flatMap((value) => {
      const object = (value ?? {}) as Record<string, unknown>;
      return object[member] ?? object[`${member}s`] ?? object[`${member}Set`] ?? [];
    });
  }
  return found;
}

/** Adds and removes tags of anything by its id. */
export function tagHandlers(tables: Ec2Tables) {
  const change = (ids: readonly string[], apply: (tags: Tag[]) => Tag[]): void => {
    for (const id of ids) {
      const of = (Object.keys(KINDS) as KindName[]).find((name) => id.startsWith(`${KINDS[name].prefix}-`));
      if (!of) throw new AwsError('InvalidID', `The ID '${id}' is not valid`);
      const row = tables.get(of, id);
      row.Tags = apply(row.Tags ?? []);
      tables.save(of, row);
    }
  };
  return {
    CreateTags: (input: { Resources: string[]; Tags: Tag[] }) =>
      change(input.Resources, (tags) => [...tags.filter(({ Key }) => !input.Tags.some((tag) => tag.Key === Key)), ...input.Tags]),
    DeleteTags: (input: { Resources: string[]; Tags?: Tag[] }) =>
      change(input.Resources, (tags) => tags.filter(({ Key }) => input.Tags && !input.Tags.some((tag) => tag.Key === Key))),
    DescribeTags: (input: { Filters?: Filter[] }) => {
      const all = (Object.keys(KINDS) as KindName[]).flatMap((name) =>
        tables
          .all(name)
          .flatMap((row) =>
            (row.Tags ?? []).map((tag) => ({ ...tag, ResourceId: row[KINDS[name].id] as string, ResourceType: KINDS[name].tagType })),
          ),
      );
      return { Tags: all.filter((tag) => (input.Filters ?? []).every((filter) => matches(tag as unknown as Row, filter))) };
    },
  };
}
