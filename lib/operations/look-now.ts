/** The feed of an open window: whether there is one to look at now, and a look at it, as a note says it. */
import { messageOf } from '../base/errors';
import type { Connections } from '../engine/connections';
import type { HoldSeen, lastHoldSeen } from '../engine/events';
import { databaseOpened, feedEnding, feedPaused, feedRemoved, feedStarted, holdEndsAt, schemaOpened } from '../engine/milestones';
import type { WindowView } from '../engine/window-view';
import { feedName } from '../postgres/replication/subscription';
import type { Catalog } from '../postgres/schema/catalog';
import { lookAtFeed } from '../postgres/verification/feed-look';
import { forkOf } from '../steps/world';
import { endOf, wayBack } from './way-back';

/**
 * `staged`, `open`: the feed should live, whatever became of the last run. `none`: it is not there yet, or a verb has it stopped or is
 * about to. `over`: nobody needs it any more.
 */
export function watchPhase(view: WindowView): 'staged' | 'open' | 'none' | 'over' {
  if (view.closed !== undefined || feedRemoved(view) || view.series.rollback?.ended === 'finished') return 'over';
  if (forkOf(view) === 'window' || feedEnding(view)) return 'none';
  if (databaseOpened(view)) return 'open';
  return feedStarted(view) && !feedPaused(view) ? 'staged' : 'none';
}

/** A look at the feed as it is now, as a note says it. */
export async function lookNow(
  view: WindowView,
  phase: 'staged' | 'open',
  connections: Pick<Connections, 'to'>,
  last: ReturnType<typeof lastHoldSeen>,
  now: number,
  { makesPartitions = false }: { readonly makesPartitions?: boolean } = {},
): Promise<HoldSeen> {
  const { production, fallback, name } = view.window;
  const ends = holdEndsAt(view)?.getTime();
  const form = phase === 'open' ? (schemaOpened(view) as Catalog | undefined) : undefined;
  try {
    const seen = await lookAtFeed(await connections.to(production), await connections.to(fallback ?? ''), feedName(name), {
      knownErrors: last?.applyErrors ?? 0,
      ...(form ? { form } : {}),
      makesPartitions,
    });
    const { state, reasons, drift, nearEnd, madePartitions, heartbeatSeconds, retainedBytes, bytesLeft, applyErrors, conflicts } = seen;
    const ending = endOf({ at: now, health: seen }, last && { at: Date.parse(last.at), bytesLeft: last.bytesLeft }, ends);
    const { possibleUntil, mendBy } = wayBack(state, ending);
    return {
      type: 'hold.seen',
      ...{ state, reasons, drift, retainedBytes, applyErrors },
      ...(nearEnd.length > 0 ? { nearEnd } : {}),
      ...(madePartitions.length > 0 ? { madePartitions } : {}),
      ...(heartbeatSeconds === undefined ? {} : { heartbeatSeconds }),
      ...(bytesLeft === undefined ? {} : { bytesLeft }),
      ...(conflicts === undefined ? {} : { conflicts }),
      ...(possibleUntil === undefined ? {} : { rollbackPossibleUntil: possibleUntil }),
      ...(mendBy === undefined ? {} : { mendBy }),
    };
  } catch (error) {
    return {
      type: 'hold.seen',
      state: 'unreachable',
      reasons: [`the feed could not be looked at: ${messageOf(error)}`],
      drift: last?.drift ?? [],
      applyErrors: last?.applyErrors ?? 0,
    };
  }
}
