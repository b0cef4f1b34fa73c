/** How Switchback's rules stand on a listener, told from their priorities alone. */
import { priorityOf, slotsPerListener } from '../../manifest/priorities';
import type { Color, Rule } from '../../manifest/schema';

export interface Arrangement {
  /** The color whose rules are in front; undefined while there is none. */
  readonly live: Color | undefined;
  /** Whether maintenance is in front; undefined while there are no maintenance rules. */
  readonly maintenance: boolean | undefined;
}

export function arrangement(priorities: readonly number[], first: number): Arrangement {
  const anyIn = (kind: Rule['kind'], owner: Color | undefined, where: { live: Color; maintenance: boolean }) => {
    const block = priorityOf({ kind, slot: 0 }, owner, first, where);
    return priorities.some((priority) => priority >= block && priority < block + slotsPerListener);
  };
  const moving = (owner: Color, live: Color) =>
    (['application', 'open'] as const).some((kind) => anyIn(kind, owner, { live, maintenance: false }));
  const maintained = (maintenance: boolean) => anyIn('maintenance', undefined, { live: 'blue', maintenance });
  return {
    live: moving('green', 'green') ? 'green' : moving('blue', 'blue') ? 'blue' : undefined,
    maintenance: maintained(true) ? true : maintained(false) ? false : undefined,
  };
}
