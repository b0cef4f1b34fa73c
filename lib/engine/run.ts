/**
 * The runner's loop: takes the next steps from the journal and advances until it would have to wait for people, its
 * time is nearly up, or something stops it. The same code runs in the runner function and, with --here, in a terminal.
 */

import { explain } from '../aws';
import { switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { again, askedOf } from './again';
import { Connections } from './connections';
import type { EventBody } from './events';
import type { Journal } from './journal';
import { seriesOf, viewOf } from './journal-view';
import { holdingRun, keepLease } from './keep-lease';
import { followedBy, holderOf, windowHeld, windowTakenOver } from './lease';
import { RunMonitor } from './run-monitor';
import type { RunAnswer, RunOptions } from './run-options';
import { planned, type Step } from './step';
import { contextOf } from './step-context';
import { handOverMs, takeStep } from './take-step';
import { fold } from './window-view';

/** Advances one verb of one window. Never throws for what goes wrong in the world: that is an answer, and in the journal. */
export async function advance(options: RunOptions): Promise<RunAnswer> {
  const { journal, clock } = options;
  await journal.glance();
  const connections = new Connections(options.aws, viewOf(journal).manifest, () => holdingRun(options));
  let current: string | undefined;
  const say = (body: EventBody) => journal.append(options.run, options.by, body);
  try {
    const plan = await options.plan(viewOf(journal));
    await claim(options, plan);
    const startedAt = clock.now();
    // a writer that slept finds out before it changes anything that somebody else has the window now.
    options.aws.beforeChange = () => keepLease(options);
    const monitor = new RunMonitor(options, plan, (step) => step.observe(contextOf(options, step, connections)));
    await monitor.atBeginning();
    for (const step of plan) {
      if (monitor.isDone(step)) continue;
      if (options.deadline - clock.now() < handOverMs) return { state: 'continue' };
      current = step.id;
      const answer = (await monitor.before(step)) ?? (await takeStep(options, step, connections, monitor));
      if (answer) return answer;
      monitor.taken(step);
    }
    current = undefined;
    await monitor.atEnd();
    await say({
      type: 'run.finished',
      verb: options.verb,
      seconds: secondsSince(seriesOf(journal).startedAt, clock.now()) || secondsSince(new Date(startedAt).toISOString(), clock.now()),
    });
    return { state: 'finished' };
  } catch (error) {
    let stop = asStop(explain(error), options);
    // the loser of a race must not write into the winner's journal; a run that never began has nothing to end.
    const mine = fold(journal.events)?.current?.run === options.run;
    if (mine && !['journal.other-writer', 'journal.unwritable'].includes(stop.code)) {
      const { code, message, state, next, exit: exitCode } = stop;
      const step = stop.step ?? current;
      const said: EventBody = { type: 'run.stopped', verb: options.verb, code, message, next, exit: exitCode };
      const taken = await lastWord(() =>
        say({ ...said, ...(step === undefined ? {} : { step }), ...(state === undefined ? {} : { state }) }),
      );
      // what went wrong may well be that: the new run ends what this one had under way in a database.
      stop = taken ?? stop;
    }
    return {
      state: 'stopped',
      code: stop.code,
      message: stop.message,
      ...(stop.state === undefined ? {} : { world: stop.state }),
      next: stop.next,
      exit: stop.exit,
    };
  } finally {
    options.aws.beforeChange = undefined;
    await connections.end();
  }
}

/** @throws Stop `window.held` while another run's lease lasts, `window.taken-over` for a run whose turn is over */
export function refuseWhileHeld(journal: Journal, { run, clock, ...typed }: Pick<RunOptions, 'verb' | 'undo' | 'run' | 'clock'>): void {
  const taker = followedBy(run, journal.events);
  if (taker) throw windowTakenOver(journal.window, taker);
  const view = viewOf(journal);
  const held = holderOf(view.current, run, clock.now());
  if (held) throw windowHeld(view, held, typed);
}

/** Takes the window for this run, or says who has it. */
async function claim(options: RunOptions, plan: readonly Step[]): Promise<void> {
  const { journal, run } = options;
  const { current, closed } = viewOf(journal);
  if (closed !== undefined)
    throw new Stop('window.closed', `${journal.window} is closed: ${closed}`, { next: [switchback('status')], exit: exit.usage });
  refuseWhileHeld(journal, options);
  if (current?.run === run && current.ended === undefined && current.verb === options.verb) return;
  await journal.append(run, options.by, {
    type: 'run.started',
    verb: options.verb,
    plan: plan.map((step) => planned(step, options.patienceSeconds)),
    runner: options.runner,
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...askedOf(options),
    ...(options.migrateAgain ? { migrateAgain: true } : {}),
    ...(options.takeOver && current && current.ended === undefined && current.run !== run
      ? { takeOver: { ...current.by, run: current.run } }
      : {}),
  });
}

/** Why a run stopped is told to its operator also when the journal no longer takes it; answers whose it is by now. */
async function lastWord(say: () => Promise<unknown>): Promise<Stop | undefined> {
  try {
    await say();
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return error.code === 'window.taken-over' ? error : undefined;
  }
  return undefined;
}

const secondsSince = (iso: string, now: number): number => Math.max(0, Math.round(now - Date.parse(iso)) / 1000);

function asStop(error: unknown, options: RunOptions): Stop {
  if (error instanceof Stop) return error;
  return new Stop('switchback.bug', `${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, {
    state: 'This is a fault of Switchback itself; the journal says what it had done.',
    next: [again(options.verb, options), switchback('status')],
    cause: error,
  });
}
