/**
 * A terminal takes a verb through: it asks the runner to advance, draws the journal while it does, and asks people at
 * gates. Pulling its plug changes nothing: what has been done is in the journal, the runner finishes its step.
 */
import type { Aws } from '../aws';
import { say, switchback } from '../base/advice';
import type { Clock } from '../base/clock';
import { exit, messageOf, Stop } from '../base/errors';
import { again } from '../engine/again';
import { answerSeconds, warningDue } from '../engine/decision-time';
import type { Verb } from '../engine/events';
import { refuseAnswer } from '../engine/gate';
import { holderOf } from '../engine/lease';
import type { RunAnswer } from '../engine/run-options';
import { decisionStep } from '../engine/step-id';
import { answerText } from '../engine/window-view';
import type { Reply, VerbRequest } from '../operations/request';
import { carried, refuseDuringHold, runVerb } from '../operations/run-verb';
import type { Screen } from '../report';
import { spell } from '../report/advice';
import { askRunner } from './ask-runner';
import { Follower } from './follower';
import type { Answer, Gate } from './gate';
import { endOf, watch } from './watch';

/** A runner that was asked and has not begun by then never heard of it. */
const beginMs = 30_000;

export interface DriveOptions {
  readonly aws: Aws;
  readonly clock: Clock;
  /** `watching`: of a run that goes on when this terminal leaves. */
  readonly screen: (verb: Verb, run: string, watching?: boolean) => Screen;
  /** Runs the steps in this process instead of asking the runner function. */
  readonly here: boolean;
  /** Asks a person at a gate; answers undefined when there is nobody to ask, or when the signal was aborted. */
  readonly ask: (gate: Gate, signal: AbortSignal) => Promise<Answer | undefined>;
  readonly note: (text: string) => void;
  /** Aborted by Ctrl-C: the run is asked to stop after the step it is in. */
  readonly signal: AbortSignal;
}

/** Takes a request to its end; answers what the runner said last. */
export async function drive(request: VerbRequest, options: DriveOptions): Promise<Reply> {
  const follower = await Follower.start(request, options);
  const onInterrupt = () => {
    // a run of somebody else that is followed is not asked: only the following ends.
    if (follower.follows) return;
    const without = options.here
      ? 'It runs in this terminal, and Ctrl-C again breaks it off'
      : 'The runner ends it also without this terminal, and Ctrl-C again leaves at once';
    options.note(
      `Ctrl-C: asked to stop after this step. ${without}; then: ${spell(switchback('status'))}, ${spell(again(request.verb, request))}`,
    );
    void follower.askToStop(request.run, 'Ctrl-C').catch((error: unknown) => options.note(`it could not be asked: ${messageOf(error)}`));
  };
  options.signal.addEventListener('abort', onInterrupt, { once: true });
  let more: Pick<VerbRequest, 'answer' | 'overrule' | 'unanswered'> = request.answer
    ? { answer: request.answer, ...(request.overrule ? { overrule: true } : {}) }
    : {};
  const { answer: _answer, overrule: _overrule, ...plain } = request;
  try {
    if (options.signal.aborted)
      throw new Stop('terminal.interrupted', 'Ctrl-C: nothing was begun', { next: [switchback('status')], exit: exit.interrupted });
    // whoever was faster is named rather than the run that goes on with their answer.
    if (request.answer && !follower.finished) refuseAnswer(follower.view, request.answer, request);
    const question = follower.view?.question?.step;
    if (more.answer && question !== undefined) more = { ...more, answer: { question, ...more.answer } };
    if (request.overrule) follower.sayOverruled();
    // at once: asked, the runner would be busy with their run until its next pause.
    if (!request.takeOver) follower.refuseIfHeld();
    for (;;) {
      if (request.takeOver) {
        // what would be refused after the lease is refused before it.
        if (request.verb === 'teardown' && follower.view) refuseDuringHold(carried(request, follower.view), follower.view, options.clock);
        await waitForHolder(request, options, follower);
      }
      const reply = await invoke({ ...plain, ...more }, options, follower);
      const typedHere = more.answer !== undefined && more.answer !== request.answer;
      more = {};
      // a person who was asked here and came second hears of it, and sees what comes of the answer that stands.
      if (typedHere && reply.state === 'stopped' && reply.code === 'gate.answered') {
        options.note(reply.message);
        const ended = await theirs(options, follower);
        if (ended) return ended;
        continue;
      }
      // somebody was faster: what they have written since is waited for, too.
      if (request.takeOver && reply.state === 'stopped' && (reply.code === 'window.held' || reply.code === 'runner.busy')) {
        if (options.signal.aborted) throw nothingTaken();
        continue;
      }
      // whoever was faster has begun meanwhile: that is whom the runner is at work for.
      if (reply.state === 'stopped' && reply.code === 'runner.busy') follower.refuseIfHeld();
      if (reply.state === 'continue') continue;
      if (reply.state !== 'gate') return reply;
      const word = await atGate(plain, reply, options, follower);
      if (word === 'elsewhere') {
        const ended = await theirs(options, follower);
        if (ended) return ended;
        continue;
      }
      if (!word) return reply;
      more = word;
    }
  } finally {
    options.signal.removeEventListener('abort', onInterrupt);
    await follower.stop();
  }
}

