/** What a migration does to rows that are there, brought to the old schema: two databases of one lineage, answers written down by hand. */
import type { Db } from '../../../lib/postgres/connection/connect';
import { ensureMarker } from '../../../lib/postgres/replication/marker';
import { bridge, bridgeScript, unbridge } from '../../../lib/postgres/schema/bridge';
import { readCatalog } from '../../../lib/postgres/schema/catalog';
import { classify } from '../../../lib/postgres/schema/classify';
import type { Declared } from '../../../lib/postgres/schema/declared';
import { mapping } from '../../../lib/postgres/schema/mapping';
import { type Footprint, footprint, shipFootprint } from '../../../lib/postgres/verification/footprint';
import { deletedRows } from '../../../lib/postgres/verification/kept-rows';
import { oneServer } from '../../_helpers/one-server';

interface Kind {
  readonly kind: string;
  readonly old: string;
  readonly change: string;
  readonly declared?: Declared;
  /** Asked of the fallback, in its old schema. `production`: what production answers to the same. */
  readonly ask: string;
  readonly expect: readonly string[] | 'production';
}

const kinds: readonly Kind[] = [
  {
    kind: 'values that change places under unique rules, deferrable or not',
    old: `CREATE TABLE t (id int PRIMARY KEY, list int, pos int, UNIQUE (list, pos) DEFERRABLE INITIALLY IMMEDIATE, n text); CREATE UNIQUE INDEX ON t (lower(n)); CREATE UNIQUE INDEX ON t ((pos * 2)) WHERE list = 1;
      INSERT INTO t VALUES (1, 1, 1, 'A'), (2, 1, 2, 'B'), (3, 1, 3, 'C')`,
    change: "UPDATE t SET pos = -pos, n = 'x' || id; UPDATE t SET pos = 4 + pos, n = CASE id WHEN 1 THEN 'c' WHEN 2 THEN 'a' ELSE 'b' END",
    ask: "SELECT concat_ws(' ', id, list, pos, n) AS a FROM t ORDER BY id",
    expect: ['1 1 3 c', '2 1 2 a', '3 1 1 b'],
  },
  {
    kind: 'ranges that change places under an exclusion, and a key that does',
    old: "CREATE TABLE t (id int PRIMARY KEY, d int4range, v text, EXCLUDE USING gist (d WITH &&)); INSERT INTO t VALUES (1, '[1,5)', 'a'), (2, '[5,9)', 'b')",
    change:
      'UPDATE t SET id = id + 10, d = NULL; UPDATE t SET id = 13 - id, d = CASE id WHEN 11 THEN int4range(5, 9) ELSE int4range(1, 5) END',
    ask: "SELECT concat_ws(' ', id, d, v) AS a FROM t ORDER BY id",
    expect: ['1 [1,5) b', '2 [5,9) a'],
  },
  {
    kind: 'rows that others refer to, by every action of a foreign key',
    old: `CREATE TABLE q (id int PRIMARY KEY, code text UNIQUE, v int);
      CREATE TABLE k (id int PRIMARY KEY, q int NOT NULL REFERENCES q ON DELETE CASCADE, code text REFERENCES q (code) ON DELETE SET NULL ON UPDATE CASCADE, d int DEFAULT 9 REFERENCES q ON DELETE SET DEFAULT);
      INSERT INTO q VALUES (1, 'a', 1), (2, 'b', 2); INSERT INTO k VALUES (1, 1, 'a', 1), (2, 2, 'b', 2)`,
    change: "UPDATE q SET v = v + 1, code = code || '1'",
    ask: "SELECT concat_ws(' ', id, q, code, d) AS a FROM k UNION ALL SELECT concat_ws(' ', 'q', id, code, v) FROM q ORDER BY 1",
    expect: ['1 1 a1 1', '2 2 b1 2', 'q 1 a1 2', 'q 2 b1 3'],
  },
  {
    kind: 'keys that are renumbered, of rows that refer to each other',
    old: "CREATE TABLE p (id int PRIMARY KEY, parent int REFERENCES p DEFERRABLE INITIALLY DEFERRED, v text); INSERT INTO p VALUES (1, NULL, 'a'), (2, 1, 'b'), (3, 2, 'c')",
    change: 'BEGIN; UPDATE p SET id = -id - 1; UPDATE p SET id = -id, parent = parent + 1; COMMIT',
    declared: { deleted: { 'public.p': 'ship' } },
    ask: "SELECT concat_ws(' ', id, coalesce(parent, 0), v) AS a FROM p ORDER BY id",
    expect: ['2 0 a', '3 2 b', '4 3 c'],
  },
  {
    kind: 'columns that only the old schema has keep their values; new rows have their defaults',
    old: "CREATE TABLE t (id int PRIMARY KEY, old text, flag bool NOT NULL DEFAULT true, row int, n int, twice int GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO t VALUES (1, 'kept', false, 5, 1), (2, NULL, true, NULL, 2)",
    change: 'ALTER TABLE t DROP old, DROP flag, DROP row; UPDATE t SET n = n * 10; INSERT INTO t VALUES (3, 30)',
    ask: "SELECT concat_ws(' ', id, coalesce(old, '-'), flag, coalesce(row, 0), n, twice) AS a FROM t ORDER BY id",
    expect: ['1 kept f 5 10 20', '2 - t 0 20 40', '3 - t 0 30 60'],
  },
  {
    kind: 'identities that are always generated, as a key and beside one',
    old: "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text); CREATE TABLE u (id uuid PRIMARY KEY DEFAULT '00000000-0000-0000-0000-000000000001', seq bigint GENERATED ALWAYS AS IDENTITY, v text); INSERT INTO t (v) VALUES ('a'); INSERT INTO u (v) VALUES ('a')",
    change: "UPDATE t SET v = 'A'; UPDATE u SET v = 'A'",
    ask: 'SELECT id || v AS a FROM t UNION ALL SELECT seq || v FROM u',
    expect: ['1A', '1A'],
  },
  {
    kind: 'columns that are called as the statement calls things',
    old: 'CREATE TABLE t (id int PRIMARY KEY, r int, g int, b int, old int, new int, one jsonb, arriving int, key text, l int, value text, "we""ird" text); INSERT INTO t VALUES (1, 1, 2, 3, 4, 5, \'{"key": 1, "row": 2}\', 6, \'k\', 7, \'v\', \'"\')',
    change: 'UPDATE t SET g = 9',
    ask: 'SELECT ROW(t.*)::text AS a FROM t',
    expect: ['(1,1,9,3,4,5,"{""key"": 1, ""row"": 2}",6,k,7,v,"""")'],
  },
  {
    kind: 'odd values',
    old: `CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE DOMAIN short AS varchar(3); CREATE DOMAIN doc AS jsonb; CREATE DOMAIN docs AS doc; CREATE TYPE part AS (a json, b short);
      CREATE TABLE t (id int PRIMARY KEY, f float8, f4 real, n numeric, t timestamptz, d date, i interval, a int[], b bytea, x xml, p point, rg int4range, mr nummultirange, bits bit(4), vb bit varying(5), m money, ch char(4), q "char", nm name, js json, jb jsonb, dd docs, jbs jsonb[], c part, cs part[], s short, ci citext, h hstore, e text[], ts tsvector, inet inet, txt text, v int);
      INSERT INTO t VALUES (1, 'NaN', '-Infinity', 'NaN', 'infinity', '0044-03-15 BC', '-1 mon 3 days 04:05:06.789', '[0:1]={1,2}', '\\x00ff', '<a> b</a>', '(1.1,-0)', '[1,5)', '{[1,2),[3,4)}', '1010', '101', '1.50', 'ab', 'q', 'nm', '{ "a" :1, "a":2 }', 'null', 'null', ARRAY['null','"a"']::jsonb[],
        ROW('null','x'), ARRAY[ROW('{"a":"b,"}','"')::part, ROW(NULL,'')::part], 'abc', 'Ci', 'a=>1, b=>NULL, "c,\\""=>"NULL"', ARRAY['a,b','NULL',NULL,E'\\\\','"'], 'a:1', '10.0.0.1/8', E'\\\\N', 1);
      INSERT INTO t (id, f, t, d, a, b, rg, txt, js, e, v) VALUES (2, '-0', '-infinity', '4713-01-01 BC', '{}', '', 'empty', E'tab\\tline\\r\\n\\\\', 'null', '{}', 1), (3, 1e-320, '0001-01-01 00:00:00+00 BC', 'infinity', '[5:6]={1,NULL}', NULL, '(,)', '', NULL, NULL, 1);
      UPDATE t SET c = ROW(NULL, NULL) WHERE id = 3`,
    change: 'UPDATE t SET v = 2',
    ask: 'SELECT ROW(t.*)::text AS a FROM t ORDER BY id',
    expect: 'production',
  },
  {
    kind: 'rows that change their partition',
    old: "CREATE TABLE t (id int, d date, v int, PRIMARY KEY (id, d)) PARTITION BY LIST (d); CREATE TABLE t1 PARTITION OF t FOR VALUES IN ('2026-01-01'); CREATE TABLE t2 PARTITION OF t DEFAULT; INSERT INTO t VALUES (1, '2026-01-01', 1), (2, '2026-02-01', 2)",
    change: "UPDATE t SET v = v + 1; UPDATE t SET d = '2026-01-01' WHERE id = 2",
    ask: "SELECT concat_ws(' ', id, d, v, tableoid::regclass) AS a FROM t ORDER BY id",
    expect: ['1 2026-01-01 2 t1', '2 2026-01-01 3 t1'],
  },
  {
    kind: 'what the bridge makes of rows is made of these too, and what it does for a deleted row only for one that is deleted',
    old: `CREATE TABLE u (id int PRIMARY KEY, name text, city text); CREATE TABLE ad (u int PRIMARY KEY, city text, note text);
      INSERT INTO u VALUES (1, 'a', 'Bonn'), (2, 'b', 'Kiel'), (3, 'c', 'Ulm'); INSERT INTO ad SELECT id, city, 'note' || id FROM u`,
    change:
      "ALTER TABLE u RENAME name TO title; UPDATE u SET title = upper(title), city = 'x' || city; DELETE FROM u WHERE id = 3; DROP TABLE ad",
    declared: {
      deleted: { 'public.u': 'ship' },
      rows: [
        {
          of: 'public.u',
          run: 'INSERT INTO ad VALUES (NEW.id, NEW.city) ON CONFLICT (u) DO UPDATE SET city = excluded.city',
          onDelete: 'DELETE FROM ad WHERE u = OLD.id',
        },
      ],
    },
    ask: "SELECT concat_ws(' ', u.id, name, u.city, ad.city, note) AS a FROM u FULL JOIN ad ON ad.u = u.id ORDER BY 1",
    expect: ['1 A xBonn xBonn note1', '2 B xKiel xKiel note2'],
  },
  {
    kind: 'rows without a key, of which some are the same',
    old: "CREATE TABLE t (a int, b text, d numeric); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, 'x', 1.0), (1, 'x', 1.0), (2, 'y', 2), (3, NULL, 3), (4, 'same', 4)",
    change:
      "UPDATE t SET b = upper(b) WHERE a < 3; DELETE FROM t WHERE a = 3; DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 1); INSERT INTO t VALUES (4, 'same', 4)",
    declared: { deleted: { 'public.t': 'ship' } },
    ask: "SELECT concat_ws(' ', a, b, d) AS a FROM t ORDER BY 1",
    expect: ['1 X 1.0', '2 Y 2', '4 same 4', '4 same 4'],
  },
  {
    kind: 'a whole row that is sent for a key, and rows that nobody has changed',
    old: "CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 1000) g",
    change: "UPDATE t SET v = upper(v) WHERE id > 998; INSERT INTO t VALUES (1001, 'new')",
    ask: "SELECT concat_ws(' ', id, v) AS a FROM t WHERE id > 997 UNION ALL SELECT count(*)::text FROM t ORDER BY 1",
    expect: ['1001', '1001 new', '998 v998', '999 V999', '1000 V1000'].sort(),
  },
];

