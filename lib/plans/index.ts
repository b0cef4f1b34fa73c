/** The plan of a verb for a world: pure functions from what is so to the steps that are left. */

import { switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { estimated } from '../engine/estimates';
import type { PlannedStep, Verb } from '../engine/events';
import { siteIsDown } from '../engine/milestones';
import { planned, type Step } from '../engine/step';
import type { StepId } from '../engine/step-id';
import { planCutover } from '../plans/cutover';
import { planRollback } from '../plans/rollback';
import { planStage } from '../plans/stage';
import { planTeardown } from '../plans/teardown';
import { planUndo, undoBegun } from '../plans/undo';
import type { World } from '../steps/world';

/** How a verb is to be taken. */
export interface PlanRequest {
  readonly verb: Verb;
  /** Stage: take it back. */
  readonly undo?: boolean;
  readonly acceptLoss?: boolean;
  /** Teardown leaves the standby color's stack. */
  readonly keepStandby?: boolean;
}

/** What a stage makes ready is in use once the night has begun: it would stop the workers of the color that customers are on. */
function refuseDuringNight({ view }: World): void {
  if (!siteIsDown(view)) return;
  const isOver = view.series.cutover?.ended === 'finished';
  throw new Stop('stage.over', `the cutover of ${view.name} ${isOver ? 'is done' : 'has begun'}: there is nothing left to stage`, {
    next: isOver ? [switchback('status'), switchback('rollback')] : [switchback('cutover'), switchback('rollback'), switchback('status')],
    exit: exit.usage,
  });
}

/** The plan of a verb for a world: a pure function. */
export function planOf(request: PlanRequest, world: World): Step[] {
  if (request.verb === 'stage' && request.undo) return planUndo(world);
  if (undoBegun(world))
    throw new Stop('window.undoing', `the stage of ${world.window.name} is being undone`, {
      next: [switchback('stage', '--undo')],
      exit: exit.refused,
    });
  switch (request.verb) {
    case 'stage':
      refuseDuringNight(world);
      return planStage(world);
    case 'cutover':
      return planCutover(world);
    case 'rollback':
      return planRollback(world, request.acceptLoss ? { acceptLoss: true } : {});
    case 'teardown':
      return planTeardown(world, request.keepStandby ? { keepStandby: true } : {});
  }
}

/** The way back as it would be once a step of the cutover has begun, with what its steps took in earlier windows. */
export function rollbackFrom(world: World, next?: string): PlannedStep[] {
  const { view } = world;
  const begun = (verb: Verb, step: StepId) => view.begun(verb, step) || (verb === 'cutover' && step === next);
  return estimated(planRollback({ ...world, view: { ...view, begun } }), view, 'rollback').map((step) => planned(step));
}
