/**
 * The runner's loop: takes the next steps from the journal and advances until it would have to wait for people, its
 * time is nearly up, or something stops it. The same code runs in the runner function and, with --here, in a terminal.
 */
import type { Aws } from '../aws';
import { explain } from '../aws';
import { isPassing } from '../aws/outcome';
import type { Clock } from '../base/clock';
import { exit, messageOf, OutcomeUnknown, Stop } from '../base/errors';
import { ConnectionLost, OutcomeUnknown as SqlOutcomeUnknown } from '../postgres/connection/connect';
import { Connections, type HoldingRun } from './connections';
import type { Context } from './context';
import { type EventBody, isNote, type Operator, type Verb } from './events';
import type { Journal } from './journal';
import { followedBy, holderOf, stopAskedOf, windowHeld, windowTakenOver } from './lease';
import { finishMs, Heed, type Outside } from './run-monitor';
import { type Observation, planned, type Step } from './step';
import { fold, leaseSeconds, type Series, type WindowView } from './window-view';

/** A change that was refused for load, or whose lost answer turned out to mean no, is tried this often. */
const triesPerStep = 3;
/** How long it is tried to see what became of a change whose answer was lost: a failover of the database is over by then. */
const blindMs = 120_000;
/** Left of an invocation's time when it hands over to the next. */
const handOverMs = 20_000;

/** What people say at a gate. */
export interface GateAnswer {
  readonly answer: 'go' | 'no-go';
  readonly reason: string;
}

export interface RunOptions {
  readonly aws: Aws;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly verb: Verb;
  /** A stage is taken back. */
  readonly undo?: boolean;
  /** The same over all invocations of one operator's command. */
  readonly run: string;
  readonly by: Operator;
  /** Where the steps run, for the journal. */
  readonly runner: string;
  /** Why, in the operator's words. */
  readonly reason?: string;
  readonly acceptLoss?: boolean;
  /** Ids of differences that the operator accepts to lose at a rollback. */
  readonly acceptedLosses?: readonly string[];
  /** Take the window over from a writer whose lease has not ended, once it has. */
  readonly takeOver?: boolean;
  /** No step may take longer than this, whatever its own patience. */
  readonly patienceSeconds?: number;
  /** When this invocation ends (milliseconds since the epoch). */
  readonly deadline: number;
  /** Nobody answered at the decision time: what the window's policy says is done. */
  readonly unanswered?: boolean;
  /** What its operator said to every go or no-go before it began: nobody is asked. */
  readonly ahead?: GateAnswer;
  readonly plan: (view: WindowView) => Promise<Step[]>;
  /** What goes on beside this run. */
  readonly outside?: Outside;
}

export type RunAnswer =
  | { readonly state: 'finished' }
  /** Asked people; answer the gate, then ask again. */
  | { readonly state: 'gate'; readonly step: string; readonly question: string }
  /** Time was nearly up: ask again. */
  | { readonly state: 'continue' }
  | {
      readonly state: 'stopped';
      readonly code: string;
      readonly message: string;
      readonly world?: string;
      readonly next: readonly string[];
      readonly exit: number;
    };

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
    const heed = new Heed(options, plan, (step) => step.observe(contextOf(options, step, connections)));
    await heed.atBeginning();
    for (const step of plan) {
      if (heed.isDone(step)) continue;
      if (options.deadline - clock.now() < handOverMs) return { state: 'continue' };
      current = step.id;
      const answer = (await heed.before(step)) ?? (await take(options, step, connections, heed));
      if (answer) return answer;
      heed.taken(step);
    }
    current = undefined;
    await heed.atEnd();
    await say({
      type: 'run.finished',
      verb: options.verb,
      seconds: secondsSince(seriesOf(journal).startedAt, clock.now()) || secondsSince(new Date(startedAt).toISOString(), clock.now()),
    });
    return { state: 'finished' };
  } catch (error) {
    let stop = asStop(explain(error), options.verb);
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
  const held = holderOf(viewOf(journal).current, run, clock.now());
  if (held) throw windowHeld(journal.window, held, typed);
}

