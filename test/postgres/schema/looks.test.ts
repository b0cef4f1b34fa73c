import { readCatalog } from '../../../lib/postgres/schema/catalog';
import { looks, notLookedAt } from '../../../lib/postgres/schema/looks';
import { readInventory, unclaimed } from '../../../lib/postgres/schema/unclaimed';
import { oneServer } from '../../_helpers/one-server';

const one = oneServer();
const { at } = one;

test('every table of pg_catalog has a look, or a reason why not', async () => {
  const looked = new Set(looks.flatMap(({ catalogs }) => catalogs));
  const all = await one.server.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' ORDER BY 1",
  );
  expect(all.map(({ name }) => name).filter((name) => !looked.has(name) && !(name in notLookedAt))).toEqual([]);
  expect(Object.keys(notLookedAt).filter((name) => looked.has(name))).toEqual([]);
  expect(looks.filter(({ reason }) => reason.length < 20)).toEqual([]);
  expect(new Set(looks.map(({ kind }) => kind)).size).toBe(looks.length);
});

interface Kind {
  readonly kind: string;
  readonly old: string;
  readonly change: string;
  /** Refused until it is accepted. */
  readonly refused?: readonly string[];
  /** Refused until it is changed. */
  readonly impossible?: readonly string[];
  readonly carried?: readonly string[];
}

const stamp =
  "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := 'old'; RETURN NEW; END $$; CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION stamp()";
const t = 'CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 1)';

