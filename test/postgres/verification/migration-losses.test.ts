import { readCatalog } from '../../../lib/postgres/schema/catalog';
import type { Declared } from '../../../lib/postgres/schema/declared';
import { isAsKnown, lookAhead, migrationLosses } from '../../../lib/postgres/verification/migration-losses';
import { oneServer } from '../../_helpers/one-server';

interface Kind {
  readonly kind: string;
  readonly old: string;
  readonly change: string;
  readonly declared?: Declared;
  /** Ids of what is lost; none: nothing. */
  readonly lost: readonly string[];
}

const kinds: readonly Kind[] = [
  {
    kind: 'a dropped column whose values are its default or NULL',
    old: 'CREATE TABLE t (id int PRIMARY KEY, flag boolean NOT NULL DEFAULT true, note text); INSERT INTO t VALUES (1, true, NULL), (2, true, NULL)',
    change: 'ALTER TABLE t DROP flag, DROP note',
    lost: [],
  },
  {
    kind: 'a dropped column with a value that is neither',
    old: "CREATE TABLE t (id int PRIMARY KEY, flag boolean NOT NULL DEFAULT true, doc json); INSERT INTO t VALUES (1, false, '{}')",
    change: 'ALTER TABLE t DROP flag, DROP doc',
    lost: ['public.t.flag:dropped', 'public.t.doc:dropped'],
  },
  {
    kind: 'a dropped column that an expression keeps',
    old: 'CREATE TABLE t (id int PRIMARY KEY, twice int); INSERT INTO t VALUES (1, 2)',
    change: 'ALTER TABLE t DROP twice',
    declared: { columns: [{ table: 'public.t', column: 'twice', from: 'NEW.id * 2' }] },
    lost: [],
  },
  { kind: 'a dropped table without rows', old: 'CREATE TABLE t (id int PRIMARY KEY)', change: 'DROP TABLE t', lost: [] },
  {
    kind: 'a dropped table with rows',
    old: 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)',
    change: 'DROP TABLE t',
    lost: ['public.t:dropped'],
  },
  {
    kind: 'a dropped table that rows of another keep',
    old: 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)',
    change: 'DROP TABLE t; CREATE TABLE u (id int PRIMARY KEY)',
    declared: { rows: [{ of: 'public.u', run: 'INSERT INTO t VALUES (NEW.id)' }] },
    lost: [],
  },
  {
    kind: 'rows that the migration deletes',
    old: 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)',
    change: 'DELETE FROM t WHERE id = 2',
    lost: ['public.t:deleted'],
  },
  {
    kind: 'the same, of a table without a key; one that only has changed rows',
    old: 'CREATE TABLE t (a int); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1), (2); CREATE TABLE u (a int); ALTER TABLE u REPLICA IDENTITY FULL; INSERT INTO u VALUES (1)',
    change: 'DELETE FROM t WHERE a = 2; UPDATE u SET a = 2',
    lost: ['public.t:deleted'],
  },
  {
    kind: 'the same, declared to be shipped, beside a backfill and new rows',
    old: 'CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 2)',
    change: 'DELETE FROM t WHERE id = 2; UPDATE t SET n = 7; INSERT INTO t VALUES (3, 3)',
    declared: { deleted: { 'public.t': 'ship' } },
    lost: [],
  },
  {
    kind: 'types that give the old values back',
    old: "CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(5), c numeric(8,2), d json, e timestamp, f date); INSERT INTO t VALUES (1, 1, 'x', 1.5, '{ \"a\": 1}', '2026-01-01 10:00', '2026-01-01')",
    change:
      "SET TimeZone = 'UTC'; ALTER TABLE t ALTER id TYPE bigint, ALTER a TYPE bigint, ALTER b TYPE text, ALTER c TYPE numeric(12,4), ALTER d TYPE jsonb, ALTER e TYPE timestamptz",
    lost: [],
  },
  {
    kind: 'minutes that become an interval, and seconds that become milliseconds',
    old: 'CREATE TABLE t (id int PRIMARY KEY, minutes int, seconds int); INSERT INTO t VALUES (1, 90, 5)',
    change: "ALTER TABLE t ALTER minutes TYPE interval USING minutes * interval '1 min', ALTER seconds TYPE bigint USING seconds * 1000",
    lost: ['public.t.minutes:type', 'public.t.seconds:type'],
  },
  {
    kind: 'a text key that is written otherwise by its new type',
    old: "CREATE TABLE t (code text PRIMARY KEY); INSERT INTO t VALUES ('007')",
    change: 'ALTER TABLE t ALTER code TYPE int USING code::int',
    lost: ['public.t.code:type'],
  },
  {
    kind: 'names that change hands',
    old: 'CREATE TABLE t (id int PRIMARY KEY, a int, b int); CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE v (id int PRIMARY KEY)',
    change: 'ALTER TABLE t DROP b; ALTER TABLE t RENAME a TO b; DROP TABLE v; ALTER TABLE u RENAME TO v',
    lost: ['public.u:name-taken'],
  },
  {
    kind: 'a renamed value inside of an array and of a key: the fallback has its new name too',
    old: "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE t (id int PRIMARY KEY, moods mood[]); CREATE TABLE u (m mood PRIMARY KEY); CREATE TABLE w (id int PRIMARY KEY, m mood); INSERT INTO u VALUES ('a')",
    change: "ALTER TYPE mood RENAME VALUE 'a' TO 'z'",
    lost: [],
  },
  {
    kind: 'a key that lets in more: one that grows is carried, one that others refer to and one that is replaced are not',
    old: 'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE v (id int PRIMARY KEY); CREATE TABLE k (v int); ALTER TABLE k REPLICA IDENTITY FULL; ALTER TABLE k ADD FOREIGN KEY (v) REFERENCES v; CREATE TABLE w (id int PRIMARY KEY, x int NOT NULL)',
    change:
      'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD x int NOT NULL DEFAULT 0; ALTER TABLE t ADD PRIMARY KEY (id, x); ALTER TABLE u ADD x int NOT NULL DEFAULT 0; ALTER TABLE u ADD UNIQUE (id); ALTER TABLE u DROP CONSTRAINT u_pkey; ALTER TABLE u ADD PRIMARY KEY (id, x); ALTER TABLE v DROP CONSTRAINT v_pkey CASCADE; ALTER TABLE v ADD x int NOT NULL DEFAULT 0; ALTER TABLE v ADD PRIMARY KEY (x, id); ALTER TABLE w DROP CONSTRAINT w_pkey; ALTER TABLE w ADD PRIMARY KEY (x)',
    lost: ['public.v:key-wider', 'public.w:key-wider'],
  },
  {
    kind: 'a key that tells more apart, and one whose rule is dropped',
    old: 'CREATE TABLE t (id int PRIMARY KEY, code char(5) UNIQUE); CREATE TABLE u (id int PRIMARY KEY, code char(5) CONSTRAINT u_code UNIQUE)',
    change: 'ALTER TABLE t ALTER code TYPE text; ALTER TABLE u DROP CONSTRAINT u_code, ALTER code TYPE text',
    lost: [],
  },
  {
    kind: 'a table without a key',
    old: 'CREATE TABLE t (a int, b int); ALTER TABLE t REPLICA IDENTITY FULL; CREATE TABLE u (a int PRIMARY KEY, b int); ALTER TABLE u REPLICA IDENTITY FULL',
    change: 'ALTER TABLE t RENAME b TO c; ALTER TABLE u RENAME b TO c',
    lost: ['public.t.b:no-key'],
  },
  {
    kind: 'partitions that come and go',
    old: 'CREATE TABLE t (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2); INSERT INTO t VALUES (2)',
    change:
      'DROP TABLE t2; CREATE TABLE t3 PARTITION OF t FOR VALUES IN (3); CREATE TABLE u (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE u1 PARTITION OF u DEFAULT',
    lost: ['public.t:deleted'],
  },
  {
    kind: 'domains and composite types that change, and such as are only new',
    old: 'CREATE DOMAIN d AS int CHECK (VALUE > 0); CREATE TYPE p AS (x int); CREATE TYPE r AS (x int, y int); CREATE TABLE t (id int PRIMARY KEY, v d, p p, r r)',
    change:
      'ALTER DOMAIN d DROP CONSTRAINT d_check; ALTER DOMAIN d SET NOT NULL; ALTER TYPE p ADD ATTRIBUTE y int CASCADE; ALTER TYPE r DROP ATTRIBUTE y CASCADE; CREATE DOMAIN e AS text; CREATE TYPE q AS (z int)',
    lost: ['public.r:type'],
  },
  {
    kind: 'persistence, both ways',
    old: 'CREATE TABLE t (id int PRIMARY KEY); CREATE UNLOGGED TABLE u (id int PRIMARY KEY)',
    change: 'ALTER TABLE t SET UNLOGGED; ALTER TABLE u SET LOGGED',
    lost: ['public.t:persistence', 'public.u:persistence'],
  },
  {
    kind: 'row security that binds the owner, on a new table, and for others only',
    old: 'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)',
    change:
      'ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; ALTER TABLE u ENABLE ROW LEVEL SECURITY; CREATE TABLE v (id int PRIMARY KEY); ALTER TABLE v ENABLE ROW LEVEL SECURITY',
    lost: ['public.t:row-security', 'public.v:row-security'],
  },
  {
    kind: 'a rule, and columns that may name large objects',
    old: 'CREATE TABLE t (id int PRIMARY KEY, old oid)',
    change: 'CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING; ALTER TABLE t ADD file oid; CREATE TABLE u (id int PRIMARY KEY, file oid)',
    lost: ['r on public.t:rule', 'public.t.file:large-objects', 'public.u.file:large-objects'],
  },
  {
    kind: 'notes of a migration tool that nobody knows, by their name and by their columns, and tables that only look so',
    old: "CREATE TABLE migrations (id serial PRIMARY KEY, name text); INSERT INTO migrations (name) VALUES ('one'); CREATE TABLE done (id int PRIMARY KEY, version text, applied_at timestamptz); CREATE TABLE app_versions (id int PRIMARY KEY, v text); INSERT INTO app_versions VALUES (1, 'a')",
    change:
      "INSERT INTO migrations (name) VALUES ('two'); INSERT INTO done VALUES (1, '2', now()); CREATE TABLE schema_versions (version int PRIMARY KEY); INSERT INTO schema_versions VALUES (1)",
    lost: ['public.migrations:notes', 'public.done:notes'],
  },
  {
    kind: 'the same, where a row is only written over',
    old: 'CREATE TABLE db_version (version int); ALTER TABLE db_version REPLICA IDENTITY FULL; INSERT INTO db_version VALUES (1)',
    change: 'UPDATE db_version SET version = 2',
    lost: ['public.db_version:notes'],
  },
  {
    kind: 'what a bridge carries, or concerns nobody',
    old: "CREATE TABLE t (id int PRIMARY KEY, a text UNIQUE); INSERT INTO t VALUES (1, 'x'); CREATE SEQUENCE s; CREATE VIEW w AS SELECT id FROM t",
    change:
      'DROP VIEW w; ALTER TABLE t RENAME a TO b; ALTER TABLE t ADD c int; ALTER TABLE t RENAME TO u; CREATE INDEX ON u (c); CREATE VIEW w AS SELECT b FROM u; DROP SEQUENCE s; CREATE TABLE x (id int PRIMARY KEY); UPDATE u SET b = upper(b)',
    lost: [],
  },
];

