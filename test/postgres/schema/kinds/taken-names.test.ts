import { testWindows } from './windows';

const long = 'x'.repeat(58);

testWindows([
  {
    name: 'columns of two types swap their names, one of them in a unique index',
    old: [
      'CREATE TABLE p (id int PRIMARY KEY, code text NOT NULL UNIQUE, amount int NOT NULL CHECK (amount > 0))',
      "INSERT INTO p VALUES (1, 'a', 10), (2, 'b', 20)",
    ],
    change: ['ALTER TABLE p RENAME code TO tmp', 'ALTER TABLE p RENAME amount TO code', 'ALTER TABLE p RENAME tmp TO amount'],
    write: [
      "INSERT INTO p (id, amount, code) VALUES (3, 'c', 30)",
      "UPDATE p SET amount = 'z' WHERE id = 1",
      'UPDATE p SET code = 21 WHERE id = 2',
    ],
    after: ["INSERT INTO p (id, code, amount) VALUES (4, 'd', 40)"],
    ask: ["SELECT concat_ws(':', id, code, amount) FROM p ORDER BY id"],
    expect: [['1:z:10', '2:b:21', '3:c:30', '4:d:40']],
  },
  {
    name: 'three names go round, in a table under another name, and a large value stays as it is',
    old: [
      'CREATE TABLE r (id int PRIMARY KEY, a text, b text, c text)',
      'ALTER TABLE r ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL',
      "INSERT INTO r VALUES (1, repeat('a', 9000), repeat('b', 9000), 'c')",
    ],
    change: [
      'ALTER TABLE r RENAME a TO x',
      'ALTER TABLE r RENAME b TO a',
      'ALTER TABLE r RENAME c TO b',
      'ALTER TABLE r RENAME x TO c',
      'ALTER TABLE r RENAME TO ring',
    ],
    write: ["UPDATE ring SET b = 'C' WHERE id = 1", "INSERT INTO ring (id, c, a, b) VALUES (2, 'a2', 'b2', 'c2')"],
    ask: ["SELECT concat_ws(':', id, length(a), left(a, 2), length(b), left(b, 2), c) FROM r ORDER BY id"],
    expect: [['1:9000:aa:9000:bb:C', '2:2:a2:2:b2:c2']],
  },
  {
    name: 'the key and another column swap their names',
    old: [
      'CREATE TABLE k (id int PRIMARY KEY, ref int NOT NULL, v text)',
      "INSERT INTO k VALUES (1, 20, 'a'), (2, 10, 'b')",
      'CREATE TABLE kid (id int PRIMARY KEY, k int REFERENCES k)',
      'INSERT INTO kid VALUES (1, 1)',
    ],
    change: ['ALTER TABLE k RENAME id TO tmp', 'ALTER TABLE k RENAME ref TO id', 'ALTER TABLE k RENAME tmp TO ref'],
    write: ["UPDATE k SET v = 'A' WHERE ref = 1", 'DELETE FROM k WHERE ref = 2', "INSERT INTO k (ref, id, v) VALUES (3, 30, 'c')"],
    after: ['INSERT INTO kid VALUES (2, 3)'],
    ask: ["SELECT concat_ws(':', id, ref, v) FROM k ORDER BY id", 'SELECT k::text FROM kid ORDER BY id'],
    expect: [
      ['1:20:A', '3:30:c'],
      ['1', '3'],
    ],
  },
  {
    name: 'two columns swap their names and one of them is widened, under a view',
    old: [
      'CREATE TABLE w (id int PRIMARY KEY, small int, big bigint)',
      'CREATE VIEW w_all AS SELECT id, small, big FROM w',
      'INSERT INTO w VALUES (1, 1, 100)',
    ],
    change: [
      'DROP VIEW w_all',
      'ALTER TABLE w RENAME small TO tmp',
      'ALTER TABLE w RENAME big TO small',
      'ALTER TABLE w RENAME tmp TO big',
      'ALTER TABLE w ALTER big TYPE bigint',
      'CREATE VIEW w_all AS SELECT id, small, big FROM w',
    ],
    write: ['INSERT INTO w (id, big, small) VALUES (2, 3000000000, 200)', 'UPDATE w SET big = 7 WHERE id = 1'],
    ask: ["SELECT concat_ws(':', id, small, big) FROM w_all ORDER BY id"],
    expect: [['1:7:100', '2:3000000000:200']],
  },
  {
    name: 'a column is renamed and a new one gets its name; the new values are kept aside',
    old: ["CREATE TABLE n (id int PRIMARY KEY, name text NOT NULL DEFAULT '-')", "INSERT INTO n VALUES (1, 'a')"],
    change: ['ALTER TABLE n RENAME name TO full_name', 'ALTER TABLE n ADD COLUMN name int'],
    write: ["INSERT INTO n (id, full_name, name) VALUES (2, 'b', 7)", "UPDATE n SET full_name = 'A', name = 8 WHERE id = 1"],
    after: ["INSERT INTO n VALUES (3, 'c')"],
    ask: [
      "SELECT concat_ws(':', id, name) FROM n ORDER BY id",
      "SELECT concat_ws(':', id, v) FROM n LEFT JOIN LATERAL (SELECT * FROM jsonb_each_text(to_jsonb(n)) AS e (k, v) WHERE k ~ '^switchback_w[0-9]+_name$') e ON true ORDER BY id",
    ],
    expect: [
      ['1:A', '2:b', '3:c'],
      ['1:8', '2:7', '3'],
    ],
  },
  {
    name: 'a column takes the name of a generated one that is dropped, and one of an enum the name of a plain one',
    old: [
      "CREATE TYPE state AS ENUM ('new', 'done')",
      'CREATE TABLE g (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED, twice_new bigint)',
      'CREATE TABLE s (id int PRIMARY KEY, st text, st_new state NOT NULL)',
      'INSERT INTO g (id, n, twice_new) VALUES (1, 1, 2)',
      "INSERT INTO s VALUES (1, NULL, 'new')",
    ],
    change: [
      'ALTER TABLE g DROP COLUMN twice',
      'ALTER TABLE g RENAME twice_new TO twice',
      'ALTER TABLE s DROP COLUMN st',
      'ALTER TABLE s RENAME st_new TO st',
    ],
    write: ['INSERT INTO g VALUES (2, 5, 11)', 'UPDATE g SET n = 4 WHERE id = 1', "INSERT INTO s VALUES (2, 'done')"],
    ask: ["SELECT concat_ws(':', id, n, twice, twice_new) FROM g ORDER BY id", "SELECT concat_ws(':', id, st, st_new) FROM s ORDER BY id"],
    expect: [
      ['1:4:8:2', '2:5:10:11'],
      ['1:new', '2:done'],
    ],
  },
  {
    name: 'both of two swapped columns are declared, each from the other',
    old: ['CREATE TABLE d (id int PRIMARY KEY, a int, b int)', 'INSERT INTO d VALUES (1, 1, 2)'],
    change: ['ALTER TABLE d RENAME a TO tmp', 'ALTER TABLE d RENAME b TO a', 'ALTER TABLE d RENAME tmp TO b', 'UPDATE d SET a = b, b = a'],
    declared: {
      columns: [
        { table: 'public.d', column: 'a', from: 'NEW.a' },
        { table: 'public.d', column: 'b', from: 'NEW.b' },
      ],
    },
    write: ['INSERT INTO d (id, a, b) VALUES (2, 10, 20)', 'UPDATE d SET a = 11 WHERE id = 1'],
    ask: ["SELECT concat_ws(':', id, a, b) FROM d ORDER BY id"],
    expect: [['1:11:2', '2:10:20']],
  },
  {
    name: 'two columns swap their names in a table whose partition has them in another order, and a third is declared',
    old: [
      'CREATE TABLE q (id int PRIMARY KEY, a int, b int, c text NOT NULL) PARTITION BY RANGE (id)',
      'CREATE TABLE q_1 (c text NOT NULL, b int, a int, id int NOT NULL)',
      'ALTER TABLE q ATTACH PARTITION q_1 FOR VALUES FROM (0) TO (100)',
      "INSERT INTO q VALUES (1, 1, 2, 'c')",
    ],
    change: [
      'ALTER TABLE q RENAME a TO tmp',
      'ALTER TABLE q RENAME b TO a',
      'ALTER TABLE q RENAME tmp TO b',
      "ALTER TABLE q ALTER c TYPE jsonb USING jsonb_build_object('v', c)",
    ],
    declared: { columns: [{ table: 'public.q', column: 'c', from: "NEW.c ->> 'v'" }] },
    write: [`INSERT INTO q (id, b, a, c) VALUES (2, 10, 20, '{"v": "d"}')`, 'UPDATE q SET b = 11 WHERE id = 1'],
    ask: ["SELECT concat_ws(':', id, a, b, c) FROM q ORDER BY id"],
    expect: [['1:11:2:c', '2:10:20:d']],
  },
  {
    name: 'two new tables of one name, in two schemas',
    old: ['CREATE SCHEMA app', 'CREATE TABLE t (id int PRIMARY KEY)'],
    change: ['CREATE TABLE log (id int PRIMARY KEY, v text)', 'CREATE TABLE app.log (id int PRIMARY KEY, v text)'],
    suAfter: ['GRANT USAGE ON SCHEMA app TO video_write, video_read'],
    write: ["INSERT INTO log VALUES (1, 'a')"],
    ask: ["SELECT (schemaname ~ '^switchback_w[0-9]+(_public)?$')::text FROM pg_tables WHERE tablename = 'log' ORDER BY schemaname"],
    expect: [['true', 'true']],
  },
  {
    name: 'names of 60 bytes that begin alike: declared, dropped, swapped and new',
    old: [
      `CREATE TABLE l (id int PRIMARY KEY, ${long}_1 text NOT NULL, ${long}_2 text NOT NULL, ${long}_3 int, ${long}_4 int)`,
      `INSERT INTO l VALUES (1, '1', '2', NULL, 4)`,
    ],
    change: [
      `ALTER TABLE l ALTER ${long}_1 TYPE jsonb USING jsonb_build_object('v', ${long}_1), ALTER ${long}_2 TYPE jsonb USING jsonb_build_object('v', ${long}_2)`,
      `ALTER TABLE l DROP COLUMN ${long}_3`,
      `ALTER TABLE l RENAME ${long}_4 TO ${long}_3`,
      `ALTER TABLE l ADD COLUMN ${long}_4 int, ADD COLUMN ${long}_5 int`,
    ],
    declared: {
      columns: [
        { table: 'public.l', column: `${long}_1`, from: `NEW.${long}_1 ->> 'v'` },
        { table: 'public.l', column: `${long}_2`, from: `NEW.${long}_2 ->> 'v'` },
      ],
    },
    write: [`INSERT INTO l VALUES (2, '{"v": "a"}', '{"v": "b"}', 40, 41, 42)`, `UPDATE l SET ${long}_1 = '{"v": "z"}' WHERE id = 1`],
    ask: [`SELECT concat_ws(':', id, ${long}_1, ${long}_2, ${long}_3, ${long}_4) FROM l ORDER BY id`],
    expect: [['1:z:2:4', '2:a:b:40']],
  },
  {
    name: 'a declared statement that uses a name which is another column now is refused',
    old: ['CREATE TABLE t (id int PRIMARY KEY, a int, b int)', 'CREATE TABLE other (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1, 1, 2)'],
    change: ['ALTER TABLE t RENAME a TO tmp', 'ALTER TABLE t RENAME b TO a', 'ALTER TABLE t RENAME tmp TO b'],
    declared: { rows: [{ of: 'public.other', run: 'UPDATE t SET a = 0 WHERE id = NEW.id' }] },
    refused: "the name of public.t.a is another column's now, and a declared statement uses it",
  },
]);
