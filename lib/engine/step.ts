/**
 * A step does one thing that an operator would name. It is level-triggered: asked whether it is already so before it
 * acts, and asked again after, so running it once more after a crash is the normal case.
 */
import type { Advice } from '../base/advice';
import type { ErrorCode } from '../base/error-codes';
import type { Context } from './context';
import type { Facts, Measured, PlannedStep } from './events';
import type { StepId } from './step-id';

export type Observation =
  /** It is so. */
  | { readonly is: 'done'; readonly detail?: string; readonly facts?: Facts }
  /** It is not so, and nothing is on its way. */
  | { readonly is: 'todo'; readonly detail?: string }
  /** It has been asked for and is on its way: wait, do not ask again. */
  | { readonly is: 'pending'; readonly detail?: string; readonly share?: number }
  /** It was tried and went wrong. Tried again only when an operator runs the verb again. */
  | {
      readonly is: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly state?: string;
      readonly next?: readonly Advice[];
    };

export interface Step {
  /** Words with dots: `traffic.maintenance`. Stable: the journal and the estimates use it. */
  readonly id: StepId;
  /** As on the plan on the wall. */
  readonly title: string;
  /** What it takes when nothing has been measured yet. */
  readonly estimateSeconds: number;
  /** Set when the estimate has been replaced by what was measured. */
  readonly measured?: Measured;
  /** How long it may take before the run stops. */
  readonly patienceSeconds: number;
  /** Milliseconds between looks while it is on its way. @default 500 */
  readonly pollMs?: number;
  /**
   * The step that ends its validity. Until that one is done, a resumed run looks whether this one still holds,
   * and stops when it does not: a confirmed step is never silently done again. Without it, it is never looked at again.
   */
  readonly holdsUntil?: StepId | 'end';
  /**
   * Where it no longer holds and the operator, told so, types the verb again, it is done again. Left out where that makes nothing good:
   * while a fence was open, somebody may have written.
   */
  readonly again?: boolean;
  /** Cut off, it leaves nothing: where it is still to do, a later invocation of the run does it, and does not wait for it in vain. */
  readonly wholeOrNot?: boolean;
  /** From this step on, a rollback loses the writes customers make (shown in red by the plan). */
  readonly pointOfLoss?: boolean;
  /** What is gone for good after it, as a plan and a prompt say it. */
  readonly deletes?: string;
  /** A question for people; answered in the journal. Steps with a gate have no act. */
  readonly gate?: string;

  observe(context: Context): Promise<Observation>;
  /** Makes the change. Left out where a step only waits for something to become true. */
  act?(context: Context): Promise<void>;
}

/** As plans show it and the journal keeps it. `patience`: of the operator, where it is less than the step's own. */
export const planned = (
  { id, title, estimateSeconds, measured, pointOfLoss, deletes, patienceSeconds }: Step,
  patience = Number.POSITIVE_INFINITY,
): PlannedStep => ({
  id,
  title,
  estimateSeconds,
  ...(measured ? { measured } : {}),
  ...(pointOfLoss ? { pointOfLoss } : {}),
  ...(deletes === undefined ? {} : { deletes }),
  // JSON has no number for it.
  ...(Number.isFinite(Math.min(patienceSeconds, patience)) ? { patienceSeconds: Math.min(patienceSeconds, patience) } : {}),
});

export const done = (detail?: string, facts?: Facts): Observation => ({
  is: 'done',
  ...(detail === undefined ? {} : { detail }),
  ...(facts === undefined ? {} : { facts }),
});
export const todo = (detail?: string): Observation => ({ is: 'todo', ...(detail === undefined ? {} : { detail }) });
/** `share`: how much of it is done, from 0 to 1. */
export const pending = (detail?: string, share?: number): Observation => ({
  is: 'pending',
  ...(detail === undefined ? {} : { detail }),
  ...(share === undefined ? {} : { share }),
});

/** What it has noted is not looked at again, whatever verb came in between: later steps change what it would see. */
export const kept = (step: Step): Step => ({
  ...step,
  async observe(context) {
    const known = context.view.facts(step.id);
    if (known) return done('noted before', known);
    const seen = await step.observe(context);
    return seen.is === 'done' ? { ...seen, facts: seen.facts ?? {} } : seen;
  },
});
