import type { Db } from '../../../lib/postgres/connection/connect';
import { compareTables, exportSnapshot, fingerprint, importSnapshot, type Progress } from '../../../lib/postgres/verification/compare';
import { failure, type Server, startServer, stopServers } from '../servers';

let servers: Server[];
let a: Db;
let b: Db;
beforeAll(async () => {
  servers = [await startServer(), await startServer()];
  [a, b] = [await servers[0]!.master(), await servers[1]!.master()];
  for (const db of [a, b]) {
    await db.query(
      'CREATE TABLE orders (id int PRIMARY KEY, note text, cents numeric, at timestamptz, "odd Name" jsonb, twice numeric GENERATED ALWAYS AS (cents * 2) STORED)',
    );
    await db.query(
      "INSERT INTO orders SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE 'note ' || i END, i / 100.0, timestamptz '2026-01-01' + i * interval '1 min', '{\"a\": 1}' FROM generate_series(1, 20000) i",
    );
    await db.query('CREATE TABLE words (word text, lang text, n int, PRIMARY KEY (word, lang))');
    await db.query("INSERT INTO words SELECT 'Wörd-' || i, 'de', i FROM generate_series(1, 3000) i");
    await db.query('CREATE TABLE keyless (n int)');
    await db.query('INSERT INTO keyless SELECT i % 10 FROM generate_series(1, 1000) i');
    await db.query('CREATE TABLE pairs (x int, y uuid, v text, PRIMARY KEY (x, y))');
    await db.query('INSERT INTO pairs SELECT i / 10, md5(i::text)::uuid, i::text FROM generate_series(1, 5000) i');
    await db.query('CREATE TABLE empty (id int PRIMARY KEY)');
    await db.query('ANALYZE');
  }
});
afterAll(stopServers);

test('equal rows are equal whatever their order on disk, and every row was looked at', async () => {
  await b.query('UPDATE orders SET note = note WHERE id % 3 = 0');
  const seen: Progress[] = [];
  const result = await compareTables(a, b, { partRows: 3_000, onProgress: (progress) => seen.push(progress) });
  expect(result).toMatchObject({ equal: true, rows: 29_000, onlyA: [], onlyB: [] });
  expect(result.tables.map(({ table, rowsA }) => [table, rowsA])).toEqual([
    ['public.empty', 0],
    ['public.keyless', 1000],
    ['public.orders', 20000],
    ['public.pairs', 5000],
    ['public.words', 3000],
  ]);
  expect(seen.at(-1)).toMatchObject({ rows: 29_000, ofRows: 29_000 });
  expect(seen.filter(({ table }) => table === 'public.orders')).toHaveLength(7);
});

test('each kind of difference is found, with its first keys', async () => {
  await b.query("UPDATE orders SET note = '' WHERE id = 7");
  await b.query('DELETE FROM orders WHERE id = 12345');
  await b.query('INSERT INTO orders (id) VALUES (20001)');
  await b.query("UPDATE words SET n = -1 WHERE word = 'Wörd-77'");
  await b.query('INSERT INTO keyless VALUES (3)');
  await b.query("UPDATE pairs SET v = 'changed' WHERE x = 200");
  const result = await compareTables(a, b, { partRows: 1_000, maxKeys: 4 });
  expect(result.equal).toBe(false);
  const found = Object.fromEntries(result.tables.filter((table) => !table.equal).map((table) => [table.table, table.differences]));
  expect(found).toEqual({
    'public.orders': [
      { key: '(7)', is: 'different' },
      { key: '(12345)', is: 'only on a' },
      { key: '(20001)', is: 'only on b' },
    ],
    'public.words': [{ key: '(Wörd-77,de)', is: 'different' }],
    'public.keyless': [{ key: expect.stringMatching(/^row -?\d+$/), is: 'different' }],
    'public.pairs': Array(4).fill({ key: expect.stringMatching(/^\(200,/), is: 'different' }),
  });
});

test('only what is asked for is compared', async () => {
  expect((await compareTables(a, b, { tables: ['public.empty'] })).equal).toBe(true);
  expect((await compareTables(a, b, { tables: ['public.words'], columns: { 'public.words': ['word', 'lang'] } })).equal).toBe(true);
  expect((await failure(compareTables(a, b, { tables: ['public.nothing'] }))).message).toBe(
    'there is no table public.nothing to compare, on either side',
  );
});

test('tables that one side lacks are named', async () => {
  await a.query('CREATE TABLE made_by_migration (id int)');
  const result = await compareTables(a, b);
  expect([result.onlyA, result.onlyB]).toEqual([['public.made_by_migration'], []]);
});

test('a snapshot shows its moment while others write', async () => {
  const [keeper, other] = [await servers[0]!.master(), await servers[0]!.master()];
  const before = await fingerprint(a, 'orders', ['id', 'note']);
  const snapshot = await exportSnapshot(keeper);
  await a.query("UPDATE orders SET note = 'later'");
  expect(await fingerprint(snapshot.db, 'orders', ['id', 'note'])).toEqual(before);
  await importSnapshot(other, snapshot.id);
  expect(await fingerprint(other, 'orders', ['id', 'note'])).toEqual(before);
  await snapshot.release();
  expect(await fingerprint(keeper, 'orders', ['id', 'note'])).not.toEqual(before);
});
