/** After a rollback: the fallback holds everything the fenced production holds, proven from the moment in the gap. */

import type { Snapshot } from '../postgres/compare';
import { type Loss, lossManifest } from '../postgres/loss';
import { mapping } from '../postgres/mapping';
import { keepMoment, type Proof, prove } from '../postgres/prove';
import type { Context } from '../runbook/context';
import { done, type Step, todo } from '../runbook/step';
import { catalogBefore, declaredBy, planned } from './bridges';

/**
 * The moment lives in a connection: it is kept by this step and compared by the next, in the same invocation. A runner
 * that died in between has lost it, and then the databases are compared as they are, where nobody has written yet.
 */
export class Moment {
  snapshot: Snapshot | undefined;
}

/** In the gap: production fenced, everything arrived, the fallback not open yet. */
export function momentKept(fallback: string, moment: Moment): Step {
  return {
    id: 'proof.moment',
    title: `Keep this moment of ${fallback}, to compare it once customers are served again`,
    estimateSeconds: 1,
    patienceSeconds: 30,
    async observe() {
      return moment.snapshot ? done() : todo();
    },
    async act(context) {
      moment.snapshot = await keepMoment(await context.connection(fallback));
    },
  };
}

/** Until it is done the rollback is "not yet proven". */
export function equalityProven(production: string, fallback: string, moment: Moment): Step {
  let proof: Proof | undefined;
  return {
    id: 'proof.equal',
    title: `Compare ${production} with the kept moment of ${fallback}: every row of the old form`,
    estimateSeconds: 30,
    patienceSeconds: 6 * 3600,
    async observe() {
      if (proof?.equal) {
        return done(
          `equal: ${proof.comparison.tables.length} tables${proof.uncompared.length > 0 ? `; without a source in the new form, so not compared: ${proof.uncompared.join(', ')}` : ''}`,
          { proof },
        );
      }
      if (proof) {
        const different = proof.comparison.tables.filter(({ equal }) => !equal);
        return {
          is: 'failed',
          code: 'proof.different',
          message: different
            .map(
              ({ table, differences }) =>
                `${table} differs: ${differences
                  .slice(0, 5)
                  .map(({ key, is }) => `${key} ${is}`)
                  .join(', ')}`,
            )
            .join('; '),
        };
      }
      if (!moment.snapshot) {
        return done('not proven: the moment was lost with the runner that kept it; compare the databases by hand if you must know', {
          proven: false,
        });
      }
      return todo();
    },
    async act(context) {
      if (!moment.snapshot) return;
      const { classification } = planned(context);
      let shownAt = 0;
      proof = await prove(
        await context.database(production),
        moment.snapshot,
        mapping(classification.plan, { names: 'old', declared: declaredBy(context) }),
        (progress) => {
          if (context.clock.elapsed() - shownAt < 2000) return;
          shownAt = context.clock.elapsed();
          void context
            .progress(
              `${progress.tables} of ${progress.ofTables} tables, ${progress.rows} of about ${progress.ofRows} rows: ${progress.table}`,
            )
            .catch(() => undefined);
        },
      );
      moment.snapshot = undefined;
    },
  };
}

/** What the old form could not hold, possibly nothing. */
export function lossTold(fallback: string): Step {
  return {
    id: 'loss.manifest',
    title: 'Say what the old form could not hold: the loss manifest',
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
