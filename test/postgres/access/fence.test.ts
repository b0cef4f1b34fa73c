import {
  allowMigrations,
  endWriters,
  fence,
  openTo,
  openWrites,
  type Proof,
  proveFenced,
  writersAllowed,
} from '../../../lib/postgres/access/fence';
import { moveStrayGrants, strayGrants } from '../../../lib/postgres/access/roles';
import { connect, type Db } from '../../../lib/postgres/connection/connect';
import { pollEvery } from '../../../lib/postgres/connection/lsn';
import { majorVersion } from '../../../lib/postgres/connection/server';
import { blue, failure, green, master, migrator, prepareUsers, reader, roles, type Server, startServer, stopServers } from '../servers';

let server: Server;
let db: Db;
let major: number;
beforeAll(async () => {
  server = await startServer();
  db = await server.master();
  major = await majorVersion(db);
  await prepareUsers(db);
  await allowMigrations(db, roles);
  const migration = await server.as(migrator);
  await migration.query('CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text, at timestamptz DEFAULT now())');
  await fence(db, roles);
});
afterAll(stopServers);
beforeEach(() => openTo(db, roles, blue.username));
afterEach(async () => {
  await fence(db, roles);
  await endWriters(db, { graceMs: 0 });
});

/**
 * Before PostgreSQL 16, sessions that began before the fence stand against the proof too, because they may have done SET ROLE; endWriters
 * ends them. Here they are left alone, to see everything else.
 */
async function proof(...more: Parameters<typeof proveFenced> extends [unknown, unknown, ...infer Rest] ? Rest : never): Promise<Proof> {
  const found = await proveFenced(db, roles, ...more);
  const rest = found.reasons.filter((reason) => major >= 16 || !reason.includes('by SET ROLE'));
  return { ...found, reasons: rest, proven: rest.length === 0 };
}

/** Until the server shows one transaction that writes or is about to. */
async function oneOpenWrite(): Promise<void> {
  const poll = pollEvery(5, 5_000, 'an open write');
  while ((await openWrites(db)).length === 0) await poll();
}

const reasons = async (): Promise<readonly string[]> => (await proof()).reasons;

test('an open database is not fenced, and the reason names who may write', async () => {
  expect(await reasons()).toEqual([
    `'video_write' (so also 'video_blue') is a member of 'video_rights'; run: REVOKE "video_rights" FROM "video_write"`,
  ]);
});

