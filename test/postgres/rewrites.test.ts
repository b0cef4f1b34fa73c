import { connect, type Db } from '../../lib/postgres/connect';
import { exclusiveLocks, readFiles, rewritten } from '../../lib/postgres/rewrites';
import { startServer, type TestServer } from '../_helpers/postgres';

let server: TestServer;
let db: Db;
let other: Db;
beforeAll(async () => {
  server = await startServer();
  const open = () =>
    connect({ host: server.host, port: server.port, database: 'postgres' }, { username: server.superuser, password: server.password });
  [db, other] = [await open(), await open()];
  await db.query("create table films (id int primary key, title text, seconds int); insert into films values (1, 'a', 60)");
  await db.query('create table songs (id int primary key)');
});
afterAll(async () => {
  await Promise.all([db.close(), other.close()]);
  await server.stop();
});

const after = async (sql: string): Promise<string[]> => {
  const before = await readFiles(db);
  await db.query(sql);
  return rewritten(before, await readFiles(db)).map(({ table }) => table);
};

test.each([
  ['a wider number', 'alter table films alter seconds type bigint', ['public.films']],
  ['a volatile default', 'alter table films add made timestamptz default clock_timestamp()', ['public.films']],
  ['a constant default', 'alter table films add free bool not null default false', []],
  ['another name', 'alter table songs rename to tracks', []],
  ['a new table', 'create table artists (id int)', []],
])('%s writes anew: %s', async (_, sql, tables) => {
  expect(await after(sql)).toEqual(tables);
});

test('a table that nobody may read is seen for as long as it is closed, and by whom since when', async () => {
  await other.transaction(async (inside) => {
    await inside.query('alter table films add note text');
    const [first, ...more] = await exclusiveLocks(db);
    expect(more).toEqual([]);
    expect(first).toEqual({ table: 'public.films', by: expect.stringMatching(/^\d+ \d{4}-/) });
    // the same lock is the same at the next look.
    expect(await exclusiveLocks(db)).toEqual([first]);
  });
  expect(await exclusiveLocks(db)).toEqual([]);
});
