/** The tables of a database as comparison, publication and marker need them: names, columns, keys. */
import { createHash } from 'node:crypto';
import { type Db, ident } from './connect';
import { ofExtension, userSchema } from './server';

export interface Column {
  readonly name: string;
  /** As SQL writes it: `character varying(5)`. */
  readonly type: string;
  readonly notNull: boolean;
  /** The default's expression. */
  readonly default: string | null;
  /** `''`, `a` (ALWAYS) or `d` (BY DEFAULT). */
  readonly identity: string;
  /** `''`, `s` (stored) or `v` (virtual, PostgreSQL 18). */
  readonly generated: string;
  /** True where the order of values depends on a collation. */
  readonly collatable: boolean;
}

export interface Table {
  /** `schema.table`, quoted where needed: the name for people, and for SQL. */
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly Column[];
  /** Columns of the primary key, in its order. */
  readonly primaryKey: readonly string[];
  /** Columns by which replication finds a row; empty when it cannot. All of them with FULL. */
  readonly identity: readonly string[];
  readonly identityFull: boolean;
  readonly partitioned: boolean;
  readonly persistent: boolean;
  /** Estimated by the last ANALYZE; never negative. */
  readonly rows: number;
  readonly bytes: number;
}

/** Every table of the user's schemas; of a partitioned one the root only. */
export async function readTables(db: Db): Promise<Table[]> {
  const rows = await db.query<Omit<Table, 'identity'> & { identity: string[] | null }>(
    `SELECT n.nspname AS schema, c.relname AS "table", pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
            c.relkind = 'p' AS partitioned, c.relpersistence = 'p' AS persistent, c.relreplident = 'f' AS "identityFull",
            CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(greatest(l.reltuples, 0)), 0) FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class l ON l.oid = t.relid WHERE t.isleaf)
                 ELSE greatest(c.reltuples, 0) END::float8 AS rows,
            CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(pg_catalog.pg_table_size(t.relid)), 0) FROM pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf)
                 ELSE pg_catalog.pg_table_size(c.oid) END::float8 AS bytes,
            coalesce((SELECT json_agg(json_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
                        'default', pg_catalog.pg_get_expr(f.adbin, f.adrelid), 'identity', a.attidentity, 'generated', a.attgenerated, 'collatable', a.attcollation <> 0) ORDER BY a.attnum)
               FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns,
            coalesce((SELECT json_agg(a.attname ORDER BY k.place) FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place), pg_catalog.pg_attribute a
              WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.attnum), '[]') AS "primaryKey",
            (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
              WHERE i.indrelid = c.oid AND ((c.relreplident = 'd' AND i.indisprimary) OR (c.relreplident = 'i' AND i.indisreplident))) AS identity
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r','p') AND NOT c.relispartition AND ${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')} ORDER BY 1, 2`,
  );
  return rows.map((row) => ({ ...row, identity: row.identityFull ? row.columns.map((column) => column.name) : (row.identity ?? []) }));
}

/** Columns that replication can carry and a comparison should look at: PostgreSQL computes generated ones itself. */
export const plainColumns = (table: Table): Column[] => table.columns.filter((column) => column.generated === '');

/** Names as a list for SQL. */
export const columnList = (names: readonly string[]): string => names.map(ident).join(', ');

/** A name of ours for something of theirs. PostgreSQL cuts a name at 63 bytes: two that begin alike must not become one. */
export function fittingName(begin: string, name: string): string {
  const whole = begin + name;
  if (Buffer.byteLength(whole) <= 63) return whole;
  const end = `_${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
  let cut = whole;
  while (Buffer.byteLength(cut + end) > 63) cut = cut.slice(0, -1);
  return cut + end;
}
