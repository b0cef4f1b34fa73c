/** Rows of a partitioned table before and after migrations that have laid it out anew: which are elsewhere, and which are nowhere. */
import { DatabaseError, type Db, ident } from '../connection/connect';
import { type Catalog, type CatalogPartition, type CatalogTable, sameColumn } from '../schema/catalog';

export interface Moved {
  readonly table: CatalogTable;
  /** What it has become. */
  readonly other: CatalogTable;
  readonly old: Catalog;
  readonly now: Catalog;
}

/** The table of the old schema, without the rows of partitions that are tables of their own now. */
export function withoutDetached({ oid, name }: CatalogTable, { partitions = [] }: Catalog, now: Catalog): string {
  const detached = partitions.filter((part) => part.root === oid && now.tables.some((table) => table.oid === part.oid));
  if (detached.length === 0) return name;
  const trees = detached.map((part) => `SELECT relid FROM pg_catalog.pg_partition_tree(${part.oid})`);
  return `(SELECT * FROM ${name} WHERE tableoid NOT IN (${trees.join(' UNION ALL ')}))`;
}

/** Partitions that are nothing any more. */
export const goneOf = ({ table, old, now }: Moved): CatalogPartition[] =>
  (old.partitions ?? []).filter(
    ({ oid, root, partitioned }) =>
      root === table.oid && !partitioned && !now.partitions?.some((part) => part.oid === oid) && !now.tables.some((one) => one.oid === oid),
  );

/** How many rows of the new schema lie within the bounds of a partition of the old one. */
export async function movedFrom({ oid }: CatalogPartition, before: Db, after: Db, { table, other }: Moved): Promise<number> {
  const [bounds] = await before.query<{ sql: string | null }>('SELECT pg_catalog.pg_get_partition_constraintdef($1::oid) AS sql', [oid]);
  const named = table.columns.flatMap((column) => {
    const is = sameColumn(column, table, other);
    return is ? [`${ident(is.name)} AS ${ident(column.name)}`] : [];
  });
  const from = `(SELECT ${named.join(', ')} FROM ${other.name}) AS rows`;
  const found = await after
    .query<{ n: number }>(`SELECT count(*)::float8 AS n FROM ${from} WHERE ${bounds?.sql ?? 'true'}`)
    .catch((error: unknown) => {
      // the key of the partition is gone, or of another type.
      if (!(error instanceof DatabaseError) || !error.sqlstate?.startsWith('42')) throw error;
      return [];
    });
  return found[0]?.n ?? 0;
}
