/** The receiving end of a feed: the subscription on the fallback database, its origin, and the slot it reads from. */

import { ensureUser, type Roles } from '../access/roles';
import { type Address, DatabaseError, type Db, ident, type Login, literal, timeouts } from '../connection/connect';
import { compareLsn, type Poll, pollEvery } from '../connection/lsn';
import { runSealed } from '../connection/sealed';
import { ownSchema, settings } from '../connection/server';
import { forgetNotes, obeyNotes } from './emptied-partitions';
import { dropMarker } from './marker';
import { dropPublication } from './publication';

/** One feed has one name: of its publication and slot on the production database, and of its subscription on the fallback. */
export type FeedName = string;

/** `switchback_w3`: what belongs to Switchback is recognised by the prefix. */
export const feedName = (window: string): FeedName => `switchback_${window}`;

/** How the fallback reaches the production database. */
export interface FeedSource {
  readonly address: Address;
  /** A user of its own, which may replicate and read: its password is stored in the fallback's catalog. */
  readonly login: Login;
  /** Told why, where the fallback's server cannot check production's certificate; the feed is encrypted all the same. */
  readonly unverified?: (why: string) => Promise<void>;
}

/** Makes the user the feed reads as. */
export async function ensureFeedUser(
  db: Db,
  { user, password, roles, database }: { user: string; password: string; roles: Roles; database: string },
): Promise<void> {
  await ensureUser(db, { user, password, kind: 'reader', roles, database });
  const [rds] = await db.query<{ there: boolean }>(
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rds_replication') AS there",
  );
  if (rds!.there) await db.query(`GRANT rds_replication TO ${ident(user)}`);
  // on RDS the membership is what counts and the attribute is refused; elsewhere the attribute is what counts, and somebody else may have given it.
  const [replicates] = await db.query<{ may: boolean }>('SELECT rolreplication AS may FROM pg_catalog.pg_roles WHERE rolname = $1', [user]);
  if (!replicates!.may)
    await db.query(`ALTER ROLE ${ident(user)} REPLICATION`).catch((error: unknown) => {
      if (!rds!.there || !(error instanceof DatabaseError) || error.sqlstate !== '42501') throw error;
    });
  // A dead network is noticed in seconds and not after a minute; times are sent in one zone whatever the server's is.
  await db.query(`ALTER ROLE ${ident(user)} SET wal_sender_timeout = '5s'`);
  await db.query(`ALTER ROLE ${ident(user)} SET TimeZone = 'UTC'`);
  // what is set for a database or for every role ends a copy that takes longer than a customer's statement may.
  const known = await settings(db, timeouts);
  const own = timeouts.filter((name) => known[name] !== undefined).map((name) => `ALTER ROLE ${ident(user)} SET ${name} = 0`);
  await db.query(own.join('; '));
  await db.query(`GRANT USAGE ON SCHEMA ${ownSchema} TO ${ident(user)}`);
  await db.query(`GRANT SELECT ON ALL TABLES IN SCHEMA ${ownSchema} TO ${ident(user)}`);
}

export interface Slot {
  readonly active: boolean;
  readonly pid: number | null;
  /** Null while the slot is still being made. */
  readonly confirmed: string | null;
  readonly walStatus: string | null;
}

export async function readSlot(production: Db, name: FeedName): Promise<Slot | undefined> {
  const [row] = await production.query<Slot>(
    `SELECT active, active_pid AS pid, confirmed_flush_lsn::text AS confirmed, wal_status AS "walStatus" FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND database = current_database()`,
    [name],
  );
  return row;
}

/** Makes the slot, or waits for one that an earlier run is still making. It waits for every open write transaction, for ever for a prepared one: so not longer than `timeoutMs`. */
export async function ensureSlot(production: Db, name: FeedName, poll: Poll, timeoutMs = 600_000): Promise<string> {
  for (;;) {
    const slot = await readSlot(production, name);
    if (slot?.confirmed) return slot.confirmed;
    if (slot !== undefined) {
      await poll();
      continue;
    }
    try {
      await production.transaction(async (inside) => {
        await inside.query(`SET LOCAL statement_timeout = ${Math.round(timeoutMs)}`);
        await inside.query('SELECT pg_catalog.pg_create_logical_replication_slot($1, $2)', [name, 'pgoutput']);
      });
    } catch (error) {
      if (!(error instanceof DatabaseError) || (error.sqlstate !== '42710' && error.sqlstate !== '57014')) throw error;
      if (error.sqlstate === '57014')
        throw new DatabaseError(
          `the slot ${name} could not be made within ${timeoutMs / 1000} s, because it waits for ${await slotWaitsFor(production)}; end that, then run this again`,
          error.sqlstate,
        );
      // another database of the server has one of that name, or an earlier run makes it this moment.
      await poll();
    }
  }
}

