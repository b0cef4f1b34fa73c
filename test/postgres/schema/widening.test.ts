import { prepareRoles } from '../../../lib/postgres/access/roles';
import type { Db } from '../../../lib/postgres/connection/connect';
import { majorVersion } from '../../../lib/postgres/connection/server';
import { runStatements } from '../../../lib/postgres/schema/bridge';
import { widening } from '../../../lib/postgres/schema/widening';
import { database, failure, prepareUsers, roles, type Server, startServer, stopServers } from '../servers';

let server: Server;
let db: Db;

/** Everything that may depend on a column is on `orders.n`; `parts` is partitioned. */
const before = `
  CREATE TABLE orders (id serial PRIMARY KEY, n int NOT NULL CHECK (n > 0), code varchar(5) COLLATE "C" DEFAULT 'x', other int REFERENCES orders (id));
  INSERT INTO orders (n) SELECT i FROM generate_series(1, 20) i;
  CREATE INDEX orders_part ON orders (n) WHERE n > 5;
  CREATE UNIQUE INDEX orders_twice ON orders ((n * 2)) INCLUDE (id);
  CREATE STATISTICS orders_stats ON n, id FROM orders;
  ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
  CREATE POLICY "see some" ON orders FOR SELECT TO PUBLIC USING (n > 0);
  COMMENT ON POLICY "see some" ON orders IS 'who sees what';
  CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE TRIGGER changed BEFORE UPDATE OF n ON orders FOR EACH ROW WHEN (OLD.n IS DISTINCT FROM NEW.n) EXECUTE FUNCTION noted();
  CREATE TRIGGER silent AFTER INSERT ON orders FOR EACH ROW WHEN (NEW.n > 1) EXECUTE FUNCTION noted();
  ALTER TABLE orders DISABLE TRIGGER silent;
  CREATE CONSTRAINT TRIGGER late AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.n > 1) EXECUTE FUNCTION noted();
  ALTER TABLE orders ENABLE ALWAYS TRIGGER late;
  COMMENT ON TRIGGER late ON orders IS 'at the end';
  CREATE RULE quiet AS ON DELETE TO orders WHERE OLD.n = 3 DO INSTEAD NOTHING;
  CREATE VIEW large WITH (security_barrier = true, check_option = local) AS SELECT id, n AS amount, code FROM orders WHERE n > 1;
  COMMENT ON VIEW large IS 'large ones'; COMMENT ON COLUMN large.amount IS 'cents';
  ALTER VIEW large ALTER COLUMN amount SET DEFAULT 7;
  CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
  CREATE TRIGGER instead INSTEAD OF DELETE ON large FOR EACH ROW EXECUTE FUNCTION instead();
  CREATE RULE beside AS ON UPDATE TO large WHERE NEW.amount < 0 DO INSTEAD NOTHING;
  CREATE MATERIALIZED VIEW sums AS SELECT code, sum(amount) AS total, count(*) FROM large GROUP BY code;
  CREATE UNIQUE INDEX sums_code ON sums (code);
  COMMENT ON MATERIALIZED VIEW sums IS 'as of some time'; COMMENT ON INDEX sums_code IS 'for CONCURRENTLY';
  CREATE MATERIALIZED VIEW unread AS SELECT max(n) FROM orders WITH NO DATA;
  CREATE FUNCTION all_large() RETURNS SETOF large LANGUAGE sql STABLE AS 'SELECT * FROM public.large';
  CREATE FUNCTION of(lowest int) RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM orders WHERE n >= lowest; END;
  COMMENT ON FUNCTION of(int) IS 'how many';
  CREATE VIEW counted AS SELECT of(3) AS three, (SELECT count(*) FROM all_large()) AS many;
  CREATE PUBLICATION theirs FOR TABLE orders (id, n) WHERE (id > 3);
  CREATE TABLE parts (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
  CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
  CREATE TRIGGER part AFTER UPDATE ON parts FOR EACH ROW WHEN (OLD.n <> NEW.n) EXECUTE FUNCTION noted();
  ALTER TABLE parts_2 DISABLE TRIGGER part;
  CREATE VIEW of_one AS SELECT n FROM parts_1;
  INSERT INTO parts VALUES (1, 1), (11, 2);`;
const rights = `
  GRANT SELECT, UPDATE ON large TO video_read; GRANT SELECT ON sums TO video_read WITH GRANT OPTION; GRANT INSERT (code) ON large TO video_write;
  REVOKE EXECUTE ON FUNCTION of(int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION of(int) TO video_read;
  ALTER DEFAULT PRIVILEGES FOR ROLE video_owner GRANT DELETE ON TABLES TO video_write`;

