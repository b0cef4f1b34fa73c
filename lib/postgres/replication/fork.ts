/**
 * The fork ahead: the fallback database is promoted while production serves, and fed from exactly there on. Where things stand is told
 * by the two servers only, so it can be taken up again after any crash, by anyone.
 */

import { endWriters, fence } from '../access/fence';
import { type Prepared, rollBackCopied } from '../access/prepared';
import type { Roles } from '../access/roles';
import { quietTriggers } from '../access/triggers';
import { connect, DatabaseError, type Db, ident, type Login } from '../connection/connect';
import { compareLsn, inRecovery, lsnToNumber, type Poll, pollEvery, waitForReplay } from '../connection/lsn';
import { ensureMarker, markerRoundTrip } from './marker';
import { createPublication, dropPublication, publicationExists, publishable } from './publication';
import {
  ensureSlot,
  type FeedName,
  type FeedSource,
  readSlot,
  readSubscription,
  removeFeed,
  silentTables,
  startFeed,
} from './subscription';

/** Nothing tells at which position the fallback left production; copy.ts has the way that needs none. */
export class PositionUnknown extends DatabaseError {
  override name = 'PositionUnknown';
}

/** Where a fork stands, as the servers tell it. */
export interface ForkState {
  readonly publication: boolean;
  readonly slot: 'none' | 'being made' | 'there' | 'lost';
  readonly promoted: boolean;
  /** It has a subscription with its slot, enabled or not: the position is kept with it. */
  readonly subscribed: boolean;
  readonly feeding: boolean;
}

export async function forkState(production: Db, fallback: Db, name: FeedName): Promise<ForkState> {
  const slot = await readSlot(production, name);
  const promoted = !(await inRecovery(fallback));
  const subscription = promoted ? await readSubscription(fallback, name) : undefined;
  return {
    publication: await publicationExists(production, name),
    slot: slot === undefined ? 'none' : slot.walStatus === 'lost' ? 'lost' : slot.confirmed === null ? 'being made' : 'there',
    promoted,
    subscribed: subscription?.slot != null,
    feeding: subscription?.enabled ?? false,
  };
}

export interface ForkOptions {
  readonly production: Db;
  /** A connection to the fallback; asked for anew after the promotion, which restarts it. */
  readonly fallback: () => Promise<Db>;
  readonly name: FeedName;
  readonly source: FeedSource;
  readonly roles: Roles;
  /** The master user, for the replication connection that reads the timeline's history. */
  readonly login: Login;
  /** Asks for the promotion; may return before it is done, and may be asked again. */
  readonly promote: () => Promise<void>;
  readonly poll?: Poll;
  readonly onProgress?: (what: string) => void | Promise<void>;
}

export interface Fork {
  /** Production's position at which the fallback left it. */
  readonly lsn: string;
  /** Which sources agreed on it. */
  readonly sources: readonly string[];
  /** What was moved there: the origin, or for want of a right the slot. */
  readonly placed: 'origin' | 'slot' | 'before';
  readonly markerMs: number;
}

/** The first half: publication and slot on production, and a fallback that has replayed past them. May be called again at any time before the promotion. */
export async function prepareFork(options: Omit<ForkOptions, 'promote'>): Promise<void> {
  const poll = options.poll ?? pollEvery(50, 3_600_000, 'the replica');
  const consistent = await preparePublisher(options);
  // The fork must lie behind the place from which the slot can send.
  await waitForReplay(await options.fallback(), consistent, poll);
}

