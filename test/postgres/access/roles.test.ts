import { endWriters, fence, openTo, proveFenced, whoOwnsTables, writersAllowed } from '../../../lib/postgres/access/fence';
import {
  allowMigrations,
  ensureUser,
  forbidMigrations,
  migrationsAllowed,
  prepareRoles,
  rightsAsBefore,
  rightsHolder,
  separateRights,
} from '../../../lib/postgres/access/roles';
import { blue, database, failure, green, migrator, prepareUsers, reader, roles, type Server, startServer, stopServers } from '../servers';

let server: Server;
beforeAll(async () => {
  server = await startServer();
  const db = await server.master();
  await db.query('CREATE TABLE early (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)');
  await db.query('CREATE VIEW early_names AS SELECT name FROM early');
  await db.query("CREATE TYPE mood AS ENUM ('good')");
  await db.query('CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS $$ SELECT $1 * 2 $$');
  await db.query('CREATE SCHEMA app');
  await db.query('CREATE TABLE app.deep (id int PRIMARY KEY)');
  await prepareUsers(db);
});
afterAll(stopServers);

test('everything that was there belongs to an owner that nobody can log in as', async () => {
  const db = await server.master();
  expect(await whoOwnsTables(db)).toEqual([{ owner: roles.owner, login: false, tables: 2, example: 'app.deep' }]);
  const rest = await db.query<{ o: string }>(
    `SELECT nspowner::regrole::text AS o FROM pg_namespace WHERE nspname IN ('public','app') UNION SELECT typowner::regrole::text FROM pg_type WHERE typname = 'mood'
     UNION SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'twice' UNION SELECT relowner::regrole::text FROM pg_class WHERE relname LIKE 'early%'`,
  );
  expect(rest).toEqual([{ o: roles.owner }]);
});

test('a color can read and not write, until it is opened to', async () => {
  const db = await server.master();
  const app = await server.as(blue);
  expect(await app.query('SELECT * FROM early')).toEqual([]);
  expect((await failure(app.query("INSERT INTO early (name) VALUES ('x')"))).sqlstate).toBe('42501');
  await openTo(db, roles, blue.username);
  expect(await app.query("INSERT INTO early (name) VALUES ('x') RETURNING id")).toEqual([{ id: 1 }]);
  await app.query("UPDATE early SET name = 'y'");
  await app.query('DELETE FROM early');
  await app.query('TRUNCATE early RESTART IDENTITY').catch(() => app.query('TRUNCATE early'));
  expect(await writersAllowed(db, roles)).toEqual([blue.username]);
  await fence(db, roles);
  expect(await writersAllowed(db, roles)).toEqual([]);
});

test('a reader can never be talked into writing by turning its hint off', async () => {
  const open = await server.as(reader);
  expect(await open.query('SELECT * FROM early')).toEqual([]);
  await open.query('SET default_transaction_read_only = off');
  expect((await failure(open.query("INSERT INTO early (name) VALUES ('x')"))).sqlstate).toBe('42501');
});

test('nobody but the master user sees the tables of Switchback', async () => {
  const db = await server.master();
  await db.query('CREATE TABLE switchback.mine (n int)');
  for (const login of [blue, reader, migrator]) {
    expect((await failure((await server.as(login)).query('SELECT * FROM switchback.mine'))).sqlstate).toBe('42501');
  }
});

test('the migrator acts as the owner exactly while it is allowed to, and what it makes can be read and written by the others', async () => {
  const db = await server.master();
  const before = await server.as(migrator);
  expect((await failure(before.query('CREATE TABLE no (n int)'))).sqlstate).toBe('42501');
  await before.close();

  await allowMigrations(db, roles);
  const during = await server.as(migrator);
  await during.query('CREATE SCHEMA billing');
  await during.query('CREATE TABLE billing.accounts (id serial PRIMARY KEY, name text)');
  await during.query('ALTER TABLE early ADD COLUMN extra int');
  expect(await during.query("SELECT tableowner FROM pg_tables WHERE tablename = 'accounts'")).toEqual([{ tableowner: roles.owner }]);

  await forbidMigrations(db, roles);
  expect(await migrationsAllowed(db, roles)).toBe(false);
  // it had become the owner by SET ROLE, so its session had to go.
  await failure(during.query('CREATE TABLE still (n int)'));
  const after = await server.as(migrator);
  expect((await failure(after.query('SET ROLE video_owner'))).sqlstate).toBe('42501');

  await openTo(db, roles, green.username);
  const app = await server.as(green);
  expect(await app.query("INSERT INTO billing.accounts (name) VALUES ('a') RETURNING id")).toEqual([{ id: 1 }]);
  await fence(db, roles);
});

