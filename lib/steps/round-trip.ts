/** Proof before anybody writes: a row of every published table goes through the feed, and is gone again. */

import type { Context } from '../engine/context';
import { done, type Observation, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import { feedName } from '../postgres/replication/subscription';
import { readCatalog } from '../postgres/schema/catalog';
import { classify } from '../postgres/schema/classify';
import { type RoundTrip, roundTrip } from '../postgres/verification/round-trip';
import { declaredBy, planned } from './bridges';
import { refuseGivenUp } from './fork-method';

/** In the cutover, over the bridge, with production fenced. What fails was only rehearsed: the feed goes on, and a rollback is as cheap as before. */
export function roundTripped(production: string, fallback: string): Step {
  return roundTripStep(
    {
      id: 'feed.round-trip',
      title: `Send a test row of every table to ${fallback} and remove it: it must arrive in the old schema`,
      acceptable: true,
      skip: () => undefined,
    },
    async (context, onProgress) =>
      roundTrip(await context.database(production), await context.database(fallback), {
        name: feedName(context.window.name),
        now: context.facts('form.classified')['now'] as Awaited<ReturnType<typeof readCatalog>>,
        plan: planned(context).classification.plan,
        declared: declaredBy(context),
        accepted: context.acceptedLosses,
        onProgress,
      }),
  );
}

/** At the stage, while customers write: both schemas are the same, and nothing of theirs is waited for or held up. */
export function forkTried(production: string, fallback: string): Step {
  return roundTripStep(
    {
      id: 'fork.round-trip',
      title: `Send a test row of every table to ${fallback} and remove it: it must arrive`,
      acceptable: false,
      skip: (context) => (context.view.begun('cutover', 'feed.pause') ? 'it was tried before the migrations' : undefined),
    },
    async (context, onProgress) => {
      const [from, to] = [await context.database(production), await context.database(fallback)];
      const now = await readCatalog(from);
      const { plan } = classify(await readCatalog(to), now);
      await refuseGivenUp(context, production, fallback);
      const trip = await roundTrip(from, to, { name: feedName(context.window.name), now, plan, live: true, onProgress });
      if (trip.lost.length > 0) await refuseGivenUp(context, production, fallback);
      return trip;
    },
  );
}

type Try = (context: Context, onProgress: (tables: number, of: number) => void) => Promise<RoundTrip>;

interface Kind {
  readonly id: Exclude<Extract<StepId, `${string}.round-trip`>, `trial.${string}`>;
  readonly title: string;
  /** Whether the operator may go on with a table that cannot be fed. */
  readonly acceptable: boolean;
  /** Why there is nothing to try any more. */
  readonly skip: (context: Context) => string | undefined;
}

function roundTripStep(kind: Kind, attempt: Try): Step {
  const { id, title, skip } = kind;
  let trip: RoundTrip | undefined;
  return {
    id,
    title,
    estimateSeconds: 3,
    patienceSeconds: 900,
    async observe(context) {
      const reason = skip(context);
      if (reason) return done(reason);
      // trying it again leaves as little as the first time.
      return trip ? seen(trip, kind) : todo();
    },
    async act(context) {
      let shownAt = context.clock.elapsed();
      trip = await attempt(context, (tables, of) => {
        if (context.clock.elapsed() - shownAt < 2000) return;
        shownAt = context.clock.elapsed();
        void context.progress(`${tables} of ${of} tables`, tables / of).catch(() => undefined);
      });
      for (const { table, why } of weaker(trip)) await context.progress(`${table}: ${why.join('; ')}`);
    },
  };
}

/** Tables of which no row could be made. */
const weaker = ({ tables }: RoundTrip) => tables.filter(({ made }) => !made);

function seen(trip: RoundTrip, { id, acceptable }: Kind): Observation {
  if (trip.lost.length > 0) {
    return {
      is: 'failed',
      code: `${id}.lost`,
      message: `rows that were tried did not arrive as they should: ${trip.lost.join('; ')}. Until that is mended nothing arrives; nobody has written yet`,
    };
  }
  if (trip.refused.length > 0) {
    const all = trip.refused.map(({ id: refusal, message }) => `${message}${acceptable ? ` (--accept-loss ${refusal})` : ''}`);
    return {
      is: 'failed',
      code: id,
      message: `the first such row of a customer would stop the feed, and what came after it would be lost at a rollback: ${all.join('; ')}. They were only tried, not sent: the feed goes on`,
    };
  }
  const byUpdate = weaker(trip).filter(({ written }) => written);
  const byShape = weaker(trip).filter(({ written }) => !written);
  const list = (tables: typeof byShape): string => tables.map(({ table }) => table).join(', ');
  const words = [
    `${trip.tables.length - weaker(trip).length} of ${trip.tables.length} tables by insert, update and delete`,
    ...(byUpdate.length > 0 ? [`only by an update of a row: ${list(byUpdate)}`] : []),
    ...(byShape.length > 0 ? [`only by their columns: ${list(byShape)}`] : []),
  ];
  return done(words.join('; '), {
    tables: trip.tables.length,
    weaker: weaker(trip),
    seconds: Math.round(trip.milliseconds) / 1000,
  });
}
