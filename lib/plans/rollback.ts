/** Everything back, from wherever the world is. Nothing is ever deleted here. */

import { switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { siteIsDown } from '../engine/milestones';
import type { Step } from '../engine/step';
import { ahead, rollbackReady } from '../steps/ahead';
import { newObjectsMovedAside, unbridged } from '../steps/bridges';
import { readsFrom } from '../steps/database-host';
import { comparisonSnapshotTaken, equalityProven, lossReported, Moment } from '../steps/equality';
import { feedCaughtUp, feedStopped, sequencesAhead } from '../steps/feed';
import { drained, fenced, opened } from '../steps/fence';
import { keptRowsBack } from '../steps/kept-rows';
import { maintenanceOff, maintenanceOn, maintenanceSeen } from '../steps/maintenance';
import { releaseProven } from '../steps/release-proof';
import { fallbackAnswers, promoted } from '../steps/replica';
import { teardownScheduled } from '../steps/schedule';
import { trafficSentTo } from '../steps/traffic';
import { fallbackIsProduction, windowClosed } from '../steps/window-records';
import { workersStarted, workersStopped } from '../steps/workers';
import { forkOf, progressOf, type World } from '../steps/world';
import { lossAccepted } from '../steps/writes-at-stake';

export interface RollbackOptions {
  /** The operator accepts that what was written since opening stays behind: where there is no feed, or it is dead. */
  readonly acceptLoss?: boolean;
}

/** @throws Stop `rollback.too-late` once a teardown deletes what it would go back to */
export function planRollback(world: World, { acceptLoss = false }: RollbackOptions = {}): Step[] {
  const { window, manifest } = world;
  const { from, to, production, fallback } = window;
  if (!from || !fallback) return planClosedAgain(world);
  const deleting = (['fallback.delete', 'standby.delete'] as const).find((step) => world.view.begun('teardown', step));
  if (deleting && !world.view.series.rollback) {
    throw new Stop(
      'rollback.too-late',
      `the teardown of ${window.name} has begun to delete ${deleting === 'fallback.delete' ? fallback : `${from}'s stack`}`,
      {
        state: `${to} serves on ${production}; nothing was changed.`,
        next: [switchback('teardown'), switchback('status')],
        exit: exit.refused,
      },
    );
  }
  const { migrated, opened: wasOpened } = progressOf(world);
  const fed = forkOf(world) === 'ahead';
  const down = [maintenanceOn(), maintenanceSeen(), workersStopped(to, { id: 'standby.workers', holdsUntil: 'end' })];
  const backToCustomers = [trafficSentTo(from, { again: true }), workersStarted(from), maintenanceOff(), releaseProven(from)];
  const schedule = teardownScheduled(manifest.shared.holdSeconds);

  // the production database is as it was: open it again. Customers whom the maintenance page has not met yet do not meet it now.
  if (!migrated) {
    return [
      ...(siteIsDown(world.view) ? down : []),
      readsFrom(from, 'all', production, {
        id: 'live.production',
        title: `Point ${from} at ${production} again`,
        wait: true,
        holdsUntil: 'end',
      }),
      opened(production, from),
      ...backToCustomers,
      schedule,
    ];
  }
  // there is no other way out than on: what was written while it was open, the comparison finds.
  const closed = [
    drained(production),
    fenced(production, { holdsUntil: 'end', again: true }),
    // a feed brings rows, and not what has been given out of a sequence. Behind the fence, where that is final.
    ...(fed ? [sequencesAhead(production, fallback)] : []),
  ];
  const moved = readsFrom(from, 'all', fallback, {
    id: 'live.fallback',
    title: `Point ${from} at ${fallback}`,
    wait: true,
    holdsUntil: 'end',
  });
  const toFallback = [fallbackIsProduction(fallback), opened(fallback, from, { after: production }), ...backToCustomers];
  // customers have written in the new schema, and the fallback has been fed with it: nothing is lost, and it is proven.
  // what a comparison has found is not passed by with another flag.
  if (fed && wasOpened && (!acceptLoss || world.view.verdict)) {
    const moment = new Moment();
    return [
      ahead(fallbackAnswers(fallback), rollbackReady(production, fallback, from, moment)),
      // out of traffic and only reading until it is opened: what new tasks take, nobody waits for.
      moved,
      ...down,
      ...closed,
      feedCaughtUp(production, fallback, 'feed.drained'),
      feedStopped(fallback),
      unbridged(fallback),
      comparisonSnapshotTaken(fallback, moment),
      ...keptRowsBack(fallback, world),
      ...toFallback,
      equalityProven(production, fallback, moment),
      lossReported(production, fallback),
      newObjectsMovedAside(fallback),
      schedule,
    ];
  }
  // the data before the change is on the fallback, which becomes production; what came after it stays behind, if anything did.
  const left = fed
    ? [feedStopped(fallback), unbridged(fallback), ...keptRowsBack(fallback, world), newObjectsMovedAside(fallback)]
    : [promoted(fallback)];
  return [fallbackAnswers(fallback), ...down, ...closed, lossAccepted(production), ...left, moved, ...toFallback, schedule];
}

/**
 * A first opening that did not work: nobody is live, as before it, and its stacks may be mended. What the migrations did and
 * what anybody wrote stays where it is, for the next try.
 */
function planClosedAgain({ window: { to, production } }: World): Step[] {
  return [
    maintenanceOn(),
    maintenanceSeen(),
    workersStopped(to, { id: 'standby.workers', holdsUntil: 'end' }),
    drained(production),
    fenced(production, { holdsUntil: 'end', again: true }),
    windowClosed('not opened; its next try is w0 again', production, { opened: false }),
  ];
}
