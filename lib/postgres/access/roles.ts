/**
 * Who may do what in a database. Objects belong to an owner that nobody logs in with; a color's user reads through one
 * role and writes only as a member of another. That one has no right itself: it is a member of the role that has them, and
 * this one membership is what the fence takes away (fence.ts). Everything here runs as the master user, which is no
 * superuser, and may be run again at any time.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { DatabaseError, type Db, ident, literal } from '../connection/connect';
import { majorVersion, ofExtension, ownSchema, ownSession, userSchema } from '../connection/server';

/** The names of the roles, as the manifest has them. */
export interface Roles {
  readonly owner: string;
  /** What a color's user is a member of. */
  readonly write: string;
  /**
   * What has the rights to write.
   * @default - as `write`, with `_rights` for `_write`: systems deployed before there was one did not name it
   */
  readonly rights?: string;
  readonly read: string;
  readonly migrator: string;
  readonly reader: string;
}

export const rightsRole = ({ rights, write }: Roles): string => rights ?? `${write.replace(/_write$/, '')}_rights`;

/** Who has the rights: the role made for it, or the write role itself where roles are laid out as before there was one. */
export async function rightsHolder(db: Db, roles: Roles): Promise<string> {
  const rights = rightsRole(roles);
  return (await roleExists(db, rights)) ? rights : roles.write;
}

/** The same in SQL, its oid. */
export const holderSql = (roles: Roles): string =>
  `SELECT oid FROM (SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (${literal(rightsRole(roles))}, ${literal(roles.write)}) ORDER BY rolname = ${literal(rightsRole(roles))} DESC LIMIT 1) h`;

export interface PrepareOptions {
  /** The name of the database. */
  readonly database: string;
  readonly roles: Roles;
  /** Roles whose objects are handed to the owner, besides the master user itself: the user an application used so far. @default none */
  readonly adopt?: readonly string[];
}

/** Makes the roles, hands every object of the master user (and of `adopt`) to the owner, and makes Switchback's own schema. */
export async function prepareRoles(db: Db, { database, roles, adopt = [] }: PrepareOptions): Promise<void> {
  const version = await majorVersion(db);
  await db.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'");
    for (const role of [roles.owner, roles.write, roles.read]) {
      if (!(await roleExists(inside, role))) await inside.query(`CREATE ROLE ${ident(role)} NOLOGIN`);
      else await inside.query(`ALTER ROLE ${ident(role)} NOLOGIN`);
    }
    const master = await currentUser(inside);
    await become(inside, roles.owner, master, version);
    await inside.query(`GRANT CREATE, CONNECT, TEMPORARY ON DATABASE ${ident(database)} TO ${ident(roles.owner)}`);
    await inside.query(`GRANT CONNECT ON DATABASE ${ident(database)} TO ${ident(roles.read)}`);
    for (const from of adopt) await become(inside, from, master, version);
    await handOver(inside, [master, ...adopt], roles.owner);
    for (const from of adopt) await inside.query(`REVOKE ${ident(from)} FROM ${ident(master)}`);
    await moveRights(inside, roles, rightsRole(roles), roles.write);
    await inside.query(`CREATE SCHEMA IF NOT EXISTS ${ownSchema}`);
    await inside.query(`REVOKE ALL ON SCHEMA ${ownSchema} FROM PUBLIC`);
  });
}

/** Lets `member` act as `role`. From PostgreSQL 16 on, having created a role no longer includes its rights. */
async function become(db: Db, role: string, member: string, version: number): Promise<void> {
  const [row] = await db.query<{ done: boolean }>(
    version >= 16
      ? "SELECT pg_has_role($2, $1, 'USAGE') AND pg_has_role($2, $1, 'SET') AS done"
      : "SELECT pg_has_role($2, $1, 'USAGE') AS done",
    [role, member],
  );
  if (!row!.done) await db.query(`GRANT ${ident(role)} TO ${ident(member)}${version >= 16 ? ' WITH INHERIT TRUE, SET TRUE' : ''}`);
}