/** Nothing that could go wrong here is production's: an error leaves it serving, and the fork to be taken up again or undone. */
export async function forkAhead(options: ForkOptions): Promise<Fork> {
  const { production, name, roles, source } = options;
  const poll = options.poll ?? pollEvery(50, 3_600_000, 'the promotion');
  const say = async (what: string): Promise<void> => options.onProgress?.(what);
  let fallback = await options.fallback();
  const before = await forkState(production, fallback, name);
  if (before.promoted && (!before.publication || before.slot === 'none' || before.slot === 'lost')) {
    throw new DatabaseError(
      `the fallback database was promoted without a ${before.publication ? 'slot' : 'publication'} '${name}' on production: what was written since cannot be sent to it. Undo the stage and make a new fallback`,
      undefined,
    );
  }
  if (!before.promoted) {
    await prepareFork(options);
    await say('promotion');
    await options.promote();
  }
  fallback = await promoted(options.fallback, poll);
  if (before.feeding) {
    const { milliseconds } = await markerRoundTrip(production, fallback);
    return {
      lsn: (await forkLsn(options.login, production, fallback, name)).lsn,
      sources: ['found feeding'],
      placed: 'before',
      markerMs: milliseconds,
    };
  }
  await say('fence of the fallback');
  await fence(fallback, roles);
  await endWriters(fallback, { graceMs: 0 });
  await endCopiedPrepared(fallback);
  const { lsn, sources } = await forkLsn(options.login, production, fallback, name);
  await say(`feed from ${lsn}`);
  // A physical copy of the publication came along.
  await dropPublication(fallback, name);
  await quietTriggers(fallback);
  // one that was switched off knows how far it came, which is further than the fork.
  const placed = before.subscribed ? 'before' : await startFeed(production, fallback, name, source, lsn);
  if (before.subscribed) await fallback.query(`ALTER SUBSCRIPTION ${ident(name)} ENABLE`);
  const { milliseconds } = await markerRoundTrip(production, fallback);
  const silent = await silentTables(production, fallback, name);
  if (silent.length > 0)
    throw new DatabaseError(
      `published, but not known to the subscription, so their changes would be lost without a word: ${silent.join(', ')}`,
      undefined,
    );
  return { lsn, sources, placed, markerMs: milliseconds };
}

/** What production had prepared at the fork ends on the fallback. @throws PreparedLeft */
export async function endCopiedPrepared(fallback: Db): Promise<void> {
  const left = await rollBackCopied(fallback);
  if (left.length > 0) throw new PreparedLeft(preparedLeft(left), '42501');
}

/** Prepared transactions that came with the fork and are not ours to end. */
export class PreparedLeft extends DatabaseError {
  override name = 'PreparedLeft';
}

export const preparedLeft = (left: readonly Prepared[]): string =>
  `prepared transactions came along with the fork and keep their locks there: production decides on them, and the feed brings what it commits. Only who prepared one can end its copy, on the fallback: ${left.map(({ gid, owner }) => `as '${owner}', ROLLBACK PREPARED '${gid}'`).join('; ')}`;

/** Marker, publication and slot; answers the position from which the slot can send: the fallback must replay past it before it is promoted. */
export async function preparePublisher({ production, name, source, onProgress }: Omit<ForkOptions, 'promote'>): Promise<string> {
  await ensureMarker(production);
  await production.query(`GRANT SELECT ON switchback.marker TO ${ident(source.login.username)}`);
  if (!(await publicationExists(production, name))) {
    await onProgress?.('publication');
    await createPublication(production, name, await publishable(production));
  }
  await onProgress?.('slot');
  return ensureSlot(production, name, pollEvery(50, 600_000, 'the slot of an earlier run'));
}

/** The fallback, once it is a server of its own. */
export async function promoted(fallback: () => Promise<Db>, poll: Poll): Promise<Db> {
  for (;;) {
    try {
      const db = await fallback();
      if (!(await inRecovery(db))) return db;
    } catch (error) {
      // Restarting: the promotion of RDS does that once.
      if (!(error instanceof DatabaseError) || !['ConnectionLost', 'OutcomeUnknown'].includes(error.name)) throw error;
    }
    await poll();
  }
}

/**
 * The position at which the fallback left production's history. The history file of its timeline holds it exactly, also after restarts;
 * the record that ends a recovery is a second source where pg_walinspect can be had. pg_last_wal_replay_lsn() is none: wrong after a crash.
 */
export async function forkLsn(login: Login, production: Db, fallback: Db, name: FeedName): Promise<{ lsn: string; sources: string[] }> {
  const history = await fromHistory(login, production, fallback);
  // Once fed, the slot's own position has moved behind the fork.
  const slot = (await readSlot(production, name))?.confirmed;
  const record = await fromRecord(fallback, history !== undefined && (!slot || compareLsn(history, slot) < 0) ? history : slot);
  if (history !== undefined && record !== undefined) {
    // The record may stand one page header behind the switch.
    const apart = lsnToNumber(record) - lsnToNumber(history);
    if (apart < 0n || apart > 64n) {
      throw new DatabaseError(
        `two sources disagree about where the fallback left production: its timeline's history says ${history}, its log ${record}. Nothing was started; undo the stage and make a new fallback`,
        undefined,
      );
    }
    return { lsn: history, sources: ['timeline history', 'end-of-recovery record'] };
  }
  if (history !== undefined) return { lsn: history, sources: ['timeline history'] };
  if (record !== undefined) return { lsn: record, sources: ['end-of-recovery record'] };
  throw new PositionUnknown(
    'where the fallback left production cannot be read: the master user may not replicate, so not read its timeline, and pg_walinspect is not to be had either',
    undefined,
  );
}

