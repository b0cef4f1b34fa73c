/** One connection to one PostgreSQL database, in our words: rows in, rows out, and errors that say what is known about the outcome. */
import { createHash } from 'node:crypto';
import { Client, type ClientConfig } from 'pg';
import { authorities } from './certificates';

/** Where a database is. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** The name of the database inside the instance. */
  readonly database: string;
}

/** Who connects. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface ConnectOptions {
  /** What others see in pg_stat_activity. Sessions whose name starts with `switchback` are known to be ours. @default switchback */
  readonly applicationName?: string;
  /** Opens a `replication=database` connection, which answers replication commands too. It takes no parameters in queries. */
  readonly replication?: boolean;
  /** How long connecting may take. @default 10000 */
  readonly timeoutMs?: number;
  /** How long one statement may take before the connection is given up; for checks that must not hang on a dead network. @default no limit */
  readonly statementTimeoutMs?: number;
}

/** A connection. Statements run one after the other; int8 and numeric arrive as strings, as node-postgres does it: cast in SQL. */
export interface Db {
  readonly address: Address;
  /** Runs one statement, or several separated by semicolons without parameters (then the rows of the last are returned). */
  query<T = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<T[]>;
  /**
   * Several at once, one way there and back for all: each is a transaction of its own, and sees what those before it did and what others have
   * committed meanwhile. Answers the rows of each; one that fails does not keep those after it from running. Not inside a transaction.
   */
  queries<Rows extends readonly unknown[]>(statements: readonly string[]): Promise<{ [At in keyof Rows]: Rows[At][] }>;
  /**
   * Runs `action` inside one transaction and commits it; any error rolls it back. A transaction inside a transaction is a savepoint.
   * Use only the `db` given to the action inside it: statements on the outer one wait until the transaction is over. Those inside that nobody
   * waits for in between are sent at once; after one that fails, the others fail, too.
   * @param first a statement that is sent together with BEGIN; it costs no round trip of its own
   */
  transaction<T>(action: (db: Db) => Promise<T>, first?: string): Promise<T>;
  close(): Promise<void>;
  /** Nothing is sent on it any more. */
  readonly broken?: boolean;
}

/** An error of the database or on the way to it. `sqlstate` is PostgreSQL's own code, where PostgreSQL gave one. */
export class DatabaseError extends Error {
  override name = 'DatabaseError';
  constructor(
    message: string,
    readonly sqlstate: string | undefined,
    readonly detail?: string,
    readonly hint?: string,
    readonly constraint?: string,
  ) {
    super(message);
  }
}

/** The database could not be reached, or the connection broke. Says nothing about what a statement did: look on a fresh connection. */
export class ConnectionLost extends DatabaseError {
  override name = 'ConnectionLost';
}

/** The connection broke after a change was sent: it may have been committed or not. Look on a fresh connection before any retry. */
export class OutcomeUnknown extends ConnectionLost {
  override name = 'OutcomeUnknown';
  constructor(
    message: string,
    sqlstate: string | undefined,
    /** The command that shows a person whether the database answers again, and what came of it. */
    readonly look: string,
  ) {
    super(message, sqlstate);
  }
}

