import { testWindows } from './windows';

const keys =
  "SELECT concat_ws(' ', conname, CASE WHEN NOT convalidated THEN 'for new rows' END, confdeltype, condeferred) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY 1";

testWindows([
  {
    name: 'a foreign key that is dropped, with the unique rule under it, refuses no TRUNCATE, and holds again for what the old release writes',
    old: [
      'CREATE TABLE p (id int PRIMARY KEY, code text CONSTRAINT p_code UNIQUE)',
      'CREATE TABLE k (id int PRIMARY KEY, p int CONSTRAINT k_p REFERENCES p ON DELETE CASCADE)',
      'CREATE TABLE c (id int PRIMARY KEY, code text CONSTRAINT c_p REFERENCES p (code) DEFERRABLE INITIALLY DEFERRED, up int CONSTRAINT c_c REFERENCES c)',
      "INSERT INTO p VALUES (1, 'a'), (2, 'b')",
      'INSERT INTO k VALUES (1, 1)',
      "INSERT INTO c VALUES (1, 'a', 1)",
    ],
    change: [
      'ALTER TABLE k DROP CONSTRAINT k_p',
      'ALTER TABLE c DROP CONSTRAINT c_p, DROP CONSTRAINT c_c',
      'ALTER TABLE p DROP CONSTRAINT p_code',
      'ALTER TABLE p RENAME TO parents',
    ],
    write: ['TRUNCATE parents', "INSERT INTO parents VALUES (1, 'a')", 'INSERT INTO k VALUES (2, 2)', "INSERT INTO c VALUES (2, 'a', 1)"],
    after: ['INSERT INTO k VALUES (3, 1)'],
    ask: ['SELECT id::text FROM k ORDER BY id', 'SELECT id || code FROM p', 'SELECT id::text FROM c ORDER BY 1', keys],
    expect: [['1', '2', '3'], ['1a'], ['1', '2'], ['c_c a f', 'c_p a t', 'k_p for new rows c f']],
  },
  {
    name: 'foreign keys of partitioned tables, to partitioned tables, of tables that are gone, and one that has become another',
    accepted: ['public.gone:dropped'],
    old: [
      'CREATE TABLE pt (id int PRIMARY KEY) PARTITION BY RANGE (id)',
      'CREATE TABLE pt_1 PARTITION OF pt FOR VALUES FROM (0) TO (100)',
      'CREATE TABLE pt_2 PARTITION OF pt FOR VALUES FROM (100) TO (200)',
      'CREATE TABLE kp (id int PRIMARY KEY, pt int CONSTRAINT kp_pt REFERENCES pt)',
      'CREATE TABLE kq (id int PRIMARY KEY, pt int CONSTRAINT kq_pt REFERENCES pt) PARTITION BY RANGE (id)',
      'CREATE TABLE kq_1 PARTITION OF kq DEFAULT',
      'CREATE TABLE gone (id int PRIMARY KEY, pt int CONSTRAINT gone_pt REFERENCES pt)',
      'CREATE TABLE other (id int PRIMARY KEY, kp int CONSTRAINT other_kp REFERENCES kp)',
      'INSERT INTO pt VALUES (1), (101)',
      'INSERT INTO kp VALUES (1, 1)',
      'INSERT INTO kq VALUES (1, 101)',
      'INSERT INTO gone VALUES (1, 1)',
      'INSERT INTO other VALUES (1, 1)',
    ],
    change: [
      'ALTER TABLE kp DROP CONSTRAINT kp_pt',
      'ALTER TABLE kq DROP CONSTRAINT kq_pt',
      'DROP TABLE gone',
      'ALTER TABLE other DROP CONSTRAINT other_kp, ADD CONSTRAINT other_kp FOREIGN KEY (kp) REFERENCES kp ON DELETE CASCADE',
    ],
    write: ['TRUNCATE pt', 'INSERT INTO pt VALUES (5)', 'INSERT INTO kp VALUES (2, 5)', 'DELETE FROM kp WHERE id = 1'],
    ask: ['SELECT id::text FROM pt', 'SELECT id::text FROM kp', 'SELECT id::text FROM kq', 'SELECT id::text FROM other', keys],
    expect: [['5'], ['2'], ['1'], [], ['gone_pt for new rows a f', 'kp_pt a f', 'other_kp a f']],
  },
]);
