import { testWindows } from './windows';

const mood = "CREATE TYPE mood AS ENUM ('ok','sad')";

testWindows([
  {
    name: 'a renamed value in arrays, domains, composite types and ranges',
    old: [
      mood,
      'CREATE DOMAIN feeling AS mood',
      'CREATE TYPE pair AS (m mood, list mood[])',
      'CREATE TYPE moods AS RANGE (subtype = mood)',
      'CREATE TABLE t (id int PRIMARY KEY, a mood[], d feeling, ds feeling[], p pair, r moods)',
      `INSERT INTO t VALUES (1, '{{ok},{sad}}', 'ok', '{ok,NULL}', '(ok,"{ok,sad}")', '[ok,sad]')`,
    ],
    change: ["ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'"],
    write: [`INSERT INTO t VALUES (2, '{}', 'fine', '{fine}', '(sad,{fine})', '[fine,fine]')`, "UPDATE t SET d = 'sad' WHERE id = 1"],
    after: [`INSERT INTO t (id, a) VALUES (3, '{ok}')`],
    ask: ["SELECT concat_ws(' ', id, a, d, ds, p, r) FROM t ORDER BY id"],
    expect: [['1 {{ok},{sad}} sad {ok,NULL} (ok,"{ok,sad}") [ok,sad]', '2 {} ok {ok} (sad,{ok}) [ok,ok]', '3 {ok}']],
  },
  {
    name: 'a renamed value in a key that others refer to, and in one of two columns',
    old: [
      "CREATE TYPE role AS ENUM ('admin','user')",
      'CREATE TABLE r (who int, role role, PRIMARY KEY (who, role))',
      'CREATE TABLE s (id int PRIMARY KEY, who int, role role, FOREIGN KEY (who, role) REFERENCES r)',
      "INSERT INTO r VALUES (1,'admin'), (2,'admin'), (3,'user')",
      "INSERT INTO s VALUES (1, 1, 'admin')",
    ],
    change: ["ALTER TYPE role RENAME VALUE 'admin' TO 'owner'"],
    write: ['DELETE FROM r WHERE who = 2', "INSERT INTO r VALUES (4, 'owner')", "INSERT INTO s VALUES (2, 4, 'owner')"],
    ask: ["SELECT who || ':' || role FROM r ORDER BY who", "SELECT id || ':' || role FROM s ORDER BY id"],
    expect: [
      ['1:admin', '3:user', '4:admin'],
      ['1:admin', '2:admin'],
    ],
  },
  {
    name: 'names that change hands, and values that are new beside them',
    old: [
      "CREATE TYPE ab AS ENUM ('a','b')",
      "CREATE TABLE t (id int PRIMARY KEY, v ab NOT NULL DEFAULT 'a')",
      "INSERT INTO t VALUES (1,'a'),(2,'b')",
    ],
    change: [
      "ALTER TYPE ab RENAME VALUE 'a' TO 'x'",
      "ALTER TYPE ab RENAME VALUE 'b' TO 'a'",
      "ALTER TYPE ab RENAME VALUE 'x' TO 'b'",
      "ALTER TYPE ab ADD VALUE IF NOT EXISTS 'c' BEFORE 'a'",
    ],
    write: ["INSERT INTO t VALUES (3,'a'),(4,'b'),(5,'c')"],
    after: ['INSERT INTO t VALUES (6)'],
    ask: ['SELECT id || v::text FROM t ORDER BY id', "SELECT string_agg(v::text, '' ORDER BY v) FROM t"],
    expect: [['1a', '2b', '3b', '4a', '5c', '6a'], ['aaacbb']],
  },
  {
    name: 'values that are added without IF NOT EXISTS, used and unused: the trial tries the next window too',
    old: [mood, 'CREATE TABLE t (id int PRIMARY KEY, m mood NOT NULL, ms mood[])', "INSERT INTO t VALUES (1, 'ok', '{sad}')"],
    change: ["ALTER TYPE mood ADD VALUE 'held' BEFORE 'sad'", "ALTER TYPE mood ADD VALUE 'lost'", "ALTER TYPE mood ADD VALUE 'found'"],
    write: ["INSERT INTO t VALUES (2, 'held', '{ok}')", "UPDATE t SET ms = '{lost,ok}' WHERE id = 1"],
    after: ["INSERT INTO t VALUES (3, 'sad')"],
    ask: [
      "SELECT concat_ws(' ', id, m, ms) FROM t ORDER BY id",
      // nobody has the third: it is out of the way of the next migration.
      "SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = 'mood'::regtype AND enumlabel NOT LIKE 'switchback%'",
      "SELECT count(*)::text FROM pg_enum WHERE enumtypid = 'mood'::regtype AND enumlabel LIKE 'switchback%found'",
    ],
    expect: [['1 ok {lost,ok}', '2 held {ok}', '3 sad'], ['ok held sad lost'], ['1']],
  },
  {
    name: 'a new value under the old name of another is refused',
    old: [mood, 'CREATE TABLE t (id int PRIMARY KEY, m mood)', "INSERT INTO t VALUES (1, 'ok')"],
    change: ["ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'ok'"],
    refused: "'ok' is another value of public.mood now than the one that was called so",
  },
  {
    name: 'a dropped column of an enum whose first value is renamed gets that value',
    old: [mood, 'CREATE TABLE t (id int PRIMARY KEY, m mood NOT NULL)', "INSERT INTO t VALUES (1, 'sad')"],
    change: ["ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", 'ALTER TABLE t DROP COLUMN m'],
    accepted: ['public.t.m:dropped'],
    write: ['INSERT INTO t VALUES (2)'],
    ask: ["SELECT id || ':' || m FROM t ORDER BY id"],
    expect: [['1:sad', '2:ok']],
  },
  {
    name: 'an enum that becomes text, alone and in an array, with its default, is an enum again where rows allow it',
    old: [
      mood,
      "CREATE TABLE one (id int PRIMARY KEY, m mood NOT NULL DEFAULT 'sad', list mood[])",
      'CREATE TABLE two (id int PRIMARY KEY, m mood)',
      "INSERT INTO one VALUES (1, 'ok', '{ok}')",
      "INSERT INTO two VALUES (1, 'ok')",
    ],
    change: [
      "ALTER TABLE one ALTER m DROP DEFAULT, ALTER m TYPE text, ALTER m SET DEFAULT 'sad', ALTER list TYPE text[]",
      'ALTER TABLE two ALTER m TYPE varchar(20)',
    ],
    write: ["INSERT INTO one VALUES (2, 'sad', '{sad,NULL}')", "INSERT INTO two VALUES (2, 'glad')"],
    after: ['INSERT INTO one (id) VALUES (3)'],
    ask: [
      "SELECT concat_ws(':', id, m, list) FROM one ORDER BY id",
      'SELECT m::text FROM two ORDER BY id',
      "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid IN ('one'::regclass, 'two'::regclass) AND attname IN ('m','list') ORDER BY 1",
    ],
    expect: [
      ['1:ok:{ok}', '2:sad:{sad,NULL}', '3:sad'],
      ['ok', 'glad'],
      ['list mood[]', 'm character varying(20)', 'm mood'],
    ],
  },
  {
    name: 'an enum made anew under its name, as tools do it who cannot rename',
    old: [mood, 'CREATE TABLE t (id int PRIMARY KEY, m mood, list mood[])', "INSERT INTO t VALUES (1, 'sad', '{ok}')"],
    change: [
      "CREATE TYPE mood_new AS ENUM ('ok','sad','glad')",
      'ALTER TABLE t ALTER m TYPE mood_new USING m::text::mood_new, ALTER list TYPE mood_new[] USING list::text[]::mood_new[]',
      'DROP TYPE mood',
      'ALTER TYPE mood_new RENAME TO mood',
    ],
    write: ["INSERT INTO t VALUES (2, 'glad', '{glad,sad}')"],
    ask: ["SELECT concat_ws(':', id, m, list) FROM t ORDER BY id"],
    expect: [['1:sad:{ok}', '2:glad:{glad,sad}']],
  },
]);
