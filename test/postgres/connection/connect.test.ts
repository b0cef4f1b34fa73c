import { ConnectionLost, connect, DatabaseError, ident, literal, OutcomeUnknown } from '../../../lib/postgres/connection/connect';
import { failure, master, type Server, startServer, stopServers } from '../servers';

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(stopServers);

test('a session shows itself as switchback and reads values in one form everywhere', async () => {
  const db = await server.master();
  const [row] = await db.query<{ application: string; zone: string }>(
    "SELECT current_setting('application_name') AS application, current_setting('TimeZone') AS zone",
  );
  expect(row).toEqual({ application: 'switchback', zone: 'UTC' });
});

test('an error keeps its SQLSTATE', async () => {
  const db = await server.master();
  const error = await failure(db.query('SELECT * FROM nothing_here'));
  expect(error).toBeInstanceOf(DatabaseError);
  expect(error.sqlstate).toBe('42P01');
});

test('a wrong password is said with who and where, never with the password', async () => {
  const error = await failure(connect(server.address, { username: 'master', password: 'guess-4711' }));
  expect(error.sqlstate).toBe('28P01');
  expect(error.message).toContain(`master at 127.0.0.1:${server.address.port}/video`);
  expect(JSON.stringify(error) + error.message + error.stack).not.toContain('guess-4711');
});

test('a server that is not there is a lost connection, not an answer', async () => {
  const error = await failure(connect({ ...server.address, port: 1 }, master));
  expect(error).toBeInstanceOf(ConnectionLost);
  expect(error.message).toContain('ECONNREFUSED');
});

test('a database elsewhere is only reached over TLS with a certificate that can be verified', async () => {
  // The server has no TLS: were it asked to go without, it would answer.
  const error = await failure(connect({ ...server.address, host: '0.0.0.0' }, master));
  expect(error.message).toContain('does not support SSL');
});

test('a transaction is all or nothing, and the next statement waits for it', async () => {
  const db = await server.master();
  await db.query('CREATE TABLE t (n int)');
  const rolledBack = failure(
    db.transaction(async (inside) => {
      await inside.query('INSERT INTO t VALUES (1)');
      throw new Error('changed my mind');
    }),
  );
  const after = db.query('SELECT * FROM t');
  expect((await rolledBack).message).toBe('changed my mind');
  expect(await after).toEqual([]);
});

test('a transaction inside a transaction can fail by itself', async () => {
  const db = await server.master();
  await db.query('CREATE TABLE nested (n int)');
  await db.transaction(async (outer) => {
    await outer.query('INSERT INTO nested VALUES (1)');
    await failure(outer.transaction((inner) => inner.query('INSERT INTO nested VALUES (2), (1/0)')));
    await outer.query('INSERT INTO nested VALUES (3)');
  });
  expect(await db.query('SELECT n FROM nested ORDER BY n')).toEqual([{ n: 1 }, { n: 3 }]);
});

test('of several statements sent at once each is a transaction of its own, in their order', async () => {
  const db = await server.master();
  await db.query('CREATE TABLE several (n int PRIMARY KEY)');
  const numbers = 'SELECT n FROM several ORDER BY n';
  const [, one, , two] = await db.queries<[unknown, { n: number }, unknown, { n: number }]>([
    'INSERT INTO several VALUES (1)',
    numbers,
    'INSERT INTO several VALUES (2)',
    numbers,
  ]);
  expect([one, two]).toEqual([[{ n: 1 }], [{ n: 1 }, { n: 2 }]]);
  // one that fails neither undoes those before it nor keeps those after it from running, and is what is heard.
  await expect(
    db.queries(['INSERT INTO several VALUES (3)', 'INSERT INTO several VALUES (1)', 'INSERT INTO several VALUES (4)']),
  ).rejects.toMatchObject({ sqlstate: '23505' });
  expect(await db.query(numbers)).toEqual([1, 2, 3, 4].map((n) => ({ n })));
  const [[first], [second]] = await db.queries<[{ number: string }, { number: string }]>([
    'SELECT pg_current_xact_id()::text AS number',
    'SELECT pg_current_xact_id()::text AS number',
  ]);
  expect(first!.number).not.toBe(second!.number);
  await expect(db.transaction((inside) => inside.queries([numbers]))).rejects.toThrow(/cannot hold transactions/);
});

test('statements of a transaction that are sent at once fail together, with the error of the first', async () => {
  const db = await server.master();
  await db.query('CREATE TABLE at_once (n int PRIMARY KEY)');
  const insert = (n: number) => `INSERT INTO at_once VALUES (${n})`;
  await db.transaction((inside) => Promise.all([1, 2, 3].map((n) => inside.query(insert(n)))));
  const failed = db.transaction((inside) => Promise.all([4, 2, 5].map((n) => inside.query(insert(n)))));
  await expect(failed).rejects.toMatchObject({ sqlstate: '23505' });
  expect(await db.query('SELECT n FROM at_once ORDER BY n')).toEqual([1, 2, 3].map((n) => ({ n })));
});

test('a statement that takes longer than it may gives the connection up', async () => {
  const db = await connect(server.address, master, { statementTimeoutMs: 50 });
  await expect(db.query('SELECT pg_sleep(5)')).rejects.toBeInstanceOf(ConnectionLost);
  await expect(db.query('SELECT 1')).rejects.toBeInstanceOf(ConnectionLost);
});

test('a transaction whose statement failed unnoticed is not reported as committed', async () => {
  const db = await server.master();
  const error = await failure(db.transaction((inside) => inside.query('SELECT 1/0').catch(() => undefined)));
  expect(error.message).toContain('rolled back');
});

test('a connection that ends during COMMIT leaves the outcome unknown', async () => {
  const db = await server.master();
  const other = await server.superuser();
  await db.query('CREATE TABLE slow (n int)');
  // A deferred trigger runs inside COMMIT: there the session is ended.
  await db.query('CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN NULL; END $$');
  await db.query('CREATE CONSTRAINT TRIGGER w AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()');
  const committing = failure(db.transaction((inside) => inside.query('INSERT INTO slow VALUES (1)')));
  for (;;) {
    const ended = await other.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'",
    );
    if (ended.length > 0) break;
  }
  const error = await committing;
  expect(error).toBeInstanceOf(OutcomeUnknown);
  expect(error.sqlstate).toBe('57P01');
  // and the connection says so from then on, without a word to the server.
  expect((await failure(db.query('SELECT 1'))).message).toContain('nothing was sent');
});

test('a connection that ends before COMMIT is lost, and nothing was committed', async () => {
  const db = await server.master();
  const other = await server.superuser();
  const error = await failure(
    db.transaction(async (inside) => {
      const [me] = await inside.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await inside.query('CREATE TABLE never (n int)');
      await other.query('SELECT pg_terminate_backend($1, 5000)', [me!.pid]);
      await inside.query('SELECT 1');
    }),
  );
  expect(error).toBeInstanceOf(ConnectionLost);
  expect(error).not.toBeInstanceOf(OutcomeUnknown);
  expect(await other.query("SELECT to_regclass('never') AS t")).toEqual([{ t: null }]);
});

test('names and texts are quoted', async () => {
  const db = await server.master();
  const name = 'we"ird na\\me';
  expect(await db.query(`SELECT ${literal("o'clock \\ back")} AS ${ident(name)}`)).toEqual([{ [name]: "o'clock \\ back" }]);
});

test('a replication connection answers replication commands', async () => {
  const db = await server.as(master, { replication: true });
  const [row] = await db.query<{ systemid: string; timeline: number }>('IDENTIFY_SYSTEM');
  expect(Number(row!.timeline)).toBe(1);
});
