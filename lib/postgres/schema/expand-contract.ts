/**
 * Migrations in two parts: expand in the window, contract at the teardown. What only the contract part changes comes when
 * nobody goes back any more, so rows need not fit into the old schema after it.
 */
import type { Classification } from './classify';
import type { Difference } from './difference';

export interface ContractPart {
  /** What it changes beyond the expand part. */
  readonly changes: readonly Difference[];
  /** Of these, what would have needed a bridge, a declaration, or the acceptance of a loss in the window. */
  readonly saved: readonly Difference[];
}

/** Compares what the expand part changed with what both parts together did. */
export function contractPart(expand: readonly Difference[], both: readonly Difference[]): ContractPart {
  const known = new Set(expand.map(({ id }) => id));
  const bridged = new Set(expand.filter(costs).map(subject));
  const changes = both.filter(({ id }) => !known.has(id));
  // a column whose value is computed after the expand part already is bridged either way.
  return { changes, saved: changes.filter((difference) => costs(difference) && !bridged.has(subject(difference))) };
}

/** What only takes something away, and so could wait for a contract part: the new release does not need it gone. */
export function deferrable({ differences, plan }: Classification): Difference[] {
  const dropped = new Set(
    plan.tables.flatMap(({ old, dropConstraints, dropIndexes }) =>
      [...dropConstraints, ...dropIndexes].map(({ name }) => `${old.name}:${name}`),
    ),
  );
  return differences.filter((difference) => costs(difference) && (/:dropped$/.test(difference.id) || dropped.has(difference.id)));
}

/** What migrations in two parts save, or would; undefined where there is nothing to say. */
export function twoPartsText({
  contract,
  deferrable: would,
}: {
  readonly contract?: ContractPart & { readonly failed?: string };
  readonly deferrable: readonly string[];
}): string | undefined {
  const names = (ids: readonly string[]) => (ids.length > 0 ? `: ${ids.join(', ')}` : '');
  const bridges = (n: number) => `${n} ${n === 1 ? 'bridge' : 'bridges'}`;
  if (contract?.failed)
    return `the contract part ${contract.failed}. It may count on what the new release writes until the teardown; if it does not, the teardown will stop there`;
  if (contract)
    return `the contract part, at the teardown, changes ${contract.changes.length} more and saves ${bridges(contract.saved.length)}${names(contract.saved.map(({ id }) => id))}`;
  return would.length === 0 ? undefined : `a contract part, at the teardown, would save ${bridges(would.length)}${names(would)}`;
}

const costs = ({ verdict }: Difference): boolean => verdict !== 'carried';

/** A column, or a rule with its own name. */
const subject = ({ id }: Difference): string => id.replace(/:(dropped|nullable|widened|type|renamed|meaning|generated|added)$/, '');
