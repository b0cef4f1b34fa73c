/**
 * A schedule looks at an open window every few minutes. While nobody works on it, between stage and cutover and in the hold, it
 * looks at the feed; what is seen becomes a note in the journal, so it never takes the window from anybody. In the night it looks
 * whether the decision time has passed with nobody there (unanswered.ts).
 */

import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import { Connections } from '../engine/connections';
import { decide as decisionFor } from '../engine/decision-time';
import type { HoldSeen } from '../engine/events';
import { lastHoldSeen } from '../engine/events';
import { Journal } from '../engine/journal';
import { type Left, leftAlone, unansweredRun } from '../engine/unattended-decision';
import { fold, type WindowView } from '../engine/window-view';
import { rollbackFrom } from '../plans';
import { watchName } from '../steps/schedule';
import { observeWorld } from '../steps/world';
import { lookNow, watchPhase } from './look-now';
import type { Reply, Runtime, WatchRequest } from './request';
import { runVerb } from './run-verb';

/** A feed that lives is noted this often; one that does not, at every look. Every note is read by every run of the window. */
const quietMs = 3_600_000;
const noisyMs = 240_000;

/** One look; answers as a verb does. A watch with nothing left to watch takes itself away. */
export async function watchFeed(request: WatchRequest, runtime: Runtime): Promise<Reply> {
  const { aws, clock } = runtime;
  const { manifest } = await aws.settings.manifest(request.system);
  const store = aws.journal(manifest.shared.journalBucket, request.system);
  const journal = new Journal(store, request.window, clock, randomUUID);
  await journal.refresh();
  const view = fold(journal.events);
  const phase = view ? watchPhase(view) : 'over';
  if (!view || phase === 'over') {
    const { schedule, system } = manifest.shared;
    await aws.schedules.remove(schedule.group, watchName({ system, name: request.window }));
    return { state: 'finished' };
  }
  const left = leftAlone(await decided(view, aws), journal.events, clock.now());
  if (left) return decide(left, request, runtime, journal, view);
  if (phase === 'none') return { state: 'finished', window: view.name };
  const last = lastHoldSeen(journal.events);
  const connections = new Connections(aws, view.manifest);
  try {
    const seen = await lookNow(view, phase, connections, last, clock.now(), { makesPartitions: true });
    if (isNews(seen, last, clock.now())) await journal.note(request.run, request.by, seen);
  } finally {
    await connections.end();
  }
  return { state: 'finished', window: view.name };
}

/** With its decision time, where an hour was set and no run has worked it out since: the last terminal may have gone with it. */
async function decided(view: WindowView, aws: Aws): Promise<WindowView> {
  const { upBy, current } = view;
  if (!upBy || upBy.decision || current?.verb !== 'cutover' || !view.window.from) return view;
  return { ...view, upBy: { ...upBy, decision: decisionFor(upBy.upBy, rollbackFrom(await observeWorld(aws, view))) } };
}

/** Does what the policy says where the decision time has passed with nobody there. */
async function decide(left: Left, { system, run, by }: WatchRequest, runtime: Runtime, journal: Journal, view: WindowView): Promise<Reply> {
  if (left.do === 'hold') {
    const why = 'nobody was there at the decision time; the policy is to hold: nothing goes on by itself';
    await journal.note(run, by, { type: 'decision.unanswered', upBy: left.upBy, does: 'hold', why });
    return { state: 'finished', window: view.name };
  }
  const { why, upBy, run: goesOn } = left;
  if (view.current?.verb === 'cutover') await journal.note(run, by, { type: 'decision.unanswered', upBy, does: 'rollback', why });
  return runVerb({ system, verb: 'rollback', window: view.name, run: goesOn ?? unansweredRun(randomUUID()), by, reason: why }, runtime);
}

/** Whether it is worth a note: something has changed, or the last one is old. */
export function isNews(seen: HoldSeen, last: (HoldSeen & { readonly at: string }) | undefined, now: number): boolean {
  if (!last || seen.madePartitions) return true;
  // how many numbers are left changes all the time; of which sequence does not.
  const ending = ({ nearEnd = [] }: HoldSeen) => nearEnd.map((text) => text.replace(/ has .*/, ''));
  const sum = (one: HoldSeen): string =>
    JSON.stringify([one.state, one.drift, one.conflicts, ending(one), one.state === 'alive' && one.reasons]);
  const quiet = seen.state === 'alive' || seen.state === 'dead';
  return sum(seen) !== sum(last) || now - Date.parse(last.at) >= (quiet ? quietMs : noisyMs);
}
