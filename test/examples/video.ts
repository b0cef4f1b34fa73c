/** What the tests of the example share: a database set up as the stacks do it, and the example's processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { startServer, type TestServer } from '../_helpers/postgres';

export type ReleaseName = '1.0.0' | '2.0.0';
export const imageOf = (release: ReleaseName) => join(__dirname, '../../examples/video/images/video', release);

/** A server with the system's roles and an empty database `video`, and everything that was started against it. */
export class VideoHost {
  private readonly children = new Set<Program>();

  private constructor(readonly server: TestServer) {}

  static async start(): Promise<VideoHost> {
    const host = new VideoHost(await startServer());
    const { server } = host;
    const { password } = server;
    for (const role of ['video_owner', 'video_write', 'video_read']) await server.query(`create role ${role}`);
    await server.query(`create role video_blue login password '${password}' in role video_read, video_write`);
    await server.query(`create role video_reader login password '${password}' in role video_read`);
    await server.query(`create role video_migrator login password '${password}' in role video_owner`);
    await server.query('alter role video_migrator set role = video_owner');
    return host;
  }

  /** Makes an empty database; with a release, in the form of that release. */
  async createDatabase(database: string, release?: ReleaseName): Promise<void> {
    await this.server.query(`create database ${database}`);
    await this.query(database, 'grant usage, create on schema public to video_owner');
    const defaults = 'alter default privileges for role video_owner in schema public grant';
    await this.query(database, `${defaults} select on tables to video_read`);
    await this.query(database, `${defaults} select, insert, update, delete on tables to video_write`);
    if (release) await this.migrate(database, release, 'expand');
  }

  query<Row extends object = Record<string, unknown>>(database: string, text: string, values?: unknown[]): Promise<Row[]> {
    return this.server.query<Row>(text, values, database);
  }

  url(database: string, user: 'video_blue' | 'video_reader' | 'video_migrator' = 'video_blue'): string {
    return `postgres://${user}:${this.server.password}@${this.server.host}:${this.server.port}/${database}`;
  }

  fence = () => this.server.query('revoke video_write from video_blue');
  unfence = () => this.server.query('grant video_write to video_blue');

  /** Ends every session of a user, as an operator or a failover does. */
  terminate(user: string): Promise<unknown> {
    return this.server.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [user]);
  }

  /** Runs migrations to their end; throws what they complained about when they fail. */
  async migrate(database: string, release: ReleaseName, part: string, environment: Record<string, string> = {}): Promise<string> {
    const program = this.run(release, ['migrate.js', part], {
      BACKFILL_SECONDS: '0',
      DATABASE_URL: this.url(database, 'video_migrator'),
      ...environment,
    });
    const code = await program.exited;
    if (code !== 0) throw new Error(`exit code ${code}: ${program.output}`);
    return program.output;
  }

  /** Starts `node <args>` in the folder of a release. */
  run(release: ReleaseName, args: string[], environment: Record<string, string> = {}): Program {
    const child = new Program(
      spawn(process.execPath, args, {
        cwd: imageOf(release),
        env: {
          PATH: process.env['PATH'] ?? '',
          HOST: '127.0.0.1',
          PORT: '0',
          RELEASE_VERSION: release,
          RELEASE_COMMIT: 'c0ffee',
          SWITCHBACK_COLOR: release === '1.0.0' ? 'blue' : 'green',
          ...environment,
        },
      }),
    );
    this.children.add(child);
    return child;
  }

  /** Starts an application and waits until it listens; its address is then in `url`. */
  async application(release: ReleaseName, name: string, database: string, environment: Record<string, string> = {}): Promise<Program> {
    const user = name === 'player' ? 'video_reader' : 'video_blue';
    const program = this.run(release, ['server.js', name], { DATABASE_URL: this.url(database, user), ...environment });
    const [, port] = await program.says(/listens on 127\.0\.0\.1:(\d+)/);
    program.url = `http://127.0.0.1:${port}`;
    return program;
  }

  async worker(release: ReleaseName, name: string, database: string): Promise<Program> {
    return this.run(release, ['worker.js', name], { DATABASE_URL: this.url(database) });
  }

  /** Ends the processes that a test started. */
  async endPrograms(): Promise<void> {
    await Promise.all([...this.children].map((child) => child.kill()));
    this.children.clear();
  }

  async stop(): Promise<void> {
    await this.endPrograms();
    await this.server.stop();
  }
}

/** A process, what it printed, and how it ended. */
export class Program {
  url = '';
  output = '';
  readonly exited: Promise<number | string>;

  constructor(readonly process: ChildProcess) {
    for (const stream of [process.stdout, process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString('utf8');
      });
    }
    this.exited = once(process, 'close').then(([code, signal]) => (code as number | null) ?? String(signal));
  }

  says(pattern: RegExp): Promise<RegExpExecArray> {
    return until(`output ${pattern}`, () => {
      if (this.process.exitCode !== null) throw new Error(`ended with ${this.process.exitCode}: ${this.output}`);
      return pattern.exec(this.output) ?? undefined;
    });
  }

  async terminate(): Promise<number | string> {
    this.process.kill('SIGTERM');
    return this.exited;
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}

/** Asks until the answer is neither undefined nor false; a test fails with `what` after ten seconds, or as many as are given. */
export async function until<T>(what: string, ask: () => T | Promise<T>, seconds = 10): Promise<Exclude<T, undefined | false>> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the application answered.
  readonly json: any;
}

const oneShot = new Agent({ keepAlive: false });

/** A request on a connection of its own, unless an agent is given. With `body` it is a POST. */
export function ask(
  url: string,
  options: { body?: object | string; headers?: Record<string, string>; agent?: Agent; method?: string } = {},
): Promise<Answer> {
  const text = typeof options.body === 'object' ? JSON.stringify(options.body) : options.body;
  return new Promise((resolve, reject) => {
    const headers = { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers };
    const method = options.method ?? (text === undefined ? 'GET' : 'POST');
    const sent = request(url, { method, headers, agent: options.agent ?? oneShot }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString('utf8');
      });
      response.on('error', reject);
      response.on('end', () => {
        const isJson = (response.headers['content-type'] ?? '').includes('json') && body !== '';
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: body, json: isJson ? JSON.parse(body) : undefined });
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}
