import { connect, DatabaseError, type Db } from '../../../lib/postgres/connection/connect';
import { makeTwin, twinState } from '../../../lib/postgres/replication/twin';
import { database, master, prepareUsers, reader, roles, type Server, startServer, stopServers } from '../servers';

let server: Server;
let third: Db;
const named = { from: database, to: `${database}_twin` };

beforeAll(async () => {
  server = await startServer();
  const db = await server.master();
  await db.query('CREATE TABLE charges (id int PRIMARY KEY, cents int)');
  await db.query('INSERT INTO charges VALUES (1, 100)');
  await prepareUsers(db);
  await db.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
  await db.query(`ALTER DATABASE ${database} SET search_path = public, "Odd"`);
  await db.query(`ALTER DATABASE ${database} SET work_mem = '7MB'`);
  await db.query(`ALTER ROLE ${roles.reader} IN DATABASE ${database} SET application_name = 'a ''reader'''`);
  third = await connect({ ...server.address, database: 'postgres' }, master);
});
afterAll(async () => {
  await third.close();
  await stopServers();
});

const facts = async (name: string) => {
  const db = await connect({ ...server.address, database: name }, master);
  const [row] = await db.query(
    `SELECT 'charges'::regclass::oid::int8::float8 AS oid, (SELECT cents FROM charges) AS cents, current_setting('search_path') AS path, current_setting('work_mem') AS memory,
            (SELECT array_agg(privilege_type || ' ' || grantee::regrole ORDER BY privilege_type, grantee::regrole::text)::text FROM pg_database, aclexplode(datacl) WHERE datname = current_database() AND grantee <> datdba) AS rights,
            (SELECT setconfig::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase AND datname = current_database() WHERE setrole <> 0) AS "ofReader"`,
  );
  await db.close();
  return row;
};

test('is the same database under another name: rows, OIDs, rights on it, settings of it; whoever was connected is ended', async () => {
  expect(await twinState(third, named)).toBe('none');
  const customer = await server.as(reader);
  const before = await facts(database);
  await makeTwin(third, named);
  await expect(customer.query('SELECT 1')).rejects.toThrow(DatabaseError);
  expect(await twinState(third, named)).toBe('whole');
  expect(await facts(named.to)).toEqual(before);
  expect(before).toMatchObject({ cents: 100, path: 'public, "Odd"', memory: '7MB', ofReader: expect.stringContaining("a 'reader'") });
});

test('one whose maker died before the rights is finished by the next, and made again by nobody', async () => {
  await third.query(`COMMENT ON DATABASE ${named.to} IS NULL`);
  await third.query(`REVOKE ALL ON DATABASE ${named.to} FROM ${roles.reader}`);
  expect(await twinState(third, named)).toBe('begun');
  const [{ oid } = { oid: 0 }] = await third.query<{ oid: number }>('SELECT oid::int8::float8 AS oid FROM pg_database WHERE datname = $1', [
    named.to,
  ]);
  await makeTwin(third, named);
  await makeTwin(third, named);
  expect(await third.query('SELECT oid::int8::float8 AS oid FROM pg_database WHERE datname = $1', [named.to])).toEqual([{ oid }]);
  expect(await facts(named.to)).toEqual(await facts(database));
});
