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
  /** Unique ones only. */
  readonly indexes: readonly CatalogIndex[];
}

export interface CatalogEnum {
  readonly oid: number;
  readonly name: string;
  readonly labels: readonly { readonly oid: number; readonly label: string }[];
}

export interface Catalog {
  readonly version: number;
  readonly tables: readonly CatalogTable[];
  readonly enums: readonly CatalogEnum[];
}

export async function readCatalog(db: Db): Promise<Catalog> {
  // Names in definitions are qualified the same way on every server only when nothing is on the path.
  return db.transaction(async (inside) => {
    await inside.query("SET LOCAL search_path = ''; SET LOCAL jit = off");
    const tables = await inside.query<CatalogTable>(
      keepPlan(`SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS "table", format('%I.%I', n.nspname, c.relname) AS name, pg_get_userbyid(c.relowner) AS owner,
              c.relkind = 'p' AS partitioned, c.relpersistence = 'p' AS persistent, c.relreplident = 'f' AS "identityFull",
              coalesce((SELECT json_agg(json_build_object('number', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                          'enum', CASE WHEN t.typtype = 'e' THEN t.oid::int8 ELSE 0 END, 'notNull', a.attnotnull, 'default', pg_get_expr(f.adbin, f.adrelid),
                          'identity', a.attidentity, 'generated', a.attgenerated, 'aside', a.attstorage IN ('x','e')) ORDER BY a.attnum)
                 FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns,
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
    return { version: await majorVersion(inside), tables, enums };
  });
}

/** The table of the other catalog that is this one: the same by OID, or made anew under the same name. */
export function sameTable(table: CatalogTable, other: Catalog): CatalogTable | undefined {
  return (
    other.tables.find(({ oid }) => oid === table.oid) ?? other.tables.find(({ name, oid }) => name === table.name && oid !== table.oid)
  );
}

/** The column of the other table that is this one. */
export function sameColumn(column: CatalogColumn, table: CatalogTable, other: CatalogTable): CatalogColumn | undefined {
  const byName = other.columns.find(({ name }) => name === column.name);
  if (table.oid !== other.oid) return byName;
  const byNumber = other.columns.find(({ number }) => number === column.number);
  if (byNumber) return byNumber;
  // Made anew under the old name: the usual way to change a type without a lock. Not where that name is another old column's.
  return byName && !table.columns.some(({ number }) => number === byName.number) ? byName : undefined;
}

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
      else if (JSON.stringify(other) !== JSON.stringify(column)) drift.push(`the column ${table.name}.${column.name} has changed`);
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
  return drift;
}