/** One invocation, with the journal drawn while it is under way. */
async function invoke(request: VerbRequest, options: DriveOptions, follower: Follower): Promise<Reply> {
  const call = options.here
    ? runVerb(request, { aws: options.aws, clock: options.clock, runner: 'terminal', deadline: Number.POSITIVE_INFINITY })
    : askRunner(options.aws, follower.shared, request);
  let over = false;
  const ended = call
    .catch((error: unknown): Reply | Promise<Reply> => {
      if (error instanceof Stop && error.code === 'runner.failed') return died(error, request, options, follower);
      if (error instanceof Stop && error.code === 'runner.unanswered') return unanswered(error, request, options, follower);
      if (!(error instanceof Stop && error.code === 'runner.busy')) throw error;
      return { state: 'stopped', code: error.code, message: error.message, next: error.next, exit: error.exit };
    })
    .finally(() => {
      over = true;
    });
  // failures are handled where `ended` is awaited below.
  ended.catch(() => undefined);
  while (!over) {
    await follower.look();
    await Promise.race([ended.catch(() => undefined), options.clock.pause(200)]);
  }
  await follower.look();
  return ended;
}

/** The runner has died, and its run is still this terminal's: asked again at once it goes on, and nobody waits for a lease. */
function died(lost: Stop, request: VerbRequest, { note }: DriveOptions, follower: Follower): Reply {
  if (follower.diedAgain()) {
    const lease = follower.view?.current?.run === request.run ? follower.view.current.leaseUntil : undefined;
    throw new Stop('runner.failed', lost.message, {
      ...(lost.state === undefined ? {} : { state: lost.state }),
      next: [
        lease ? say`after ${lease}, when its lease ends: ${again(request.verb, request)}` : again(request.verb, request),
        say`or run it with --here from a place that reaches the database`,
      ],
      exit: lost.exit,
      cause: lost,
    });
  }
  note(`${lost.message}; it is asked again, and goes on from there`);
  return { state: 'continue' };
}

/** The runner goes on without us: its journal says how. Asked again it would try again what it has stopped at. */
async function unanswered(lost: Stop, { run }: VerbRequest, { clock, note }: DriveOptions, follower: Follower): Promise<Reply> {
  const from = clock.elapsed();
  note(`${lost.message}; its journal is followed`);
  for (;;) {
    const { journal, view } = follower;
    if (journal && view?.current?.run === run) {
      const end = endOf(journal, view, clock.now());
      if (end) return { ...end, window: view.name };
      // an answer that it was sent with may still be on its way to the question.
      if (view.asked && clock.elapsed() - from > beginMs) return { state: 'continue' };
    } else {
      follower.stopIfTakenOver();
      if (clock.elapsed() - from > beginMs) throw lost;
    }
    // drawn by whoever waits for this.
    await clock.pause(500);
  }
}

/**
 * Waits until the run that holds the window has ended, or has not written for the length of its lease. It is asked
 * to stop after its step, so that a living one does not keep the window for ever.
 */
async function waitForHolder(request: VerbRequest, { clock, note, signal }: DriveOptions, follower: Follower): Promise<void> {
  let asked: string | undefined;
  let said = Number.POSITIVE_INFINITY;
  for (;;) {
    await follower.look();
    const held = holderOf(follower.view?.current, request.run, clock.now());
    if (!held) return;
    if (signal.aborted) throw nothingTaken();
    if (asked !== held.run) {
      asked = held.run;
      await follower.askToStop(held.run, `${request.by.who} on ${request.by.where} takes over`, true);
      note(`${held.by.who} on ${held.by.where} has the window (${held.verb} since ${held.startedAt}); asked to stop after its step`);
    }
    const seconds = Math.ceil((Date.parse(held.leaseUntil) - clock.now()) / 1000);
    // a line every ten seconds; a holder that writes moves its lease on, and the count begins anew.
    if (seconds <= said - 10 || seconds > said) {
      note(`taking over in ${seconds} s, unless it writes again`);
      said = seconds;
    }
    await clock.pause(1000);
  }
}

