/**
 * SQL that tells, with nothing on the search path, how things are made: for each of `$1::oid[]` the statement that drops it, the one that makes
 * it again, and those that give it back what it has beside its definition: rights, comments, whether it is enabled.
 */

/** Roles and names as SQL writes them. */
const role = (oid: string): string => `CASE ${oid} WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(${oid})) END`;
const relation = "format('%I.%I', n.nspname, c.relname)";
const ofRelation = 'JOIN pg_class c ON c.oid = o.of JOIN pg_namespace n ON n.oid = c.relnamespace';

const comment = (catalog: string, kind: string, name: string): string =>
  `(SELECT format('COMMENT ON ${kind} %s IS %L', ${name}, x.description) FROM pg_description x WHERE x.classoid = '${catalog}'::regclass AND x.objoid = o.oid AND x.objsubid = 0)`;

/** Rights as they were: what is made anew has those that defaults give, and others do not. */
const rights = (kind: string, name: string, type: 'r' | 'f'): string => `
  (SELECT json_agg(format('REVOKE ALL ON ${kind} %s FROM %s', ${name}, ${role('g.grantee')})) FROM (
     SELECT x.grantee FROM pg_default_acl p, aclexplode(p.defaclacl) x WHERE p.defaclrole = o.owner AND p.defaclobjtype = '${type}' UNION SELECT 0) g WHERE g.grantee <> o.owner),
  (SELECT json_agg(format('GRANT %s ON ${kind} %s TO %s%s', x.privilege_type, ${name}, ${role('x.grantee')}, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END))
     FROM aclexplode(coalesce(o.acl, acldefault('${type}', o.owner))) x WHERE x.grantee <> o.owner)`;

interface Maker {
  /** Gives `o`: oid, `of` (the relation, or 0), name, and what the rest asks for. */
  readonly from: string;
  readonly as?: 'owner' | 'master';
  readonly owner?: string;
  readonly drop: string;
  readonly create: string;
  readonly more?: readonly string[];
}

const maker = ({ from, as = 'owner', owner = 'NULL', drop, create, more = [] }: Maker): string =>
  `SELECT o.oid::int8::float8 AS oid, '${as}' AS "as", ${owner} AS owner, ${drop} AS drop, ${create} AS create, json_build_array(${more.join(', ')}) AS more FROM ${from} WHERE o.oid = ANY ($1::oid[])`;

const view = (kind: string, ends: string): string =>
  maker({
    from: `(SELECT oid, oid AS of, relowner AS owner, relacl AS acl FROM pg_class) o ${ofRelation} LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace LEFT JOIN pg_am m ON m.oid = c.relam`,
    owner: 'pg_get_userbyid(o.owner)::text',
    drop: `format('DROP ${kind} %s', ${relation})`,
    create: `concat('CREATE ${kind} ', ${relation}, ' USING ' || quote_ident(m.amname), ' WITH (' || array_to_string(c.reloptions, ', ') || ')', ' TABLESPACE ' || quote_ident(s.spcname), ' AS ', rtrim(pg_get_viewdef(c.oid), ';'), ${ends})`,
    more: [
      rights('TABLE', relation, 'r'),
      `(SELECT json_agg(format('GRANT %s (%I) ON TABLE %s TO %s%s', x.privilege_type, a.attname, ${relation}, ${role('x.grantee')}, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END))
          FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = c.oid)`,
      comment('pg_class', kind, relation),
      `(SELECT json_agg(format('COMMENT ON COLUMN %s.%I IS %L', ${relation}, a.attname, x.description)) FROM pg_attribute a
          JOIN pg_description x ON x.classoid = 'pg_class'::regclass AND x.objoid = a.attrelid AND x.objsubid = a.attnum WHERE a.attrelid = c.oid)`,
    ],
  });

const trigger = `format('%I ON %s', o.tgname, ${relation})`;
const rule = `format('%I ON %s', o.rulename, ${relation})`;
const policy = `format('%I ON %s', o.polname, ${relation})`;
const mode = (enabled: string): string =>
  `CASE ${enabled} WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END`;

