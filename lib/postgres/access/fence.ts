/**
 * The fence: nobody but Switchback can write to a database, and it is proven (fence-proof.ts). It is made of one membership: that of the
 * write role in the role that has the rights. Taking it away binds whoever does not hold a write lock yet, even inside an open transaction,
 * and whatever else was granted; those who do are waited for and ended (open-writes.ts). Reading goes on.
 */
import { ConnectionLost, DatabaseError, type Db, ident, keepPlan, literal } from '../connection/connect';
import { versionSql } from '../connection/server';
import { type Together, together, togetherSql } from '../connection/together';
import { prepareProof } from './fence-proof';
import { newerThan } from './known-rights';
import { type Ended, type EndOptions, endTransactions, type OpenWrite, openWrite, openWrites, openWritesSql } from './open-writes';
import {
  endMigratorSessions,
  type Grant,
  holderSql,
  joinSql,
  membersOf,
  membersSql,
  migrationsSql,
  migratorSessionsSql,
  type Roles,
  revokeSql,
  rightsHolder,
  rightsRole,
  withoutSet,
} from './roles';
import { endKeptSessions, keptSessions, noteSessions, noteSql, notesSql, prepareNotes, setRole } from './set-role';
import { writersSql } from './writers';

export { type Proof, type ProofOptions, proveFenced } from './fence-proof';
export { type Ended, type EndOptions, type OpenWrite, openWrites } from './open-writes';
export { allowMigrations, forbidMigrations, migrationsAllowed } from './roles';
export { whoOwnsTables, writersAllowed } from './writers';

/** Lets one user write, and nobody else: who was let before leaves the write role. */
export async function openTo(db: Db, roles: Roles, user: string): Promise<void> {
  const before = await whoMayWrite(db, roles, user);
  const { version } = before.version[0]!;
  const holder = before.holder[0]?.name ?? roles.write;
  const others = before.members.filter(({ member }) => member !== user);
  const could = before.could.map(({ user: name }) => name);
  const grants = [
    `GRANT ${ident(roles.write)} TO ${ident(user)}${withoutSet(version)}`,
    ...(holder === roles.write ? [] : [joinSql(holder, roles.write, version)]),
    `SELECT pg_catalog.pg_has_role(${literal(user)}, ${literal(holder)}, 'USAGE') AS allowed`,
  ];
  const open = async (first: readonly string[]): Promise<boolean> => {
    const [row] = await db.query<{ allowed: boolean }>(["SET LOCAL lock_timeout = '5s'", ...first, ...grants].join('; '));
    return row!.allowed;
  };
  // with nobody who could keep what is taken away it is one message; what it cannot do at once is done one after the other.
  const atOnce =
    could.length === 0 && before.notes.length === 0
      ? await open(others.map((grant) => revokeSql(grant, version))).catch((error: unknown) => {
          if (!(error instanceof DatabaseError) || error instanceof ConnectionLost || others.length === 0) throw error;
          return undefined;
        })
      : undefined;
  if (atOnce === undefined && others.length > 0) await take(db, others, could, version);
  if (atOnce === undefined && (others.length > 0 || before.notes.length > 0)) {
    await noteSessions(db);
    const left = await endKeptSessions(db);
    if (left.length > 0) throw cannotEnd(left, `'${user}' was not let write`);
  }
  if (!(atOnce ?? (await open([])))) {
    throw new DatabaseError(
      `'${user}' was granted '${roles.write}' but does not inherit it; run: ALTER ROLE ${ident(user)} INHERIT`,
      undefined,
    );
  }
}

/** What an opening looks at first. Asked before the gap, it is planned on this connection. */
export const whoMayWrite = (db: Db, roles: Roles, user: string) =>
  together<{ version: { version: number }; holder: { name: string }; members: Grant; could: { user: string }; notes: unknown }>(db, {
    version: versionSql,
    holder: `SELECT rolname AS name FROM pg_catalog.pg_roles WHERE oid IN (${holderSql(roles)})`,
    members: membersSql(`r.rolname = ${literal(roles.write)}`),
    could: couldBecomeSql(`SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ${literal(roles.write)}`, user),
    notes: notesSql,
  });

/** Who was in the middle of a write right after the fence: nobody else can still do so. */
export interface Fenced {
  readonly open: readonly OpenWrite[];
  /** Whether sessions were noted that may act as a role that was taken from them. */
  readonly noted: boolean;
}