const nothingTaken = (): Stop =>
  new Stop('terminal.interrupted', 'Ctrl-C: nothing was taken over', { next: [switchback('status')], exit: exit.interrupted });

/** What people say at a gate, here or elsewhere; undefined when nobody is there to be asked. */
async function atGate(
  request: VerbRequest,
  gate: Extract<RunAnswer, { state: 'gate' }>,
  { ask, clock, note, signal }: DriveOptions,
  follower: Follower,
): Promise<Pick<VerbRequest, 'answer' | 'unanswered'> | 'elsewhere' | undefined> {
  const decision = gate.step === decisionStep;
  // an older runner asks, and is told.
  if (request.ahead && !decision) return { answer: request.ahead };
  const until = decision ? clock.elapsed() + answerSeconds * 1000 : Number.POSITIVE_INFINITY;
  const asking = new AbortController();
  let said: { answer: Answer | undefined } | undefined;
  const asked: Gate = {
    ...{ verb: request.verb, step: gate.step, question: gate.question },
    tests: decision ? [] : (follower.view?.manifest.shared.landingTests ?? []),
    tell: (landing) => follower.tell(landing),
  };
  const answer = ask(asked, asking.signal).then((word) => {
    said = { answer: word };
  });
  const stopAsking = async () => {
    asking.abort();
    await answer;
  };
  const hour = follower.hour;
  for (;;) {
    await (said ? clock.pause(500) : Promise.race([answer, clock.pause(500)]));
    if (said?.answer) return { answer: { ...said.answer, question: gate.step } };
    // where nobody can be asked, others still have their time to answer at the decision time.
    if (said && !decision) return undefined;
    if (signal.aborted) {
      await stopAsking();
      throw new Stop('terminal.interrupted', 'Ctrl-C: a question for people is open; nothing runs', {
        next: [switchback(request.verb), switchback('rollback'), switchback('status')],
        exit: exit.interrupted,
      });
    }
    await follower.look();
    const view = follower.view;
    const word = view?.answers.get(gate.step);
    if (word || view?.current?.run !== request.run) {
      await stopAsking();
      follower.stopIfTakenOver();
      note(word ? `${answerText(word)} on ${word.by.where}: ${word.reason}` : 'somebody else goes on with the window');
      return 'elsewhere';
    }
    if (clock.elapsed() >= until) {
      await stopAsking();
      return { unanswered: true };
    }
    const upBy = view.answers.has(decisionStep) ? undefined : view.upBy;
    if (follower.hour !== hour || (!decision && upBy?.decision && clock.now() >= Date.parse(upBy.decision.decideBy))) {
      // the runner works the decision time out anew, or asks the other question.
      await stopAsking();
      return {};
    }
    const warning = upBy?.decision && !decision ? warningDue(upBy.decision, upBy, clock.now()) : undefined;
    // nothing runs that would write it; a warning that cannot be written is tried again at the next look.
    if (upBy?.decision && warning !== undefined) await follower.warn(upBy.upBy, upBy.decision, warning).catch(() => undefined);
  }
}

/** Whoever answers elsewhere goes on from there: their run is followed. If none comes, this terminal goes on itself. */
async function theirs(options: DriveOptions, follower: Follower): Promise<Reply | undefined> {
  const from = options.clock.elapsed();
  const mine = follower.run;
  while (follower.view?.current?.run === mine) {
    if (options.clock.elapsed() - from > 15_000) return undefined;
    await options.clock.pause(500);
    await follower.look();
  }
  follower.stopIfTakenOver();
  const { journal } = follower;
  if (!journal) return undefined;
  follower.screen.close();
  follower.follows = true;
  const ended = await watch(journal, {
    clock: options.clock,
    screen: (verb, run) => options.screen(verb, run, true),
    signal: options.signal,
  });
  if (!ended && options.signal.aborted)
    throw new Stop('terminal.interrupted', 'Ctrl-C: this terminal follows no more; the run of the other one goes on', {
      next: [switchback('status', '--watch'), switchback('status')],
      exit: exit.interrupted,
    });
  return ended?.reply ?? { state: 'finished', window: journal.window };
}
