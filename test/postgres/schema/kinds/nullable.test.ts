import { testWindows } from './windows';

testWindows([
  {
    name: 'a column that may be NULL has it on the fallback, and the old rule is put back only where rows allow it',
    old: [
      'CREATE TABLE n1 (id int PRIMARY KEY, v text NOT NULL)',
      'CREATE TABLE n2 (id int PRIMARY KEY, v text NOT NULL)',
      "INSERT INTO n1 VALUES (1, 'a')",
      "INSERT INTO n2 VALUES (1, 'a')",
    ],
    change: ['ALTER TABLE n1 ALTER v DROP NOT NULL', 'ALTER TABLE n2 ALTER v DROP NOT NULL'],
    write: ['INSERT INTO n1 VALUES (2, NULL)', "INSERT INTO n2 VALUES (2, 'b')"],
    ask: [
      "SELECT concat_ws(':', id, v) FROM n1 ORDER BY id",
      "SELECT attrelid::regclass || ' ' || attnotnull FROM pg_attribute WHERE attrelid IN ('n1'::regclass, 'n2'::regclass) AND attname = 'v' ORDER BY 1",
    ],
    expect: [
      ['1:a', '2'],
      ['n1 false', 'n2 true'],
    ],
  },
]);
