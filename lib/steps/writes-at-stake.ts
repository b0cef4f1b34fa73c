/** What a rollback without a feed would lose: counted from PostgreSQL's own statistics since the database was opened. */

import type { Context } from '../engine/context';
import { done, kept, pending, type Step } from '../engine/step';
import { readCatalog } from '../postgres/schema/catalog';
import { type Baseline, changesSince, takeBaseline } from '../postgres/verification/change-counts';

/** Before the database is opened: what has been counted until now is not customers' work. */
export function changesCounted(instance: string): Step {
  return kept({
    id: 'loss.baseline',
    title: 'Record how many rows have changed, to count what is written after opening',
    estimateSeconds: 1,
    patienceSeconds: 30,
    async observe(context) {
      const db = await context.database(instance);
      // the form too, bridge and all: what differs from it later, somebody changed in the hold.
      return done(undefined, { baseline: await takeBaseline(db), form: await readCatalog(db) });
    },
  });
}

/** Rows changed since opening, over all tables, and in words. */
export async function changesAtStake(
  context: Pick<Context, 'view' | 'database'>,
  instance: string,
): Promise<{ rows: number; words: string; incomplete: boolean }> {
  const baseline = context.view.facts('loss.baseline')?.['baseline'] as Baseline | undefined;
  if (!baseline) return { rows: 0, words: 'nothing was opened', incomplete: false };
  const changes = await changesSince(await context.database(instance), baseline);
  const rows = changes.reduce((sum, { inserted, updated, deleted }) => sum + inserted + updated + deleted, 0);
  const words = changes
    .map(
      ({ table, inserted, updated, deleted, incomplete }) =>
        `${table}: ${inserted} inserted, ${updated} updated, ${deleted} deleted${incomplete === undefined ? '' : `, at least: ${incomplete}`}`,
    )
    .join('; ');
  return { rows, words: words || 'no row has changed', incomplete: changes.some((change) => change.incomplete !== undefined) };
}

/** After the fence, so that the number is final: refuses to lose anything the operator has not accepted to lose. */
export function lossAccepted(instance: string): Step {
  return {
    id: 'loss.accepted',
    title: 'Count what was written since opening: it stays on the migrated database',
    estimateSeconds: 2,
    patienceSeconds: 30,
    async observe(context) {
      const { rows, words, incomplete } = await changesAtStake(context, instance);
      // what the statistics have lost, they do not show as nothing.
      if (rows === 0 && !incomplete) return done('no change of a row has been counted since opening', { rows });
      if (context.acceptLoss) return done(`accepted: ${rows} row changes stay behind on ${instance} (${words})`, { rows, words });
      // the statistics of a session that has just ended arrive with it; a moment makes the count final.
      return context.waitedMs() < 1500
        ? pending('counting')
        : {
            is: 'failed',
            code: 'rollback.loses-writes',
            message: `${incomplete ? 'at least ' : ''}${rows} row changes since opening would stay behind: ${words}`,
          };
    },
  };
}
