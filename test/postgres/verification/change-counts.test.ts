import { openTo } from '../../../lib/postgres/access/fence';
import { type Baseline, changesSince, settledChanges, takeBaseline } from '../../../lib/postgres/verification/change-counts';
import { blue, prepareUsers, roles, startServer, stopServers } from '../servers';

afterAll(stopServers);

test('changes since a baseline are counted by table, and survive a clean restart and a rename', async () => {
  const server = await startServer();
  let db = await server.master();
  await db.query('CREATE TABLE charges (id int PRIMARY KEY, cents int)');
  await db.query('CREATE TABLE views (id int PRIMARY KEY)');
  await db.query('INSERT INTO charges SELECT i, i FROM generate_series(1, 100) i');
  await prepareUsers(db);
  await openTo(db, roles, blue.username);
  const baseline = JSON.parse(JSON.stringify(await takeBaseline(db))) as Baseline;
  expect(await changesSince(db, baseline)).toEqual([]);

  const app = await server.as(blue);
  await app.query('INSERT INTO charges SELECT i, i FROM generate_series(101, 103) i');
  await app.query('UPDATE charges SET cents = 0 WHERE id <= 2');
  await app.query('DELETE FROM charges WHERE id = 3');
  await app.query('INSERT INTO views VALUES (1)');
  // sessions report at their end, or a second after they went idle.
  await app.close();
  const expected = [
    { table: 'public.charges', inserted: 3, updated: 2, deleted: 1 },
    { table: 'public.views', inserted: 1, updated: 0, deleted: 0 },
  ];
  expect(await settledChanges(db, baseline, { quietMs: 200 })).toEqual(expected);

  await db.query('ALTER TABLE views RENAME TO playbacks');
  await db.close();
  await server.test.restart();
  db = await server.master();
  expect(await changesSince(db, baseline)).toEqual([expected[0], { table: 'public.playbacks', inserted: 1, updated: 0, deleted: 0 }]);

  await db.query('TRUNCATE playbacks');
  expect((await changesSince(db, baseline)).find(({ table }) => table === 'public.playbacks')?.incomplete).toContain('truncated');
});

test('after a crash the count is called incomplete', async () => {
  const server = await startServer();
  const db = await server.master();
  await db.query('CREATE TABLE charges (id int PRIMARY KEY)');
  await db.query('INSERT INTO charges SELECT generate_series(1, 10)');
  const baseline = await takeBaseline(db);
  await server.test.crash();
  await server.test.restart();
  const again = await server.master();
  await again.query('INSERT INTO charges SELECT generate_series(11, 40)');
  expect(await changesSince(again, baseline)).toEqual([
    { table: 'public.charges', inserted: 30, updated: 0, deleted: 0, incomplete: expect.stringContaining('reset') },
  ]);
});
