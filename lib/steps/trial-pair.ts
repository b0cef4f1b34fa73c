/**
 * The two databases of a trial, and the window's own steps taken on them: the same code under names of the trial's. What one of them leaves
 * behind, another finds; what this window has done to production, none of them sees.
 */
import { say, switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { Context } from '../engine/context';
import { kept, type Observation, type Step } from '../engine/step';
import type { StepId, TrialStep } from '../engine/step-id';
import { foundMore, type Verdict } from '../engine/verdict';
import { DatabaseError } from '../postgres/connection/connect';
import { deployedAnew, releaseMended } from './deployed-anew';

/** Where a trial is made. Places as `context.database` takes them, both on one server. */
export interface TrialPair {
  /** For people: the instance. */
  readonly copy: string;
  /** Production's part. */
  readonly production: string;
  /** The fallback's part, made from the other. */
  readonly fallback: string;
  /** Names a step of this attempt. */
  readonly name: (id: `trial.${TrialStep}`) => StepId;
}

/** Which step of the trial stands for which of the window. */
const standsFor: Partial<Record<StepId, TrialStep>> = {
  'form.before': 'form',
  'database.fenced-after': 'fenced-after',
  'form.classified': 'differences',
  'feed.bridge': 'bridge',
  'feed.footprint': 'footprint',
  'feed.resume': 'feed',
  'feed.canary': 'canary',
  'feed.round-trip': 'round-trip',
  'database.fence': 'closed',
  'sequences.ahead': 'sequences',
  'feed.drained': 'drained',
  'feed.stop': 'stop',
  'feed.unbridge': 'unbridge',
  'proof.moment': 'moment',
  'deleted.back': 'kept',
  'proof.equal': 'equal',
  'loss.manifest': 'losses',
  'form.aside': 'aside',
  'feed.remove': 'unfeed',
  'bridge.remove': 'revert',
};

/** What of the window would have broken. */
const phases = {
  fence: { code: 'trial.fence.failed' },
  bridge: { code: 'trial.bridge.failed' },
  footprint: { code: 'trial.footprint.failed' },
  feed: { code: 'trial.feed.failed' },
  hold: { code: 'trial.hold.failed' },
  rollback: { code: 'trial.rollback.failed' },
  proof: { code: 'trial.proof.failed' },
} as const;
export type TrialPhase = keyof typeof phases;

/** Ends the stage: nothing of it is on production. */
export const brokeAt = (context: Context, phase: TrialPhase, message: string, cause?: unknown): Stop =>
  new Stop(phases[phase].code, message, {
    state: 'It was found on a copy: production is not changed, and nobody waits.',
    // what the hold would have met is on production, and no deploy mends it.
    next: phase === 'hold' ? [say`when that is mended: ${switchback('stage')}`] : releaseMended(context),
    exit: exit.refused,
    ...(cause === undefined ? {} : { cause }),
  });

/** A step of the window, as a step of the trial. */
export function tried(step: Step, { name }: TrialPair, phase: TrialPhase, id?: TrialStep): Step {
  const mine = id ?? standsFor[step.id];
  if (mine === undefined) throw new Error(`the trial has no step for ${step.id}`);
  const stand = (asked: StepId): StepId | undefined => {
    const of = standsFor[asked];
    return of && name(`trial.${of}`);
  };
  let verdict: Verdict | undefined;
  const inside = (context: Context): Context => {
    const { view } = context;
    const known = (asked: StepId) => {
      const of = stand(asked);
      return of && view.facts(of);
    };
    return {
      ...context,
      facts(asked) {
        const facts = known(asked);
        if (!facts) throw new Error(`the trial has left no facts of ${asked}`);
        return facts;
      },
      // what the proof finds here ends the stage: there is nothing for people to accept after a rollback.
      found: async (what) => {
        verdict = foundMore(verdict, what);
      },
      keep: (name, text) => context.keep(`trial-${name}`, text),
      view: {
        ...view,
        verdict,
        facts: known,
        begun(_verb, asked) {
          const of = stand(asked);
          return of !== undefined && view.begun('stage', of);
        },
      },
    };
  };
  const { holdsUntil: _, again: __, act, ...plain } = step;
  let actedAt: number | undefined;
  return kept({
    ...plain,
    id: name(`trial.${mine}`),
    async observe(context) {
      const seen = await broken(context, phase, async () => inWords(context, phase, await step.observe(inside(context))));
      // what nobody disturbs and is not so by then, will not become so.
      if (seen.is === 'todo' && actedAt !== undefined && context.clock.elapsed() - actedAt > settledMs)
        throw brokeAt(context, phase, seen.detail ?? `not done: ${step.title}`);
      return seen;
    },
    ...(act
      ? {
          async act(context) {
            await broken(context, phase, () => act(inside(context)));
            actedAt = context.clock.elapsed();
          },
        }
      : {}),
  });
}

/** Sessions that were ended are gone by then. */
const settledMs = 3_000;

/** Under the trial's code: the step's own says what the window would have done about it. */
function inWords(context: Context, phase: TrialPhase, seen: Observation): Observation {
  if (seen.is === 'failed') throw brokeAt(context, phase, seen.message);
  return seen;
}

/** What a server refuses has been found out, and is not tried again. */
async function broken<T>(context: Context, phase: TrialPhase, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.name !== 'DatabaseError') throw error;
    if (/^could not connect to the publisher/.test(error.message)) throw unreachable(context, error);
    throw brokeAt(context, phase, error.message, error);
  }
}

const unreachable = (context: Context, error: DatabaseError): Stop =>
  new Stop('trial.copy.unreachable', `the copy cannot reach itself, so no feed can be tried on it: ${error.message}`, {
    state: 'Nothing is changed on production.',
    next: deployedAnew(context, { with: 'a security group for trials that allows it', parts: ['shared'] }),
    exit: exit.refused,
    cause: error,
  });
