/** A rollback that would lose what customers wrote is refused before it is begun: nothing is down, and the window stays as it is. */
import type { Aws } from '../aws';
import { feedHealth } from '../postgres/feed';
import { feedName } from '../postgres/subscription';
import { changesAtStake } from '../steps/loss';
import { forkOf } from '../steps/world';
import { Connections } from './connections';
import { exit, Stop } from './errors';
import type { WindowView } from './window';

/** @throws Stop `rollback.loses-writes` when customers have written since the opening and the feed that would carry it is dead */
export async function refuseLoss(view: WindowView, { aws, now }: { readonly aws: Aws; readonly now: number }): Promise<void> {
  const { production, fallback, name, to } = view.window;
  // one that has begun is finished or not by its own steps.
  if (!fallback || forkOf(view) !== 'ahead' || !view.begun('cutover', 'database.open') || view.series.rollback) return;
  const connections = new Connections(aws, view.manifest);
  try {
    const health = await feedHealth(await connections.to(production), await connections.to(fallback), feedName(name));
    if (health.state !== 'dead') return;
    const { rows, words } = await changesAtStake({ view, database: (instance) => connections.to(instance) }, production);
    const seconds = health.heartbeatSeconds;
    const since = seconds === undefined ? 'the feed began' : new Date(now - seconds * 1000).toISOString();
    throw new Stop(
      'rollback.loses-writes',
      `a rollback without loss is not possible any more: ${health.reasons.join('; ')}. What was written since ${since} is only on ${production} and would stay behind there${rows === 0 ? '' : `; since the opening at least ${rows} rows have changed (${words})`}`,
      {
        state: `Nothing was begun: customers are on ${to}, which reads and writes ${production} as before. ${fallback} has what was written until then.`,
        next: ['npm run rollback -- --accept-loss', 'npm run status'],
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