/** Takes writing away from everyone, and acting as the owner from the migrator. Sessions stay connected and can read. */
export async function fence(db: Db, roles: Roles): Promise<Fenced> {
  const ahead = looked.get(db);
  looked.delete(db);
  let left = ahead && (await takeLooked(db, roles, ahead));
  if (!left || canStill(left)) left = await takeAll(db, roles);
  if (left.notes.length > 0) await noteSessions(db);
  // one that acts as the owner would keep doing so.
  if (left.sessions.length > 0) await endMigratorSessions(db, roles);
  if (canStill(left)) {
    const [{ version }] = (await db.query<{ version: number }>(versionSql)) as [{ version: number }];
    const still = [
      ...(await membersOf(db, await rightsHolder(db, roles))),
      ...(await membersOf(db, roles.owner)).filter(({ member }) => member === roles.migrator),
    ];
    throw new DatabaseError(
      `still allowed to write after the fence: ${(left.users.length > 0 ? left.users.map(({ user }) => user) : [roles.migrator]).join(', ')}. Somebody else granted it, and only that role (or a superuser) can take it back: ${still.map((grant) => revokeSql(grant, version)).join('; ')}`,
      undefined,
    );
  }
  return { open: left.open, noted: left.notes.length > 0 };
}

/** Before the gap: what the fence and its proof ask is planned on this connection, and what is known of rights and memberships is noted. */
export async function prepareFence(db: Db, roles: Roles, acknowledgedFunctions: readonly string[] = []): Promise<void> {
  const { since } = await prepareProof(db, roles, acknowledgedFunctions);
  const held = await whoHolds(db, roles);
  looked.set(db, { ...held, since });
  await db.queries(lookAfter(roles));
  await keptSessions(db);
}

/** The memberships that give rights, and who could keep one by SET ROLE. */
interface Held {
  readonly version: number;
  readonly grants: readonly Grant[];
  readonly could: readonly string[];
}

/** Of a connection, as they were before the gap, and since when another one would be newer. Good for one fence. */
const looked = new WeakMap<Db, Held & { readonly since: string }>();

async function whoHolds(db: Db, roles: Roles): Promise<Held> {
  const { version, grants, owners, could } = await together<{
    version: { version: number };
    grants: Grant;
    owners: Grant;
    could: { user: string };
  }>(db, {
    version: versionSql,
    grants: membersSql(`r.oid IN (${holderSql(roles)})`),
    owners: membersSql(
      `r.rolname = ${literal(roles.owner)} AND a.member IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ${literal(roles.migrator)})`,
    ),
    could: couldBecomeSql(holderSql(roles)),
  });
  return { version: version[0]!.version, grants: [...grants, ...owners], could: could.map(({ user }) => user) };
}

type Left = Together<{ users: { user: string }; migrations: unknown; sessions: unknown; notes: unknown }> & {
  readonly open: readonly OpenWrite[];
};

const canStill = ({ users, migrations }: Left): boolean => users.length > 0 || migrations.length > 0;

/** Who is left, and who is in the middle of a write: asked after the fence has been committed. */
const lookAfter = (roles: Roles): [string, string] => [
  togetherSql({
    users: writersSql(roles),
    migrations: migrationsSql(roles),
    sessions: migratorSessionsSql(roles),
    notes: notesSql,
  }),
  keepPlan(openWritesSql),
];

/**
 * What was looked at before the gap is taken away, and what is left looked at, on one way there and back. Undefined where it no longer holds.
 * Somebody who was granted a membership since, and could become the role by it, has to be noted before it is taken away.
 */
async function takeLooked(db: Db, roles: Roles, { grants, could, version, since }: Held & { since: string }): Promise<Left | undefined> {
  if (grants.length === 0) return undefined;
  try {
    if (could.length > 0) await prepareNotes(db);
    const [, [left], open] = await db.queries<[unknown, Omit<Left, 'open'>, OpenWrite]>([
      `${unlessGrantedSince(since)}; ${takeSql(grants, could, version)}`,
      ...lookAfter(roles),
    ]);
    return { ...left!, open: open.map(openWrite) };
  } catch (error) {
    if (!(error instanceof DatabaseError) || error instanceof ConnectionLost) throw error;
    return undefined;
  }
}

async function takeAll(db: Db, roles: Roles): Promise<Left> {
  const { grants, could, version } = await whoHolds(db, roles);
  if (grants.length > 0) await take(db, grants, could, version);
  const [[left], open] = await db.queries<[Omit<Left, 'open'>, OpenWrite]>(lookAfter(roles));
  return { ...left!, open: open.map(openWrite) };
}

const unlessGrantedSince = (since: string): string =>
  `DO $since$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_auth_members WHERE ${newerThan(since)}) THEN RAISE EXCEPTION 'somebody was granted a role since the look'; END IF; END $since$`;

