/** A verb: its window found or opened, its plan made from what is so now, and advanced. */

import { randomUUID } from 'node:crypto';
import { explain } from '../aws';
import { say, switchback } from '../base/advice';
import type { Clock } from '../base/clock';
import { exit, Stop } from '../base/errors';
import { again, askedOf } from '../engine/again';
import { Connections } from '../engine/connections';
import { estimated } from '../engine/estimates';
import type { Verb } from '../engine/events';
import { lastHoldSeen } from '../engine/events';
import { answerGate } from '../engine/gate';
import { Journal } from '../engine/journal';
import { seriesOf, viewOf } from '../engine/journal-view';
import { holdEndsAt, siteIsDown } from '../engine/milestones';
import { advance, refuseWhileHeld } from '../engine/run';
import { hourSet, type WindowView } from '../engine/window-view';
import { planOf, rollbackFrom } from '../plans';
import { refuseForeign } from '../steps/foreign-release';
import { scheduledRun } from '../steps/schedule';
import type { World } from '../steps/world';
import { observeWorld } from '../steps/world';
import { acceptDifferences } from './accept-difference';
import { closingOf } from './closing';
import { lookNow, watchPhase } from './look-now';
import { findOrOpen } from './open-window';
import { refuseLoss } from './refuse-loss';
import type { Reply, Runtime, VerbRequest } from './request';
import { stopped } from './request';
import { type WayBack, wayBackOf } from './way-back';

/** Advances a verb. What goes wrong is an answer, never an exception. */
export async function runVerb(given: VerbRequest, runtime: Runtime): Promise<Reply> {
  const reply = await advanced(given, runtime);
  if (given.verb === 'teardown' && given.window !== undefined && given.run === scheduledRun(given.window))
    await noteRefused({ ...given, window: given.window }, reply, runtime).catch(() => undefined);
  return reply;
}

/** What is so until its time comes, or while somebody works on the window. */
const passing = ['teardown.hold', 'window.held', 'window.taken-over', 'window.closed', 'window.none'];

/** Nobody hears what a schedule is answered: in the journal every status finds it. A run that stopped has said so there itself. */
async function noteRefused({ system, window, run, by }: VerbRequest & { window: string }, reply: Reply, { aws, clock }: Runtime) {
  if (reply.state !== 'stopped' || passing.includes(reply.code)) return;
  const { manifest } = await aws.settings.manifest(system);
  const journal = new Journal(aws.journal(manifest.shared.journalBucket, system), window, clock, randomUUID);
  await journal.refresh();
  const { current, refusedTeardown } = viewOf(journal);
  const { code, message, next } = reply;
  if (current?.run === run && current.ended === 'stopped') return;
  // it is asked every five minutes.
  if (refusedTeardown?.code === code && refusedTeardown.message === message) return;
  await journal.note(run, by, { type: 'teardown.refused', code, message, next });
}

async function advanced(given: VerbRequest, runtime: Runtime): Promise<Reply> {
  let name: string | undefined;
  try {
    const opened = await findOrOpen(given, runtime);
    const { journal } = opened;
    name = opened.view.name;
    const request = carried(given, opened.view);
    if (request.window !== undefined && request.window !== name) {
      throw new Stop('window.other', `${request.window} was asked for, ${name} is open`, {
        next: [switchback('status')],
        exit: exit.usage,
      });
    }
    if (opened.view.closed === undefined) await acceptDifferences(request, journal, runtime);
    const view = viewOf(journal);
    const finished = async (): Promise<Reply> => ({ state: 'finished', window: view.name, ...(await closing(request, journal, runtime)) });
    if (view.closed !== undefined) {
      await sayFinished(request, journal, runtime.clock);
      return await finished();
    }
    // before it is said that a way back is open.
    refuseTooLate(request, view);
    const isOver = view.series[request.verb]?.ended === 'finished' && isFinished(request.verb, await observeWorld(runtime.aws, view));
    // a no-go that comes too late is told so.
    if (isOver && request.answer?.answer !== 'no-go') return await finished();
    if (request.answer) await answerGate(journal, request, request.answer);
    await noteUpBy(request, journal);
    if (beginsWithin(request, view)) await refuseForeign(runtime.aws, view.manifest);
    if (request.verb === 'teardown') refuseDuringHold(request, view, runtime.clock);
    if (request.verb === 'rollback' && !request.acceptLoss)
      await refuseLoss(view, { aws: runtime.aws, now: runtime.clock.now(), knownErrors: lastHoldSeen(journal.events)?.applyErrors });
    const answer = await advance({
      aws: runtime.aws,
      clock: runtime.clock,
      journal,
      verb: request.verb,
      run: request.run,
      by: request.by,
      runner: runtime.runner,
      deadline: runtime.deadline,
      ...(request.reason === undefined ? {} : { reason: request.reason }),
      ...askedOf(request),
      ...(request.takeOver ? { takeOver: true } : {}),
      ...(request.patienceSeconds === undefined ? {} : { patienceSeconds: request.patienceSeconds }),
      ...(request.unanswered ? { unanswered: true } : {}),
      ...(request.ahead ? { ahead: request.ahead } : {}),
      plan: async (now) => estimated(planOf(request, await observeWorld(runtime.aws, now)), now, request.verb),
      externalState: {
        emergencySince: async (since) => {
          const used = (await runtime.aws.emergency.read(request.system))?.used;
          if (!used || Date.parse(used.at) <= since) return undefined;
          return `${used.by} moved traffic back with --traffic-only at ${used.at}${used.reason === undefined ? '' : `, because: ${used.reason}`}`;
        },
        rollback: async (now, next) => rollbackFrom(await observeWorld(runtime.aws, now), next),
      },
    });
    return answer.state === 'finished' ? await finished() : { ...answer, window: name };
  } catch (error) {
    const explained = explain(error);
    if (!(explained instanceof Stop)) throw explained;
    return stopped(explained, name);
  }
}

