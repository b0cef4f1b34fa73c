/**
 * Traffic is the order of listener rules. Each listener gives Switchback 1,000 priorities; this page says which block
 * a rule stands in. Blue's rules stay where they are, green's move around them, maintenance is in front or parked.
 *
 *   +0    routing keys (never move; blue +0…49, green +50…99); with a passage blue's have +0…15 and green's +50…65, its addresses
 *         stand at +48 and +49, and its cookie leads to blue at +66…81 and to green at +82…97
 *   +100  green's open paths while green is live
 *   +200  blue's open paths
 *   +300  green's open paths while blue is live
 *   +400  maintenance in front
 *   +500  green's applications while green is live
 *   +600  blue's applications
 *   +700  green's applications while blue is live
 *   +800  maintenance parked
 *
 * A switch moves rules only to priorities that are free before the call: permuting was refused by one
 * implementation of the API (aws-facts.md, section 5).
 */
import type { Color, Rule } from './schema';

export const prioritiesPerListener = 1000;
export const slotsPerListener = 50;
/** How many find room where the cookie of a passage has rules, too: they must stand in front of open paths. */
export const slotsWithPassage = 16;

/** Those of the passage never move, and only the stacks know them. */
export type RuleKind = Rule['kind'] | 'passage' | 'cookie';

/** Where a rule stands, given which color is live and whether maintenance is in front. */
export function priorityOf(
  rule: { readonly kind: RuleKind; readonly slot: number },
  owner: Color | undefined,
  first: number,
  where: { live: Color; maintenance: boolean },
): number {
  return first + blockOf(rule.kind, owner, where) + rule.slot;
}

function blockOf(kind: RuleKind, owner: Color | undefined, where: { live: Color; maintenance: boolean }): number {
  const green = owner === 'green';
  switch (kind) {
    case 'key':
      return green ? 50 : 0;
    case 'passage':
      return green ? 49 : 48;
    case 'cookie':
      return green ? 82 : 66;
    case 'open':
      return green ? (where.live === 'green' ? 100 : 300) : 200;
    case 'maintenance':
      return where.maintenance ? 400 : 800;
    case 'application':
      return green ? (where.live === 'green' ? 500 : 700) : 600;
  }
}
