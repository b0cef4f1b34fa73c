/** What a terminal knows of the window that it takes through: its journal, read again and again, and drawn. */
import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import type { Clock } from '../base/clock';
import type { JournalEvent, Verb } from '../engine/events';
import { Journal } from '../engine/journal';
import { holderOf, takenFrom, windowHeld, windowTakenOver } from '../engine/lease';
import { answerText, type Decision, fold, type WindowView } from '../engine/window-view';
import type { SharedPart } from '../manifest/schema';
import type { VerbRequest } from '../operations/request';
import type { Screen } from '../report';
import type { LandingWord } from './gate';

interface Followed {
  readonly aws: Aws;
  readonly clock: Clock;
  readonly screen: (verb: Verb, run: string, watching?: boolean) => Screen;
  readonly note: (text: string) => void;
}

/** Reads the journal of the window that is open, or that the runner opens. */
export class Follower {
  readonly screen: Screen;
  /** Whoever answered elsewhere went on, and is followed. */
  follows = false;
  private shown = 0;
  private doneAtDeath: number | undefined;
  private wish: { readonly of: string; readonly why: string } | undefined;

  private constructor(
    private readonly options: Followed,
    private readonly request: VerbRequest,
    readonly shared: SharedPart,
    /** Windows that were closed before we began: not ours. */
    private readonly before: ReadonlySet<string>,
    public journal: Journal | undefined,
  ) {
    this.screen = options.screen(request.verb, request.run);
  }

  static async start(request: VerbRequest, options: Followed): Promise<Follower> {
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

  /** Whether the runner died a second time before another step was done. */
  diedAgain(): boolean {
    const done = this.journal?.events.filter(({ type }) => type === 'step.done').length ?? 0;
    const again = this.doneAtDeath === done;
    this.doneAtDeath = done;
    return again;
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
