/** What became of one customer's request. */

export type Kind = 'charge' | 'signup' | 'play' | 'watch' | 'read';

/** One request, as a line of the file. */
export interface Outcome {
  /** When it was due by the schedule, which is when a customer would have started to wait. */
  readonly at: string;
  readonly kind: Kind;
  readonly path: string;
  /** Names a write: of a charge or a play its `ref`, of a signup its mail address. */
  readonly ref?: string;
  readonly user?: number;
  readonly cents?: number;
  readonly video?: number;
  /** 0 when there was no answer. */
  readonly status: number;
  /** From when it was due to the end of the answer. */
  readonly ms: number;
  readonly release?: string;
  readonly color?: string;
  readonly error?: string;
  /** Of a write: 2xx; 503; another status below 500; anything else, so that it may or may not have been done. */
  readonly write?: 'acknowledged' | 'refused' | 'rejected' | 'unknown';
}
