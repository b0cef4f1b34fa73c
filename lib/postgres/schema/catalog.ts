/**
 * What a database looks like, as far as rows of one form have to fit into another. Plain JSON. Two catalogs of one lineage (a physical
 * copy, a restored snapshot) share OIDs and column numbers, so a rename is known for what it is and never guessed.
 */
import { type Db, keepPlan } from '../connection/connect';
import { majorVersion, ofExtension, userSchema } from '../connection/server';

export interface CatalogColumn {
  /** The column's number: the same after a rename, another for a column of the same name that was made anew. */
  readonly number: number;
  readonly name: string;
  readonly type: string;
  /** The type's OID where it is an enum; 0 otherwise. */
  readonly enum: number;
  /** The type's OID. */
  readonly of: number;
  /** A collation that takes different texts for one, as SQL writes it; empty for others. */
  readonly coarse: string;
  readonly notNull: boolean;
  readonly default: string | null;
  readonly identity: string;
  readonly generated: string;
  /** Large values may be stored aside, and are then not sent by an update that leaves them alone. */
  readonly aside: boolean;
}

export interface CatalogConstraint {
  readonly oid: number;
  readonly name: string;
  /** As pg_constraint.contype: c(heck), f(oreign), p(rimary), u(nique), x (exclusion). */
  readonly type: string;
  readonly definition: string;
  /** Column numbers. */
  readonly columns: readonly number[];
}

export interface CatalogIndex {
  readonly oid: number;
  readonly name: string;
  readonly definition: string;
  /** Column numbers; 0 for an expression. */
  readonly columns: readonly number[];
  /** Plain columns, no condition: can find a row. */
  readonly plain: boolean;
  /** Belongs to a constraint. */
  readonly ofConstraint: boolean;
}

export interface CatalogTable {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** `schema.table`, quoted where needed. */
  readonly name: string;
  readonly owner: string;
  readonly partitioned: boolean;
  readonly persistent: boolean;
  readonly columns: readonly CatalogColumn[];
  /** Column numbers of the primary key. */
  readonly primaryKey: readonly number[];
  /** Column numbers by which replication finds a row; `full` by all, empty: it cannot. */
  readonly identity: readonly number[];
  readonly identityFull: boolean;
  readonly constraints: readonly CatalogConstraint[];
  /** Columns that PostgreSQL computes, and of which others; by number. Absent in journals of before. */
  readonly computed?: readonly { readonly number: number; readonly from: readonly number[] }[];
  /** Unique ones only. */
  readonly indexes: readonly CatalogIndex[];
}

export interface CatalogEnum {
  readonly oid: number;
  readonly name: string;
  readonly labels: readonly { readonly oid: number; readonly label: string }[];
}

/** A type that somebody has made and that a column has, or another of these types. */
export interface CatalogType {
  readonly oid: number;
  /** As format_type writes it. */
  readonly name: string;
  /** As pg_type.typtype: b(ase), c(omposite), d(omain), e(num), r(ange), m(ultirange). */
  readonly kind: string;
  /** What it is made of: the base of a domain, the elements of an array, the bounds of a range; empty for others. */
  readonly of: string;
  /** The OID of that; 0 for none. */
  readonly ofOid: number;
  readonly array: boolean;
  /** Of a domain. */
  readonly notNull: boolean;
  readonly default: string | null;
  readonly checks: readonly { readonly name: string; readonly definition: string }[];
  /** Of a composite type, in their order. */
  readonly parts: readonly { readonly number: number; readonly name: string; readonly type: string; readonly oid: number }[];
}

/** A part of a partitioned table: its rows travel as those of the whole. */
export interface CatalogPartition {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  /** What it is a partition of, by OID. */
  readonly parent: number;
  /** The table whose rows it has: the outermost parent. */
  readonly root: number;
  /** `FOR VALUES FROM (…) TO (…)`, or `DEFAULT`. */
  readonly bounds: string;
  /** The same as a condition that its rows fulfil, those of its parents too; null: all do. */
  readonly within: string | null;
  readonly partitioned: boolean;
  readonly identityFull: boolean;
  /** Its numbers of the root's columns, in the root's order, where they are others; 0: it has no such column. */
  readonly numbers: readonly number[] | null;
}

