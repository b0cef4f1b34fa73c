/** What decides which values a column takes, and which it gets by itself. */
import { ofExtension, userSchema } from '../../connection/server';
import { type Fate, type Found, type Look, ofOldTable, select } from './look';

const table = "pg_catalog.format('%I.%I', n.nspname, c.relname)";
const own = `${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')}`;
const typeName = "pg_catalog.format('%I.%I', n.nspname, t.typname)";
const typeOf = (kinds: string): string => `t.typtype IN (${kinds}) AND ${userSchema} AND NOT ${ofExtension('pg_type', 't.oid')}`;
const types = 'pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace';
const columnName = "pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname)";
const columns = `pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`;
const isColumn = `a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r','p') AND NOT c.relispartition AND ${own}`;

const facts = <T>({ facts: text }: Found): T => JSON.parse(text) as T;
const before = (what: string): string => `${what} before the window, so that both databases have it`;

interface Domain {
  readonly base: string;
  readonly notNull: boolean;
  readonly checks: readonly string[];
}

/** A value of the new domain is one of the old; otherwise the classifier speaks. */
function domain(old: Found, now: Found): Fate {
  const [was, is] = [facts<Domain>(old), facts<Domain>(now)];
  const narrower = was.base === is.base && (is.notNull || !was.notNull) && was.checks.every((check) => is.checks.includes(check));
  return narrower ? 'carried' : 'claimed';
}

interface Type {
  /** Types of its parts. Values travel as text, without the names. */
  readonly parts: readonly string[];
  readonly used: boolean;
}

interface Sequence {
  readonly increment: number;
  readonly cycle: boolean;
}

