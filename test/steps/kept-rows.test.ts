/** Rows that the migrations deleted, put aside in the window and put back at a rollback. */
import type { Context } from '../../lib/engine/context';
import { connect, type Db } from '../../lib/postgres/connection/connect';
import { ownSchema } from '../../lib/postgres/connection/server';
import { deletedLosses, deletedRows, deleteRows, prepareDeletedRows, putBack } from '../../lib/postgres/verification/kept-rows';
import { keptRowsBack } from '../../lib/steps/kept-rows';
import { startServer, type TestServer } from '../_helpers/postgres';
import { manifest, window } from '../_helpers/runbook';

let server: TestServer;
let db: Db;

beforeAll(async () => {
  server = await startServer();
  await server.query('CREATE DATABASE fallback');
  db = await connect(
    { host: server.host, port: server.port, database: 'fallback' },
    { username: server.superuser, password: server.password },
  );
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

const answers = async (sql: string): Promise<unknown[]> => (await db.query<{ a: unknown }>(sql)).map(({ a }) => a);

/** As the footprint does it; the old form: users and their orders, which log what is done to them. */
async function migrated(name: string): Promise<void> {
  await db.query(`DROP SCHEMA IF EXISTS public, ${ownSchema} CASCADE; CREATE SCHEMA public; CREATE SCHEMA ${ownSchema};
    CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, big text GENERATED ALWAYS AS (upper(email)) STORED);
    CREATE TABLE "Orders" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, u int REFERENCES users);
    CREATE TABLE log (what text); CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (TG_OP); RETURN NULL; END $$;
    CREATE TRIGGER log AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION log();
    INSERT INTO users VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO "Orders" (u) VALUES (1), (2), (2); DELETE FROM log`);
  await prepareDeletedRows(db);
  const oids = Object.fromEntries(
    (
      await db.query<{ name: string; oid: number }>(
        "SELECT relname AS name, oid::int8::float8 AS oid FROM pg_class WHERE relname IN ('users', 'Orders')",
      )
    ).map((one) => [one.name, one.oid]),
  );
  for (const [table, named] of [
    ['Orders', 'public."Orders"'],
    ['users', 'public.users'],
  ] as const)
    await db.transaction((inside) =>
      deleteRows(inside, {
        ...{ window: name, oid: oids[table]!, name: named, fate: 'keep', from: named },
        ...{ where: 'ROW(id)::text = ANY ($1::text[])', keys: ['(2)', '(3)'] },
      }),
    );
}

const users = "SELECT concat_ws(' ', id, email, big) AS a FROM users ORDER BY id";
const orders = 'SELECT id || \' of \' || u AS a FROM "Orders" ORDER BY id';

test('they are gone until the rollback, then there again, children after parents, and no trigger hears of it', async () => {
  await migrated('w1');
  expect([await answers(users), await answers(orders)]).toEqual([['1 a A'], ['1 of 1']]);
  const declared = {
    ...manifest,
    green: { ...manifest.green!, migration: { ...manifest.green!.migration, bridges: { deleted: { 'public.users': 'keep' as const } } } },
  };
  const [step] = keptRowsBack('video-fallback-w1', { manifest: declared, window });
  const context = { window, database: async () => db } as unknown as Context;
  expect(await step!.observe(context)).toMatchObject({ is: 'todo', detail: 'public."Orders": 2 rows, public.users: 2 rows' });
  await step!.act!(context);
  expect(await step!.observe(context)).toMatchObject({ is: 'done', detail: 'public."Orders": 2 of 2 rows, public.users: 2 of 2 rows' });
  expect([await answers(users), await answers(orders)]).toEqual([
    ['1 a A', '2 b B', '3 c C'],
    ['1 of 1', '2 of 2', '3 of 2'],
  ]);
  expect(await answers('SELECT what AS a FROM log')).toEqual([]);
  // a run that is typed again, when the old release has deleted one of them since, brings nothing back.
  await db.query('DELETE FROM users WHERE id = 3');
  await putBack(db, 'w1');
  expect(await answers(users)).toEqual(['1 a A', '2 b B']);
  expect(await answers("SELECT tgenabled::text AS a FROM pg_trigger WHERE tgname = 'log'")).toEqual(['O']);
});

test('a row whose place is taken, and what pointed to it, stays aside and is said', async () => {
  await migrated('w2');
  await db.query("INSERT INTO users VALUES (9, 'b')");
  await putBack(db, 'w2');
  expect([await answers(users), await answers(orders)]).toEqual([['1 a A', '3 c C', '9 b B'], ['1 of 1']]);
  expect(deletedLosses(await deletedRows(db, 'w2'), 'w2')).toEqual([
    { is: 'lost', what: expect.stringContaining('rows of public."Orders" that the migrations deleted and that were to be kept'), rows: 2 },
    { is: 'kept', what: 'rows of public.users that the migrations deleted: the old release has them again', rows: 1 },
    { is: 'lost', what: expect.stringContaining('switchback.kept_w2_'), rows: 1 },
  ]);
});

test('where it cannot be done now nothing is half done', async () => {
  await migrated('w3');
  const [other] = [
    await connect(
      { host: server.host, port: server.port, database: 'fallback' },
      { username: server.superuser, password: server.password },
    ),
  ];
  try {
    await other.query('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
    await expect(putBack(db, 'w3')).rejects.toMatchObject({ sqlstate: '55P03' });
    await other.query('ROLLBACK');
  } finally {
    await other.close();
  }
  expect(await answers(orders)).toEqual(['1 of 1']);
  await putBack(db, 'w3');
  expect(await answers(orders)).toEqual(['1 of 1', '2 of 2', '3 of 2']);
});

test('without a declaration there is no such step, and no note of another window is looked at', async () => {
  await migrated('w4');
  expect(keptRowsBack('video-fallback-w1', { manifest, window })).toEqual([]);
  expect(await deletedRows(db, 'w1')).toEqual([]);
});