/** Changes the owner of every object in the user's schemas that belongs to one of `from`. */
async function handOver(db: Db, from: readonly string[], owner: string): Promise<void> {
  const objects = await db.query<{ kind: string; name: string }>(
    `WITH old AS (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ANY ($1))
     SELECT 'SCHEMA' AS kind, format('%I', n.nspname) AS name FROM pg_catalog.pg_namespace n
      WHERE ${userSchema} AND NOT ${ofExtension('pg_namespace', 'n.oid')}
        AND (n.nspowner IN (SELECT oid FROM old) OR (n.nspname = 'public' AND n.nspowner = 'pg_database_owner'::regrole
             AND (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()) IN (SELECT oid FROM old)))
     UNION ALL
     SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
            format('%I.%I', n.nspname, c.relname)
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE ${userSchema} AND c.relkind IN ('r','p','v','m','S','f') AND c.relowner IN (SELECT oid FROM old) AND NOT ${ofExtension('pg_class', 'c.oid')}
        -- a sequence that a column owns follows its table
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND c.relkind = 'S' AND d.deptype IN ('a','i') AND d.refobjsubid > 0)
     UNION ALL
     SELECT 'ROUTINE', p.oid::regprocedure::text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE ${userSchema} AND p.prokind <> 'a' AND p.proowner IN (SELECT oid FROM old) AND NOT ${ofExtension('pg_proc', 'p.oid')}
     UNION ALL
     SELECT 'AGGREGATE', p.oid::regprocedure::text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE ${userSchema} AND p.prokind = 'a' AND p.proowner IN (SELECT oid FROM old) AND NOT ${ofExtension('pg_proc', 'p.oid')}
     UNION ALL
     SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, format('%I.%I', n.nspname, t.typname)
       FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
      WHERE ${userSchema} AND t.typowner IN (SELECT oid FROM old) AND t.typtype IN ('e','d','r','c') AND (t.typtype <> 'c' OR c.relkind = 'c')
        AND NOT ${ofExtension('pg_type', 't.oid')}`,
    [from],
  );
  for (const { kind, name } of objects) await db.query(`ALTER ${kind} ${name} OWNER TO ${ident(owner)}`);
}

/**
 * Gives the rights a role of their own, in a system that was deployed before there was one. One transaction: whoever may write may do so
 * all along. `rightsAsBefore` is the way back.
 */
export async function separateRights(db: Db, roles: Roles): Promise<void> {
  await db.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'");
    await moveRights(inside, roles, rightsRole(roles), roles.write);
  });
}

/** Lays the roles out as an earlier version made them: the write role has the rights. A fence that is up stays up. */
export async function rightsAsBefore(db: Db, roles: Roles): Promise<void> {
  const rights = rightsRole(roles);
  if (!(await roleExists(db, rights))) return;
  await db.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'");
    if ((await membersOf(inside, rights)).every(({ member }) => member !== roles.write))
      for (const { member } of await membersOf(inside, roles.write)) await revokeMembership(inside, roles.write, member);
    await moveRights(inside, roles, roles.write, rights);
    await inside.query(`DROP ROLE ${ident(rights)}`);
  });
}

