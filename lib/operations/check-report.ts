/** What a health check answers. */
import type { Advice } from '../base/advice';

/** One thing as it is now. */
export interface Check {
  /** One word: `feed`, `fence`. */
  readonly name: string;
  readonly ok: boolean;
  /** One sentence each. */
  readonly what: readonly string[];
  /** What to type where it is not as it should be. */
  readonly next: readonly Advice[];
}

export interface CheckReport {
  /** ISO time. */
  readonly at: string;
  readonly system: string;
  readonly window?: string;
  readonly checks: readonly Check[];
  /** In the hold, while the feed lives: until then a rollback is possible, and what ends it. */
  readonly rollbackPossibleUntil?: { readonly at: string; readonly ends: 'hold' | 'limit' };
  /** In the hold, while the feed does not live: until then it can be mended, and what ends it. */
  readonly mendBy?: { readonly at: string; readonly ends: 'hold' | 'limit' };
  /** What that means for a rollback, in a sentence with ISO times. */
  readonly wayBack?: string;
}