export const valueLooks: readonly Look[] = [
  {
    kind: 'domain',
    catalogs: ['pg_type', 'pg_constraint'],
    sql: select('domain', {
      from: types,
      where: typeOf("'d'"),
      key: 't.oid',
      name: typeName,
      definition: `pg_catalog.concat_ws(' ', pg_catalog.format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || t.typdefault,
        (SELECT pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(k.oid), ' ' ORDER BY pg_catalog.pg_get_constraintdef(k.oid)) FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid))`,
      of: 't.oid',
      facts: `pg_catalog.jsonb_build_object('base', pg_catalog.format_type(t.typbasetype, t.typtypmod), 'notNull', t.typnotnull, 'checks',
        coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.pg_get_constraintdef(k.oid)) FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '[]'))`,
      shows: `pg_catalog.format('SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contypid = %L::regtype', ${typeName})`,
    }),
    reason:
      'a domain that allows less has only values that the old one allows. The bridge takes the rules off that one does not have any more. One that is gone took its columns with it, and those are the classifier’s.',
    isNew: 'carried',
    isGone: 'claimed',
    isChanged: (_, old, now) => domain(old, now),
  },
  {
    kind: 'type',
    catalogs: ['pg_type', 'pg_range', 'pg_attribute'],
    sql: select('type', {
      from: `${types} LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid`,
      where: `${typeOf("'c','r','b'")} AND t.typelem = 0 AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))`,
      key: 't.oid',
      name: typeName,
      definition: `CASE t.typtype WHEN 'r' THEN pg_catalog.to_jsonb(r)::text WHEN 'b' THEN pg_catalog.concat_ws(' ', t.typinput, t.typoutput, t.typlen)
        ELSE (SELECT pg_catalog.string_agg(pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END`,
      of: 't.oid',
      facts: `pg_catalog.jsonb_build_object('parts', CASE t.typtype WHEN 'c' THEN
          (SELECT pg_catalog.jsonb_agg(pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod), a.attcollation) ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
          ELSE pg_catalog.jsonb_build_array(pg_catalog.to_jsonb(r) - 'rngtypid' - 'rngmultitypid', t.typinput, t.typlen) END,
        'used', EXISTS (SELECT FROM pg_catalog.pg_attribute u WHERE u.atttypid IN (t.oid, t.typarray) AND u.attrelid <> t.typrelid AND u.attnum > 0 AND NOT u.attisdropped)
             OR EXISTS (SELECT FROM pg_catalog.pg_type d WHERE d.typbasetype IN (t.oid, t.typarray)))`,
      shows: `pg_catalog.format('SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute JOIN pg_type t ON typrelid = attrelid WHERE t.oid = %L::regtype AND attnum > 0', ${typeName})`,
    }),
    reason:
      'a value of a composite or range type travels as its text, which the old type must be able to read: names of parts are not in it, their number and types are. The fallback gets parts that are added. A type that no column has is in no row; of one made anew under its name the classifier speaks, and of an enum.',
    isNew: 'carried',
    isGone: 'claimed',
    isChanged: (_, old, now) => {
      const [was, is] = [facts<Type>(old), facts<Type>(now)];
      if (!was.used || JSON.stringify(was.parts) === JSON.stringify(is.parts)) return 'carried';
      if (old.key !== now.key || was.parts.every((part, at) => is.parts[at] === part)) return 'claimed';
      return { loses: 'values in the new schema of the type: the first of them stops the feed', instead: before('change the type') };
    },
  },
  {
    kind: 'default',
    catalogs: ['pg_attrdef'],
    sql: select('default', {
      from: `${columns} JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum`,
      where: isColumn,
      key: "c.oid || ' ' || a.attnum",
      name: columnName,
      definition: 'pg_catalog.pg_get_expr(f.adbin, f.adrelid)',
      stored: 'f.adbin',
      of: 'c.oid',
    }),
    reason:
      'every value travels, also one that was a default; on the fallback the old default holds again after a rollback, and a generated column is computed there by its old expression. A sequence that no longer fills a column is moved past what the column holds (sequences.ts).',
    isNew: 'claimed',
    isGone: 'claimed',
    isChanged: 'carried',
  },
  {
    kind: 'collation',
    catalogs: ['pg_attribute', 'pg_collation'],
    sql: select('collation', {
      from: `${columns} JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation`,
      where: isColumn,
      key: "c.oid || ' ' || a.attnum",
      name: columnName,
      definition: "o.collname || CASE WHEN o.collisdeterministic THEN '' ELSE ' (not deterministic)' END",
      of: 'c.oid',
    }),
    reason: 'another order changes no row; where values that were one are two now, the classifier speaks.',
    isNew: 'claimed',
    isGone: 'claimed',
    isChanged: 'carried',
  },
  {
    kind: 'column',
    catalogs: ['pg_attribute'],
    sql: select('column', {
      from: columns,
      where: isColumn,
      key: "c.oid || ' ' || a.attnum",
      name: columnName,
      definition: `pg_catalog.concat_ws(' ', 'identity ' || nullif(a.attidentity::text, ''), 'storage ' || a.attstorage::text, 'compression ' || nullif(a.attcompression::text, ''), 'statistics ' || a.attstattarget, a.attoptions)`,
      of: 'c.oid',
    }),
    reason:
      'how a value is stored or found changes no value, and who hands out an identity neither. Name, type and NULL are the classifier’s.',
    isNew: 'claimed',
    isGone: 'claimed',
    isChanged: 'carried',
  },
  {
    kind: 'sequence',
    catalogs: ['pg_sequence'],
    sql: select('sequence', {
      from: 'pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace',
      where: own,
      key: 'c.oid',
      name: table,
      definition: `pg_catalog.concat_ws(' ', pg_catalog.format_type(q.seqtypid, NULL), 'INCREMENT', q.seqincrement, 'MINVALUE', q.seqmin, 'MAXVALUE', q.seqmax, 'START', q.seqstart, 'CACHE', q.seqcache, CASE WHEN q.seqcycle THEN 'CYCLE' END, CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END)`,
      of: `coalesce((SELECT d.refobjid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a','i') LIMIT 1), 0)`,
      facts: "pg_catalog.jsonb_build_object('increment', pg_catalog.sign(q.seqincrement), 'cycle', q.seqcycle)",
      shows: `pg_catalog.format('SELECT * FROM pg_sequence WHERE seqrelid = %L::regclass', ${table})`,
    }),
    reason:
      'at a rollback the old sequence goes past what the new one has given out, by steps of either size (sequences.ts). Where one counts the other way, or begins anew, it cannot be told which numbers are taken.',
    isNew: (world, { of }) => (of === 0 || world.stays(of) ? 'carried' : 'claimed'),
    isGone: (world, { of }) => (of === 0 || world.stays(of) ? 'carried' : 'claimed'),
    isChanged: (_, old, now) => {
      const [was, is] = [facts<Sequence>(old), facts<Sequence>(now)];
      return was.increment !== is.increment || (is.cycle && !was.cycle)
        ? { loses: 'which of its numbers are taken: after a rollback the old release may be given them again' }
        : 'carried';
    },
  },
  {
    kind: 'constraint',
    catalogs: ['pg_constraint'],
    sql: select('constraint', {
      from: 'pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace',
      where: `k.contype IN ('c','f','p','u','x') AND k.conparentid = 0 AND NOT c.relispartition AND ${own}`,
      key: 'k.oid',
      name: "pg_catalog.format('%I.%I:%I', n.nspname, c.relname, k.conname)",
      definition: 'pg_catalog.pg_get_constraintdef(k.oid)',
      stored: "pg_catalog.md5((pg_catalog.to_jsonb(k) - 'oid' - 'conname' - 'conindid' - 'convalidated')::text)",
      of: 'c.oid',
    }),
    reason:
      'a new rule lets less in than the fallback does. An old one that is gone or another is the classifier’s: the bridge takes it off until a rollback. Foreign keys are not looked at when rows arrive. NOT VALID or not, deferrable or not, is about production.',
    isNew: ofOldTable('carried'),
    isGone: 'claimed',
    isChanged: ofOldTable('carried'),
  },
  {
    kind: 'index',
    catalogs: ['pg_index'],
    sql: select('index', {
      from: 'pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace',
      where: `c.relkind IN ('r','p','m') AND NOT x.relispartition AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = x.oid AND k.contype IN ('p','u','x')) AND x.relname NOT LIKE 'switchback%' AND ${own}`,
      key: 'x.oid',
      name: "pg_catalog.format('%I.%I', n.nspname, x.relname)",
      definition: 'pg_catalog.pg_get_indexdef(x.oid)',
      stored: "pg_catalog.md5((pg_catalog.to_jsonb(i) - 'indexrelid' - 'indisclustered' - 'indisreplident' - 'indcheckxmin')::text)",
      of: 'c.oid',
      facts: "CASE WHEN i.indisunique THEN 'unique' END",
    }),
    reason:
      'a plain index changes no row. A new unique one lets less in than the fallback does; an old unique one that is gone or another is the classifier’s.',
    isNew: ofOldTable('carried'),
    isGone: (world, found) => (found.facts === 'unique' ? 'claimed' : ofOldTable('carried')(world, found)),
    isChanged: (world, found) => (found.facts === 'unique' ? 'claimed' : ofOldTable('carried')(world, found)),
  },
];
