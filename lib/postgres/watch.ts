/** One look at a feed from outside of any run: does it live, has the form changed under it, until when can it be used? */
import { setTimeout as pause } from 'node:timers/promises';
import { type Catalog, catalogDrift, readCatalog } from './catalog';
import type { Db } from './connect';
import { beat, type FeedHealth, feedHealth, heartbeatAge, secondsLeft } from './feed';
import type { FeedName } from './subscription';

export interface FeedLook extends FeedHealth {
  /** What somebody changed about the form, one sentence each: a feed carries rows, not statements. */
  readonly drift: readonly string[];
}

export interface LookOptions {
  /** Apply errors counted at the last look. @default 0 */
  readonly knownErrors?: number;
  /** The form as it should be. @default that of the fallback, as before migrations */
  readonly form?: Catalog;
  /** How long the heartbeat may take to arrive before the look goes on without it. @default 3000 */
  readonly waitMs?: number;
}

/** Writes a heartbeat, gives it a moment to arrive, and looks. */
export async function lookAtFeed(production: Db, fallback: Db, name: FeedName, options: LookOptions = {}): Promise<FeedLook> {
  const began = performance.now();
  const elapsed = (): number => performance.now() - began;
  await beat(production);
  for (;;) {
    const age = await heartbeatAge(production, fallback);
    if ((age !== undefined && age * 1000 <= elapsed()) || elapsed() > (options.waitMs ?? 3000)) break;
    await pause(50);
  }
  const health = await feedHealth(production, fallback, name, { knownErrors: options.knownErrors ?? 0 });
  const drift = catalogDrift(options.form ?? (await readCatalog(fallback)), await readCatalog(production));
  return { ...health, drift };
}

/**
 * The earlier of the end of the hold and of production's patience, told by two looks (milliseconds since the epoch).
 * Undefined: the feed is dead, or there is no end in sight.
 */
export function possibleUntil(
  now: { readonly at: number; readonly health: Pick<FeedHealth, 'state' | 'bytesLeft'> },
  earlier: { readonly at: number; readonly bytesLeft: number | undefined } | undefined,
  holdEndsAt: number | undefined,
): number | undefined {
  if (now.health.state === 'dead') return undefined;
  const seconds = earlier && now.at > earlier.at ? secondsLeft(earlier, now.health, (now.at - earlier.at) / 1000) : undefined;
  const ends = [holdEndsAt, seconds === undefined ? undefined : now.at + seconds * 1000].filter((end) => end !== undefined);
  return ends.length > 0 ? Math.min(...ends) : undefined;
}
