/** What migrations cost while they run: tables that were written anew, and locks that would keep readers out. */
import type { Db } from '../connection/connect';
import { ownSchema, userSchema } from '../connection/server';

/** Where a table's rows are. A rewrite puts them into another file, whatever statement asked for it. */
export interface TableFile {
  readonly oid: number;
  readonly table: string;
  readonly file: number;
  readonly bytes: number;
}

export const readFiles = (db: Db): Promise<TableFile[]> =>
  db.query<TableFile>(
    `SELECT c.oid::int8::float8 AS oid, format('%I.%I', n.nspname, c.relname) AS "table", coalesce(pg_relation_filenode(c.oid), 0)::int8::float8 AS file, pg_total_relation_size(c.oid)::float8 AS bytes
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','m') AND ${userSchema} ORDER BY 2`,
  );

/** Tables that are the same by OID and lie in another file: rewritten, or emptied. */
export function rewritten(before: readonly TableFile[], after: readonly TableFile[]): { readonly table: string; readonly bytes: number }[] {
  return before.flatMap((old) => {
    const now = after.find(({ oid }) => oid === old.oid);
    return now && now.file !== old.file ? [{ table: old.table, bytes: old.bytes }] : [];
  });
}

/** Where looks at locks are kept: on the database itself, so that whoever looks next goes on with them. */
export async function prepareLocks(db: Db): Promise<void> {
  await db.query(`CREATE SCHEMA IF NOT EXISTS ${ownSchema}`);
  await db.query(
    `CREATE TABLE IF NOT EXISTS ${ownSchema}.locks_seen (part text, holder text, relation text, since timestamptz NOT NULL, until timestamptz NOT NULL, told boolean NOT NULL DEFAULT false, PRIMARY KEY (part, holder, relation))`,
  );
}

/**
 * Notes the tables that nobody else may read right now; a lock is the same one for as long as its transaction is.
 * Answers those that have been closed for more than a second, each once.
 */
export async function noteLocks(db: Db, part: string): Promise<string[]> {
  await db.query(
    `INSERT INTO ${ownSchema}.locks_seen
     SELECT DISTINCT $1, a.pid || ' ' || a.xact_start, format('%I.%I', n.nspname, c.relname), clock_timestamp(), clock_timestamp()
       FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted AND c.relkind IN ('r','p','m') AND ${userSchema}
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     ON CONFLICT (part, holder, relation) DO UPDATE SET until = excluded.until`,
    [part],
  );
  const long = await db.query<{ relation: string }>(
    `UPDATE ${ownSchema}.locks_seen SET told = true WHERE part = $1 AND NOT told AND until - since >= interval '1 s' RETURNING relation`,
    [part],
  );
  return long.map(({ relation }) => relation);
}

/** How long each table was closed to readers, the longest time of each that lasted a second, as far as the looks can tell. */
export const locksHeld = (db: Db, part: string): Promise<{ table: string; seconds: number }[]> =>
  db.query(
    `SELECT relation AS "table", round(extract(epoch FROM max(until - since))::numeric, 1)::float8 AS seconds
       FROM ${ownSchema}.locks_seen WHERE part = $1 GROUP BY 1 HAVING max(until - since) >= interval '1 s' ORDER BY 1`,
    [part],
  );
