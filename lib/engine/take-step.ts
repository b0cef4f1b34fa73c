/** One step to its end: looked at, taken where it is not so yet, looked at again; what became of a lost answer is looked up, never guessed. */

import { explain } from '../aws';
import { isPassing } from '../aws/outcome';
import { type Advice, sameAgain, say, switchback, typed } from '../base/advice';
import type { Clock } from '../base/clock';
import { exit, messageOf, OutcomeUnknown, Stop } from '../base/errors';
import { ConnectionLost, DatabaseError, OutcomeUnknown as SqlOutcomeUnknown } from '../postgres/connection/connect';
import { again } from './again';
import type { Connections } from './connections';
import type { EventBody } from './events';
import { askGate } from './gate';
import type { Journal } from './journal';
import { seriesOf, viewOf } from './journal-view';
import { alive, keepLease } from './keep-lease';
import { siteIsDown } from './milestones';
import type { RunMonitor } from './run-monitor';
import type { RunAnswer, RunOptions } from './run-options';
import type { Observation, Step } from './step';
import { contextOf, sayProgress, waiting } from './step-context';

/** A change that was refused for load, or whose lost answer turned out to mean no, is tried this often. */
const triesPerStep = 3;
/** How long it is tried to see what became of a change whose answer was lost: a failover of the database is over by then. */
const blindMs = 120_000;
/** A server that refuses the same look for so long is not in the middle of anything: it will go on refusing it. */
const refusedMs = 10_000;
/** Left of an invocation's time when it hands over to the next. */
export const handOverMs = 20_000;

/** Takes a step. Answers only when the run must pause. */
export async function takeStep(
  given: RunOptions,
  step: Step,
  connections: Connections,
  monitor: RunMonitor,
): Promise<RunAnswer | undefined> {
  let pausedMs = 0;
  const clock: Clock = {
    now: () => given.clock.now(),
    elapsed: () => given.clock.elapsed(),
    doubtful: () => given.clock.doubtful(),
    every: (ms, action) => given.clock.every(ms, action),
    async pause(ms) {
      const from = given.clock.elapsed();
      await given.clock.pause(ms);
      pausedMs += given.clock.elapsed() - from;
    },
  };
  const options = { ...given, clock };
  const { journal } = options;
  const say = (body: EventBody) => journal.append(options.run, options.by, body);
  const begunByThisRun = begunBy(journal, step.id, options.run);
  if (seriesOf(journal).steps.get(step.id)?.startedAt === undefined || !begunByThisRun) await say({ type: 'step.started', step: step.id });
  const waitedMs = waiting(clock, Date.parse(seriesOf(journal).steps.get(step.id)?.startedAt ?? ''));
  if (step.gate !== undefined) return askGate(options, step, step.gate, waitedMs);

  let acted = begunByThisRun && step.wholeOrNot !== true;
  let tries = 0;
  let firstFailedAt = Number.POSITIVE_INFINITY;
  /** What the last try failed with, until a look has told what came of it. */
  let failed: { readonly error: unknown; readonly before: string; readonly seenAt: number; readonly wasPending: boolean } | undefined;
  const tryOnce = async (before: Seen) => {
    tries += 1;
    acted = true;
    try {
      await alive(options, async () => step.act?.(contextOf(options, step, connections, waitedMs)));
    } catch (error) {
      const explained = explain(error);
      if (explained instanceof Stop) throw explained;
      await connections.close();
      firstFailedAt = Math.min(firstFailedAt, clock.elapsed());
      failed = { error, before: JSON.stringify(before), seenAt: clock.elapsed(), wasPending: false };
    }
  };
  const patienceSeconds = Math.min(step.patienceSeconds, options.patienceSeconds ?? Number.POSITIVE_INFINITY);
  let shown: string | undefined;
  let refusing: { readonly detail: string; readonly since: number } | undefined;
  for (;;) {
    const seen = await look(options, step, connections, waitedMs);
    if (failed || seen.is !== 'unseen' || !isRefused(seen.error)) refusing = undefined;
    else if (refusing?.detail !== seen.detail) refusing = { detail: seen.detail, since: clock.elapsed() };
    else if (clock.elapsed() - refusing.since > refusedMs) throw notApplied(step, seen.error, options);
    const outOfTime = options.deadline - clock.now() < handOverMs;
    if (failed && seen.is === 'unseen') {
      if (outOfTime || clock.elapsed() - failed.seenAt > Math.min(blindMs, patienceSeconds * 1000))
        throw neverSeen(step, failed.error, seen.detail, options);
    } else if (
      failed &&
      (seen.is === 'todo' || (seen.is === 'failed' && (!isUnanswered(failed.error) || JSON.stringify(seen) === failed.before)))
    ) {
      const { error, wasPending } = failed;
      failed = undefined;
      // nothing was sent on a connection that could not be made: a server that restarts is waited for.
      const isOver =
        isUnconnected(error) && !wasPending
          ? outOfTime || clock.elapsed() - firstFailedAt > Math.min(blindMs, patienceSeconds * 1000)
          : tries >= triesPerStep || !(wasPending || mayPass(error));
      if (isOver) throw notApplied(step, error, options);
      acted = false;
      if (isUnconnected(error)) await sayProgress(options, step, messageOf(error));
      await keepLease(options);
      await clock.pause(Math.min(1000 * tries, 5000));
      continue;
    } else if (failed) {
      // the answer was lost after the change was made, or something else was in its way: then it is not so when that is over.
      failed = { ...failed, seenAt: clock.elapsed(), wasPending: true };
    }
    switch (seen.is) {
      case 'done':
        monitor.lookAhead();
        await say({
          type: 'step.done',
          step: step.id,
          seconds: Math.round(waitedMs()) / 1000,
          ...(pausedMs > 0 ? { waited: Math.round(pausedMs) / 1000 } : {}),
          acted,
          ...(seen.detail === undefined ? {} : { detail: seen.detail }),
          ...(seen.facts === undefined ? {} : { facts: seen.facts }),
        });
        return undefined;
      case 'failed':
        // tried by an earlier run: this operator asks for another try.
        if (!acted && step.act) {
          await tryOnce(seen);
          continue;
        }
        throw new Stop(seen.code, seen.message, {
          ...(seen.state === undefined ? {} : { state: seen.state }),
          next: seen.next ?? nextAfterFailure(options),
        });
      case 'todo':
        if (!acted && step.act) {
          await tryOnce(seen);
          continue;
        }
        break;
      case 'pending':
      case 'unseen':
        break;
    }
    const detail = 'detail' in seen ? seen.detail : undefined;
    if (!(failed && seen.is === 'unseen') && waitedMs() > patienceSeconds * 1000) {
      throw new Stop('step.too-slow', `"${step.title}" is not done after ${patienceSeconds} s${detail ? `: ${detail}` : ''}`, {
        next: nextAfterFailure(options),
      });
    }
    if (outOfTime) return { state: 'continue' };
    if (
      detail !== undefined &&
      detail !== shown &&
      (await sayProgress(options, step, detail, seen.is === 'pending' ? seen.share : undefined))
    )
      shown = detail;
    await keepLease(options);
    const answer = await monitor.during(step);
    if (answer) return answer;
    await clock.pause(step.pollMs ?? 500);
  }
}