const one = oneServer();
const { at } = one;

interface Bridged {
  readonly production: Db;
  readonly fallback: Db;
  readonly look: () => Promise<Footprint>;
  readonly ship: (found: Footprint, by?: Db) => Promise<void>;
  readonly takeDown: () => Promise<void>;
  readonly names: { readonly production: string; readonly fallback: string };
}

let made = 0;
/** A database and a copy of it that has been migrated; the bridge is up. */
async function bridged({ old, change, declared = {} }: Pick<Kind, 'old' | 'change' | 'declared'>): Promise<Bridged> {
  made += 1;
  const names = { production: `now_${made}`, fallback: `old_${made}` };
  await one.server.query(`CREATE DATABASE ${names.fallback}`);
  const fallback = await at(names.fallback);
  await fallback.query(old);
  await ensureMarker(fallback);
  await fallback.close();
  await one.server.query(`CREATE DATABASE ${names.production} TEMPLATE ${names.fallback}`);
  await one.server.query(change, undefined, names.production);
  const [to, from] = [await at(names.fallback), await at(names.production)];
  const { plan } = classify(await readCatalog(to), await readCatalog(from), declared);
  const script = bridgeScript(plan);
  const me = one.server.superuser;
  const roles = { owner: me, write: me, read: me, migrator: me, reader: me };
  await bridge(from, to, roles, script);
  const map = mapping(plan, { names: 'new', declared, copied: false });
  return {
    ...{ production: from, fallback: to, names },
    look: () => footprint(from, to, plan, map),
    ship: (found, by = to) => shipFootprint(from, by, plan, found, { window: 'w1', deleted: declared.deleted }),
    takeDown: () => unbridge(to, roles, script),
  };
}