/** Those who could become one of these roles by SET ROLE, also who cannot log in yet. */
const couldBecomeSql = (role: string, except?: string): string =>
  `SELECT l.rolname AS "user" FROM pg_catalog.pg_roles l JOIN pg_catalog.pg_roles r ON r.oid IN (${role})
    WHERE l.oid <> r.oid AND NOT l.rolsuper AND l.rolname <> current_user ${except === undefined ? '' : `AND l.rolname <> ${literal(except)}`} AND pg_catalog.pg_has_role(l.oid, r.oid, ${setRole}) ORDER BY 1`;

/** In one message, so in one transaction. Of users who could have become the role by SET ROLE, the sessions of this moment are noted. */
const takeSql = (revokes: readonly Grant[], could: readonly string[], version: number): string =>
  [
    "SET LOCAL lock_timeout = '1s'",
    "SET LOCAL synchronous_commit = 'local'",
    ...(could.length > 0 ? [noteSql(could)] : []),
    ...revokes.map((grant) => revokeSql(grant, version)),
  ].join('; ');

async function take(db: Db, grants: readonly Grant[], could: readonly string[], version: number): Promise<void> {
  if (could.length > 0) await prepareNotes(db);
  const message = (revokes: readonly Grant[]): string => takeSql(revokes, could, version);
  try {
    await insistently(() => db.query(message(grants)));
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (error.sqlstate === '55P03') throw await namingWhoHolds(db, grants);
    if (error.sqlstate !== '42501') throw error;
    // one of them is not ours to take back: the others are, and the caller says which is left.
    for (const grant of grants) {
      await db.query(message([grant])).catch((each: unknown) => {
        if (!(each instanceof DatabaseError) || each.sqlstate !== '42501') throw each;
      });
    }
  }
}

/** Before PostgreSQL 16 two who change the memberships of a role at once are told so, and nothing was changed. */
async function insistently(action: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await action();
      return;
    } catch (error) {
      if (!(error instanceof DatabaseError) || !/^tuple concurrently/.test(error.message) || tries === 3) throw error;
    }
  }
}

/** From PostgreSQL 16 on whoever grants or revokes a role locks it until the end of its transaction, in any database of the server. */
async function namingWhoHolds(db: Db, grants: readonly Grant[]): Promise<DatabaseError> {
  const roles = [...new Set(grants.map(({ role }) => role))];
  const holders = await db.query<{ pid: number; user: string; application: string; seconds: number }>(
    `SELECT DISTINCT s.pid, s.usename AS "user", s.application_name AS application, extract(epoch FROM clock_timestamp() - s.xact_start)::int AS seconds
       FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity s ON s.pid = l.pid
      WHERE l.granted AND l.locktype = 'object' AND l.classid = 'pg_authid'::regclass AND l.objid IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ANY ($1))
        AND l.pid <> pg_catalog.pg_backend_pid()`,
    [roles],
  );
  const who = holders.map(
    ({ pid, user, application, seconds }) => `pid ${pid} (user '${user}', application '${application}', for ${seconds} s)`,
  );
  return new DatabaseError(
    `the fence waits for a GRANT or REVOKE of ${roles.join(', ')} that is not committed: ${who.join(', ') || 'it has ended meanwhile'}. Nothing was taken away yet; end it: ${holders.map(({ pid }) => `SELECT pg_terminate_backend(${pid})`).join('; ') || 'run this again'}`,
    '55P03',
  );
}

/**
 * Lets transactions that could write finish, then terminates what is left. Call it after `fence`, so that no new one can begin.
 * @param left what the fence has found; without it all is looked at
 */
export async function endWriters(db: Db, options: EndOptions, left?: Fenced): Promise<Omit<Ended, 'alive'>> {
  const { alive, ...ended } = await endTransactions(db, left?.open ?? (await openWrites(db)), options);
  const kept = left?.noted === false ? [] : await endKeptSessions(db);
  const still = [...alive, ...kept];
  if (still.length > 0) throw cannotEnd(still, 'the fence stays up');
  return ended;
}

const cannotEnd = (left: readonly { pid: number; user: string }[], state: string): DatabaseError =>
  new DatabaseError(
    `could not end ${left.length} session(s) that can still write (${left.map(({ pid, user }) => `'${user}', pid ${pid}`).join('; ')}): a superuser's, or one that does not react; end them by hand with SELECT pg_terminate_backend(<pid>), then run this again. ${state}.`,
    undefined,
  );

/** For people: what lets a user write, and what takes that away from everyone. */
export const byHand = (roles: Roles, user: string) => ({
  open: [`GRANT ${roles.write} TO ${user}`, `GRANT ${rightsRole(roles)} TO ${roles.write}`],
  fence: `REVOKE ${rightsRole(roles)} FROM ${roles.write}`,
});
