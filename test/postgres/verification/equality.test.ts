/** The proof by itself: what it finds that a wrong bridge hides, what it names, and what it can still say without its moment. */

import { connect, type Db } from '../../../lib/postgres/connection/connect';
import { readCatalog } from '../../../lib/postgres/schema/catalog';
import { classify } from '../../../lib/postgres/schema/classify';
import type { BridgePlan } from '../../../lib/postgres/schema/kinds/plan';
import { mapping } from '../../../lib/postgres/schema/mapping';
import { compareTables, type Snapshot } from '../../../lib/postgres/verification/compare';
import {
  type ComparisonSnapshotNote,
  isProven,
  noteComparisonSnapshot,
  type Proof,
  prove,
  proveAfterwards,
  takeComparisonSnapshot,
} from '../../../lib/postgres/verification/equality';
import { lossManifest } from '../../../lib/postgres/verification/loss-manifest';
import type { PairingOptions } from '../../../lib/postgres/verification/pairing';
import { MomentLost } from '../../../lib/postgres/verification/reading';
import { type ProofRecord, readRecord } from '../../../lib/postgres/verification/record';
import { master, type Server, startServer, stopServers } from '../servers';

let server: Server;
let production: Db;
let fallback: Db;
let record: ProofRecord;
let old: Awaited<ReturnType<typeof readCatalog>>;
let major: number;
const kept: Db[] = [];

beforeAll(async () => {
  server = await startServer();
  major = Number((await server.test.query<{ v: string }>("SELECT current_setting('server_version_num')::int / 10000 AS v"))[0]!.v);
});
afterAll(stopServers);

const at = (name: string): Promise<Db> => connect({ ...server.address, database: name }, master);
const sides = { production: () => at('production'), fallback: () => at('fallback') };

/** A fork: production is the old form, and the fallback a copy of it with the same OIDs and column numbers. */
async function fork(before: string, superuser = ''): Promise<void> {
  await ended();
  const admin = await server.superuser();
  for (const name of ['production', 'fallback']) await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await admin.query('CREATE DATABASE production OWNER master TEMPLATE template0');
  if (superuser) await server.test.query(superuser, undefined, 'production');
  production = await at('production');
  await production.query(before);
  await production.close();
  await admin.query('CREATE DATABASE fallback OWNER master TEMPLATE production');
  await admin.close();
  [production, fallback] = [await at('production'), await at('fallback')];
  kept.push(production, fallback);
  record = JSON.parse(JSON.stringify(await readRecord(fallback))) as ProofRecord;
  old = await readCatalog(fallback);
}
const ended = (): Promise<unknown> => Promise.all(kept.splice(0).map((db) => db.close()));
afterEach(ended);

async function moment(): Promise<Snapshot> {
  const db = await at('fallback');
  kept.push(db);
  return takeComparisonSnapshot(db);
}

async function proven(options: Partial<PairingOptions> = {}): Promise<Proof> {
  const taken = await moment();
  const proof = await prove(sides, taken, { record, ...options });
  await taken.release();
  // it goes into the journal.
  return JSON.parse(JSON.stringify(proof)) as Proof;
}

const differences = ({ comparison }: Proof) =>
  comparison.tables
    .filter(({ equal }) => !equal)
    .map(({ table, differences: found }) => `${table}: ${found.map(({ key, is }) => `${key} ${is}`).join(', ')}`);
const named = ({ notProven = [] }: Proof) => notProven.map(({ what, rows, known }) => [what, rows, known ?? false]);

/** What the comparison by the bridge's own mapping says, as every proof did before. */
async function byMapping(change: (plan: BridgePlan) => BridgePlan): Promise<boolean> {
  const { plan } = classify(old, await readCatalog(production));
  return (await compareTables(production, fallback, { pairs: mapping(change(plan), { names: 'old' }).pairs })).equal;
}
const eachTable = (change: (table: BridgePlan['tables'][number]) => BridgePlan['tables'][number]) => (plan: BridgePlan) => ({
  ...plan,
  tables: plan.tables.map(change),
});

test('large objects that were made after the fork are named: no feed carries them, and no table shows them', async () => {
  await fork("CREATE TABLE files (id int PRIMARY KEY, content oid); SELECT lo_from_bytea(4711, 'before')");
  expect(isProven(await proven())).toBe(true);
  await production.query("SELECT lo_from_bytea(4712, 'after'), lo_from_bytea(4713, 'after')");
  const proof = await proven();
  expect(isProven(proof)).toBe(false);
  expect(named(proof)).toEqual([['large objects of production are not on the fallback: a feed does not carry them', 2, false]]);
});