const answers = async (db: Db, sql: string): Promise<string[]> => (await db.query<{ a: string }>(sql)).map(({ a }) => a);

test.each(kinds.map((kind) => [kind.kind, kind] as const))('%s', async (_name, kind) => {
  const { production, fallback, look, ship, takeDown } = await bridged(kind);
  const found = await look();
  expect(found.tables.length).toBeGreaterThan(0);
  await ship(found);
  expect((await look()).tables).toEqual([]);
  await takeDown();
  const wanted = kind.expect === 'production' ? await answers(production, kind.ask) : kind.expect;
  expect(await answers(fallback, kind.ask)).toEqual(wanted);
  expect(
    await answers(fallback, "SELECT relname AS a FROM pg_class WHERE relnamespace = 'switchback'::regnamespace AND relname = 'lifted'"),
  ).toEqual([]);
});

const noisy = {
  old: `CREATE TABLE log (what text); CREATE TABLE t (id int PRIMARY KEY, v int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.log VALUES (TG_NAME || TG_OP); RETURN coalesce(NEW, OLD); END $$;
    CREATE TRIGGER plain AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION f(); CREATE TRIGGER always BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION f(); CREATE TRIGGER replica AFTER INSERT OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION f();
    ALTER TABLE log REPLICA IDENTITY FULL; ALTER TABLE t DISABLE TRIGGER USER; INSERT INTO t VALUES (1, 1), (2, 2), (3, 3); ALTER TABLE t ENABLE TRIGGER plain, ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER replica`,
  change:
    'ALTER TABLE t DISABLE TRIGGER USER; UPDATE t SET v = v * 10 WHERE id < 3; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 4)',
  declared: { deleted: { 'public.t': 'keep' as const } },
};