async function slotWaitsFor(production: Db): Promise<string> {
  const prepared = await production.query<{ gid: string }>('SELECT gid FROM pg_catalog.pg_prepared_xacts');
  const open = await production.query<{ pid: number; user: string; seconds: number }>(
    `SELECT pid, usename AS "user", extract(epoch FROM clock_timestamp() - xact_start)::int AS seconds FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid() ORDER BY xact_start LIMIT 5`,
  );
  const names = [
    ...prepared.map(({ gid }) => `the prepared transaction '${gid}'`),
    ...open.map(({ pid, user, seconds }) => `the transaction of '${user}', open for ${seconds} s (pid ${pid})`),
  ];
  return names.join(', ') || 'a write transaction that has ended just now';
}

export async function dropSlot(production: Db, name: FeedName): Promise<void> {
  const poll = pollEvery(20, 15_000, `the end of whoever reads from the slot ${name}`);
  for (;;) {
    const slot = await readSlot(production, name);
    if (slot === undefined) return;
    if (slot.pid !== null) {
      await production.query('SELECT pg_catalog.pg_terminate_backend($1)', [slot.pid]);
      await poll();
    }
    await production.query('SELECT pg_catalog.pg_drop_replication_slot($1)', [name]).catch((error: unknown) => {
      // 55006: the walsender came back first; 42704: it is gone.
      if (!(error instanceof DatabaseError) || (error.sqlstate !== '55006' && error.sqlstate !== '42704')) throw error;
    });
  }
}

export interface Subscription {
  readonly oid: number;
  readonly enabled: boolean;
  /** Null of one that is being dropped: it can not be enabled any more. */
  readonly slot: string | null;
  /** How far it has applied, as a position of the publisher; null before the first. */
  readonly origin: string | null;
  /** The apply worker, if one runs. */
  readonly pid: number | null;
  /** Since it last heard from production, by the fallback's clock. Production speaks every few seconds, also when nothing is written. */
  readonly silentSeconds: number | null;
}

export async function readSubscription(fallback: Db, name: FeedName): Promise<Subscription | undefined> {
  const [row] = await fallback.query<Subscription>(
    `SELECT s.oid::int8::float8 AS oid, s.subenabled AS enabled, s.subslotname::text AS slot,
            p.pid, extract(epoch FROM pg_catalog.clock_timestamp() - p.last_msg_receipt_time)::float8 AS "silentSeconds", NULL::text AS origin
       FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
       LEFT JOIN LATERAL (SELECT * FROM pg_catalog.pg_stat_subscription p WHERE p.subid = s.oid AND p.relid IS NULL LIMIT 1) p ON true
      WHERE s.subname = $1`,
    [name],
  );
  if (row === undefined) return undefined;
  return { ...row, origin: await readOrigin(fallback, row.oid) };
}

/** Only for those who may see it: reading origins is a superuser's by default. */
async function readOrigin(fallback: Db, oid: number): Promise<string | null> {
  const [may] = await fallback.query<{ may: boolean }>(
    "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_show_replication_origin_status()', 'EXECUTE') AS may",
  );
  if (!may!.may) return null;
  const [row] = await fallback.query<{ lsn: string | null }>(
    'SELECT remote_lsn::text AS lsn FROM pg_catalog.pg_replication_origin_status WHERE external_id = $1',
    [`pg_${oid}`],
  );
  return row?.lsn ?? null;
}

export async function mayAdvanceOrigin(fallback: Db): Promise<boolean> {
  const [row] = await fallback.query<{ may: boolean }>(
    "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_replication_origin_advance(text,pg_lsn)', 'EXECUTE') AS may",
  );
  return row!.may;
}

/** The slot sends from behind the position that is wanted: what lies between is given up, and no subscription gets it any more. */
export class SlotAhead extends DatabaseError {
  override name = 'SlotAhead';
}

/** @throws SlotAhead where somebody has moved the slot past `from`: PostgreSQL begins at the slot's position then, and says so to nobody */
export async function refuseSlotAhead(production: Db, name: FeedName, from: string): Promise<void> {
  const confirmed = (await readSlot(production, name))?.confirmed;
  if (confirmed && compareLsn(confirmed, from) > 0)
    throw new SlotAhead(
      `the slot ${name} is at ${confirmed}, past ${from} where the feed was to begin: somebody has moved it (pg_replication_slot_advance), and what production wrote between the two is not sent any more`,
      undefined,
    );
}

