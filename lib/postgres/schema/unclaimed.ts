/**
 * What the classifier does not look at, compared whole: partitions, inheritance, types, persistence, row security, rules. What a migration
 * changes about them and no kind of schema change has claimed is refused, with the SQL that shows it. From then on nothing is silent.
 */
import type { Db } from '../connection/connect';
import { ofExtension, userSchema } from '../connection/server';
import type { Difference } from './classify';

interface Found {
  readonly kind: 'partition' | 'inheritance' | 'domain' | 'type' | 'persistence' | 'row-security' | 'rule';
  /** The same in two databases of one lineage. */
  readonly key: string;
  readonly name: string;
  readonly definition: string;
  /** The table or type that it is about. */
  readonly of: number;
}

const named = "pg_catalog.format('%I.%I', n.nspname, c.relname)";
const tables = `pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r','p') AND ${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')}`;
const types = (kind: string): string => `pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  WHERE t.typtype = '${kind}' AND ${userSchema} AND NOT ${ofExtension('pg_type', 't.oid')}`;

const looks: readonly string[] = [
  `SELECT CASE WHEN c.relispartition THEN 'partition' ELSE 'inheritance' END AS kind, c.oid || ' ' || i.inhparent AS key, ${named} AS name,
          i.inhparent::regclass || ' ' || coalesce(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'INHERITS') AS definition, i.inhparent::int8::float8 AS "of"
     FROM pg_catalog.pg_inherits i JOIN ${tables.replace('pg_catalog.pg_class c JOIN', 'pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN')}`,
  `SELECT 'persistence' AS kind, c.oid::text AS key, ${named} AS name, CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE 'LOGGED' END AS definition, c.oid::int8::float8 AS "of" FROM ${tables}`,
  `SELECT 'row-security' AS kind, c.oid::text AS key, ${named} AS name,
          CASE WHEN NOT c.relrowsecurity THEN 'off' WHEN c.relforcerowsecurity THEN 'forced' ELSE 'on' END AS definition, c.oid::int8::float8 AS "of" FROM ${tables}`,
  `SELECT 'rule' AS kind, c.oid || ' ' || r.rulename AS key, r.rulename || ' on ' || ${named} AS name, pg_catalog.pg_get_ruledef(r.oid) AS definition, c.oid::int8::float8 AS "of"
     FROM pg_catalog.pg_rewrite r JOIN ${tables.replace('pg_catalog.pg_class c JOIN', 'pg_catalog.pg_class c ON c.oid = r.ev_class JOIN')}`,
  `SELECT 'domain' AS kind, t.oid::text AS key, pg_catalog.format('%I.%I', n.nspname, t.typname) AS name,
          pg_catalog.concat_ws(' ', pg_catalog.format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'NOT NULL' END,
            (SELECT string_agg(pg_catalog.pg_get_constraintdef(k.oid), ' ' ORDER BY pg_catalog.pg_get_constraintdef(k.oid)) FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid)) AS definition,
          t.oid::int8::float8 AS "of" FROM ${types('d')}`,
  `SELECT 'type' AS kind, t.oid::text AS key, pg_catalog.format('%I.%I', n.nspname, t.typname) AS name,
          coalesce((SELECT string_agg(pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '') AS definition, t.oid::int8::float8 AS "of"
     FROM ${types('c')} AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')`,
];

export type Inventory = readonly Found[];

export async function readInventory(db: Db): Promise<Inventory> {
  return db.transaction(async (inside) => {
    await inside.query("SET LOCAL search_path = ''");
    const found: Found[] = [];
    for (const look of looks) found.push(...(await inside.query<Found>(look)));
    return found;
  });
}

/** How each kind shows itself, and what is lost by a change of it. */
const kinds: Readonly<Record<Found['kind'], { readonly sql: string; readonly loses: string }>> = {
  partition: { sql: '\\d+', loses: 'rows that go where the fallback has no such partition: the first of them stops the feed' },
  inheritance: { sql: '\\d+', loses: 'rows of tables that inherit from each other' },
  domain: { sql: '\\dD', loses: 'values that the old domain does not allow: the first of them stops the feed' },
  type: { sql: '\\d', loses: 'values in the new schema of the type: the first of them stops the feed' },
  persistence: { sql: '\\d', loses: 'its rows: those of an unlogged table do not travel, and a replica has none of them' },
  'row-security': { sql: '\\d', loses: 'rows that a policy hides from the feed and from the comparison' },
  rule: { sql: '\\d+', loses: 'what the rule makes of rows' },
};

/** Both of one lineage: a copy of a database, and the same after its migrations. */
export function unclaimed(before: Inventory, after: Inventory): Difference[] {
  const known = new Set(before.map(({ kind, key }) => `${kind} ${key}`));
  const there = new Map(after.map((found) => [`${found.kind} ${found.key}`, found]));
  const tables = new Set(before.filter(({ kind }) => kind === 'persistence').map(({ of }) => of));
  const say = (found: Found, what: string): Difference => {
    const { sql, loses } = kinds[found.kind];
    return { id: `${found.name}:${found.kind}`, verdict: 'lossy', what: `${what} (${sql} ${found.name})`, loses };
  };
  const differences: Difference[] = [];
  for (const found of before) {
    const now = there.get(`${found.kind} ${found.key}`);
    const tableIsGone = !['domain', 'type'].includes(found.kind) && !there.has(`persistence ${found.of}`);
    // a table or a type that is gone is the classifier's, with the columns that had it.
    if (now === undefined && !tableIsGone && !['domain', 'type', 'persistence', 'row-security'].includes(found.kind))
      differences.push(say(found, `the ${found.kind} ${found.name} is no longer there as it was: ${found.definition}`));
    if (now !== undefined && now.definition !== found.definition && !harmless(found, now))
      differences.push(say(found, `${found.kind} of ${found.name} becomes ${now.definition} (was ${found.definition})`));
  }
  for (const found of after) {
    if (known.has(`${found.kind} ${found.key}`)) continue;
    const ofOldTable = tables.has(found.of);
    const isNewTable = found.kind === 'row-security' && found.definition !== 'off';
    if ((ofOldTable && ['partition', 'inheritance', 'rule'].includes(found.kind)) || isNewTable)
      differences.push(say(found, `the ${found.kind} ${found.name} is new: ${found.definition}`));
  }
  return differences;
}

/** Row security that does not bind the owner binds neither the feed nor the comparison. */
const harmless = ({ kind }: Found, now: Found): boolean => kind === 'row-security' && now.definition !== 'forced';