describe('what a wrong bridge hides', () => {
  test('two columns swapped, by the bridge and in its mapping', async () => {
    await fork('CREATE TABLE places (id int PRIMARY KEY, lat numeric, lon numeric); INSERT INTO places VALUES (1, 10, 20), (2, 30, 40)');
    await production.query('ALTER TABLE places RENAME lat TO y');
    await production.query('ALTER TABLE places RENAME lon TO x');
    await fallback.query('UPDATE places SET lat = lon, lon = lat');
    const swapped = eachTable((table) => {
      const numbers = new Map([
        [2, 3],
        [3, 2],
      ]);
      const columns = table.now.columns.map((column) => ({ ...column, number: numbers.get(column.number) ?? column.number }));
      return { ...table, now: { ...table.now, columns } };
    });
    expect(await byMapping(swapped)).toBe(true);
    const proof = await proven();
    expect(differences(proof)).toEqual(['public.places: (1) different, (2) different']);
    expect(proof.byName).toEqual([]);
  });

  test('a column that the plan has forgotten', async () => {
    await fork('CREATE TABLE users (id int PRIMARY KEY, name text, email text); INSERT INTO users VALUES (1, $$a$$, $$a@x$$)');
    await production.query("UPDATE users SET email = 'new@x'");
    const forgotten = eachTable((table) => ({
      ...table,
      old: { ...table.old, columns: table.old.columns.filter(({ name }) => name !== 'email') },
    }));
    expect(await byMapping(forgotten)).toBe(true);
    expect(differences(await proven())).toEqual(['public.users: (1) different']);
  });

  test('a row lost in a partition, and a table that the plan does not have', async () => {
    await fork(`CREATE TABLE ev (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM (0) TO (100);
      CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM (100) TO (200); INSERT INTO ev VALUES (1, 'a'), (101, 'b'); CREATE TABLE other (id int PRIMARY KEY)`);
    await production.query('INSERT INTO other VALUES (1)');
    await fallback.query('DELETE FROM ev_2');
    expect(await byMapping((plan) => ({ ...plan, tables: [] }))).toBe(true);
    const proof = await proven();
    expect(differences(proof)).toEqual(['public.ev: (101) only on a', 'public.other: (1) only on a']);
    expect(proof.partitions).toEqual([
      { partition: 'public.ev_1', production: 1, fallback: 1 },
      { partition: 'public.ev_2', production: 1, fallback: 0 },
    ]);
  });

  const parts = `CREATE TABLE ev (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM (0) TO (100);
    CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM (100) TO (200); CREATE TABLE ev_rest PARTITION OF ev DEFAULT; INSERT INTO ev VALUES (1, 'a'), (2, 'a'), (101, 'b')`;

  test('a partition that production has dropped excuses its own rows, and nothing else', async () => {
    await fork(parts);
    await production.query('ALTER TABLE ev RENAME id TO number; DROP TABLE ev_1');
    const proof = await proven();
    expect(proof).toMatchObject({ equal: true, notProven: [], dropped: [{ partition: 'public.ev_1', rows: 2 }] });
    expect(isProven(proof)).toBe(true);
    expect(await lossManifest(production, fallback, { announced: [], notPutBack: [], proof, record })).toEqual([
      { is: 'kept', what: 'rows of public.ev_1, kept on the fallback, dropped with the partition on production', rows: 2 },
    ]);
    await fallback.query('DELETE FROM ev_2; INSERT INTO ev VALUES (500)');
    expect(differences(await proven())).toEqual(['public.ev: (101) only on a, (500) only on b']);
  });

  test('rows of a dropped partition that production has elsewhere are compared', async () => {
    await fork(parts);
    await production.query(
      'ALTER TABLE ev DETACH PARTITION ev_1; INSERT INTO ev SELECT * FROM ev_1 WHERE id = 1; UPDATE ev_1 SET id = 150 WHERE id = 2; INSERT INTO ev SELECT * FROM ev_1 WHERE id = 150; DROP TABLE ev_1',
    );
    const moved = await proven();
    expect(differences(moved)).toEqual(['public.ev: (2) only on b, (150) only on a']);
    expect(moved.dropped).toEqual([]);
    // made anew under its name, and written to.
    await production.query('DELETE FROM ev WHERE id = 1; CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM (0) TO (100)');
    expect(differences(await proven())).toEqual(['public.ev: (150) only on a']);
    await production.query("INSERT INTO ev VALUES (1, 'other')");
    expect(differences(await proven())).toEqual(['public.ev: (1) different, (2) only on b, (150) only on a']);
  });

  test('rows of a partition that was only detached are compared with those that the fallback has in it', async () => {
    await fork(parts);
    await production.query('ALTER TABLE ev DETACH PARTITION ev_1');
    const proof = await proven();
    expect(proof.dropped).toEqual([]);
    expect(differences(proof)).toEqual([]);
    await production.query("UPDATE ev_1 SET v = 'other' WHERE id = 1; DELETE FROM ev_1 WHERE id = 2; INSERT INTO ev VALUES (1, 'twice')");
    expect(differences(await proven())).toEqual(['public.ev: (1) different, (2) only on b']);
  });

  test('a table that was attached is compared with itself, and the table that it became a part of without it', async () => {
    await fork(`${parts}; CREATE TABLE beside (id int PRIMARY KEY, v text); INSERT INTO beside VALUES (301, 'x'), (302, 'y')`);
    await production.query('ALTER TABLE ev ATTACH PARTITION beside FOR VALUES FROM (300) TO (400)');
    expect(differences(await proven())).toEqual([]);
    await production.query("UPDATE ev SET v = 'other' WHERE id IN (101, 301); INSERT INTO ev VALUES (303, 'z')");
    expect(differences(await proven())).toEqual(['public.beside: (301) different, (303) only on a', 'public.ev: (101) different']);
  });

  test('rows of an unlogged partition are named', async () => {
    await fork(parts);
    await production.query('CREATE UNLOGGED TABLE ev_3 PARTITION OF ev FOR VALUES FROM (300) TO (400); INSERT INTO ev VALUES (301, NULL)');
    const proof = await proven();
    expect(differences(proof)).toEqual([]);
    expect(proof.notProven).toEqual([
      { id: 'public.ev_3', what: 'rows of the unlogged partition public.ev_3 do not travel', rows: 1, known: true },
    ]);
  });

  test('without the moment, a dropped partition is told as well', async () => {
    await fork(parts);
    await production.query('DROP TABLE ev_1');
    const note = await noteComparisonSnapshot(fallback);
    await fallback.query("INSERT INTO ev VALUES (3, 'late'), (102, 'late')");
    await fallback.query("UPDATE ev SET v = 'new' WHERE id = 101");
    const later = await moment();
    const proof = await proveAfterwards(sides, later, note, { record });
    await later.release();
    expect(proof).toMatchObject({ equal: true, since: { changed: 1, gone: [] }, dropped: [{ partition: 'public.ev_1' }] });
  });

  test('renamed labels of an enum, told by what they were at the fork', async () => {
    await fork(
      "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE m (id int PRIMARY KEY, mood mood); INSERT INTO m VALUES (1, 'sad'), (2, 'glad')",
    );
    await production.query("ALTER TYPE mood RENAME VALUE 'sad' TO 'x'");
    await production.query("ALTER TYPE mood RENAME VALUE 'glad' TO 'sad'");
    expect(await proven()).toMatchObject({ equal: true, notProven: [] });
    // the new label taken for the old one of the same name.
    await fallback.query("UPDATE m SET mood = 'sad' WHERE id = 2");
    expect(differences(await proven())).toEqual(['public.m: (2) different']);
  });
});

