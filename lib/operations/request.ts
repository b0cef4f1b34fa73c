/** What a terminal or a schedule asks the runner for, and what it answers. */
import type { Aws } from '../aws';
import type { Clock } from '../base/clock';
import type { Stop } from '../base/errors';
import type { AtDecision, GateAnswer, GivenAnswer, Operator, Verb } from '../engine/events';
import type { RunAnswer } from '../engine/run-options';
import type { CheckReport } from './check-report';
import type { Closing } from './closing';

interface Asked {
  readonly system: string;
  /** The same over all invocations of one command; a new command is a new run. */
  readonly run: string;
  readonly by: Operator;
}

/** Advances a verb. */
export interface VerbRequest extends Asked {
  readonly verb: Verb;
  readonly watch?: undefined;
  readonly check?: undefined;
  /** Why, in the operator's words; in the journal, and told to whoever comes second. */
  readonly reason?: string;
  /** Refuse to work on any other window. */
  readonly window?: string;
  readonly acceptLoss?: boolean;
  /** Cutover: ids of differences (`plan` and the stop name them) that a rollback after it may lose. */
  readonly acceptedLosses?: readonly string[];
  /** Rollback: ids of what its proof has found (the stop and `status` name them) that may stay as it is; needs a reason. */
  readonly acceptDifferences?: readonly string[];
  /** Teardown before the hold has ended. */
  readonly now?: boolean;
  /** Teardown leaves the standby color's stack. */
  readonly keepStandby?: boolean;
  /** Cutover, teardown: start migrations again although it is not known what became of those before. */
  readonly migrateAgain?: boolean;
  /** Stage: take it back. */
  readonly undo?: boolean;
  /** Take the window over from a run that has not ended, once its lease has. */
  readonly takeOver?: boolean;
  /** No step may take longer than this; each has its own patience otherwise. */
  readonly patienceSeconds?: number;
  /** The hour by which something must be up, and what happens at the decision time when nobody answers. */
  readonly upBy?: { readonly upBy: string; readonly atDecision?: AtDecision };
  /** Nobody answered at the decision time. */
  readonly unanswered?: boolean;
  /** Answers the question that is open before going on; where none is, nothing is begun. */
  readonly answer?: GivenAnswer;
  /** The answer takes the place of the one that stands. */
  readonly overrule?: boolean;
  /** Answers every go or no-go when it comes up; the decision time is another question. */
  readonly ahead?: GateAnswer;
}

/** From a schedule: looks at the feed and at the decision time (feed-watch.ts). */
export interface WatchRequest extends Asked {
  readonly watch: true;
  readonly check?: undefined;
  readonly window: string;
  /** Of schedules that earlier versions have made; it says nothing. */
  readonly verb?: 'teardown';
}

/** Looks at everything a night or a rollback counts on (health-check.ts). */
export interface CheckRequest extends Asked {
  readonly check: true;
  readonly watch?: undefined;
}

/**
 * Told apart by `watch` and `check`. Schedules that earlier versions have made send `watch: true` beside a verb: they are
 * understood as what they mean, and so is this shape by a runner that has not been deployed anew.
 */
export type Request = VerbRequest | WatchRequest | CheckRequest;

/** What the runner answers; `window` is where the journal can be read. */
export type Reply = RunAnswer & { readonly window?: string; readonly check?: CheckReport; readonly closing?: Closing };

/** What a request is handled with. */
export interface Runtime {
  readonly aws: Aws;
  readonly clock: Clock;
  /** Where the steps run, for the journal: the function's name, or `terminal`. */
  readonly runner: string;
  /** When this invocation ends (milliseconds since the epoch). */
  readonly deadline: number;
}

/** What went wrong, as an answer. */
export function stopped({ code, message, state, next, exit }: Stop, window?: string): Reply {
  return {
    state: 'stopped',
    ...{ code, message, next, exit },
    ...(state === undefined ? {} : { world: state }),
    ...(window === undefined ? {} : { window }),
  };
}
