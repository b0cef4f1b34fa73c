/** The end of the hold, unattended: what a rollback would have needed goes away. */

import { switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { colorPart } from '../engine/context';
import { proofPending, releaseProven, siteIsDown } from '../engine/milestones';
import type { Step } from '../engine/step';
import { findingWords, isLoss, nextWhileOpen, openFindings } from '../engine/verdict';
import { otherColor } from '../manifest/schema';
import { productionUnbridged } from '../steps/bridges';
import { feedRemoved } from '../steps/feed';
import { fenced } from '../steps/fence';
import { migrationsRun } from '../steps/migrations';
import { finalSnapshot, finalSnapshotName, stackDeleted, standbyIdle } from '../steps/remove';
import { trialRemoved } from '../steps/trial-copy';
import { stacksReleased, windowClosed } from '../steps/window-records';
import { forkOf, progressOf, type World } from '../steps/world';
import { untouchedSinceProof } from '../steps/written-behind';

export interface TeardownOptions {
  /** Leaves the standby color's stack, for the next window to use. */
  readonly keepStandby?: boolean;
}

/**
 * Retires the database that is not production, and the color that is not live.
 * @throws Stop `teardown.unproven` while the former production may hold rows that nobody else has
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
  if (progress.rolledBack) refuseUnproven(world);
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
    ...(rolledBack && forkOf(world) === 'ahead' && view.verdict ? [untouchedSinceProof(retired)] : []),
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

function refuseUnproven({ view, window: { name, system, production, fallback } }: World): void {
  const open = openFindings(view);
  const pending = open.length === 0 && proofPending(view);
  if (open.length === 0 && !pending) return;
  const why = pending
    ? 'the comparison has not come to its end'
    : `${open.some(isLoss) ? 'the two are not equal: ' : ''}${findingWords(open, view.verdict?.files)}`;
  throw new Stop(
    'teardown.unproven',
    `${name} was rolled back to ${fallback}, and ${production} may hold rows that nobody else has: ${why}`,
    {
      state: `Nothing was deleted: ${production} stays, fenced. Once that is accepted by name, a teardown takes its final snapshot ${finalSnapshotName(production, { system, name })} before anything goes.`,
      next: pending ? [switchback('rollback'), switchback('status')] : nextWhileOpen(view),
      exit: exit.refused,
    },
  );
}
