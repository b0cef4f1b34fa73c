/** What decides which rows a table has, and what is in them. */
import { ofExtension, userSchema } from '../../connection/server';
import { type Fate, type Found, type Look, ofOldTable, ofType, select, type World } from './look';

const table = "pg_catalog.format('%I.%I', n.nspname, c.relname)";
const own = `${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')}`;
const classOf = (oid: string): string => `pg_catalog.pg_class c ON c.oid = ${oid} JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`;
const tables = 'pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace';
const on = (name: string): string => `pg_catalog.format('%I on %I.%I', ${name}, n.nspname, c.relname)`;

const child = ({ key }: Found): number => Number(key.split(' ')[0]);

const inherits = (kind: string, condition: string, bound: string): string =>
  select(kind, {
    from: `pg_catalog.pg_inherits i JOIN ${classOf('i.inhrelid')}`,
    where: `c.relkind IN ('r','p','f') AND ${condition} AND ${own}`,
    key: "c.oid || ' ' || i.inhparent",
    name: table,
    definition: `i.inhparent::regclass || ' ' || ${bound}`,
    stored: "i.inhparent || ' ' || coalesce(c.relpartbound::text, '')",
    of: 'i.inhparent',
    shows: `pg_catalog.format('SELECT inhparent::regclass, pg_get_expr(relpartbound, inhrelid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhrelid = %L::regclass', ${table})`,
  });

/** What every table says of itself; `shown` are the columns of pg_class that it is told by. */
const ofTables = (kind: string, definition: string, shown: string, facts = "''"): string =>
  select(kind, {
    facts,
    from: tables,
    where: `c.relkind IN ('r','p') AND ${own}`,
    key: 'c.oid',
    name: table,
    definition,
    of: 'c.oid',
    shows: `pg_catalog.format('SELECT ${shown} FROM pg_class WHERE oid = %L::regclass', ${table})`,
  });

const notSent: Fate = { loses: 'its rows: those of an unlogged table do not travel, and a replica has none of them' };
const mixed: Fate = {
  loses: 'rows of tables that inherit from each other: a feed cannot tell those of the one from those of the other',
  instead: 'make them partitions, or tables of their own, before the window',
};
const hidden: Fate = {
  loses: 'rows that a policy hides from the feed and from the comparison',
  instead: 'leave out FORCE ROW LEVEL SECURITY: nobody logs in as the owner',
};
const copiedEmpty: Fate = {
  loses: 'rows of a new table that a policy hides from whoever copies them',
  instead: 'enable row security of a new table in a later release',
};
const stopped = (what: string): Fate => ({
  loses: `what ${what} did to rows for the old release: of those written after opening, nobody does it`,
});

/** One that fires for what the old release writes. */
const trigger = (world: World, before: Found): Fate =>
  !world.stays(before.of) || before.facts === 'v' ? 'claimed' : before.facts === 'D' ? 'carried' : stopped('the trigger');