/** Each thing by its name, as PostgreSQL tells it. */
const everything = `
  SELECT n.nspname || '.' || c.relname AS what, concat_ws(' | ', c.relkind, c.relowner::regrole, c.reloptions::text, c.relispopulated, obj_description(c.oid, 'pg_class'),
           (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x), CASE WHEN c.relkind IN ('v','m') THEN pg_get_viewdef(c.oid) END,
           (SELECT string_agg(concat_ws(' ', a.attname, a.attacl::text, col_description(c.oid, a.attnum), pg_get_expr(f.adbin, f.adrelid)), ', ' ORDER BY a.attnum) FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum WHERE a.attrelid = c.oid AND a.attnum > 0)) AS is
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r','v','m','p')
  UNION ALL SELECT 'index ' || indexrelid::regclass, pg_get_indexdef(indexrelid) || coalesce(obj_description(indexrelid, 'pg_class'), '') FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
  UNION ALL SELECT 'constraint ' || conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 't'
  UNION ALL SELECT 'statistics ' || stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
  UNION ALL SELECT concat('trigger ', tgname, ' ', tgrelid::regclass), concat(pg_get_triggerdef(oid), tgenabled, obj_description(oid, 'pg_trigger')) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'rule ' || rulename, pg_get_ruledef(oid) FROM pg_rewrite WHERE rulename <> '_RETURN' AND ev_class IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
  UNION ALL SELECT 'policy ' || polname, concat_ws(' ', polcmd, polpermissive, polroles::text, pg_get_expr(polqual, polrelid), obj_description(oid, 'pg_policy')) FROM pg_policy
  UNION ALL SELECT 'function ' || oid::regprocedure, concat_ws(' ', pg_get_functiondef(oid), proowner::regrole, obj_description(oid, 'pg_proc'),
      (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) x)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind <> 'a'
  UNION ALL SELECT 'publication ' || pubname, concat_ws(' ', tablename, attnames::text, rowfilter) FROM pg_publication_tables
  ORDER BY 1`;

const types = async (table: string): Promise<string> =>
  (
    await db.query<{ types: string }>(
      "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS types FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
      [table],
    )
  )[0]!.types;

type Tables = Parameters<typeof widening>[3];
const widen = async (tables: Tables): Promise<void> => runStatements(db, roles, await widening(db, db, roles.owner, tables));

/** What the master user has made. */
const handToOwner = (): Promise<void> => prepareRoles(db, { database, roles });

beforeAll(async () => {
  server = await startServer();
  db = await server.master();
  await db.query(before);
  await prepareUsers(db);
  await db.query(`SET ROLE ${roles.owner}; ${rights}; RESET ROLE`);
});
afterAll(stopServers);

test('everything that depends on a column is the same after it was widened', async () => {
  const was = await db.query(everything);
  expect(was.length).toBeGreaterThan(30);
  await widen([
    {
      table: 'public.orders',
      columns: [
        { column: 'n', type: 'bigint' },
        { column: 'id', type: 'bigint' },
        { column: 'other', type: 'bigint' },
        { column: 'code', type: 'text' },
      ],
      computed: [],
    },
    { table: 'public.parts', columns: [{ column: 'n', type: 'bigint' }], computed: [] },
  ]);
  expect(await types('orders')).toBe('id bigint, n bigint, code text, other bigint');
  expect([await types('large'), await types('parts_2'), await types('of_one')]).toEqual([
    'id bigint, amount bigint, code text',
    'id integer, n bigint',
    'n bigint',
  ]);
  const plain = (rows: readonly object[]): unknown =>
    JSON.parse(
      JSON.stringify(rows)
        .replaceAll(/\(?(\w+)\)?::(text|bigint)/g, '$1')
        .replaceAll("'x'::character varying", "'x'::text"),
    );
  expect(plain(await db.query(everything))).toEqual(plain(was));
  expect(await db.query('SELECT three, many FROM counted')).toEqual([{ three: '18', many: '19' }]);
  expect(await db.query('SELECT total::text, count FROM sums')).toEqual([{ total: '209', count: '19' }]);
});

test('sequences count as far as their columns hold numbers, and as far as those of production', async () => {
  await db.query(`
    CREATE TABLE s1 (id serial); CREATE TABLE s2 (id int GENERATED ALWAYS AS IDENTITY (MAXVALUE 900)); CREATE SEQUENCE shared AS int;
    CREATE TABLE s3 (id int DEFAULT nextval('shared')); CREATE SEQUENCE down AS smallint INCREMENT -1; CREATE TABLE s4 (id smallint DEFAULT nextval('down'));
    CREATE TABLE s5 (id numeric(5) DEFAULT nextval('shared'))`);
  await handToOwner();
  const column = (table: string, type: string) => ({ table: `public.${table}`, columns: [{ column: 'id', type }], computed: [] });
  await widen([
    column('s1', 'bigint'),
    column('s2', 'bigint'),
    column('s3', 'bigint'),
    column('s4', 'integer'),
    column('s5', 'numeric(20)'),
  ]);
  expect(
    await db.query(
      "SELECT seqrelid::regclass::text AS s, seqtypid::regtype::text AS type, seqmin::text AS min, seqmax::text AS max FROM pg_sequence WHERE seqrelid::regclass::text ~ '^(s\\d|shared|down)' ORDER BY 1",
    ),
  ).toEqual([
    { s: 'down', type: 'integer', min: '-2147483648', max: '-1' },
    { s: 's1_id_seq', type: 'bigint', min: '1', max: '9223372036854775807' },
    { s: 's2_id_seq', type: 'bigint', min: '1', max: '900' },
    { s: 'shared', type: 'bigint', min: '1', max: '9223372036854775807' },
  ]);
});