/** Takes the window for this run, or says who has it. */
async function claim(options: RunOptions, plan: readonly Step[]): Promise<void> {
  const { journal, run } = options;
  const { current, closed } = viewOf(journal);
  if (closed !== undefined)
    throw new Stop('window.closed', `${journal.window} is closed: ${closed}`, { next: ['npm run status'], exit: exit.usage });
  refuseWhileHeld(journal, options);
  if (current?.run === run && current.ended === undefined && current.verb === options.verb) return;
  await journal.append(run, options.by, {
    type: 'run.started',
    verb: options.verb,
    plan: plan.map(planned),
    runner: options.runner,
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.acceptLoss ? { acceptLoss: true } : {}),
    ...(options.acceptedLosses ? { acceptedLosses: options.acceptedLosses } : {}),
    ...(options.takeOver && current && current.ended === undefined && current.run !== run
      ? { takeOver: { ...current.by, run: current.run } }
      : {}),
  });
}

/** One step to its end. Answers only when the run must pause. */
async function take(given: RunOptions, step: Step, connections: Connections, heed: Heed): Promise<RunAnswer | undefined> {
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

  let acted = begunByThisRun;
  let tries = 0;
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
      failed = { error, before: JSON.stringify(before), seenAt: clock.elapsed(), wasPending: false };
    }
  };
  const patienceSeconds = Math.min(step.patienceSeconds, options.patienceSeconds ?? Number.POSITIVE_INFINITY);
  let shown: string | undefined;
  for (;;) {
    const seen = await look(options, step, connections, waitedMs);
    const outOfTime = options.deadline - clock.now() < handOverMs;
    if (failed && seen.is === 'unseen') {
      if (outOfTime || clock.elapsed() - failed.seenAt > Math.min(blindMs, patienceSeconds * 1000))
        throw neverSeen(step, failed.error, seen.detail, options.verb);
    } else if (
      failed &&
      (seen.is === 'todo' || (seen.is === 'failed' && (!isUnanswered(failed.error) || JSON.stringify(seen) === failed.before)))
    ) {
      const { error, wasPending } = failed;
      failed = undefined;
      if (tries === triesPerStep || !(wasPending || mayPass(error))) throw notApplied(step, error, options.verb);
      acted = false;
      await clock.pause(1000 * tries);
      continue;
    } else if (failed) {
      // the answer was lost after the change was made, or something else was in its way: then it is not so when that is over.
      failed = { ...failed, seenAt: clock.elapsed(), wasPending: true };
    }
    switch (seen.is) {
      case 'done':
        heed.lookAhead();
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
        throw new Stop(seen.code, seen.message, { next: seen.next ?? nextAfterFailure(options.verb) });
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
        next: nextAfterFailure(options.verb),
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
    const answer = await heed.during(step);
    if (answer) return answer;
    await clock.pause(step.pollMs ?? 500);
  }
}

/** Nothing was seen: a fault of the network, or of a server that restarts. */
type Seen = Observation | { readonly is: 'unseen'; readonly detail: string };

/** Looks; a passing fault is waited out, within the step's patience. */
async function look(options: RunOptions, step: Step, connections: Connections, waitedMs: () => number): Promise<Seen> {
  try {
    return await alive(options, () => step.observe(contextOf(options, step, connections, waitedMs)));
  } catch (error) {
    const explained = explain(error);
    if (explained instanceof Stop) throw explained;
    await connections.close();
    return { is: 'unseen', detail: messageOf(error) };
  }
}

/** Of a change whose answer was lost: it may have been made. */
const isUnanswered = (error: unknown): error is OutcomeUnknown | SqlOutcomeUnknown =>
  error instanceof OutcomeUnknown || error instanceof SqlOutcomeUnknown;

