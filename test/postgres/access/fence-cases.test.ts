/** Ways around the fence that were tried on real servers, each with what must become of it. */
import { endWriters, fence, openTo, openWrites, prepareFence, proveFenced } from '../../../lib/postgres/access/fence';
import { allowMigrations } from '../../../lib/postgres/access/roles';
import { tracesSince } from '../../../lib/postgres/access/tripwire';
import { type ConnectOptions, connect, type Db, type Login } from '../../../lib/postgres/connection/connect';
import { flushWal, pollEvery } from '../../../lib/postgres/connection/lsn';
import { majorVersion } from '../../../lib/postgres/connection/server';
import { blue, database, master, migrator, prepareUsers, reader, roles, type Server, startServer, stopServers } from '../servers';

let server: Server;
let db: Db;
let major: number;
const open: Db[] = [];

beforeAll(async () => {
  server = await startServer();
  db = await server.master();
  major = await majorVersion(db);
  await prepareUsers(db);
  await allowMigrations(db, roles);
  const migration = await server.as(migrator);
  await migration.query('CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)');
  await migration.query('CREATE TABLE parents (id int PRIMARY KEY); CREATE SEQUENCE tickets');
  await migration.query(
    "CREATE FUNCTION writes() RETURNS int LANGUAGE sql VOLATILE AS $$ INSERT INTO public.orders (note) VALUES ('function') RETURNING 1 $$",
  );
  await fence(db, roles);
});
afterAll(stopServers);

/** As a client that nobody here closes for it. */
async function as(login: Login, options: ConnectOptions = {}): Promise<Db> {
  const client = await connect(server.address, login, { applicationName: 'customer', ...options });
  open.push(client);
  return client;
}
/** As the superuser, of whom nothing stays open. */
const dba = (sql: string) => server.test.query(sql, undefined, database);

/** What a session did behind the proof. */
type Outcome = 'refused' | 'ended' | 'wrote';
const tried = (what: Promise<unknown>): Promise<Outcome> =>
  what.then(
    () => 'wrote',
    (error: Error & { sqlstate?: string }) => {
      if (error.name === 'ConnectionLost' || error.name === 'OutcomeUnknown') return 'ended';
      if (error.sqlstate === '42501' || error.sqlstate === '28000') return 'refused';
      throw error;
    },
  );

interface Case {
  readonly way: string;
  /** `named`: the proof says it, with the words and the SQL; what became of it does not matter then. `traced`: only its effect is seen. */
  readonly must: 'refused' | 'ended' | 'traced' | { readonly named: RegExp };
  /** Only where it is one. */
  readonly on?: (version: number) => boolean;
  readonly prepare?: () => Promise<unknown>;
  /** Before the fence goes up; answers what is done behind the proof. */
  readonly begin: () => Promise<() => Promise<Outcome>>;
  readonly mend?: () => Promise<unknown>;
}

const later =
  (login: Login, sql: string): Case['begin'] =>
  async () => {
    const app = await as(login);
    await app.query('SELECT 1');
    return () => tried(app.query(sql));
  };
const insert = "INSERT INTO orders (note) VALUES ('late')";
const stray: Login = { username: 'stray', password: 'stray-secret' };
const makeStray = (options = ''): Promise<unknown> =>
  dba(`CREATE ROLE stray LOGIN ${options} PASSWORD '${stray.password}'; GRANT video_read TO stray`);
const dropStray = (): Promise<unknown> => dba('DROP OWNED BY stray; DROP ROLE stray');
const until16 = (version: number) => version < 16;
const from16 = (version: number) => version >= 16;

