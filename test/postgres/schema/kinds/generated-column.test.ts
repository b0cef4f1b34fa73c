import { testWindows } from './windows';

testWindows([
  {
    name: 'a generated column over one that gets wider is computed of all values, and keeps its rules',
    postgres: 17,
    old: [
      'CREATE TABLE g (id int PRIMARY KEY, n int, d int NOT NULL GENERATED ALWAYS AS (n + 1) STORED CONSTRAINT g_d UNIQUE, last text)',
      'CREATE INDEX g_n_d ON g (n, d)',
      'CREATE VIEW of_d AS SELECT d FROM g',
      "COMMENT ON COLUMN g.d IS 'one more'",
      "INSERT INTO g VALUES (1, 1, DEFAULT, 'a'), (2, 2, DEFAULT, 'b')",
      'CREATE TABLE h (id int PRIMARY KEY, first varchar(3), name varchar(8) GENERATED ALWAYS AS (first) STORED)',
      "INSERT INTO h VALUES (1, 'a')",
    ],
    change: [
      'DROP VIEW of_d',
      'ALTER TABLE g DROP COLUMN d',
      'ALTER TABLE g ALTER n TYPE bigint',
      'ALTER TABLE g ADD COLUMN d bigint GENERATED ALWAYS AS (n + 1) STORED',
      'ALTER TABLE h DROP COLUMN name, ALTER first TYPE text',
    ],
    write: ["INSERT INTO g VALUES (3, 3000000000, 'c')", 'UPDATE g SET n = 7 WHERE id = 2', "INSERT INTO h VALUES (2, 'much longer')"],
    after: ["INSERT INTO g VALUES (4, 4000000000, DEFAULT, 'd')"],
    ask: [
      'SELECT g::text FROM g ORDER BY id',
      'SELECT d::text FROM of_d ORDER BY of_d.d',
      "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'g'::regclass ORDER BY 1",
      'SELECT h::text FROM h ORDER BY id',
    ],
    expect: [
      ['(1,1,2,a)', '(2,7,8,b)', '(3,3000000000,3000000001,c)', '(4,4000000000,4000000001,d)'],
      ['2', '8', '3000000001', '4000000001'],
      [
        'CREATE INDEX g_n_d ON public.g USING btree (n, d)',
        'CREATE UNIQUE INDEX g_d ON public.g USING btree (d)',
        'CREATE UNIQUE INDEX g_pkey ON public.g USING btree (id)',
      ],
      ['(1,a,a)', '(2,"much longer","much longer")'],
    ],
  },
  {
    name: 'a plain column that is generated now is computed on the fallback, too',
    old: [
      'CREATE TABLE users (id int PRIMARY KEY, first text NOT NULL, age int, name text NOT NULL, months int)',
      "INSERT INTO users VALUES (1, 'Ada', 36, 'Ada!', 432), (2, 'Alan', 41, 'Alan!', 492)",
    ],
    change: [
      "ALTER TABLE users DROP COLUMN name, DROP COLUMN months, ADD COLUMN mark text NOT NULL DEFAULT '!', ALTER age TYPE bigint",
      'ALTER TABLE users ADD COLUMN name text GENERATED ALWAYS AS (first || mark) STORED, ADD COLUMN months bigint GENERATED ALWAYS AS (age * 12) STORED',
    ],
    write: [
      "INSERT INTO users VALUES (3, 'Grace', 3000000000, '?')",
      "UPDATE users SET first = 'ada' WHERE id = 1",
      'DELETE FROM users WHERE id = 2',
    ],
    after: ["INSERT INTO users (id, first, age, name, months) VALUES (4, 'Edsger', 1, 'as it is', 5)"],
    ask: ["SELECT concat_ws(' ', id, first, age, name, months) FROM users ORDER BY id"],
    expect: [['1 ada 36 ada! 432', '3 Grace 3000000000 Grace? 36000000000', '4 Edsger 1 as it is 5']],
  },
  {
    name: 'values that the expression does not give back need a declaration',
    old: ['CREATE TABLE users (id int PRIMARY KEY, first text, name text)', "INSERT INTO users VALUES (1, 'Ada', 'Lady Ada')"],
    change: ['ALTER TABLE users DROP COLUMN name', 'ALTER TABLE users ADD COLUMN name text GENERATED ALWAYS AS (upper(first)) STORED'],
    refused: 'public.users.name is generated now (upper(first)), and 1 or more of its rows read otherwise',
  },
  {
    name: 'a cast to the narrower type would stop the feed',
    old: ['CREATE TABLE g (id int PRIMARY KEY, n int, d int GENERATED ALWAYS AS ((n * 1.5)::int) STORED)'],
    change: ['ALTER TABLE g DROP COLUMN d', 'ALTER TABLE g ALTER n TYPE bigint'],
    refused: 'public.g.n becomes bigint, and public.g.d of the old schema is computed with a cast to integer',
  },
]);
