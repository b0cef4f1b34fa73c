/**
 * A cutover whose last terminal is gone, at its decision time: nobody is asked, and nobody answers. The schedule that looks
 * at the window every five minutes finds it and does what the window's policy says.
 */
import { answerSeconds } from './decision-time';
import { isNote, type JournalEvent } from './events';
import { siteIsDown, siteIsOpening } from './milestones';
import { decisionStep } from './step-id';
import type { WindowView } from './window-view';

/** A terminal that is alive has asked, waited for an answer and applied the policy by then. */
export const silentMs = (answerSeconds + 60) * 1000;
/** A rollback that stops is tried again, in case what stopped it passes; so often, and then it is left to people. */
const triesOfRollback = 3;
/** What the runs of the schedule are called. */
const prefix = 'unanswered-';

export const unansweredRun = (random: string): string => `${prefix}${random}`;

export type Left =
  | { readonly do: 'hold'; readonly upBy: string }
  /** `run`: one of the schedule's own that it goes on with. */
  | { readonly do: 'rollback'; readonly why: string; readonly upBy: string; readonly run?: string };

/** What is left to the schedule to do; undefined while somebody is at it, or nothing is due. */
export function leftAlone(view: WindowView, events: readonly JournalEvent[], now: number): Left | undefined {
  const { current, upBy, window } = view;
  if (!current || !upBy || !window.from || view.closed !== undefined || current.ended === 'finished') return undefined;
  const silent = (since: string) => now - Date.parse(since) > silentMs;
  const last = events.findLast((event) => event.run === current.run && !isNote(event));
  if (!last || !silent(last.at)) return undefined;
  if (current.verb === 'rollback') return goesOn(view, events, upBy.upBy);
  // before and after, customers are served: nothing hurries.
  if (current.verb !== 'cutover' || !siteIsDown(view) || siteIsOpening(view)) return undefined;
  const rollback = (why: string): Left => ({ do: 'rollback', why, upBy: upBy.upBy });
  const answer = view.answers.get(decisionStep);
  switch (answer?.answer) {
    case 'go':
      return undefined;
    case 'no-go':
      return silent(answer.at) ? rollback(`roll back, said ${answer.by.who} at the decision time, and nobody did`) : undefined;
  }
  // any other stop has been told to whoever ran it: it is theirs to mend.
  if (current.ended === 'stopped')
    return last.type === 'run.stopped' && last.code === 'decision.roll-back' ? rollback(last.message) : undefined;
  if (!upBy.decision || !silent(upBy.decision.decideBy)) return undefined;
  if (upBy.atDecision === 'rollback')
    return rollback(`nobody was there at the decision time for ${upBy.upBy}; the window's policy is to roll back`);
  return upBy.unanswered ? undefined : { do: 'hold', upBy: upBy.upBy };
}

/** A rollback of the schedule that ran out of time, died or stopped. */
function goesOn({ current }: WindowView, events: readonly JournalEvent[], upBy: string): Left | undefined {
  if (!current?.run.startsWith(prefix)) return undefined;
  const tries = events.filter(({ type, run }) => type === 'run.started' && run.startsWith(prefix)).length;
  if (current.ended === 'stopped' && tries >= triesOfRollback) return undefined;
  const why = current.reason ?? 'the rollback is not done yet';
  return { do: 'rollback', why, upBy, ...(current.ended === undefined ? { run: current.run } : {}) };
}