describe('tables and columns find each other', () => {
  test('by OID and number, whatever they are called now', async () => {
    await fork('CREATE TABLE orders (id int PRIMARY KEY, n int, note text); INSERT INTO orders VALUES (1, 1, NULL), (2, 2, $$x$$)');
    await production.query('CREATE SCHEMA shop; ALTER TABLE orders SET SCHEMA shop; ALTER TABLE shop.orders RENAME TO sales');
    await production.query('ALTER TABLE shop.sales RENAME n TO amount; ALTER TABLE shop.sales RENAME note TO n');
    const proof = await proven();
    expect(proof).toMatchObject({ equal: true, notProven: [], byName: [], uncompared: [] });
    expect(proof.comparison.tables).toMatchObject([{ table: 'public.orders', rowsA: 2, rowsB: 2, keysA: 2, keysB: 2 }]);
  });

  test('by name where they were made anew, and it is said', async () => {
    await fork(
      'CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, $$x$$); CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b VALUES (1, 7)',
    );
    await production.query('CREATE TABLE a2 AS TABLE a; DROP TABLE a; ALTER TABLE a2 RENAME TO a');
    await production.query('ALTER TABLE b ADD v2 bigint; UPDATE b SET v2 = v; ALTER TABLE b DROP v; ALTER TABLE b RENAME v2 TO v');
    const proof = await proven();
    expect(proof).toMatchObject({ equal: true, notProven: [] });
    expect(proof.byName).toEqual(['public.a was made anew on production', 'public.b.v was made anew on production']);
    await production.query('UPDATE b SET v = 8');
    await production.query("INSERT INTO a VALUES (1, 'x')");
    expect(differences(await proven())).toEqual(['public.a: (1) different', 'public.b: (1) different']);
  });

  test('a new column under the name of an old one: what was accepted of it says nothing of the old one', async () => {
    await fork('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, $$x$$)');
    await production.query('ALTER TABLE t RENAME v TO w; ALTER TABLE t ADD v int; UPDATE t SET v = 7');
    const accepted = ['public.t.v:added'];
    const proof = await proven({ accepted });
    expect(named(proof)).toEqual([['values of the new column public.t.v are only on production', 1, true]]);
    expect(isProven(proof)).toBe(true);
    await production.query("UPDATE t SET w = 'lost'");
    expect(differences(await proven({ accepted }))).toEqual(['public.t: (1) different']);
  });

  test('rows are named by a key that is written in another way on the other side', async () => {
    await fork(
      "CREATE TYPE kind AS ENUM ('a', 'b'); CREATE TABLE k (kind kind, n int, v text, PRIMARY KEY (kind, n)); INSERT INTO k VALUES ('a', 1, 'x'), ('b', 2, 'y')",
    );
    await production.query("ALTER TYPE kind RENAME VALUE 'a' TO 'z'; ALTER TABLE k ALTER n TYPE numeric(10,3)");
    expect(await proven()).toMatchObject({ equal: true, notProven: [] });
    await fallback.query("UPDATE k SET v = 'lost'");
    expect(differences(await proven())).toEqual(['public.k: (a,1) different, (b,2) different']);
  });

  test('a table that has become a partition is compared with the whole', async () => {
    await fork('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, $$x$$)');
    await production.query(
      'ALTER TABLE t RENAME TO t_old; CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); ALTER TABLE t ATTACH PARTITION t_old DEFAULT',
    );
    await production.query("CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (100) TO (200); INSERT INTO t VALUES (100, 'new')");
    expect(differences(await proven())).toEqual(['public.t: (100) only on a']);
    await fallback.query("INSERT INTO t VALUES (100, 'new')");
    expect(await proven()).toMatchObject({ equal: true, byName: ['public.t has become a part of public.t on production'] });
  });
});