/** Gives every right to `to`, and takes from `from` what it had. */
async function moveRights(db: Db, roles: Roles, to: string, from: string): Promise<void> {
  const separate = to !== roles.write;
  if (!(await roleExists(db, to))) await db.query(`CREATE ROLE ${ident(to)} NOLOGIN`);
  const moved = (await roleExists(db, from)) && (await hasRights(db, from));
  // those who may write now go on.
  if (separate && moved && (await membersOf(db, from)).length > 0) await db.query(joinSql(to, from, await majorVersion(db)));
  const [owner, read, write] = [ident(roles.owner), ident(roles.read), ident(to)];
  const schemas = await db.query<{ name: string; ours: boolean }>(
    `SELECT n.nspname AS name, pg_catalog.pg_has_role(current_user, n.nspowner, 'USAGE') AS ours FROM pg_catalog.pg_namespace n
      WHERE ${userSchema} AND NOT ${ofExtension('pg_namespace', 'n.oid')} AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY 1`,
  );
  for (const { name, ours } of schemas) {
    const schema = ident(name);
    if (ours) {
      await db.query(`REVOKE CREATE ON SCHEMA ${schema} FROM PUBLIC`);
      await db.query(`GRANT USAGE ON SCHEMA ${schema} TO ${read}, ${write}`);
      if (moved) await db.query(`REVOKE ALL ON SCHEMA ${schema} FROM ${ident(from)}`);
    }
    // ALL TABLES includes other people's: only what the owner has is granted, so that one foreign table does not stop everything.
    const relations = await db.query<{ name: string; sequence: boolean }>(
      `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, c.relkind = 'S' AS sequence
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relowner = $2::regrole AND c.relkind IN ('r','p','v','m','S','f')`,
      [name, owner],
    );
    const tables = relations.filter((relation) => !relation.sequence).map((relation) => relation.name);
    const sequences = relations.filter((relation) => relation.sequence).map((relation) => relation.name);
    if (tables.length > 0) {
      await db.query(`GRANT SELECT ON ${tables.join(', ')} TO ${read}`);
      await db.query(`GRANT INSERT, UPDATE, DELETE, TRUNCATE ON ${tables.join(', ')} TO ${write}`);
      if (moved) await db.query(`REVOKE ALL ON ${tables.join(', ')} FROM ${ident(from)}`);
    }
    if (sequences.length > 0) {
      await db.query(`GRANT SELECT ON SEQUENCE ${sequences.join(', ')} TO ${read}`);
      await db.query(`GRANT USAGE, SELECT, UPDATE ON SEQUENCE ${sequences.join(', ')} TO ${write}`);
      if (moved) await db.query(`REVOKE ALL ON SEQUENCE ${sequences.join(', ')} FROM ${ident(from)}`);
    }
  }
  const later = `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner}`;
  await db.query(`${later} GRANT USAGE ON SCHEMAS TO ${read}, ${write}`);
  await db.query(`${later} GRANT SELECT ON TABLES TO ${read}`);
  await db.query(`${later} GRANT INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO ${write}`);
  await db.query(`${later} GRANT SELECT ON SEQUENCES TO ${read}`);
  await db.query(`${later} GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO ${write}`);
  if (moved) for (const kind of ['SCHEMAS', 'TABLES', 'SEQUENCES']) await db.query(`${later} REVOKE ALL ON ${kind} FROM ${ident(from)}`);
}

/**
 * What moves to the role that has the rights where somebody granted it to the write role itself, as migrations do: the fence takes away one
 * membership, and would not take that away. Finished statements; none where there is nothing to move, or no such role yet.
 */
export async function strayGrants(db: Db, roles: Roles): Promise<string[]> {
  const rights = rightsRole(roles);
  const rows = await db.query<{ privileges: string; object: string }>(
    `SELECT pg_catalog.string_agg(DISTINCT a.privilege_type, ', ') AS privileges,
            pg_catalog.format(CASE WHEN c.relkind = 'S' THEN 'SEQUENCE %I.%I' ELSE '%I.%I' END, n.nspname, c.relname) AS object
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a JOIN pg_catalog.pg_roles w ON w.oid = a.grantee
      WHERE w.rolname = $1 AND c.relkind IN ('r','p','v','m','S','f') AND pg_catalog.pg_get_userbyid(c.relowner) = $2
        AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $3)
      GROUP BY n.nspname, c.relname, c.relkind ORDER BY 2`,
    [roles.write, roles.owner, rights],
  );
  return rows.flatMap(({ privileges, object }) => [
    `GRANT ${privileges} ON ${object} TO ${ident(rights)}`,
    `REVOKE ALL ON ${object} FROM ${ident(roles.write)}`,
  ]);
}

