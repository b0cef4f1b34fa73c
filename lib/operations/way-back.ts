/**
 * Until when a rollback is possible: the one derivation, for the watch, `status`, `status --check`, their JSON and the end of a cutover.
 * Of a feed that stands still nothing is possible until it is mended, whatever the hours say.
 */
import type { HoldSeen } from '../engine/events';
import { type FeedHealth, secondsLeft } from '../postgres/replication/feed';
import type { CheckReport } from './check-report';

export interface WayBack {
  readonly state: HoldSeen['state'];
  /** ISO time. Only while the feed lives. */
  readonly possibleUntil?: string;
  /** ISO time. Of a feed that does not take what it is sent: then it cannot be mended any more. */
  readonly mendBy?: string;
}

export interface Ending {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The hold, or what production keeps for the fallback. */
  readonly ends: 'hold' | 'limit';
}

/** The earlier of the end of the hold and of production's patience, told by two looks; undefined: no end is in sight, or it is over. */
export function endOf(
  now: { readonly at: number; readonly health: { readonly state: HoldSeen['state']; readonly bytesLeft: number | undefined } },
  earlier: { readonly at: number; readonly bytesLeft: number | undefined } | undefined,
  holdEndsAt: number | undefined,
): Ending | undefined {
  const { state } = now.health;
  if (state === 'dead') return undefined;
  // of a feed that lives, production keeps now more and now less: only one that takes nothing uses the limit up.
  const used = state !== 'alive' && state !== 'unreachable';
  const left: Pick<FeedHealth, 'bytesLeft'> = now.health;
  const seconds = used && earlier && now.at > earlier.at ? secondsLeft(earlier, left, (now.at - earlier.at) / 1000) : undefined;
  const limit = seconds === undefined ? undefined : now.at + seconds * 1000;
  if (limit !== undefined && (holdEndsAt === undefined || limit < holdEndsAt)) return { at: limit, ends: 'limit' };
  return holdEndsAt === undefined ? undefined : { at: holdEndsAt, ends: 'hold' };
}

/** What a look means for the way back. */
export function wayBack(state: HoldSeen['state'], ending: Ending | undefined): WayBack {
  if (!ending || state === 'dead' || state === 'unreachable') return { state };
  const at = new Date(ending.at).toISOString();
  return state === 'alive' ? { state, possibleUntil: at } : { state, mendBy: at };
}

/** As it was noted; earlier versions noted an hour beside a feed that stood still. */
export const wayBackOf = ({ state, rollbackPossibleUntil, mendBy }: HoldSeen): WayBack => {
  const at = rollbackPossibleUntil ?? mendBy;
  return wayBack(state, at === undefined ? undefined : { at: Date.parse(at), ends: 'hold' });
};

/** One sentence; `show` spells a time. */
export function wayBackWords({ state, possibleUntil, mendBy }: WayBack, show: (at: string) => string = (at) => at): string {
  const by = mendBy === undefined ? '' : `, ${state === 'behind' ? 'until' : 'mend it by'} ${show(mendBy)} at the latest`;
  switch (state) {
    case 'alive':
      return possibleUntil === undefined ? 'a rollback is possible' : `rollback possible until ${show(possibleUntil)}`;
    case 'behind':
      return `a rollback would wait until the fallback has caught up${by}`;
    case 'paused':
    case 'stuck':
      return `no rollback without loss while the feed is ${state}${by}`;
    case 'dead':
      return 'no rollback without loss: the feed is dead';
    case 'unreachable':
      return 'whether a rollback is possible is not known: the feed could not be looked at';
  }
}

/** As `status --check` reports it. */
export function wayBackReport(
  state: HoldSeen['state'],
  ending: Ending | undefined,
): Pick<CheckReport, 'rollbackPossibleUntil' | 'mendBy' | 'wayBack'> {
  const way = wayBack(state, ending);
  const { possibleUntil, mendBy } = way;
  const ends = ending?.ends ?? 'hold';
  return {
    ...(possibleUntil === undefined ? {} : { rollbackPossibleUntil: { at: possibleUntil, ends } }),
    ...(mendBy === undefined ? {} : { mendBy: { at: mendBy, ends } }),
    // of a feed that lives, in a hold that has no end yet, nothing more is to be said.
    ...(state === 'alive' && possibleUntil === undefined ? {} : { wayBack: wayBackWords(way) }),
  };
}