test('no trigger of the user hears of it, and each is as it was; rows that were deleted are counted', async () => {
  const { fallback, look, ship } = await bridged(noisy);
  const modes = "SELECT tgname || tgenabled::text AS a FROM pg_trigger WHERE tgrelid = 't'::regclass ORDER BY 1";
  const before = await answers(fallback, modes);
  await ship(await look());
  expect(await answers(fallback, 'SELECT what AS a FROM log')).toEqual([]);
  expect(await answers(fallback, modes)).toEqual(before);
  expect(await deletedRows(fallback, 'w1')).toMatchObject([{ name: 'public.t', rows: 1, fate: 'keep', back: null }]);
});

test('what the fallback does not take leaves everything as it was, and looked at again nothing is left to bring', async () => {
  const { fallback, look, ship } = await bridged({
    ...noisy,
    old: `${noisy.old}; CREATE TABLE u (id int PRIMARY KEY, v varchar(3)); INSERT INTO u VALUES (1, 'a')`,
    change: `${noisy.change}; UPDATE u SET v = 'abc'`,
  });
  const found = await look();
  await fallback.query("ALTER TABLE u ADD CONSTRAINT strange CHECK (v <> 'abc')");
  const rows = "SELECT concat_ws(' ', id, v) AS a FROM t ORDER BY 1";
  await expect(ship(found)).rejects.toMatchObject({ sqlstate: '23514' });
  expect(await answers(fallback, rows)).toEqual(['1 1', '2 2', '3 3']);
  expect(await deletedRows(fallback, 'w1')).toEqual([]);
  await fallback.query('ALTER TABLE u DROP CONSTRAINT strange');
  await ship(found);
  await ship(await look());
  expect(await answers(fallback, rows)).toEqual(['1 10', '2 20', '4 4']);
});

