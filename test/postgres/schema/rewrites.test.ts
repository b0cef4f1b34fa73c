import { connect, type Db } from '../../../lib/postgres/connection/connect';
import { locksHeld, noteLocks, prepareLocks, readFiles, rewritten } from '../../../lib/postgres/schema/rewrites';
import { startServer, type TestServer } from '../../_helpers/postgres';

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

test('a table that nobody may read is told once, and for how long it was closed is known to whoever looks next', async () => {
  const third = await connect({ ...db.address }, { username: server.superuser, password: server.password });
  await prepareLocks(db);
  await other.transaction(async (inside) => {
    await inside.query('alter table films add note text');
    expect(await noteLocks(db, 'expand')).toEqual([]);
    // the time is the server's: the note is made older than it is, instead of waiting.
    await db.query("update switchback.locks_seen set since = since - interval '2 s'");
    // another connection, as of the invocation after this one.
    expect(await noteLocks(third, 'expand')).toEqual(['public.films']);
    expect(await noteLocks(third, 'expand')).toEqual([]);
  });
  await third.close();
  expect(await noteLocks(db, 'expand')).toEqual([]);
  expect(await locksHeld(db, 'expand')).toEqual([{ table: 'public.films', seconds: expect.closeTo(2, 0) }]);
  expect(await locksHeld(db, 'contract')).toEqual([]);
});
