import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Db } from '../../../lib/postgres/connection/connect';
import { runSealed } from '../../../lib/postgres/connection/sealed';
import { ensureMarker } from '../../../lib/postgres/replication/marker';
import { createSubscription, dropSubscription, ensureFeedUser, startFeed } from '../../../lib/postgres/replication/subscription';
import { allowFeeding, database, failure, prepareUsers, roles, type Server, startServer, stopServers } from '../servers';

// nobody would choose it; so it stands nowhere by chance. The characters are those that have to be quoted.
const password = String.raw`geheim'nis\7319 "%s" $1 ~ü`;
const feed = { username: 'switchback_feed', password };
const texts = [password, '7319', password.replaceAll("'", "''"), encodeURIComponent(password), Buffer.from(password).toString('hex')];
let server: Server;
let db: Db;

/** What the server wrote into its log, and what it keeps of statements. */
async function kept(): Promise<string> {
  const admin = await server.superuser();
  const [row] = await admin.query<{ folder: string }>("SELECT pg_catalog.current_setting('data_directory') AS folder");
  const statements = await admin.query<{ query: string }>('SELECT query FROM pg_stat_statements');
  await admin.close();
  return [readFileSync(join(dirname(row!.folder), 'postgres.log'), 'utf8'), ...statements.map(({ query }) => query)].join('\n');
}

beforeAll(async () => {
  server = await startServer({
    settings: {
      shared_preload_libraries: 'pg_stat_statements',
      'pg_stat_statements.track': 'all',
      log_statement: 'all',
      log_min_duration_statement: 0,
      log_min_error_statement: 'debug5',
      log_min_messages: 'info',
      log_error_verbosity: 'verbose',
      log_parameter_max_length: -1,
      log_parameter_max_length_on_error: -1,
      log_duration: 'on',
      debug_print_plan: 'on',
    },
  });
  const admin = await server.superuser();
  await admin.query('CREATE EXTENSION pg_stat_statements');
  await admin.query('GRANT EXECUTE ON FUNCTION pg_stat_statements_reset TO master');
  db = await server.master();
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  await prepareUsers(db);
  await allowFeeding(server);
  await ensureMarker(db);
  await db.query('CREATE PUBLICATION switchback_w1 FOR TABLE t');
});
afterAll(stopServers);

const expectNothingKept = async () => {
  const all = await kept();
  for (const text of texts) expect(all.split('\n').filter((line) => line.includes(text))).toEqual([]);
  return all;
};

test('the password of the feed stands in no log and in no view of statements', async () => {
  await ensureFeedUser(db, { user: feed.username, password, roles, database });
  await ensureFeedUser(db, { user: feed.username, password, roles, database });
  await db.query("SELECT pg_create_logical_replication_slot('switchback_w1', 'pgoutput')");
  await db.transaction((inside) => createSubscription(inside, 'switchback_w1', { address: server.address, login: feed }, false));
  const [made] = await (await server.superuser()).query<{ conninfo: string }>('SELECT subconninfo AS conninfo FROM pg_subscription');
  expect(made!.conninfo).toContain(password.replaceAll('\\', '\\\\').replaceAll("'", "\\'"));
  const [row] = await db.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  await startFeed(db, db, 'switchback_w1', { address: server.address, login: feed }, row!.lsn);
  const all = await expectNothingKept();
  // or there would have been nothing to be found in.
  expect(all).toContain('switchback_sealed');
  expect(all).toMatch(/duration: \d/);
});

test('nor where making the subscription fails, is warned of or is stopped', async () => {
  await dropSubscription(db, 'switchback_w1');
  const source = { address: server.address, login: { ...feed, password: `${password} (another)` } };
  const refused = await failure(createSubscription(db, 'switchback_w1', source, false));
  expect(refused.message).toMatch(/password authentication failed/);
  expect(refused.sqlstate).toBe('08006');
  await createSubscription(db, 'switchback_w1', { address: server.address, login: feed }, false);
  expect((await failure(createSubscription(db, 'switchback_w1', { address: server.address, login: feed }, false))).sqlstate).toBe('42710');
  await dropSubscription(db, 'switchback_w1');
  await db.query('DROP PUBLICATION switchback_w1');
  // PostgreSQL warns here, and a warning is logged with its context.
  await createSubscription(db, 'switchback_w1', { address: server.address, login: feed }, false).catch(() => undefined);
  const all = await expectNothingKept();
  expect(all).toMatch(/publication "switchback_w1" does not exist/);
  await dropSubscription(db, 'switchback_w1');
  await failure(
    db.transaction((inside) =>
      inside
        .query("SET LOCAL statement_timeout = '100ms'")
        .then(() => runSealed(inside, { before: 'SELECT pg_sleep(5), ', secret: password, after: '' })),
    ),
  );
  await failure(runSealed(db, { before: 'SELECT nothing_like_it(', secret: password, after: ')' }));
  await failure(runSealed(db, { before: 'SELECT 1 +', secret: password, after: '' }));
  await failure(runSealed(db, { before: 'NO SUCH STATEMENT ', secret: password, after: '' }));
  await expectNothingKept();
});
