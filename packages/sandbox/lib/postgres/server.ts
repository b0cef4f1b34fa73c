/** One PostgreSQL server: a folder with data, log and settings, and the process that works on it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, type QueryResultRow } from 'pg';
import { freePort } from '../ports';
import { giveToServer, spawnOptions } from './account';
import type { Binaries } from './binaries';
import { childrenOf, endLeftOver, guard, isAlive, isFree, signal, statusOf, waitFor } from './process';

/** Names and values of postgresql.conf. */
export type Settings = Readonly<Record<string, string | number>>;

export interface ServerOptions {
  readonly binaries: Binaries;
  /** Everything of this server is below it; the servers' account can enter it (see place.ts). */
  readonly folder: string;
  /** The superuser we administer it with. */
  readonly superuser: string;
  readonly password: string;
  /** Kept as long as it is free when the server starts. @default - chosen at the first start */
  readonly port?: number;
  /** @default {} */
  readonly settings?: Settings;
  /** Called when the process ends and nobody asked for it. */
  readonly onExit?: () => void;
  /** One line for the log: what a reader would want to know about a start that was not straightforward. */
  readonly log?: (line: string) => void;
}

/** `fast` ends sessions and writes everything down; `immediate` leaves a recovery to the next start. */
export type StopMode = 'fast' | 'immediate';

export class PostgresServer {
  readonly host = '127.0.0.1';
  readonly folder: string;
  /** What `initdb` made; the server's own. */
  readonly data: string;
  readonly binaries: Binaries;
  readonly superuser: string;
  readonly password: string;
  port: number | undefined;
  settings: Settings;
  private process: ChildProcess | undefined;
  private starting: Promise<void> | undefined;
  private callOffGuard: (() => void) | undefined;
  private readonly frozen = new Set<number>();

  constructor(private readonly options: ServerOptions) {
    this.folder = options.folder;
    this.data = join(options.folder, 'data');
    this.binaries = options.binaries;
    this.superuser = options.superuser;
    this.password = options.password;
    this.port = options.port;
    this.settings = options.settings ?? {};
  }