describe('what nothing can be said of is named, and not proven', () => {
  test('tables and columns that one side has, with the rows that are in them', async () => {
    await fork(`CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE users (id int PRIMARY KEY, role text DEFAULT 'none', email text); INSERT INTO users VALUES (1, 'none', NULL), (2, 'none', 'b@x');
      CREATE TABLE late (id int PRIMARY KEY, must text NOT NULL, moods mood NOT NULL); CREATE TABLE gone (id int PRIMARY KEY); INSERT INTO gone VALUES (1), (2); CREATE TABLE empty (id int PRIMARY KEY); CREATE UNLOGGED TABLE cache (id int PRIMARY KEY)`);
    await production.query('ALTER TABLE users DROP role, DROP email, ADD extra text, ADD unused text; DROP TABLE gone; DROP TABLE empty');
    await production.query(
      "UPDATE users SET extra = 'x' WHERE id = 1; CREATE TABLE fresh (id int); INSERT INTO fresh VALUES (1), (2), (3)",
    );
    await production.query('INSERT INTO cache VALUES (1)');
    await production.query('ALTER TABLE late DROP must, DROP moods; INSERT INTO late VALUES (1)');
    await fallback.query("INSERT INTO late VALUES (1, '', 'sad')");
    await fallback.query('CREATE TABLE stray (id int); INSERT INTO stray VALUES (1)');
    const proof = await proven();
    expect(proof.equal).toBe(true);
    expect(isProven(proof)).toBe(false);
    // a dropped column that holds nothing but its default is none that was lost.
    expect(named(proof).sort()).toEqual([
      ['public.cache differs (1 rows on production, 0 on the fallback): rows of an unlogged table do not travel', 1, true],
      ['rows of public.gone are compared with nothing: production has no such table any more', 2, false],
      ['rows of public.stray are only on the fallback', 1, false],
      ['rows of the new table public.fresh are only on production', 3, false],
      ['values of public.users.email are compared with nothing: public.users has no such column any more', 1, false],
      ['values of the new column public.users.extra are only on production', 1, false],
    ]);
    // what was accepted by its id stays named.
    const accepted = ['public.users.email:dropped', 'public.gone:dropped', 'public.users.extra:added', 'public.fresh:added'];
    const known = await proven({ accepted });
    expect(known.uncompared).toEqual(
      ['public.users.email', 'public.cache', 'public.gone', 'public.fresh', 'public.users.extra'].sort(
        (a, b) => known.uncompared.indexOf(a) - known.uncompared.indexOf(b),
      ),
    );
    expect(isProven(known)).toBe(false);
    await fallback.query('DROP TABLE stray');
    expect(isProven(await proven({ accepted }))).toBe(true);
    expect(isProven(await proven())).toBe(false);
  });

  test('a new table that the fallback has kept is compared with it by name', async () => {
    await fork('CREATE TABLE t (id int PRIMARY KEY)');
    await production.query(
      "CREATE TYPE kind AS ENUM ('a'); CREATE TABLE fresh (id int PRIMARY KEY, kind kind); INSERT INTO fresh VALUES (1, 'a')",
    );
    await fallback.query("CREATE TABLE fresh (id int PRIMARY KEY, kind text); INSERT INTO fresh VALUES (1, 'a')");
    expect(await proven()).toMatchObject({ equal: true, notProven: [] });
    await fallback.query('DELETE FROM fresh');
    expect(differences(await proven())).toEqual(['public.fresh: (1) only on a']);
  });

  test('rows that a policy hides: it fails instead of filtering', async () => {
    await fork('CREATE TABLE docs (id int PRIMARY KEY, tenant int); INSERT INTO docs VALUES (1, 1)');
    await production.query(
      'ALTER TABLE docs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON docs USING (tenant = 1)',
    );
    const proof = await proven();
    expect(isProven(proof)).toBe(false);
    expect(named(proof)).toEqual([
      [
        'rows of public.docs could not be compared: query would be affected by row-level security policy for table "docs"',
        undefined,
        false,
      ],
    ]);
  });

  test('tables that are no data are left out', async () => {
    await fork('CREATE TABLE schema_migrations (version text); CREATE TABLE t (id int PRIMARY KEY)');
    await production.query("INSERT INTO schema_migrations VALUES ('42')");
    expect((await proven()).equal).toBe(false);
    expect(await proven({ leftOut: ({ table }) => table === 'schema_migrations' })).toMatchObject({ equal: true, notProven: [] });
  });
});