const kinds: readonly Kind[] = [
  {
    kind: 'the body of a function that a trigger calls',
    old: `${t}; ${stamp}`,
    change: "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := 'new'; RETURN NEW; END $$",
    refused: ['public.stamp():function'],
  },
  {
    kind: 'the same, one call further on',
    old: `${t}; CREATE FUNCTION word() RETURNS text LANGUAGE sql AS $$ SELECT 'old' $$; CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := public.word(); RETURN NEW; END $$; CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION stamp()`,
    change: "CREATE OR REPLACE FUNCTION word() RETURNS text LANGUAGE sql AS $$ SELECT 'new' $$",
    refused: ['public.word():function'],
  },
  {
    kind: 'a function that only a release calls, one that is new, one that is gone, one that is told to be stable',
    old: `${t}; CREATE FUNCTION a() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION b() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION d() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    change:
      "CREATE OR REPLACE FUNCTION a() RETURNS int LANGUAGE sql AS 'SELECT 2'; DROP FUNCTION b(); CREATE FUNCTION c() RETURNS int LANGUAGE sql AS 'SELECT 3'; ALTER FUNCTION d() STABLE",
    carried: ['public.a():function', 'public.b():function', 'public.c():function', 'public.d():function'],
  },
  {
    kind: 'a function that a default calls, and a default that is another',
    old: `CREATE FUNCTION code() RETURNS text LANGUAGE sql AS $$ SELECT 'a' $$; ${t}; ALTER TABLE t ALTER v SET DEFAULT code()`,
    change: "CREATE OR REPLACE FUNCTION code() RETURNS text LANGUAGE sql AS $$ SELECT 'b' $$; ALTER TABLE t ALTER n SET DEFAULT 2",
    carried: ['public.code():function', 'public.t.n:default'],
  },
  {
    kind: 'a function that a check calls: the fallback checks by the old one',
    old: `CREATE FUNCTION fine(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT length($1) < 5'; ${t}; ALTER TABLE t ADD CHECK (fine(v))`,
    change: "CREATE OR REPLACE FUNCTION fine(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT length($1) < 50'",
    impossible: ['public.fine(text):function'],
  },
  {
    kind: 'a function that a unique index calls',
    old: `CREATE FUNCTION same(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)'; ${t}; CREATE UNIQUE INDEX ON t (same(v))`,
    change: "CREATE OR REPLACE FUNCTION same(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
    impossible: ['public.same(text):function'],
  },
  {
    kind: 'a trigger that is switched off',
    old: `${t}; ${stamp}`,
    change: 'ALTER TABLE t DISABLE TRIGGER stamp',
    refused: ['stamp on public.t:trigger'],
  },
  {
    kind: 'a trigger that goes, with its function',
    old: `${t}; ${stamp}`,
    change: 'DROP FUNCTION stamp() CASCADE',
    refused: ['stamp on public.t:trigger'],
    carried: ['public.stamp():function'],
  },
  {
    kind: 'a trigger that was off, and one that comes',
    old: `${t}; ${stamp}; ALTER TABLE t DISABLE TRIGGER stamp`,
    change: 'DROP TRIGGER stamp ON t; CREATE TRIGGER after AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stamp()',
    carried: ['stamp on public.t:trigger', 'after on public.t:trigger'],
  },
  {
    kind: 'a trigger that is made anew as it was, over a column and a table with other names',
    old: `${t}; ${stamp}; CREATE TRIGGER anew BEFORE UPDATE OF v ON t FOR EACH ROW WHEN (OLD.v <> NEW.v) EXECUTE FUNCTION stamp(); CREATE TRIGGER stays BEFORE UPDATE OF v ON t FOR EACH ROW WHEN (OLD.v <> NEW.v) EXECUTE FUNCTION stamp()`,
    change:
      'DROP TRIGGER anew ON t; ALTER TABLE t RENAME v TO w; ALTER TABLE t RENAME TO u; CREATE TRIGGER anew BEFORE UPDATE OF w ON u FOR EACH ROW WHEN (OLD.w <> NEW.w) EXECUTE FUNCTION stamp()',
  },
  {
    kind: 'the triggers and policies of a table that goes',
    old: `${t}; ${stamp}; CREATE POLICY p ON t USING (true); CREATE INDEX ON t (n)`,
    change: 'DROP TABLE t',
  },
  {
    kind: 'policies: another expression, one that goes, one that comes',
    old: `${t}; ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY a ON t USING (n > 0); CREATE POLICY b ON t USING (n > 0)`,
    change: 'ALTER POLICY a ON t USING (n > 1); DROP POLICY b ON t; CREATE POLICY c ON t USING (n > 2)',
    carried: ['a on public.t:policy', 'b on public.t:policy', 'c on public.t:policy'],
  },
  {
    kind: 'sequences: other steps, another type, one that comes and one that goes',
    old: `CREATE SEQUENCE s; CREATE SEQUENCE gone; ${t}`,
    change: 'ALTER SEQUENCE s INCREMENT 10 AS int CACHE 5; DROP SEQUENCE gone; CREATE SEQUENCE more',
    carried: ['public.s:sequence', 'public.gone:sequence', 'public.more:sequence'],
  },
  {
    kind: 'sequences that count the other way, or begin anew',
    old: 'CREATE SEQUENCE a MINVALUE -1000; CREATE SEQUENCE b',
    change: 'ALTER SEQUENCE a INCREMENT -1 MAXVALUE 1000; ALTER SEQUENCE b MAXVALUE 1000 CYCLE',
    refused: ['public.a:sequence', 'public.b:sequence'],
  },
  {
    kind: 'rules of a table: constraints that wait, that are not valid, that exclude; plain, partial and expression indexes',
    old: `${t}; ALTER TABLE t ADD CONSTRAINT u UNIQUE (n); CREATE INDEX i ON t (v); CREATE TABLE k (id int PRIMARY KEY, t int CONSTRAINT f REFERENCES t)`,
    change: `ALTER TABLE k ALTER CONSTRAINT f DEFERRABLE INITIALLY DEFERRED; ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0) NOT VALID; ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING btree (v WITH =);
      DROP INDEX i; CREATE INDEX j ON t (v) WHERE n > 0; CREATE INDEX l ON t (lower(v))`,
    carried: [
      'public.k:f:constraint',
      'public.t:c:constraint',
      'public.t:x:constraint',
      'public.i:index',
      'public.j:index',
      'public.l:index',
    ],
  },
  {
    kind: 'views, materialized views, and what is over a column that goes',
    old: `${t}; CREATE VIEW a AS SELECT id, v FROM t; CREATE VIEW b AS SELECT v FROM t; CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t; CREATE MATERIALIZED VIEW o AS SELECT 1 AS one`,
    change:
      'DROP VIEW a; CREATE OR REPLACE VIEW b AS SELECT v FROM t WHERE n > 0; DROP MATERIALIZED VIEW m; CREATE VIEW d AS SELECT id FROM t; DROP MATERIALIZED VIEW o; CREATE MATERIALIZED VIEW o AS SELECT 2 AS two',
    carried: ['public.a:view', 'public.b:view', 'public.d:view', 'public.m:materialized-view', 'public.o:materialized-view'],
  },
  {
    kind: 'domains: one that allows more, one that allows less',
    old: 'CREATE DOMAIN more AS int CHECK (VALUE < 5); CREATE DOMAIN less AS int CHECK (VALUE < 5); CREATE TABLE d (id int PRIMARY KEY, a more, b less)',
    change: 'ALTER DOMAIN more DROP CONSTRAINT more_check; ALTER DOMAIN less ADD CHECK (VALUE > 0); ALTER DOMAIN less SET NOT NULL',
    carried: ['public.less:domain'],
  },
  {
    kind: 'types: parts that come, parts that go, parts that get another name, such as no column has, such as are made anew',
    old: 'CREATE TYPE a AS (x int); CREATE TYPE g AS (x int, y int); CREATE TYPE b AS (x int); CREATE TYPE c AS (x int); CREATE TYPE r AS RANGE (subtype = int4); CREATE TABLE t (id int PRIMARY KEY, a a, b b[], g g, r r)',
    change:
      'ALTER TYPE a ADD ATTRIBUTE y int; ALTER TYPE g DROP ATTRIBUTE x; ALTER TYPE b RENAME ATTRIBUTE x TO z; ALTER TYPE c ADD ATTRIBUTE y int; CREATE TYPE r2 AS RANGE (subtype = int8); ALTER TABLE t ALTER r TYPE r2 USING NULL; DROP TYPE r; ALTER TYPE r2 RENAME TO r; CREATE TYPE e AS (x int)',
    impossible: ['public.g:type'],
    carried: ['public.b:type', 'public.c:type', 'public.e:type'],
  },
  {
    kind: 'a collation that tells more values apart, under a unique index and not under one',
    old: "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TABLE t (id int PRIMARY KEY, a text COLLATE ci UNIQUE, b text COLLATE ci, c text)",
    change: 'ALTER TABLE t ALTER a TYPE text COLLATE "C", ALTER b TYPE text COLLATE "C", ALTER c TYPE text COLLATE "C"',
    carried: ['public.t.a:collation', 'public.t.b:collation', 'public.t.c:collation'],
  },
  {
    kind: 'rights on a column, default privileges, storage, and who owns',
    old: `${t}; CREATE ROLE somebody`,
    change:
      'GRANT UPDATE (v) ON t TO somebody; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO somebody; ALTER TABLE t SET (fillfactor = 50), ALTER v SET STORAGE EXTERNAL, ALTER n SET STATISTICS 500; ALTER TABLE t OWNER TO somebody',
    carried: [
      'public.t.v:grants',
      'postgres r:default-privileges',
      'public.t:storage',
      'public.t.v:column',
      'public.t.n:column',
      'public.t:owner',
    ],
  },
  {
    kind: 'extensions: one that comes and one that gets another version',
    old: `${t}; CREATE EXTENSION hstore VERSION '1.4'`,
    change: 'ALTER EXTENSION hstore UPDATE; CREATE EXTENSION citext',
    carried: ['hstore:extension', 'citext:extension'],
  },
  {
    kind: 'what others read and bring',
    old: `${t}; CREATE PUBLICATION p FOR TABLE t`,
    change:
      "ALTER PUBLICATION p SET TABLE t WHERE (n > 0); CREATE PUBLICATION q FOR ALL TABLES; CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1 dbname=none' PUBLICATION p WITH (connect = false); ALTER SUBSCRIPTION s ENABLE",
    impossible: ['s:subscription'],
    carried: ['p:publication', 'q:publication'],
  },
  {
    kind: 'settings of the database: one that changes what is written, and a time limit',
    old: t,
    change:
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = %L', current_database(), 'Asia/Tokyo'); EXECUTE format('ALTER DATABASE %I SET statement_timeout = %L', current_database(), '5s'); END $$",
    refused: ['TimeZone of the database:setting'],
    carried: ['statement_timeout of the database:setting'],
  },
  {
    kind: 'large objects',
    old: t,
    change: 'SELECT lo_from_bytea(0, decode(md5(i::text), $$hex$$)) FROM generate_series(1, 2) i',
    refused: ['database:large-objects'],
  },
  {
    kind: 'what is elsewhere',
    old: t,
    change:
      'CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR PUBLIC SERVER s; CREATE FOREIGN TABLE f (id int) SERVER s',
    carried: ['w:foreign-data-wrapper', 's:foreign-server', 'public at s:user-mapping', 'public.f:foreign-table'],
  },
  {
    kind: 'what only the planner, a search or an expression asks',
    old: t,
    change: `CREATE STATISTICS st ON id, n FROM t; CREATE TEXT SEARCH CONFIGURATION ts (COPY = simple); CREATE CAST (bool AS int8) WITH INOUT; CREATE SCHEMA more; CREATE COLLATION o FROM "C";
      CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); CREATE AGGREGATE most(int) (SFUNC = int4larger, STYPE = int); CREATE FUNCTION en() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION en()`,
    carried: [
      'public.st:statistics',
      'public.ts:text-search-configuration',
      'boolean AS bigint:cast',
      'more:schema',
      'public.o:collation-object',
      'public."===":operator',
      'public.most(integer):function',
      'public.en():function',
      'et:event-trigger',
    ],
  },
  {
    kind: 'partitions: one that is emptied, one that goes, one that leaves, one that comes, and those of a new table',
    old: 'CREATE TABLE t (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2); CREATE TABLE t3 PARTITION OF t FOR VALUES IN (3); CREATE TABLE plain (id int PRIMARY KEY)',
    change:
      'TRUNCATE t1; DROP TABLE t2; ALTER TABLE t DETACH PARTITION t3; CREATE TABLE t4 PARTITION OF t FOR VALUES IN (4); CREATE TABLE u (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE u1 PARTITION OF u DEFAULT; ALTER TABLE u ATTACH PARTITION plain FOR VALUES IN (9)',
    // what leaves has rules of its own from then on.
    carried: ['public.t3:t3_pkey:constraint'],
  },
  {
    kind: 'row security that binds the owner, row security that does not, rules',
    old: `${t}; CREATE TABLE u (id int PRIMARY KEY); CREATE RULE keep AS ON DELETE TO u DO INSTEAD NOTHING`,
    change:
      'ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE u ENABLE ROW LEVEL SECURITY; ALTER TABLE u FORCE ROW LEVEL SECURITY; DROP RULE keep ON u; CREATE RULE more AS ON DELETE TO t DO INSTEAD NOTHING',
    refused: ['keep on public.u:rule'],
    impossible: ['public.u:row-security', 'more on public.t:rule'],
    carried: ['public.t:row-security'],
  },
  {
    kind: 'a comment, an identity, a replica identity and a table that is only rewritten',
    old: `${t}; ALTER TABLE t ALTER v SET NOT NULL; CREATE UNIQUE INDEX tv ON t (v)`,
    change:
      "COMMENT ON TABLE t IS 'x'; ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY; ALTER TABLE t REPLICA IDENTITY USING INDEX tv; VACUUM FULL t",
    carried: ['public.t.id:column', 'public.t_id_seq:sequence'],
  },
];

test.each(kinds.map((kind, index) => [kind.kind, index, kind] as const))(
  '%s',
  async (_name, index, { old, change, refused = [], impossible = [], carried = [] }) => {
    await one.server.query(`CREATE DATABASE old_${index}`);
    await one.server.query(old, undefined, `old_${index}`);
    await one.server.query(`CREATE DATABASE now_${index} TEMPLATE old_${index}`);
    for (const statement of change.split(/;(?= VACUUM)/)) await one.server.query(statement, undefined, `now_${index}`);
    const [before, after] = [await at(`old_${index}`), await at(`now_${index}`)];
    const schemas = { old: await readCatalog(before), now: await readCatalog(after) };
    const inventory = await readInventory(before);
    expect(unclaimed(inventory, inventory, { old: schemas.old, now: schemas.old })).toEqual([]);
    const found = unclaimed(inventory, await readInventory(after), schemas);
    // definitions that are known need not be put together, and the same is found.
    expect(unclaimed(inventory, await readInventory(after, inventory), schemas)).toEqual(found);
    const ids = (which: (one: (typeof found)[number]) => boolean): string[] =>
      found
        .filter(which)
        .map(({ id }) => id)
        .sort();
    expect({
      refused: ids(({ loses, instead }) => loses !== undefined && instead === undefined),
      impossible: ids(({ instead }) => instead !== undefined),
      carried: ids(({ verdict }) => verdict === 'carried'),
    }).toEqual({ refused: [...refused].sort(), impossible: [...impossible].sort(), carried: [...carried].sort() });
    // the SQL that a refusal shows can be run.
    for (const { what, loses } of found)
      if (loses !== undefined)
        await after.query(
          /\((SELECT .*)\)$/s
            .exec(what)![1]!
            .replace(/ WHERE .*(gone|stamp|keep).*$/s, ' LIMIT 1')
            .replace(/%/g, ''),
        );
  },
);
