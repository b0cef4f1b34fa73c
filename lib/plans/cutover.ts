/** The night. */
import type { Step } from '../engine/step';
import { ahead, cutoverReady, meanwhile } from '../steps/ahead';
import { bridged, classificationReady, feedResumed, footprintShipped, schemaClassified, schemaRecorded } from '../steps/bridges';
import { goNoGo, smokeTested, watched } from '../steps/checks';
import { readsFrom } from '../steps/database-host';
import { feedCaughtUp, feedPaused } from '../steps/feed';
import { drained, fenced, opened } from '../steps/fence';
import { maintenanceOff, maintenanceOn, maintenanceSeen } from '../steps/maintenance';
import { migrationsRun } from '../steps/migrations';
import { releaseProven } from '../steps/release-proof';
import { promoted, replicaCaughtUp } from '../steps/replica';
import { roundTripped } from '../steps/round-trip';
import { teardownScheduled } from '../steps/schedule';
import { trafficSentTo } from '../steps/traffic';
import { windowClosed } from '../steps/window-records';
import { workersStarted, workersStopped } from '../steps/workers';
import { forkOf, type World } from '../steps/world';
import { changesCounted } from '../steps/writes-at-stake';
import { planStaged } from './stage';

export function planCutover(world: World): Step[] {
  const { from, to, fallback } = world.window;
  if (!from || !fallback) return planFirstOpening(world);
  return forkOf(world) === 'ahead' ? planFedCutover(world, { from, to, fallback }) : planCutoverWithFork(world, { from, to, fallback });
}

interface Names {
  readonly from: 'blue' | 'green';
  readonly to: 'blue' | 'green';
  readonly fallback: string;
}

/** Forked ahead: the fallback is fed until the fence, stays as it was during the migrations, and is fed again after them. */
function planFedCutover(world: World, { from, to, fallback }: Names): Step[] {
  const { production } = world.window;
  return [
    ...planStaged(world),
    ahead(
      readsFrom(from, 'open', fallback, { id: 'open-paths.fallback', title: `Let ${from}'s open paths read from ${fallback}`, wait: true }),
      cutoverReady(production, fallback, to),
    ),
    maintenanceOn(),
    maintenanceSeen(),
    workersStopped(from, { holdsUntil: 'end' }),
    drained(production),
    fenced(production, { holdsUntil: 'migrations' }),
    feedCaughtUp(production, fallback),
    schemaRecorded(fallback),
    feedPaused(production, fallback),
    standbyMoved(from, fallback),
    meanwhile(migrationsRun(production, to), classificationReady(fallback)),
    fenced(production, { id: 'database.fenced-after', title: `Prove that ${production} is still fenced after the migrations` }),
    schemaClassified(production, fallback),
    bridged(production, fallback),
    footprintShipped(production, fallback),
    feedResumed(production, fallback),
    feedCaughtUp(production, fallback, 'feed.canary'),
    roundTripped(production, fallback),
    changesCounted(production),
    opened(production, to),
    ...toCustomers(world, standbyReady(from, fallback)),
  ];
}

/** Forked inside the window, as the video team did: after opening, a rollback leaves what customers write behind. */
function planCutoverWithFork(world: World, { from, to, fallback }: Names): Step[] {
  const { production } = world.window;
  return [
    ...planStaged(world),
    maintenanceOn(),
    maintenanceSeen(),
    workersStopped(from, { holdsUntil: 'end' }),
    drained(production),
    fenced(production, { holdsUntil: 'migrations' }),
    replicaCaughtUp(production, fallback),
    promoted(fallback),
    fenced(fallback, { id: 'fallback.fence', title: `Prove that nobody can write to ${fallback} either`, holdsUntil: 'end' }),
    readsFrom(from, 'open', fallback, { id: 'open-paths.fallback', title: `Let ${from}'s open paths read from ${fallback}`, wait: true }),
    standbyMoved(from, fallback),
    migrationsRun(production, to),
    fenced(production, { id: 'database.fenced-after', title: `Prove that ${production} is still fenced after the migrations` }),
    changesCounted(production),
    { ...opened(production, to), pointOfLoss: true },
    ...toCustomers(world, standbyReady(from, fallback)),
  ];
}

/** Asked for before the migrations: the new tasks come up while they run. */
const standbyMoved = (from: Names['from'], fallback: string): Step =>
  readsFrom(from, 'all', fallback, { id: 'standby.move', title: `Start to point the rest of ${from} at ${fallback}`, wait: false });

const standbyReady = (from: Names['from'], fallback: string): Step =>
  readsFrom(from, 'all', fallback, {
    id: 'standby.fallback',
    title: `Wait until all of ${from} reads from ${fallback}, ready to go back`,
    wait: true,
  });

/** The new color is tried by those who know the way, while the old one's tasks come up for the way back; then by everybody. */
function toCustomers({ window: { to }, manifest: { shared } }: World, ready: Step): Step[] {
  return [
    smokeTested(to),
    goNoGo(shared.landingTests),
    ready,
    trafficSentTo(to),
    workersStarted(to),
    maintenanceOff(),
    releaseProven(to),
    teardownScheduled(shared.holdSeconds),
    watched(to, shared.watchSeconds),
  ];
}

/** A system nobody has opened yet: no customers, no fork, nothing to roll back to. */
function planFirstOpening(world: World): Step[] {
  const { to, production } = world.window;
  return [
    ...planStaged(world),
    migrationsRun(production, to),
    opened(production, to),
    smokeTested(to),
    trafficSentTo(to),
    workersStarted(to),
    maintenanceOff(),
    releaseProven(to),
    windowClosed('opened for the first time', production),
  ];
}