/** By the catalog that a thing is in; a relation also by its kind. */
export const makers: Readonly<Record<string, string>> = {
  'pg_class v': view('VIEW', "''"),
  'pg_class m': view('MATERIALIZED VIEW', "CASE WHEN c.relispopulated THEN ' WITH DATA' ELSE ' WITH NO DATA' END"),
  // of a materialized view.
  'pg_class i': maker({
    from: `(SELECT x.oid, i.indrelid AS of, x.relname, x.relnamespace, i.indisclustered FROM pg_class x JOIN pg_index i ON i.indexrelid = x.oid) o ${ofRelation}`,
    drop: 'NULL::text',
    create: 'pg_get_indexdef(o.oid)',
    more: [
      comment('pg_class', 'INDEX', "format('%I.%I', n.nspname, o.relname)"),
      `CASE WHEN o.indisclustered THEN format('ALTER MATERIALIZED VIEW %s CLUSTER ON %I', ${relation}, o.relname) END`,
    ],
  }),
  pg_statistic_ext: maker({
    from: 'pg_statistic_ext o JOIN pg_namespace n ON n.oid = o.stxnamespace',
    owner: 'pg_get_userbyid(o.stxowner)::text',
    drop: 'NULL::text',
    create: 'pg_get_statisticsobjdef(o.oid)',
    more: [
      `CASE WHEN o.stxstattarget >= 0 THEN format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, o.stxname, o.stxstattarget) END`,
      comment('pg_statistic_ext', 'STATISTICS', "format('%I.%I', n.nspname, o.stxname)"),
    ],
  }),
  // of a column of a view.
  pg_attrdef: maker({
    from: `(SELECT oid, adrelid AS of, adnum, adbin FROM pg_attrdef) o ${ofRelation} AND c.relkind = 'v' JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = o.adnum`,
    drop: 'NULL::text',
    create: `format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', ${relation}, a.attname, pg_get_expr(o.adbin, o.of))`,
  }),
  pg_rewrite: maker({
    from: `(SELECT oid, ev_class AS of, rulename, ev_enabled FROM pg_rewrite) o ${ofRelation}`,
    drop: `format('DROP RULE %s', ${rule})`,
    create: 'pg_get_ruledef(o.oid)',
    more: [
      `CASE WHEN o.ev_enabled <> 'O' THEN format('ALTER TABLE %s %s RULE %I', ${relation}, ${mode('o.ev_enabled')}, o.rulename) END`,
      comment('pg_rewrite', 'RULE', rule),
    ],
  }),
  pg_trigger: maker({
    from: `(SELECT oid, tgrelid AS of, tgname, tgenabled FROM pg_trigger) o ${ofRelation}`,
    drop: `format('DROP TRIGGER %s', ${trigger})`,
    create: 'pg_get_triggerdef(o.oid)',
    more: [
      `CASE WHEN o.tgenabled <> 'O' THEN format('ALTER TABLE %s %s TRIGGER %I', ${relation}, ${mode('o.tgenabled')}, o.tgname) END`,
      `(WITH RECURSIVE parts (oid, rel, enabled) AS (
          SELECT t.oid, t.tgrelid, t.tgenabled FROM pg_trigger t WHERE t.tgparentid = o.oid
           UNION ALL SELECT t.oid, t.tgrelid, t.tgenabled FROM parts JOIN pg_trigger t ON t.tgparentid = parts.oid)
        SELECT json_agg(format('ALTER TABLE ONLY %s %s TRIGGER %I', p.rel::regclass, ${mode('p.enabled')}, o.tgname)) FROM parts p WHERE p.enabled <> o.tgenabled)`,
      comment('pg_trigger', 'TRIGGER', trigger),
    ],
  }),
  pg_policy: maker({
    from: `(SELECT oid, polrelid AS of, polname, polpermissive, polcmd, polroles, polqual, polwithcheck FROM pg_policy) o ${ofRelation}`,
    drop: `format('DROP POLICY %s', ${policy})`,
    create: `concat('CREATE POLICY ', ${policy}, CASE WHEN o.polpermissive THEN ' AS PERMISSIVE' ELSE ' AS RESTRICTIVE' END,
      ' FOR ' || CASE o.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
      ' TO ' || (SELECT string_agg(${role('r.oid')}, ', ') FROM unnest(o.polroles) AS r (oid)),
      ' USING (' || pg_get_expr(o.polqual, o.of) || ')', ' WITH CHECK (' || pg_get_expr(o.polwithcheck, o.of) || ')')`,
    more: [comment('pg_policy', 'POLICY', policy)],
  }),
  pg_proc: maker({
    from: `(SELECT p.oid, 0 AS of, p.proowner AS owner, p.proacl AS acl, p.oid::regprocedure::text AS name FROM pg_proc p WHERE p.prokind <> 'a') o`,
    owner: 'pg_get_userbyid(o.owner)::text',
    drop: "format('DROP ROUTINE %s', o.name)",
    create: 'pg_get_functiondef(o.oid)',
    more: [rights('ROUTINE', 'o.name', 'f'), comment('pg_proc', 'ROUTINE', 'o.name')],
  }),
  pg_publication_rel: maker({
    from: `(SELECT r.oid, r.prrelid AS of, r.prattrs, r.prqual, p.pubname FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid) o ${ofRelation}`,
    as: 'master',
    drop: `format('ALTER PUBLICATION %I DROP TABLE ONLY %s', o.pubname, ${relation})`,
    create: `concat(format('ALTER PUBLICATION %I ADD TABLE ONLY %s', o.pubname, ${relation}),
      ' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) FROM unnest(o.prattrs::int2[]) WITH ORDINALITY AS k (attnum, place) JOIN pg_attribute a ON a.attrelid = o.of AND a.attnum = k.attnum) || ')',
      ' WHERE (' || pg_get_expr(o.prqual, o.of) || ')')`,
  }),
};