export interface Catalog {
  readonly version: number;
  readonly tables: readonly CatalogTable[];
  /** Parents first. Absent in journals of before. */
  readonly partitions?: readonly CatalogPartition[];
  readonly enums: readonly CatalogEnum[];
  readonly types: readonly CatalogType[];
}

export async function readCatalog(db: Db): Promise<Catalog> {
  // Names in definitions are qualified the same way on every server only when nothing is on the path.
  return db.transaction(async (inside) => {
    await inside.query(
      "SET LOCAL search_path = ''; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL jit = off",
    );
    const partitions = await inside.query<CatalogPartition>(
      keepPlan(`SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS "table", format('%I.%I', n.nspname, c.relname) AS name, t.parentrelid::oid::int8::float8 AS parent,
              r.oid::int8::float8 AS root, pg_get_expr(c.relpartbound, c.oid) AS bounds, pg_get_partition_constraintdef(c.oid) AS within, c.relkind = 'p' AS partitioned, c.relreplident = 'f' AS "identityFull",
              (SELECT CASE WHEN bool_and(o.attnum = a.attnum) THEN NULL ELSE json_agg(coalesce(a.attnum, 0) ORDER BY o.attnum) END
                 FROM pg_attribute o LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = o.attname AND NOT a.attisdropped WHERE o.attrelid = r.oid AND o.attnum > 0 AND NOT o.attisdropped) AS numbers
         FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace CROSS JOIN LATERAL pg_partition_tree(r.oid) t JOIN pg_class c ON c.oid = t.relid AND c.relispartition JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE r.relkind = 'p' AND NOT r.relispartition AND ${userSchema.replaceAll('n.nspname', 'rn.nspname')} AND NOT ${ofExtension('pg_class', 'r.oid')} ORDER BY t.level, n.nspname, c.relname`),
    );
    const tables = await inside.query<CatalogTable>(
      keepPlan(`SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS "table", format('%I.%I', n.nspname, c.relname) AS name, pg_get_userbyid(c.relowner) AS owner,
              c.relkind = 'p' AS partitioned, c.relpersistence = 'p' AS persistent, c.relreplident = 'f' AS "identityFull",
              coalesce((SELECT json_agg(json_build_object('number', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                          'enum', CASE WHEN t.typtype = 'e' THEN t.oid::int8 ELSE 0 END, 'of', t.oid::int8,
                          'coarse', coalesce((SELECT format('%I.%I', s.nspname, o.collname) FROM pg_collation o JOIN pg_namespace s ON s.oid = o.collnamespace WHERE o.oid = a.attcollation AND NOT o.collisdeterministic), ''), 'notNull', a.attnotnull, 'default', pg_get_expr(f.adbin, f.adrelid),
                          'identity', a.attidentity, 'generated', a.attgenerated, 'aside', a.attstorage IN ('x','e')) ORDER BY a.attnum)
                 FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns,
              coalesce((SELECT json_agg(json_build_object('number', f.adnum, 'from', (SELECT coalesce(json_agg(DISTINCT d.refobjsubid), '[]') FROM pg_depend d
                          WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = f.adrelid AND d.refobjsubid <> f.adnum)) ORDER BY f.adnum)
                 FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated <> '' WHERE f.adrelid = c.oid), '[]') AS computed,
              coalesce((SELECT to_json(i.indkey::int2[]) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), '[]') AS "primaryKey",
              coalesce((SELECT to_json(i.indkey::int2[]) FROM pg_index i WHERE i.indrelid = c.oid AND ((c.relreplident = 'd' AND i.indisprimary) OR (c.relreplident = 'i' AND i.indisreplident))), '[]') AS identity,
              coalesce((SELECT json_agg(json_build_object('oid', k.oid::int8, 'name', k.conname, 'type', k.contype, 'definition', pg_get_constraintdef(k.oid), 'columns', coalesce(to_json(k.conkey), '[]')) ORDER BY k.oid)
                 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conparentid = 0 AND k.contype IN ('c','f','p','u','x')), '[]') AS constraints,
              coalesce((SELECT json_agg(json_build_object('oid', i.indexrelid::int8, 'name', x.relname, 'definition', pg_get_indexdef(i.indexrelid), 'columns', to_json(i.indkey::int2[]),
                          'plain', i.indpred IS NULL AND i.indexprs IS NULL AND i.indimmediate AND i.indisvalid, 'ofConstraint', EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p','u','x'))) ORDER BY i.indexrelid)
                 FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisunique), '[]') AS indexes
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r','p') AND NOT c.relispartition AND ${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')} ORDER BY n.nspname, c.relname`),
    );
    const enums = await inside.query<CatalogEnum>(
      keepPlan(`SELECT t.oid::int8::float8 AS oid, format('%I.%I', n.nspname, t.typname) AS name,
              (SELECT json_agg(json_build_object('oid', e.oid::int8, 'label', e.enumlabel) ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) AS labels
         FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'e' AND ${userSchema} AND NOT ${ofExtension('pg_type', 't.oid')} ORDER BY 2`),
    );
    const types = await inside.query<CatalogType>(
      `WITH RECURSIVE used(oid) AS (
         SELECT a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r','p') AND a.attnum > 0 AND NOT a.attisdropped AND ${userSchema}
         UNION SELECT u.oid FROM used JOIN pg_type t ON t.oid = used.oid CROSS JOIN LATERAL (
           SELECT unnest(ARRAY[t.typbasetype, t.typelem]) UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid
           UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS u(oid) WHERE u.oid <> 0)
       SELECT t.oid::int8::float8 AS oid, format_type(t.oid, -1) AS name, t.typtype AS kind, t.typcategory = 'A' AS "array",
              CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) WHEN o.oid IS NOT NULL THEN format_type(o.oid, -1) ELSE '' END AS of,
              coalesce(o.oid, 0)::int8::float8 AS "ofOid", t.typnotnull AS "notNull", t.typdefault AS "default",
              coalesce((SELECT json_agg(json_build_object('name', k.conname, 'definition', pg_get_constraintdef(k.oid)) ORDER BY k.conname) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '[]') AS checks,
              coalesce((SELECT json_agg(json_build_object('number', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'oid', a.atttypid::int8) ORDER BY a.attnum)
                 FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS parts
         FROM used JOIN pg_type t ON t.oid = used.oid JOIN pg_namespace n ON n.oid = t.typnamespace
         LEFT JOIN pg_type o ON o.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typcategory = 'A' THEN t.typelem ELSE (SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid) END
        WHERE ${userSchema} ORDER BY 2`,
    );
    return { version: await majorVersion(inside), tables, partitions, enums, types };
  });
}