/** Quotes an identifier for use in SQL. */
export const ident = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Quotes a text for use in SQL, for statements that take no parameters. */
export const literal = (text: string): string =>
  text.includes('\\') ? ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`;

const kept = new Map<string, string>();

/**
 * Says that a statement is sent again and again: each connection keeps its plan. Only for one without parameters (PostgreSQL plans the first
 * executions of one with parameters anew) over catalogs, whose columns no migration changes.
 */
export function keepPlan(sql: string): string {
  if (!kept.has(sql)) kept.set(sql, `switchback_${createHash('sha256').update(sql).digest('hex').slice(0, 40)}`);
  return sql;
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|::1|\/.*)$/;

/**
 * Ends a session, a transaction or a statement that takes long: whatever somebody has set for the server, a database or a role, ours are as
 * long as they must be. One killed a snapshot that was kept for the proof, another one every copy of a large table. From 17 on there is
 * transaction_timeout, too.
 */
export const timeouts = [
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
  'transaction_timeout',
] as const;

// What the instance sets for customers' sessions (time-outs, formats) is not for ours: values must read the same on every server.
// SET after connecting, so that pg_settings.reset_val still tells what customers get.
const session = [
  // an older server does not know every one.
  `SELECT ${timeouts.map((name) => `CASE WHEN pg_catalog.current_setting('${name}', true) IS NOT NULL THEN pg_catalog.set_config('${name}', '0', false) END`).join(', ')}`,
  "SET TimeZone = 'UTC'",
  "SET DateStyle = 'ISO'",
  "SET IntervalStyle = 'postgres'",
  'SET extra_float_digits = 1',
  "SET bytea_output = 'hex'",
  'SET default_transaction_read_only = off',
  "SET default_transaction_isolation = 'read committed'",
].join('; ');

export async function connect(address: Address, login: Login, options: ConnectOptions = {}): Promise<Db> {
  const config: ClientConfig & { replication?: string } = {
    host: address.host,
    port: address.port,
    database: address.database,
    user: login.username,
    password: login.password,
    application_name: options.applicationName ?? 'switchback',
    connectionTimeoutMillis: options.timeoutMs ?? 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    // the name in the certificate is compared, too.
    ...(loopback.test(address.host) ? {} : { ssl: { rejectUnauthorized: true, ca: authorities() } }),
    ...(options.statementTimeoutMs === undefined ? {} : { query_timeout: options.statementTimeoutMs }),
    ...(options.replication ? { replication: 'database' } : { pipeline: true }),
  };
  const client = new Client(config);
  const connection = new Connection(client, address, login.username);
  await connection.open();
  return connection;
}

class Connection implements Db {
  /** Settles when the statement or transaction before the next one is over. */
  private last: Promise<unknown> = Promise.resolve();
  private lost: Error | undefined;
  private readonly who: string;

  constructor(
    private readonly client: Client,
    readonly address: Address,
    private readonly user: string,
  ) {
    this.who = `${user} at ${address.host}:${address.port}/${address.database}`;
    // Without a listener a connection that breaks while idle would end the process.
    client.on('error', (error: Error) => {
      this.lost = error;
    });
  }

  get broken(): boolean {
    return this.lost !== undefined;
  }

  async open(): Promise<void> {
    try {
      await this.client.connect();
      await this.client.query(session);
    } catch (error) {
      await this.client.end().catch(() => undefined);
      const { code, message } = error as Error & { code?: string };
      // A five-letter code is PostgreSQL's answer (a wrong password, no such database); everything else never got that far.
      if (isSqlstate(code) && !code.startsWith('57P') && !code.startsWith('08'))
        throw new DatabaseError(`cannot connect as ${this.who}: ${message}`, code);
      throw new ConnectionLost(`cannot connect as ${this.who}: ${message || code}`, isSqlstate(code) ? code : undefined);
    }
  }

  query<T>(sql: string, params?: readonly unknown[]): Promise<T[]> {
    return this.alone(() => this.run<T>(sql, params, changes(sql)));
  }

  queries<Rows extends readonly unknown[]>(statements: readonly string[]): Promise<{ [At in keyof Rows]: Rows[At][] }> {
    return this.alone(async () => {
      const all = await allInOrder(statements.map((sql) => this.run(sql, undefined, changes(sql))));
      return all as { [At in keyof Rows]: Rows[At][] };
    });
  }

  transaction<T>(action: (db: Db) => Promise<T>, first?: string): Promise<T> {
    return this.alone(async () => {
      let result: T;
      try {
        await this.run(first === undefined ? 'BEGIN' : `BEGIN; ${first}`, undefined, false);
        result = await action(this.inside(1));
      } catch (error) {
        if (!(error instanceof ConnectionLost)) await this.run('ROLLBACK', undefined, false).catch(() => undefined);
        throw error;
      }
      // A statement that failed and was caught inside leaves a transaction that COMMIT can only roll back.
      if ((await this.commit()) === 'ROLLBACK') {
        throw new DatabaseError(`the transaction as ${this.who} was rolled back at its end: a statement in it had failed`, '25P02');
      }
      return result;
    });
  }

  async close(): Promise<void> {
    await this.last.catch(() => undefined);
    await this.client.end().catch(() => undefined);
  }

  /** The `db` of a transaction: the same connection, without waiting for the transaction it is part of. */
  private inside(depth: number): Db {
    return {
      address: this.address,
      query: <T>(sql: string, params?: readonly unknown[]) => this.run<T>(sql, params, false),
      transaction: async <T>(action: (db: Db) => Promise<T>) => {
        const savepoint = `switchback_${depth}`;
        await this.run(`SAVEPOINT ${savepoint}`, undefined, false);
        try {
          const result = await action(this.inside(depth + 1));
          await this.run(`RELEASE SAVEPOINT ${savepoint}`, undefined, false);
          return result;
        } catch (error) {
          if (!(error instanceof ConnectionLost))
            await this.run(`ROLLBACK TO SAVEPOINT ${savepoint}`, undefined, false).catch(() => undefined);
          throw error;
        }
      },
      queries: () => Promise.reject(new Error('a transaction cannot hold transactions; send its statements without waiting in between')),
      close: () => Promise.reject(new Error('a transaction cannot close its connection; leave the transaction first')),
    };
  }

  private alone<T>(action: () => Promise<T>): Promise<T> {
    const result = this.last.then(action, action);
    this.last = result.catch(() => undefined);
    return result;
  }

  private async run<T>(sql: string, params: readonly unknown[] | undefined, changes: boolean): Promise<T[]> {
    if (this.lost)
      throw new ConnectionLost(`the connection as ${this.who} is broken (${this.lost.message}); nothing was sent on it`, undefined);
    try {
      const name = params === undefined ? kept.get(sql) : undefined;
      const result = await (name === undefined
        ? this.client.query<Record<string, unknown>>(sql, params === undefined ? undefined : [...params])
        : this.client.query<Record<string, unknown>>({ name, text: sql }));
      const last = Array.isArray(result) ? (result.at(-1) as typeof result) : result;
      return (last?.rows ?? []) as T[];
    } catch (error) {
      throw this.explain(
        error as Error & { code?: string; severity?: string; detail?: string; hint?: string; constraint?: string },
        changes ? wordsOf(sql) : undefined,
      );
    }
  }

  private async commit(): Promise<string> {
    if (this.lost)
      throw new ConnectionLost(
        `the connection as ${this.who} is broken (${this.lost.message}); the transaction was not committed`,
        undefined,
      );
    try {
      return (await this.client.query('COMMIT')).command;
    } catch (error) {
      throw this.explain(error as Error, 'COMMIT');
    }
  }

  private explain(
    error: Error & { code?: string; severity?: string; detail?: string; hint?: string; constraint?: string },
    change: string | undefined,
  ): DatabaseError {
    const sqlstate = isSqlstate(error.code) ? error.code : undefined;
    // Without an SQLSTATE the server never answered; FATAL and PANIC are its last words on this connection.
    if (sqlstate !== undefined && error.severity !== 'FATAL' && error.severity !== 'PANIC') {
      return new DatabaseError(error.message, sqlstate, error.detail, error.hint, error.constraint);
    }
    this.lost = error;
    this.client.end().catch(() => undefined);
    const { host, port, database } = this.address;
    return change !== undefined
      ? new OutcomeUnknown(
          `lost the connection as ${this.who} after ${change} was sent (${error.message}): it may have been committed or not`,
          sqlstate,
          `psql "host=${host} port=${port} dbname=${database} user=${this.user}"`,
        )
      : new ConnectionLost(`lost the connection as ${this.who}: ${error.message}`, sqlstate);
  }
}

const changes = (sql: string): boolean => !/^\s*(select|show|explain|fetch)\b/i.test(sql);

/** What was sent at once; where several failed, the error of the first of them: the others may only follow from it. */
export async function allInOrder<T>(sent: readonly Promise<T>[]): Promise<T[]> {
  const all = await Promise.allSettled(sent);
  for (const one of all) if (one.status === 'rejected') throw one.reason;
  return all.map((one) => (one as PromiseFulfilledResult<T>).value);
}

/** What kind of statement it is, without what comes after in quotes: that may be a secret. What a holder looks at first is left out. */
const wordsOf = (sql: string): string =>
  /^[A-Z]+( [A-Z]+)*/.exec(sql.replace(/^DO \$switchback\$.*?\$switchback\$;/s, '').trim())?.[0] ?? 'a change';

const isSqlstate = (code: string | undefined): code is string =>
  code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code);
