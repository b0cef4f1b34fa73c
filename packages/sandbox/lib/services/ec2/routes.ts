/** Route tables, their routes, and which subnets use them. */
import type { CreateRouteRequest, CreateRouteTableRequest, DeleteRouteRequest, TagSpecification } from '@aws-sdk/client-ec2';
import { AwsError, type Handler } from '../../service';
import type { Ec2Tables, Row } from './tables';

export function createTable(tables: Ec2Tables, vpcId: string, main: boolean, tagging?: TagSpecification[]): Row {
  const vpc = tables.get('Vpcs', vpcId);
  const table = tables.create(
    'RouteTables',
    {
      VpcId: vpcId,
      OwnerId: tables.sandbox.account,
      Routes: [{ DestinationCidrBlock: vpc['CidrBlock'], GatewayId: 'local', Origin: 'CreateRouteTable', State: 'active' }],
      Associations: [],
    },
    tagging,
  );
  return main ? associate(tables, table, { Main: true }) : table;
}

function associate(tables: Ec2Tables, table: Row, members: Record<string, unknown>): Row {
  const association = {
    RouteTableAssociationId: `rtbassoc-${tables.sandbox.id(17)}`,
    RouteTableId: table['RouteTableId'],
    Main: false,
    AssociationState: { State: 'associated' },
    ...members,
  };
  return tables.save('RouteTables', { ...table, Associations: [...(table['Associations'] as Row[]), association] });
}

export function routeHandlers(tables: Ec2Tables): Record<string, Handler> {
  const tableWith = (associationId: string): Row => {
    const table = tables
      .all('RouteTables')
      .find((row) => (row['Associations'] as Row[]).some((one) => one['RouteTableAssociationId'] === associationId));
    if (!table) throw new AwsError('InvalidAssociationID.NotFound', `The association ID '${associationId}' does not exist`);
    return table;
  };
  const disassociate = (associationId: string): Row => {
    const table = tableWith(associationId);
    const all = table['Associations'] as Row[];
    const gone = all.find((one) => one['RouteTableAssociationId'] === associationId)!;
    if (gone['Main']) throw new AwsError('InvalidParameterValue', `cannot disassociate the main route table association ${associationId}`);
    tables.save('RouteTables', { ...table, Associations: all.filter((one) => one !== gone) });
    return gone;
  };
  const latestId = (table: Row): unknown => (table['Associations'] as Row[]).at(-1)?.['RouteTableAssociationId'];

  return {
    CreateRouteTable: (input: CreateRouteTableRequest) => ({
      RouteTable: createTable(tables, input.VpcId ?? '', false, input.TagSpecifications),
    }),
    DescribeRouteTables: tables.describe('RouteTables'),
    DeleteRouteTable: ({ RouteTableId }: { RouteTableId: string }) => {
      tables.checkUnused('RouteTables', RouteTableId, tables.get('RouteTables', RouteTableId)['Associations'] as Row[]);
      tables.delete('RouteTables', RouteTableId);
    },

    CreateRoute: (input: CreateRouteRequest) => {
      const table = tables.get('RouteTables', input.RouteTableId);
      const destination = destinationOf(input);
      if ((table['Routes'] as Row[]).some((route) => destinationOf(route) === destination)) {
        throw new AwsError('RouteAlreadyExists', `The route identified by ${destination} already exists.`);
      }
      tables.save('RouteTables', { ...table, Routes: [...(table['Routes'] as Row[]), routeOf(input)] });
      return { Return: true };
    },
    ReplaceRoute: (input: CreateRouteRequest) => {
      const { table, others } = without(tables, input);
      tables.save('RouteTables', { ...table, Routes: [...others, routeOf(input)] });
    },
    DeleteRoute: (input: DeleteRouteRequest) => {
      const { table, others } = without(tables, input);
      tables.save('RouteTables', { ...table, Routes: others });
    },

    AssociateRouteTable: (input: { RouteTableId: string; SubnetId: string }) => {
      const table = tables.get('RouteTables', input.RouteTableId);
      tables.get('Subnets', input.SubnetId);
      const taken = tables
        .all('RouteTables')
        .some((row) => (row['Associations'] as Row[]).some((one) => one['SubnetId'] === input.SubnetId));
      if (taken)
        throw new AwsError(
          'Resource.AlreadyAssociated',
          `the specified association for ${input.SubnetId} conflicts with an existing association`,
        );
      return { AssociationId: latestId(associate(tables, table, { SubnetId: input.SubnetId })), AssociationState: { State: 'associated' } };
    },
    ReplaceRouteTableAssociation: (input: { AssociationId: string; RouteTableId: string }) => {
      tables.get('RouteTables', input.RouteTableId);
      const { SubnetId } = disassociate(input.AssociationId);
      const table = associate(tables, tables.get('RouteTables', input.RouteTableId), { SubnetId });
      return { NewAssociationId: latestId(table), AssociationState: { State: 'associated' } };
    },
    DisassociateRouteTable: (input: { AssociationId: string }) => void disassociate(input.AssociationId),
  };
}

type Destination = Pick<CreateRouteRequest, 'DestinationCidrBlock' | 'DestinationIpv6CidrBlock' | 'DestinationPrefixListId'>;

function destinationOf(route: Destination | Row): string {
  return String(route.DestinationCidrBlock ?? route.DestinationIpv6CidrBlock ?? route.DestinationPrefixListId);
}

function routeOf(route: CreateRouteRequest): Row {
  // RouteTableId and DryRun are no members of a route and are not answered.
  return { ...route, Origin: 'CreateRoute', State: 'active' };
}

function without(tables: Ec2Tables, input: CreateRouteRequest | DeleteRouteRequest): { table: Row; others: Row[] } {
  const table = tables.get('RouteTables', input.RouteTableId);
  const all = table['Routes'] as Row[];
  const others = all.filter((route) => destinationOf(route) !== destinationOf(input));
  if (others.length === all.length) {
    throw new AwsError('InvalidRoute.NotFound', `no route with destination ${destinationOf(input)} in route table ${input.RouteTableId}`);
  }
  return { table, others };
}
