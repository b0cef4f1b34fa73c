/**
 * Traffic is the order of listener rules. Each listener gives Switchback 1,000 priorities; this page says which block
 * a rule stands in. Blue's rules stay where they are, green's move around them, maintenance is in front or parked.
 *
 *   +0    routing keys (never move; blue +0…49, green +50…99)
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

/** Where a rule stands, given which color is live and whether maintenance is in front. */
export function priorityOf(
  rule: Pick<Rule, 'kind' | 'slot'>,
  owner: Color | undefined,
  first: number,
  where: { live: Color; maintenance: boolean },
): number {
  return first + blockOf(rule.kind, owner, where) + rule.slot;
}

function blockOf(kind: Rule['kind'], owner: Color | undefined, where: { live: Color; maintenance: boolean }): number {
  const green = owner === 'green';
  switch (kind) {
    case 'key':
      return green ? 50 : 0;
    case 'open':
      return green ? (where.live === 'green' ? 100 : 300) : 200;
    case 'maintenance':
      return where.maintenance ? 400 : 800;
    case 'application':
      return green ? (where.live === 'green' ? 500 : 700) : 600;
  }
}