/** May be over at the next try. */
const mayPass = (error: unknown): boolean => isUnanswered(error) || error instanceof ConnectionLost || isPassing(error);

const notApplied = (step: Step, error: unknown, verb: Verb): Stop =>
  isUnanswered(error)
    ? new Stop('step.not-applied', `${error.message}; looking again shows that it was not done`, {
        next: ['the same command again', ...nextAfterFailure(verb)],
        cause: error,
      })
    : new Stop('step.refused', `"${step.title}": ${messageOf(error)}`, { next: nextAfterFailure(verb), cause: error });

const neverSeen = (step: Step, error: unknown, why: string, verb: Verb): Stop =>
  isUnanswered(error)
    ? new Stop('step.unknown', `"${step.title}": ${error.message}; what came of it could not be looked up: ${why}`, {
        state: 'It may or may not have been done; nothing was tried again.',
        next: [error.look, 'then the same command again: it looks before it does anything'],
        exit: exit.unknown,
        cause: error,
      })
    : notApplied(step, error, verb);

async function askGate(options: RunOptions, step: Step, question: string, waitedMs: () => number): Promise<RunAnswer | undefined> {
  const { journal } = options;
  const say = (body: EventBody) => journal.append(options.run, options.by, body);
  if (!viewOf(journal).answers.get(step.id)) {
    const asked = journal.events.some((event) => event.type === 'gate.asked' && event.step === step.id && event.run === options.run);
    if (!asked) await say({ type: 'gate.asked', step: step.id, question });
    if (options.ahead) await journal.note(options.run, options.by, { type: 'gate.answered', step: step.id, ...options.ahead });
  }
  const answer = viewOf(journal).answers.get(step.id);
  if (!answer) return { state: 'gate', step: step.id, question };
  if (answer.answer === 'no-go') {
    throw new Stop('gate.no-go', `no-go by ${answer.by.who}: ${answer.reason}`, {
      state: 'The maintenance answer is in front; the standby color has not been shown to customers.',
      next: ['npm run rollback'],
      exit: exit.refused,
    });
  }
  await say({
    type: 'step.done',
    step: step.id,
    seconds: Math.round(waitedMs()) / 1000,
    acted: false,
    detail: `go by ${answer.by.who}: ${answer.reason}`,
  });
  return undefined;
}

/** How long a step is under way: before this invocation by the journal's times, from here on by a clock that nobody sets. */
function waiting(clock: Clock, startedAt: number): () => number {
  const before = Math.max(0, clock.now() - startedAt) || 0;
  const from = clock.elapsed();
  return () => before + clock.elapsed() - from;
}

function contextOf(options: RunOptions, step: Step, connections: Connections, waitedMs?: () => number): Context {
  const { journal, clock, aws } = options;
  const view = viewOf(journal);
  return {
    window: view.window,
    manifest: view.manifest,
    view,
    aws,
    clock,
    acceptLoss: options.acceptLoss ?? view.current?.acceptLoss ?? false,
    acceptedLosses: options.acceptedLosses ?? view.current?.acceptedLosses ?? [],
    connection: (instance) => connections.another(instance),
    waitedMs: waitedMs ?? waiting(clock, Date.parse(view.current?.steps.get(step.id)?.startedAt ?? '')),
    database: async (instance) => {
      // nobody's clock is asked before an SQL change but ours: a writer that slept must look at the journal first.
      await keepLease(options);
      return connections.to(instance);
    },
    facts(id) {
      const facts = view.facts(id);
      if (!facts) throw new Error(`the step ${id} has left no facts in ${view.name}`);
      return facts;
    },
    progress: async (text, share) => {
      await journal.append(options.run, options.by, progressed(step, text, share));
    },
    closeWindow: async (outcome) => {
      await journal.append(options.run, options.by, { type: 'window.closed', outcome });
    },
  };
}

const lastProgress = new WeakMap<Journal, number>();

