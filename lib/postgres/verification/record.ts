/**
 * The proof's own record of a schema, by its own query: what tells after a rollback which table and which column was which. At the fork both
 * databases are one, so OIDs and column numbers are the same on both for as long as a table or a column is. Plain JSON.
 */
import type { Db } from '../connection/connect';
import { ofExtension, userSchema } from '../connection/server';

export interface RecordedColumn {
  readonly number: number;
  readonly name: string;
  /** As SQL writes it: `character varying(5)`. */
  readonly type: string;
  /** The OID of the type. */
  readonly of: number;
  readonly notNull: boolean;
  readonly default: string | null;
  readonly generated: string;
}

export interface RecordedRelation {
  readonly oid: number;
  readonly table: string;
  /** `schema.table`, quoted where needed. */
  readonly name: string;
  /** The OID of the partitioned table that it is a part of. */
  readonly root: number | null;
  readonly partitioned: boolean;
  readonly unlogged: boolean;
  /** Estimated. */
  readonly rows: number;
  /** Numbers of the columns that tell rows apart. */
  readonly key: readonly number[];
  readonly columns: readonly RecordedColumn[];
}

export interface RecordedType {
  readonly oid: number;
  /** Without a length. */
  readonly name: string;
  /** As pg_type.typtype. */
  readonly kind: string;
  /** The OID of what it is made of: the base of a domain, the element of an array, the bounds of a range; 0 for others. */
  readonly of: number;
  readonly array: boolean;
  /** PostgreSQL's own, which every server has. */
  readonly builtin: boolean;
  /** Of an enum, in their order. */
  readonly labels: readonly { readonly oid: number; readonly label: string }[];
  /** Of a composite type. Absent in journals of before. */
  readonly parts?: readonly { readonly number: number; readonly name: string; readonly of: number }[];
}

export interface ProofRecord {
  readonly relations: readonly RecordedRelation[];
  readonly types: readonly RecordedType[];
}

/**
 * Values must read the same on both servers, whatever is set there; and no policy may hide rows: the comparison fails instead.
 * For the rest of a transaction.
 */
const settings = {
  search_path: 'public, pg_temp',
  row_security: 'off',
  timezone: 'UTC',
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmloption: 'content',
};
export const settle = `SELECT ${Object.entries(settings)
  .map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`)
  .join(', ')}`;

/** Of a database as it is now; every relation that has rows of its own, partitions and unlogged tables too. */
export const readRecord = (db: Db): Promise<ProofRecord> =>
  db.transaction(async (inside) => {
    await inside.query(settle);
    return recordOf(inside);
  });

/** Inside a transaction with `settle`. */
export async function recordOf(db: Db): Promise<ProofRecord> {
  const relations = await db.query<RecordedRelation>(
    `SELECT c.oid::int8::float8 AS oid, c.relname AS "table", pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
            CASE WHEN c.relispartition THEN pg_catalog.pg_partition_root(c.oid)::oid::int8::float8 END AS root,
            c.relkind = 'p' AS partitioned, c.relpersistence = 'u' AS unlogged,
            CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(greatest(l.reltuples, 0)), 0) FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class l ON l.oid = t.relid WHERE t.isleaf)
                 ELSE greatest(c.reltuples, 0) END::float8 AS rows,
            coalesce((SELECT to_json((i.indkey::int2[])[0:i.indnkeyatts - 1]) FROM pg_catalog.pg_index i
               WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND (i.indisprimary OR i.indisreplident)
               ORDER BY i.indisprimary DESC LIMIT 1), '[]') AS key,
            coalesce((SELECT json_agg(json_build_object('number', a.attnum, 'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'of', a.atttypid::int8,
                        'notNull', a.attnotnull, 'default', pg_catalog.pg_get_expr(f.adbin, f.adrelid), 'generated', a.attgenerated) ORDER BY a.attnum)
               FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r','p') AND ${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')} ORDER BY n.nspname, c.relname`,
  );
  const types = await db.query<RecordedType>(
    `WITH RECURSIVE used(oid) AS (
       SELECT a.atttypid FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r','p') AND ${userSchema} AND a.attnum > 0 AND NOT a.attisdropped
       UNION SELECT u.oid FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid
         CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem), ((SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid))
           UNION SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS u(oid) WHERE u.oid <> 0)
     SELECT t.oid::int8::float8 AS oid, pg_catalog.format_type(t.oid, -1) AS name, t.typtype AS kind, t.typcategory = 'A' AS "array",
            (CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typcategory = 'A' THEN t.typelem ELSE coalesce((SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid), 0) END)::int8::float8 AS of,
            t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AS builtin,
            coalesce((SELECT json_agg(json_build_object('oid', e.oid::int8, 'label', e.enumlabel) ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), '[]') AS labels,
            coalesce((SELECT json_agg(json_build_object('number', a.attnum, 'name', a.attname, 'of', a.atttypid::int8) ORDER BY a.attnum)
               FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS parts
       FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid ORDER BY 1`,
  );
  return { relations, types };
}
