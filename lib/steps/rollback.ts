/** Everything back, from wherever the world is. Nothing is ever deleted here. */
import { exit, Stop } from '../runbook/errors';
import type { Step } from '../runbook/step';
import { drained, fenced, opened } from './fence';
import { inFront } from './in-front';
import { lossAccepted } from './loss';
import { maintenanceInFront, maintenanceParked } from './maintenance';
import { releaseProven } from './proof';
import { readsFrom } from './reads-from';
import { fallbackIsProduction } from './records';
import { promoted } from './replica';
import { teardownScheduled } from './schedule';
import { workersStarted, workersStopped } from './workers';
import { progressOf, type World } from './world';

/** @throws Stop `rollback.nowhere` for the first opening of a system */
export function planRollback(world: World): Step[] {
  const { window, manifest } = world;
  const { from, to, production, fallback } = window;
  if (!from || !fallback) {
    throw new Stop('rollback.nowhere', `${window.name} is the first opening of ${window.system}: there is nothing to go back to`, {
      next: ['npm run cutover'],
      exit: exit.usage,
    });
  }
  const { migrated } = progressOf(world);
  const schedule = teardownScheduled(manifest.shared.holdSeconds);
  const backToCustomers = [inFront(from), workersStarted(from), maintenanceParked(), releaseProven(from), schedule];

  // the production database is as it was: open it again.
  if (!migrated) {
    return [
      maintenanceInFront(),
      workersStopped(to, { id: 'standby.workers' }),
      readsFrom(from, 'all', production, { id: 'live.production', title: `Point ${from} at ${production} again`, wait: true }),
      opened(production, from),
      ...backToCustomers,
    ];
  }
  // it has been changed: the data before the change is on the fallback, which becomes production.
  return [
    maintenanceInFront(),
    workersStopped(to, { id: 'standby.workers' }),
    drained(production),
    fenced(production, { holdsUntil: 'end' }),
    lossAccepted(production),
    promoted(fallback),
    readsFrom(from, 'all', fallback, { id: 'live.fallback', title: `Point ${from} at ${fallback}`, wait: true }),
    fallbackIsProduction(fallback),
    opened(fallback, from),
    ...backToCustomers,
  ];
}
