/** The servers of these tests, with users as RDS has them: a superuser nobody logs in as, and a master user who is none. */

import type { Roles } from '../../lib/postgres/access/roles';
import { ensureUser, prepareRoles } from '../../lib/postgres/access/roles';
import { type Address, type ConnectOptions, connect, type Db, type Login } from '../../lib/postgres/connection/connect';
import { type ForkOptions, forkAhead } from '../../lib/postgres/replication/fork';
import { ensureFeedUser } from '../../lib/postgres/replication/subscription';
import { startServer as startTestServer, type TestServer, type TestServerOptions } from '../_helpers/postgres';

export const database = 'video';
/** The master user of RDS: not a superuser. */
export const master: Login = { username: 'master', password: 'master-secret' };
export const roles: Roles = {
  owner: 'video_owner',
  write: 'video_write',
  read: 'video_read',
  migrator: 'video_migrator',
  reader: 'video_reader',
};
export const blue: Login = { username: 'video_blue', password: 'blue-secret' };
export const green: Login = { username: 'video_green', password: 'green-secret' };
export const reader: Login = { username: roles.reader, password: 'reader-secret' };
export const migrator: Login = { username: roles.migrator, password: 'migrator-secret' };

export interface Server {
  readonly address: Address;
  readonly test: TestServer;
  /** Opens a connection; closed with the server at the latest. */
  as(login: Login, options?: ConnectOptions): Promise<Db>;
  master(): Promise<Db>;
  superuser(): Promise<Db>;
  standby(settings?: Record<string, string | number>): Promise<Server>;
}

const all: { stop(): Promise<void> }[] = [];

/** Stops every server of this test file. */
export async function stopServers(): Promise<void> {
  for (const server of all.splice(0).reverse()) await server.stop();
}

/** A fresh primary with an empty database `video` that belongs to the master user. */
export async function startServer(options: TestServerOptions = {}): Promise<Server> {
  const test = await startTestServer(options);
  const server = wrap(test);
  const [version] = await test.query<{ major: number }>("SELECT current_setting('server_version_num')::int / 10000 AS major");
  await test.query(`CREATE ROLE master LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD '${master.password}'`);
  await test.query(
    `GRANT pg_monitor, pg_signal_backend${version!.major >= 16 ? ', pg_create_subscription' : ''} TO master WITH ADMIN OPTION`,
  );
  await test.query(`CREATE DATABASE ${database} OWNER master TEMPLATE template0`);
  return server;
}

/**
 * What a feed needs and RDS gives its master user. Before PostgreSQL 16 there is no role for it short of superuser, and rds_superuser
 * cannot be imitated.
 */
export async function allowFeeding(server: Server): Promise<void> {
  const [version] = await server.test.query<{ major: number }>("SELECT current_setting('server_version_num')::int / 10000 AS major");
  if (version!.major < 16) await server.test.query('ALTER ROLE master SUPERUSER');
  else {
    await server.test.query('GRANT EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) TO master', undefined, database);
    await server.test.query('GRANT SET ON PARAMETER session_replication_role TO master');
  }
}

/** The users of the example system; nobody may write yet. */
export async function prepareUsers(db: Db): Promise<void> {
  await prepareRoles(db, { database, roles });
  for (const [login, kind] of [
    [blue, 'color'],
    [green, 'color'],
    [reader, 'reader'],
    [migrator, 'migrator'],
  ] as const) {
    await ensureUser(db, { user: login.username, password: login.password, kind, roles, database });
  }
}

/** The user that a fallback is fed as. */
export const feed: Login = { username: 'switchback_feed', password: 'feed-secret' };

export interface FedOptions extends TestServerOptions {
  /** Done to production's server before it has the feed's user. */
  readonly before?: (production: Server) => Promise<void>;
}

/** Production with these tables and all users, of whom nobody may write yet, and a standby of it. */
export async function withStandby(
  tables: string,
  { before, ...options }: FedOptions = {},
): Promise<{ a: Server; b: Server; production: Db }> {
  const a = await startServer(options);
  const production = await a.master();
  await production.query(tables);
  await prepareUsers(production);
  await allowFeeding(a);
  await before?.(a);
  await ensureFeedUser(production, { user: feed.username, password: feed.password, roles, database });
  return { a, b: await a.standby(), production };
}

/** Forks a standby ahead and feeds it, as a stage does; answers the master user's connection to it. */
export async function forkTo(standby: Server, fork: Pick<ForkOptions, 'production' | 'name' | 'source'>): Promise<Db> {
  await forkAhead({ ...fork, fallback: () => standby.master(), roles, login: master, promote: () => standby.test.promote() });
  return standby.master();
}

function wrap(test: TestServer): Server {
  const connections: Db[] = [];
  const as = async (login: Login, options?: ConnectOptions): Promise<Db> => {
    const db = await connect({ host: test.host, port: test.port, database }, login, options);
    connections.push(db);
    return db;
  };
  all.push({
    stop: async () => {
      await Promise.all(connections.map((db) => db.close()));
      await test.stop();
    },
  });
  return {
    test,
    get address() {
      return { host: test.host, port: test.port, database };
    },
    as,
    master: () => as(master),
    superuser: () => as({ username: test.superuser, password: test.password }, { applicationName: 'a-dba' }),
    standby: async (settings) => wrap(await test.standby(settings)),
  };
}

/** The error of something that must fail. */
export async function failure(promise: Promise<unknown>): Promise<Error & { sqlstate?: string }> {
  const outcome = await promise.then(
    () => undefined,
    (error: Error) => error,
  );
  if (outcome === undefined) throw new Error('this was expected to fail, and it succeeded');
  return outcome;
}