const cases: Case[] = [
  {
    way: 'a transaction that began before and holds a write lock, with named prepared statements',
    must: 'ended',
    begin: async () => {
      const app = await as(blue);
      await app.query('SET plan_cache_mode = force_generic_plan; PREPARE r AS SELECT note FROM orders WHERE id = -1');
      await app.query('PREPARE w AS INSERT INTO orders (note) VALUES ($1)');
      await app.query("EXECUTE w('before')");
      await app.query("BEGIN; UPDATE orders SET note = 'nobody' WHERE id = -1; EXECUTE r");
      return () => tried(app.query("EXECUTE w('late'); COMMIT"));
    },
  },
  {
    way: 'one that has written and goes on',
    must: 'ended',
    begin: async () => {
      const app = await as(blue);
      await app.query(`BEGIN; ${insert}`);
      return () => tried(app.query(`${insert}; COMMIT`));
    },
  },
  {
    way: 'a cursor FOR UPDATE and a savepoint',
    must: 'ended',
    begin: async () => {
      const app = await as(blue);
      await app.query(`BEGIN; SAVEPOINT s; ${insert}; ROLLBACK TO s; DECLARE c CURSOR FOR SELECT * FROM orders FOR UPDATE; FETCH c`);
      return () => tried(app.query("UPDATE orders SET note = 'late' WHERE CURRENT OF c; COMMIT"));
    },
  },
  {
    way: 'one that has only read',
    must: 'refused',
    begin: async () => {
      const app = await as(blue);
      await app.query('BEGIN; SELECT * FROM orders');
      return () => tried(app.query(insert));
    },
  },
  { way: 'a writing CTE', must: 'refused', begin: later(blue, `WITH w AS (${insert} RETURNING id) SELECT count(*) FROM w`) },
  {
    way: 'MERGE',
    must: 'refused',
    begin: later(blue, "MERGE INTO orders USING (SELECT 1 AS n) x ON false WHEN NOT MATCHED THEN INSERT (note) VALUES ('late')"),
  },
  { way: 'COPY FROM', must: 'refused', begin: later(blue, 'COPY orders (note) FROM stdin') },
  { way: 'TRUNCATE', must: 'refused', begin: later(blue, 'TRUNCATE parents') },
  { way: 'nextval', must: 'refused', begin: later(blue, "SELECT nextval('tickets')") },
  {
    way: 'a CALL that commits inside and goes on writing',
    must: 'ended',
    prepare: () =>
      dba(
        "CREATE PROCEDURE steadily() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..100000 LOOP INSERT INTO public.orders (note) VALUES ('call'); COMMIT; PERFORM pg_advisory_lock_shared(77); PERFORM pg_advisory_unlock_shared(77); END LOOP; END $$",
      ),
    begin: async () => {
      await db.query('SELECT pg_advisory_lock(77)');
      const app = await as(blue);
      const call = tried(app.query('CALL steadily()'));
      const poll = pollEvery(5, 5_000, 'the call');
      while ((await db.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted")).length === 0) await poll();
      return async () => {
        await db.query('SELECT pg_advisory_unlock(77)');
        // refused at its next statement, as the transaction that waits has locked nothing.
        const outcome = await call;
        return outcome === 'refused' ? 'ended' : outcome;
      };
    },
    mend: () => dba('DROP PROCEDURE steadily'),
  },
  {
    way: 'a prepared transaction',
    must: { named: /the prepared transaction 'late' of 'video_blue' .*ROLLBACK PREPARED 'late'/ },
    begin: async () => {
      const app = await as(blue);
      await app.query(`BEGIN; ${insert}; PREPARE TRANSACTION 'late'`);
      return () => tried(app.query("COMMIT PREPARED 'late'"));
    },
  },
  {
    way: 'a transaction of a replication connection',
    must: 'ended',
    prepare: () => dba('ALTER ROLE video_blue REPLICATION'),
    begin: async () => {
      const app = await as(blue, { replication: true });
      await app.query(`BEGIN; ${insert}`);
      return () => tried(app.query(`${insert}; COMMIT`));
    },
    mend: () => dba('ALTER ROLE video_blue NOREPLICATION'),
  },
  ...(['plpgsql', 'sql'] as const).map(
    (language): Case => ({
      way: `a STABLE SECURITY DEFINER function in ${language} that calls a volatile one`,
      must: {
        named:
          /SECURITY DEFINER function public\.stable\(\) runs with the rights of 'video_owner'.*run: ALTER ROUTINE public\.stable\(\) SECURITY INVOKER/,
      },
      prepare: () =>
        dba(
          `CREATE FUNCTION stable() RETURNS int LANGUAGE ${language} STABLE SECURITY DEFINER AS $$ ${language === 'sql' ? 'SELECT public.writes()' : 'BEGIN RETURN public.writes(); END'} $$; ALTER FUNCTION stable() OWNER TO video_owner`,
        ),
      begin: later(reader, 'SET default_transaction_read_only = off; SELECT stable()'),
      mend: () => dba('DROP FUNCTION stable'),
    }),
  ),
  {
    way: 'a SECURITY DEFINER trigger function hung on a temporary table',
    must: { named: /SECURITY DEFINER function public\.fires\(\)/ },
    prepare: () =>
      dba(
        `CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN ${insert.replace('orders', 'public.orders')}; RETURN NEW; END $$; ALTER FUNCTION fires() OWNER TO video_owner`,
      ),
    begin: later(
      blue,
      'CREATE TEMP TABLE mine (n int); CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION fires(); INSERT INTO mine VALUES (1)',
    ),
    mend: () => dba('DROP FUNCTION fires CASCADE'),
  },
  {
    way: 'a SECURITY DEFINER function that an extension owns',
    must: { named: /SECURITY DEFINER function public\.extended\(\) runs with the rights of 'postgres'/ },
    prepare: () =>
      dba(
        'CREATE FUNCTION extended() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT public.writes() $$; ALTER EXTENSION plpgsql ADD FUNCTION extended()',
      ),
    begin: later(blue, 'SELECT extended()'),
    mend: () => dba('ALTER EXTENSION plpgsql DROP FUNCTION extended(); DROP FUNCTION extended'),
  },
  {
    way: 'the write role granted by a DBA, and SET ROLE before the fence',
    must: 'refused',
    on: from16,
    prepare: () => makeStray().then(() => dba('GRANT video_write TO stray')),
    begin: async () => {
      const app = await as(stray);
      await app.query('SET ROLE video_write');
      return () => tried(app.query(insert));
    },
    mend: dropStray,
  },
  {
    way: 'the same where every member may SET ROLE',
    must: 'ended',
    on: until16,
    prepare: () => makeStray().then(() => dba('GRANT video_write TO stray')),
    begin: async () => {
      const app = await as(stray);
      await app.query('SET ROLE video_rights');
      return () => tried(app.query(insert));
    },
    mend: dropStray,
  },
  {
    way: 'the same through a nested group',
    must: 'refused',
    on: from16,
    prepare: () => makeStray().then(() => dba('CREATE ROLE nest; GRANT video_write TO nest WITH ADMIN OPTION; GRANT nest TO stray')),
    begin: async () => {
      const app = await as(stray);
      await app.query('SET ROLE video_write');
      return () => tried(app.query(insert));
    },
    mend: () => dropStray().then(() => dba('DROP ROLE nest')),
  },
  {
    way: 'a grant of the rights themselves by a DBA, used with SET ROLE before the fence',
    must: { named: /'stray' is a member of 'video_rights'; run: REVOKE "video_rights" FROM "stray"/ },
    on: from16,
    prepare: () => makeStray().then(() => dba('GRANT video_rights TO stray')),
    begin: async () => {
      const app = await as(stray);
      await app.query('SET ROLE video_rights');
      return () => tried(app.query(insert));
    },
    mend: dropStray,
  },
  {
    way: 'a login with CREATEROLE that grants itself the rights',
    must: { named: /'stray' may grant itself any role \(CREATEROLE\); run: ALTER ROLE "stray" NOCREATEROLE/ },
    on: until16,
    prepare: () => makeStray('CREATEROLE'),
    begin: later(stray, `GRANT video_rights TO stray; ${insert}`),
    mend: dropStray,
  },
  {
    way: 'a login with CREATEROLE that grants itself the rights, where that takes an ADMIN option',
    must: 'refused',
    on: from16,
    prepare: () => makeStray('CREATEROLE'),
    begin: later(stray, 'GRANT video_rights TO stray'),
    mend: dropStray,
  },
  {
    way: 'the same with the ADMIN option',
    must: { named: /'stray' is a member of 'video_owner'/ },
    on: from16,
    prepare: () => makeStray('CREATEROLE').then(() => dba('GRANT video_owner TO stray WITH ADMIN OPTION, INHERIT FALSE, SET FALSE')),
    begin: later(stray, `GRANT video_owner TO stray WITH INHERIT TRUE; ${insert}`),
    mend: dropStray,
  },
  {
    way: 'the owner of the schema drops a table',
    must: { named: /'stray' owns the schema side; run: ALTER SCHEMA "side" OWNER TO "video_owner"/ },
    prepare: () =>
      makeStray().then(() =>
        dba('CREATE SCHEMA side AUTHORIZATION stray; CREATE TABLE side.t (n int); ALTER TABLE side.t OWNER TO video_owner'),
      ),
    begin: later(stray, 'DROP TABLE side.t'),
    mend: () => dba('DROP SCHEMA side CASCADE').then(dropStray),
  },
  {
    way: 'the owner of the database',
    must: { named: /'stray' owns the database video; run: ALTER DATABASE "video" OWNER TO CURRENT_USER/ },
    prepare: () => makeStray().then(() => dba('ALTER DATABASE video OWNER TO stray')),
    begin: later(stray, 'CREATE SCHEMA night'),
    mend: () => dba('ALTER DATABASE video OWNER TO master; DROP SCHEMA IF EXISTS night').then(dropStray),
  },
  {
    way: 'CREATE on a schema: a table made in the night',
    must: { named: /'stray' may make tables in the schema public; run: REVOKE CREATE ON SCHEMA "public" FROM "stray"/ },
    prepare: () => makeStray().then(() => dba('GRANT CREATE ON SCHEMA public TO stray')),
    begin: later(stray, 'CREATE TABLE night (n int)'),
    mend: dropStray,
  },
  {
    way: 'a live session of a role that is NOLOGIN since',
    must: { named: /'stray' may INSERT public\.orders; run: REVOKE INSERT ON "public"\."orders" FROM "stray"/ },
    prepare: () => makeStray().then(() => dba('GRANT INSERT ON orders TO stray')),
    begin: async () => {
      const app = await as(stray);
      await dba('ALTER ROLE stray NOLOGIN');
      return () => tried(app.query(insert));
    },
    mend: dropStray,
  },
  {
    way: 'a live session that is a group which was revoked since',
    must: { named: /'clerks' may INSERT public\.orders; run: REVOKE INSERT ON "public"\."orders" FROM "clerks"/ },
    prepare: () => makeStray().then(() => dba('CREATE ROLE clerks; GRANT INSERT ON orders TO clerks; GRANT clerks TO stray')),
    begin: async () => {
      const app = await as(stray);
      await app.query('SET ROLE clerks');
      await dba('REVOKE clerks FROM stray');
      return () => tried(app.query(insert));
    },
    mend: () => dropStray().then(() => dba('DROP OWNED BY clerks; DROP ROLE clerks')),
  },
  {
    way: 'the TRIGGER right: a trigger that swallows every insert',
    must: { named: /'stray' may TRIGGER public\.orders; run: REVOKE TRIGGER ON "public"\."orders" FROM "stray"/ },
    prepare: () => makeStray().then(() => dba('GRANT TRIGGER ON orders TO stray')),
    begin: later(
      stray,
      'CREATE TRIGGER swallow BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    ),
    mend: () => dba('DROP TRIGGER IF EXISTS swallow ON orders').then(dropStray),
  },
  {
    way: 'a grant on a column',
    must: { named: /'stray' may UPDATE public\.orders \(note\); run: REVOKE UPDATE \("note"\) ON "public"\."orders" FROM "stray"/ },
    prepare: () => makeStray().then(() => dba('GRANT UPDATE (note) ON orders TO stray')),
    begin: later(stray, "UPDATE orders SET note = 'late'"),
    mend: dropStray,
  },
  {
    way: 'a grant that was passed on',
    must: { named: /'passed' \(so also 'stray'\) may DELETE public\.orders/ },
    prepare: () =>
      makeStray().then(() =>
        dba(
          'CREATE ROLE passed; GRANT DELETE ON orders TO stray WITH GRANT OPTION; SET ROLE stray; GRANT DELETE ON orders TO passed; RESET ROLE; GRANT passed TO stray',
        ),
      ),
    begin: later(stray, 'DELETE FROM orders'),
    mend: () => dropStray().then(() => dba('DROP ROLE passed')),
  },
  {
    way: 'a grant on a sequence: setval back',
    must: { named: /'stray' may UPDATE public\.tickets; run: REVOKE UPDATE ON SEQUENCE "public"\."tickets" FROM "stray"/ },
    prepare: () => makeStray().then(() => dba('GRANT UPDATE ON SEQUENCE tickets TO stray')),
    begin: later(stray, "SELECT setval('tickets', 1)"),
    mend: dropStray,
  },
  {
    way: 'a view without security_invoker',
    must: { named: /'stray' may INSERT public\.through/ },
    prepare: () =>
      makeStray().then(() =>
        dba('CREATE VIEW through AS SELECT note FROM orders; ALTER VIEW through OWNER TO video_owner; GRANT INSERT ON through TO stray'),
      ),
    begin: later(stray, "INSERT INTO through VALUES ('late')"),
    mend: () => dba('DROP VIEW through').then(dropStray),
  },
  {
    way: 'pg_write_all_data',
    must: { named: /'stray' is a member of 'pg_write_all_data'; run: REVOKE "pg_write_all_data" FROM "stray"/ },
    prepare: () => makeStray().then(() => dba('GRANT pg_write_all_data TO stray')),
    begin: later(stray, insert),
    mend: dropStray,
  },
  {
    way: 'an enabled subscription whose worker is down',
    must: { named: /the subscription 'others' writes to this database; run: ALTER SUBSCRIPTION "others" DISABLE/ },
    prepare: () =>
      dba(
        "CREATE SUBSCRIPTION others CONNECTION 'host=127.0.0.1 port=1 dbname=none' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false)",
      ).then(() => dba("UPDATE pg_subscription SET subenabled = true, subslotname = 'others' WHERE subname = 'others'")),
    begin: async () => async () => 'refused',
    mend: () =>
      dba("UPDATE pg_subscription SET subenabled = false, subslotname = NULL WHERE subname = 'others'").then(() =>
        dba('DROP SUBSCRIPTION others'),
      ),
  },
  {
    way: 'a session of the master user outside Switchback',
    must: {
      named:
        /a session that no grant binds is open: user 'master', application 'customer', pid (\d+); run: SELECT pg_terminate_backend\(\1\)/,
    },
    begin: later(master, insert),
  },
  {
    way: 'a session of the master user that is opened after the proof',
    must: 'traced',
    begin: async () => async () => tried((await as(master)).query(insert)),
  },
  { way: 'a superuser after the proof', must: 'traced', begin: async () => () => tried(dba(insert)) },
  {
    way: 'a large object by a user that can only read',
    must: 'traced',
    begin: later(reader, "SET default_transaction_read_only = off; SELECT lo_from_bytea(0, 'late')"),
  },
  {
    way: 'the rights granted by a DBA, taken by SET ROLE, and revoked before anybody looked',
    must: 'traced',
    on: from16,
    prepare: makeStray,
    begin: async () => {
      await dba('GRANT video_rights TO stray');
      const app = await as(stray);
      await app.query('SET ROLE video_rights');
      await dba('REVOKE video_rights FROM stray');
      return () => tried(app.query(insert));
    },
    mend: dropStray,
  },
];

// each with rights looked at behind the fence, and looked at before everything else: then only what is newer is seen in the gap.
const ways = cases.flatMap((one) => [[one.way, one, false] as const, [`${one.way}; rights looked at before`, one, true] as const]);

test.each(ways)('%s', async (_, { must, on, prepare, begin, mend }, ahead) => {
  if (on && !on(major)) return;
  await openTo(db, roles, blue.username);
  const proving = ahead ? await server.master() : db;
  if (ahead) await prepareFence(proving, roles);
  await prepare?.();
  try {
    const act = await begin();
    await fence(db, roles).catch((error: Error) => {
      if (typeof must === 'string' || !error.message.startsWith('still allowed to write')) throw error;
    });
    await endWriters(db, { graceMs: 50 });
    const { reasons } = await proveFenced(proving, roles);
    const { number } = await flushWal(db);
    const outcome = await act();
    if (typeof must === 'object') {
      expect(reasons.filter((reason) => must.named.test(reason))).toHaveLength(1);
      return;
    }
    // before PostgreSQL 16 a color's sessions are ended with the fence, because they may SET ROLE.
    const refused = must === 'refused' && major < 16 ? expect.stringMatching(/^(refused|ended)$/) : must;
    expect({ reasons, outcome }).toEqual({ reasons: [], outcome: must === 'traced' ? 'wrote' : refused });
    if (must === 'traced') expect(await tracesSince(db, [number])).toEqual([{ number: expect.any(String), status: 'committed' }]);
    else expect(await db.query("SELECT FROM orders WHERE note = 'late'")).toEqual([]);
  } finally {
    if (ahead) await proving.close();
    await Promise.all(open.splice(0).map((client) => client.close()));
    await server.test.query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'customer'");
    for (const { gid } of await server.test.query<{ gid: string }>('SELECT gid FROM pg_prepared_xacts'))
      await dba(`ROLLBACK PREPARED '${gid}'`);
    await mend?.();
    await dba("DELETE FROM orders WHERE note = 'late'");
    const gone = pollEvery(5, 5_000, 'the end of what was open');
    while ((await openWrites(db)).length > 0) await gone();
  }
});
