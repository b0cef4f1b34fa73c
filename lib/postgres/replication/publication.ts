/** What a feed carries: a publication with the columns of each table spelled out, so that later columns do not join it by themselves. */
import { DatabaseError, type Db, ident } from '../connection/connect';
import { columnList, plainColumns, readTables, type Table } from '../connection/tables';
import { unwatchPartitions, watchPartitions } from './emptied-partitions';
import { markerTable } from './marker';

/** One table of a publication. */
export interface PublishedTable {
  readonly schema: string;
  readonly table: string;
  /** Left out where every row is found by all of its columns: PostgreSQL allows no list then. */
  readonly columns?: readonly string[];
}

/** Every table that replication can carry, with all columns of it. */
export async function publishable(db: Db): Promise<PublishedTable[]> {
  return (await readTables(db)).filter((table) => table.persistent).map(published);
}

export function published(table: Table): PublishedTable {
  const base = { schema: table.schema, table: table.table };
  return table.identityFull ? base : { ...base, columns: plainColumns(table).map((column) => column.name) };
}

/** Makes the publication, with the marker in it, and what no publication tells. Must exist before any change that is decoded, and stay. */
export async function createPublication(db: Db, name: string, tables: readonly PublishedTable[]): Promise<void> {
  const list = [...tables, markerTable].map(
    ({ schema, table, columns }) => `${ident(schema)}.${ident(table)}${columns ? ` (${columnList(columns)})` : ''}`,
  );
  const unwatched = await watchPartitions(db);
  if (unwatched.length > 0) throw new DatabaseError(unwatched.join('; '), '42501');
  await db.query(`CREATE PUBLICATION ${ident(name)} FOR TABLE ${list.join(', ')} WITH (publish_via_partition_root = true)`);
}

export async function dropPublication(db: Db, name: string): Promise<void> {
  await unwatchPartitions(db);
  await db.query(`DROP PUBLICATION IF EXISTS ${ident(name)}`);
}

export async function publicationExists(db: Db, name: string): Promise<boolean> {
  return (await db.query('SELECT FROM pg_catalog.pg_publication WHERE pubname = $1', [name])).length > 0;
}

/** What a publication publishes now. */
export async function readPublication(db: Db, name: string): Promise<(PublishedTable & { columns: readonly string[] })[]> {
  return db.query(
    `SELECT schemaname AS schema, tablename AS "table", to_json(attnames) AS columns FROM pg_catalog.pg_publication_tables WHERE pubname = $1 ORDER BY 1, 2`,
    [name],
  );
}