/** Nothing was seen: a fault of the network, or of a server that restarts. */
type Seen = Observation | { readonly is: 'unseen'; readonly detail: string; readonly error: unknown };

/** Looks; a passing fault is waited out, within the step's patience. */
async function look(options: RunOptions, step: Step, connections: Connections, waitedMs: () => number): Promise<Seen> {
  try {
    return await alive(options, () => step.observe(contextOf(options, step, connections, waitedMs)));
  } catch (error) {
    const explained = explain(error);
    if (explained instanceof Stop) throw explained;
    await connections.close();
    return { is: 'unseen', detail: messageOf(error), error };
  }
}

/** Of a change whose answer was lost: it may have been made. */
const isUnanswered = (error: unknown): error is OutcomeUnknown | SqlOutcomeUnknown =>
  error instanceof OutcomeUnknown || error instanceof SqlOutcomeUnknown;

/** The server has understood it and says no: data, a constraint, a name or a right, and not a fault that passes. */
const isRefused = (error: unknown): boolean => error instanceof DatabaseError && /^(22|23|42)/.test(error.sqlstate ?? '');

/** The database was not there to be asked, and so knows nothing of it. */
const isUnconnected = (error: unknown): boolean => error instanceof ConnectionLost && !isUnanswered(error);

/** May be over at the next try. */
const mayPass = (error: unknown): boolean => isUnanswered(error) || error instanceof ConnectionLost || isPassing(error);

const notApplied = (step: Step, error: unknown, options: RunOptions): Stop =>
  isUnanswered(error)
    ? new Stop('step.not-applied', `${error.message}; looking again shows that it was not done`, {
        next: [sameAgain, ...nextAfterFailure(options)],
        cause: error,
      })
    : new Stop('step.refused', `"${step.title}": ${messageOf(error)}`, { next: nextAfterFailure(options), cause: error });

const neverSeen = (step: Step, error: unknown, why: string, options: RunOptions): Stop =>
  isUnanswered(error)
    ? new Stop('step.unknown', `"${step.title}": ${error.message}; could not determine whether it was applied: ${why}`, {
        state: 'It may or may not have been done; nothing was tried again.',
        next: [typed(error.look), say`then the same command again: it looks before it does anything`],
        exit: exit.unknown,
        cause: error,
      })
    : notApplied(step, error, options);

function begunBy(journal: Journal, step: string, run: string): boolean {
  let begun = false;
  for (const event of journal.events) {
    if (event.type === 'step.started' && event.step === step && event.run === run) begun = true;
    // an operator who runs the verb again asks for another try.
    if (event.type === 'run.started') begun = false;
  }
  return begun;
}

/** What makes sense after a step that failed. Customers who are well are not taken down by what is advised: a rollback is, once they are down. */
function nextAfterFailure({ verb, journal }: Pick<RunOptions, 'verb' | 'journal'>): Advice[] {
  const view = viewOf(journal);
  const same = again(verb, seriesOf(journal));
  return verb === 'cutover' && (siteIsDown(view) || !view.window.from)
    ? [switchback('rollback'), say`or, when the reason is gone: ${same}`]
    : [say`when the reason is gone: ${same}`, switchback('status')];
}
