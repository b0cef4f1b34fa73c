/**
 * The proof after a rollback: the fallback, as it was in the gap when nobody could write anywhere, holds everything the fenced production
 * holds. Comparing takes longer than the gap may last, so the moment is kept and compared after opening.
 */
import { type Comparison, compareTables, exportSnapshot, type Progress, type Snapshot } from './compare';
import type { Db } from './connect';
import type { Mapping } from './mapping';

export interface Proof {
  readonly equal: boolean;
  readonly comparison: Comparison;
  /** Columns of the old form without a source in the new one: nothing says what they should be. */
  readonly uncompared: readonly string[];
}

/** Keeps the moment; call it in the gap: production fenced, marker arrived, bridge down, the fallback not yet open. Until `prove` is done, the result is "not yet proven". */
export const keepMoment = (fallback: Db): Promise<Snapshot> => exportSnapshot(fallback);

/** Compares the fenced production with the kept moment, and lets the moment go. `mapping` by the old names. */
export async function prove(
  production: Db,
  moment: Snapshot,
  { pairs, uncompared }: Mapping,
  onProgress?: (progress: Progress) => void,
): Promise<Proof> {
  try {
    const comparison = await compareTables(production, moment.db, { pairs, ...(onProgress ? { onProgress } : {}) });
    return { equal: comparison.equal, comparison, uncompared };
  } finally {
    await moment.release();
  }
}
