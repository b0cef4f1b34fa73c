/** What a check looks for, and what it finds. */

export interface Finding {
  /** Stable, to acknowledge it by: `tables-without-identity`. */
  readonly code: string;
  /** `refuse`: the window would fail or lose writes. `warn`: look at it before the night. `note`: good to know. */
  readonly severity: 'refuse' | 'warn' | 'note';
  readonly what: string;
  /** Shows it; empty where there is nothing to run. */
  readonly sql: string;
  readonly wayOut: string;
}

/** One thing to look for: rows are found things, described by `text`. */
export interface Check {
  readonly code: string;
  /** Severity when the fork is made ahead, and when it is made in the window (`ahead` where left out); `off`: not looked at. */
  readonly ahead: Finding['severity'];
  readonly window?: Finding['severity'] | 'off';
  /** Answers rows with one column `found`, a text; no rows is good. */
  readonly sql: string;
  /** The sentence; `{}` is replaced by what was found. */
  readonly what: string;
  readonly wayOut: string;
}