const one = oneServer();
const { at } = one;

test.each(kinds.map((kind, index) => [kind.kind, index, kind] as const))('%s', async (_name, index, { old, change, declared, lost }) => {
  await one.server.query(`CREATE DATABASE old_${index}`);
  await one.server.query(old, undefined, `old_${index}`);
  await one.server.query(`CREATE DATABASE now_${index} TEMPLATE old_${index}`);
  await one.server.query(change, undefined, `now_${index}`);
  const [before, after] = [await at(`old_${index}`), await at(`now_${index}`)];
  const all = await migrationLosses(before, after, {
    ...{ old: await readCatalog(before), now: await readCatalog(after) },
    ...(declared ? { declared } : {}),
  });
  // what was looked at ahead gives the same answer.
  const ahead = await lookAhead(before, { old: await readCatalog(before), expected: all.map(({ id }) => id) });
  expect(
    await migrationLosses(before, after, {
      ...{ old: await readCatalog(before), now: await readCatalog(after), known: ahead },
      ...(declared ? { declared } : {}),
    }),
  ).toEqual(all);
  const found = all.filter(({ verdict }) => verdict !== 'carried');
  expect(found.map(({ id }) => id).sort()).toEqual([...lost].sort());
  // a refusal says what is there, and what would be lost.
  for (const { what, loses } of found) expect([what, loses].every((text) => text !== undefined && text.length > 20)).toBe(true);
});

