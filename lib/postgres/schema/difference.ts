/** What differs between two schemas, and what becomes of rows that travel back over it. */

/**
 * `carried`: rows fit as they are. `bridged`: Switchback makes them fit by itself, or with what was declared. `declare`: only the team knows
 * how; until it is declared, what is said in `loses` would be lost. `lossy`: the old schema cannot hold it.
 */
export type Verdict = 'carried' | 'bridged' | 'declare' | 'lossy';

export interface Difference {
  /** Stable: `--accept-loss <id>`. */
  readonly id: string;
  readonly verdict: Verdict;
  readonly what: string;
  /** What a rollback would lose, where something is. */
  readonly loses?: string;
  /** What to do where it cannot be accepted, because the window would not work with it. */
  readonly instead?: string;
}

/** What a rollback would lose. `instead`: where the window would not work with it. */
export const lossy = (id: string, what: string, loses: string, instead?: string): Difference => ({
  ...{ id, verdict: 'lossy', what, loses },
  ...(instead === undefined ? {} : { instead }),
});
