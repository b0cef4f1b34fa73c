/** Small facts about a server that several files ask for. */
import type { Db } from './connect';

/** 17 for PostgreSQL 17.10. */
export async function majorVersion(db: Db): Promise<number> {
  const [row] = await db.query<{ version: number }>(versionSql);
  return row!.version;
}

export const versionSql = "SELECT pg_catalog.current_setting('server_version_num')::int / 10000 AS version";

/** The values of settings as customers' sessions get them, by name; undefined for one that this server does not have. */
export async function settings<Name extends string>(db: Db, names: readonly Name[]): Promise<Record<Name, string | undefined>> {
  const rows = await db.query<{ name: Name; value: string | null }>(
    'SELECT s.name, s.reset_val AS value FROM pg_catalog.pg_settings s WHERE s.name = ANY ($1::text[])',
    [names],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value ?? undefined])) as Record<Name, string | undefined>;
}

/** The schema with Switchback's own tables. */
export const ownSchema = 'switchback';

/**
 * SQL that is true for a pg_namespace row `n` whose objects are the user's: not PostgreSQL's, not ours, not a session's temporary ones.
 * Objects of an extension are told apart by pg_depend, not by schema.
 */
export const userSchema = `(n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '${ownSchema}'))`;

/** SQL that is true for an object that an extension made. */
export const ofExtension = (catalog: string, oid: string): string =>
  `EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`;

/** SQL that is true for a pg_stat_activity row `s` that belongs to Switchback: the same user, with our application name. */
export const ownSession = "(s.usename = current_user AND s.application_name LIKE 'switchback%')";

/** SQL that is true where `pid` applies what Switchback's own feed brings. */
export const ofThisFeed = (pid: string): string =>
  `EXISTS (SELECT FROM pg_catalog.pg_stat_subscription u WHERE u.pid = ${pid} AND u.subname LIKE 'switchback%')`;

/** Roles of the RDS service itself: nobody outside it can log in as them, and it keeps sessions of them open. */
export const rdsRoles = ['rdsadmin', 'rdsrepladmin', 'rdstopmgr', 'rdsproxyadmin', 'rdswriteforwarduser'];
