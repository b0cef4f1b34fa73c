/** What is beside the rows: nothing of it is in one, and little of it is asked when one arrives. Compared all the same, so that it is said. */
import { ofExtension, userSchema } from '../../connection/server';
import { identical } from '../../preflight/checks';
import { type Fate, type Look, ofType, select } from './look';

const inSchema = (catalog: string, alias: string, schema: string): { from: string; where: string } => ({
  from: `pg_catalog.${catalog} ${alias} JOIN pg_catalog.pg_namespace n ON n.oid = ${alias}.${schema}`,
  where: `${userSchema} AND NOT ${ofExtension(catalog, `${alias}.oid`)}`,
});
const named = (name: string): string => `pg_catalog.format('%I.%I', n.nspname, ${name})`;
/** Everything in a row of a catalog but what tells it from others. Versions of PostgreSQL have different columns, and one lineage has one version. */
const row = (alias: string, ...without: string[]): string =>
  ['oid', ...without].reduce((sql, name) => `${sql} - '${name}'`, `pg_catalog.to_jsonb(${alias})`);

type Carried = Omit<Look, 'isNew' | 'isGone' | 'isChanged'>;
const carried = (look: Carried): Look => ({ ...look, isNew: 'carried', isGone: 'carried', isChanged: 'carried' });
/** Of something that is looked at by itself. */
const attribute = { isNew: 'claimed', isGone: 'claimed', isChanged: 'carried' } as const;

const relations = inSchema('pg_class', 'c', 'relnamespace');
const reads: Fate = { loses: 'how the old release reads and writes times and numbers: sessions of the new one do it by another setting' };
const brings: Fate = {
  loses: 'rows that the subscription brings: they come from elsewhere, and do not travel on',
  instead: 'make it after the teardown',
};

/** Kinds that a catalog of their own has, with a name in a schema, and that no row knows. */
const plain: readonly [kind: string, catalog: string, name: string, schema: string, reason: string][] = [
  ['statistics', 'pg_statistic_ext', 'stxname', 'stxnamespace', 'only the planner reads them.'],
  ['collation object', 'pg_collation', 'collname', 'collnamespace', 'by itself it sorts nothing; a column that has it is looked at.'],
  ['conversion', 'pg_conversion', 'conname', 'connamespace', 'both databases have one encoding.'],
  ['operator', 'pg_operator', 'oprname', 'oprnamespace', 'what uses one is looked at itself; rows travel as text.'],
  ['operator class', 'pg_opclass', 'opcname', 'opcnamespace', 'an index that has it is looked at itself.'],
  ['operator family', 'pg_opfamily', 'opfname', 'opfnamespace', 'an index that has it is looked at itself.'],
  ['text search configuration', 'pg_ts_config', 'cfgname', 'cfgnamespace', 'what it makes of a text travels, or is computed on each side.'],
  ['text search dictionary', 'pg_ts_dict', 'dictname', 'dictnamespace', 'what it makes of a text travels, or is computed on each side.'],
  ['text search parser', 'pg_ts_parser', 'prsname', 'prsnamespace', 'what it makes of a text travels, or is computed on each side.'],
  ['text search template', 'pg_ts_template', 'tmplname', 'tmplnamespace', 'what it makes of a text travels, or is computed on each side.'],
];

/** The same for those that are in no schema. */
const unplaced: readonly [kind: string, catalog: string, name: string, reason: string][] = [
  ['foreign-data wrapper', 'pg_foreign_data_wrapper', 'fdwname', 'its rows are elsewhere, and are of both databases.'],
  ['foreign server', 'pg_foreign_server', 'srvname', 'its rows are elsewhere, and are of both databases.'],
  ['language', 'pg_language', 'lanname', 'a function in it is looked at itself.'],
  ['access method', 'pg_am', 'amname', 'how rows are stored changes none.'],
  ['event trigger', 'pg_event_trigger', 'evtname', 'one that is on is refused by the preflight, before the migrations and after them.'],
];

