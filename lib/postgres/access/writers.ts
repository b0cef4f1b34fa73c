/** Who could write to the tables of a database. Who is doing so right now is told by open-writes.ts. Reads only. */
import type { Db } from '../connection/connect';
import { majorVersion, ofExtension, ownSchema, ownSession, rdsRoles, userSchema } from '../connection/server';
import type { Roles } from './roles';

/** A user who can log in and write to at least one table, other than the master user and superusers. */
export interface Writer {
  readonly user: string;
  /** Why: `owns`, or the role that was granted it (`PUBLIC` for everyone). */
  readonly through: string;
  /** One table it concerns, and how many there are. */
  readonly table: string;
  readonly tables: number;
}

/**
 * Everyone who can log in and could write, whatever gives them the right: a grant on a table or a column, to them, to a role they are
 * a member of or to everyone, ownership, or pg_write_all_data. A membership counts even where it is not inherited: SET ROLE uses it.
 */
export async function possibleWriters(db: Db): Promise<Writer[]> {
  return db.query<Writer>(
    `WITH tables AS (
       SELECT c.oid, c.relowner, c.relacl, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r','p','v','f') AND ${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')}),
     holders AS (
       SELECT relowner AS holder, true AS owns, name FROM tables
       UNION ALL
       SELECT x.grantee, false, t.name FROM tables t, pg_catalog.aclexplode(t.relacl) x WHERE x.privilege_type IN ('INSERT','UPDATE','DELETE','TRUNCATE')
       UNION ALL
       SELECT x.grantee, false, t.name FROM tables t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attacl IS NOT NULL,
              pg_catalog.aclexplode(a.attacl) x WHERE x.privilege_type IN ('INSERT','UPDATE')
       UNION ALL
       SELECT 'pg_write_all_data'::regrole, false, '(every table)'),
     held AS (SELECT holder, bool_or(owns) AS owns, min(name) AS name, count(DISTINCT name)::int AS tables FROM holders GROUP BY holder)
     SELECT l.rolname AS "user", CASE WHEN h.owns AND h.holder = l.oid THEN 'owns' WHEN h.holder = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(h.holder) END AS through,
            h.name AS "table", h.tables
       FROM pg_catalog.pg_roles l JOIN held h ON h.holder = 0 OR h.holder = l.oid OR pg_catalog.pg_has_role(l.oid, h.holder, 'MEMBER')
      WHERE l.rolcanlogin AND NOT l.rolsuper AND l.rolname <> current_user AND l.rolname <> ALL ($1)
      ORDER BY 1, 2`,
    [rdsRoles],
  );
}

/** Users other than the master user who can log in and are members of the write role, directly or not. */
export async function writersAllowed(db: Db, roles: Roles): Promise<string[]> {
  const rows = await db.query<{ user: string }>(
    `SELECT l.rolname AS "user" FROM pg_catalog.pg_roles l JOIN pg_catalog.pg_roles w ON w.rolname = $1
      WHERE l.rolcanlogin AND NOT l.rolsuper AND l.rolname <> current_user AND pg_catalog.pg_has_role(l.oid, w.oid, 'MEMBER') ORDER BY 1`,
    [roles.write],
  );
  return rows.map((row) => row.user);
}

/** A function that does what its owner may do, whoever calls it: with it a user writes who has no right to. */
export interface DefinerFunction {
  /** `public.charge(integer)`, fully qualified: the name to acknowledge it by. */
  readonly function: string;
  readonly owner: string;
}

/** SECURITY DEFINER functions that could write, may be called by others, and are not an extension's. STABLE and IMMUTABLE ones cannot write. */
export async function definerFunctions(db: Db): Promise<DefinerFunction[]> {
  return db.query<DefinerFunction>(
    `SELECT pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) AS function, pg_catalog.pg_get_userbyid(p.proowner) AS owner
       FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE p.prosecdef AND p.provolatile = 'v' AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
        AND ${userSchema} AND NOT ${ofExtension('pg_proc', 'p.oid')}
        AND EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) x
                     WHERE x.privilege_type = 'EXECUTE' AND x.grantee <> p.proowner)
      ORDER BY 1`,
  );
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

/** Sessions that began before their user's right to write was taken away, on servers where SET ROLE cannot be refused. */
export async function lingering(db: Db): Promise<number[]> {
  if ((await majorVersion(db)) >= 16) return [];
  const [there] = await db.query<{ there: boolean }>(`SELECT to_regclass('${ownSchema}.fenced') IS NOT NULL AS there`);
  if (!there!.there) return [];
  const rows = await db.query<{ pid: number }>(
    `SELECT s.pid FROM pg_catalog.pg_stat_activity s JOIN ${ownSchema}.fenced f ON s.usename IN (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.rolname = f.member)
      WHERE s.datname = current_database() AND s.backend_type = 'client backend' AND s.backend_start < f.at AND NOT ${ownSession}`,
  );
  return rows.map((row) => row.pid);
}
