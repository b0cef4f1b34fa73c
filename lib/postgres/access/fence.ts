/**
 * The fence: nobody but Switchback can write to a database, and it is proven (proof.ts). It is made of one thing only, membership
 * in the write role. Taking it away binds the next statement even inside an open transaction; reading goes on.
 */
import { DatabaseError, type Db, ident } from '../connection/connect';
import { pollEvery, untilNone } from '../connection/lsn';
import { majorVersion, ownSchema } from '../connection/server';
import { type Ended, type EndOptions, endTransactions, openWrites } from './open-writes';
import { forbidMigrations, type Roles, revokeMembership } from './roles';
import { lingering, writersAllowed } from './writers';

export { type Proof, type ProofOptions, proveFenced } from './fence-proof';
export { type Ended, type EndOptions, type OpenWrite, openWrites } from './open-writes';
export { allowMigrations, forbidMigrations, migrationsAllowed } from './roles';
export { definerFunctions, possibleWriters, type Writer, whoOwnsTables, writersAllowed } from './writers';

/** Lets one user write. */
export async function openTo(db: Db, roles: Roles, user: string): Promise<void> {
  const version = await majorVersion(db);
  // Without SET, a session cannot become the write role and so keep it when the membership is taken away again.
  await db.query(`GRANT ${ident(roles.write)} TO ${ident(user)}${version >= 16 ? ' WITH INHERIT TRUE, SET FALSE, ADMIN FALSE' : ''}`);
  const [row] = await db.query<{ allowed: boolean }>("SELECT pg_catalog.pg_has_role($1, $2, 'USAGE') AS allowed", [user, roles.write]);
  if (!row!.allowed) {
    throw new DatabaseError(
      `'${user}' was granted '${roles.write}' but does not inherit it; run: ALTER ROLE ${ident(user)} INHERIT`,
      undefined,
    );
  }
}

/** Takes writing away from everyone, and acting as the owner from the migrator. Sessions stay connected and can read. */
export async function fence(db: Db, roles: Roles): Promise<void> {
  const members = await db.query<{ member: string; login: boolean }>(
    `SELECT DISTINCT m.rolname AS member, m.rolcanlogin AS login FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles w ON w.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member
      WHERE w.rolname = $1 AND m.rolname <> current_user ORDER BY 1`,
    [roles.write],
  );
  for (const { member } of members) await revokeMembership(db, roles.write, member);
  await noteFence(
    db,
    members.map((row) => row.member),
  );
  await forbidMigrations(db, roles);
  const left = await writersAllowed(db, roles);
  if (left.length > 0) {
    throw new DatabaseError(
      `still allowed to write after the fence: ${left.join(', ')}. Somebody else granted '${roles.write}' to them and only that role (or a superuser) can take it back: REVOKE ${ident(roles.write)} FROM ${left.map(ident).join(', ')}`,
      undefined,
    );
  }
}

/** Before PostgreSQL 16 a member could have done SET ROLE and keeps it. So it is noted who was a member until when (`lingering`). */
async function noteFence(db: Db, members: readonly string[]): Promise<void> {
  if (members.length === 0 || (await majorVersion(db)) >= 16) return;
  await db.transaction(async (inside) => {
    await inside.query(`CREATE SCHEMA IF NOT EXISTS ${ownSchema}`);
    await inside.query(`CREATE TABLE IF NOT EXISTS ${ownSchema}.fenced (member name PRIMARY KEY, at timestamptz NOT NULL)`);
    await inside.query(
      `INSERT INTO ${ownSchema}.fenced SELECT m, clock_timestamp() FROM unnest($1::name[]) AS m ON CONFLICT (member) DO UPDATE SET at = excluded.at`,
      [members],
    );
  });
}

/** Lets transactions that could write finish, then terminates what is left. Call it after `fence`, so that no new one can begin. */
export async function endWriters(db: Db, roles: Roles, options: EndOptions): Promise<Omit<Ended, 'alive'>> {
  const { alive, ...ended } = await endTransactions(db, await openWrites(db), options);
  // Before PostgreSQL 16, a session can still be the write role by SET ROLE; pools open new ones by themselves.
  const pids = [...alive.map(({ pid }) => pid), ...(await terminate(db, await lingering(db)))];
  if (pids.length > 0) {
    throw new DatabaseError(
      `could not end ${pids.length} session(s) that can still write (pid ${pids.join(', ')}): a superuser's, or one that does not react; end them by hand with SELECT pg_terminate_backend(<pid>), then run this again. '${roles.write}' stays revoked.`,
      undefined,
    );
  }
  return ended;
}

/** Terminates sessions and waits until they are gone; returns those that are not. */
async function terminate(db: Db, pids: readonly number[]): Promise<number[]> {
  const denied: number[] = [];
  for (const pid of pids) {
    await db.query('SELECT pg_catalog.pg_terminate_backend($1)', [pid]).catch((error: unknown) => {
      if (!(error instanceof DatabaseError) || error.sqlstate !== '42501') throw error;
      denied.push(pid);
    });
  }
  const ending = pids.filter((pid) => !denied.includes(pid));
  const alive = await untilNone(
    () => db.query<{ pid: number }>('SELECT pid FROM pg_catalog.pg_stat_activity WHERE pid = ANY ($1::int[])', [ending]),
    pollEvery(10, 5_000, 'the end of terminated sessions'),
  );
  return [...denied, ...alive.map((row) => row.pid)];
}
