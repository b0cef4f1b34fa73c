/** What a run is asked and what it answers: one verb of one window, in one invocation. */

import type { Aws } from '../aws';
import type { Advice } from '../base/advice';
import type { Clock } from '../base/clock';
import type { GateAnswer, Operator, PlannedStep, Verb } from './events';
import type { Journal } from './journal';
import type { Step } from './step';
import type { WindowView } from './window-view';

/** What goes on beside a run. */
export interface ExternalState {
  /** What `rollback --traffic-only` did after that moment, as a sentence. */
  emergencySince(since: number): Promise<string | undefined>;
  /** The way back, as it would be once the step `next` has begun. */
  rollback(view: WindowView, next: string): Promise<readonly PlannedStep[]>;
}

/** A step that is done this soon after somebody asked the run to stop is finished first; a longer wait is left. */
export const finishMs = 30_000;

export interface RunOptions {
  readonly aws: Aws;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly verb: Verb;
  /** A stage is taken back. */
  readonly undo?: boolean;
  /** The same over all invocations of one operator's command. */
  readonly run: string;
  readonly by: Operator;
  /** Where the steps run, for the journal. */
  readonly runner: string;
  /** Why, in the operator's words. */
  readonly reason?: string;
  readonly acceptLoss?: boolean;
  /** Ids of differences that the operator accepts to lose at a rollback. */
  readonly acceptedLosses?: readonly string[];
  readonly now?: boolean;
  readonly keepStandby?: boolean;
  readonly migrateAgain?: boolean;
  /** Take the window over from a writer whose lease has not ended, once it has. */
  readonly takeOver?: boolean;
  /** No step may take longer than this, whatever its own patience. */
  readonly patienceSeconds?: number;
  /** When this invocation ends (milliseconds since the epoch). */
  readonly deadline: number;
  /** Nobody answered at the decision time: what the window's policy says is done. */
  readonly unanswered?: boolean;
  /** What its operator said to every go or no-go before it began: nobody is asked. */
  readonly ahead?: GateAnswer;
  readonly plan: (view: WindowView) => Promise<Step[]>;
  /** What goes on beside this run. */
  readonly externalState?: ExternalState;
}

export type RunAnswer =
  | { readonly state: 'finished' }
  /** Asked people; answer the gate, then ask again. */
  | { readonly state: 'gate'; readonly step: string; readonly question: string }
  /** Time was nearly up: ask again. */
  | { readonly state: 'continue' }
  | {
      readonly state: 'stopped';
      readonly code: string;
      readonly message: string;
      readonly world?: string;
      readonly next: readonly Advice[];
      readonly exit: number;
    };
