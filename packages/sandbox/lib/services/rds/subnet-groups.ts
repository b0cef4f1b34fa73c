/** DB subnet groups. */
import type {
  CreateDBSubnetGroupMessage,
  CreateDBSubnetGroupResult,
  DBSubnetGroupMessage,
  DeleteDBSubnetGroupMessage,
  DescribeDBSubnetGroupsMessage,
  ModifyDBSubnetGroupMessage,
  ModifyDBSubnetGroupResult,
} from '@aws-sdk/client-rds';
import { AwsError } from '../../service';
import { nameOf, page, required } from './checks';
import { type Context, saveTags } from './context';
import { invalidValue, subnetGroupNotFound } from './errors';
import type { SubnetGroup } from './records';
import { shownSubnetGroup } from './shape';

export const subnetGroupHandlers = (context: Context) => ({
  CreateDBSubnetGroup: async (input: CreateDBSubnetGroupMessage): Promise<CreateDBSubnetGroupResult> => {
    const name = required(input.DBSubnetGroupName, 'DBSubnetGroupName').toLowerCase();
    if (!/^[a-z0-9 ._-]{1,255}$/.test(name) || name === 'default') {
      throw invalidValue(`The parameter DBSubnetGroupName is not valid: ${input.DBSubnetGroupName}`);
    }
    if (context.records.subnetGroups.has(name))
      throw new AwsError('DBSubnetGroupAlreadyExists', `The DB subnet group '${name}' already exists.`);
    const description = required(input.DBSubnetGroupDescription, 'DBSubnetGroupDescription');
    const group = { name, description, ...(await subnetsOf(context, input.SubnetIds)) };
    context.records.subnetGroups.set(name, group);
    saveTags(context, context.sandbox.arn('rds', `subgrp:${name}`), input.Tags);
    return { DBSubnetGroup: shownSubnetGroup(context.sandbox, group) };
  },

  ModifyDBSubnetGroup: async (input: ModifyDBSubnetGroupMessage): Promise<ModifyDBSubnetGroupResult> => {
    const group = subnetGroupOf(context, input.DBSubnetGroupName);
    const changed = {
      ...group,
      description: input.DBSubnetGroupDescription ?? group.description,
      ...(await subnetsOf(context, input.SubnetIds)),
    };
    context.records.subnetGroups.set(group.name, changed);
    return { DBSubnetGroup: shownSubnetGroup(context.sandbox, changed) };
  },

  DescribeDBSubnetGroups: (input: DescribeDBSubnetGroupsMessage): DBSubnetGroupMessage => {
    const all = input.DBSubnetGroupName ? [subnetGroupOf(context, input.DBSubnetGroupName)] : context.records.subnetGroups.values();
    const { items, Marker } = page(all, ({ name }) => name, input);
    return { DBSubnetGroups: items.map((group) => shownSubnetGroup(context.sandbox, group)), ...(Marker !== undefined && { Marker }) };
  },

  DeleteDBSubnetGroup: (input: DeleteDBSubnetGroupMessage): Record<string, never> => {
    const group = subnetGroupOf(context, input.DBSubnetGroupName);
    const users = context.records.instances.values().filter(({ subnetGroup }) => subnetGroup === group.name);
    if (users.length > 0) {
      const names = users.map(({ id }) => id).join(', ');
      throw new AwsError(
        'InvalidDBSubnetGroupStateFault',
        `Cannot delete the subnet group '${group.name}' because at least one database instance: ${names} is still using it.`,
      );
    }
    context.records.subnetGroups.delete(group.name);
    context.records.tags.delete(context.sandbox.arn('rds', `subgrp:${group.name}`));
    return {};
  },
});

export function subnetGroupOf(context: Context, wanted: string | undefined): SubnetGroup {
  const name = nameOf(required(wanted, 'DBSubnetGroupName'));
  const group = context.records.subnetGroups.get(name);
  if (!group) throw subnetGroupNotFound(name);
  return group;
}

async function subnetsOf(context: Context, ids: readonly string[] | undefined): Promise<Pick<SubnetGroup, 'vpc' | 'subnets'>> {
  if (!ids?.length) throw invalidValue('The parameter SubnetIds must be provided and must not be blank.');
  const { Subnets = [] } = (await context.sandbox.call('ec2', 'DescribeSubnets', { SubnetIds: [...ids] }).catch((error: unknown) => {
    if (error instanceof AwsError && error.code.startsWith('InvalidSubnet')) throw new AwsError('InvalidSubnet', error.message);
    throw error;
  })) as { Subnets?: { SubnetId?: string; AvailabilityZone?: string; VpcId?: string }[] };
  const zones = new Set(Subnets.map(({ AvailabilityZone }) => AvailabilityZone));
  const vpcs = new Set(Subnets.map(({ VpcId }) => VpcId));
  if (vpcs.size > 1) throw new AwsError('InvalidSubnet', `The subnets are in different VPCs: ${[...vpcs].join(', ')}`);
  if (zones.size < 2) {
    throw new AwsError(
      'DBSubnetGroupDoesNotCoverEnoughAZs',
      `The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: ${[...zones].join(', ')}. Add subnets to cover at least 2 AZs.`,
    );
  }
  const subnets = Subnets.map(({ SubnetId, AvailabilityZone }) => ({ id: SubnetId ?? '', zone: AvailabilityZone ?? '' }));
  return { vpc: [...vpcs][0] ?? '', subnets };
}