  /** Makes the data folder of a new server. */
  async init(): Promise<void> {
    this.makeFolder();
    rmSync(this.data, { recursive: true, force: true });
    const passwordFile = join(this.folder, 'initial-password');
    writeFileSync(passwordFile, `${this.password}\n`, { mode: 0o600 });
    giveToServer(passwordFile);
    // ICU sorts as the en_US.UTF-8 of RDS does; the C library's own locales are not there on every machine.
    const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US'];
    // small WAL segments: a new server and each copy of it would otherwise carry 16 MB of zeros.
    const size = ['--wal-segsize=4', '--no-sync', '--no-instructions'];
    const access = [`--username=${this.superuser}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
    const program = join(this.binaries.folder, 'initdb');
    try {
      await promisify(execFile)(program, [`--pgdata=${this.data}`, ...access, ...locale, ...size], spawnOptions());
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: string };
      const hint = stderr?.includes('user does not exist') ? '; PostgreSQL runs only under an account that /etc/passwd knows' : '';
      throw new Error(`initdb failed in ${this.data}: ${stderr?.trim() || message}${hint}`);
    } finally {
      rmSync(passwordFile);
    }
  }

  /** Makes the server's own folder, closed to others. */
  makeFolder(): void {
    mkdirSync(this.folder, { recursive: true });
    chmodSync(this.folder, 0o700);
    giveToServer(this.folder);
  }

  get running(): boolean {
    return this.process !== undefined;
  }

  /** Starts it and resolves once it accepts connections; recovery after a crash included. */
  start(milliseconds = 120_000): Promise<void> {
    if (this.process) return Promise.resolve();
    this.starting ??= this.startOnce(milliseconds).finally(() => {
      this.starting = undefined;
    });
    return this.starting;
  }

  private async startOnce(milliseconds: number): Promise<void> {
    const leftOver = await endLeftOver(this.data);
    if (leftOver) this.options.log?.(`ended the PostgreSQL server ${leftOver} that an earlier process had left on ${this.data}`);
    for (let attempt = 1; ; attempt++) {
      await this.choosePort();
      this.writeSettings();
      const problem = await this.tryStart(milliseconds);
      if (problem === undefined) return;
      // between choosing a port and listening on it, somebody else may take it.
      const portTaken = /could not bind|could not create any TCP\/IP sockets/.test(problem);
      // sessions of a killed server take a moment to notice that it is gone.
      const sessionsLeft = /pre-existing shared memory block|is another postmaster/.test(problem);
      if (attempt >= 10 || !(portTaken || sessionsLeft)) throw new Error(`PostgreSQL did not start in ${this.data}: ${problem}`);
      if (portTaken) this.port = undefined;
      else await waitFor(() => false, 300);
    }
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    // one that is just starting is stopped as soon as it runs; one that does not start is down already.
    await this.starting?.catch(() => {});
    const child = this.process;
    if (!child?.pid) return;
    // one that stands still would not hear it.
    this.thaw();
    this.forget();
    signal(child.pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    if (await waitFor(() => child.exitCode !== null || child.signalCode !== null, 60_000)) return;
    signal(child.pid, 'SIGQUIT');
    if (!(await waitFor(() => child.exitCode !== null || child.signalCode !== null, 10_000))) signal(child.pid, 'SIGKILL');
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** Everything gone in the middle of what it was doing, as when the machine loses power. */
  async crash(): Promise<void> {
    const child = this.process;
    if (!child?.pid) return;
    this.forget();
    // the sessions too: one left alone would finish its statement and still acknowledge it.
    const sessions = childrenOf(child.pid);
    signal(child.pid, 'SIGKILL');
    for (const pid of sessions) signal(pid, 'SIGKILL');
    await waitFor(() => child.exitCode !== null || child.signalCode !== null, 5_000);
  }

  /**
   * Stops one of the server's processes where it stands, at a moment when it only waits: one that holds a lock would hold up the
   * whole server. `waits` says whether it does.
   */
  async freeze(pid: number, waits: () => Promise<boolean>): Promise<void> {
    const caught = await waitFor(async () => {
      if (!isAlive(pid)) return true;
      signal(pid, 'SIGSTOP');
      this.frozen.add(pid);
      if (await waits()) return true;
      this.thaw(pid);
      return false;
    }, 10_000);
    if (!caught) throw new Error(`process ${pid} of the server in ${this.folder} does not come to rest`);
  }

  /** Lets one go on, or all. */
  thaw(only?: number): void {
    for (const pid of only === undefined ? this.frozen : [only]) signal(pid, 'SIGCONT');
    if (only === undefined) this.frozen.clear();
    else this.frozen.delete(only);
  }

  /** Writes the settings down and has the running server read those that need no restart. */
  reload(): void {
    this.writeSettings();
    if (this.process?.pid) signal(this.process.pid, 'SIGHUP');
  }

  /** Runs statements as the superuser on a connection of their own. */
  async connect<T>(database: string, action: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({
      host: this.host,
      port: this.port ?? 0,
      user: this.superuser,
      password: this.password,
      database,
      connectionTimeoutMillis: 10_000,
      application_name: 'switchback sandbox',
    });
    // a server that goes away under a connection is reported by the statement that waits, not by the process.
    client.on('error', () => {});
    await client.connect();
    try {
      return await action(client);
    } finally {
      await client.end().catch(() => {});
    }
  }

  async query<Row extends QueryResultRow = QueryResultRow>(text: string, values: unknown[] = [], database = 'postgres'): Promise<Row[]> {
    return this.connect(database, async (client) => (await client.query<Row>(text, values)).rows);
  }

  private async choosePort(): Promise<void> {
    if (this.port !== undefined && (await isFree(this.port))) return;
    const port = await freePort();
    if (this.port !== undefined)
      this.options.log?.(`port ${this.port} of the PostgreSQL server in ${this.folder} is taken; it gets ${port}`);
    this.port = port;
  }

  private writeSettings(): void {
    const all: Settings = { ...this.settings, listen_addresses: this.host, port: this.port ?? 0, unix_socket_directories: '' };
    const lines = Object.entries(all).map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`);
    this.write('postgresql.conf', `# written by the sandbox at every start\n${lines.join('')}`);
    // over the network only, with passwords only; physical replication is a database name of its own here.
    this.write('pg_hba.conf', 'host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n');
  }

  private write(name: string, text: string): void {
    const file = join(this.data, name);
    writeFileSync(file, text, { mode: 0o600 });
    giveToServer(file);
  }

  private async tryStart(milliseconds: number): Promise<string | undefined> {
    const file = join(this.folder, 'postgres.log');
    const before = existsSync(file) ? readFileSync(file).length : 0;
    const output = openSync(file, 'a', 0o600);
    // in a session of its own: Ctrl-C in a terminal must reach the sandbox, which stops its servers in order.
    const child = spawn(join(this.binaries.folder, 'postgres'), ['-D', this.data], {
      ...spawnOptions(),
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    let failure: string | undefined;
    child.on('error', (error) => {
      failure = error.message;
    });
    child.on('exit', () => {
      failure ??=
        readFileSync(file).subarray(before).toString('utf8').trim().split('\n').slice(-5).join(' / ') || 'it ended without a word';
      if (this.process === child) {
        this.forget();
        this.options.onExit?.();
      }
    });
    const started = await waitFor(() => failure !== undefined || statusOf(this.data, child.pid ?? 0) === 'ready', milliseconds);
    if (failure !== undefined) return failure;
    if (!started) {
      signal(child.pid ?? 0, 'SIGQUIT');
      return `it accepts no connections after ${milliseconds / 1000} seconds; see ${file}`;
    }
    this.process = child;
    this.callOffGuard = guard(child.pid ?? 0);
    child.unref();
    return undefined;
  }

  private forget(): void {
    this.callOffGuard?.();
    this.callOffGuard = undefined;
    this.process = undefined;
    this.frozen.clear();
  }
}
