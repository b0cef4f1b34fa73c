/** The maintenance answer in front of every application, or parked behind them. Open paths keep their rules in front of it. */

import type { Context } from '../engine/context';
import { done, pending, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import { movesTo } from '../manifest/traffic';
import { firstWrong } from './http-probe';

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

/**
 * An accepted move is not seen yet: a load balancer collects changes of its rules for about ten seconds before its nodes have them, and
 * nodes may differ (aws-facts.md, 4.12). Workers stop and the fence falls once no customer is served any more.
 */
export function maintenanceSeen(): Step {
  return {
    id: 'traffic.maintenance-seen',
    title: 'Wait until every address of the load balancer shows the maintenance page',
    estimateSeconds: 10,
    patienceSeconds: 120,
    async observe(context) {
      const served = await firstServed(context);
      return served === undefined ? done() : pending(served);
    },
  };
}

/** The first application that is closed and whose customers are still led to it, in words; undefined when there is none. */
async function firstServed(context: Context): Promise<string | undefined> {
  const { aws, manifest } = context;
  const [rule] = manifest.shared.maintenanceRules;
  const color = manifest.blue ?? manifest.green;
  if (!rule || !color) return undefined;
  const wanted = await aws.traffic.maintenanceAnswer(rule.arn);
  const closed = color.applications.filter(({ open }) => !open);
  return firstWrong(context, closed, ({ status, body }) =>
    status === wanted.status && body === wanted.body ? undefined : `answered ${status}, not yet the maintenance page`,
  );
}