test('after the fence nobody can write, everybody can read, and it is proven', async () => {
  const [app, open] = [await server.as(blue), await server.as(reader)];
  await app.query("INSERT INTO orders (note) VALUES ('before')");
  await fence(db, roles);
  expect((await failure(app.query("INSERT INTO orders (note) VALUES ('after')"))).sqlstate).toBe('42501');
  expect(await app.query('SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 1 }]);
  expect(await open.query('SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 1 }]);
  const proven = await proof();
  expect(proven).toMatchObject({ proven: true, reasons: [] });
  expect(await writersAllowed(db, roles)).toEqual([]);
});

test('the fence binds the next statement inside an open transaction, whose earlier writes may still be committed', async () => {
  const app = await server.as(blue);
  let refused: string | undefined;
  await app.transaction(async (inside) => {
    await inside.query("INSERT INTO orders (note) VALUES ('inside, before')");
    await fence(db, roles);
    expect((await proof()).reasons).toEqual([
      expect.stringMatching(/a transaction is open that wrote .*video_blue.*INSERT INTO orders \(note\) VALUES \(\?\)/),
    ]);
    refused = (await failure(inside.transaction((deeper) => deeper.query("INSERT INTO orders (note) VALUES ('inside, after')")))).sqlstate;
  });
  expect(refused).toBe('42501');
  expect(await db.query("SELECT note FROM orders WHERE note LIKE 'inside%'")).toEqual([{ note: 'inside, before' }]);
  expect((await proof()).proven).toBe(true);
});

test('a statement that was allowed before the fence and has written nothing yet is seen by its lock', async () => {
  const app = await server.as(blue);
  await db.query('SELECT pg_advisory_lock(4711)');
  const slow = app.query("INSERT INTO orders (note) SELECT 'slow' FROM pg_advisory_lock(4711)");
  await oneOpenWrite();
  const [row] = await db.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()',
  );
  expect(row!.n).toBe(0);
  await fence(db, roles);
  expect((await reasons())[0]).toContain('a transaction is open that wrote or is about to');
  const again = pollEvery(10, 5_000, 'the end of the slow statement');
  const poll = async () => {
    await db.query('SELECT pg_advisory_unlock(4711)');
    await again();
  };
  expect(await endWriters(db, { graceMs: 5_000, poll })).toEqual({ finished: 1, terminated: [] });
  await slow;
  expect((await proof()).proven).toBe(true);
});

// Customers do not stop at a fence: at any moment some statement of theirs is on its way to being refused, and a single look may fall into it.
test('a statement that began after the fence, and is not refused yet, is waited for and does not stand against the proof', async () => {
  await allowMigrations(db, roles);
  await (await server.as(migrator)).query(
    // What is IMMUTABLE is computed while a statement is planned: after its tables were locked, before its rights are checked.
    "CREATE FUNCTION planned() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_advisory_lock(4712); RETURN 'doomed'; END $$",
  );
  await fence(db, roles);
  await db.query('SELECT pg_advisory_lock(4712)');
  const app = await server.as(blue);
  const doomed = failure(app.query('INSERT INTO orders (note) VALUES (planned())'));
  await oneOpenWrite();
  const looks: number[] = [];
  const found = await proof({
    poll: async () => {
      looks.push((await openWrites(db)).length);
      if (looks.length === 3) await db.query('SELECT pg_advisory_unlock(4712)');
    },
  });
  expect(found.reasons).toEqual([]);
  expect(looks.slice(0, 3)).toEqual([1, 1, 1]);
  expect((await doomed).sqlstate).toBe('42501');
});

test('a transaction that does not end within the grace is terminated and undone', async () => {
  const app = await server.as(blue, { applicationName: 'the api' });
  const stuck = failure(
    app.transaction(async (inside) => {
      await inside.query("INSERT INTO orders (note) VALUES ('stuck 4711')");
      await fence(db, roles);
      const ended = await endWriters(db, { graceMs: 100 });
      expect(ended.finished).toBe(0);
      expect(ended.terminated).toMatchObject([
        { user: blue.username, application: 'the api', state: 'idle in transaction', query: 'INSERT INTO orders (note) VALUES (?)' },
      ]);
      await inside.query('SELECT 1');
    }),
  );
  expect((await stuck).name).toBe('ConnectionLost');
  expect(await db.query("SELECT FROM orders WHERE note = 'stuck 4711'")).toEqual([]);
  expect((await proof()).proven).toBe(true);
});

test('a session that became the write role by SET ROLE is refused from PostgreSQL 16 on, and before that not trusted and ended', async () => {
  const app = await server.as(blue);
  if (major >= 16) {
    expect((await failure(app.query(`SET ROLE ${roles.write}`))).sqlstate).toBe('42501');
    return;
  }
  await app.query('SET ROLE video_rights');
  await fence(db, roles);
  await app.query("INSERT INTO orders (note) VALUES ('still has the rights')");
  expect((await proveFenced(db, roles)).reasons).toEqual([expect.stringContaining('could have kept the rights by SET ROLE')]);
  await endWriters(db, { graceMs: 0 });
  expect((await proveFenced(db, roles)).proven).toBe(true);
  expect((await failure(app.query('SELECT 1'))).name).toBe('ConnectionLost');
});

// PostgreSQL looks rights up again when a transaction begins or takes a lock that it does not hold yet: one that is there already is used
// again with the rights of before.
test('a transaction that locked a table before the fence, wrote nothing and reads since, commits nothing behind the proof', async () => {
  const behind: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    await openTo(db, roles, blue.username);
    const app = await server.as(blue);
    // as a driver does that names its statements: nothing has to be looked up to run them again.
    await app.query('SET plan_cache_mode = force_generic_plan; PREPARE r AS SELECT note FROM orders WHERE id = -1');
    await app.query('PREPARE w AS INSERT INTO orders (note) VALUES ($1)');
    await app.query("EXECUTE w('before'); EXECUTE r");
    await app.query("BEGIN; UPDATE orders SET note = 'nobody' WHERE id = -1; EXECUTE r");
    await fence(db, roles);
    // newer statements, which only read, all the while.
    let over = false;
    const reading = (async () => {
      while (!over) await app.query('EXECUTE r');
    })().catch(() => undefined);
    const { terminated } = await endWriters(db, { graceMs: 100 });
    const { proven } = await proof();
    over = true;
    await reading;
    const late = await app
      .query(`EXECUTE w('behind ${round}')`)
      .then(() => app.query('COMMIT'))
      .then(
        () => 'acknowledged',
        (error: Error) => error.name,
      );
    behind.push(`${proven ? 'proven' : 'not proven'}, ${terminated.length} ended, ${late}`);
  }
  expect(new Set(behind)).toEqual(new Set(['proven, 1 ended, ConnectionLost']));
  expect(await db.query("SELECT FROM orders WHERE note LIKE 'behind%'")).toEqual([]);
});

test('readers are neither counted as writers nor ended', async () => {
  const open = await server.as(reader);
  await open.transaction(async (inside) => {
    await inside.query('SELECT * FROM orders');
    expect(await openWrites(db)).toEqual([]);
    await fence(db, roles);
    await endWriters(db, { graceMs: 0 });
    expect((await proof()).proven).toBe(true);
    await inside.query('SELECT * FROM orders');
  });
});

test('a prepared transaction stands against the proof until it is settled', async () => {
  const app = await server.as(blue);
  await app.query("BEGIN; INSERT INTO orders (note) VALUES ('prepared'); PREPARE TRANSACTION 'two-phase'");
  await fence(db, roles);
  await endWriters(db, { graceMs: 0 });
  expect(await reasons()).toEqual([
    "the prepared transaction 'two-phase' of 'video_blue' can still be committed; run COMMIT PREPARED or ROLLBACK PREPARED 'two-phase'",
  ]);
  await (await server.as(blue)).query("ROLLBACK PREPARED 'two-phase'");
  expect(await reasons()).toEqual([]);
});

test('a stray user with a grant of its own is named, connected or not', async () => {
  const admin = await server.superuser();
  await admin.query("CREATE ROLE stray LOGIN PASSWORD 'stray'");
  await admin.query('GRANT UPDATE (note) ON orders TO stray');
  await admin.close();
  await fence(db, roles);
  expect(await reasons()).toEqual([
    `'stray' may UPDATE public.orders (note); run: REVOKE UPDATE ("note") ON "public"."orders" FROM "stray"`,
  ]);
  await db.query('REVOKE UPDATE (note) ON orders FROM stray');
  await db.query('GRANT DELETE ON orders TO PUBLIC');
  expect(await reasons()).toEqual(['everyone may DELETE public.orders; run: REVOKE DELETE ON "public"."orders" FROM PUBLIC']);
  await db.query('REVOKE DELETE ON orders FROM PUBLIC');
  expect(await reasons()).toEqual([]);
});

test('a membership that is not inherited counts: SET ROLE would use it', async () => {
  const admin = await server.superuser();
  await admin.query(`CREATE ROLE sly LOGIN NOINHERIT; CREATE ROLE between; GRANT ${roles.owner} TO between; GRANT between TO sly`);
  await admin.close();
  await fence(db, roles);
  expect(await reasons()).toEqual([`'between' (so also 'sly') is a member of 'video_owner'; run: REVOKE "video_owner" FROM "between"`]);
  const again = await server.superuser();
  await again.query('DROP ROLE sly; DROP ROLE between');
  await again.close();
});

test('a grant of the write role that somebody else made gives nothing behind the fence', async () => {
  const admin = await server.superuser();
  await admin.query(`GRANT ${roles.write} TO ${green.username}`);
  await admin.close();
  await fence(db, roles);
  expect(await writersAllowed(db, roles)).toEqual([]);
  expect((await failure((await server.as(green)).query("INSERT INTO orders (note) VALUES ('x')"))).sqlstate).toBe('42501');
  expect(await reasons()).toEqual([]);
  // and it is not opened with the others.
  await server.test.query(`REVOKE ${roles.write} FROM ${green.username}`);
});

test('a grant of the rights that somebody else made is taken back too, or named with the way out', async () => {
  const admin = await server.superuser();
  await admin.query(`GRANT video_rights TO ${green.username}`);
  await admin.close();
  const outcome = await fence(db, roles).then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (outcome !== undefined) expect(outcome).toContain(`REVOKE "video_rights" FROM "${green.username}"`);
  // what is ours was taken away all the same.
  expect((await failure((await server.as(blue)).query("INSERT INTO orders (note) VALUES ('x')"))).sqlstate).toBe('42501');
  const again = await server.superuser();
  await again.query(`REVOKE video_rights FROM ${green.username}`);
  await again.close();
  await fence(db, roles);
  expect(await writersAllowed(db, roles)).toEqual([]);
});

test('opened to one color, the other leaves the write role: it cannot write when the fence is gone', async () => {
  await fence(db, roles);
  const before = await server.as(blue);
  if (major < 16) await before.query(`SET ROLE ${roles.write}`);
  await openTo(db, roles, green.username);
  expect(await writersAllowed(db, roles)).toEqual([green.username]);
  // before PostgreSQL 16 it was the write role itself, and so was ended.
  const refused = await failure(before.query("INSERT INTO orders (note) VALUES ('x')"));
  expect(major < 16 ? refused.name : refused.sqlstate).toBe(major < 16 ? 'ConnectionLost' : '42501');
  expect((await failure((await server.as(blue)).query("INSERT INTO orders (note) VALUES ('x')"))).sqlstate).toBe('42501');
  await (await server.as(green)).query("INSERT INTO orders (note) VALUES ('x')");
});

// From PostgreSQL 16 on a grant locks its role until the end of its transaction.
test('a grant that is not committed does not let the fence wait: who made it is named', async () => {
  if (major < 16) return;
  const admin = await server.superuser();
  await admin.transaction(async (inside) => {
    await inside.query(`GRANT video_rights TO ${green.username}`);
    const error = await failure(fence(db, roles));
    expect(error.message).toMatch(
      /GRANT or REVOKE of video_rights.* pid \d+ \(user 'postgres', application 'a-dba', for \d+ s\).*Nothing was taken away/,
    );
    await inside.query(`REVOKE video_rights FROM ${green.username}`);
  });
  await admin.close();
  await fence(db, roles);
});

test('a session of a superuser, or of the master user outside Switchback, stands against the proof', async () => {
  await fence(db, roles);
  const admin = await server.superuser();
  expect(await reasons()).toEqual([
    expect.stringMatching(
      /a session that no grant binds is open: user 'postgres', application 'a-dba', pid (\d+); run: SELECT pg_terminate_backend\(\1\)/,
    ),
  ]);
  await admin.close();
  const human = await server.as(master, { applicationName: 'psql' });
  expect(await reasons()).toEqual([expect.stringContaining("user 'master', application 'psql'")]);
  await human.close();
  const poll = pollEvery(10, 5_000, 'the end of the session');
  while ((await reasons()).length > 0) await poll();
});

test('a superuser in the middle of a write cannot be ended, and that is said', async () => {
  const admin = await server.superuser();
  await admin.transaction(async (inside) => {
    await inside.query("INSERT INTO orders (note) VALUES ('by hand')");
    await fence(db, roles);
    const error = await failure(endWriters(db, { graceMs: 0 }));
    expect(error.message).toContain('end them by hand');
  });
  await admin.close();
});

test('a SECURITY DEFINER function that may write is a way around, until somebody has looked at it', async () => {
  await allowMigrations(db, roles);
  const migration = await server.as(migrator);
  await migration.query(
    'CREATE FUNCTION sneak(text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO public.orders (note) VALUES ($1) $$',
  );
  await migration.query(
    'CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT count(*) FROM public.orders $$',
  );
  await fence(db, roles);
  const app = await server.as(blue);
  await app.query("SELECT sneak('around the fence')");
  expect(await db.query("SELECT count(*)::int AS n FROM orders WHERE note = 'around the fence'")).toEqual([{ n: 1 }]);
  // what is declared STABLE may call what is not.
  const named = await reasons();
  expect(named).toEqual([
    expect.stringContaining(
      `public.peek() runs with the rights of '${roles.owner}' whoever calls it; run: ALTER ROUTINE public.peek() SECURITY`,
    ),
    expect.stringContaining(`public.sneak(text) runs with the rights of '${roles.owner}' whoever calls it`),
  ]);
  const acknowledgedFunctions = named.map((reason) => /acknowledge '([^']+)'/.exec(reason)![1]!);
  expect(acknowledgedFunctions).toEqual([
    expect.stringMatching(/^public\.peek\(\) [0-9a-f]{32}$/),
    expect.stringMatching(/^public\.sneak\(text\) /),
  ]);
  expect((await proof({ acknowledgedFunctions })).proven).toBe(true);
  // a name is not enough: it may do something else by now.
  expect((await proof({ acknowledgedFunctions: ['public.sneak(text)', 'public.peek()'] })).proven).toBe(false);
  await db.query(
    'CREATE OR REPLACE FUNCTION peek() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT count(*) + 1 FROM public.orders $$',
  );
  expect((await proof({ acknowledgedFunctions })).reasons).toEqual([expect.stringContaining('public.peek()')]);
  await db.query('DROP FUNCTION sneak(text), peek()');
});

test('a user that owns a table cannot be fenced, and is named', async () => {
  await db.query(`GRANT CREATE ON SCHEMA public TO ${green.username}`);
  const app = await server.as(green);
  await app.query('CREATE TABLE mine (n int)');
  await fence(db, roles);
  expect(await reasons()).toEqual([
    `'video_green' owns public.mine, and an owner can always write; run: REASSIGN OWNED BY "video_green" TO "video_owner"`,
    `'video_green' may make tables in the schema public; run: REVOKE CREATE ON SCHEMA "public" FROM "video_green"`,
  ]);
  await app.query('DROP TABLE mine');
  await db.query(`REVOKE CREATE ON SCHEMA public FROM ${green.username}`);
});

test('migrations in progress stand against the proof', async () => {
  await fence(db, roles);
  await allowMigrations(db, roles);
  expect(await reasons()).toContain(`'video_migrator' is a member of 'video_owner'; run: REVOKE "video_owner" FROM "video_migrator"`);
});

test('a user that cannot see others proves nothing', async () => {
  await fence(db, roles);
  const blind = await server.as(green);
  expect((await proveFenced(blind, roles)).reasons[0]).toContain('cannot see');
});

test('work in another database of the server does not stand against the proof', async () => {
  const admin = await server.superuser();
  await admin.query('CREATE DATABASE elsewhere TEMPLATE template0');
  await admin.close();
  const other = await connect(
    { ...server.address, database: 'elsewhere' },
    { username: server.test.superuser, password: server.test.password },
  );
  await fence(db, roles);
  await other.transaction(async (inside) => {
    await inside.query('CREATE TABLE there (n int)');
    expect(await reasons()).toEqual([]);
  });
  await other.close();
});

test('the fence of a thousand tables is made with as few statements as that of one', async () => {
  const statements = async (): Promise<number> => {
    await openTo(db, roles, blue.username);
    const [query, queries] = [jest.spyOn(db, 'query'), jest.spyOn(db, 'queries')];
    await fence(db, roles);
    const sent = query.mock.calls.length + queries.mock.calls.flatMap(([statements]) => statements).length;
    query.mockRestore();
    queries.mockRestore();
    return sent;
  };
  const few = await statements();
  await db.query(
    `DO $$ BEGIN FOR i IN 1..1000 LOOP EXECUTE format('CREATE TABLE many_%s (id int PRIMARY KEY); ALTER TABLE many_%s OWNER TO ${roles.owner}', i, i); END LOOP; END $$`,
  );
  expect(await statements()).toBe(few);
  expect(few).toBeGreaterThan(2);
  expect((await proof()).proven).toBe(true);
});

test('what a migration grants to the write role itself goes to the role that has the rights, and the fence holds', async () => {
  await fence(db, roles);
  await allowMigrations(db, roles);
  const migration = await server.as(migrator);
  await migration.query('CREATE VIEW named AS SELECT id, note FROM orders; GRANT SELECT, INSERT, UPDATE ON named TO video_write');
  await fence(db, roles);
  expect((await reasons()).join()).toContain('public.named');
  await moveStrayGrants(db, roles);
  expect(await reasons()).toEqual([]);
  expect(await strayGrants(db, roles)).toEqual([]);
  const customer = await server.as(blue);
  expect(await failure(customer.query("INSERT INTO named (note) VALUES ('behind the fence')"))).toMatchObject({ sqlstate: '42501' });
  await openTo(db, roles, blue.username);
  await customer.query("INSERT INTO named (note) VALUES ('opened')");
});
