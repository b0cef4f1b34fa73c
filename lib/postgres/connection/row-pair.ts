/** Rows of one database beside rows of another, as SQL reads them. */

/** One side of a comparison, in SQL. */
export interface Side {
  /** A table, quoted, or a subquery with an alias. */
  readonly relation: string;
  /** Expressions that tell rows apart; empty where nothing does. */
  readonly key: readonly string[];
  /** The key's types, for ranges. */
  readonly keyTypes: readonly string[];
  /** Expressions whose values must be equal, in the same order on both sides. */
  readonly columns: readonly string[];
}

/** What is compared with what. */
export interface Pair {
  readonly name: string;
  readonly a: Side;
  readonly b: Side;
  /** May the key be cut into ranges? Only where its order is the same on both sides and does not depend on a collation. */
  readonly ranges: boolean;
  /** Estimated rows, for progress and for the size of parts. */
  readonly rows: number;
}