describe('what the team has declared is evaluated on production', () => {
  test('columns, by the row; rows, by what they set; a failing expression is named', async () => {
    await fork(
      `CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, cents numeric(10,2)); INSERT INTO users VALUES (1, 'a b', 'a@x', 1.50), (2, 'c d', '', 2)`,
    );
    await production.query(
      "ALTER TABLE users ADD first text, ADD last text, ADD price int; UPDATE users SET first = split_part(name, ' ', 1), last = split_part(name, ' ', 2), price = cents * 100",
    );
    await production.query(
      "CREATE TABLE profiles (user_id int PRIMARY KEY, email text); INSERT INTO profiles VALUES (1, 'a@x'); ALTER TABLE users DROP name, DROP email, DROP cents",
    );
    await fallback.query(
      'CREATE TABLE profiles AS SELECT 1 AS user_id, $$a@x$$::text AS email; ALTER TABLE users ADD first text, ADD last text, ADD price int',
    );
    const columns = [
      { table: 'public.users', column: 'name', from: "NEW.first || ' ' || NEW.last" },
      { table: 'public.users', column: 'cents', from: 'NEW.price / 100.0' },
    ];
    const sets = [{ table: 'public.users', column: 'email', is: '(SELECT p.email FROM profiles p WHERE p.user_id = NEW.id)' }];
    const rows = [{ run: 'UPDATE users SET email = NEW.email WHERE id = NEW.user_id', sets }];
    expect(await proven({ declared: { columns, rows } })).toMatchObject({ equal: true, notProven: [] });
    await production.query("UPDATE users SET last = 'z' WHERE id = 1; UPDATE profiles SET email = 'new' WHERE user_id = 1");
    await fallback.query("UPDATE profiles SET email = 'new'");
    expect(differences(await proven({ declared: { columns, rows } }))).toEqual(['public.users: (1) different']);
    await fallback.query("UPDATE users SET name = 'a z', email = 'new' WHERE id = 1");
    expect(await proven({ declared: { columns, rows } })).toMatchObject({ equal: true, notProven: [] });

    const failing = [columns[0]!, { table: 'public.users', column: 'cents', from: 'NEW.price / (NEW.id - 1)' }];
    const proof = await proven({ declared: { columns: failing, rows } });
    expect(proof.equal).toBe(true);
    expect(named(proof)).toEqual([['values of public.users.cents could not be compared: division by zero', undefined, false]]);
    await fallback.query("UPDATE users SET name = 'lost' WHERE id = 1");
    expect(differences(await proven({ declared: { columns: failing, rows } }))).toEqual(['public.users: (1) different']);
  });

  test('rows that are declared without a word of what they set', async () => {
    await fork('CREATE TABLE jobs (id int PRIMARY KEY); INSERT INTO jobs VALUES (1)');
    await production.query('CREATE TABLE work (id int PRIMARY KEY); DROP TABLE jobs');
    const proof = await proven({ declared: { rows: [{ run: 'INSERT INTO public.jobs VALUES (NEW.id)' }] } });
    expect(named(proof)).toEqual([
      ['rows of public.jobs are compared with nothing: what rows do to it is declared, and nothing says what must be in it', 1, true],
    ]);
    expect(isProven(proof)).toBe(true);
  });
});