/**
 * The old schema as far as rows are concerned: a partition that the new schema has as a table of its own is one, with the columns and the key
 * of what it was a part of.
 */
export function withDetached(old: Catalog, now: Catalog): Catalog {
  const detached = (old.partitions ?? []).flatMap((part): CatalogTable[] => {
    const root = old.tables.find(({ oid }) => oid === part.root);
    if (!root || !now.tables.some(({ oid }) => oid === part.oid)) return [];
    const number = (of: number): number => {
      const at = root.columns.findIndex((column) => column.number === of);
      return part.numbers?.[at] ?? of;
    };
    return [
      {
        ...root,
        ...{ oid: part.oid, schema: part.schema, table: part.table, name: part.name },
        ...{ partitioned: part.partitioned, identityFull: part.identityFull, constraints: [], indexes: [] },
        columns: root.columns.map((column) => ({ ...column, number: number(column.number) })),
        primaryKey: root.primaryKey.map(number),
        identity: root.identity.map(number),
      },
    ];
  });
  return detached.length === 0 ? old : { ...old, tables: [...old.tables, ...detached] };
}

/** Where a table of the old schema is a partition now of what was partitioned before. */
export function attachedTo(table: CatalogTable, old: Catalog, now: Catalog): CatalogPartition | undefined {
  const part = now.partitions?.find(({ oid }) => oid === table.oid);
  return part && old.tables.some(({ oid, partitioned }) => oid === part.root && partitioned) ? part : undefined;
}

