/** After a rollback: the fallback holds everything the fenced production holds, proven from the moment in the gap. */

import type { Context } from '../engine/context';
import { done, type Step, todo } from '../engine/step';
import { mapping } from '../postgres/schema/mapping';
import type { Progress, Snapshot } from '../postgres/verification/compare';
import {
  type ComparisonSnapshotNote,
  noteComparisonSnapshot,
  type Proof,
  prove,
  proveAfterwards,
  takeComparisonSnapshot,
} from '../postgres/verification/equality';
import { type Loss, lossManifest } from '../postgres/verification/loss-manifest';
import { catalogBefore, declaredBy, planned } from './bridges';
import { compareShare, compareWords, differenceWords, rowEstimates } from './comparison-words';
import { writtenBehind } from './written-behind';

/**
 * The moment lives in a connection: it is kept by this step and compared by the next, in the same invocation. A runner
 * that died in between has lost it; what is noted of it lets rows be compared that nobody has written since.
 */
export class Moment {
  snapshot: Snapshot | undefined;
  note: ComparisonSnapshotNote | undefined;
}

/** In the gap: production fenced, everything arrived, the fallback not open yet. */
export function comparisonSnapshotTaken(fallback: string, moment: Moment): Step {
  return {
    id: 'proof.moment',
    title: `Take a snapshot of ${fallback} for the comparison after reopening`,
    estimateSeconds: 1,
    patienceSeconds: 30,
    async observe() {
      return moment.snapshot && moment.note ? done(undefined, { note: moment.note }) : todo();
    },
    async act(context) {
      moment.snapshot = await takeComparisonSnapshot(await context.connection(fallback));
      moment.note = await noteComparisonSnapshot(moment.snapshot.db);
    },
  };
}

/** Until it is done the rollback is "not yet proven". */
export function equalityProven(production: string, fallback: string, moment: Moment): Step {
  let proof: Proof | undefined;
  let behind: string | undefined;
  return {
    id: 'proof.equal',
    title: `Compare ${production} with the snapshot of ${fallback}: every row of the old schema`,
    estimateSeconds: 30,
    patienceSeconds: 6 * 3600,
    async observe(context) {
      if (proof?.equal && behind !== undefined) return { is: 'failed', code: 'proof.written-behind', message: behind };
      if (proof?.equal) return done(words(proof), { proof, ...(isWhole(proof) ? {} : { proven: false }) });
      if (proof) return { is: 'failed', code: 'proof.different', message: differenceWords(proof.comparison, production, fallback) };
      if (!moment.snapshot && !noted(context)) {
        return done('not proven: the moment was lost with the runner that kept it; compare the databases by hand if you must know', {
          proven: false,
        });
      }
      return todo();
    },
    async act(context) {
      const { classification } = planned(context);
      const rows = await rowEstimates(await context.database(fallback));
      const what = mapping(classification.plan, { names: 'old', declared: declaredBy(context), rows });
      let shownAt = context.clock.elapsed();
      const show = (progress: Progress): void => {
        if (context.clock.elapsed() - shownAt < 2000) return;
        shownAt = context.clock.elapsed();
        void context.progress(compareWords(progress), compareShare(progress)).catch(() => undefined);
      };
      const [from, note] = [await context.database(production), noted(context)];
      if (moment.snapshot) proof = await prove(from, moment.snapshot, what, show);
      else if (note) {
        await context.progress('the moment was lost with the runner that kept it: rows that nobody has written since are compared');
        proof = await proveAfterwards(from, await context.connection(fallback), note, what, show);
      }
      moment.snapshot = undefined;
      // what came while it was compared, or to a table that had been, is told by its effect.
      behind = await writtenBehind(context, production);
    },
  };
}

const noted = ({ view }: Pick<Context, 'view'>): ComparisonSnapshotNote | undefined =>
  view.facts('proof.moment')?.['note'] as ComparisonSnapshotNote | undefined;

/** Nothing is left that could not be compared for want of the moment, but what customers have written. */
const isWhole = ({ since }: Proof): boolean => !since || (since.gone.length === 0 && since.tooMany.length === 0);

function words({ comparison, uncompared, since }: Proof): string {
  const tables = `${comparison.tables.length} tables`;
  const changed = since && since.changed > 0 ? ` but for ${since.changed} rows that customers have written since the opening` : '';
  const gone = (since?.gone ?? []).map(
    ({ table, rows, keys, counted }) =>
      `${table}: ${rows} (${keys.join(', ')}${rows > keys.length ? ', …' : ''}), ${counted < rows ? `but only ${counted}` : counted} deletes and updates were counted`,
  );
  return [
    since ? `equal${changed}, compared without the moment: ${tables}` : `equal: ${tables}`,
    ...(gone.length > 0 ? [`not proven for rows that are gone, deleted by customers since or never arrived: ${gone.join('; ')}`] : []),
    ...(since && since.tooMany.length > 0
      ? [`not proven, because too many rows have been written since: ${since.tooMany.join(', ')}`]
      : []),
    ...(uncompared.length > 0 ? [`without a source in the new schema, so not compared: ${uncompared.join(', ')}`] : []),
  ].join('; ');
}

/** What the old schema could not hold, possibly nothing. */
export function lossReported(fallback: string): Step {
  return {
    id: 'loss.manifest',
    title: 'Report what the old schema could not hold: the loss manifest',
    estimateSeconds: 2,
    patienceSeconds: 600,
    async observe(context: Context) {
      const proof = context.view.facts('proof.equal')?.['proof'] as Proof | undefined;
      const losses: Loss[] = await lossManifest(await context.database(fallback), {
        old: catalogBefore(context),
        classification: planned(context).classification,
        notPutBack: (context.view.facts('feed.unbridge')?.['notPutBack'] as string[] | undefined) ?? [],
        ...(proof ? { proof } : {}),
      });
      const words = losses.map(({ is, what, rows }) => `${is}: ${what}${rows === undefined ? '' : ` (${rows} rows)`}`);
      if (words.length > 0) await context.progress(words.join('\n'));
      const lost = losses.filter(({ is }) => is === 'lost');
      return done(lost.length === 0 ? `nothing is lost${losses.length > 0 ? `; ${losses.length} remarks` : ''}` : `${lost.length} losses`, {
        losses,
      });
    },
  };
}
