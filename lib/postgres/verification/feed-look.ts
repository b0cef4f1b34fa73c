/** One look at a feed from outside of any run: does it live, has the form changed under it, until when can it be used? */
import { setTimeout as pause } from 'node:timers/promises';
import type { Db } from '../connection/connect';
import { watchPartitions } from '../replication/emptied-partitions';
import { type FeedHealth, feedHealth } from '../replication/feed';
import { beat, heartbeatAge } from '../replication/heartbeat';
import { madeWords, makePartitions, unfedRows } from '../replication/new-partitions';
import { endingSequences, sequenceMargin } from '../replication/sequences';
import { type FeedName, readSlot, readSubscription } from '../replication/subscription';
import { type Catalog, catalogDrift, readCatalog } from '../schema/catalog';

export interface FeedLook extends FeedHealth {
  /** What somebody changed about the form, one sentence each: a feed carries rows, not statements. */
  readonly drift: readonly string[];
  /** Sequences whose numbers a rollback would find nearly used up, one sentence each. */
  readonly nearEnd: readonly string[];
  /** Partitions that production had got since, made on the fallback, too, one sentence each. */
  readonly madePartitions: readonly string[];
}

export interface LookOptions {
  /** Apply errors counted at the last look. @default 0 */
  readonly knownErrors?: number;
  /** The form as it should be. @default that of the fallback, as before migrations */
  readonly form?: Catalog;
  /** How long the heartbeat may take to arrive before the look goes on without it. @default 3000 */
  readonly waitMs?: number;
  /** Whether the fallback gets the partitions that production has got since: who only looks changes nothing. @default false */
  readonly makesPartitions?: boolean;
}

/** A feed that broke off is tried again at least this often (wal_retrieve_retry_interval, 5 s by default). */
const triesEveryMs = 6000;

/** Makes new partitions on the fallback if it is asked to, writes a heartbeat, gives it a moment to arrive, and looks. */
export async function lookAtFeed(production: Db, fallback: Db, name: FeedName, options: LookOptions = {}): Promise<FeedLook> {
  const { waitMs = 3000 } = options;
  const began = performance.now();
  const elapsed = (): number => performance.now() - began;
  const { made, elsewhere, refused } = options.makesPartitions
    ? await makePartitions(production, fallback, name)
    : { made: [], elsewhere: [], refused: [] };
  const unwatched = options.makesPartitions ? await watchPartitions(production) : [];
  await beat(production);
  const hasArrived = (age: number | undefined): boolean => age !== undefined && age * 1000 <= elapsed();
  // the look takes the one runner: it is not kept waiting for what cannot arrive.
  const [slot, subscription] = await Promise.all([readSlot(production, name), readSubscription(fallback, name)]);
  const mayArrive = slot !== undefined && slot.walStatus !== 'lost' && subscription?.enabled === true;
  while (mayArrive && !hasArrived(await heartbeatAge(production, fallback)) && elapsed() <= waitMs) await pause(50);
  const knownErrors = options.knownErrors ?? 0;
  const see = async (errors: number): Promise<FeedHealth> => {
    const seen = await feedHealth(production, fallback, name, { knownErrors: errors });
    // a feed that has just come to a stand has a heartbeat that is young, and takes nothing all the same.
    return seen.state === 'alive' && !hasArrived(seen.heartbeatSeconds)
      ? { ...seen, state: 'behind', reasons: ['what was written at this look has not arrived', ...seen.reasons] }
      : seen;
  };
  const first = await see(knownErrors);
  let health = first;
  // a change that cannot be applied is an error at every try. A connection that breaks is counted as one, too, but once.
  if (first.applyErrors > knownErrors && (first.state === 'stuck' || first.state === 'behind')) {
    for (const until = elapsed() + triesEveryMs; ; await pause(250)) {
      health = await see(first.applyErrors);
      if (health.state === 'stuck' || hasArrived(health.heartbeatSeconds) || elapsed() > until) break;
    }
  }
  const drift = catalogDrift(options.form ?? (await readCatalog(fallback)), await readCatalog(production));
  const nearEnd = await endingSequences(production, fallback, sequenceMargin);
  return {
    ...health,
    drift: [...drift, ...elsewhere, ...refused, ...unwatched, ...(await unfedRows(production, name, made))],
    nearEnd,
    madePartitions: made.map(madeWords),
  };
}