/** In one transaction: whoever may write goes on, and a fence that is up closes over it. */
export async function moveStrayGrants(db: Db, roles: Roles): Promise<void> {
  const statements = await strayGrants(db, roles);
  if (statements.length > 0) await db.query(["SET LOCAL lock_timeout = '5s'", ...statements].join('; '));
}

/** Whether a role was given anything of the owner's in this database, or will be of what is made next. */
async function hasRights(db: Db, role: string): Promise<boolean> {
  return (
    (
      await db.query(
        `SELECT FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_database b ON b.datname = current_database() AND b.oid = d.dbid
          WHERE d.deptype = 'a' AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1) LIMIT 1`,
        [role],
      )
    ).length > 0
  );
}

/** Lets the members of `write` have the rights. Without SET they cannot become the role that has them, and so keep them. */
export const joinSql = (rights: string, write: string, version: number): string =>
  `GRANT ${ident(rights)} TO ${ident(write)}${withoutSet(version)}`;

/** From PostgreSQL 16 on a member can be kept from SET ROLE, with which it would keep a right that is taken away. */
export const withoutSet = (version: number): string => (version >= 16 ? ' WITH INHERIT TRUE, SET FALSE, ADMIN FALSE' : '');

export interface UserOptions {
  readonly user: string;
  readonly password: string;
  /** `color`: an application's user, `reader`: for open paths, `migrator`: for migrations. */
  readonly kind: 'color' | 'reader' | 'migrator';
  readonly roles: Roles;
  readonly database: string;
}

/** Makes the user if it is not there, and gives it its password and its right to read. Never a right to write: that is openTo's. */
export async function ensureUser(db: Db, { user, password, kind, roles, database }: UserOptions): Promise<void> {
  const version = await majorVersion(db);
  await db.transaction(async (inside) => {
    const exists = await roleExists(inside, user);
    // The server's log may hold statements; what it can hold here is the verifier, from which no password can be told.
    await inside.query(`${exists ? 'ALTER' : 'CREATE'} ROLE ${ident(user)} LOGIN INHERIT PASSWORD ${literal(scramVerifier(password))}`);
    await inside.query(`GRANT CONNECT ON DATABASE ${ident(database)} TO ${ident(user)}`);
    if (kind === 'migrator') {
      // Everything a migration makes belongs to the owner. While migrations are not allowed the setting has no effect but a warning at login.
      await inside.query(`ALTER ROLE ${ident(user)} SET role = ${literal(roles.owner)}`);
      return;
    }
    const [member] = await inside.query<{ done: boolean }>("SELECT pg_catalog.pg_has_role($1, $2, 'USAGE') AS done", [user, roles.read]);
    if (!member!.done)
      await inside.query(`GRANT ${ident(roles.read)} TO ${ident(user)}${version >= 16 ? ' WITH INHERIT TRUE, SET FALSE' : ''}`);
    // Only a hint: a session can turn it off, its missing rights it cannot.
    if (kind === 'reader') await inside.query(`ALTER ROLE ${ident(user)} SET default_transaction_read_only = on`);
  });
}

/** Lets the migrator act as the owner; new sessions of it do so from their first statement. */
export async function allowMigrations(db: Db, roles: Roles): Promise<void> {
  const version = await majorVersion(db);
  await db.query(`GRANT ${ident(roles.owner)} TO ${ident(roles.migrator)}${version >= 16 ? ' WITH INHERIT TRUE, SET TRUE' : ''}`);
  if (!(await migrationsAllowed(db, roles)))
    throw new DatabaseError(`the server did not let '${roles.migrator}' act as '${roles.owner}'`, undefined);
}

