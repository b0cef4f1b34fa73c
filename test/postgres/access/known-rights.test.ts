import { endWriters, fence, openTo, prepareFence, proveFenced } from '../../../lib/postgres/access/fence';
import { knownRights, lookAtRights, mayHaveRights } from '../../../lib/postgres/access/known-rights';
import { allowMigrations, moveStrayGrants } from '../../../lib/postgres/access/roles';
import type { Db } from '../../../lib/postgres/connection/connect';
import { blue, database, migrator, prepareUsers, roles, type Server, startServer, stopServers } from '../servers';

let server: Server;
let db: Db;
const dba = (sql: string) => server.test.query(sql, undefined, database);
const major = async () =>
  (await server.test.query<{ major: number }>("SELECT current_setting('server_version_num')::int / 10000 AS major"))[0]!.major;
const reasons = async () => (await proveFenced(db, roles)).reasons;

beforeAll(async () => {
  server = await startServer();
  const first = await server.master();
  await prepareUsers(first);
  await allowMigrations(first, roles);
  await (await server.as(migrator)).query('CREATE TABLE orders (id int PRIMARY KEY, note text); CREATE SEQUENCE tickets');
  await dba('CREATE ROLE stray LOGIN; CREATE ROLE another');
  await fence(first, roles);
});
afterAll(stopServers);
beforeEach(async () => {
  db = await server.master();
  await prepareFence(db, roles);
  expect(await reasons()).toEqual([]);
});

/** Whether a look before the gap is enough, and what it sees of a change that came after it. */
test.each([
  ['a grant on a table', 'GRANT UPDATE ON orders TO stray', 'REVOKE ALL ON orders FROM stray', "'stray' may UPDATE public.orders"],
  [
    'a grant on a column',
    'GRANT UPDATE (note) ON orders TO stray',
    'REVOKE ALL (note) ON orders FROM stray',
    "'stray' may UPDATE public.orders (note)",
  ],
  [
    'a column for everybody',
    'GRANT INSERT (note) ON orders TO PUBLIC',
    'REVOKE ALL (note) ON orders FROM PUBLIC',
    'everyone may INSERT public.orders (note)',
  ],
  ['a table for everybody', 'GRANT DELETE ON orders TO PUBLIC', 'REVOKE ALL ON orders FROM PUBLIC', 'everyone may DELETE public.orders'],
  ['a sequence', 'GRANT UPDATE ON tickets TO stray', 'REVOKE ALL ON tickets FROM stray', "'stray' may UPDATE public.tickets"],
  ['another owner', 'ALTER TABLE orders OWNER TO another', 'ALTER TABLE orders OWNER TO video_owner', "'another' owns public.orders"],
  [
    'a new table of somebody else',
    'CREATE TABLE theirs (n int); ALTER TABLE theirs OWNER TO another',
    'DROP TABLE theirs',
    "'another' owns public.theirs",
  ],
  [
    'a table from another schema',
    'CREATE SCHEMA pile; CREATE TABLE pile.moved (n int); ALTER TABLE pile.moved OWNER TO another; ALTER TABLE pile.moved SET SCHEMA public',
    'DROP TABLE moved; DROP SCHEMA pile',
    "'another' owns public.moved",
  ],
])('%s since the look is seen, and is gone when it is taken back', async (_, change, back, named) => {
  await dba(change);
  // VACUUM FREEZE leaves the number of a row where it was.
  await dba('VACUUM FREEZE pg_class, pg_attribute');
  expect(await reasons()).toContainEqual(expect.stringContaining(named));
  await dba(back);
  expect(await reasons()).toEqual([]);
});

test('a grant that was not committed at the look is newer than it', async () => {
  const session = await server.superuser();
  await session.query('BEGIN; GRANT UPDATE ON orders TO stray');
  const looking = await server.master();
  await lookAtRights(looking);
  // numbers that were given out in between and are over do not hide it.
  await dba('CREATE TABLE beside (n int); DROP TABLE beside');
  await session.query('COMMIT');
  await session.close();
  expect((await proveFenced(looking, roles)).reasons.filter((reason) => reason.includes("'stray' may UPDATE"))).toHaveLength(1);
  await dba('REVOKE ALL ON orders FROM stray');
});

test('who is trusted is asked anew: a holder that was trusted at the look is named when it is no more', async () => {
  await dba('ALTER ROLE stray SUPERUSER; GRANT UPDATE ON orders TO stray');
  const looking = await server.master();
  await prepareFence(looking, roles);
  expect((await proveFenced(looking, roles)).reasons).toEqual([]);
  await dba('ALTER ROLE stray NOSUPERUSER');
  expect((await proveFenced(looking, roles)).reasons).toEqual([expect.stringContaining("'stray' may UPDATE public.orders")]);
  await dba('REVOKE ALL ON orders FROM stray');
});

test('the write role is looked for stray grants only where the look has seen one', async () => {
  expect(mayHaveRights(db, roles.write)).toBe(false);
  await dba(`GRANT INSERT ON orders TO ${roles.write}`);
  await openTo(db, roles, blue.username);
  await fence(db, roles);
  // the proof sees it, and from then on it is known.
  expect(await reasons()).toContainEqual(expect.stringContaining(`'${roles.write}' `));
  expect(mayHaveRights(db, roles.write)).toBe(true);
  await moveStrayGrants(db, roles);
  expect(await reasons()).toEqual([]);
  expect(mayHaveRights(await server.master(), roles.write)).toBe(true);
});

describe('the memberships that were looked at before the gap', () => {
  beforeEach(async () => {
    await openTo(db, roles, blue.username);
    await prepareFence(db, roles);
  });
  const whoHolds = async () => {
    const holds = jest.spyOn(db, 'query');
    const left = await fence(db, roles);
    const looked = holds.mock.calls.filter(([sql]) => sql.includes('AS "could"')).length;
    holds.mockRestore();
    return { left, looked };
  };

  test('are taken away without another look, once', async () => {
    expect(await whoHolds()).toEqual({ left: { open: [], noted: (await major()) < 16 }, looked: 0 });
    expect(await reasons()).toEqual([]);
    await openTo(db, roles, blue.username);
    expect((await whoHolds()).looked).toBe(1);
    expect(await reasons()).toEqual([]);
  });

  test('are looked at again when somebody was granted one since: a session may keep it by SET ROLE', async () => {
    const other = await server.master();
    await other.query(`GRANT video_rights TO stray${(await major()) < 16 ? '' : ' WITH SET TRUE'}`);
    await dba("ALTER ROLE stray PASSWORD 'stray'");
    const kept = await server.as({ username: 'stray', password: 'stray' });
    await kept.query('SET ROLE video_rights');
    const { left, looked } = await whoHolds();
    expect(looked).toBe(1);
    expect(left.noted).toBe(true);
    await endWriters(db, { graceMs: 0 }, left);
    await expect(kept.query("INSERT INTO orders VALUES (77, 'kept')")).rejects.toThrow();
    expect(await reasons()).toEqual([]);
  });

  test('are looked at again when one of them is gone', async () => {
    const other = await server.master();
    await other.query(`REVOKE video_rights FROM ${roles.write} CASCADE`);
    await other.query(`GRANT video_rights TO ${roles.write}`);
    expect((await whoHolds()).looked).toBe(1);
    expect(await reasons()).toEqual([]);
  });
});

test('a look belongs to its connection', async () => {
  expect(knownRights(db)).toMatchObject({ since: expect.stringMatching(/^\d+$/) });
  expect(knownRights(await server.master())).toBeUndefined();
});