/**
 * Subscribes the fallback to everything the production database commits from `from` on, exactly: what committed before is never
 * applied, what commits after is applied once. A subscription of that name is replaced. Made, placed and enabled in one transaction:
 * an origin's advance alone does not survive a crash. Not disable_on_error: it takes a lost connection for an error of the data, and
 * a feed would be off for good after each restart of production; errors are counted instead (feed.ts).
 */
export async function startFeed(
  production: Db,
  fallback: Db,
  name: FeedName,
  source: FeedSource,
  from: string,
): Promise<'origin' | 'slot'> {
  const byOrigin = await mayAdvanceOrigin(fallback);
  await stopFeed(fallback, name);
  await refuseSlotAhead(production, name, from);
  // Without the right to place the origin, the slot itself is moved. It remembers that only from the next checkpoint on.
  if (!byOrigin) {
    await production.query('SELECT pg_catalog.pg_replication_slot_advance($1, $2::pg_lsn)', [name, from]);
    await checkpoint(production);
  }
  await dropSubscription(fallback, name);
  await fallback.transaction(async (inside) => {
    await createSubscription(inside, name, source, false);
    if (byOrigin) {
      await inside.query(
        `SELECT pg_catalog.pg_replication_origin_advance('pg_' || oid, $2::pg_lsn) FROM pg_catalog.pg_subscription WHERE subname = $1`,
        [name, from],
      );
    }
    await inside.query(`ALTER SUBSCRIPTION ${ident(name)} ENABLE`);
  });
  return byOrigin ? 'origin' : 'slot';
}

/** What the workers of a feed run with: they take what is set for their role and database, as a session does, and no SET reaches them. */
const ofWorkers = {
  ...Object.fromEntries(timeouts.map((name) => [name, '0'])),
  default_transaction_read_only: 'off',
  default_transaction_isolation: 'read committed',
};

/** Of the subscription's owner, in this database only. The transaction of a customer may end after a minute; a feed applies what took an hour. */
async function unhurriedWorkers(fallback: Db): Promise<void> {
  const known = await settings(fallback, Object.keys(ofWorkers));
  const [me] = await fallback.query<{ role: string }>('SELECT current_user AS role');
  const whose = `ALTER ROLE ${ident(me!.role)} IN DATABASE ${ident(fallback.address.database)}`;
  const each = Object.entries(ofWorkers).filter(([name]) => known[name] !== undefined);
  await fallback.query(each.map(([name, value]) => `${whose} SET ${name} = ${literal(value).trim()}`).join('; '));
}

/**
 * Makes a disabled subscription to an existing slot. May run inside a transaction. It takes whatever production commits, also what another
 * replication tool brings there under an origin of its own: `origin = none` would leave that out without a word. No change can go round,
 * because the fallback publishes nothing.
 */
export async function createSubscription(fallback: Db, name: FeedName, source: FeedSource, copy: boolean): Promise<void> {
  await obeyNotes(fallback);
  await unhurriedWorkers(fallback);
  const make = (tls: Tls): Promise<void> =>
    runSealed(fallback, {
      before: `CREATE SUBSCRIPTION ${ident(name)} CONNECTION `,
      secret: conninfo(source, name, tls),
      after: ` PUBLICATION ${ident(name)} WITH (copy_data = ${copy}, create_slot = false, slot_name = ${literal(name)}, enabled = false, binary = false)`,
    });
  if (local(source.address.host)) return make({ sslmode: 'prefer' });
  // the fallback's server connects, so what it trusts is a file of its own; on RDS /rdsdbdata/rds-metadata/ca-cert.pem.
  const [own] = await fallback.query<{ file: string }>("SELECT pg_catalog.current_setting('ssl_ca_file') AS file");
  let why = 'its ssl_ca_file is empty';
  if (own!.file !== '') {
    try {
      return await make({ sslmode: 'verify-full', sslrootcert: own!.file });
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.name !== 'DatabaseError' || !/certificate/i.test(error.message)) throw error;
      why = error.message;
    }
  }
  await make({ sslmode: 'require' });
  await source.unverified?.(why);
}

type Tls = { readonly sslmode: 'prefer' | 'require' } | { readonly sslmode: 'verify-full'; readonly sslrootcert: string };