/** Which sources the position could be read from, before there is one: the rights are the same on the promoted fallback. */
export async function positionSources(login: Login, production: Db, fallback: Db): Promise<string[]> {
  const sources: string[] = [];
  const replication = await replicating(login, fallback);
  await replication?.close();
  if (replication) sources.push('timeline history');
  if (await mayInspect(production)) sources.push('end-of-recovery record');
  return sources;
}

async function mayInspect(production: Db): Promise<boolean> {
  const rolledBack = new Error('only looked');
  let may = false;
  try {
    await production.transaction(async (inside) => {
      await inside.query('CREATE EXTENSION IF NOT EXISTS pg_walinspect');
      const [row] = await inside.query<{ may: boolean }>(
        "SELECT pg_catalog.has_function_privilege('pg_get_wal_records_info(pg_lsn, pg_lsn)', 'EXECUTE') AS may",
      );
      may = row!.may;
      throw rolledBack;
    });
  } catch (error) {
    if (error !== rolledBack && !(error instanceof DatabaseError && error.name === 'DatabaseError')) throw error;
  }
  return may;
}

/** A replication connection; undefined where the user may not have one. */
async function replicating(login: Login, db: Db): Promise<Db | undefined> {
  try {
    return await connect(db.address, login, { replication: true });
  } catch (error) {
    // 28000: pg_hba.conf has no line for it.
    if (error instanceof DatabaseError && (error.sqlstate === '42501' || error.sqlstate === '28000')) return undefined;
    throw error;
  }
}

async function fromHistory(login: Login, production: Db, fallback: Db): Promise<string | undefined> {
  const [timeline] = await production.query<{ id: number }>(
    "SELECT ('x' || left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::int AS id",
  );
  const db = await replicating(login, fallback);
  if (!db) return undefined;
  try {
    const [system] = await db.query<{ timeline: string | number }>('IDENTIFY_SYSTEM');
    const [file] = await db.query<{ content: string | Buffer }>(`TIMELINE_HISTORY ${Number(system!.timeline)}`);
    const lines = file!.content
      .toString()
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
    const [parent, lsn] = (lines.at(-1) ?? '').split(/\s+/);
    if (parent === undefined || lsn === undefined || Number(parent) !== timeline!.id) {
      throw new DatabaseError(
        `the fallback database did not leave production's timeline ${timeline!.id} but ${parent ?? 'none'}: it is not a copy of this production database, or production failed over since`,
        undefined,
      );
    }
    return lsn;
  } finally {
    await db.close();
  }
}

async function fromRecord(fallback: Db, from: string | null | undefined): Promise<string | undefined> {
  if (!from) return undefined;
  try {
    await fallback.query('BEGIN');
    await fallback.query('CREATE EXTENSION IF NOT EXISTS pg_walinspect');
    const [row] = await fallback.query<{ lsn: string }>(
      `SELECT start_lsn::text AS lsn FROM pg_get_wal_records_info($1::pg_lsn, pg_catalog.pg_current_wal_flush_lsn()) WHERE resource_manager = 'XLOG' AND record_type = 'END_OF_RECOVERY' ORDER BY start_lsn LIMIT 1`,
      [from],
    );
    return row?.lsn;
  } catch (error) {
    // No right to it, not to be had, or the log of that time is gone: then the other source stands alone.
    if (error instanceof DatabaseError && error.name === 'DatabaseError') return undefined;
    throw error;
  } finally {
    // The extension was only looked through; the fallback keeps nothing of it.
    await fallback.query('ROLLBACK').catch(() => undefined);
  }
}

/** Takes back what the stage made on production. A promotion cannot be taken back: the fallback is deleted by whoever made it. */
export async function undoFork(production: Db, fallback: Db | undefined, name: FeedName): Promise<void> {
  const writable = fallback !== undefined && !(await inRecovery(fallback)) ? fallback : undefined;
  await removeFeed(production, writable, name);
}