describe('a look ahead of the gap', () => {
  const id = 'public.t.note:dropped';
  const prepared = async (name: string) => {
    await one.server.query(`CREATE DATABASE ${name}`);
    await one.server.query(
      'CREATE TABLE t (id int PRIMARY KEY, note text, n int CHECK (n > 0)); INSERT INTO t VALUES (1, NULL, 1)',
      undefined,
      name,
    );
    await one.server.query(`CREATE DATABASE ${name}_now TEMPLATE ${name}`);
    await one.server.query('ALTER TABLE t DROP note', undefined, `${name}_now`);
    const [before, after] = [await at(name), await at(`${name}_now`)];
    const [old, now] = [await readCatalog(before), await readCatalog(after)];
    const known = await lookAhead(before, { old, expected: [id] });
    expect(known.rows).toEqual(new Map([['public.t WHERE "note" IS NOT NULL', 0]]));
    return { before, after, old, now, known };
  };

  test('is used: in the gap nothing of it is asked again', async () => {
    const { before, after, old, now, known } = await prepared('ahead');
    const asked = jest.spyOn(before, 'query');
    expect((await migrationLosses(before, after, { old, now, known, compared: false })).filter(({ loses }) => loses)).toEqual([]);
    expect(asked.mock.calls.map(([sql]) => sql)).toEqual([expect.stringContaining('pg_snapshot_xmax')]);
  });

  test('is good for nothing once anybody has written since: all is looked at again', async () => {
    const { before, after, old, now, known } = await prepared('stale');
    expect(await isAsKnown(before, known)).toBe(true);
    await one.server.query("UPDATE t SET note = 'kept elsewhere'", undefined, 'stale');
    expect(await isAsKnown(before, known)).toBe(false);
    const found = await migrationLosses(before, after, { old, now, known, compared: false });
    expect(found.filter(({ loses }) => loses).map(({ id: one }) => one)).toEqual([id]);
  });
});
