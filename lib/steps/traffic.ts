/** One color's rules in front of the other's: the switch itself. One call per listener, for 4 applications or 40. */

import { done, type Step, todo } from '../engine/step';
import type { Color } from '../manifest/schema';
import { movesTo } from '../manifest/traffic';

const moving = ['application', 'open'] as const;

/** `again`: at a rollback, which has no other way out when somebody moves traffic; a cutover can be taken back. */
export function trafficSentTo(color: Color, { again = false } = {}): Step {
  // maintenance rules are not among the kinds that move here.
  const where = { live: color, maintenance: false };
  return {
    id: 'traffic.switch',
    title: `Send traffic to ${color}`,
    estimateSeconds: 2,
    patienceSeconds: 60,
    holdsUntil: 'end',
    again,
    async observe({ aws, manifest }) {
      return movesTo(manifest, await aws.traffic.order(manifest), where, moving).length === 0 ? done() : todo();
    },
    async act({ aws, manifest }) {
      await aws.traffic.move(movesTo(manifest, await aws.traffic.order(manifest), where, moving));
    },
  };
}
