/** Is the fallback kept current, how far behind is it, and for how long can it still be? Judged by rows, never by positions alone. */
import { preparedTransactions } from '../access/prepared';
import { type Db, ident } from '../connection/connect';
import { pollEvery } from '../connection/lsn';
import { majorVersion } from '../connection/server';
import { columnList } from '../connection/tables';
import { beatsAtPosition, countOn, heartbeatAge, leftOut } from './heartbeat';
import { createPublication, dropPublication, type PublishedTable, publicationExists } from './publication';
import {
  dropSlot,
  ensureSlot,
  type FeedName,
  type FeedSource,
  readSlot,
  readSubscription,
  silentTables,
  startFeed,
  stopFeed,
  unknownTables,
} from './subscription';

export interface FeedHealth {
  /**
   * `alive`: running and young. `behind`: running or about to, but old. `paused`: switched off on purpose or by hand. `stuck`: it tries
   * again and again and cannot apply. `dead`: it can never catch up; a rollback would lose what was written since.
   */
  readonly state: 'alive' | 'behind' | 'paused' | 'stuck' | 'dead';
  /** What is wrong and what it means, one sentence each. A feed that lives may have lost changes all the same. */
  readonly reasons: readonly string[];
  readonly heartbeatSeconds: number | undefined;
  /** WAL that production keeps for the fallback, and how much more it will keep before it gives the fallback up; undefined without limit. */
  readonly retainedBytes: number;
  readonly bytesLeft: number | undefined;
  /** Errors while applying, since the subscription was made. */
  readonly applyErrors: number;
  /** Conflicts counted by PostgreSQL 18, by kind; undefined on older servers, where only a comparison finds them. */
  readonly conflicts: Readonly<Record<string, number>> | undefined;
}

export interface HealthOptions {
  /** A heartbeat older than this is `behind`. @default 5 */
  readonly behindSeconds?: number;
  /** Apply errors already known, for example those counted at the last look. @default 0 */
  readonly knownErrors?: number;
}

export async function feedHealth(
  production: Db,
  fallback: Db,
  name: FeedName,
  { behindSeconds = 5, knownErrors = 0 }: HealthOptions = {},
): Promise<FeedHealth> {
  const slot = await readSlot(production, name);
  const [wal] = await production.query<{ retained: number; left: number | null }>(
    `SELECT coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn), 0)::float8 AS retained, safe_wal_size::float8 AS left
       FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`,
    [name],
  );
  const subscription = await readSubscription(fallback, name);
  const counted = await counters(fallback, name);
  const age = await heartbeatAge(production, fallback);
  const gap = await leftOut(fallback);
  const numbers = { heartbeatSeconds: age, retainedBytes: wal?.retained ?? 0, bytesLeft: wal?.left ?? undefined, ...counted };
  const is = (state: FeedHealth['state'], ...reasons: string[]): FeedHealth => ({
    ...{ state, reasons: [...reasons, ...(gap === undefined ? [] : [gap]), ...missing(counted.conflicts)] },
    ...numbers,
  });

  const gone = 'what production wrote since cannot be sent any more, so a rollback would lose it; production itself is not affected';
  if (slot === undefined) return is('dead', `the slot ${name} does not exist on production: ${gone}`);
  if (slot.walStatus === 'lost')
    return is('dead', `production gave the slot ${name} up because the fallback was too far behind (max_slot_wal_keep_size): ${gone}`);
  if (subscription === undefined)
    return is(
      'dead',
      `the subscription ${name} does not exist on the fallback: ${gone}, unless it is started again from the right position`,
    );
  if (!subscription.enabled)
    return is('paused', `the subscription ${name} is disabled; production keeps what is written until it is enabled again`);
  if (!(await publicationExists(production, name))) return is('stuck', `the publication ${name} does not exist on production`);
  const unknown = await unknownTables(production, fallback, name);
  if (unknown.length > 0)
    return is('stuck', `published but unknown to the subscription, so changes are lost without a word: ${unknown.join(', ')}`);
  if (counted.applyErrors > knownErrors && !slot.active) {
    return is(
      'stuck',
      `the fallback could not apply a change (${counted.applyErrors} errors so far; its log says which): nothing after it arrives until that is mended`,
    );
  }
  const copying = await silentTables(production, fallback, name);
  if (copying.length > 0) return is('behind', `still being copied, and until they are the fallback is no way back: ${copying.join(', ')}`);
  if (age === undefined || age > behindSeconds) {
    const behind = age === undefined ? 'without a heartbeat' : `${age.toFixed(1)} s behind`;
    const prepared = (await preparedTransactions(fallback)).map(
      ({ gid, owner }) =>
        `on the fallback the prepared transaction '${gid}' of '${owner}' may keep the feed waiting: production decides on its own one, so end the copy with ROLLBACK PREPARED '${gid}'`,
    );
    return is(
      'behind',
      `the fallback is ${behind}${slot.active ? '' : ', and not connected'}${silence(subscription.silentSeconds)}`,
      ...prepared,
    );
  }
  return is('alive');
}

