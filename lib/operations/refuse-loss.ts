/**
 * A rollback that would lose what customers wrote, or would wait for it with the site down, is refused before it is begun: nothing
 * is down, and the window stays as it is.
 */

import type { Aws } from '../aws';
import { say, switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { Connections } from '../engine/connections';
import { databaseOpened } from '../engine/milestones';
import type { WindowView } from '../engine/window-view';
import { feedHealth } from '../postgres/replication/feed';
import { feedName } from '../postgres/replication/subscription';
import { lookAtFeed } from '../postgres/verification/feed-look';
import { forkOf } from '../steps/world';
import { changesAtStake } from '../steps/writes-at-stake';

interface Looked {
  readonly aws: Aws;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Apply errors that the last look counted. */
  readonly knownErrors?: number | undefined;
}

/** @throws Stop once customers may write in the new schema: `rollback.loses-writes` when the feed is dead, `rollback.feed-stands` when it does not move */
export async function refuseLoss(view: WindowView, { aws, now, knownErrors = 0 }: Looked): Promise<void> {
  const { production, fallback, name } = view.window;
  // one that has begun is finished or not by its own steps.
  if (!fallback || forkOf(view) !== 'ahead' || !databaseOpened(view) || view.series.rollback) return;
  const connections = new Connections(aws, view.manifest);
  try {
    const [from, to, feed] = [await connections.to(production), await connections.to(fallback), feedName(name)];
    let health = await feedHealth(from, to, feed, { knownErrors });
    // a feed that has just broken off is none that is stuck, nor one that a new partition mends: that takes a longer look.
    if (health.state === 'stuck') health = await lookAtFeed(from, to, feed, { knownErrors, makesPartitions: true });
    if (health.state === 'stuck' || health.state === 'paused') {
      throw new Stop('rollback.feed-stands', `${fallback} is not catching up: ${health.reasons.join('; ')}`, {
        state: `Nothing was begun and nothing is down: ${production} goes on in the new schema, and keeps what ${fallback} has not got yet.`,
        next: [say`mend that, then ${switchback('rollback')}`, switchback('rollback', '--accept-loss'), switchback('status')],
        exit: exit.refused,
      });
    }
    if (health.state !== 'dead') return;
    const { rows, words } = await changesAtStake({ view, database: (instance) => connections.to(instance) }, production);
    const seconds = health.heartbeatSeconds;
    const since = seconds === undefined ? 'the feed began' : new Date(now - seconds * 1000).toISOString();
    throw new Stop(
      'rollback.loses-writes',
      `a rollback without loss is not possible any more: ${health.reasons.join('; ')}. What was written since ${since} is only on ${production} and would stay behind there${rows === 0 ? '' : `; since the opening at least ${rows} rows have changed (${words})`}`,
      {
        state: `Nothing was begun and nothing is down: ${production} goes on in the new schema. ${fallback} has what was written until then.`,
        next: [switchback('rollback', '--accept-loss'), switchback('status')],
        exit: exit.refused,
      },
    );
  } catch (error) {
    // a database that does not answer now may do so when its step comes, which looks again.
    if (error instanceof Stop) throw error;
  } finally {
    await connections.end();
  }
}
