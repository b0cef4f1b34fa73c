/** Who may write to a database, in a few words. Every way around is in rights.ts, who is doing so right now in open-writes.ts. Reads only. */
import { type Db, literal } from '../connection/connect';
import { ofExtension, userSchema } from '../connection/server';
import { type Roles, rightsRole } from './roles';

/** Users other than the master user who can log in and have the rights, directly or not. */
export async function writersAllowed(db: Db, roles: Roles): Promise<string[]> {
  const rows = await db.query<{ user: string }>(writersSql(roles));
  return rows.map((row) => row.user);
}

export function writersSql(roles: Roles): string {
  const [rights, write] = [literal(rightsRole(roles)), literal(roles.write)];
  return `SELECT l.rolname AS "user" FROM pg_catalog.pg_roles l,
            (SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (${rights}, ${write}) ORDER BY rolname = ${rights} DESC LIMIT 1) h
      WHERE l.rolcanlogin AND NOT l.rolsuper AND l.rolname <> current_user AND pg_catalog.pg_has_role(l.oid, h.oid, 'MEMBER') ORDER BY 1`;
}

/** How many tables each role owns, and whether it can log in: an owner cannot be fenced, it can always grant itself its rights back. */
export async function whoOwnsTables(db: Db): Promise<{ owner: string; login: boolean; tables: number; example: string }[]> {
  return db.query(
    `SELECT r.rolname AS owner, r.rolcanlogin AS login, count(*)::int AS tables, min(pg_catalog.format('%I.%I', n.nspname, c.relname)) AS example
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
      WHERE c.relkind IN ('r','p') AND ${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')}
      GROUP BY 1, 2 ORDER BY 1`,
  );
}