/** Changes of rows that the fallback does not have are left out without an error; PostgreSQL 18 counts them. */
function missing(conflicts: FeedHealth['conflicts']): string[] {
  const counted = ['update_missing', 'delete_missing'].filter((kind) => (conflicts?.[kind] ?? 0) > 0);
  return counted.length === 0
    ? []
    : [
        `the fallback lacked rows that production changed (${counted.map((kind) => `${kind}: ${conflicts![kind]}`).join(', ')}): the two no longer hold the same`,
      ];
}

/** Twice what production lets pass between two words of its own (wal_sender_timeout, 5 s for a feed). */
const silentSeconds = 5;

/** A wire that swallows everything looks like a slow fallback, but for this. */
const silence = (seconds: number | null): string =>
  seconds !== null && seconds > silentSeconds
    ? `; it has heard nothing from production for ${Math.round(seconds)} s, so look at the network between them: nothing is lost, and it catches up by itself`
    : '';

async function counters(fallback: Db, name: FeedName): Promise<Pick<FeedHealth, 'applyErrors' | 'conflicts'>> {
  const [row] = await fallback.query<Record<string, string | number>>(
    'SELECT to_jsonb(s) AS row FROM pg_catalog.pg_stat_subscription_stats s WHERE s.subname = $1',
    [name],
  );
  const values = (row?.['row'] ?? {}) as unknown as Record<string, number>;
  const conflicts = Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => key.startsWith('confl_'))
      .map(([key, value]) => [key.slice(6), Number(value)]),
  );
  return {
    applyErrors: Number(values['apply_error_count'] ?? 0) + Number(values['sync_error_count'] ?? 0),
    conflicts: (await majorVersion(fallback)) >= 18 ? conflicts : undefined,
  };
}

/** How long production can still keep changes for a fallback that does not take them, at the rate between two looks; undefined: no end in sight. */
export function secondsLeft(
  earlier: Pick<FeedHealth, 'bytesLeft'>,
  later: Pick<FeedHealth, 'bytesLeft'>,
  seconds: number,
): number | undefined {
  if (later.bytesLeft === undefined || earlier.bytesLeft === undefined) return undefined;
  const rate = (earlier.bytesLeft - later.bytesLeft) / seconds;
  return rate > 0 ? later.bytesLeft / rate : undefined;
}

/**
 * Stops the feed for migrations: nothing they do reaches the fallback, which stays the exact data before the change. The publication
 * goes, because its column lists would forbid migrations to drop or change columns. Call it fenced, after the marker has arrived.
 */
export async function pauseFeed(production: Db, fallback: Db, name: FeedName): Promise<void> {
  await stopFeed(fallback, name);
  await dropPublication(production, name);
}

/**
 * Starts it again behind everything production has written until now, which is the migrations. Call it before anyone may write.
 * A slot that was lost meanwhile is made anew: with production fenced there is nothing in between.
 */
export async function resumeFeed(
  production: Db,
  fallback: Db,
  name: FeedName,
  source: FeedSource,
  tables: readonly PublishedTable[],
): Promise<string> {
  await stopFeed(fallback, name);
  if (await publicationExists(production, name)) await dropPublication(production, name);
  await createPublication(production, name, tables);
  const slot = await readSlot(production, name);
  if (slot === undefined || slot.walStatus === 'lost') {
    await dropSlot(production, name);
    await ensureSlot(production, name, pollEvery(50, 60_000, 'the slot of an earlier run'));
  }
  const from = await beatsAtPosition(production);
  await countOn(fallback, from);
  await startFeed(production, fallback, name, source, from.lsn);
  return from.lsn;
}

/**
 * Adds tables that the fallback has empty, and copies their rows: without them, later updates and deletes would be lost without a word.
 * Production need not wait for it; changes made meanwhile arrive in order.
 */
export async function copyTables(
  production: Db,
  fallback: Db,
  name: FeedName,
  tables: readonly PublishedTable[],
  poll = pollEvery(20, 24 * 3_600_000, 'the copy of tables'),
): Promise<void> {
  if (tables.length > 0) {
    const list = tables.map(
      ({ schema, table, columns }) => `${ident(schema)}.${ident(table)}${columns ? ` (${columnList(columns)})` : ''}`,
    );
    await production.query(`ALTER PUBLICATION ${ident(name)} ADD TABLE ${list.join(', ')}`);
    await fallback.query(`ALTER SUBSCRIPTION ${ident(name)} REFRESH PUBLICATION WITH (copy_data = true)`);
  }
  while ((await silentTables(production, fallback, name)).length > 0) await poll();
}