const local = (host: string): boolean => /^(localhost|127\.|::1)/.test(host);

async function checkpoint(db: Db): Promise<void> {
  await db.query('CHECKPOINT').catch((error: unknown) => {
    if (!(error instanceof DatabaseError) || error.sqlstate !== '42501') throw error;
  });
}

/**
 * Disables the subscription; its worker ends by itself, on PostgreSQL 15 up to a second later. What it has applied is committed
 * asynchronously: the one commit of this is not, so with it everything before is durable.
 */
export async function disableFeed(fallback: Db, name: FeedName): Promise<void> {
  const [known] = await fallback.query<{ enabled: boolean }>(
    'SELECT s.subenabled AS enabled FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = current_database() WHERE s.subname = $1',
    [name],
  );
  if (known?.enabled) await fallback.query(`SET LOCAL synchronous_commit = 'local'; ALTER SUBSCRIPTION ${ident(name)} DISABLE`);
}

/** Disables the subscription, and waits until nothing of it runs any more. */
export async function stopFeed(fallback: Db, name: FeedName): Promise<void> {
  await disableFeed(fallback, name);
  const poll = pollEvery(5, 30_000, `the end of the apply worker of ${name}`);
  for (;;) {
    // one that copies a table does not look up until it has all of it.
    const alive = await fallback.query(
      `SELECT CASE WHEN w.relid IS NOT NULL THEN pg_catalog.pg_terminate_backend(w.pid) END
         FROM pg_catalog.pg_stat_subscription w JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid WHERE w.subname = $1`,
      [name],
    );
    if (alive.length === 0) return;
    await poll();
  }
}

/**
 * Drops the subscription and leaves its slot on the publisher alone. Never inside a transaction: PostgreSQL forgets the position of a
 * subscription at once, also where its drop is rolled back, and one that is still there would begin again from the slot's, which is older.
 * So it loses its slot for good before: whoever finds it after a crash cannot enable it.
 */
export async function dropSubscription(fallback: Db, name: FeedName): Promise<void> {
  if ((await readSubscription(fallback, name)) === undefined) return;
  await fallback.query(`ALTER SUBSCRIPTION ${ident(name)} DISABLE`);
  await fallback.query(`ALTER SUBSCRIPTION ${ident(name)} SET (slot_name = NONE)`);
  await fallback.query(`DROP SUBSCRIPTION ${ident(name)}`);
  await forgetNotes(fallback);
}

/** Takes the whole feed away: subscription, slot, publication, and production's marker. Safe to run at any point, and with a fallback that is gone. */
export async function removeFeed(production: Db, fallback: Db | undefined, name: FeedName): Promise<void> {
  if (fallback) {
    await stopFeed(fallback, name);
    await dropSubscription(fallback, name);
  }
  await dropSlot(production, name);
  await dropPublication(production, name);
  await dropMarker(production);
}

/** Every published table must be one that the subscription knows: changes of others are dropped without a word. */
export function silentTables(production: Db, fallback: Db, name: FeedName): Promise<string[]> {
  return publishedBut('ready', production, fallback, name);
}

/** Those of them that the subscription has not even been told of: nothing copies them, and nothing will. */
export function unknownTables(production: Db, fallback: Db, name: FeedName): Promise<string[]> {
  return publishedBut('known', production, fallback, name);
}

async function publishedBut(not: 'ready' | 'known', production: Db, fallback: Db, name: FeedName): Promise<string[]> {
  const published = await production.query<{ name: string }>(
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_catalog.pg_publication_tables WHERE pubname = $1 ORDER BY 1",
    [name],
  );
  const known = await fallback.query<{ name: string; ready: boolean }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name, r.srsubstate = 'r' AS ready FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid
       JOIN pg_catalog.pg_class c ON c.oid = r.srrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE s.subname = $1`,
    [name],
  );
  const others = new Set(known.filter(({ ready }) => not === 'known' || ready).map((row) => row.name));
  return published.map((row) => row.name).filter((table) => !others.has(table));
}

function conninfo({ address, login }: FeedSource, name: FeedName, tls: Tls): string {
  const values: Record<string, string> = {
    host: address.host,
    port: `${address.port}`,
    dbname: address.database,
    user: login.username,
    password: login.password,
    application_name: name,
    ...tls,
    connect_timeout: '10',
    keepalives_idle: '5',
    keepalives_interval: '2',
    keepalives_count: '3',
  };
  return Object.entries(values)
    .map(([key, value]) => `${key}='${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`)
    .join(' ');
}