const progressed = ({ id }: Step, text: string, share: number | undefined): EventBody => ({
  type: 'step.progress',
  step: id,
  text,
  ...(share === undefined ? {} : { share }),
});

/** At most one line a second into the journal, so that a fast poll does not fill it. */
async function sayProgress({ journal, clock, run, by }: RunOptions, step: Step, text: string, share?: number): Promise<boolean> {
  if (clock.elapsed() - (lastProgress.get(journal) ?? Number.NEGATIVE_INFINITY) < 1000) return false;
  lastProgress.set(journal, clock.elapsed());
  await journal.append(run, by, progressed(step, text, share));
  return true;
}

/** A run that waits long says that it is alive, before its lease is half gone. */
async function keepLease({ journal, clock, run, by }: RunOptions): Promise<void> {
  const last = Date.parse(journal.events.findLast((event) => event.run === run && !isNote(event))?.at ?? '') || 0;
  const age = clock.now() - last;
  // a clock that says less than nothing, or that was set meanwhile, says nothing: the journal is looked at.
  if (age >= 0 && age < (leaseSeconds / 3) * 1000 && !clock.doubtful()) return;
  await journal.append(run, by, { type: 'run.alive' });
}

/** While a step is long at one thing, a statement or a task that comes up slowly, its run says that it is alive. */
async function alive<T>(options: RunOptions, work: () => Promise<T>): Promise<T> {
  const { journal, clock, run } = options;
  const say = async () => {
    await journal.glance();
    const asked = stopAskedOf(run, journal.events);
    // a step that never ends must not keep the window from whoever asked for it.
    if (!asked || clock.now() - Date.parse(asked.at) < finishMs) await keepLease(options);
  };
  // a journal that no longer takes its word stops the run, as at any other event.
  let lost: unknown;
  const failed = (error: unknown) => {
    lost ??= error;
  };
  const stop = clock.every((leaseSeconds / 6) * 1000, () => void say().catch(failed));
  try {
    const answer = await work();
    if (lost) throw lost;
    return answer;
  } finally {
    stop();
  }
}

/** This run as the databases know it: later runs of the journal have higher numbers. */
function holdingRun({ journal, run, verb, by }: RunOptions): HoldingRun {
  const started = journal.events.findLast((event) => event.type === 'run.started' && event.run === run);
  if (!started) throw new Error('a run that has not begun has no business with a database');
  return { number: started.number, window: journal.window, verb, by };
}

function begunBy(journal: Journal, step: string, run: string): boolean {
  let begun = false;
  for (const event of journal.events) {
    if (event.type === 'step.started' && event.step === step && event.run === run) begun = true;
    // an operator who runs the verb again asks for another try.
    if (event.type === 'run.started') begun = false;
  }
  return begun;
}

const views = new WeakMap<Journal, { readonly events: number; readonly view: WindowView | undefined }>();

/** Folded once for each event, not for each look: a night has thousands of both. */
export function viewOf(journal: Journal): WindowView {
  const known = views.get(journal);
  const view = known?.events === journal.events.length ? known.view : fold(journal.events);
  views.set(journal, { events: journal.events.length, view });
  if (!view) throw new Stop('journal.empty', `the journal of ${journal.window} has no first event`, { next: ['npm run status'] });
  return view;
}

export function seriesOf(journal: Journal): Series {
  const { current } = viewOf(journal);
  if (!current) throw new Error('no run has been started');
  return current;
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

const nextAfterFailure = (verb: Verb): string[] =>
  verb === 'cutover'
    ? ['npm run rollback', 'or, when the reason is gone: npm run cutover']
    : [`when the reason is gone: npm run ${verb}`, 'npm run status'];

function asStop(error: unknown, verb: Verb): Stop {
  if (error instanceof Stop) return error;
  return new Stop('switchback.bug', `${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, {
    state: 'This is a fault of Switchback itself; the journal says what it had done.',
    next: [`npm run ${verb}`, 'npm run status'],
    cause: error,
  });
}
