/**
 * A database made from another of the same server: the same rows, OIDs and column numbers, as a replica that was promoted has them. What
 * belongs to the database and not to what is in it does not come with a template: rights on it, and settings of it and of roles in it.
 */
import { DatabaseError, type Db, ident, literal } from '../connection/connect';
import { type Poll, pollEvery } from '../connection/lsn';

export interface TwinOptions {
  readonly from: string;
  readonly to: string;
  /** How the end of others' sessions is waited for. @default every 100 ms, for a minute */
  readonly poll?: Poll;
}

/** Larger ones are copied as files: their WAL would be as large again. */
const asFilesFrom = 1e9;

/** Said last, so that one whose maker died in between is not taken for whole. */
const whole = (from: string): string => `switchback: made from ${from}`;

export async function twinState(db: Db, { from, to }: TwinOptions): Promise<'none' | 'begun' | 'whole'> {
  const [row] = await db.query<{ said: string | null }>(
    "SELECT pg_catalog.shobj_description(oid, 'pg_database') AS said FROM pg_catalog.pg_database WHERE datname = $1",
    [to],
  );
  return row === undefined ? 'none' : row.said === whole(from) ? 'whole' : 'begun';
}

/** `db` is connected to neither. Sessions at `from` are ended: PostgreSQL copies no database that somebody uses. May be called again. */
export async function makeTwin(db: Db, options: TwinOptions): Promise<void> {
  const { from, to, poll = pollEvery(100, 60_000, `the end of the sessions at ${from}`) } = options;
  while ((await twinState(db, options)) === 'none') {
    await endSessions(db, from);
    try {
      await db.query(`CREATE DATABASE ${ident(to)} TEMPLATE ${ident(from)}${await strategy(db, from)}`);
    } catch (error) {
      // 55006: somebody came back; 42P04: an earlier run has made it meanwhile.
      if (!(error instanceof DatabaseError) || (error.sqlstate !== '55006' && error.sqlstate !== '42P04')) throw error;
      await poll();
    }
  }
  const said = `COMMENT ON DATABASE ${ident(to)} IS ${literal(whole(from))}`;
  await db.query([...(await rightsOf(db, from, to)), ...(await settingsOf(db, from, to)), said].join('; '));
}

/** Of others; those of the server's own user cannot be ended and are short. */
async function endSessions(db: Db, name: string): Promise<void> {
  await db.query(
    `SELECT pg_catalog.pg_terminate_backend(s.pid) FROM pg_catalog.pg_stat_activity s JOIN pg_catalog.pg_roles r ON r.oid = s.usesysid
      WHERE s.datname = $1 AND s.pid <> pg_catalog.pg_backend_pid() AND (NOT r.rolsuper OR pg_catalog.pg_has_role(r.oid, 'USAGE'))`,
    [name],
  );
}

async function strategy(db: Db, name: string): Promise<string> {
  const [size] = await db.query<{ bytes: number }>('SELECT pg_catalog.pg_database_size($1::name)::float8 AS bytes', [name]);
  return size!.bytes > asFilesFrom ? ' STRATEGY file_copy' : '';
}

async function rightsOf(db: Db, from: string, to: string): Promise<string[]> {
  const rows = await db.query<{ right: string; role: string | null; grantable: boolean }>(
    `SELECT a.privilege_type AS "right", r.rolname AS role, a.is_grantable AS grantable FROM pg_catalog.pg_database d CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) a
       LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE d.datname = $1 AND a.grantee <> d.datdba ORDER BY 2, 1`,
    [from],
  );
  const [acl] = await db.query<{ own: boolean }>('SELECT datacl IS NOT NULL AS own FROM pg_catalog.pg_database WHERE datname = $1', [from]);
  if (!acl!.own) return [];
  return [
    `REVOKE ALL ON DATABASE ${ident(to)} FROM PUBLIC`,
    ...rows.map(
      ({ right, role, grantable }) =>
        `GRANT ${right} ON DATABASE ${ident(to)} TO ${role === null ? 'PUBLIC' : ident(role)}${grantable ? ' WITH GRANT OPTION' : ''}`,
    ),
  ];
}

/** Lists of names: kept as they are to be written. */
const lists = ['search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries'];

async function settingsOf(db: Db, from: string, to: string): Promise<string[]> {
  const rows = await db.query<{ role: string | null; setting: string }>(
    `SELECT r.rolname AS role, unnest(s.setconfig) AS setting FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = $1
       LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole WHERE s.setrole = 0 OR r.rolname IS NOT NULL`,
    [from],
  );
  return rows.map(({ role, setting }) => {
    const at = setting.indexOf('=');
    const [name, value] = [setting.slice(0, at), setting.slice(at + 1)];
    const whose = role === null ? `ALTER DATABASE ${ident(to)}` : `ALTER ROLE ${ident(role)} IN DATABASE ${ident(to)}`;
    return `${whose} SET ${name} = ${lists.includes(name) ? value : literal(value)}`;
  });
}

/** What the database needs, in bytes, of everything on its server. */
export async function bytesOnServer(db: Db): Promise<{ readonly all: number; readonly own: number }> {
  const [row] = await db.query<{ all: number; own: number }>(
    'SELECT sum(pg_catalog.pg_database_size(oid))::float8 AS "all", pg_catalog.pg_database_size(pg_catalog.current_database())::float8 AS own FROM pg_catalog.pg_database',
  );
  return row!;
}