export const rowLooks: readonly Look[] = [
  {
    kind: 'partition',
    catalogs: ['pg_inherits', 'pg_partitioned_table'],
    sql: inherits('partition', 'c.relispartition', 'pg_catalog.pg_get_expr(c.relpartbound, c.oid)'),
    reason:
      'rows are routed on the fallback by its own partitions, and travel as those of the whole table: what comes, leaves or gets other bounds is the classifier’s (kinds/partitions.ts). Rows of one that is dropped are counted as deleted (migration-losses.ts).',
    isNew: 'claimed',
    isGone: 'claimed',
    isChanged: 'claimed',
  },
  {
    kind: 'inheritance',
    catalogs: ['pg_inherits'],
    sql: inherits('inheritance', 'NOT c.relispartition', "'INHERITS'"),
    reason: 'the feed sends rows of both, the comparison reads them twice. Of new tables the preflight refuses it.',
    isNew: ofOldTable(mixed),
    isGone: (world, before) => (world.stays(before.of) && world.stays(child(before)) ? mixed : 'claimed'),
    isChanged: mixed,
  },
  {
    kind: 'persistence',
    catalogs: ['pg_class'],
    sql: ofTables(
      'persistence',
      "CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE 'LOGGED' END",
      'relpersistence',
      'pg_catalog.pg_partition_root(c.oid)::oid',
    ),
    reason:
      'a new partition of a table that is there has rows of it. Rows of an unlogged table do not travel, and a replica has none of them. Accepted, the table is left out of the feed.',
    isNew: (world, { definition, facts }) => (definition === 'UNLOGGED' && world.stays(Number(facts)) ? notSent : 'claimed'),
    isGone: 'claimed',
    isChanged: notSent,
  },
  {
    kind: 'row-security',
    catalogs: ['pg_class'],
    sql: ofTables(
      'row-security',
      "CASE WHEN NOT c.relrowsecurity THEN 'off' WHEN c.relforcerowsecurity THEN 'forced' ELSE 'on' END",
      'relrowsecurity, relforcerowsecurity',
    ),
    reason:
      'row security that does not bind the owner binds neither the feed nor the comparison; of a new table rows are copied, which it would make empty.',
    isNew: (_, { definition }) => (definition === 'off' ? 'claimed' : definition === 'forced' ? hidden : copiedEmpty),
    isGone: 'claimed',
    isChanged: (_, __, { definition }) => (definition === 'forced' ? hidden : 'carried'),
  },
  {
    kind: 'policy',
    catalogs: ['pg_policy'],
    sql: select('policy', {
      from: `pg_catalog.pg_policy p JOIN ${classOf('p.polrelid')}`,
      where: own,
      key: 'p.oid',
      name: on('p.polname'),
      definition: `pg_catalog.concat_ws(' ', CASE WHEN NOT p.polpermissive THEN 'RESTRICTIVE' END, 'FOR ' || p.polcmd::text,
        'TO ' || (SELECT pg_catalog.string_agg(r.oid::pg_catalog.regrole::text, ', ' ORDER BY r.oid) FROM pg_catalog.pg_roles r WHERE r.oid = ANY (p.polroles)),
        'USING ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'CHECK ' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))`,
      stored: "pg_catalog.md5((pg_catalog.to_jsonb(p) - 'oid' - 'polname')::text)",
      of: 'p.polrelid',
    }),
    reason:
      "policies bind the release's user and not the feed: rows travel whatever they say, and the fallback has those of the old release.",
    isNew: ofOldTable('carried'),
    isGone: ofOldTable('carried'),
    isChanged: 'carried',
  },
  {
    kind: 'trigger',
    catalogs: ['pg_trigger'],
    sql: select('trigger', {
      from: `pg_catalog.pg_trigger t JOIN ${classOf('t.tgrelid')}`,
      where: `NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname NOT LIKE 'switchback%' AND t.tgname NOT LIKE 'zz\\_switchback%' AND ${own}`,
      key: 't.oid',
      name: on('t.tgname'),
      definition:
        "pg_catalog.pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'D' THEN ' DISABLED' WHEN 'A' THEN ' ENABLE ALWAYS' WHEN 'R' THEN ' ENABLE REPLICA' ELSE '' END",
      stored: "pg_catalog.md5((pg_catalog.to_jsonb(t) - 'oid' - 'tgname')::text)",
      of: 't.tgrelid',
      facts: "CASE WHEN c.relkind = 'v' THEN 'v' ELSE t.tgenabled::text END",
      shows: `pg_catalog.format('SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgrelid = %L::regclass AND tgname = %L', ${table}, t.tgname)`,
    }),
    reason:
      'what a new trigger writes travels as rows do, and triggers of a view are about the view. What one of the old schema did (a count kept elsewhere, a queue that was filled), the old release counts on; accepted, rows travel as they are.',
    isNew: ofOldTable('carried'),
    isGone: trigger,
    isChanged: trigger,
  },
  {
    kind: 'rule',
    catalogs: ['pg_rewrite'],
    sql: select('rule', {
      from: `pg_catalog.pg_rewrite r JOIN ${classOf('r.ev_class')}`,
      where: `c.relkind IN ('r','p') AND ${own}`,
      key: 'r.oid',
      name: on('r.rulename'),
      definition: 'pg_catalog.pg_get_ruledef(r.oid)',
      stored: 'pg_catalog.md5(pg_catalog.concat_ws(chr(10), r.ev_enabled, r.ev_type, r.is_instead, r.ev_qual::text, r.ev_action::text))',
      of: 'c.oid',
      shows: `pg_catalog.format('SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = %L::regclass AND rulename = %L', ${table}, r.rulename)`,
    }),
    reason: 'a rule may take away the delete of a row that was only made to try the way (round-trip.ts), so none may be new or another.',
    isNew: ofOldTable({ loses: 'what the rule makes of rows', instead: 'use a trigger' }),
    isGone: ofOldTable(stopped('the rule')),
    isChanged: { loses: 'what the rule makes of rows', instead: 'use a trigger' },
  },
  {
    kind: 'function',
    catalogs: ['pg_proc', 'pg_aggregate'],
    sql: select('function', {
      from: 'pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid',
      where: `${userSchema} AND NOT ${ofExtension('pg_proc', 'p.oid')} AND NOT ${ofType('pg_proc', 'p.oid')}`,
      key: 'p.oid',
      name: "pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid))",
      definition: "CASE WHEN p.prokind = 'a' THEN pg_catalog.to_jsonb(a)::text ELSE pg_catalog.pg_get_functiondef(p.oid) END",
      stored:
        'pg_catalog.md5(pg_catalog.concat_ws(chr(10), p.prolang, p.prokind, p.prosecdef, p.proisstrict, p.proretset, p.provolatile, p.prorettype, p.proargtypes, p.proargmodes, p.proargdefaults::text, p.prosrc, p.probin, p.prosqlbody::text, p.proconfig, a::text))',
      facts: `(SELECT pg_catalog.string_agg(DISTINCT CASE WHEN d.classid = 'pg_trigger'::regclass THEN 'trigger' WHEN d.classid = 'pg_constraint'::regclass THEN 'check' WHEN i.indisunique THEN 'unique' END, ' ')
                 FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
                WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid AND d.deptype IN ('n','a'))`,
      shows: `pg_catalog.format(CASE WHEN p.prokind = 'a' THEN 'SELECT * FROM pg_aggregate WHERE aggfnoid = %L::regprocedure' ELSE 'SELECT pg_get_functiondef(%L::regprocedure)' END, p.oid::regprocedure)`,
    }),
    reason:
      'who calls a function itself has it as its release expects it, on either database; defaults, views, policies, generated columns and plain indexes compute on each side for itself, and what they compute travels or is computed again. A trigger of the old schema does something else by it; a check or a unique index of the old schema may refuse rows that production takes. A definer function is the preflight’s.',
    isNew: 'carried',
    isGone: 'carried',
    isChanged: (world, before) => {
      const uses = world.uses(before);
      if (uses.has('check') || uses.has('unique'))
        return {
          loses: 'rows that the old rule refuses: the first of them stops the feed',
          instead: 'give the new rule a function of its own, and leave the old one as it is',
        };
      return uses.has('trigger') ? stopped('the function, called by a trigger,') : 'carried';
    },
  },
];
