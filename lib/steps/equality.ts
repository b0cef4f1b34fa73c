/** After a rollback: the fallback holds everything the fenced production holds, proven from the moment in the gap. */

import { type Context, colorPart } from '../engine/context';
import { done, type Step, todo } from '../engine/step';
import { ConnectionLost } from '../postgres/connection/connect';
import { isBookkeeping } from '../postgres/schema/bookkeeping';
import type { Difference } from '../postgres/schema/classify';
import { exportSnapshot, type Progress, type Snapshot } from '../postgres/verification/compare';
import {
  type ComparisonSnapshotNote,
  isProven,
  MomentLost,
  noteComparisonSnapshot,
  type Proof,
  prove,
  proveAfterwards,
  takeComparisonSnapshot,
} from '../postgres/verification/equality';
import { deletedLosses, deletedRows } from '../postgres/verification/kept-rows';
import { type Loss, lossManifest } from '../postgres/verification/loss-manifest';
import type { PairingOptions } from '../postgres/verification/pairing';
import { declaredBy, recordBefore } from './bridges';
import { compareShare, compareWords, differenceWords } from './comparison-words';
import { writtenBehind } from './written-behind';

/**
 * The moment lives in a connection: it is kept by this step and compared by the next, in the same invocation. A runner
 * that died in between has lost it, and so has a fallback that restarted; what is noted of it lets rows be compared that nobody has
 * written since.
 */
export class Moment {
  snapshot: Snapshot | undefined;
  note: ComparisonSnapshotNote | undefined;
  /** The moment of a comparison that came too late: kept, so that each try of it sees the same. */
  later: Snapshot | undefined;
}

/** A server that restarts is waited for; the moment on the other one is kept meanwhile. */
const [waitMs, triesOfServer] = [2000, 60];

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
  /** Whether somebody has written behind the fence was looked at, to the end. */
  let looked = false;
  return {
    id: 'proof.equal',
    title: `Compare ${production} with the snapshot of ${fallback}: every row of the old schema`,
    estimateSeconds: 30,
    patienceSeconds: 6 * 3600,
    async observe(context) {
      if (proof && !looked) return todo();
      if (proof?.equal && behind !== undefined) return { is: 'failed', code: 'proof.written-behind', message: behind };
      if (proof?.equal) return done(words(proof), { proof, ...(isProven(proof) ? {} : { proven: false }) });
      if (proof) return { is: 'failed', code: 'proof.different', message: differenceWords(proof.comparison, production, fallback) };
      if (!recordBefore(context)) {
        return done('not proven: the window was opened by a version that recorded nothing to compare by; compare the databases by hand', {
          proven: false,
        });
      }
      if (!moment.snapshot && !noted(context)) {
        return done('not proven: the moment was lost with the runner that kept it; compare the databases by hand if you must know', {
          proven: false,
        });
      }
      return todo();
    },
    async act(context) {
      let shownAt = context.clock.elapsed();
      const show = (progress: Progress): void => {
        if (context.clock.elapsed() - shownAt < 2000) return;
        shownAt = context.clock.elapsed();
        void context.progress(compareWords(progress), compareShare(progress)).catch(() => undefined);
      };
      const sides = { production: () => context.connection(production), fallback: () => context.connection(fallback) };
      for (let tries = 1; !proof; tries += 1) {
        try {
          proof = await compared(context, sides, moment, show);
        } catch (error) {
          if (!(error instanceof ConnectionLost) || tries === triesOfServer) throw error;
          await context.progress(`compared again when both databases answer: ${error.message}`);
          await context.clock.pause(waitMs);
        }
      }
      await moment.snapshot?.release().catch(() => undefined);
      await moment.later?.release().catch(() => undefined);
      moment.snapshot = undefined;
      moment.later = undefined;
      // what came while it was compared, or to a table that had been, is told by its effect.
      behind = await writtenBehind(context, production);
      looked = true;
    },
  };
}

