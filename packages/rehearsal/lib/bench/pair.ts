/** Two real servers for measuring: a production database with users as a system has them, and a fallback forked ahead of it and fed. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureUser, prepareRoles, type Roles } from '../../../../lib/postgres/access/roles';
import { LockedDb } from '../../../../lib/postgres/access/run-lock';
import { type Address, connect, type Db, type Login } from '../../../../lib/postgres/connection/connect';
import { type Fork, forkAhead } from '../../../../lib/postgres/replication/fork';
import { ensureFeedUser, type FeedSource, feedName } from '../../../../lib/postgres/replication/subscription';
import { copyStopped } from '../../../sandbox/lib/postgres/backup';
import { type Binaries, findBinaries } from '../../../sandbox/lib/postgres/binaries';
import { placeFor, removePlaceFor } from '../../../sandbox/lib/postgres/place';
import { PostgresServer, type Settings } from '../../../sandbox/lib/postgres/server';
import { makeStandby, promote, standbySettings } from '../../../sandbox/lib/postgres/standby';

export const database = 'bench';
export const name = feedName('w1');
export const roles: Roles = {
  owner: 'bench_owner',
  write: 'bench_write',
  read: 'bench_read',
  migrator: 'bench_migrator',
  reader: 'bench_reader',
};
const secret = (): string => randomBytes(12).toString('hex');
export const blue: Login = { username: 'bench_blue', password: secret() };
export const green: Login = { username: 'bench_green', password: secret() };
export const migrator: Login = { username: roles.migrator, password: secret() };
const master: Login = { username: 'master', password: secret() };
const feed: Login = { username: 'switchback_feed', password: secret() };

/** fsync stays on: a commit that nobody could lose is what is measured. */
export const settings: Settings = {
  shared_buffers: '128MB',
  wal_level: 'logical',
  max_connections: 100,
  max_wal_senders: 10,
  max_replication_slots: 10,
  hot_standby: 'on',
  max_wal_size: '2GB',
};

/** What customers write to; `log` has no key, so that a row applied twice is seen. */
const tables = `
  CREATE TABLE orders (id text PRIMARY KEY, n int NOT NULL);
  CREATE TABLE totals (worker int PRIMARY KEY, n bigint NOT NULL);
  CREATE TABLE log (id text NOT NULL);
  ALTER TABLE log REPLICA IDENTITY FULL;
  INSERT INTO totals SELECT i, 0 FROM generate_series(0, 63) i;`;

/** One transaction of three changed rows in one statement, as the first release writes. */
export const firstForm =
  'WITH o AS (INSERT INTO orders (id, n) VALUES ($1, $2)), t AS (UPDATE totals SET n = n + 1 WHERE worker = $2) INSERT INTO log VALUES ($1)';
/** And as the second does. */
export const secondForm =
  "WITH o AS (INSERT INTO orders (id, amount, currency) VALUES ($1, $2, 'EUR')), t AS (UPDATE totals SET n = n + 1 WHERE worker = $2) INSERT INTO log VALUES ($1)";
/** Between them: a column renamed, one added. */
export const migrations = ['ALTER TABLE orders RENAME COLUMN n TO amount', 'ALTER TABLE orders ADD COLUMN currency text'];

export interface Side {
  readonly server: PostgresServer;
  readonly address: Address;
  as(login: Login): Promise<Db>;
  master(): Promise<Db>;
  /** The same user without the look whether the run still has the database. */
  bare(): Promise<Db>;
}

/** A place for servers, and the template that all of them are copies of. */
export class Place {
  private readonly servers: PostgresServer[] = [];
  private readonly connections: Db[] = [];
  private readonly password = secret();
  private count = 0;
  private constructor(
    private readonly folder: string,
    private readonly place: string,
    readonly binaries: Binaries,
  ) {}

  static async make(): Promise<Place> {
    const folder = await mkdtemp(join(tmpdir(), 'switchback-bench-'));
    const made = new Place(folder, placeFor(folder), findBinaries());
    const template = made.server('template');
    await template.init();
    await template.start();
    await made.prepare(made.side(template));
    await made.closeConnections();
    await template.stop();
    return made;
  }

  /** A copy of the template, running. */
  async production(more: Settings = {}): Promise<Side> {
    const server = this.server(`production-${++this.count}`);
    server.makeFolder();
    await copyStopped(join(this.place, 'template', 'data'), server.data);
    server.settings = { ...settings, ...more };
    await server.start();
    return this.side(server);
  }

  /** A streaming replica of it. */
  async replica(of: Side): Promise<Side> {
    const server = this.server(`fallback-${++this.count}`);
    const slot = `standby_${this.count}`;
    await makeStandby(of.server, server, slot);
    server.settings = {
      ...of.server.settings,
      ...standbySettings(server, of.server, slot, { user: of.server.superuser, password: of.server.password }),
    };
    await server.start();
    return this.side(server);
  }

  fork(production: Db, source: FeedSource, fallback: Side): Promise<Fork> {
    const promoted = () => promote(fallback.server);
    return forkAhead({ production, fallback: () => fallback.master(), name, source, roles, login: master, promote: promoted });
  }

  source(of: Side): FeedSource {
    return { address: of.address, login: feed };
  }

  /** Ends what was started for one measurement. */
  async clear(): Promise<void> {
    await this.closeConnections();
    for (const server of this.servers.splice(0)) {
      await server.stop('immediate');
      await rm(server.folder, { recursive: true, force: true });
    }
  }

  async remove(): Promise<void> {
    await this.clear();
    await removePlaceFor(this.folder);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async closeConnections(): Promise<void> {
    await Promise.all(this.connections.splice(0).map((db) => db.close().catch(() => undefined)));
  }

  private server(called: string): PostgresServer {
    const folder = join(this.place, called);
    const server = new PostgresServer({ binaries: this.binaries, folder, superuser: 'postgres', password: this.password, settings });
    if (called !== 'template') this.servers.push(server);
    return server;
  }

  private side(server: PostgresServer): Side {
    const address = () => ({ host: server.host, port: server.port ?? 0, database });
    const as = async (login: Login): Promise<Db> => {
      const db = await connect(address(), login);
      this.connections.push(db);
      return db;
    };
    return {
      server,
      get address() {
        return address();
      },
      as,
      bare: () => as(master),
      // as the night does it: every change looks whether the run still has the database.
      master: async () =>
        new LockedDb(await as(master), { number: 1, journal: 'bench', run: 'the bench' }, (message) => new Error(message)),
    };
  }

  /** Users as RDS has them: nobody works as the superuser. */
  private async prepare(side: Side): Promise<void> {
    const { server } = side;
    await server.query(`CREATE ROLE master LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD '${master.password}'`);
    await server.query('GRANT pg_monitor, pg_signal_backend, pg_create_subscription TO master WITH ADMIN OPTION');
    await server.query(`CREATE DATABASE ${database} OWNER master TEMPLATE template0`);
    await server.query('GRANT EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) TO master', [], database);
    const db = await side.master();
    await db.query(tables);
    await prepareRoles(db, { database, roles });
    for (const login of [blue, green])
      await ensureUser(db, { user: login.username, password: login.password, kind: 'color', roles, database });
    await ensureUser(db, { user: migrator.username, password: migrator.password, kind: 'migrator', roles, database });
    await ensureFeedUser(db, { user: feed.username, password: feed.password, roles, database });
  }
}

/** As node-postgres wants it. */
export const client = ({ address }: Side, { username, password }: Login) => ({
  host: address.host,
  port: address.port,
  database: address.database,
  user: username,
  password,
});
