/**
 * Sessions that may act as a role by SET ROLE: they keep its rights when the membership is taken away, until they end. Who could do so is
 * noted in the transaction that takes it away, and which sessions they had right after it; that survives whoever was to end them.
 * From PostgreSQL 16 on a membership can be granted without SET, and nobody is noted.
 */
import { DatabaseError, type Db, literal } from '../connection/connect';
import { pollEvery } from '../connection/lsn';
import { ownSchema, ownSession } from '../connection/server';

const table = `${ownSchema}.set_role`;
/** Which of a user's sessions it is; compared as a whole, because clocks are set back. */
const session = "s.pid || ' ' || s.backend_start";
const sessionsOf = `pg_catalog.pg_stat_activity s WHERE s.datname = current_database() AND s.pid <> pg_catalog.pg_backend_pid() AND NOT ${ownSession}`;

/** What `pg_has_role` has to be asked for: whether SET ROLE would be allowed. */
export const setRole = "CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END";

/** Where it is noted; before the transaction that `noteSql` is part of. */
export async function prepareNotes(db: Db): Promise<void> {
  await db.query(
    `CREATE SCHEMA IF NOT EXISTS ${ownSchema}; CREATE TABLE IF NOT EXISTS ${table} (member name PRIMARY KEY, sessions text[])`,
  );
}

/** Goes into the message that takes the membership away. */
export const noteSql = (members: readonly string[]): string =>
  `INSERT INTO ${table} VALUES ${members.map((member) => `(${literal(member)}, NULL)`).join(', ')} ON CONFLICT (member) DO UPDATE SET sessions = NULL`;

/** Right after it: sessions that begin later cannot. */
export async function noteSessions(db: Db): Promise<void> {
  if (await noted(db))
    await db.query(
      `UPDATE ${table} t SET sessions = ARRAY(SELECT ${session} FROM ${sessionsOf} AND s.usename = t.member) WHERE t.sessions IS NULL`,
    );
}

/** Those that are still there. */
export async function keptSessions(db: Db): Promise<{ pid: number; user: string }[]> {
  if (!(await noted(db))) return [];
  return db.query(
    `SELECT s.pid, s.usename AS "user" FROM ${table} t, ${sessionsOf} AND s.usename = t.member AND (t.sessions IS NULL OR ${session} = ANY (t.sessions)) ORDER BY s.pid`,
  );
}

/** Ends them; answers those that could not be ended. */
export async function endKeptSessions(db: Db): Promise<{ pid: number; user: string }[]> {
  const kept = await keptSessions(db);
  if (kept.length === 0) return [];
  await terminateSessions(db, kept);
  const wait = pollEvery(2, 5_000, 'the end of terminated sessions');
  for (;;) {
    const left = await keptSessions(db);
    if (left.length === 0) return left;
    try {
      await wait();
    } catch {
      return left;
    }
  }
}

/** Asks sessions to end; a superuser's is not ours to ask. */
export async function terminateSessions(db: Db, sessions: readonly { pid: number }[]): Promise<void> {
  for (const { pid } of sessions) {
    await db.query('SELECT pg_catalog.pg_terminate_backend($1)', [pid]).catch((error: unknown) => {
      if (!(error instanceof DatabaseError) || error.sqlstate !== '42501') throw error;
    });
  }
}

/** A row where anybody was noted. */
export const notesSql = `SELECT true AS noted WHERE to_regclass('${table}') IS NOT NULL`;

async function noted(db: Db): Promise<boolean> {
  return (await db.query(notesSql)).length > 0;
}