test('a computed column is as wide as what it is computed of; PostgreSQL before 17 can only make the last one again', async () => {
  await db.query(`
    CREATE TABLE m1 (id int PRIMARY KEY, n int, d int NOT NULL GENERATED ALWAYS AS (n + 1) STORED, e int GENERATED ALWAYS AS (n * 2) STORED);
    CREATE VIEW m1_view AS SELECT d FROM m1; INSERT INTO m1 VALUES (1, 1);
    CREATE TABLE m2 (id int PRIMARY KEY, n int, d int GENERATED ALWAYS AS (n + 1) STORED UNIQUE, t text); INSERT INTO m2 VALUES (1, 1, DEFAULT, 'x')`);
  await handToOwner();
  const computed = (column: string, expression: string, notNull: boolean) => ({
    column,
    type: 'bigint',
    was: 'integer',
    expression,
    notNull,
  });
  const n = { column: 'n', type: 'bigint' };
  await widen([{ table: 'public.m1', columns: [n], computed: [computed('d', '(n + 1)', true), computed('e', '(n * 2)', false)] }]);
  await db.query('INSERT INTO m1 VALUES (2, 3000000000)');
  expect(await types('m1')).toBe('id integer, n bigint, d bigint, e bigint');
  expect(await db.query('SELECT m1::text AS row FROM m1')).toEqual([{ row: '(1,1,2,2)' }, { row: '(2,3000000000,3000000001,6000000000)' }]);
  expect(await db.query('SELECT d FROM m1_view')).toHaveLength(2);
  const between = widen([{ table: 'public.m2', columns: [n], computed: [computed('d', '(n + 1)', false)] }]);
  if ((await majorVersion(db)) < 17) {
    expect((await failure(between)).message).toBe(
      'public.m2.d is computed of a column that must get another type on the fallback, and there is another column behind it: t; PostgreSQL before 17 changes no such column in its place: drop it before the window',
    );
    return;
  }
  await between;
  await db.query("INSERT INTO m2 VALUES (2, 3000000000, DEFAULT, 'y')");
  expect(await db.query('SELECT m2::text AS row FROM m2')).toEqual([{ row: '(1,1,2,x)' }, { row: '(2,3000000000,3000000001,y)' }]);
});

test.each([
  [
    'a default that calls a function made of it',
    'CREATE FUNCTION u1_n() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT max(n) FROM u1; END; CREATE TABLE u1_log (n int DEFAULT u1_n())',
    'default value for column n of table public.u1_log, and it is not known how to make that again',
  ],
  [
    'a column of the type of a view',
    'CREATE VIEW u1_view AS SELECT n FROM u1; CREATE TABLE u1_log (v u1_view)',
    'table public.u1_log, and it is not known how to make that again',
  ],
  [
    'an aggregate',
    'CREATE VIEW u1_view AS SELECT n FROM u1; CREATE FUNCTION u1_step(int, u1_view) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; CREATE AGGREGATE u1_all(u1_view) (SFUNC = u1_step, STYPE = int)',
    'function public.u1_all(public.u1_view), and it is not known how to make that again',
  ],
  [
    'a view of somebody else',
    'CREATE VIEW u1_view AS SELECT n FROM u1',
    'view public.u1_view, which belongs to master and not to video_owner',
  ],
])('what cannot be made again is refused by its name: %s', async (what, sql, words) => {
  await db.query('DROP TABLE IF EXISTS u1, u1_log CASCADE; CREATE TABLE u1 (n int)');
  await db.query(sql);
  if (what !== 'a view of somebody else') await handToOwner();
  const was = await db.query(everything);
  const { message } = await failure(widen([{ table: 'public.u1', columns: [{ column: 'n', type: 'bigint' }], computed: [] }]));
  expect(message).toBe(`public.u1.n must get another type on the fallback, and on that depends ${words}; drop it before the window`);
  expect(await db.query(everything)).toEqual(was);
  await db.query('DROP TABLE u1 CASCADE');
});