describe('a retyped column: the new text is read as the old type, where it is', () => {
  test('and is equal only where nothing is lost', async () => {
    const cases = [
      ['integer', 'bigint', '42', "'42'", true],
      ['integer', 'bigint', '42', '5000000000', false],
      ['numeric(10,2)', 'numeric(12,4)', '1.5', '1.5000', true],
      ['numeric(10,2)', 'numeric(12,4)', '1.5', '1.5001', false],
      ['varchar(5)', 'varchar(9)', "'abcde'", "'abcde'", true],
      ['varchar(5)', 'varchar(9)', "'abcde'", "'abcdefg'", false],
      ['varchar(5)', 'text', "'abc'", "'abc'", true],
      ['char(5)', 'text', "'abc'", "'abc'", true],
      ['text', 'uuid', "'0b8c2a6e-0000-4000-8000-000000000000'", "'0b8c2a6e-0000-4000-8000-000000000000'", true],
      ['json', 'jsonb', '\'{"b": 1,  "a": 2}\'', '\'{"a": 2, "b": 1}\'', true],
      ['jsonb', 'json', '\'{"b": 1}\'', '\'{"b":   2}\'', false],
      ['timestamp', 'timestamptz', "'2026-01-01 12:00:00'", "'2026-01-01 12:00:00+00'", true],
      ['timestamp', 'date', "'2026-01-01'", "'2026-01-01'", true],
      ['date', 'timestamp', "'2026-01-01'", "'2026-01-01 12:00'", false],
      ['real', 'double precision', '0.1', '0.1', true],
      ['real', 'double precision', '0.123456789', '0.123456789', false],
      ['integer', 'text', '7', "'7'", true],
      ['integer[]', 'bigint[]', "'{1,NULL,-2}'", "'{1,NULL,-2}'", true],
      ['int4range', 'int8range', "'[1,5)'", "'[1,5)'", true],
      ['mood', 'text', "'sad'", "'sad'", true],
    ] as const;
    const create = cases.map(
      ([was, , value], number) =>
        `CREATE TABLE t${number} (id int PRIMARY KEY, v ${was}); INSERT INTO t${number} VALUES (1, ${value}), (2, NULL);`,
    );
    await fork(`CREATE TYPE mood AS ENUM ('sad', 'glad'); ${create.join('\n')}`);
    for (const [number, [, is, , other]] of cases.entries())
      await production.query(
        `ALTER TABLE t${number} ALTER v TYPE ${is} USING v::text::${is}; UPDATE t${number} SET v = ${other} WHERE id = 1`,
      );
    const proof = await proven();
    expect(proof.notProven).toEqual([]);
    const found = new Map(proof.comparison.tables.map(({ table, equal }) => [table, equal]));
    expect(cases.map(([was, is, value, other], number) => [was, is, value, other, found.get(`public.t${number}`)])).toEqual(cases);
  });

  test('a value that the old type cannot read is one that differs, or is named where the server cannot tell', async () => {
    await fork("CREATE TABLE t (id int PRIMARY KEY, v int, w text); INSERT INTO t VALUES (1, 7, 'x')");
    await production.query("ALTER TABLE t ALTER v TYPE text; UPDATE t SET v = 'seven'");
    const proof = await proven();
    expect(isProven(proof)).toBe(false);
    if (major >= 16) expect(differences(proof)).toEqual(['public.t: (1) different']);
    else expect(named(proof)).toEqual([[expect.stringContaining('values of public.t.v could not be compared'), undefined, false]]);
  });

  const made = `CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN feeling AS mood; CREATE TYPE pair AS (m mood, n numeric(10,2), list mood[]);
    CREATE DOMAIN feelings AS mood[]; CREATE DOMAIN pairs AS pair[];`;
  const inside = [
    ['mood[]', "'{sad,NULL}'", "'{blue,NULL}'", "'{blue,glad}'"],
    ['mood[]', "'{{sad},{glad}}'", "'{{blue},{glad}}'", "'{blue,glad}'"],
    ['mood[]', "'{}'", "'{}'", 'NULL'],
    ['feeling', "'sad'", "'blue'", "'glad'"],
    ['feeling[]', "'{sad}'", "'{blue}'", "'{}'"],
    ['feelings', "'{sad}'", "'{blue}'", "'{glad}'"],
    ['pair', `'(sad,1.50,"{sad,glad}")'`, `'(blue,1.5,"{blue,glad}")'`, `'(blue,1.5,"{blue,blue}")'`],
    ['pair', "'(,,)'", "'(,,)'", 'NULL'],
    ['pairs', `'{"(sad,1,{})",NULL}'`, `'{"(blue,1,{})",NULL}'`, `'{"(blue,1,)",NULL}'`],
  ] as const;

  test('renamed labels are the same values wherever they are in a type, and others are not', async () => {
    const create = inside.map(
      ([type, value], n) => `CREATE TABLE t${n} (id int PRIMARY KEY, v ${type}); INSERT INTO t${n} VALUES (1, ${value}), (2, NULL);`,
    );
    await fork(`${made} ${create.join(' ')}`);
    await production.query("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'");
    const equal = await proven();
    expect(equal.notProven).toEqual([]);
    expect(differences(equal)).toEqual([]);
    for (const [n, [, , value]] of inside.entries()) await production.query(`UPDATE t${n} SET v = ${value} WHERE id = 1`);
    expect(differences(await proven())).toEqual([]);
    for (const [n, [, , , other]] of inside.entries()) await production.query(`UPDATE t${n} SET v = ${other} WHERE id = 1`);
    expect(differences(await proven())).toEqual(inside.map((_, n) => `public.t${n}: (1) different`));
  });

  test('a part that a composite type has got is not compared, the others are', async () => {
    await fork(
      "CREATE TYPE addr AS (street text, city text); CREATE TABLE c (id int PRIMARY KEY, a addr, b addr[]); INSERT INTO c VALUES (1, '(s,c)', '{\"(s,c)\"}')",
    );
    await production.query('ALTER TYPE addr ADD ATTRIBUTE zip text CASCADE');
    await production.query(`UPDATE c SET a = '(s,c,z)', b = '{"(s,c,z)"}'`);
    expect(differences(await proven())).toEqual([]);
    await production.query(`UPDATE c SET b = '{"(s,d,z)"}'`);
    expect(differences(await proven())).toEqual(['public.c: (1) different']);
  });
});

