/** A moment that was lost with its process: what can still be proven, and that nothing more is claimed. */

import { connect, type Db } from '../../../lib/postgres/connection/connect';
import { readCatalog } from '../../../lib/postgres/schema/catalog';
import { classify } from '../../../lib/postgres/schema/classify';
import { type Mapping, mapping } from '../../../lib/postgres/schema/mapping';
import {
  type ComparisonSnapshotNote,
  noteComparisonSnapshot,
  type Proof,
  proveAfterwards,
} from '../../../lib/postgres/verification/equality';
import { master, type Server, startServer, stopServers } from '../servers';

let server: Server;
let production: Db;
let fallback: Db;
let what: Mapping;
let note: ComparisonSnapshotNote;

beforeAll(async () => {
  server = await startServer();
});
afterAll(stopServers);

beforeEach(async () => {
  const admin = await server.superuser();
  await admin.query('DROP DATABASE IF EXISTS a').then(() => admin.query('DROP DATABASE IF EXISTS b'));
  for (const name of ['a', 'b']) await admin.query(`CREATE DATABASE ${name} OWNER master TEMPLATE template0`);
  await admin.close();
  const at = (database: string) => connect({ ...server.address, database }, master);
  [production, fallback] = [await at('a'), await at('b')];
  for (const db of [production, fallback])
    await db.query(`CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people SELECT i, 'p' || i FROM generate_series(1, 1000) i;
      CREATE TABLE notes (id text PRIMARY KEY, note text); INSERT INTO notes SELECT 'n' || i, 'x' FROM generate_series(1, 100) i;
      CREATE TABLE quiet (id int PRIMARY KEY); INSERT INTO quiet VALUES (1), (2)`);
  // rows that came one by one, as from a feed; frozen ones too.
  await fallback.query('UPDATE people SET name = name WHERE id % 2 = 0');
  await fallback.query('VACUUM FREEZE notes');
  what = mapping(classify(await readCatalog(fallback), await readCatalog(production)).plan, { names: 'old' });
});
afterEach(async () => {
  await production.close();
  await fallback.close();
});

/** The moment; then customers write, then it is found to be lost. */
async function afterwards(customers: string): Promise<Proof> {
  note = JSON.parse(JSON.stringify(await noteComparisonSnapshot(fallback))) as ComparisonSnapshotNote;
  const app = await connect({ ...server.address, database: 'b' }, master);
  await app.query(customers);
  await app.close();
  const own = await connect({ ...server.address, database: 'b' }, master);
  try {
    return await proveAfterwards(production, own, note, what);
  } finally {
    await own.close();
  }
}

const differences = ({ comparison }: Proof) =>
  comparison.tables
    .filter(({ equal }) => !equal)
    .map(({ table, differences: found }) => `${table}: ${found.map(({ key, is }) => `${key} ${is}`).join(', ')}`);

test('nobody has written since: it is as good as the moment', async () => {
  const proof = await afterwards('SELECT 1');
  expect(proof).toMatchObject({ equal: true, since: { changed: 0, gone: [], tooMany: [] } });
  expect(proof.comparison.tables.map(({ table, rowsA, rowsB }) => [table, rowsA, rowsB])).toEqual([
    ['public.notes', 100, 100],
    ['public.people', 1000, 1000],
    ['public.quiet', 2, 2],
  ]);
});

test('what customers have written since is counted, and is no difference; rows that are gone are named and not claimed', async () => {
  const proof = await afterwards(
    "UPDATE people SET name = 'new' WHERE id <= 10; INSERT INTO people VALUES (2000, 'new'); INSERT INTO notes VALUES ('new', ''); UPDATE notes SET note = note WHERE id = 'n1'; DELETE FROM notes WHERE id IN ('n7', 'n8')",
  );
  expect(differences(proof)).toEqual([]);
  expect(proof).toMatchObject({
    equal: true,
    since: { changed: 11, gone: [{ table: 'public.notes', rows: 2, keys: ['(n7)', '(n8)'], counted: 3 }] },
  });
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
});
