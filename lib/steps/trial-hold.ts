/** The hold of a trial: what a release could do in it, and the look that the schedule takes at an open window. */

import { done, kept, type Step } from '../engine/step';
import { feedName } from '../postgres/replication/subscription';
import { readCatalog } from '../postgres/schema/catalog';
import { lookAtFeed } from '../postgres/verification/feed-look';
import { truncatable } from '../postgres/verification/truncate';
import { brokeAt, type TrialPair } from './trial-pair';

export function feedLookedAt({ production, fallback, name }: TrialPair): Step {
  return kept({
    id: name('trial.hold'),
    title: 'Look at the feed as the schedule will in the hold: it lives, and sequences have numbers left',
    estimateSeconds: 1,
    patienceSeconds: 120,
    async observe(context) {
      const [from, to] = [await context.database(production), await context.database(fallback)];
      // nobody changes it: what the bridge has put on production is part of it.
      const form = await readCatalog(from);
      const { state, reasons, nearEnd } = await lookAtFeed(from, to, feedName(context.window.name), { form });
      if (state === 'behind') return { is: 'pending', detail: reasons.join('; ') };
      const wrong = [...(state === 'alive' ? [] : [`the feed is ${state}: ${reasons.join('; ')}`]), ...nearEnd];
      if (wrong.length === 0) return done();
      throw brokeAt(context, 'hold', `in the hold a rollback would not be possible, or would soon fail: ${wrong.join('; ')}`);
    },
  });
}

/** What a release may do that is no row: on the fallback, in transactions that are taken back. */
export function otherWritesTried({ production, fallback, name }: TrialPair): Step {
  return kept({
    id: name('trial.writes'),
    title: 'Try to empty every table as a release could: the old schema must take it',
    estimateSeconds: 1,
    patienceSeconds: 900,
    async observe(context) {
      const [from, to] = [await context.database(production), await context.database(fallback)];
      const { tables, refused } = await truncatable(from, to, feedName(context.window.name));
      const open = refused.filter(({ id }) => !context.acceptedLosses.includes(id));
      if (open.length === 0) return done(`${tables} tables`);
      const words = open.map(({ id, message }) => `${message} (--accept-loss ${id}, if no release does that in the hold)`);
      throw brokeAt(
        context,
        'feed',
        `a TRUNCATE would stop the feed, and what came after it would be lost at a rollback: ${words.join('; ')}`,
      );
    },
  });
}
