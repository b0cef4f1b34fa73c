/**
 * A terminal takes a verb through: it asks the runner to advance, draws the journal while it does, and asks people at
 * gates. Pulling its plug changes nothing: what has been done is in the journal, the runner finishes its step.
 */
import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import { switchback } from '../base/advice';
import type { Clock } from '../base/clock';
import { exit, messageOf, Stop } from '../base/errors';
import { answerSeconds, warningDue } from '../engine/decision-time';
import type { JournalEvent, Verb } from '../engine/events';
import { refuseAnswer } from '../engine/gate';
import { Journal } from '../engine/journal';
import { holderOf, takenFrom, windowHeld, windowTakenOver } from '../engine/lease';
import type { RunAnswer } from '../engine/run-options';
import { decisionStep } from '../engine/step-id';
import { answerText, type Decision, fold, type WindowView } from '../engine/window-view';
import type { SharedPart } from '../manifest/schema';
import type { Reply, VerbRequest } from '../operations/request';
import { runVerb } from '../operations/run-verb';
import type { Screen } from '../report';
import { spell } from '../report/advice';
import { askRunner } from './ask-runner';
import type { Answer, Gate, LandingWord } from './gate';
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
      `Ctrl-C: asked to stop after this step. ${without}; then: ${spell(switchback('status'))}, ${spell(switchback(request.verb))}`,
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
    if (request.overrule) follower.sayOverruled();
    // at once: asked, the runner would be busy with their run until its next pause.
    if (!request.takeOver) follower.refuseIfHeld();
    for (;;) {
      if (request.takeOver) await waitForHolder(request, options, follower);
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
    if (said?.answer) return { answer: said.answer };
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

/** Reads the journal of the window that is open, or that the runner opens. */
class Follower {
  readonly screen: Screen;
  /** Whoever answered elsewhere went on, and is followed. */
  follows = false;
  private shown = 0;
  private wish: { readonly of: string; readonly why: string } | undefined;

  private constructor(
    private readonly options: DriveOptions,
    private readonly request: VerbRequest,
    readonly shared: SharedPart,
    /** Windows that were closed before we began: not ours. */
    private readonly before: ReadonlySet<string>,
    public journal: Journal | undefined,
  ) {
    this.screen = options.screen(request.verb, request.run);
  }

  static async start(request: VerbRequest, options: DriveOptions): Promise<Follower> {
    const { manifest } = await options.aws.settings.manifest(request.system);
    const store = options.aws.journal(manifest.shared.journalBucket, request.system);
    const names = await store.windows();
    const last = names.at(-1);
    const newest = last === undefined ? undefined : new Journal(store, last, options.clock, randomUUID);
    await newest?.refresh();
    const open = newest && fold(newest.events)?.closed === undefined ? newest : undefined;
    return new Follower(options, request, manifest.shared, new Set(names), open);
  }

  get run(): string {
    return this.request.run;
  }

  get view(): WindowView | undefined {
    return this.journal && fold(this.journal.events);
  }

  /** The number of the event that set the window's hour. */
  get hour(): number | undefined {
    return this.journal?.events.findLast(({ type }) => type === 'up-by.set')?.number;
  }

  /** Nothing is left to answer: the verb has been done, and says so itself. */
  get finished(): boolean {
    return this.view?.current?.ended === 'finished' && this.view.current.verb === this.request.verb;
  }

  /** Whom an answer that overrules takes the place of, said before it does. */
  sayOverruled(): void {
    const { view, request } = this;
    const standing = view?.question && view.answers.get(view.question.step);
    if (standing && standing.answer !== request.answer?.answer)
      this.options.note(`overrules the ${answerText(standing)} on ${standing.by.where} at ${standing.at}: ${standing.reason}`);
  }

  /** Somebody took the place of an answer that was given here. */
  private hearOfOverruling(added: readonly JournalEvent[]): void {
    for (const event of added) {
      if (event.type !== 'gate.answered' || event.overrules === undefined || event.run === this.request.run) continue;
      const mine = this.journal?.events[event.overrules.number - 1];
      if (mine?.type === 'gate.answered' && mine.run === this.request.run)
        this.options.note(`your ${mine.answer} was overruled: ${event.answer} by ${event.by.who} on ${event.by.where}: ${event.reason}`);
    }
  }

  /** @throws Stop `window.held` */
  refuseIfHeld(): void {
    const { view, request } = this;
    const held = holderOf(view?.current, request.run, this.options.clock.now());
    if (view && held) throw windowHeld(view, held, request);
  }

  /** @throws Stop `window.taken-over` */
  stopIfTakenOver(): void {
    const taker = this.journal && takenFrom(this.request.run, this.journal.events);
    if (this.journal && taker) throw windowTakenOver(this.journal.window, taker);
  }

  async look(): Promise<void> {
    const added = await this.added().catch(() => []);
    const view = this.view;
    this.hearOfOverruling(added);
    if (view && added.length > 0) this.screen.events(view, added);
    else this.screen.tick(this.options.clock.now());
  }

  /** Leaves a note for a run: it stops after the step it is in. Where no window is open yet, as soon as one is. */
  async askToStop(of: string, why: string, takeOver = false): Promise<void> {
    if (this.journal)
      await this.journal.note(this.request.run, this.request.by, { type: 'stop.asked', of, why, ...(takeOver ? { takeOver } : {}) });
    else this.wish = { of, why };
  }

  async warn(upBy: string, { decideBy, rollbackSeconds, steps, measuredSteps }: Decision, warning: number): Promise<void> {
    const { run, by } = this.request;
    await this.journal?.note(run, by, { type: 'decision.time', decideBy, upBy, rollbackSeconds, steps, measuredSteps, warning });
  }

  /** What somebody says of a landing test. */
  async tell(landing: LandingWord): Promise<void> {
    await this.journal?.note(this.request.run, this.request.by, { type: 'landing.told', ...landing });
  }

  /** A look that fails is not the run's trouble: the next one shows what this one missed. */
  private async added(): Promise<readonly JournalEvent[]> {
    if (!this.journal) {
      const store = this.options.aws.journal(this.shared.journalBucket, this.request.system);
      const mine = (await store.windows()).filter((name) => !this.before.has(name)).at(-1);
      if (mine === undefined) return [];
      this.journal = new Journal(store, mine, this.options.clock, randomUUID);
      if (this.wish) await this.askToStop(this.wish.of, this.wish.why);
    }
    await this.journal.refresh();
    const added = this.journal.events.slice(this.shown);
    this.shown = this.journal.events.length;
    return added;
  }

  async stop(): Promise<void> {
    await this.look();
    this.screen.close();
  }
}