export const besideLooks: readonly Look[] = [
  ...(['view', 'materialized view'] as const).map((kind) =>
    carried({
      kind,
      catalogs: ['pg_rewrite', 'pg_class'],
      sql: select(kind, {
        from: relations.from,
        where: `${relations.where} AND c.relkind = '${kind === 'view' ? 'v' : 'm'}'`,
        key: 'c.oid',
        name: named('c.relname'),
        definition: "pg_catalog.concat_ws(' ', c.reloptions::text, pg_catalog.pg_get_viewdef(c.oid))",
        stored:
          "c.reloptions::text || (SELECT pg_catalog.md5(pg_catalog.string_agg(r.ev_action::text, '' ORDER BY r.oid)) FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid)",
        of: 'c.oid',
      }),
      reason:
        kind === 'view'
          ? 'a view holds no rows; the fallback has that of the old release.'
          : 'it holds what can be computed again; the fallback’s is as old as the fork, and is refreshed after a rollback.',
    }),
  ),
  carried({
    kind: 'foreign table',
    catalogs: ['pg_foreign_table'],
    sql: select('foreign table', {
      from: `pg_catalog.pg_foreign_table f JOIN pg_catalog.pg_class c ON c.oid = f.ftrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`,
      where: relations.where,
      key: 'c.oid',
      name: named('c.relname'),
      definition: "pg_catalog.concat_ws(' ', f.ftserver, f.ftoptions)",
    }),
    reason: 'its rows are elsewhere, and are of both databases: the preflight says so.',
  }),
  carried({
    kind: 'user mapping',
    catalogs: ['pg_user_mapping'],
    sql: select('user mapping', {
      from: 'pg_catalog.pg_user_mappings m',
      where: 'true',
      key: 'm.umid',
      name: "m.usename || ' at ' || m.srvname",
      definition: "''",
    }),
    reason: 'how one logs in elsewhere; its rows are elsewhere. Its options are secrets and are not read.',
  }),
  carried({
    kind: 'schema',
    catalogs: ['pg_namespace'],
    sql: select('schema', { from: 'pg_catalog.pg_namespace n', where: userSchema, key: 'n.oid', name: 'n.nspname', definition: "''" }),
    reason: 'a table that moves with its schema is the classifier’s.',
  }),
  carried({
    kind: 'extension',
    catalogs: ['pg_extension'],
    sql: select('extension', {
      from: 'pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace',
      where: 'true',
      key: 'x.oid',
      name: 'x.extname',
      definition: "x.extversion || ' in ' || n.nspname",
    }),
    reason:
      'both servers run one library, which reads and writes its values alike whatever version of its SQL is there; a column of its types is the classifier’s.',
  }),
  carried({
    kind: 'cast',
    catalogs: ['pg_cast'],
    sql: select('cast', {
      from: 'pg_catalog.pg_cast k',
      where: `k.oid >= 16384 AND NOT ${ofExtension('pg_cast', 'k.oid')} AND NOT ${ofType('pg_cast', 'k.oid')}`,
      key: 'k.oid',
      name: "pg_catalog.format('%s AS %s', k.castsource::regtype, k.casttarget::regtype)",
      definition: row('k'),
    }),
    reason: 'rows travel as text, and no cast is asked.',
  }),
  carried({
    kind: 'transform',
    catalogs: ['pg_transform'],
    sql: select('transform', {
      from: 'pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang',
      where: `NOT ${ofExtension('pg_transform', 't.oid')}`,
      key: 't.oid',
      name: "pg_catalog.format('%s in %s', t.trftype::regtype, l.lanname)",
      definition: row('t'),
    }),
    reason: 'what a function gets is its own affair; rows travel as text.',
  }),
  carried({
    kind: 'publication',
    catalogs: ['pg_publication', 'pg_publication_rel', 'pg_publication_namespace'],
    sql: select('publication', {
      from: 'pg_catalog.pg_publication p',
      where: "p.pubname NOT LIKE 'switchback%'",
      key: 'p.oid',
      name: 'p.pubname',
      definition: `pg_catalog.concat_ws(' ', ${row('p', 'pubname')},
        (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', r.prrelid::regclass, r.prattrs, pg_catalog.pg_get_expr(r.prqual, r.prrelid)), ', ' ORDER BY r.prrelid) FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid),
        (SELECT pg_catalog.string_agg(s.pnnspid::regnamespace::text, ', ' ORDER BY s.pnnspid) FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid))`,
    }),
    reason:
      'what others read from production is not what the fallback gets; after a rollback they read by the publication of the old schema.',
  }),
  {
    kind: 'subscription',
    catalogs: ['pg_subscription', 'pg_subscription_rel'],
    sql: select('subscription', {
      from: 'pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid',
      where: "d.datname = pg_catalog.current_database() AND s.subenabled AND s.subname NOT LIKE 'switchback%'",
      key: 's.oid',
      name: 's.subname',
      definition: 's.subpublications',
      shows: "pg_catalog.format('SELECT subname, subenabled, subpublications FROM pg_subscription WHERE subname = %L', s.subname)",
    }),
    reason:
      'its rows have an origin of their own. A copy of a database has none of its subscriptions, so that one which is gone says nothing.',
    isNew: brings,
    isGone: 'claimed',
    isChanged: brings,
  },
  {
    kind: 'large objects',
    catalogs: ['pg_largeobject_metadata', 'pg_largeobject'],
    sql: select('large objects', {
      from: '(SELECT count(*) AS n FROM pg_catalog.pg_largeobject_metadata) l',
      where: 'true',
      key: '0',
      name: "'database'",
      definition: 'l.n',
      shows: "'SELECT count(*) FROM pg_largeobject_metadata'",
    }),
    reason: 'they do not travel. Columns that may name some are looked at by themselves (structural.ts).',
    isNew: 'claimed',
    isGone: 'claimed',
    isChanged: (_, { definition: before }, { definition: after }) =>
      Number(after) > Number(before) ? { loses: 'large objects that the migrations make' } : 'carried',
  },
  {
    kind: 'setting',
    catalogs: ['pg_db_role_setting'],
    sql: select('setting', {
      from: `pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (text)`,
      where:
        "(s.setdatabase = 0 OR d.datname = pg_catalog.current_database()) AND coalesce(pg_catalog.pg_get_userbyid(nullif(s.setrole, 0)), '') !~ '^(switchback|rds)' AND coalesce(pg_catalog.pg_get_userbyid(nullif(s.setrole, 0)), '') <> current_user",
      key: "s.setrole || ' ' || (s.setdatabase = 0) || ' ' || pg_catalog.split_part(c.text, '=', 1)",
      name: "pg_catalog.split_part(c.text, '=', 1) || ' of ' || CASE s.setrole WHEN 0 THEN 'the database' ELSE pg_catalog.pg_get_userbyid(s.setrole)::text END",
      definition: "pg_catalog.regexp_replace(c.text, '^[^=]*=', '')",
      facts: "pg_catalog.split_part(c.text, '=', 1)",
      shows: "'SELECT setrole::regrole, setdatabase, setconfig FROM pg_db_role_setting'",
    }),
    reason:
      'the fallback has the settings of the old release. Those that change what the same statement means are refused: rows written by them read otherwise there. A time limit changes no row.',
    isNew: (_, { facts }) => (means(facts) ? reads : 'carried'),
    isGone: (_, { facts }) => (means(facts) ? reads : 'carried'),
    isChanged: (_, { facts }) => (means(facts) ? reads : 'carried'),
  },
  carried({
    kind: 'grants',
    catalogs: ['pg_class', 'pg_attribute'],
    sql: select('grants', {
      from: `${relations.from} JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped`,
      where: relations.where,
      key: "c.oid || ' ' || a.attnum",
      name: "pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname)",
      definition: 'a.attacl',
    }),
    reason:
      'rights do not travel: on the fallback everybody has those of the old release. Who may write to production behind the fence is the fence’s own look, columns included; rights on whole tables change with the fence itself, so only those on columns are compared.',
  }),
  carried({
    kind: 'default privileges',
    catalogs: ['pg_default_acl'],
    sql: select('default privileges', {
      from: 'pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace',
      where: 'true',
      key: 'd.oid',
      name: "pg_catalog.concat_ws(' ', d.defaclrole::regrole, n.nspname, d.defaclobjtype)",
      definition: 'd.defaclacl',
    }),
    reason: 'they are about what is made next; the fence looks at what was made.',
  }),
  {
    kind: 'storage',
    catalogs: ['pg_class'],
    sql: select('storage', {
      from: `${relations.from} LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam`,
      where: `${relations.where} AND c.relkind IN ('r','p','m')`,
      key: 'c.oid',
      name: named('c.relname'),
      definition: "pg_catalog.concat_ws(' ', m.amname, s.spcname, c.reloptions::text)",
    }),
    reason: 'how rows are stored changes none.',
    ...attribute,
  },
  {
    kind: 'owner',
    catalogs: ['pg_class'],
    sql: select('owner', {
      from: relations.from,
      where: `${relations.where} AND c.relkind IN ('r','p','v','m','S','f')`,
      key: 'c.oid',
      name: named('c.relname'),
      definition: 'c.relowner::regrole',
    }),
    reason:
      'on the fallback everything is whose it was. A table that is not the owner’s is refused by the preflight, after the migrations too.',
    ...attribute,
  },
  ...plain.map(([kind, catalog, name, schema, reason]) =>
    carried({
      kind,
      catalogs: [catalog],
      sql: select(kind, { ...inSchema(catalog, 'o', schema), key: 'o.oid', name: named(`o.${name}`), definition: row('o', 'collversion') }),
      reason,
    }),
  ),
  ...unplaced.map(([kind, catalog, name, reason]) =>
    carried({
      kind,
      catalogs: [catalog],
      sql: select(kind, {
        from: `pg_catalog.${catalog} o`,
        where: `o.oid >= 16384 AND NOT ${ofExtension(catalog, 'o.oid')}`,
        key: 'o.oid',
        name: `o.${name}`,
        definition: row('o'),
      }),
      reason,
    }),
  ),
];

/** What is not in the rows but changes what the same statement writes into them. */
function means(setting: string): boolean {
  return [
    ...identical,
    'row_security',
    'session_replication_role',
    'search_path',
    'standard_conforming_strings',
    'extra_float_digits',
  ].some((name) => name.toLowerCase() === setting.toLowerCase());
}
