/**
 * Who may change a database: one run at a time, and the database itself knows which. A run that gets a connection takes
 * the database; each of its changes then looks, inside its own transaction, whether it still has it, and keeps others from
 * taking it until it is over. So a run that fell asleep and wakes up after a take-over has either finished a change before
 * it, or is refused; never both.
 *
 * The lock is on the holder's table, which nobody else may lock: any user can take an advisory lock, and keep a fence waiting
 * with it. It writes nothing and needs no transaction number, so it covers what must not have written before (making a slot),
 * too. Only what cannot be in a transaction at all (REFRESH PUBLICATION) has an advisory one; who else takes that is ended.
 */
import { DatabaseError, type Db, literal } from '../connection/connect';
import { inRecovery } from '../connection/lsn';
import { ownSchema, ownSession } from '../connection/server';

/** A run as its databases know it. */
export interface Holder {
  /** Rises from run to run of one journal. */
  readonly number: number;
  /** Another journal's numbers say nothing: the database is a copy of one in another environment. */
  readonly journal: string;
  /** For people: `the rollback of ada on ada@laptop (w3)`. */
  readonly run: string;
}

/** SQLSTATE of a change by a run that does not hold the database. */
const notTheHolder = 'SB001';
/** `SWBC`, 1: the name of the lock. */
const lock = '1398227523, 1';
const table = `${ownSchema}.holder`;