/**
 * The first invocation of a stage or a cutover that has taken nothing yet. With the site down nobody is kept waiting for it, and a way
 * back is never refused: its terminal says it (lib/terminal/take-verb.ts).
 */
const beginsWithin = ({ verb, undo, run }: VerbRequest, view: WindowView): boolean =>
  (verb === 'stage' || verb === 'cutover') && !undo && !siteIsDown(view) && view.current?.run !== run;

/**
 * A cutover or rollback that is done, with customers where it brought them: whoever lost sight of its end and types it
 * again must not take the site down a second time. Where traffic was moved since, there is something to do again.
 */
export function isFinished(verb: Verb, { window, view, live, maintenance }: World): boolean {
  if ((verb !== 'cutover' && verb !== 'rollback') || view.series[verb]?.ended !== 'finished') return false;
  // a rollback that was begun after it has the last word.
  if (verb === 'cutover' && view.series.rollback) return false;
  return live === (verb === 'cutover' ? window.to : window.from) && maintenance === false;
}

async function sayFinished({ verb, undo = false, run, by }: VerbRequest, journal: Journal, clock: Clock): Promise<void> {
  const series = seriesOf(journal);
  refuseWhileHeld(journal, { verb, undo, run, clock });
  await journal.append(run, by, { type: 'run.finished', verb, seconds: Math.max(0, clock.now() - Date.parse(series.startedAt)) / 1000 });
}

/** What was asked of the run that this one goes on with, where nothing else is asked now: nobody must remember it at night. */
export function carried(request: VerbRequest, { current }: Pick<WindowView, 'current'>): VerbRequest {
  if (current?.verb !== request.verb || current.ended === 'finished') return request;
  const { undo: _undo, ...before } = askedOf(current);
  return { ...before, ...request };
}

/** A teardown has taken from the window what anything else would need. @throws Stop `teardown.begun` */
export function refuseTooLate({ verb }: Pick<VerbRequest, 'verb'>, { name, series }: WindowView): void {
  if ((verb !== 'cutover' && verb !== 'stage') || !series.teardown) return;
  throw new Stop(
    'teardown.begun',
    `the teardown of ${name} has begun: there is nothing to ${verb === 'stage' ? 'stage' : 'cut over'} any more`,
    {
      state: 'Nothing was changed.',
      next: [again('teardown', series.teardown), switchback('status')],
      exit: exit.usage,
    },
  );
}

/** @throws Stop `teardown.hold`; one that has begun is not over by the hold, and nothing is said of a way back that it may have taken */
export function refuseDuringHold(request: VerbRequest, view: WindowView, clock: Pick<Clock, 'now'>): void {
  const ends = holdEndsAt(view);
  if (view.series.teardown) return;
  if (!request.now && ends && ends.getTime() > clock.now()) {
    throw new Stop('teardown.hold', `the hold of ${view.name} ends at ${ends.toISOString()}; until then what a rollback needs is kept`, {
      next: [say`wait: the schedule does it`, again('teardown', { ...request, now: true }, ...(request.takeOver ? ['--take-over'] : []))],
      exit: exit.refused,
    });
  }
}

/** The hour is noted once, however often the same run asks to go on. */
async function noteUpBy({ upBy, run, by }: VerbRequest, journal: Journal): Promise<void> {
  if (!upBy || journal.events.some((event) => event.type === 'up-by.set' && event.run === run)) return;
  await journal.note(run, by, hourSet(viewOf(journal), upBy));
}

/** What its last screen says. A cutover has opened a hold: whether the way back is open is looked at, not assumed. */
async function closing({ verb }: VerbRequest, journal: Journal, { aws, clock }: Runtime): Promise<Pick<Reply, 'closing'>> {
  const view = viewOf(journal);
  let way: WayBack | undefined;
  if (verb === 'cutover' && watchPhase(view) === 'open') {
    const connections = new Connections(aws, view.manifest);
    try {
      way = wayBackOf(await lookNow(view, 'open', connections, lastHoldSeen(journal.events), clock.now()));
    } finally {
      await connections.end();
    }
  }
  const said = closingOf(verb, view, way);
  return said ? { closing: said } : {};
}