test('without the right to act as the apply worker nothing is touched', async () => {
  const { fallback, look, ship, names } = await bridged(noisy);
  await one.server.query(`CREATE ROLE plain_${made} LOGIN PASSWORD 'plain'; GRANT CREATE ON DATABASE ${names.fallback} TO plain_${made}`);
  await fallback.query(`GRANT ALL ON SCHEMA switchback TO plain_${made}`);
  const found = await look();
  await expect(ship(found, await at(names.fallback, { username: `plain_${made}`, password: 'plain' }))).rejects.toThrow(
    /GRANT SET ON PARAMETER session_replication_role/,
  );
  expect(await answers(fallback, "SELECT concat_ws(' ', id, v) AS a FROM t ORDER BY 1")).toEqual(['1 1', '2 2', '3 3']);
});

test('rows without a key that are gone are brought over only where that is declared', async () => {
  const { fallback, look, ship } = await bridged({
    old: 'CREATE TABLE t (a int); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1), (2)',
    change: 'DELETE FROM t WHERE a = 2',
  });
  await expect(ship(await look())).rejects.toThrow(/public\.t, which has no key to bring them over by, and had 1 rows more/);
  expect(await answers(fallback, 'SELECT a::text AS a FROM t ORDER BY 1')).toEqual(['1', '2']);
});

test('a value that its column is too short for is refused, and never cut off', async () => {
  const { ship, look, fallback } = await bridged({
    old: "CREATE DOMAIN d AS text; CREATE TABLE t (id int PRIMARY KEY, v text, w d); INSERT INTO t VALUES (1, 'a', 'a')",
    change: "UPDATE t SET v = 'abcdef', w = 'abcdef'",
  });
  const found = await look();
  await fallback.query('ALTER TABLE t ALTER v TYPE varchar(3)');
  await expect(ship(found)).rejects.toMatchObject({ sqlstate: '22001' });
});