test('running it all again changes nothing, but a new password', async () => {
  const db = await server.master();
  await openTo(db, roles, blue.username);
  await prepareUsers(db);
  await ensureUser(db, { user: blue.username, password: 'new-secret', kind: 'color', roles, database });
  expect(await writersAllowed(db, roles)).toEqual([blue.username]);
  expect((await failure(server.as(blue))).sqlstate).toBe('28P01');
  await (await server.as({ ...blue, password: 'new-secret' })).query('SELECT * FROM early');
  await ensureUser(db, { user: blue.username, password: blue.password, kind: 'color', roles, database });
  await fence(db, roles);
});

test('a password is nowhere in the log of the server, not even where every statement is logged', async () => {
  const logging = await startServer({ settings: { logging_collector: 'on', log_directory: 'log', log_statement: 'all' } });
  const db = await logging.master();
  await prepareRoles(db, { database, roles });
  await ensureUser(db, { user: 'logged', password: 'do-not-log-me', kind: 'color', roles, database });
  await failure(logging.as({ username: 'logged', password: 'do-not-log-me-either' }));
  await (await logging.as({ username: 'logged', password: 'do-not-log-me' })).query('SELECT 1');
  const [log] = await (await logging.superuser()).query<{ text: string }>('SELECT pg_read_file(pg_current_logfile()) AS text');
  expect(log!.text).toContain('CREATE ROLE "logged"');
  expect(log!.text).not.toContain('do-not-log-me');
});

test('the user an application used so far hands its tables over, and keeps reading', async () => {
  const other = await startServer();
  const admin = await other.master();
  await admin.query("CREATE ROLE shop LOGIN PASSWORD 'shop-secret'");
  await admin.query('GRANT ALL ON SCHEMA public TO shop');
  const shop = { username: 'shop', password: 'shop-secret' };
  const app = await other.as(shop);
  await app.query('CREATE TABLE orders (id serial PRIMARY KEY)');
  await prepareRoles(admin, { database, roles, adopt: ['shop'] });
  await ensureUser(admin, { user: 'shop', password: shop.password, kind: 'color', roles, database });
  expect(await whoOwnsTables(admin)).toEqual([{ owner: roles.owner, login: false, tables: 1, example: 'public.orders' }]);
  expect(await app.query('SELECT * FROM orders')).toEqual([]);
  expect((await failure(app.query('INSERT INTO orders DEFAULT VALUES'))).sqlstate).toBe('42501');
  await openTo(admin, roles, 'shop');
  expect(await app.query('INSERT INTO orders DEFAULT VALUES RETURNING id')).toEqual([{ id: 1 }]);
});

test('rights get a role of their own while customers write, a fence holds before and after, and there is a way back', async () => {
  const old = await startServer();
  const db = await old.master();
  await db.query('CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)');
  await prepareUsers(db);
  await rightsAsBefore(db, roles);
  expect(await rightsHolder(db, roles)).toBe(roles.write);
  // as an earlier version left it, it can be opened and fenced.
  await openTo(db, roles, blue.username);
  const app = await old.as(blue);
  await app.query("INSERT INTO t (name) VALUES ('before')");
  await fence(db, roles);
  await endWriters(db, { graceMs: 0 });
  expect((await proveFenced(db, roles)).reasons).toEqual([]);
  await openTo(db, roles, blue.username);

  let over = false;
  let wrote = 0;
  const customer = await old.as(blue);
  const writing = (async () => {
    for (; !over; wrote += 1) await customer.query("INSERT INTO t (name) VALUES ('meanwhile')");
  })();
  for (let round = 0; round < 3; round += 1) {
    await separateRights(db, roles);
    expect(await rightsHolder(db, roles)).toBe('video_rights');
    expect(await writersAllowed(db, roles)).toEqual([blue.username]);
    await rightsAsBefore(db, roles);
    expect(await writersAllowed(db, roles)).toEqual([blue.username]);
  }
  await separateRights(db, roles);
  over = true;
  await writing;
  expect(wrote).toBeGreaterThan(0);

  // what is made later belongs to it, too; a fence stays up through the way back and forth.
  await allowMigrations(db, roles);
  await (await old.as(migrator)).query('CREATE TABLE later (id serial PRIMARY KEY)');
  await fence(db, roles);
  await endWriters(db, { graceMs: 0 });
  expect((await proveFenced(db, roles)).reasons).toEqual([]);
  await rightsAsBefore(db, roles);
  expect((await proveFenced(db, roles)).reasons).toEqual([]);
  await separateRights(db, roles);
  expect((await proveFenced(db, roles)).reasons).toEqual([]);
  await openTo(db, roles, green.username);
  await (await old.as(green)).query('INSERT INTO later DEFAULT VALUES');
  expect((await failure((await old.as(blue)).query('INSERT INTO later DEFAULT VALUES'))).sqlstate).toBe('42501');
  await old.test.stop();
});
