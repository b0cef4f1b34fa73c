/**
 * Errors for the reader at 2 am: what happened with the value at fault, what state the world is in, what to type now.
 * Codes are words. An error that is not a Stop is a bug in Switchback and is shown as one.
 */
import type { Advice } from './advice';

/** Exit codes of every verb (docs/commands.md). */
export const exit = {
  done: 0,
  /** Failed, and the world is on a known color. */
  failed: 1,
  /** A wrong flag, a missing setting, an unknown system. */
  usage: 2,
  /** `plan --detailed-exitcode`: there is something to do. */
  changes: 3,
  /** The operator said no, or pressed Ctrl-C. */
  aborted: 4,
  /** Somebody else holds the window. */
  locked: 5,
  /** A gate was answered with no, or a check refused. */
  refused: 6,
  /** A change may or may not have happened: a person must look. */
  unknown: 7,
  interrupted: 130,
} as const;

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
    /** `fallback.replica.behind` */
    readonly code: string,
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
