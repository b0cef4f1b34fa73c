/** What migrations cost while they run: tables that were written anew, and locks that would keep readers out. */
import type { Db } from './connect';
import { userSchema } from './server';

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

/** Tables that nobody else may read right now, and by which session since when it was begun. */
export const exclusiveLocks = (db: Db): Promise<{ table: string; by: string }[]> =>
  db.query(
    `SELECT DISTINCT format('%I.%I', n.nspname, c.relname) AS "table", a.pid || ' ' || a.xact_start AS by
       FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted AND c.relkind IN ('r','p','m') AND ${userSchema}
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