/** The table of the other catalog that is this one: the same by OID, or made anew under the same name. */
export function sameTable(table: CatalogTable, other: Catalog): CatalogTable | undefined {
  return (
    other.tables.find(({ oid }) => oid === table.oid) ?? other.tables.find(({ name, oid }) => name === table.name && oid !== table.oid)
  );
}

/** Numbers of the columns by which rows that arrive are found in it; none where it is by all. A primary key is one also where whole rows are sent. */
export const findsBy = ({ identity, identityFull, primaryKey }: CatalogTable): readonly number[] =>
  identityFull || identity.length === 0 ? primaryKey : identity;

/** The column of a number that the catalog itself gives: of a key, an index, an expression. */
export const columnAt = ({ columns }: Pick<CatalogTable, 'columns'>, number: number): CatalogColumn =>
  columns.find((column) => column.number === number)!;

/** Values of an enum that have another name, in the order of the new ones. */
export const renamedLabels = (old: CatalogEnum, now: CatalogEnum): { readonly from: string; readonly to: string }[] =>
  now.labels.flatMap(({ oid, label }) => {
    const before = old.labels.find((known) => known.oid === oid);
    return before && before.label !== label ? [{ from: before.label, to: label }] : [];
  });

/** The column of the other table that is this one. */
export function sameColumn(column: CatalogColumn, table: CatalogTable, other: CatalogTable): CatalogColumn | undefined {
  const byName = other.columns.find(({ name }) => name === column.name);
  if (table.oid !== other.oid) return byName;
  const byNumber = other.columns.find(({ number }) => number === column.number);
  if (byNumber) return byNumber;
  // Made anew under the old name: the usual way to change a type without a lock. Not where that name is another old column's.
  return byName && !table.columns.some(({ number }) => number === byName.number) ? byName : undefined;
}

/** In all that was noted then: a version before may have noted less. */
const sameAs = <T extends object>(before: T, after: T): boolean =>
  (Object.keys(before) as (keyof T)[]).every((name) => JSON.stringify(before[name]) === JSON.stringify(after[name]));

/**
 * What has changed between two catalogs of one database, one sentence each; empty when nothing did. From stage to cutover, and in the hold,
 * nobody else may change the form: a feed carries rows, not statements.
 */
export function catalogDrift(before: Catalog, after: Catalog): string[] {
  const drift: string[] = [];
  for (const table of before.tables) {
    const now = after.tables.find(({ oid }) => oid === table.oid);
    if (now === undefined) {
      drift.push(`the table ${table.name} is gone`);
      continue;
    }
    if (now.name !== table.name) drift.push(`the table ${table.name} is called ${now.name}`);
    for (const column of table.columns) {
      const other = now.columns.find(({ number }) => number === column.number);
      if (other === undefined) drift.push(`the column ${table.name}.${column.name} is gone`);
      else if (!sameAs(column, other)) drift.push(`the column ${table.name}.${column.name} has changed`);
    }
    for (const column of now.columns)
      if (!table.columns.some(({ number }) => number === column.number)) drift.push(`the column ${table.name}.${column.name} is new`);
    const rules = (one: CatalogTable): string =>
      JSON.stringify([
        one.primaryKey,
        one.identity,
        one.identityFull,
        one.persistent,
        one.constraints.map(({ definition }) => definition).sort(),
        one.indexes.map(({ definition }) => definition).sort(),
      ]);
    if (now.name === table.name && rules(now) !== rules(table))
      drift.push(`the keys, constraints or unique indexes of ${table.name} have changed`);
  }
  for (const table of after.tables) if (!before.tables.some(({ oid }) => oid === table.oid)) drift.push(`the table ${table.name} is new`);
  for (const type of before.enums) {
    const now = after.enums.find(({ oid }) => oid === type.oid);
    if (JSON.stringify(now?.labels) !== JSON.stringify(type.labels)) drift.push(`the values of ${type.name} have changed`);
  }
  // a window that was opened by a version before has none.
  for (const type of before.types ?? []) {
    const now = after.types.find(({ oid }) => oid === type.oid);
    if (now && !sameAs(type, now)) drift.push(`the type ${type.name} has changed`);
  }
  return drift;
}
