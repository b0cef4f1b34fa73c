/** The end of the hold, unattended: what a rollback would have needed goes away. */

import { switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { colorPart } from '../engine/context';
import { releaseProven, siteIsDown } from '../engine/milestones';
import type { Step } from '../engine/step';
import { otherColor } from '../manifest/schema';
import { productionUnbridged } from '../steps/bridges';
import { feedRemoved } from '../steps/feed';
import { fenced } from '../steps/fence';
import { migrationsRun } from '../steps/migrations';
import { finalSnapshot, stackDeleted, standbyIdle } from '../steps/remove';
import { trialRemoved } from '../steps/trial-copy';
import { stacksReleased, windowClosed } from '../steps/window-records';
import { forkOf, progressOf, type World } from '../steps/world';

export interface TeardownOptions {
  /** Leaves the standby color's stack, for the next window to use. */
  readonly keepStandby?: boolean;
}

/**
 * Retires the database that is not production, and the color that is not live.
 * @throws Stop `teardown.nothing-done` when the window never got to its end: roll back or go on first
 */
export function planTeardown(world: World, options: TeardownOptions = {}): Step[] {
  const { window, manifest, view } = world;
  const { from, to, fallback } = window;
  const progress = progressOf(world);
  const cutOver = releaseProven(view, 'cutover');
  const rolledBack = releaseProven(view, 'rollback');
  if (!from || !fallback || !(progress.rolledBack ? rolledBack : cutOver)) {
    const [message, next] = progress.rolledBack
      ? [
          `the rollback of ${window.name} has not come to its end: customers may still need what a teardown deletes`,
          [switchback('rollback')],
        ]
      : [
          `${window.name} is neither cut over nor rolled back: there is no standby to tear down`,
          siteIsDown(view) ? [switchback('cutover'), switchback('rollback')] : [switchback('status'), switchback('stage', '--undo')],
        ];
    throw new Stop('teardown.nothing-done', message, { state: 'Nothing was deleted.', next, exit: exit.refused });
  }
  const standby = rolledBack ? to : from;
  const production = rolledBack && progress.migrated ? fallback : window.production;
  const retired = production === fallback ? window.production : fallback;
  const contract = !rolledBack && colorPart(manifest, to).migration.contract !== undefined;
  const promotedOrOld = retired !== fallback || progress.forked;
  const retiredStack = Object.values(manifest.fallbacks).find(({ instance }) => instance === retired)?.stack;

  // a trial that passed, and whose end nobody waited for.
  const copyLeft = view.begun('stage', 'trial.snapshot') && view.series.stage?.steps.get('trial.remove')?.doneAt === undefined;

  return [
    ...(copyLeft ? [trialRemoved()] : []),
    standbyIdle(standby, production),
    // a replica that was never promoted holds nothing of its own: nothing to prove, nothing to keep.
    ...(forkOf(world) === 'ahead' ? [feedRemoved(window.production, fallback)] : []),
    ...(forkOf(world) === 'ahead' && progress.opened && !rolledBack ? [productionUnbridged(production)] : []),
    ...(promotedOrOld ? [fenced(retired, { id: 'retired.fence', title: `Prove that nobody can write to ${retired}` })] : []),
    ...(contract ? [migrationsRun(production, otherColor(standby), 'contract')] : []),
    ...(promotedOrOld ? [finalSnapshot(retired, { system: window.system, name: window.name })] : []),
    stacksReleased(production),
    // an instance that no fallback stack holds belongs to the user's own stacks: it stays, fenced, and the report says so.
    ...(retiredStack
      ? [stackDeleted('fallback.delete', `Delete ${retiredStack} with ${retired} (its final snapshot stays)`, retiredStack, retired)]
      : []),
    ...(options.keepStandby ? [] : [stackDeleted('standby.delete', `Delete ${standby}'s stack`, colorPart(manifest, standby).stack)]),
    windowClosed(rolledBack ? `rolled back; production is ${production}` : `done; ${to} is live on ${production}`, production),
  ];
}
