/** What the stacks read: the state parameter. And the end of a window. */

import type { Context } from '../engine/context';
import { done, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import { type Emergency, emergencyOf, noEmergency, sameEmergency } from '../manifest/emergency';
import type { SystemState } from '../manifest/schema';
import { scheduleName, watchName } from './schedule';

function stateIs(
  id: StepId,
  title: string,
  wanted: (context: Context) => SystemState,
  /** What `rollback --traffic-only` is to find. */
  emergency?: (context: Context) => Emergency,
): Step {
  return {
    id,
    title,
    estimateSeconds: 1,
    patienceSeconds: 30,
    async observe(context) {
      const state = await context.aws.settings.state(context.window.system);
      const goal = wanted(context);
      const ways = emergency?.(context);
      if (ways && !sameEmergency(await context.aws.emergency.read(context.window.system), ways)) return todo();
      return state && state.production === goal.production && state.window === goal.window && state.opened === goal.opened
        ? done()
        : todo();
    },
    async act(context) {
      const ways = emergency?.(context);
      if (ways) await context.aws.emergency.write(ways);
      await context.aws.settings.writeState(context.window.system, wanted(context));
    },
  };
}

/** From here on deploys of what the window uses are refused. */
export const windowRecorded = (): Step =>
  stateIs(
    'window.record',
    'Record the open window: deploys of what it uses are refused',
    ({ window }) => ({ production: window.production, window: window.name, opened: window.from !== undefined }),
    ({ manifest, window }) => emergencyOf(manifest, window),
  );

/** The fallback is production from now on; the next window starts from it. */
export const fallbackIsProduction = (fallback: string): Step =>
  stateIs('production.pointer', `Record ${fallback} as the production database`, ({ window }) => ({
    production: fallback,
    window: window.name,
    opened: true,
  }));

/** From here on the stacks may be changed and deleted again: the teardown itself is about to. */
export const stacksReleased = (production: string): Step =>
  stateIs(
    'window.release',
    'Release the stacks: they may be deployed and deleted again',
    () => ({ production, opened: true }),
    ({ window }) => noEmergency(window.system),
  );

/** `opened`: whether the system serves customers from now on. @default true */
export function windowClosed(outcome: string, production: string, { opened = true } = {}): Step {
  return {
    id: 'window.close',
    title: 'Close the window and remove its schedule',
    estimateSeconds: 2,
    patienceSeconds: 60,
    async observe(context) {
      const state = await context.aws.settings.state(context.window.system);
      return state && state.window === undefined && state.opened === opened && context.view.closed !== undefined ? done() : todo();
    },
    async act(context) {
      const { shared } = context.manifest;
      await context.aws.schedules.remove(shared.schedule.group, scheduleName(context.window));
      await context.aws.schedules.remove(shared.schedule.group, watchName(context.window));
      await context.aws.settings.writeState(context.window.system, { production, opened });
      await context.closeWindow(outcome);
    },
  };
}
