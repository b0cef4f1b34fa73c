/**
 * How applications bring their migrations: as files of SQL, or as programs that are handed a runner. What they send is sent to a database of
 * the same schema, and kept: a window runs just that.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Client, escapeLiteral } from 'pg';
import { statementsOf } from '../../../../lib/postgres/connection/script';

/** Sends statements, and answers those that were sent. */
export type Migrations = (client: Client) => Promise<string[]>;

export interface SqlFile {
  /** What the tool calls it. */
  readonly name: string;
  readonly sql: string;
}

/** Statement by statement, as psql does it. */
export async function send(client: Client, sql: string): Promise<string[]> {
  const statements = statementsOf(sql).map((one) => one.sql);
  for (const statement of statements) {
    try {
      await client.query(statement);
    } catch (error) {
      throw new Error(`${(error as Error).message}: ${statement.slice(0, 200)}`);
    }
  }
  return statements;
}

/** `note`: what the tool writes down of each. */
export const files =
  (all: readonly SqlFile[], note: (name: string) => string = () => '', begin = ''): Migrations =>
  async (client) => {
    const sent = await send(client, begin);
    for (const { name, sql } of all) sent.push(...(await send(client, `${sql}\n;\n${note(name)}`)));
    return sent;
  };

/** Files of a folder by their names; `pick` answers what the tool calls it, or undefined where it leaves it out. */
export function filesIn(folder: string, pick: (file: string) => string | undefined): SqlFile[] {
  if (!existsSync(folder)) throw new Error(`the package has no ${folder}`);
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .flatMap((file) => {
      const name = pick(file);
      return name === undefined ? [] : [{ name, sql: readFileSync(join(folder, file), 'utf8') }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Between two releases: what the new one has and the old one has not. */
export const since = <T extends { readonly name: string }>(now: readonly T[], before: readonly T[]): T[] =>
  now.filter(({ name }) => !before.some((one) => one.name === name));

/** A migration in JavaScript. What its package depends on is not here: its migrations only need types of it, or what nobody calls. */
export function moduleOf(file: string): Record<string, unknown> {
  const loader = Module as unknown as { _load(request: string, parent: unknown, isMain: boolean): unknown };
  const load = loader._load;
  const nothing: unknown = new Proxy(() => nothing, {
    get: (_, name) => (name === Symbol.toPrimitive ? () => '' : nothing),
    construct: () => ({}),
  });
  loader._load = (request, parent, isMain) => {
    try {
      return load(request, parent, isMain);
    } catch (error) {
      if ((error as { code?: string }).code === 'MODULE_NOT_FOUND') return nothing;
      throw error;
    }
  };
  try {
    return createRequire(file)(file) as Record<string, unknown>;
  } finally {
    loader._load = load;
  }
}

/** Sends, and keeps what changes something. */
class Recorder {
  readonly sent: string[] = [];
  constructor(private readonly client: Client) {}

  async query(sql: string, params: readonly unknown[] = []): Promise<unknown[]> {
    const whole = sql.replace(/\$(\d+)/g, (_, at: string) => {
      const value = params[Number(at) - 1];
      return value === null || value === undefined ? 'NULL' : escapeLiteral(String(value));
    });
    const text = params.length > 0 ? whole : sql;
    const result = await this.client.query(text);
    if (!/^\s*select\b/i.test(text)) this.sent.push(...statementsOf(text).map((one) => one.sql));
    return (result as { rows?: unknown[] }).rows ?? [];
  }
}

export interface ProgramFile {
  readonly name: string;
  readonly file: string;
}

const programs = (folder: string, pattern: RegExp): ProgramFile[] =>
  readdirSync(folder)
    .filter((file) => pattern.test(file))
    .sort()
    .map((file) => ({ name: file.replace(/\.js$/, ''), file: join(folder, file) }));

/** TypeORM: classes with `up(queryRunner)`, and a table of those that have run. */
export const typeormIn = (folder: string): ProgramFile[] => programs(folder, /^\d{13}.*\.js$/);
export const typeorm =
  (all: readonly ProgramFile[], begin = false): Migrations =>
  async (client) => {
    const runner = new Recorder(client);
    if (begin)
      await runner.query(
        // TypeORM makes the extension by itself when it connects.
        'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"; CREATE TABLE "migrations" ("id" SERIAL NOT NULL PRIMARY KEY, "timestamp" bigint NOT NULL, "name" character varying NOT NULL)',
      );
    for (const { name, file } of all) {
      const made = Object.values(moduleOf(file)).find(
        (one): one is new () => { up(runner: unknown): Promise<void> } => typeof one === 'function' && 'up' in (one.prototype ?? {}),
      );
      if (!made) continue;
      const has = (sql: string, params: unknown[]) => runner.query(sql, params).then((rows) => rows.length > 0);
      await new made().up({
        query: (sql: string, params?: unknown[]) => runner.query(sql, params),
        hasTable: (table: string) => has('SELECT FROM information_schema.tables WHERE table_name = $1', [table]),
        hasColumn: (table: string, column: string) =>
          has('SELECT FROM information_schema.columns WHERE table_name = $1 AND column_name = $2', [table, column]),
      });
      await runner.query('INSERT INTO "migrations" ("timestamp", "name") VALUES ($1, $2)', [name.slice(0, 13), made.name]);
    }
    return runner.sent;
  };
