/** A stage is taken back while nothing of the night has begun: nobody notices, and the next window starts from nothing. */
import { switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { openPathsMoved, siteIsDown, undoneOutcome } from '../engine/milestones';
import type { Step } from '../engine/step';
import { feedRemoved } from '../steps/feed';
import { stackDeleted } from '../steps/remove';
import { rightsPutBack, separatedHere } from '../steps/rights';
import { trialRemoved } from '../steps/trial-copy';
import { stacksReleased, windowClosed } from '../steps/window-records';
import { forkOf, type World } from '../steps/world';

/** Its first step: from here on the window can only be undone to its end. */
const first = 'undo.trial';

export const undoBegun = ({ view }: Pick<World, 'view'>): boolean => view.begun('stage', first);

/**
 * @throws Stop `undo.too-late` once the cutover has begun, `undo.first-opening` where there is nothing to undo
 */
export function planUndo({ window, manifest, view }: World): Step[] {
  const { from, production, fallback } = window;
  if (!from || !fallback)
    throw new Stop('undo.first-opening', `${window.name} is the first opening of ${window.system}: its stage has changed nothing to undo`, {
      next: [switchback('cutover'), switchback('rollback')],
      exit: exit.refused,
    });
  // the night's first own step; what comes before it in a cutover is the stage's.
  const begun = openPathsMoved(view) || siteIsDown(view);
  if (begun || view.series.rollback || view.series.teardown)
    throw new Stop('undo.too-late', `the cutover of ${window.name} has begun: a stage can be undone only before it`, {
      next: view.series.rollback || view.series.teardown ? [switchback('teardown')] : [switchback('rollback')],
      exit: exit.refused,
    });
  const stack = manifest.fallbacks[window.name]?.stack;
  return [
    trialRemoved(first),
    ...(forkOf({ manifest }) === 'ahead' ? [{ ...feedRemoved(production, fallback), id: 'undo.feed' as const }] : []),
    ...(separatedHere(view) ? [rightsPutBack(production)] : []),
    { ...stacksReleased(production), id: 'undo.release' },
    ...(stack
      ? [stackDeleted('undo.fallback', `Delete ${stack} with ${fallback}: it has never been anything but a copy`, stack, fallback)]
      : []),
    { ...windowClosed(undoneOutcome, production), id: 'undo.close' },
  ];
}
