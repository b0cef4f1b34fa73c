/**
 * Errors for the reader at 2 am: what happened with the value at fault, what state the world is in, what to type now.
 * Codes are words. An error that is not a Stop is a bug in Switchback and is shown as one.
 */
import type { Advice } from './advice';
import type { ErrorCode } from './error-codes';

/** Exit codes of every verb. */
export const exit = {
  done: 0,
  failed: 1,
  usage: 2,
  changes: 3,
  aborted: 4,
  locked: 5,
  refused: 6,
  unknown: 7,
  interrupted: 130,
} as const;

/** What they mean, as docs/reference/commands.md says it. */
export const exitMeanings: Readonly<Record<keyof typeof exit, string>> = {
  done: 'done',
  failed: 'failed; the world is on a known color, and the last lines say which command makes sense',
  usage: 'a wrong flag, a missing setting, an unknown system, no credentials',
  changes: '`plan --detailed-exitcode`: there is something to do',
  aborted: 'declined by the operator',
  locked: 'somebody else holds the window, or has taken it over from this run',
  refused: 'a gate was answered with no or by nobody, or a check refuses: a loss, a hold that runs, something that is still in use',
  unknown: 'a change may or may not have happened: look where the message says',
  interrupted: 'Ctrl-C: the run was asked to stop and did, after its step',
};

export interface StopOptions {
  /** What the world looks like now, in one sentence. */
  readonly state?: string;
  /** What makes sense now, the most likely first. */
  readonly next?: readonly Advice[];
  /** @default exit.failed */
  readonly exit?: number;
  readonly cause?: unknown;
  /** The step it is about, where that is not the one under way. */
  readonly step?: string;
}

/** The one error class of the engine: it ends a run in a known way. */
export class Stop extends Error {
  readonly state: string | undefined;
  readonly next: readonly Advice[];
  readonly exit: number;
  readonly step: string | undefined;

  constructor(
    /** `fallback.missing`; what it means is in error-codes.ts. */
    readonly code: ErrorCode,
    message: string,
    options: StopOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Stop';
    this.state = options.state;
    this.next = options.next ?? [];
    this.exit = options.exit ?? exit.failed;
    this.step = options.step;
  }
}

/** A mutation whose answer was lost or says nothing: it may have happened. Looked up before anything else is done. */
export class OutcomeUnknown extends Error {
  constructor(
    /** `elasticloadbalancing SetRulePriorities on <listener>` */
    readonly call: string,
    cause: unknown,
    /** The command that shows a person what came of it. */
    readonly look: string,
  ) {
    super(`${call}: the answer was lost (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
    this.name = 'OutcomeUnknown';
  }
}

/** One line of what went wrong, for events and screens. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
