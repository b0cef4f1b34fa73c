/**
 * What is said of two types (types.ts) is tried on PostgreSQL: values at the edges of the new type are put into a column of the old one as
 * they travel, as text, and come back as the text that they were. Every type of pg_type is in it, or the reason why not.
 */
import type { Db } from '../../../lib/postgres/connection/connect';
import { typeChange } from '../../../lib/postgres/schema/types';
import { startServer, stopServers } from '../servers';

/** Values as PostgreSQL writes them. */
const values: Readonly<Record<string, readonly string[]>> = {
  smallint: ['-32768', '0', '32767'],
  integer: ['-2147483648', '0', '7', '2147483647'],
  bigint: ['-9223372036854775808', '0', '9223372036854775807'],
  numeric: ['NaN', 'Infinity', '-Infinity', '0', '1.50', '-0.10', `1${'0'.repeat(40)}`, `0.${'0'.repeat(30)}1`],
  'numeric(9,0)': ['NaN', '-999999999', '0', '999999999'],
  'numeric(10,0)': ['NaN', '9999999999', '0', '-1'],
  'numeric(20,0)': ['NaN', '-99999999999999999999', '0', '1'],
  'numeric(10,2)': ['NaN', '99999999.99', '-99999999.99', '1.50', '0.00'],
  'numeric(12,2)': ['NaN', '9999999999.99', '1.50', '0.00'],
  'numeric(12,4)': ['NaN', '99999999.9999', '1.5000', '0.0001'],
  'numeric(11,4)': ['NaN', '9999999.9999', '1.5000'],
  'numeric(4,-2)': ['NaN', '999900', '100', '0'],
  real: ['0.1', '1e-45', '3.4028235e+38', '-0', 'NaN', 'Infinity', '1.6777216e+07'],
  'double precision': ['0.1', '5e-324', '1.7976931348623157e+308', '-0', 'NaN', '-Infinity', '9.007199254740992e+15'],
  money: ['$0.00', '-$92,233,720,368,547,758.08', '$1.50'],
  boolean: ['t', 'f'],
  text: ['', 'a', ' a ', 'yes', 'é'.repeat(70), '{a,b}', 'a\nb'],
  'character varying': ['', ' a ', 'x'.repeat(300)],
  'character varying(3)': ['', 'abc', 'a  ', 'ééé'],
  'character varying(5)': ['', 'abcde', 'é    '],
  'character varying(40)': ['x'.repeat(40), ' '.repeat(40)],
  'character(3)': ['abc', 'a  ', '   '],
  'character(5)': ['abcde', 'a    ', 'éa   '],
  citext: ['', 'Aa', ' a ', 'yes'],
  name: ['', 'a ', 'x'.repeat(63)],
  '"char"': ['', 'a'],
  bytea: ['\\x', '\\x00ff'],
  bit: ['0', '1'],
  'bit(3)': ['101', '000'],
  'bit(5)': ['10101'],
  'bit varying': ['', '1', '0'.repeat(80)],
  'bit varying(3)': ['', '10', '101'],
  'bit varying(5)': ['', '10101'],
  // a later date than any timestamp is in no system.
  date: ['4714-11-24 BC', '0001-01-01', '2024-02-29', '294276-12-31', 'infinity', '-infinity'],
  'timestamp without time zone': ['4714-11-24 00:00:00 BC', '2024-02-29 12:34:56.789012', '294276-12-31 23:59:59.999999', 'infinity'],
  'timestamp(0) without time zone': ['2024-02-29 12:34:56', '-infinity'],
  'timestamp(3) without time zone': ['2024-02-29 12:34:56.789', '2024-02-29 00:00:00'],
  'timestamp with time zone': ['4714-11-24 00:00:00+00 BC', '2024-02-29 12:34:56.789012+00', '294276-12-31 23:59:59.999999+00', 'infinity'],
  'timestamp(0) with time zone': ['2024-02-29 12:34:56+00'],
  'time without time zone': ['00:00:00', '24:00:00', '12:34:56.789012'],
  'time(0) without time zone': ['00:00:00', '24:00:00'],
  'time with time zone': ['00:00:00+15:59:59', '24:00:00-15:59:59', '12:34:56.789+00'],
  interval: ['00:00:00', '-1 years -2 mons +3 days -04:05:06.789012', '178000000 years'],
  'interval(0)': ['1 day 02:03:04'],
  json: ['{"a":1,"a":2}', ' [1 ] ', '"x"', 'null', '1.50', '"\\u0000"'],
  jsonb: ['{"a": 2}', '[1]', '"x"', 'null', '1.50'],
  jsonpath: ['$."a"', 'strict $."a"[*]'],
  xml: ['<a/>', 'text', ''],
  uuid: ['00000000-0000-0000-0000-000000000000', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  inet: ['10.0.0.1', '10.0.0.1/8', '::1', 'fe80::1/64'],
  cidr: ['10.0.0.0/8', '10.1.2.3/32', '::/0'],
  macaddr: ['08:00:2b:01:02:03'],
  macaddr8: ['08:00:2b:01:02:03:04:05', '08:00:2b:ff:fe:01:02:03'],
  oid: ['0', '4294967295'],
  xid: ['0', '4294967295'],
  xid8: ['0', '18446744073709551615'],
  cid: ['0', '4294967295'],
  tid: ['(0,0)', '(4294967295,65535)'],
  pg_lsn: ['0/0', 'FFFFFFFF/FFFFFFFF'],
  pg_snapshot: ['10:20:10,14,15', '1:1:'],
  txid_snapshot: ['10:20:10,14,15'],
  refcursor: ['', 'c'],
  tsvector: ['', "'a' 'b'", "'a':1A,2"],
  tsquery: ['', "'a'", "'a' & !'b'"],
  point: ['(0,0)', '(1.5,-2)'],
  lseg: ['[(0,0),(1,1)]'],
  path: ['((0,0),(1,1))', '[(0,0),(1,1)]'],
  box: ['(1,1),(0,0)'],
  polygon: ['((0,0),(1,1),(2,0))'],
  line: ['{1,-1,0}'],
  circle: ['<(0,0),1>'],
  int2vector: ['', '1 2'],
  oidvector: ['', '1 4294967295'],
  int4range: ['empty', '[1,5)', '(,)', '[-2147483648,2147483647)'],
  int8range: ['empty', '[1,5000000000)', '(,)'],
  numrange: ['empty', '[1.5,2]', '(,1)'],
  daterange: ['empty', '[2024-01-01,2024-02-01)', '(,infinity)'],
  tsrange: ['empty', '["2024-01-01 00:00:00","2024-02-01 12:00:00"]'],
  tstzrange: ['empty', '["2024-01-01 00:00:00+00",)'],
  int4multirange: ['{}', '{[1,5),[7,9)}'],
  int8multirange: ['{}', '{[1,5000000000)}'],
  nummultirange: ['{}', '{[1.5,2]}'],
  datemultirange: ['{}', '{[2024-01-01,2024-02-01)}'],
  tsmultirange: ['{}', '{["2024-01-01 00:00:00","2024-02-01 12:00:00"]}'],
  tstzmultirange: ['{}', '{["2024-01-01 00:00:00+00",)}'],
  'integer[]': ['{}', '{1,NULL}', '{{1,2},{3,4}}', '[0:1]={1,2}', '{2147483647}'],
  'bigint[]': ['{}', '{9223372036854775807}'],
  'numeric[]': ['{1.50,NaN}', '{Infinity}'],
  'numeric(10,2)[]': ['{}', '{99999999.99,NULL}'],
  'numeric(12,2)[]': ['{9999999999.99}'],
  'numeric(12,4)[]': ['{0.0001,1.5000}'],
  'real[]': ['{0.1}'],
  'double precision[]': ['{0.1,5e-324}'],
  'text[]': ['{}', '{"a b",NULL,"null","}"}', `{${'x'.repeat(300)}}`],
  'character varying(3)[]': ['{abc,"a  "}'],
  'character varying(5)[]': ['{abcde}'],
  'character(3)[]': ['{abc,"a  "}'],
  'citext[]': ['{A,a}'],
  'boolean[]': ['{t,f}'],
  'json[]': ['{"{\\"a\\":1,\\"a\\":2}"}'],
  'jsonb[]': ['{"{\\"a\\": 1}"}'],
  'date[]': ['{2024-02-29}'],
  'timestamp without time zone[]': ['{"2024-02-29 12:34:56.789012"}'],
  'timestamp(0) without time zone[]': ['{"2024-02-29 12:34:56"}'],
  'timestamp with time zone[]': ['{"2024-02-29 12:34:56.789012+00"}'],
  'uuid[]': ['{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'],
  'int4range[]': ['{"[1,5)"}'],
  'int8range[]': ['{"[1,5000000000)"}'],
};

/** Types of pg_type that no column of a user has. */
const notTried: Readonly<Record<string, string>> = {
  'reg*': 'names of the catalog, as text of the server that writes them',
  aclitem: 'names of roles',
  'pg_*': 'cannot be written: what the server keeps of itself',
  gtsvector: 'cannot be written',
};

let db: Db;
/** By `old <- new`: whether every value of the new type comes back; by `old => new`: whether the old values read as before. */
const comesBack = new Map<string, string>();
const readsAsBefore = new Map<string, string>();

beforeAll(async () => {
  const server = await startServer();
  db = await server.superuser();
  await db.query('CREATE EXTENSION citext');
  await db.query("SET timezone = 'UTC'; SET extra_float_digits = 1; SET lc_monetary = 'C'");
  await db.query(`CREATE FUNCTION written(v text, type text, via text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$ DECLARE w text; BEGIN
    EXECUTE format('CREATE TEMP TABLE IF NOT EXISTS %I (c %s)', 'in ' || type, type);
    EXECUTE format('INSERT INTO %I VALUES (%L) RETURNING format(''%%s'', c)', 'in ' || type, v) INTO w;
    RETURN w; EXCEPTION WHEN others THEN RETURN 'refused: ' || SQLERRM; END $$`);
  // as the value that it was: by a cast, or by its text.
  await db.query(`CREATE FUNCTION read_again(v text, old text, new text) RETURNS text[] LANGUAGE plpgsql AS $$ DECLARE w text[]; x text; BEGIN
    BEGIN EXECUTE format('SELECT format(''%%s'', %L::%s::%s)', v, old, new) INTO x; w := w || x; EXCEPTION WHEN others THEN NULL; END;
    BEGIN EXECUTE format('SELECT format(''%%s'', %L::%s)', v, new) INTO x; w := w || x; EXCEPTION WHEN others THEN NULL; END;
    RETURN w; END $$`);
  const rows = await db.query<{ pair: string; wrong: string | null }>(
    `WITH types AS (SELECT key AS type, value AS list FROM jsonb_each($1::jsonb)),
          pairs AS (SELECT o.type AS old, n.type AS new, n.list FROM types o, types n WHERE o.type <> n.type)
     SELECT old || ' <- ' || new AS pair,
            (SELECT v || ' became ' || w FROM jsonb_array_elements_text(list) v, LATERAL written(v, old) w
              WHERE w LIKE 'refused:%' OR v = ANY (read_again(w, old, new)) IS NOT TRUE LIMIT 1) AS wrong FROM pairs`,
    [JSON.stringify(values)],
  );
  for (const { pair, wrong } of rows) comesBack.set(pair, wrong ?? '');
  for (const old of types)
    for (const now of types) {
      const change = typeChange(old, now);
      if (change.is !== 'widen') continue;
      const using = change.byText ? `format('%s', c)::${change.type}` : `c::${change.type}`;
      const back = change.back ? `::${old}` : '';
      const kept = `SELECT concat_ws(' became ', format('%s', c), format('%s', (${using})${back})) AS wrong FROM (SELECT v::${old} AS c FROM unnest($1::text[]) v) s WHERE format('%s', c) <> format('%s', (${using})${back})`;
      const [wrong] = await db.query<{ wrong: string }>(kept, [values[old]]);
      const [fit] = await db.query<{ wrong: string }>(
        `SELECT v || ' became ' || w AS wrong FROM unnest($1::text[]) v, LATERAL written(v, $2) w WHERE w LIKE 'refused:%' OR v = ANY (read_again(w, $2, $3)) IS NOT TRUE`,
        [values[now], change.type, now],
      );
      readsAsBefore.set(`${old} => ${change.type} for ${now}`, wrong?.wrong ?? fit?.wrong ?? '');
    }
});
afterAll(stopServers);

const types = Object.keys(values);
const verdict = (pair: string): string => {
  const [old, now] = pair.split(' <- ');
  return typeChange(old!, now!).is;
};

test('every type of PostgreSQL is tried, or it is said why not', async () => {
  const all = await db.query<{ type: string }>(
    "SELECT format_type(oid, NULL) AS type FROM pg_type WHERE typtype IN ('b','r','m') AND typnamespace = 'pg_catalog'::regnamespace AND typelem = 0 ORDER BY 1",
  );
  const isNamed = (type: string): boolean =>
    Object.keys(notTried).some((name) => (name.endsWith('*') ? type.startsWith(name.slice(0, -1)) : type === name));
  const tried = new Set(types.map((type) => type.replace(/\(.*\)/, '')));
  expect(all.map(({ type }) => type).filter((type) => !tried.has(type) && !isNamed(type))).toEqual([]);
});

test('every value is written as PostgreSQL writes it', async () => {
  for (const [type, list] of Object.entries(values)) {
    const rows = await db.query<{ v: string; w: string }>('SELECT v, written(v, $2) AS w FROM unnest($1::text[]) v', [list, type]);
    expect([type, rows.map(({ w }) => w)]).toEqual([type, [...list]]);
  }
});

test('what fits comes back as the text that it was', () => {
  const wrong = [...comesBack].filter(([pair, found]) => verdict(pair) === 'fits' && found !== '');
  expect(wrong).toEqual([]);
});

test('what is widened holds the new values, and the old ones read as before', () => {
  expect([...readsAsBefore].filter(([, found]) => found !== '')).toEqual([]);
  expect(readsAsBefore.size).toBeGreaterThan(50);
});

/** Pairs of which every value comes back, and that are refused all the same. */
const refusedThough: readonly (readonly [pairs: RegExp, why: string])[] = [
  [/^(text|citext|character|name|xml|refcursor|"char")/, 'takes any text; only the team knows how the old release writes it'],
  [/^(json|jsonpath|tsvector|int2vector|oidvector|txid_snapshot|pg_snapshot)/, 'takes texts that mean something else in it'],
  [/^(line|path|point|polygon|interval|macaddr8)/, 'takes texts that mean something else in it'],
  [/<- (bit|cid|xid|oid|line|tid)/, 'its text is a number by chance'],
  [/^(timestamp with|timestamp\(\d\) with|time with|tstz|ts|date)/, 'is read in the zone of the fallback server'],
  [/^(cid|xid|xid8|oid) <- /, 'a number of the server'],
  [/^num(multi)?range <- /, 'steps of whole numbers are none there'],
  [/^(real|numeric.*)\[\] <- (real|double|numeric)/, 'by the few values that are tried'],
];

test('what comes back and is refused all the same has its reason', () => {
  const refused = [...comesBack]
    .filter(([pair, found]) => !['fits', 'widen'].includes(verdict(pair)) && found === '')
    .map(([pair]) => pair);
  expect(refused.filter((pair) => !refusedThough.some(([pairs]) => pairs.test(pair)))).toEqual([]);
  expect(refusedThough.filter(([pairs]) => !refused.some((pair) => pairs.test(pair)))).toEqual([]);
});
