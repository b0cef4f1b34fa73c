/** The night. */
import type { Step } from '../runbook/step';
import { goNoGo, smokeTested, watched } from './checks';
import { drained, fenced, opened } from './fence';
import { inFront } from './in-front';
import { changesCounted } from './loss';
import { maintenanceInFront, maintenanceParked } from './maintenance';
import { migrationsRun } from './migrations';
import { releaseProven } from './proof';
import { readsFrom } from './reads-from';
import { windowClosed } from './records';
import { promoted, replicaLevel } from './replica';
import { teardownScheduled } from './schedule';
import { planStage } from './stage';
import { workersStarted, workersStopped } from './workers';
import type { World } from './world';

export function planCutover(world: World): Step[] {
  const { from, to, production, fallback } = world.window;
  const { landingTests, watchSeconds, holdSeconds } = world.manifest.shared;
  if (!from || !fallback) return planFirstOpening(world);
  return [
    ...planStage(world),
    maintenanceInFront(),
    workersStopped(from, { holdsUntil: 'end' }),
    drained(production),
    fenced(production, { holdsUntil: 'migrations' }),
    replicaLevel(fallback),
    promoted(fallback),
    fenced(fallback, { id: 'fallback.fence', title: `Prove that nobody can write to ${fallback} either`, holdsUntil: 'end' }),
    readsFrom(from, 'open', fallback, { id: 'open-paths.fallback', title: `Let ${from}'s open paths read from ${fallback}`, wait: true }),
    migrationsRun(production, to),
    readsFrom(from, 'all', fallback, {
      id: 'standby.fallback',
      title: `Point the rest of ${from} at ${fallback}, ready to go back`,
      wait: true,
    }),
    fenced(production, { id: 'database.fenced-after', title: `Prove that ${production} is still fenced after the migrations` }),
    changesCounted(production),
    { ...opened(production, to), pointOfLoss: true },
    smokeTested(to),
    goNoGo(landingTests),
    inFront(to),
    workersStarted(to),
    maintenanceParked(),
    releaseProven(to),
    teardownScheduled(holdSeconds),
    watched(to, watchSeconds),
  ];
}

/** A system nobody has opened yet: no customers, no fork, nothing to roll back to. */
function planFirstOpening(world: World): Step[] {
  const { to, production } = world.window;
  return [
    ...planStage(world),
    migrationsRun(production, to),
    opened(production, to),
    smokeTested(to),
    inFront(to),
    workersStarted(to),
    maintenanceParked(),
    releaseProven(to),
    windowClosed('opened for the first time', production),
  ];
}
