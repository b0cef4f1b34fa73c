/** What a database holds, for who writes rows into it and for who judges what became of them. Imports nothing of the product. */
import type { Client } from 'pg';

export interface Column {
  readonly name: string;
  /** As PostgreSQL writes it, with its length. */
  readonly type: string;
  /** Of an array, its elements; of a domain, what it is made of. */
  readonly base: string;
  readonly array: boolean;
  readonly labels: readonly string[] | null;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** Its default is another one each time: the hour, a random one. */
  readonly volatile: boolean;
  /** Computed, or an identity that takes no other value. */
  readonly generated: boolean;
}

export interface Table {
  /** Quoted, with its schema. */
  readonly name: string;
  readonly columns: readonly Column[];
  /** Names of columns. */
  readonly key: readonly string[];
  readonly references: readonly { readonly columns: readonly string[]; readonly to: string; readonly of: readonly string[] }[];
  readonly checks: readonly string[];
}

export async function readTables(client: Client): Promise<Table[]> {
  const { rows } = await client.query<{ table: Table }>(
    `SELECT json_build_object(
        'name', format('%I.%I', n.nspname, c.relname),
        'columns', (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
              'base', format_type(coalesce(nullif(e.typbasetype, 0), e.oid), NULL), 'array', t.typcategory = 'A',
              'labels', (SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = e.oid),
              'notNull', a.attnotnull, 'hasDefault', a.atthasdef OR a.attidentity <> '', 'volatile', coalesce(pg_get_expr(d.adbin, d.adrelid) ~* 'now\\(|current_|clock_|uuid|random', false), 'generated', a.attgenerated <> '' OR a.attidentity = 'a') ORDER BY a.attnum), '[]')
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem ELSE t.oid END
             LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        'key', (SELECT coalesce(json_agg(a.attname ORDER BY k.at), '[]') FROM pg_constraint p CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY k (num, at)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num WHERE p.conrelid = c.oid AND p.contype = 'p'),
        'references', (SELECT coalesce(json_agg(json_build_object('columns', (SELECT json_agg(a.attname ORDER BY k.at) FROM unnest(f.conkey) WITH ORDINALITY k (num, at) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num),
              'to', (SELECT format('%I.%I', m.nspname, o.relname) FROM pg_class o JOIN pg_namespace m ON m.oid = o.relnamespace WHERE o.oid = f.confrelid),
              'of', (SELECT json_agg(a.attname ORDER BY k.at) FROM unnest(f.confkey) WITH ORDINALITY k (num, at) JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num)) ORDER BY f.conname), '[]')
            FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'),
        'checks', (SELECT coalesce(json_agg(pg_get_constraintdef(k.oid) ORDER BY k.conname), '[]') FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c')) AS table
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^(pg_|information_schema$|switchback$)' ORDER BY n.nspname, c.relname`,
  );
  return rows.map(({ table }) => table);
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
