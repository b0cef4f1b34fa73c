/** Schedules that ask the runner every few minutes: to look at the feed, and from the end of the hold on to tear down. */
import type { Window } from '../engine/events';
import { done, type Step, todo } from '../engine/step';

export const scheduleName = (window: Window): string => `${window.system}-${window.name}-teardown`;

/** Who tears down by itself. */
export const scheduledRun = (window: string): string => `schedule-${window}`;

export const watchName = ({ system, name }: Pick<Window, 'system' | 'name'>): string => `${system}-${name}-watch`;

/** From stage to teardown: lib/operations/feed-watch.ts looks, and takes the schedule away when nothing is left to watch. */
export function windowWatched(what: 'the feed and the decision time' | 'the decision time'): Step {
  return {
    id: 'watch.schedule',
    title: `Schedule a check of ${what} every 5 minutes while the window is open`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe({ aws, manifest, window }) {
      return (await aws.schedules.startsAt(manifest.shared.schedule.group, watchName(window))) ? done() : todo();
    },
    async act({ aws, manifest, window, clock }) {
      const { schedule, runner } = manifest.shared;
      await aws.schedules.put({
        group: schedule.group,
        name: watchName(window),
        role: schedule.role,
        runner,
        input: {
          system: window.system,
          watch: true,
          window: window.name,
          run: `watch-${window.name}`,
          by: { who: 'EventBridge Scheduler', where: watchName(window) },
        },
        from: new Date(clock.now()),
      });
    },
  };
}

export function teardownScheduled(holdSeconds: number): Step {
  return {
    id: 'hold.schedule',
    title: `Schedule the teardown for the end of the hold, in ${holdSeconds >= 7200 ? `${Math.round(holdSeconds / 3600)} h` : `${holdSeconds} s`}`,
    estimateSeconds: 2,
    patienceSeconds: 60,
    async observe({ aws, manifest, window, view, clock, waitedMs }) {
      const { group } = manifest.shared.schedule;
      const startsAt = await aws.schedules.startsAt(group, scheduleName(window));
      // an earlier verb of the window may have left a schedule for an earlier end.
      const mine = view.current?.verb === 'cutover' || (startsAt?.getTime() ?? 0) >= clock.now() - waitedMs() + holdSeconds * 1000 - 1000;
      return startsAt && mine ? done(`the hold ends at ${startsAt.toISOString()}`, { holdEndsAt: startsAt.toISOString() }) : todo();
    },
    async act({ aws, manifest, window, clock }) {
      const { schedule, runner } = manifest.shared;
      await aws.schedules.put({
        group: schedule.group,
        name: scheduleName(window),
        role: schedule.role,
        runner,
        input: {
          system: window.system,
          verb: 'teardown',
          window: window.name,
          run: scheduledRun(window.name),
          by: { who: 'EventBridge Scheduler', where: scheduleName(window) },
        },
        from: new Date(clock.now() + holdSeconds * 1000),
      });
    },
  };
}
