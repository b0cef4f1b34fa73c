import { testWindows } from './windows';

const large = (letter: string): string => `repeat('${letter}', 9000)`;

testWindows([
  {
    name: 'a new column with large values that an update leaves alone is not taken for an empty one',
    old: [
      'CREATE TABLE t (id int PRIMARY KEY, body text, n int)',
      'ALTER TABLE t ALTER body SET STORAGE EXTERNAL',
      `INSERT INTO t VALUES (1, ${large('x')}, 1)`,
    ],
    change: [
      'ALTER TABLE t ADD content text',
      'ALTER TABLE t ALTER content SET STORAGE EXTERNAL',
      "UPDATE t SET content = 'v2:' || body",
      'ALTER TABLE t DROP body',
    ],
    declared: { columns: [{ table: 'public.t', column: 'body', from: 'substr(NEW.content, 4)' }] },
    write: ['UPDATE t SET n = 2', "INSERT INTO t (id, n, content) VALUES (2, 1, 'v2:y')", 'UPDATE t SET n = 3'],
    ask: ["SELECT concat_ws(' ', id, length(body), left(body, 2), n) FROM t ORDER BY id"],
    expect: [['1 9000 xx 3', '2 1 y 3']],
  },
  {
    name: 'a column with large values that gets another name and another meaning, or another type',
    old: [
      'CREATE TABLE t (id int PRIMARY KEY, body text, doc text, n int)',
      'ALTER TABLE t ALTER body SET STORAGE EXTERNAL, ALTER doc SET STORAGE EXTERNAL',
      `INSERT INTO t VALUES (1, ${large('x')}, ${large('z')}, 1)`,
    ],
    change: [
      'ALTER TABLE t RENAME body TO content',
      "UPDATE t SET content = 'v2:' || content",
      'ALTER TABLE t ALTER doc TYPE jsonb USING to_jsonb(doc)',
      'ALTER TABLE t RENAME doc TO data',
      'ALTER TABLE t ALTER data SET STORAGE EXTERNAL',
    ],
    declared: {
      columns: [
        { table: 'public.t', column: 'body', from: 'substr(NEW.content, 4)' },
        { table: 'public.t', column: 'doc', from: "NEW.data #>> '{}'" },
      ],
    },
    write: ['UPDATE t SET n = 2', 'UPDATE t SET n = 3'],
    ask: ["SELECT concat_ws(' ', id, length(body), left(body, 2), length(doc), left(doc, 2), n) FROM t ORDER BY id"],
    expect: [['1 9000 xx 9000 zz 3']],
  },
  {
    name: 'an expression that names a column of another meaning sees what the new release wrote',
    old: ['CREATE TABLE t (id int PRIMARY KEY, price int, shown varchar(20))', "INSERT INTO t VALUES (1, 7, '7 EUR')"],
    change: ['UPDATE t SET price = price * 100', 'ALTER TABLE t DROP shown'],
    declared: {
      columns: [
        { table: 'public.t', column: 'price', from: 'NEW.price / 100' },
        { table: 'public.t', column: 'shown', from: "NEW.price / 100 || ' EUR'" },
      ],
    },
    write: ['INSERT INTO t VALUES (2, 900)', 'UPDATE t SET price = 800 WHERE id = 1'],
    ask: ["SELECT concat_ws(' ', id, price, shown) FROM t ORDER BY id"],
    expect: [['1 8 8 EUR', '2 9 9 EUR']],
  },
]);
