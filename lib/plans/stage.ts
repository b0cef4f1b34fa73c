/** Days or hours before, nothing is down: everything the night needs is there, proven while there is time. */
import type { Step } from '../engine/step';
import { readsFrom } from '../steps/database-host';
import { feedStarted, slotMade } from '../steps/feed';
import { fenced } from '../steps/fence';
import { copied, forkMethod, forkMethodChosen } from '../steps/fork-method';
import { preflightPassed } from '../steps/preflight';
import { releaseReady } from '../steps/release-proof';
import { promoted, replicaReady } from '../steps/replica';
import { rightsSeparated } from '../steps/rights';
import { forkTried } from '../steps/round-trip';
import { windowWatched } from '../steps/schedule';
import { trialPassed } from '../steps/trial';
import { windowRecorded } from '../steps/window-records';
import { workersStopped } from '../steps/workers';
import { forkOf, type World } from '../steps/world';
import { planTrial } from './trial';

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
  const checked = [...standby, replicaReady(fallback), rightsSeparated(production), preflightPassed(production, fallback, fork), ...trial];
  if (fork === 'window') return [...checked, windowWatched('the decision time')];
  return [
    ...checked,
    // before there is something to watch, so that no run can end in between.
    windowWatched('the feed and the decision time'),
    forkMethodChosen(production, fallback, night),
    slotMade(production, fallback),
    promoted(fallback),
    copied(production, fallback, forkMethod(world.view), night),
    feedStarted(production, fallback),
    fenced(fallback, { id: 'fallback.fence', title: `Prove that nobody but the feed can write to ${fallback}`, holdsUntil: 'end' }),
    forkTried(production, fallback),
  ];
}
