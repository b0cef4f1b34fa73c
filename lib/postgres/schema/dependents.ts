/**
 * What stands in the way of a column that must get another type on the fallback: PostgreSQL makes its indexes, constraints and statistics anew
 * by itself, and refuses everything else that depends on it. That is taken off and made again as it was, by PostgreSQL's own definitions, in
 * the transaction of the change. What is not known here is refused by its name.
 */
import { DatabaseError, type Db } from '../connection/connect';
import { makers } from './definitions';
import type { Statement } from './kinds/statements';

/** A column of a table, as both are called now. */
export interface ChangedColumn {
  readonly table: string;
  readonly column: string;
}

/** Statements in their order. */
export interface Remade {
  readonly drop: readonly Statement[];
  readonly create: readonly Statement[];
}

/** One thing that depends on a column, or on another that does; what depends on that has a greater depth. */
interface Found {
  readonly kind: string;
  readonly oid: number;
  readonly depth: number;
  /** In PostgreSQL's words. */
  readonly what: string;
}

/** `computed`: generated columns of which whoever changes the columns takes care. */
export async function dependentsOf(
  db: Db,
  owner: string,
  columns: readonly ChangedColumn[],
  computed: readonly ChangedColumn[] = [],
): Promise<Remade> {
  if (columns.length === 0) return { drop: [], create: [] };
  return db.transaction(async (inside) => {
    await inside.query("SET LOCAL search_path = ''");
    const found = await find(inside, columns, computed);
    const made = new Map<Found, Made>();
    for (const [kind, sql] of Object.entries(makers)) {
      const these = found.filter((one) => one.kind === kind);
      if (these.length === 0) continue;
      for (const row of await inside.query<Made>(sql, [these.map(({ oid }) => oid)]))
        made.set(these.find(({ oid }) => oid === row.oid)!, row);
    }
    const parts = found.map((one) => {
      const part = made.get(one);
      if (!part) throw refusal(columns, `${one.what}, and it is not known how to make that again`);
      if (part.owner !== null && part.owner !== owner)
        throw refusal(columns, `${one.what}, which belongs to ${part.owner} and not to ${owner}`);
      return part;
    });
    return {
      drop: parts.flatMap(({ as, drop }) => (drop === null ? [] : [{ as, sql: drop }])),
      create: [...parts].reverse().flatMap(({ as, create, more }) => [create, ...flat(more)].map((sql) => ({ as, sql }))),
    };
  });
}

interface Made {
  readonly oid: number;
  readonly as: Statement['as'];
  /** Whose it is; null where that is its table's. */
  readonly owner: string | null;
  /** Null where it goes along with what it is a part of. */
  readonly drop: string | null;
  readonly create: string;
  readonly more: Statements;
}

/** As PostgreSQL nests its lists; null for nothing. */
type Statements = readonly (string | null | Statements)[] | null;
const flat = (more: Statements): string[] =>
  (more ?? []).flatMap((one) => (one === null ? [] : typeof one === 'string' ? [one] : flat(one)));

const refusal = (columns: readonly ChangedColumn[], depends: string): DatabaseError =>
  new DatabaseError(
    `${columns.map(({ table, column }) => `${table}.${column}`).join(', ')} must get another type on the fallback, and on that depends ${depends}; drop it before the window`,
    // what PostgreSQL itself says of it.
    '0A000',
  );

/**
 * Everything that PostgreSQL says depends on the columns, in partitions too; what must go first comes first. Parts of what is dropped
 * (triggers of a view, indexes of a materialized view) are things of their own, made again after it.
 */
const find = (db: Db, columns: readonly ChangedColumn[], computed: readonly ChangedColumn[]): Promise<Found[]> =>
  db.query<Found>(
    `WITH RECURSIVE changed (oid, name) AS (
       SELECT t::regclass::oid, c::name FROM unnest($1::text[], $2::text[]) AS u (t, c)
        UNION SELECT i.inhrelid, t.name FROM changed t JOIN pg_inherits i ON i.inhparent = t.oid),
     handled (oid, name) AS (
       SELECT t::regclass::oid, c::name FROM unnest($3::text[], $4::text[]) AS u (t, c)
        UNION SELECT i.inhrelid, t.name FROM handled t JOIN pg_inherits i ON i.inhparent = t.oid),
     found (class, oid, depth) AS (
       SELECT thing.class, thing.oid, 1
         FROM changed t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = t.name AND NOT a.attisdropped
         JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = a.attnum CROSS JOIN LATERAL ${thing}
        WHERE NOT ${madeAnew} AND NOT EXISTS (SELECT FROM pg_attrdef f WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid AND
                (f.adnum = a.attnum OR EXISTS (SELECT FROM handled h JOIN pg_attribute g ON g.attrelid = h.oid AND g.attname = h.name WHERE h.oid = f.adrelid AND g.attnum = f.adnum)))
        UNION
       SELECT thing.class, thing.oid, f.depth + 1
         FROM found f JOIN pg_depend d ON (d.refclassid = f.class AND d.refobjid = f.oid)
                OR (f.class = 'pg_class'::regclass AND d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT unnest(ARRAY[y.oid, y.typarray]) FROM pg_type y WHERE y.typrelid = f.oid))
         CROSS JOIN LATERAL ${thing}
        WHERE f.depth < 50 AND d.deptype IN ('n','a') AND d.classid <> 'pg_type'::regclass AND (thing.class, thing.oid) <> (f.class, f.oid))
     SELECT f.class::regclass || coalesce(' ' || c.relkind::text, '') AS kind, f.oid::int8::float8 AS oid, max(f.depth) AS depth, pg_describe_object(f.class, f.oid, 0) AS what
       FROM found f LEFT JOIN pg_class c ON f.class = 'pg_class'::regclass AND c.oid = f.oid GROUP BY 1, 2, 4 ORDER BY 3 DESC, 4`,
    [...split(columns), ...split(computed)],
  );

const split = (columns: readonly ChangedColumn[]): string[][] => [columns.map(({ table }) => table), columns.map(({ column }) => column)];

/** What stands for a dependent: the view for its rule, the trigger of the whole table for that of a partition. */
const thing = `(
  SELECT CASE WHEN v.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass::oid END AS class, coalesce(v.oid, t.oid, d.objid) AS oid FROM (VALUES (0)) AS one (n)
    LEFT JOIN LATERAL (SELECT r.ev_class AS oid FROM pg_rewrite r WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN') v ON true
    LEFT JOIN LATERAL (
      WITH RECURSIVE up (oid, parent) AS (
        SELECT t.oid, t.tgparentid FROM pg_trigger t WHERE d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
         UNION ALL SELECT t.oid, t.tgparentid FROM up JOIN pg_trigger t ON t.oid = up.parent)
      SELECT up.oid FROM up WHERE up.parent = 0) t ON true) AS thing`;

/** What ALTER COLUMN makes anew by itself, or leaves alone. */
const madeAnew = `(d.classid IN ('pg_constraint'::regclass, 'pg_statistic_ext'::regclass)
  OR (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class x WHERE x.oid = d.objid AND x.relkind IN ('i','I','S'))))`;
