/** The rows of the table in the design (postgres.md, 2.1): a change on production, writes after it, and what the old schema must show then. */
import type { Declared } from '../../../lib/postgres/schema/declared';
import type { Verdict } from '../../../lib/postgres/schema/difference';

export interface Case {
  /** The row of the table. */
  readonly row: string;
  readonly old: string;
  /** The migration. */
  readonly change: string;
  readonly declared?: Declared;
  readonly verdicts: Readonly<Record<string, Verdict>>;
  /** What customers do with the new release. */
  readonly write: string;
  /** Asked of the fallback, in its old schema, after the bridge is down. */
  readonly ask: string;
  readonly expect: readonly string[];
  /** What could not be put back. */
  readonly failed?: string;
}

export const cases: readonly Case[] = [
  {
    row: 'add column',
    old: "CREATE TABLE c01 (id int PRIMARY KEY, name text); INSERT INTO c01 VALUES (1, 'a'), (2, 'b')",
    change: "ALTER TABLE c01 ADD COLUMN phone text; UPDATE c01 SET phone = '0'",
    verdicts: { 'public.c01.phone:added': 'bridged' },
    write: "INSERT INTO c01 VALUES (3, 'c', '33'); UPDATE c01 SET name = 'B' WHERE id = 2; DELETE FROM c01 WHERE id = 1",
    ask: "SELECT concat_ws('|', id, name, phone) FROM c01 ORDER BY 1",
    expect: ['2|B|0', '3|c|33'],
  },
  {
    row: 'drop nullable column',
    old: "CREATE TABLE c02 (id int PRIMARY KEY, note text, v int DEFAULT 7 NOT NULL); INSERT INTO c02 VALUES (1, 'kept', 1)",
    change: 'ALTER TABLE c02 DROP COLUMN note, DROP COLUMN v; ALTER TABLE c02 ADD COLUMN w int',
    verdicts: { 'public.c02.note:dropped': 'carried', 'public.c02.v:dropped': 'carried' },
    write: 'INSERT INTO c02 VALUES (2, 5); UPDATE c02 SET w = 9 WHERE id = 1',
    ask: "SELECT concat_ws('|', id, coalesce(note, '-'), v) FROM c02 ORDER BY 1",
    expect: ['1|kept|1', '2|-|7'],
  },
  {
    row: 'drop NOT NULL column without default',
    old: "CREATE TABLE c03 (id int PRIMARY KEY, email text NOT NULL CHECK (email <> ''), n int NOT NULL, UNIQUE (email)); INSERT INTO c03 VALUES (1, 'x', 4)",
    change: 'ALTER TABLE c03 DROP COLUMN email, DROP COLUMN n',
    verdicts: {
      'public.c03.email:dropped': 'bridged',
      'public.c03.n:dropped': 'bridged',
      'public.c03:c03_email_key': 'bridged',
      'public.c03:c03_email_check': 'bridged',
    },
    write: 'INSERT INTO c03 VALUES (2), (3)',
    ask: "SELECT concat_ws('|', id, email, n) FROM c03 ORDER BY 1",
    expect: ['1|x|4', '2||0', '3||0'],
    failed: 'c03_email',
  },
  {
    row: 'rename column',
    old: "CREATE TABLE c04 (id int PRIMARY KEY, name text NOT NULL, n int); INSERT INTO c04 VALUES (1, repeat('long', 2000), 1), (2, 'b', 2); ALTER TABLE c04 ALTER name SET STORAGE EXTERNAL",
    change: 'ALTER TABLE c04 RENAME COLUMN name TO full_name',
    verdicts: { 'public.c04.name:renamed': 'bridged' },
    write: "UPDATE c04 SET n = 11 WHERE id = 1; UPDATE c04 SET full_name = 'B' WHERE id = 2; INSERT INTO c04 VALUES (3, 'c', 3)",
    ask: "SELECT concat_ws('|', id, length(name), left(name, 4), n) FROM c04 ORDER BY 1",
    expect: ['1|8000|long|11', '2|1|B|2', '3|1|c|3'],
  },
  {
    row: 'rename PK column',
    old: "CREATE TABLE c05 (id int PRIMARY KEY, v text); INSERT INTO c05 VALUES (1, 'a'), (2, 'b')",
    change: 'ALTER TABLE c05 RENAME COLUMN id TO c05_id',
    verdicts: { 'public.c05.id:renamed': 'bridged', 'public.c05:key': 'bridged' },
    write: "UPDATE c05 SET v = 'A' WHERE c05_id = 1; DELETE FROM c05 WHERE c05_id = 2; INSERT INTO c05 VALUES (3, 'c')",
    ask: "SELECT concat_ws('|', id, v) FROM c05 ORDER BY 1",
    expect: ['1|A', '3|c'],
  },
  {
    row: 'rename table',
    old: "CREATE TABLE c06 (id int PRIMARY KEY, v text); INSERT INTO c06 VALUES (1, 'a'), (2, 'b')",
    change: 'ALTER TABLE c06 RENAME TO c06_people',
    verdicts: { 'public.c06:renamed': 'bridged' },
    write: "UPDATE c06_people SET v = 'A' WHERE id = 1; DELETE FROM c06_people WHERE id = 2; INSERT INTO c06_people VALUES (3, 'c')",
    ask: "SELECT concat_ws('|', id, v, (SELECT relkind FROM pg_class WHERE oid = 'public.c06'::regclass)) FROM c06 ORDER BY 1",
    expect: ['1|A|r', '3|c|r'],
  },
  {
    row: 'move to another schema',
    old: "CREATE TABLE c07 (id int PRIMARY KEY, v text); INSERT INTO c07 VALUES (1, 'a')",
    change: 'CREATE SCHEMA app; ALTER TABLE c07 SET SCHEMA app; ALTER TABLE app.c07 RENAME TO moved',
    verdicts: { 'public.c07:renamed': 'bridged' },
    write: "UPDATE app.moved SET v = 'A'; INSERT INTO app.moved VALUES (2, 'b')",
    ask: "SELECT concat_ws('|', id, v) FROM public.c07 ORDER BY 1",
    expect: ['1|A', '2|b'],
  },
  {
    row: 'new table',
    old: 'SELECT 1',
    change:
      "CREATE TABLE c08_audit (id int PRIMARY KEY, what text); INSERT INTO c08_audit VALUES (1, 'by the migration'), (2, 'too'); CREATE TABLE c08_log (what text); INSERT INTO c08_log VALUES ('first'), ('second')",
    verdicts: { 'public.c08_audit:added': 'bridged', 'public.c08_log:added': 'bridged' },
    write:
      "INSERT INTO c08_audit VALUES (3, 'customer'); UPDATE c08_audit SET what = 'changed' WHERE id = 1; DELETE FROM c08_audit WHERE id = 2; DELETE FROM c08_log WHERE what = 'first'",
    ask: "SELECT concat_ws('|', id, what) FROM c08_audit UNION ALL SELECT what FROM c08_log ORDER BY 1",
    expect: ['1|changed', '3|customer', 'second'],
  },
  {
    row: 'drop table',
    old: 'CREATE TABLE c09 (id int PRIMARY KEY); INSERT INTO c09 VALUES (1)',
    change: 'DROP TABLE c09',
    verdicts: { 'public.c09:dropped': 'carried' },
    write: 'SELECT 1',
    ask: 'SELECT id::text FROM c09',
    expect: ['1'],
  },
  {
    row: 'split table',
    old: "CREATE TABLE c10 (id int PRIMARY KEY, name text, email text NOT NULL); INSERT INTO c10 VALUES (1, 'a', 'a@x'), (2, 'b', 'b@x')",
    change:
      'CREATE TABLE c10_profiles (user_id int PRIMARY KEY, email text); INSERT INTO c10_profiles SELECT id, email FROM c10; ALTER TABLE c10 DROP COLUMN email',
    declared: {
      rows: [
        {
          of: 'public.c10_profiles',
          run: 'UPDATE c10 SET email = NEW.email WHERE id = NEW.user_id',
          onDelete: "UPDATE c10 SET email = '' WHERE id = OLD.user_id",
          sets: [{ table: 'public.c10', column: 'email', is: '(SELECT p.email FROM public.c10_profiles p WHERE p.user_id = NEW.id)' }],
        },
      ],
    },
    verdicts: { 'public.c10.email:dropped': 'bridged', 'public.c10_profiles:added': 'bridged' },
    write:
      "INSERT INTO c10 VALUES (3, 'c'); INSERT INTO c10_profiles VALUES (3, 'c@x'); UPDATE c10_profiles SET email = 'A@x' WHERE user_id = 1; DELETE FROM c10_profiles WHERE user_id = 2",
    ask: "SELECT concat_ws('|', id, name, email) FROM c10 ORDER BY 1",
    expect: ['1|a|A@x', '2|b|', '3|c|c@x'],
  },
  {
    row: 'merge tables',
    old: "CREATE TABLE c11 (id int PRIMARY KEY, name text); CREATE TABLE c11_address (user_id int PRIMARY KEY, city text); INSERT INTO c11 VALUES (1, 'a'); INSERT INTO c11_address VALUES (1, 'Bonn')",
    change:
      'ALTER TABLE c11 ADD COLUMN city text; UPDATE c11 u SET city = a.city FROM c11_address a WHERE a.user_id = u.id; DROP TABLE c11_address',
    declared: {
      rows: [
        {
          of: 'public.c11',
          run: 'INSERT INTO c11_address VALUES (NEW.id, NEW.city) ON CONFLICT (user_id) DO UPDATE SET city = excluded.city',
          onDelete: 'DELETE FROM c11_address WHERE user_id = OLD.id',
        },
      ],
    },
    verdicts: { 'public.c11_address:dropped': 'carried', 'public.c11.city:added': 'bridged' },
    write:
      "INSERT INTO c11 VALUES (2, 'b', 'Kiel'); UPDATE c11 SET city = 'Köln' WHERE id = 1; INSERT INTO c11 VALUES (3, 'c', 'Ulm'); DELETE FROM c11 WHERE id = 3",
    ask: "SELECT concat_ws('|', a.user_id, u.name, a.city) FROM c11_address a LEFT JOIN c11 u ON a.user_id = u.id ORDER BY 1",
    expect: ['1|a|Köln', '2|b|Kiel'],
  },
  {
    row: 'int -> bigint',
    old: 'CREATE TABLE c12 (id int PRIMARY KEY, n int); INSERT INTO c12 VALUES (1, 1); CREATE VIEW c12_view WITH (security_barrier=true) AS SELECT id, n FROM c12; CREATE VIEW c12_sum AS SELECT sum(n) AS s FROM c12_view',
    change: 'DROP VIEW c12_sum; DROP VIEW c12_view; ALTER TABLE c12 ALTER n TYPE bigint, ALTER id TYPE bigint',
    verdicts: { 'public.c12.n:widened': 'bridged', 'public.c12.id:widened': 'bridged' },
    write: 'INSERT INTO c12 VALUES (3000000000, 3000000000); UPDATE c12 SET n = 4000000000 WHERE id = 1',
    ask: "SELECT concat_ws('|', id, n, has_table_privilege('video_read', 'c12_view', 'SELECT')) FROM c12_view UNION ALL SELECT s::text FROM c12_sum ORDER BY 1",
    expect: ['1|4000000000|t', '3000000000|3000000000|t', '7000000000'],
  },
  {
    row: 'varchar(5) -> text',
    old: "CREATE TABLE c13 (id int PRIMARY KEY, v varchar(5)); INSERT INTO c13 VALUES (1, 'short')",
    change: 'ALTER TABLE c13 ALTER v TYPE text',
    verdicts: { 'public.c13.v:widened': 'bridged' },
    write: "INSERT INTO c13 VALUES (2, 'much longer')",
    ask: 'SELECT v::text FROM c13 ORDER BY id',
    expect: ['short', 'much longer'],
  },
  {
    row: 'numeric(10,2) -> (10,4)',
    old: 'CREATE TABLE c14 (id int PRIMARY KEY, v numeric(10,2)); INSERT INTO c14 VALUES (1, 1.23)',
    change: 'ALTER TABLE c14 ALTER v TYPE numeric(10,4)',
    verdicts: { 'public.c14.v:widened': 'bridged' },
    write: 'INSERT INTO c14 VALUES (2, 1.2345)',
    ask: 'SELECT v::text FROM c14 ORDER BY id',
    expect: ['1.23', '1.2345'],
  },
  {
    row: 'float8 -> B int',
    old: 'CREATE TABLE c15 (id int PRIMARY KEY, v int NOT NULL); INSERT INTO c15 VALUES (1, 1)',
    change: 'ALTER TABLE c15 ALTER v TYPE float8',
    verdicts: { 'public.c15.v:type': 'lossy' },
    write: 'INSERT INTO c15 VALUES (2, 1.5)',
    // accepted as lost: the row arrives, the value does not, and the feed goes on.
    ask: "SELECT concat_ws('|', id, v) FROM c15 ORDER BY id",
    expect: ['1|1', '2|0'],
  },
  {
    row: 'int -> text',
    old: 'CREATE TABLE c16 (id int PRIMARY KEY, v int); INSERT INTO c16 VALUES (1, 1)',
    change: "ALTER TABLE c16 ALTER v TYPE text USING 'A' || v",
    declared: { columns: [{ table: 'public.c16', column: 'v', from: 'substr(NEW.v, 2)::int' }] },
    verdicts: { 'public.c16.v:type': 'bridged' },
    write: "INSERT INTO c16 VALUES (2, 'A22'), (3, 'no number'); UPDATE c16 SET v = 'A11' WHERE id = 1",
    ask: "SELECT concat_ws('|', id, coalesce(v::text, '-')) FROM c16 ORDER BY 1",
    expect: ['1|11', '2|22', '3|-'],
  },
  {
    row: 'text -> jsonb, text -> int, citext -> text',
    old: "CREATE TABLE c17 (id int PRIMARY KEY, j text, n text, c text); INSERT INTO c17 VALUES (1, '{}', '1', 'x')",
    change: 'ALTER TABLE c17 ALTER j TYPE jsonb USING j::jsonb, ALTER n TYPE int USING n::int, ALTER c TYPE varchar(20)',
    declared: { columns: [{ table: 'public.c17', column: 'j', from: 'NEW.j::text' }] },
    verdicts: { 'public.c17.j:type': 'bridged', 'public.c17.n:type': 'carried', 'public.c17.c:type': 'carried' },
    write: `INSERT INTO c17 VALUES (2, '{"a":1}', 2, 'y')`,
    ask: "SELECT concat_ws('|', id, j, n, c) FROM c17 ORDER BY 1",
    expect: ['1|{}|1|x', '2|{"a": 1}|2|y'],
  },
  {
    row: 'bool -> int',
    old: 'CREATE TABLE c18 (id int PRIMARY KEY, active bool NOT NULL); INSERT INTO c18 VALUES (1, true)',
    change: 'ALTER TABLE c18 ALTER active TYPE int USING active::int; ALTER TABLE c18 RENAME active TO level',
    declared: { columns: [{ table: 'public.c18', column: 'active', from: 'NEW.level > 0' }] },
    verdicts: { 'public.c18.active:type': 'bridged' },
    write: 'INSERT INTO c18 VALUES (2, 2), (3, 0)',
    ask: "SELECT concat_ws('|', id, active) FROM c18 ORDER BY 1",
    expect: ['1|t', '2|t', '3|f'],
  },
  {
    row: 'timestamp -> timestamptz (A New_York, B UTC)',
    old: "CREATE TABLE c19 (id int PRIMARY KEY, at timestamp); INSERT INTO c19 VALUES (1, '2026-01-01 12:00')",
    change: "ALTER TABLE c19 ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC'",
    verdicts: { 'public.c19.at:type': 'carried' },
    write: "INSERT INTO c19 VALUES (2, '2026-01-01 12:00:00Z')",
    ask: 'SELECT at::text FROM c19 ORDER BY id',
    expect: ['2026-01-01 12:00:00', '2026-01-01 12:00:00'],
  },
  {
    row: 'PK int -> uuid, old key kept',
    old: "CREATE TABLE c20 (id int PRIMARY KEY, v text); INSERT INTO c20 VALUES (1, 'a'), (2, 'b')",
    change:
      "ALTER TABLE c20 DROP CONSTRAINT c20_pkey; ALTER TABLE c20 RENAME id TO old_id; ALTER TABLE c20 ADD COLUMN key uuid PRIMARY KEY DEFAULT gen_random_uuid(); CREATE SEQUENCE c20_old START 100; ALTER TABLE c20 ALTER old_id SET DEFAULT nextval('c20_old')",
    verdicts: { 'public.c20.id:renamed': 'bridged', 'public.c20:other-key': 'bridged', 'public.c20:key': 'bridged' },
    write: "INSERT INTO c20 (v) VALUES ('c'); UPDATE c20 SET v = 'A' WHERE old_id = 1; DELETE FROM c20 WHERE old_id = 2",
    ask: "SELECT concat_ws('|', id, v) FROM c20 ORDER BY id",
    expect: ['1|A', '100|c'],
  },
  {
    row: 'PK int -> uuid, old key gone',
    old: "CREATE TABLE c21 (id int PRIMARY KEY, v text); INSERT INTO c21 VALUES (1, 'a')",
    change: 'ALTER TABLE c21 DROP COLUMN id; ALTER TABLE c21 ADD COLUMN id uuid PRIMARY KEY DEFAULT gen_random_uuid()',
    verdicts: { 'public.c21:key': 'lossy' },
    write: "INSERT INTO c21 (v) VALUES ('b')",
    ask: "SELECT concat_ws('|', id, v) FROM c21 ORDER BY id",
    expect: ['1|a'],
  },
  {
    row: 'PK -> surrogate key',
    old: "CREATE TABLE c22 (code text PRIMARY KEY, v text); INSERT INTO c22 VALUES ('x', 'a'), ('y', 'b')",
    change: 'ALTER TABLE c22 DROP CONSTRAINT c22_pkey; ALTER TABLE c22 ADD COLUMN id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
    verdicts: { 'public.c22:other-key': 'bridged', 'public.c22.id:added': 'bridged' },
    write: "INSERT INTO c22 (code, v) VALUES ('z', 'c'); UPDATE c22 SET v = 'A' WHERE code = 'x'; DELETE FROM c22 WHERE code = 'y'",
    ask: "SELECT concat_ws('|', code, v) FROM c22 ORDER BY 1",
    expect: ['x|A', 'z|c'],
  },
  {
    row: 'PK made composite',
    old: "CREATE TABLE c23 (id int PRIMARY KEY, tenant int NOT NULL DEFAULT 1, v text); INSERT INTO c23 VALUES (1, 1, 'a')",
    change: 'ALTER TABLE c23 DROP CONSTRAINT c23_pkey; ALTER TABLE c23 ADD PRIMARY KEY (tenant, id)',
    verdicts: {},
    write: "UPDATE c23 SET v = 'A' WHERE id = 1; INSERT INTO c23 VALUES (2, 2, 'b')",
    ask: "SELECT concat_ws('|', id, tenant, v) FROM c23 ORDER BY 1",
    expect: ['1|1|A', '2|2|b'],
  },
  {
    row: 'enum: new value / renamed value',
    old: "CREATE TYPE c24_state AS ENUM ('new', 'done'); CREATE TABLE c24 (id int PRIMARY KEY, s c24_state NOT NULL); INSERT INTO c24 VALUES (1, 'new')",
    change: "ALTER TYPE c24_state RENAME VALUE 'done' TO 'finished'; ALTER TYPE c24_state ADD VALUE 'held'",
    verdicts: { 'public.c24_state:renamed-values': 'bridged', 'public.c24_state:new-values': 'bridged' },
    write: "INSERT INTO c24 VALUES (2, 'held'), (3, 'finished'); UPDATE c24 SET s = 'finished' WHERE id = 1",
    ask: "SELECT concat_ws('|', id, s) FROM c24 ORDER BY 1",
    expect: ['1|done', '2|held', '3|done'],
  },
  {
    row: 'stricter constraint / new index on A',
    old: 'CREATE TABLE c25 (id int PRIMARY KEY, n int); INSERT INTO c25 VALUES (1, 1)',
    change: 'ALTER TABLE c25 ADD CHECK (n > 0), ALTER n SET NOT NULL; CREATE UNIQUE INDEX ON c25 (n)',
    verdicts: {},
    write: 'INSERT INTO c25 VALUES (2, 2)',
    ask: "SELECT concat_ws('|', id, n) FROM c25 ORDER BY 1",
    expect: ['1|1', '2|2'],
  },
  {
    row: 'dropped UNIQUE / CHECK / NOT NULL on A',
    old: 'CREATE TABLE c26 (id int PRIMARY KEY, a int CONSTRAINT c26_a UNIQUE, b int CONSTRAINT c26_b CHECK (b > 0), c int NOT NULL); CREATE UNIQUE INDEX c26_lower ON c26 (abs(b)); INSERT INTO c26 VALUES (1, 1, 1, 1)',
    change: 'ALTER TABLE c26 DROP CONSTRAINT c26_a, DROP CONSTRAINT c26_b, ALTER c DROP NOT NULL; DROP INDEX c26_lower',
    verdicts: {
      'public.c26:c26_a': 'bridged',
      'public.c26:c26_b': 'bridged',
      'public.c26.c:nullable': 'bridged',
      'public.c26:c26_lower': 'bridged',
    },
    write: 'INSERT INTO c26 VALUES (2, 1, -1, NULL)',
    ask: "SELECT concat_ws('|', id, a, b, coalesce(c::text, '-')) FROM c26 ORDER BY 1",
    expect: ['1|1|1|1', '2|1|-1|-'],
    failed: 'c26',
  },
  {
    row: 'dropped FK on A',
    old: 'CREATE TABLE c27 (id int PRIMARY KEY); CREATE TABLE c27_child (id int PRIMARY KEY, parent int CONSTRAINT c27_fk REFERENCES c27); INSERT INTO c27 VALUES (1)',
    change: 'ALTER TABLE c27_child DROP CONSTRAINT c27_fk',
    verdicts: { 'public.c27_child:c27_fk': 'bridged' },
    write: 'INSERT INTO c27_child VALUES (1, 99)',
    ask: "SELECT concat_ws('|', id, parent) FROM c27_child",
    expect: ['1|99'],
    failed: 'c27_fk on public.c27_child, which holds for new rows only',
  },
  {
    row: 'FK cascade on both',
    old: 'CREATE TABLE c28 (id int PRIMARY KEY); CREATE TABLE c28_child (id int PRIMARY KEY, parent int REFERENCES c28 ON DELETE CASCADE); INSERT INTO c28 VALUES (1), (2); INSERT INTO c28_child VALUES (1, 1), (2, 2)',
    change: 'SELECT 1',
    verdicts: {},
    write: 'DELETE FROM c28 WHERE id = 1',
    ask: 'SELECT id::text FROM c28_child',
    expect: ['2'],
  },
  {
    row: 'plain table -> partitioned',
    old: "CREATE TABLE c29 (id int PRIMARY KEY, v text); INSERT INTO c29 VALUES (1, 'a'), (2, 'b')",
    change:
      'ALTER TABLE c29 RENAME TO c29_plain; CREATE TABLE c29 (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE c29_low PARTITION OF c29 FOR VALUES FROM (0) TO (100); CREATE TABLE c29_high PARTITION OF c29 DEFAULT; INSERT INTO c29 SELECT * FROM c29_plain; DROP TABLE c29_plain',
    verdicts: { 'public.c29:partitioned': 'carried' },
    write: "INSERT INTO c29 VALUES (3, 'c'); UPDATE c29 SET id = 500 WHERE id = 2; UPDATE c29 SET v = 'A' WHERE id = 1",
    ask: "SELECT concat_ws('|', id, v) FROM c29 ORDER BY id",
    expect: ['1|A', '3|c', '500|b'],
  },
  {
    row: 'column order, PK value update, unique swaps in one txn',
    old: "CREATE TABLE c30 (id int PRIMARY KEY, a text, u int UNIQUE DEFERRABLE); INSERT INTO c30 VALUES (1, 'a', 1), (2, 'b', 2)",
    change: 'SELECT 1',
    verdicts: {},
    write:
      'BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE c30 SET u = 2 WHERE id = 1; UPDATE c30 SET u = 1 WHERE id = 2; COMMIT; UPDATE c30 SET id = 10 WHERE id = 1',
    ask: "SELECT concat_ws('|', id, a, u) FROM c30 ORDER BY id",
    expect: ['2|b|1', '10|a|2'],
  },
  {
    row: 'stored generated column on B, plain on A',
    old: 'CREATE TABLE c31 (id int PRIMARY KEY, n int, g int GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO c31 VALUES (1, 1)',
    change: 'ALTER TABLE c31 ALTER g DROP EXPRESSION',
    verdicts: { 'public.c31.g:not-generated': 'carried' },
    write: 'INSERT INTO c31 VALUES (2, 2, 77)',
    ask: "SELECT concat_ws('|', id, n, g) FROM c31 ORDER BY id",
    expect: ['1|1|2', '2|2|4'],
  },
  {
    row: 'generated expression changed',
    old: 'CREATE TABLE c32 (id int PRIMARY KEY, n int, g int GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO c32 VALUES (1, 1)',
    change: 'ALTER TABLE c32 DROP COLUMN g; ALTER TABLE c32 ADD COLUMN g int GENERATED ALWAYS AS (n * 3) STORED',
    verdicts: {},
    write: 'INSERT INTO c32 VALUES (2, 2)',
    ask: "SELECT concat_ws('|', id, n, g) FROM c32 ORDER BY id",
    expect: ['1|1|2', '2|2|4'],
  },
  {
    row: 'RLS on B',
    old: 'CREATE TABLE c33 (id int PRIMARY KEY); ALTER TABLE c33 ENABLE ROW LEVEL SECURITY; INSERT INTO c33 VALUES (1)',
    change: 'ALTER TABLE c33 DISABLE ROW LEVEL SECURITY',
    verdicts: {},
    write: 'INSERT INTO c33 VALUES (2)',
    ask: 'SELECT id::text FROM c33 ORDER BY id',
    expect: ['1', '2'],
  },
  {
    row: 'default trigger on both fires once',
    old: `CREATE TABLE c34 (id int PRIMARY KEY); CREATE TABLE c34_audit (id int PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, what int);
      CREATE FUNCTION c34_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO c34_audit (what) VALUES (NEW.id); RETURN NEW; END $$; CREATE TRIGGER c34 AFTER INSERT ON c34 FOR EACH ROW EXECUTE FUNCTION c34_audit()`,
    change: 'SELECT 1',
    verdicts: {},
    write: 'INSERT INTO c34 VALUES (1)',
    ask: 'SELECT what::text FROM c34_audit',
    expect: ['1'],
  },
  {
    row: 'ENABLE ALWAYS trigger on both',
    old: `CREATE TABLE c38 (id int PRIMARY KEY); CREATE TABLE c38_audit (id int PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, what int);
      CREATE FUNCTION c38_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.c38_audit (what) VALUES (NEW.id); RETURN NEW; END $$;
      CREATE TRIGGER c38 AFTER INSERT ON c38 FOR EACH ROW EXECUTE FUNCTION c38_audit(); ALTER TABLE c38 ENABLE ALWAYS TRIGGER c38`,
    change: 'SELECT 1',
    verdicts: {},
    write: 'INSERT INTO c38 VALUES (1)',
    ask: "SELECT what::text FROM c38_audit UNION ALL SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'c38'",
    expect: ['1', 'A'],
  },
  {
    row: 'TRUNCATE',
    old: 'CREATE TABLE c35 (id int PRIMARY KEY); INSERT INTO c35 VALUES (1), (2)',
    change: 'SELECT 1',
    verdicts: {},
    write: 'TRUNCATE c35; INSERT INTO c35 VALUES (3)',
    ask: 'SELECT id::text FROM c35',
    expect: ['3'],
  },
  {
    row: 'default of a dropped NOT NULL column is declared',
    old: "CREATE TABLE c36 (id int PRIMARY KEY, name text NOT NULL); INSERT INTO c36 VALUES (1, 'Ada Lovelace')",
    change:
      "ALTER TABLE c36 ADD COLUMN first text, ADD COLUMN last text; UPDATE c36 SET first = split_part(name, ' ', 1), last = split_part(name, ' ', 2); ALTER TABLE c36 DROP COLUMN name",
    declared: { columns: [{ table: 'public.c36', column: 'name', from: "concat_ws(' ', NEW.first, NEW.last)" }] },
    verdicts: { 'public.c36.name:dropped': 'bridged' },
    write: "INSERT INTO c36 VALUES (2, 'Alan', 'Turing'); UPDATE c36 SET last = 'King' WHERE id = 1",
    ask: 'SELECT name FROM c36 ORDER BY id',
    expect: ['Ada King', 'Alan Turing'],
  },
  {
    row: 'rename, retype and drop of the same table in one go',
    old: "CREATE TABLE c37 (id int PRIMARY KEY, user_id int NOT NULL, cents int NOT NULL, memo varchar(10)); INSERT INTO c37 VALUES (1, 1, 100, 'x')",
    change:
      "ALTER TABLE c37 RENAME TO c37_charges; ALTER TABLE c37_charges RENAME user_id TO account_id; ALTER TABLE c37_charges ALTER cents TYPE bigint, ALTER memo TYPE text, ADD COLUMN currency text NOT NULL DEFAULT 'EUR'",
    verdicts: {
      'public.c37:renamed': 'bridged',
      'public.c37.user_id:renamed': 'bridged',
      'public.c37.cents:widened': 'bridged',
      'public.c37.memo:widened': 'bridged',
      'public.c37.currency:added': 'bridged',
    },
    write:
      "INSERT INTO c37_charges VALUES (2, 7, 5000000000, 'a long long memo', 'USD'); UPDATE c37_charges SET account_id = 9 WHERE id = 1",
    ask: "SELECT concat_ws('|', id, user_id, cents, memo) FROM c37 ORDER BY id",
    expect: ['1|9|100|x', '2|7|5000000000|a long long memo'],
  },
  {
    row: 'a declared expression sees the types of the new schema, of its own column and of others',
    old: "CREATE TABLE c64 (id int PRIMARY KEY, tags text, size text, label text); INSERT INTO c64 VALUES (1, 'a,b', '{1}', 'a,b/1')",
    change: "ALTER TABLE c64 ALTER tags TYPE text[] USING string_to_array(tags, ','), ALTER size TYPE int[] USING size::int[], DROP label",
    declared: {
      columns: [
        { table: 'public.c64', column: 'tags', from: "array_to_string(NEW.tags, ',')" },
        { table: 'public.c64', column: 'size', from: 'NEW.size::text' },
        { table: 'public.c64', column: 'label', from: "array_to_string(NEW.tags, ',') || '/' || cardinality(NEW.size)" },
      ],
    },
    verdicts: { 'public.c64.tags:type': 'bridged', 'public.c64.size:type': 'bridged', 'public.c64.label:dropped': 'bridged' },
    write: "INSERT INTO c64 VALUES (2, '{d,e}', '{1,2}'); UPDATE c64 SET size = '{1,2,3}' WHERE id = 1",
    ask: "SELECT concat_ws('|', id, tags, size, label) FROM c64 ORDER BY id",
    expect: ['1|a,b|{1,2,3}|a,b/3', '2|d,e|{1,2}|d,e/2'],
  },
  {
    row: 'a large value with another meaning, left alone by an update',
    old: "CREATE TABLE c65 (id int PRIMARY KEY, body text, n int); ALTER TABLE c65 ALTER body SET STORAGE EXTERNAL; INSERT INTO c65 VALUES (1, repeat('x', 9000), 1)",
    change: "UPDATE c65 SET body = 'v2:' || body",
    declared: { columns: [{ table: 'public.c65', column: 'body', from: 'substr(NEW.body, 4)' }] },
    verdicts: { 'public.c65.body:meaning': 'bridged' },
    write: "UPDATE c65 SET n = 2; UPDATE c65 SET n = 3; INSERT INTO c65 VALUES (2, 'v2:y', 1)",
    ask: "SELECT concat_ws('|', id, length(body), n) FROM c65 ORDER BY id",
    expect: ['1|9000|3', '2|1|1'],
  },
  {
    row: 'enum: new values sort where they were put',
    old: "CREATE TYPE c66_level AS ENUM ('low', 'high'); CREATE TABLE c66 (id int PRIMARY KEY, l c66_level); INSERT INTO c66 VALUES (1, 'high')",
    change:
      "ALTER TYPE c66_level ADD VALUE 'none' BEFORE 'low'; ALTER TYPE c66_level ADD VALUE 'some' AFTER 'low'; ALTER TYPE c66_level ADD VALUE 'more' AFTER 'some'; ALTER TYPE c66_level ADD VALUE 'most'",
    verdicts: { 'public.c66_level:new-values': 'bridged' },
    write: "INSERT INTO c66 VALUES (2, 'most'), (3, 'more'), (4, 'some'), (5, 'low'), (6, 'none')",
    ask: 'SELECT l::text FROM c66 ORDER BY c66.l',
    expect: ['none', 'low', 'some', 'more', 'high', 'most'],
  },
  {
    row: 'a new table of old types keeps them, so that declared rows see them; types that are new arrive as text',
    old: "CREATE TYPE c67_mood AS ENUM ('ok', 'sad'); CREATE TABLE c67 (id int PRIMARY KEY, mood c67_mood NOT NULL DEFAULT 'ok'); INSERT INTO c67 VALUES (1, 'sad')",
    change:
      "CREATE TYPE c67_kind AS ENUM ('a', 'b'); CREATE TABLE c67_moods (c67_id int PRIMARY KEY, mood c67_mood, kind c67_kind); INSERT INTO c67_moods SELECT id, mood, 'a' FROM c67; ALTER TABLE c67 DROP mood",
    declared: {
      rows: [
        {
          of: 'public.c67_moods',
          run: 'UPDATE public.c67 SET mood = NEW.mood WHERE id = NEW.c67_id',
          sets: [{ table: 'public.c67', column: 'mood', is: '(SELECT m.mood FROM public.c67_moods m WHERE m.c67_id = NEW.id)' }],
        },
      ],
    },
    verdicts: { 'public.c67.mood:dropped': 'bridged', 'public.c67_moods:added': 'bridged' },
    write: "INSERT INTO c67 VALUES (2); INSERT INTO c67_moods VALUES (2, 'sad', 'b')",
    ask: "SELECT concat_ws('|', id, mood) FROM c67 ORDER BY id",
    expect: ['1|sad', '2|sad'],
  },
];
