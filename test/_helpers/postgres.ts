/**
 * Throw-away PostgreSQL servers for tests: real ones, with streaming standbys, fast because each is a copy of a
 * template that `initdb` made once on this machine. All of them are gone when `stop()` has been called, and end with
 * the test process at the latest.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { giveToServer, serverAccount, serverMayEnter } from '../../packages/sandbox/lib/postgres/account';
import { copyStopped } from '../../packages/sandbox/lib/postgres/backup';
import { type Binaries, findBinaries } from '../../packages/sandbox/lib/postgres/binaries';
import { PostgresServer, type Settings } from '../../packages/sandbox/lib/postgres/server';
import { makeStandby, promote, standbySettings } from '../../packages/sandbox/lib/postgres/standby';

export interface TestServerOptions {
  /** Another major than the package's needs `SWITCHBACK_POSTGRES_<major>`: the folder with its programs. @default - `SWITCHBACK_POSTGRES_MAJOR`, or that of the package */
  readonly major?: number;
  /** Over the defaults below. */
  readonly settings?: Settings;
}

export interface TestServer {
  readonly host: string;
  readonly port: number;
  readonly superuser: string;
  readonly password: string;
  /** For `new Client(…)` or `new Pool(…)` of pg, as the superuser. */
  readonly connection: { host: string; port: number; user: string; password: string; database: string };
  /** Statements as the superuser; answers the rows. */
  query<Row extends object = Record<string, unknown>>(text: string, values?: unknown[], database?: string): Promise<Row[]>;
  /** A streaming standby that has caught up to the moment of the call. Stopping this server does not stop it. */
  standby(settings?: Settings): Promise<TestServer>;
  promote(): Promise<void>;
  restart(): Promise<void>;
  /** Kills every process of it; `restart()` recovers. */
  crash(): Promise<void>;
  /** Stops it and removes its files. */
  stop(): Promise<void>;
}

/** Fast and small; everything a test of logical replication needs is on. */
const defaults: Settings = {
  fsync: 'off',
  shared_buffers: '16MB',
  wal_level: 'logical',
  max_connections: 60,
  max_wal_senders: 10,
  max_replication_slots: 10,
  max_prepared_transactions: 5,
  hot_standby: 'on',
  autovacuum_naptime: '10s',
  wal_retrieve_retry_interval: '100ms',
};

/** Starts a new, empty server. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { binaries, template, password } = await templateFor(options.major);
  const folder = newFolder();
  const server = new PostgresServer({ binaries, folder, superuser: 'postgres', password, settings: { ...defaults, ...options.settings } });
  server.makeFolder();
  await copyStopped(template, server.data);
  await server.start();
  return handle(server);
}

/** Starts a server, gives it to `action`, and stops it whatever happens. */
export async function serverForTest<T>(action: (server: TestServer) => Promise<T>, options: TestServerOptions = {}): Promise<T> {
  const server = await startServer(options);
  try {
    return await action(server);
  } finally {
    await server.stop();
  }
}

function handle(server: PostgresServer): TestServer {
  const { superuser, password } = server;
  return {
    host: server.host,
    get port() {
      return server.port ?? 0;
    },
    superuser,
    password,
    get connection() {
      return { host: server.host, port: server.port ?? 0, user: superuser, password, database: 'postgres' };
    },
    query: (text, values, database) => server.query(text, values, database) as never,
    standby: async (settings) => {
      const folder = newFolder();
      const slot = `standby_${randomBytes(4).toString('hex')}`;
      const replica = new PostgresServer({ binaries: server.binaries, folder, superuser, password });
      await makeStandby(server, replica, slot);
      replica.settings = { ...server.settings, ...settings, ...standbySettings(replica, server, slot, { user: superuser, password }) };
      await replica.start();
      const [row] = await server.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn() AS lsn');
      while ((await replica.query<{ ok: boolean }>('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS ok', [row?.lsn]))[0]?.ok !== true) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return handle(replica);
    },
    promote: () => promote(server),
    restart: () => server.restart(),
    crash: () => server.crash(),
    stop: async () => {
      await server.stop('immediate');
      rmSync(server.folder, { recursive: true, force: true });
    },
  };
}

/** Where the servers' account can get to, also when TMPDIR is private. */
function newFolder(): string {
  const base = [tmpdir(), '/tmp', '/var/tmp'].find((candidate) => existsSync(candidate) && serverMayEnter(candidate)) ?? tmpdir();
  return mkdtempSync(join(base, 'switchback-test-postgres-'));
}

async function templateFor(wanted?: number): Promise<{ binaries: Binaries; template: string; password: string }> {
  const major = wanted ?? (Number(process.env['SWITCHBACK_POSTGRES_MAJOR']) || undefined);
  const given = major && process.env[`SWITCHBACK_POSTGRES_${major}`];
  const binaries = findBinaries(given || undefined);
  if (major && binaries.major !== major)
    throw new Error(`PostgreSQL ${major} is wanted, ${binaries.folder} has ${binaries.version}; set SWITCHBACK_POSTGRES_${major}`);
  const base = [tmpdir(), '/tmp', '/var/tmp'].find((candidate) => existsSync(candidate) && serverMayEnter(candidate)) ?? tmpdir();
  const folder = join(base, `switchback-test-template-${binaries.version}-${serverAccount()?.name ?? process.getuid?.()}`);
  if (!existsSync(folder)) {
    const unfinished = mkdtempSync(`${folder}-`);
    const password = randomBytes(12).toString('hex');
    await new PostgresServer({ binaries, folder: unfinished, superuser: 'postgres', password }).init();
    writeFileSync(join(unfinished, 'password'), password, { mode: 0o600 });
    giveToServer(join(unfinished, 'password'));
    try {
      renameSync(unfinished, folder);
    } catch {
      // the other test worker was first; its template is as good.
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  return { binaries, template: join(folder, 'data'), password: readFileSync(join(folder, 'password'), 'utf8') };
}

/** A folder of its own for a test, in which servers can work. */
export function folderForTest(): string {
  const folder = newFolder();
  chmodSync(folder, 0o711);
  return folder;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