/** Statements that only read, or only say how the session goes on. */
const reading = /^\s*(select|with|show|explain|fetch|begin|(rollback|commit)(?!\s+prepared)|set|reset)\b/i;
/** What they can do beyond that; run-lock.test.ts holds it against every function that lib/postgres calls. */
const doing =
  /\b((setval|pg_(replication_slot_advance|drop_replication_slot|create_logical_replication_slot|terminate_backend|logical_emit_message|replication_origin_advance))\s*\(|(insert|update|delete|merge)\b)/i;
/** What cannot be in a transaction. */
const byItself =
  /^\s*(alter\s+subscription\b.*\brefresh|vacuum|(commit|rollback)\s+prepared\b|(create|drop|reindex)\b.*\bconcurrently)\b/is;

/** Whether a statement changes anything; several at once are taken for a change. */
export function isChange(sql: string): boolean {
  const bare = sql.replace(/'[^']*'|"[^"]*"/g, "''");
  return !reading.test(bare) || doing.test(bare) || /;\s*\S/.test(bare);
}

/** A connection whose changes are made only while the run holds the database. */
export class LockedDb implements Db {
  private taken = false;
  private readonly look: string;
  private readonly lookAlone: string;

  constructor(
    private readonly db: Db,
    private readonly holder: Holder,
    /** What a change fails with once somebody else has the database; the message says who. */
    private readonly refusal: (message: string) => Error,
    /** How long a change of the run before may take to finish before its session is ended. */
    private readonly patienceMs = 5000,
  ) {
    const { number, journal } = holder;
    // each statement of the block reads anew: what a take-over that was waited for has written is seen. Nothing is waited for without a limit.
    const look = (take: string) => `DO $switchback$ DECLARE it record; before text := current_setting('lock_timeout'); BEGIN
      PERFORM pg_catalog.set_config('lock_timeout', '${patienceMs * 2}ms', true);
      ${take};
      PERFORM pg_catalog.set_config('lock_timeout', before, true);
      SELECT * INTO it FROM ${table};
      IF it.number IS DISTINCT FROM ${number} OR it.journal <> ${literal(journal)} THEN
        RAISE EXCEPTION USING ERRCODE = '${notTheHolder}', MESSAGE = coalesce(it.run || ' has it since ' || ${inUtc('it.at')}, 'nobody has it any more');
      END IF; END $switchback$`;
    this.look = look(`LOCK TABLE ${table} IN ROW SHARE MODE`);
    this.lookAlone = look(`PERFORM pg_catalog.pg_advisory_lock_shared(${lock})`);
  }

  get address() {
    return this.db.address;
  }

  get broken() {
    return this.db.broken ?? false;
  }

  async query<T>(sql: string, params?: readonly unknown[]): Promise<T[]> {
    if (!isChange(sql)) return this.db.query<T>(sql, params);
    if (params) return this.transaction((inside) => inside.query<T>(sql, params));
    if (!(await this.take())) return this.db.query<T>(sql);
    // several statements in one message are one transaction.
    return this.translated(byItself.test(sql) ? this.alone<T>(sql) : this.db.query<T>(`${this.look}; ${sql}`));
  }

  async queries<Rows extends readonly unknown[]>(statements: readonly string[]): Promise<{ [At in keyof Rows]: Rows[At][] }> {
    if (!statements.some(isChange) || !(await this.take())) return this.db.queries<Rows>(statements);
    return this.translated(this.db.queries<Rows>(statements.map((sql) => (isChange(sql) ? `${this.look}; ${sql}` : sql))));
  }

  async transaction<T>(action: (db: Db) => Promise<T>): Promise<T> {
    return this.translated(this.db.transaction(action, (await this.take()) ? this.look : undefined));
  }

  close(): Promise<void> {
    return this.db.close();
  }

  private async alone<T>(sql: string): Promise<T[]> {
    try {
      await endStrangers(this.db);
      await this.db.query(this.lookAlone);
      return await this.db.query<T>(sql);
    } finally {
      await this.db.query(`SELECT pg_catalog.pg_advisory_unlock_shared(${lock})`).catch(() => undefined);
    }
  }

  private async translated<T>(result: Promise<T>): Promise<T> {
    try {
      return await result;
    } catch (error) {
      throw error instanceof DatabaseError && error.sqlstate === notTheHolder ? this.refusal(error.message) : error;
    }
  }

  /**
   * Takes the database for the run; answers false on a replica, which has nothing to take until it is promoted.
   * @throws the refusal when a later run has it
   */
  async take(): Promise<boolean> {
    if (this.taken) return true;
    if (await inRecovery(this.db)) return false;
    for (let tries = 1; !(await this.isOurs()); tries += 1) {
      try {
        await this.raise();
      } catch (error) {
        if (!(error instanceof DatabaseError) || error.sqlstate !== '55P03' || tries === 3) throw error;
        await endChanges(this.db);
      }
    }
    this.taken = true;
    return true;
  }

  private async isOurs(): Promise<boolean> {
    const { db } = this;
    const [known] = await db.query<{ there: boolean }>(`SELECT to_regclass('${table}') IS NOT NULL AS there`);
    if (!known!.there) return false;
    const [it] = await db.query<Holder & { since: string }>(
      `SELECT number::float8 AS number, journal, run, ${inUtc('at')} AS since FROM ${table}`,
    );
    if (!it || it.journal !== this.holder.journal) return false;
    if (it.number > this.holder.number) throw this.refusal(`${it.run} has it since ${it.since}`);
    return it.number === this.holder.number;
  }

  /** Once the locks are had, no change of the run before is under way, and the next one of it is refused. */
  private async raise(): Promise<void> {
    const { number, journal, run } = this.holder;
    await endStrangers(this.db);
    await this.db.transaction(async (inside) => {
      await inside.query(
        `SET LOCAL lock_timeout = ${this.patienceMs}; SET LOCAL synchronous_commit = 'local'; SELECT pg_catalog.pg_advisory_xact_lock(${lock})`,
      );
      const [known] = await inside.query<{ there: boolean }>(`SELECT to_regclass('${table}') IS NOT NULL AS there`);
      if (!known!.there) {
        // asked for only where it is missing: it takes the right to make schemas even where there is nothing to make.
        const [schema] = await inside.query<{ there: boolean }>(`SELECT to_regnamespace('${ownSchema}') IS NOT NULL AS there`);
        if (!schema!.there) await inside.query(`CREATE SCHEMA ${ownSchema}`);
        await inside.query(
          `CREATE TABLE ${table} (one boolean PRIMARY KEY DEFAULT true CHECK (one), number bigint NOT NULL, journal text NOT NULL, run text NOT NULL, at timestamptz NOT NULL)`,
        );
      }
      await inside.query(`LOCK TABLE ${table} IN EXCLUSIVE MODE`);
      await inside.query(
        `INSERT INTO ${table} AS h (number, journal, run, at) VALUES ($1, $2, $3, clock_timestamp())
         ON CONFLICT (one) DO UPDATE SET number = excluded.number, journal = excluded.journal, run = excluded.run, at = excluded.at
           WHERE h.number < excluded.number OR h.journal <> excluded.journal`,
        [number, journal, run],
      );
    });
  }
}

const [classid, objid] = lock.split(', ');
const held = `pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.datname = current_database() AND d.oid = l.database
 WHERE l.granted AND l.pid <> pg_catalog.pg_backend_pid()`;
const advisory = `l.locktype = 'advisory' AND l.classid = ${classid} AND l.objid = ${objid} AND l.objsubid = 2`;

/** Any user can take an advisory lock: those who are not us have no business with this one. */
async function endStrangers(db: Db): Promise<void> {
  await db.query(
    `SELECT pg_catalog.pg_terminate_backend(l.pid, 5000) FROM ${held} AND ${advisory} AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity s WHERE s.pid = l.pid AND ${ownSession})`,
  );
}

/** Ends the sessions whose change keeps the database from being taken: what they have not committed is undone. */
async function endChanges(db: Db): Promise<void> {
  await db.query(
    `SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM (SELECT DISTINCT l.pid FROM ${held} AND (${advisory} OR l.locktype = 'relation' AND l.relation = to_regclass('${table}') AND l.mode <> 'AccessShareLock')) AS holders`,
  );
}

function inUtc(timestamp: string): string {
  return `pg_catalog.to_char(${timestamp} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
}
