import { testWindows } from './windows';

testWindows([
  {
    name: 'rules of a domain that are loosened are off while it is fed, and come back only where rows allow it',
    old: [
      'CREATE DOMAIN short AS text CONSTRAINT short_len CHECK (length(VALUE) <= 5)',
      'CREATE DOMAIN code AS text NOT NULL CONSTRAINT code_upper CHECK (VALUE = upper(VALUE))',
      'CREATE TABLE t (id int PRIMARY KEY, v short, c code)',
      "INSERT INTO t VALUES (1, 'abc', 'A')",
    ],
    change: [
      'ALTER DOMAIN short DROP CONSTRAINT short_len',
      'ALTER DOMAIN short ADD CONSTRAINT short_len CHECK (length(VALUE) <= 50)',
      'ALTER DOMAIN code DROP NOT NULL',
      'ALTER DOMAIN code DROP CONSTRAINT code_upper',
    ],
    write: ["INSERT INTO t VALUES (2, 'much longer', 'B')", "UPDATE t SET v = 'changed too' WHERE id = 1"],
    ask: [
      "SELECT concat_ws(':', id, v, c) FROM t ORDER BY id",
      "SELECT typname || ' ' || typnotnull FROM pg_type WHERE typname IN ('short', 'code') ORDER BY 1",
      "SELECT conname FROM pg_constraint WHERE contypid IN ('short'::regtype, 'code'::regtype) AND contype = 'c' ORDER BY 1",
    ],
    expect: [['1:changed too:A', '2:much longer:B'], ['code true', 'short false'], ['code_upper']],
  },
  {
    name: 'a domain in an array and in a composite type: its rule comes back when its values keep it, and not when one does not',
    old: [
      'CREATE DOMAIN few AS int CONSTRAINT few_max CHECK (VALUE < 10)',
      'CREATE DOMAIN low AS int CONSTRAINT low_max CHECK (VALUE < 10)',
      'CREATE TYPE pair AS (a low, b text)',
      'CREATE TABLE t (id int PRIMARY KEY, list few[], p pair)',
      "INSERT INTO t VALUES (1, '{1,2}', '(1,x)')",
    ],
    change: ['ALTER DOMAIN few DROP CONSTRAINT few_max', 'ALTER DOMAIN low DROP CONSTRAINT low_max'],
    write: ["INSERT INTO t VALUES (2, '{3,NULL}', '(100,y)')"],
    ask: [
      "SELECT concat_ws(':', id, list, p) FROM t ORDER BY id",
      "SELECT conname FROM pg_constraint WHERE contypid IN ('few'::regtype, 'low'::regtype) AND contype = 'c'",
    ],
    expect: [['1:{1,2}:(1,x)', '2:{3,NULL}:(100,y)'], ['few_max']],
  },
  {
    name: 'a composite type that gains parts: the old release has its own, and whole values are kept beside',
    old: [
      'CREATE TYPE addr AS (street text, city text)',
      'CREATE TABLE c (id int PRIMARY KEY, a addr, list addr[])',
      "INSERT INTO c VALUES (1, ROW('s','c'), ARRAY[ROW('p','q')]::addr[]), (2, NULL, '{}')",
    ],
    change: ['ALTER TYPE addr ADD ATTRIBUTE zip text CASCADE', "UPDATE c SET a.zip = '0' WHERE id = 1"],
    write: [
      "INSERT INTO c VALUES (3, ROW('s2','c2','z2'), ARRAY[ROW('p','q','r')]::addr[])",
      "UPDATE c SET a = ROW('S','C','Z') WHERE id = 2",
    ],
    after: ["INSERT INTO c (id, a) VALUES (4, ROW('s4','c4'))"],
    ask: [
      "SELECT concat_ws(' ', id, a, list) FROM c ORDER BY id",
      "SELECT count(*)::text FROM pg_attribute WHERE attrelid = 'addr'::regclass AND NOT attisdropped",
    ],
    expect: [['1 (s,c) {"(p,q)"}', '2 (S,C) {}', '3 (s2,c2) {"(p,q)"}', '4 (s4,c4)'], ['2']],
  },
  {
    name: 'a composite type that loses a part is refused',
    old: [
      'CREATE TYPE addr AS (street text, city text)',
      'CREATE TABLE c (id int PRIMARY KEY, a addr)',
      "INSERT INTO c VALUES (1, '(s,c)')",
    ],
    change: ['ALTER TYPE addr DROP ATTRIBUTE city CASCADE'],
    refused: 'the type public.addr becomes street text (was street text, city text)',
  },
  {
    name: 'a column of another domain over the same base gets its own back, where rows allow it',
    old: [
      "CREATE DOMAIN short AS varchar(5) DEFAULT 'none'",
      'CREATE TABLE one (id int PRIMARY KEY, v short)',
      'CREATE TABLE two (id int PRIMARY KEY, v short)',
      "INSERT INTO one VALUES (1, 'abc')",
      "INSERT INTO two VALUES (1, 'abc')",
    ],
    change: ['CREATE DOMAIN long AS varchar(50)', 'ALTER TABLE one ALTER v TYPE long', 'ALTER TABLE two ALTER v TYPE text'],
    write: ["INSERT INTO one VALUES (2, 'abcde')", "INSERT INTO two VALUES (2, 'much longer')"],
    ask: [
      'SELECT v::text FROM one ORDER BY id',
      'SELECT v::text FROM two ORDER BY id',
      "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid IN ('one'::regclass, 'two'::regclass) AND attname = 'v' ORDER BY attrelid::regclass::text",
    ],
    expect: [
      ['abc', 'abcde'],
      ['abc', 'much longer'],
      ['short', 'text'],
    ],
  },
  {
    name: 'a column that becomes a domain over its type, and one that becomes what its domain was made of',
    old: [
      'CREATE DOMAIN positive AS int CHECK (VALUE > 0)',
      'CREATE TABLE t (id int PRIMARY KEY, a int, b positive, c positive[])',
      "INSERT INTO t VALUES (1, 1, 1, '{1}')",
    ],
    change: ['ALTER TABLE t ALTER a TYPE positive, ALTER b TYPE bigint, ALTER c TYPE bigint[]'],
    write: ["INSERT INTO t VALUES (2, 5, 5000000000, '{5000000000}'), (3, 6, -1, '{-1}')"],
    ask: ["SELECT concat_ws(':', id, a, b, c) FROM t ORDER BY id"],
    expect: [['1:1:1:{1}', '2:5:5000000000:{5000000000}', '3:6:-1:{-1}']],
  },
  {
    name: 'a dropped column of a domain that refuses what says nothing, and a new one of such a domain',
    old: [
      "CREATE DOMAIN email AS text CHECK (VALUE ~ '@')",
      'CREATE DOMAIN must AS text NOT NULL',
      'CREATE TABLE t (id int PRIMARY KEY, mail email NOT NULL, m must)',
      "INSERT INTO t VALUES (1, 'a@b', 'x')",
    ],
    change: ['ALTER TABLE t DROP COLUMN mail, DROP COLUMN m', "ALTER TABLE t ADD COLUMN n must DEFAULT 'y'"],
    accepted: ['public.t.mail:dropped', 'public.t.m:dropped'],
    write: ["INSERT INTO t VALUES (2, 'z')"],
    ask: ["SELECT concat_ws(':', id, mail, coalesce(m, 'none')) FROM t ORDER BY id"],
    expect: [['1:a@b:x', '2::none']],
  },
]);
