/** The maintenance answer in front of every application, or parked behind them. Open paths keep their rules in front of it. */

import { done, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import { movesTo } from '../manifest/traffic';

export const maintenanceOn = (): Step =>
  maintenance('traffic.maintenance', 'Turn the maintenance page on: open paths stay open', true, 'traffic.open');

export const maintenanceOff = (): Step => maintenance('traffic.open', 'Turn the maintenance page off: the site is open', false, 'end');

function maintenance(id: StepId, title: string, trafficSentTo: boolean, holdsUntil: StepId | 'end'): Step {
  // maintenance rules stand in the same two blocks whichever color is live.
  const where = { live: 'blue', maintenance: trafficSentTo } as const;
  return {
    id,
    title,
    estimateSeconds: 2,
    patienceSeconds: 60,
    holdsUntil,
    again: true,
    async observe({ aws, manifest }) {
      const moves = movesTo(manifest, await aws.traffic.order(manifest), where, ['maintenance']);
      return moves.length === 0 ? done() : todo();
    },
    async act({ aws, manifest }) {
      await aws.traffic.move(movesTo(manifest, await aws.traffic.order(manifest), where, ['maintenance']));
    },
  };
}