test('values of every kind are equal to themselves, and one that differs is found', async () => {
  const kinds: Record<string, string[]> = {
    smallint: ["'-32768'", '0'],
    bigint: ['9223372036854775807'],
    real: ["'NaN'", "'-0'", "'infinity'", '0.1', '1e-40'],
    'double precision': ["'NaN'", "'-0'", "'-Infinity'", '0.1', '1e308', '5e-324'],
    numeric: ["'NaN'", '0', '1.500', '-0.000', "'1e-40'", "'Infinity'"],
    'numeric(10,2)': ["'NaN'", '1.5'],
    text: ["''", "'a\"b,(c)\\'", "E'\\n'", "'ÄÖ€😀'", "'NULL'"],
    'varchar(9)': ["'ab '"],
    'char(5)': ["'ab'", "''"],
    '"char"': ["'a'"],
    name: ["'n'"],
    boolean: ['true', 'false'],
    bytea: ["'\\x'", "'\\x00ff5c'"],
    date: ["'infinity'", "'0044-03-15 BC'", "'4713-01-01 BC'"],
    time: ["'24:00'", "'12:34:56.789012'"],
    timetz: ["'12:00+14'"],
    timestamp: ["'infinity'", "'0001-01-01 BC'", "'2026-10-25 02:30:00.000001'"],
    timestamptz: ["'-infinity'", "'2026-10-25 02:30+02'", "'2026-10-25 02:30+01'", "'0001-01-01 00:00:00+00 BC'"],
    interval: ["'-1 mon 3 days -04:05:06.7'", "'1 year'", "'0'"],
    uuid: ["'0b8c2a6e-0000-4000-8000-000000000000'"],
    json: ['\'{"b":1,  "a":2,"a":3}\'', "'null'", "'[1 ]'"],
    jsonb: ['\'{"b":1,  "a":2}\'', "'null'", "'[]'"],
    xml: ["'<a> b</a>'"],
    money: ["'1.50'", "'-1'"],
    'bit(4)': ["B'1010'"],
    varbit: ["B''", "B'1'"],
    inet: ["'10.0.0.1'", "'::1/64'"],
    cidr: ["'10.0.0.0/8'"],
    macaddr: ["'08:00:2b:01:02:03'"],
    point: ["'(1.1,-0)'", "'(NaN,Infinity)'"],
    circle: ["'<(0,0),1>'"],
    int4range: ["'empty'", "'(,)'", "'[1,5)'"],
    tstzrange: ["'[2026-01-01 00:00+02,)'"],
    int4multirange: ["'{[1,3),[5,7)}'", "'{}'"],
    'integer[]': ["'{}'", "'[0:1]={1,NULL}'", "'{{1,2},{3,4}}'"],
    'text[]': ["'{}'", '\'{"a\\"b,",NULL,"NULL",""}\''],
    tsvector: ["'a:1 b:2A'"],
    tsquery: ["'a & !b'"],
    mood: ["'sad'"],
    'mood[]': ["'{sad,glad}'"],
    pt: ["ROW(1, 'a\"b,')", 'ROW(NULL, NULL)', "ROW(NULL, '')"],
    'pt[]': ["ARRAY[ROW(1, 'x')::pt, NULL]"],
    small: ['7'],
    citext: ["'MiXed'"],
    hstore: ['\'"a"=>"1", "b"=>NULL\''],
  };
  const table = (type: string, number: number) => `CREATE TABLE t${number} (id int PRIMARY KEY, v ${type});`;
  const rows = (values: string[], type: string, number: number) =>
    `INSERT INTO t${number} VALUES ${[...values, 'NULL'].map((value, id) => `(${id}, ${value}::${type})`).join(', ')};`;
  const all = Object.entries(kinds);
  await fork(
    `CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pt AS (x int, y text); CREATE DOMAIN small AS int CHECK (VALUE < 100);
     ${all.map(([type, values], number) => table(type, number) + rows(values, type, number)).join('\n')}`,
    'CREATE EXTENSION citext; CREATE EXTENSION hstore',
  );
  // whatever the two servers say of themselves.
  const admin = await server.superuser();
  for (const set of [
    "datestyle = 'SQL, DMY'",
    "timezone = 'Asia/Tokyo'",
    "bytea_output = 'escape'",
    "intervalstyle = 'iso_8601'",
    'extra_float_digits = -5',
  ])
    await admin.query(`ALTER DATABASE production SET ${set}`);
  await admin.close();
  const proof = await proven();
  expect(differences(proof)).toEqual([]);
  expect(proof.notProven).toEqual([]);
  expect(proof.comparison.tables.map(({ rowsA }) => rowsA).reduce((sum, n) => sum + n)).toBe(
    all.flatMap(([, values]) => [...values, 'NULL']).length,
  );
  // pairs that only their types' equality cannot tell apart.
  const alike = [
    "t3 SET v = '0' WHERE id = 1",
    't4 SET v = 1.5 WHERE id = 2',
    't0 SET v = 1 WHERE id = 2',
    "t43 SET v = 'mixed' WHERE id = 0",
  ];
  for (const change of alike) await fallback.query(`UPDATE ${change.replace('t43', `t${Object.keys(kinds).indexOf('citext')}`)}`);
  expect(differences(await proven()).sort()).toEqual(
    [
      'public.t0: (2) different',
      'public.t3: (1) different',
      'public.t4: (2) different',
      `public.t${Object.keys(kinds).indexOf('citext')}: (0) different`,
    ].sort(),
  );
});

