/**
 * Two servers of their own on this machine, for whoever tries something on a database and its replica: a primary with users as RDS has
 * them, and a streaming replica of it that can be promoted. Nothing of them is kept.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QueryArrayResult } from 'pg';
import { type Binaries, findBinaries } from './binaries';
import { programsOf } from './majors';
import { placeFor, removePlaceFor } from './place';
import { PostgresServer, type Settings } from './server';
import { makeStandby, promote, standbySettings } from './standby';

export type PairSide = 'primary' | 'replica';

/** Statements one after the other; rows as lists of their values. */
export interface PairSession {
  query(sql: string): Promise<readonly (readonly unknown[])[]>;
}

export interface PairOptions {
  /** Another major than this package comes with is fetched once. @default - the one it comes with */
  readonly major?: number;
  /** Databases that are fed at the same time: a slot each. @default 1 */
  readonly feeds?: number;
}

export interface Pair {
  /** `17` */
  readonly major: number;
  /** Of RDS: it makes roles, databases and replication, and is no superuser, as far as this major lets it feed without being one. */
  readonly master: { readonly username: string; readonly password: string };
  /** @throws Error before the side has been made */
  address(side: PairSide): { readonly host: string; readonly port: number };
  /** A database that belongs to the master user; `template`: a copy of that one, with the same OIDs. */
  createDatabase(name: string, template?: string): Promise<void>;
  dropDatabase(name: string): Promise<void>;
  /** Makes the replica of everything that is there now. */
  replicate(): Promise<void>;
  promote(): Promise<void>;
  readonly promoted: boolean;
  /** Something as the superuser, in one session. */
  asSuperuser<T>(side: PairSide, database: string, action: (session: PairSession) => Promise<T>): Promise<T>;
  /** Ends both and removes their files. */
  end(): Promise<void>;
}

/** Fast, and gone when the machine is: nobody's data is here. */
const settings = (feeds: number): Settings => ({
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '64MB',
  wal_level: 'logical',
  max_connections: 60,
  max_wal_senders: feeds + 10,
  max_replication_slots: feeds + 10,
  max_wal_size: '2GB',
  max_slot_wal_keep_size: '8GB',
  checkpoint_timeout: '30min',
  max_prepared_transactions: 5,
  hot_standby: 'on',
  autovacuum: 'off',
  wal_retrieve_retry_interval: '100ms',
});

async function programsFor(major: number | undefined): Promise<Binaries> {
  const own = findBinaries();
  return major === undefined || major === own.major ? own : findBinaries(await programsOf(major));
}

export async function startPair({ major, feeds = 1 }: PairOptions = {}): Promise<Pair> {
  const binaries = await programsFor(major);
  const folder = await mkdtemp(join(tmpdir(), 'switchback-pair-'));
  const place = placeFor(folder);
  const [superuser, password] = ['postgres', randomBytes(12).toString('hex')];
  const master = { username: 'master', password: randomBytes(12).toString('hex') };
  const make = (side: PairSide) =>
    new PostgresServer({ binaries, folder: join(place, side), superuser, password, settings: settings(feeds) });
  const [primary, replica] = [make('primary'), make('replica')];
  const of = (side: PairSide): PostgresServer => (side === 'primary' ? primary : replica);
  let promoted = false;
  const end = async (): Promise<void> => {
    await Promise.all([primary.stop('immediate'), replica.stop('immediate')]);
    await removePlaceFor(folder);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await primary.init();
    await primary.start();
    await primary.query(`CREATE ROLE master LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD '${master.password}'`);
    const subscribe = binaries.major >= 16 ? ', pg_create_subscription' : '';
    await primary.query(`GRANT pg_monitor, pg_signal_backend${subscribe} TO master WITH ADMIN OPTION`);
    // what rds_superuser may, and no role short of a superuser before PostgreSQL 16.
    if (binaries.major < 16) await primary.query('ALTER ROLE master SUPERUSER');
    else await primary.query('GRANT SET ON PARAMETER session_replication_role TO master');
  } catch (error) {
    await end();
    throw error;
  }
  return {
    major: binaries.major,
    master,
    get promoted() {
      return promoted;
    },
    address: (side) => {
      const { host, port } = of(side);
      if (port === undefined) throw new Error(`the ${side} has not been started`);
      return { host, port };
    },
    async createDatabase(name, template = 'template0') {
      await primary.query(`CREATE DATABASE "${name}" OWNER master TEMPLATE "${template}"`);
      if (binaries.major >= 16)
        await primary.query('GRANT EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) TO master', [], name);
    },
    async dropDatabase(name) {
      await primary.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
    },
    async replicate() {
      await makeStandby(primary, replica, 'pair');
      replica.settings = { ...primary.settings, ...standbySettings(replica, primary, 'pair', { user: superuser, password }) };
      await replica.start();
    },
    async promote() {
      await promote(replica);
      promoted = true;
      // nobody streams any more, and the slot would keep everything.
      await primary.query("SELECT pg_drop_replication_slot('pair') FROM pg_replication_slots WHERE slot_name = 'pair' AND NOT active");
    },
    asSuperuser: (side, database, action) =>
      of(side).connect(database, (client) =>
        action({
          async query(text) {
            const result: QueryArrayResult<unknown[]> | QueryArrayResult<unknown[]>[] = await client.query({ text, rowMode: 'array' });
            return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
          },
        }),
      ),
    end,
  };
}
