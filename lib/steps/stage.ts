/** Days or hours before, nothing is down: everything the night needs is there, proven while there is time. */
import type { Step } from '../runbook/step';
import { feedStarted, slotMade } from './feed';
import { fenced } from './fence';
import { copied, forkWay, wayFound } from './fork-way';
import { preflightPassed } from './preflight';
import { releaseReady } from './proof';
import { readsFrom } from './reads-from';
import { windowRecorded } from './records';
import { promoted, replicaReady } from './replica';
import { forkTried } from './round-trip';
import { windowWatched } from './schedule';
import { planTrial, trialPassed } from './trial';
import { workersStopped } from './workers';
import { forkOf, type World } from './world';

export function planStage(world: World): Step[] {
  return plan(world, planTrial(world), false);
}

/** What the night does of it: all that is left, but no trial, which would make everybody wait. */
export function planStaged(world: World): Step[] {
  return plan(world, world.manifest.shared.trial && world.window.from ? [trialPassed()] : [], true);
}

function plan(world: World, trial: readonly Step[], night: boolean): Step[] {
  const { from, to, production, fallback } = world.window;
  const standby = [
    windowRecorded(),
    readsFrom(to, 'all', production, { id: 'standby.database', title: `Point ${to} at ${production}`, wait: true }),
    releaseReady(to),
    workersStopped(to, { id: 'standby.workers', holdsUntil: 'workers.start' }),
  ];
  // the first opening of a system has nothing to fall back to, and nobody to lose.
  if (!from || !fallback) return standby;
  const fork = forkOf(world);
  const checked = [...standby, replicaReady(fallback), preflightPassed(production, fallback, fork), ...trial];
  if (fork === 'window') return [...checked, windowWatched('the decision time')];
  return [
    ...checked,
    // before there is something to watch, so that no run can end in between.
    windowWatched('the feed and the decision time'),
    wayFound(production, fallback, night),
    slotMade(production, fallback),
    promoted(fallback),
    copied(production, fallback, forkWay(world.view), night),
    feedStarted(production, fallback),
    fenced(fallback, { id: 'fallback.fence', title: `Prove that nobody but the feed can write to ${fallback}`, holdsUntil: 'end' }),
    forkTried(production, fallback),
  ];
}