describe('a moment that is gone', () => {
  let note: ComparisonSnapshotNote;

  beforeEach(async () => {
    await fork(`CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people SELECT i, 'p' || i FROM generate_series(1, 1000) i;
      CREATE TABLE notes (id text PRIMARY KEY, note text); INSERT INTO notes SELECT 'n' || i, 'x' FROM generate_series(1, 100) i;
      CREATE TABLE quiet (id int PRIMARY KEY); INSERT INTO quiet VALUES (1), (2)`);
    // rows that came one by one, as from a feed; frozen ones too.
    await fallback.query('UPDATE people SET name = name WHERE id % 2 = 0');
    await fallback.query('VACUUM FREEZE notes');
  });

  /** The moment; then customers write, then it is found to be lost. */
  async function afterwards(customers: string): Promise<Proof> {
    note = JSON.parse(JSON.stringify(await noteComparisonSnapshot(fallback))) as ComparisonSnapshotNote;
    const app = await at('fallback');
    await app.query(customers);
    await app.close();
    const later = await moment();
    const proof = await proveAfterwards(sides, later, note, { record });
    await later.release();
    return proof;
  }

  test('nobody has written since: it is as good as the moment', async () => {
    const proof = await afterwards('SELECT 1');
    expect(proof).toMatchObject({ equal: true, since: { changed: 0, gone: [], tooMany: [] } });
    expect(isProven(proof)).toBe(true);
    expect(proof.comparison.tables.map(({ table, rowsA, rowsB }) => [table, rowsA, rowsB])).toEqual([
      ['public.notes', 100, 100],
      ['public.people', 1000, 1000],
      ['public.quiet', 2, 2],
    ]);
  });

  test('what customers have written since is no difference, and not proven; rows that are gone are named and not claimed', async () => {
    const proof = await afterwards(
      "UPDATE people SET name = 'new' WHERE id <= 10; INSERT INTO people VALUES (2000, 'new'); INSERT INTO notes VALUES ('new', ''); UPDATE notes SET note = note WHERE id = 'n1'; DELETE FROM notes WHERE id IN ('n7', 'n8')",
    );
    expect(differences(proof)).toEqual([]);
    expect(proof).toMatchObject({
      equal: true,
      since: { changed: 11, gone: [{ table: 'public.notes', rows: 2, keys: ['(n7)', '(n8)'], counted: 3 }] },
    });
    expect(isProven(proof)).toBe(false);
  });

  test.each([
    ['an update that never arrived', "UPDATE people SET name = 'old' WHERE id = 500", 'public.people: (500) different'],
    ['a row too many', 'INSERT INTO quiet VALUES (3)', 'public.quiet: (3) only on b'],
  ])('%s is found, whatever customers write', async (_, before, difference) => {
    await fallback.query(before);
    const proof = await afterwards("UPDATE people SET name = 'new' WHERE id <= 10; DELETE FROM notes WHERE id = 'n7'");
    expect(proof.equal).toBe(false);
    expect(differences(proof)).toEqual([difference]);
    expect(proof.since).toMatchObject({ changed: 10 });
  });

  test('a row that never arrived is not taken for one that customers have deleted: nobody has deleted any', async () => {
    await fallback.query('DELETE FROM quiet WHERE id = 2');
    const proof = await afterwards('SELECT 1');
    expect(proof).toMatchObject({
      equal: true,
      since: { changed: 0, gone: [{ table: 'public.quiet', rows: 1, keys: ['(2)'], counted: 0 }] },
    });
    expect(isProven(proof)).toBe(false);
  });

  test('is never taken for what is written now', async () => {
    const taken = await moment();
    await fallback.query("UPDATE people SET name = 'new'");
    await taken.release();
    await expect(prove(sides, taken, { record })).rejects.toThrow(MomentLost);
    await taken.db.close();
    await expect(prove(sides, taken, { record })).rejects.toThrow(MomentLost);
  });

  test('stays when production is lost in the middle, for another try of the same', async () => {
    const taken = await moment();
    await fallback.query("UPDATE people SET name = 'new'; DELETE FROM notes");
    const cut = {
      ...sides,
      production: async () => {
        const db = await at('production');
        const query = async <T>(sql: string): Promise<T[]> => {
          if (/people/.test(sql)) await db.close();
          return db.query<T>(sql);
        };
        return { address: db.address, query, close: () => db.close() } as Db;
      },
    };
    await expect(prove(cut, taken, { record })).rejects.toThrow();
    expect(await prove(sides, taken, { record })).toMatchObject({ equal: true, notProven: [] });
    await taken.release();
  });
});