/** With the moment for as long as it is there; without it, by what was noted of it. Never with what is written now. */
async function compared(
  context: Context,
  sides: Parameters<typeof prove>[0],
  moment: Moment,
  show: (progress: Progress) => void,
): Promise<Proof | undefined> {
  const what = whatToCompare(context);
  try {
    if (moment.snapshot) return await prove(sides, moment.snapshot, what, show);
  } catch (error) {
    if (!(error instanceof MomentLost)) throw error;
    moment.snapshot = undefined;
  }
  const note = moment.note ?? noted(context);
  if (!note) throw new Error('of a moment that is gone nothing was noted');
  if (!moment.later) {
    await context.progress('the moment was lost with the connection that kept it: rows that nobody has written since are compared');
    moment.later = await exportSnapshot(await sides.fallback());
  }
  try {
    return await proveAfterwards(sides, moment.later, note, what, show);
  } catch (error) {
    if (error instanceof MomentLost) moment.later = undefined;
    throw error;
  }
}

/** The record of the fork, and the team's word: what it declared, and what it accepted to lose. */
function whatToCompare(context: Context): PairingOptions {
  const { bookkeeping } = colorPart(context.manifest, context.window.to).migration;
  return {
    record: recordBefore(context)!,
    declared: declaredBy(context),
    // what only rows can tell is compared by the trial, and accepted when the cutover is typed.
    accepted: [...announced(context).map(({ id }) => id), ...(context.view.series.cutover?.acceptedLosses ?? [])],
    leftOut: (relation) => isBookkeeping(relation, bookkeeping),
  };
}

/** What would be lost, as it was said before the window opened: whatever nobody had accepted was refused. */
const announced = ({ view }: Pick<Context, 'view'>): Difference[] =>
  ((view.facts('form.classified')?.['differences'] as Difference[] | undefined) ?? []).filter(({ loses }) => loses !== undefined);

const noted = ({ view }: Pick<Context, 'view'>): ComparisonSnapshotNote | undefined =>
  view.facts('proof.moment')?.['note'] as ComparisonSnapshotNote | undefined;

function words({ comparison, notProven = [], since, byName = [] }: Proof): string {
  const tables = `${comparison.tables.length} tables`;
  const gone = (since?.gone ?? []).map(
    ({ table, rows, keys, counted }) =>
      `${table}: ${rows} (${keys.join(', ')}${rows > keys.length ? ', …' : ''}), ${counted < rows ? `but only ${counted}` : counted} deletes and updates were counted`,
  );
  const named = (known: boolean): string[] =>
    notProven
      .filter((one) => (one.known ?? false) === known)
      .map(({ what, rows }) => (rows === undefined ? what : `${what} (${rows} rows)`));
  const [open, accepted] = [named(false), named(true)];
  return [
    since ? `equal, compared without the moment: ${tables}` : `equal: ${tables}`,
    ...(since && since.changed > 0 ? [`not proven for ${since.changed} rows that customers have written since the opening`] : []),
    ...(gone.length > 0 ? [`not proven for rows that are gone, deleted by customers since or never arrived: ${gone.join('; ')}`] : []),
    ...(since && since.tooMany.length > 0
      ? [`not proven, because too many rows have been written since: ${since.tooMany.join(', ')}`]
      : []),
    ...(open.length > 0 ? [`not proven: ${open.join('; ')}`] : []),
    ...(accepted.length > 0 ? [`not compared, as declared or accepted: ${accepted.join('; ')}`] : []),
    ...(byName.length > 0 ? [`paired by name: ${byName.join('; ')}`] : []),
  ].join('; ');
}

/** What the old schema could not hold, possibly nothing. */
export function lossReported(production: string, fallback: string): Step {
  return {
    id: 'loss.manifest',
    title: 'Report what the old schema could not hold: the loss manifest',
    estimateSeconds: 2,
    patienceSeconds: 600,
    async observe(context: Context) {
      const proof = context.view.facts('proof.equal')?.['proof'] as Proof | undefined;
      const record = recordBefore(context);
      const losses: Loss[] = await lossManifest(await context.database(production), await context.database(fallback), {
        ...(record ? { record } : {}),
        announced: announced(context).map(({ loses }) => loses!),
        deleted: deletedLosses(await deletedRows(await context.database(fallback), context.window.name), context.window.name),
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