/** Takes that away and ends the migrator's sessions: one that already acts as the owner would keep doing so. */
export async function forbidMigrations(db: Db, roles: Roles): Promise<void> {
  await revokeMembership(db, roles.owner, roles.migrator);
  await endMigratorSessions(db, roles);
  if (await migrationsAllowed(db, roles)) {
    throw new DatabaseError(
      `'${roles.migrator}' can still act as '${roles.owner}' by a grant that this user cannot take back; as the role that granted it run: REVOKE ${ident(roles.owner)} FROM ${ident(roles.migrator)}`,
      undefined,
    );
  }
}

export async function endMigratorSessions(db: Db, roles: Roles): Promise<void> {
  await db.query(`SELECT pg_catalog.pg_terminate_backend(s.pid, 5000) FROM (${migratorSessionsSql(roles)}) s`);
}

export const migratorSessionsSql = ({ migrator }: Roles): string =>
  `SELECT s.pid FROM pg_catalog.pg_stat_activity s WHERE s.usename = ${literal(migrator)} AND s.pid <> pg_catalog.pg_backend_pid() AND NOT ${ownSession}`;

/** True while the migrator may act as the owner. False when there is no migrator yet. */
export async function migrationsAllowed(db: Db, roles: Roles): Promise<boolean> {
  return (await db.query(migrationsSql(roles))).length > 0;
}

/** A row where they are. */
export const migrationsSql = ({ migrator, owner }: Roles): string =>
  `SELECT true AS allowed FROM pg_catalog.pg_roles m, pg_catalog.pg_roles o WHERE m.rolname = ${literal(migrator)} AND o.rolname = ${literal(owner)} AND pg_catalog.pg_has_role(m.oid, o.oid, 'MEMBER')`;

/** A membership as somebody granted it. */
export interface Grant {
  readonly role: string;
  readonly member: string;
  readonly grantor: string | null;
}

/** Everybody who was granted a role, Switchback's own user aside. */
export async function membersOf(db: Db, role: string): Promise<Grant[]> {
  return db.query<Grant>(membersSql(`r.rolname = ${literal(role)}`));
}

/** `which`: of the roles `r` and memberships `a`. */
export const membersSql = (which: string): string =>
  `SELECT r.rolname AS role, m.rolname AS member, g.rolname AS grantor FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
          JOIN pg_catalog.pg_roles m ON m.oid = a.member LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantor
    WHERE ${which} AND m.rolname <> current_user ORDER BY 2, 3`;

/** Takes one membership away. From PostgreSQL 16 on each grantor's grant stands by itself. */
export const revokeSql = ({ role, member, grantor }: Grant, version: number): string =>
  `REVOKE ${ident(role)} FROM ${ident(member)}${version >= 16 && grantor !== null ? ` GRANTED BY ${ident(grantor)}` : ''} CASCADE`;

/** Takes one membership away, whoever granted it. */
export async function revokeMembership(db: Db, role: string, member: string): Promise<void> {
  const grants = (await membersOf(db, role)).filter((grant) => grant.member === member);
  if (grants.length === 0) return;
  const version = await majorVersion(db);
  for (const grant of grants) {
    await db.query(revokeSql(grant, version)).catch((error: unknown) => {
      // Not ours to take back: the caller looks at what is left and says what to do.
      if (!(error instanceof DatabaseError) || error.sqlstate !== '42501') throw error;
    });
  }
}

export async function roleExists(db: Db, role: string): Promise<boolean> {
  return (await db.query('SELECT FROM pg_catalog.pg_roles WHERE rolname = $1', [role])).length > 0;
}

async function currentUser(db: Db): Promise<string> {
  return (await db.query<{ name: string }>('SELECT current_user AS name'))[0]!.name;
}

/** What PostgreSQL stores for a password (RFC 5803), made here so that the password itself is never part of a statement. */
function scramVerifier(password: string): string {
  const [iterations, salt] = [4096, randomBytes(16)];
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const key = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`;
}
