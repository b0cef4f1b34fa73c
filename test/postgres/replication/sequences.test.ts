import type { Db } from '../../../lib/postgres/connection/connect';
import { advanceSequences, endingSequences } from '../../../lib/postgres/replication/sequences';
import { startServer, stopServers } from '../servers';

let from: Db;
let to: Db;
beforeAll(async () => {
  [from, to] = [await (await startServer()).master(), await (await startServer()).master()];
  for (const db of [from, to]) {
    await db.query('CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)');
    await db.query('CREATE SEQUENCE down INCREMENT -5');
    await db.query('CREATE SEQUENCE "Unused Name"');
    await db.query('CREATE SEQUENCE small AS smallint');
    await db.query('CREATE SEQUENCE cached CACHE 50');
  }
});
afterAll(stopServers);

test('every used sequence is moved ahead by the margin, in its own direction, and never back', async () => {
  await from.query('INSERT INTO orders SELECT FROM generate_series(1, 42)');
  await from.query("SELECT nextval('down'), nextval('down'), nextval('cached')");
  await from.query("SELECT setval('small', 32700)");
  await from.query('CREATE SEQUENCE made_by_a_migration');
  await from.query("SELECT nextval('made_by_a_migration')");
  await to.query("SELECT setval('cached', 100000)");

  const result = await advanceSequences(from, to, 1000);
  expect(result.moved).toEqual([
    { sequence: 'public.down', from: '-1', to: '-5006' },
    { sequence: 'public.orders_id_seq', from: '1', to: '1042' },
    { sequence: 'public.small', from: '1', to: '32767' },
  ]);
  expect(result.missing).toEqual(['public.made_by_a_migration']);
  expect(result.nearEnd).toEqual(['public.small']);
  expect(await to.query('INSERT INTO orders DEFAULT VALUES RETURNING id::int')).toEqual([{ id: 1043 }]);
  expect(await to.query(`SELECT nextval('"Unused Name"')::int AS n`)).toEqual([{ n: 1 }]);
});

test('running it again moves nothing', async () => {
  expect((await advanceSequences(from, to, 500)).moved).toEqual([]);
});

test('a sequence whose numbers the other side cannot go on with is named, and those that are short by nature or begin anew are not', async () => {
  for (const db of [from, to])
    await db.query(
      'CREATE SEQUENCE wide; CREATE SEQUENCE round AS smallint CYCLE; CREATE SEQUENCE brief MAXVALUE 100; CREATE SEQUENCE falling INCREMENT -1 MINVALUE -20000',
    );
  // a migration has widened it on the one side only.
  await to.query('ALTER SEQUENCE wide AS int');
  await from.query("SELECT setval('wide', 2147483000), setval('round', 32767), setval('brief', 50), setval('falling', -19000)");
  const said = async () => (await endingSequences(from, to, 10_000)).filter((text) => !text.includes('small'));
  expect(await said()).toEqual([
    'the sequence public.falling has 1000 numbers left on the fallback',
    'the sequence public.wide has 647 numbers left on the fallback',
  ]);
  await from.query("SELECT setval('wide', 3000000000), setval('falling', -1), setval('brief', 95)");
  expect(await said()).toEqual([
    'the sequence public.brief has 5 numbers left on the fallback',
    'the sequence public.wide has no numbers left on the fallback',
  ]);
});

test('a sequence that a migration has renamed goes past what its column holds', async () => {
  const made = "CREATE TABLE users (id serial PRIMARY KEY); CREATE SEQUENCE refs; CREATE TABLE notes (ref int DEFAULT nextval('refs'))";
  for (const db of [from, to]) await db.query(made);
  await from.query(
    'ALTER TABLE users RENAME TO accounts; ALTER SEQUENCE users_id_seq RENAME TO accounts_id_seq; ALTER SEQUENCE refs RENAME TO marks',
  );
  // as a feed brings them: with their numbers, and without the sequences.
  await to.query('INSERT INTO users SELECT generate_series(1, 70); INSERT INTO notes SELECT 90');
  const { moved } = await advanceSequences(from, to, 1000);
  expect(moved.filter(({ sequence }) => /refs|users/.test(sequence))).toEqual([
    { sequence: 'public.refs', from: '1', to: '1090' },
    { sequence: 'public.users_id_seq', from: '1', to: '1070' },
  ]);
});

test('a thousand sequences are moved', async () => {
  for (const db of [from, to]) await db.query("DO $$ BEGIN FOR i IN 1..1000 LOOP EXECUTE 'CREATE SEQUENCE s' || i; END LOOP; END $$");
  await from.query("SELECT nextval(('s' || i)::regclass) FROM generate_series(1, 1000) i");
  expect((await advanceSequences(from, to, 100)).moved.filter(({ sequence }) => /\.s\d+$/.test(sequence))).toHaveLength(1000);
});
