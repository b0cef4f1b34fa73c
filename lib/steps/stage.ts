/** Days or hours before, nothing is down: everything the night needs is there, proven while there is time. */
import type { Step } from '../runbook/step';
import { preflightPassed } from './preflight';
import { releaseReady } from './proof';
import { readsFrom } from './reads-from';
import { windowRecorded } from './records';
import { replicaReady } from './replica';
import { workersStopped } from './workers';
import type { World } from './world';

export function planStage({ window }: World): Step[] {
  const { from, to, production, fallback } = window;
  const record = windowRecorded();
  const point = readsFrom(to, 'all', production, { id: 'standby.database', title: `Point ${to} at ${production}`, wait: true });
  const ready = releaseReady(to);
  const idle = workersStopped(to, { id: 'standby.workers', holdsUntil: 'workers.start' });
  // the first opening of a system has nothing to fall back to, and nobody to lose.
  if (!from || !fallback) return [record, point, ready, idle];
  return [record, point, ready, idle, replicaReady(fallback), preflightPassed(production, fallback)];
}
