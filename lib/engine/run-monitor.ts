/**
 * What a run pays attention to beside its own step: another writer, somebody who wishes it to stop, traffic that was
 * moved behind its back, and the decision time. Looked at before every step and while one is waited for.
 */

import { explain } from '../aws';
import { answers, say, switchback } from '../base/advice';
import { exit, messageOf, Stop } from '../base/errors';
import { again } from './again';
import { answerSeconds, decide, hasMoved, warningDue } from './decision-time';
import { otherWriter } from './journal';
import { seriesOf, viewOf } from './journal-view';
import { keepLease } from './keep-lease';
import { stopAskedOf, windowTakenOver } from './lease';
import { movesTraffic, siteIsDown, siteIsOpening } from './milestones';
import { finishMs, type RunAnswer, type RunOptions } from './run-options';
import type { Observation, Step } from './step';
import { decisionStep } from './step-id';
import type { Decision, UpBy } from './window-view';

/** How often is looked while a step is waited for. */
const newsMs = 1000;
const trafficMs = 5000;
const decisionMs = 30_000;
/** A failover takes one to two minutes. */
const lookMs = 150_000;

export class RunMonitor {
  private newsAt = Number.NEGATIVE_INFINITY;
  private trafficAt = Number.NEGATIVE_INFINITY;
  private decisionAt = Number.NEGATIVE_INFINITY;
  private ahead: Promise<void> | undefined;
  /** Steps that are done again in this run. */
  private readonly again = new Set<string>();

  constructor(
    private readonly options: RunOptions,
    private readonly plan: readonly Step[],
    private readonly observe: (step: Step) => Promise<Observation>,
  ) {}

  /** @throws Stop when the run must not go on; answers a question for people at the decision time */
  async before(step: Step): Promise<RunAnswer | undefined> {
    // at once: while the site is down, every call between two steps is felt.
    await (this.ahead ?? Promise.all([this.news(), this.traffic()]));
    this.ahead = undefined;
    this.stopIfAsked(step, 0);
    return this.decision(step);
  }

  /**
   * Begins the look before the next step, for while the end of this one is being written. There will be no news to look
   * for: whoever wrote beside us takes the number that our own end wants, which is how we learn of it.
   */
  lookAhead(): void {
    this.ahead = this.traffic();
    // awaited before the next step; after the last there is none.
    this.ahead.catch(() => undefined);
  }

  /** The same, seldom enough not to be felt. */
  async during(step: Step): Promise<RunAnswer | undefined> {
    const { clock, journal } = this.options;
    const elapsed = clock.elapsed();
    if (elapsed - this.newsAt >= newsMs) await this.news();
    this.stopIfAsked(step, finishMs);
    if (elapsed - this.trafficAt >= trafficMs) await this.traffic();
    const { upBy } = viewOf(journal);
    const due = upBy?.decision !== undefined && clock.now() >= Date.parse(upBy.decision.decideBy);
    return due || elapsed - this.decisionAt >= decisionMs ? this.decision(step) : undefined;
  }

  /** Whether a step needs nothing any more. */
  isDone({ id }: { readonly id: Step['id'] | 'end' }): boolean {
    return seriesOf(this.options.journal).steps.get(id)?.doneAt !== undefined && !this.again.has(id);
  }

  /** Told by the runner at the end of a step. */
  taken({ id }: Step): void {
    this.again.delete(id);
  }

  /** Steps that do not hold any more and may be done again are, when this run's operator has been told before. */
  atBeginning(): Promise<void> {
    return this.patiently(() => this.begin());
  }

  private async begin(): Promise<void> {
    const { noLongerHold } = viewOf(this.options.journal);
    for (const step of this.plan) {
      if (!step.again || !noLongerHold.has(step.id) || !this.isDone(step)) continue;
      if ((await this.observe(step)).is === 'todo') this.again.add(step.id);
    }
    await this.whatMustHold();
  }

  /** What was changed behind the back of a run is said before the run says that it is done. */
  atEnd(): Promise<void> {
    return this.patiently(() => this.whatMustHold());
  }

  /** A look that fails is made again: a database that restarts is no fault of anybody. @throws Stop `step.unseen` */
  private async patiently(look: () => Promise<void>): Promise<void> {
    const { clock, verb, journal } = this.options;
    const from = clock.elapsed();
    for (;;) {
      try {
        return await look();
      } catch (error) {
        if (error instanceof Stop || explain(error) instanceof Stop || error instanceof TypeError || error instanceof ReferenceError)
          throw error;
        if (clock.elapsed() - from > lookMs)
          throw new Stop('step.unseen', `what had been confirmed could not be looked at for ${lookMs / 1000} s: ${messageOf(error)}`, {
            state: 'Nothing was changed meanwhile.',
            next: [again(verb, seriesOf(journal)), switchback('status')],
            cause: error,
          });
        await keepLease(this.options);
        await clock.pause(1000);
      }
    }
  }

  /** A confirmed step that no longer holds stops the run: somebody or something changed the world behind our back. */
  private async whatMustHold(which: (step: Step) => boolean = () => true): Promise<void> {
    const { verb, journal } = this.options;
    const { steps } = seriesOf(journal);
    const isDone = (id: Step['id'] | 'end') => this.isDone({ id });
    // one whose end has begun may be half undone by us.
    const holding = this.plan.filter(
      (step) => which(step) && isDone(step.id) && step.holdsUntil !== undefined && !isDone(step.holdsUntil) && !steps.has(step.holdsUntil),
    );
    const looks = await Promise.all(holding.map(async (step) => ({ step, seen: await this.observe(step) })));
    for (const { step, seen } of looks) {
      if (seen.is === 'todo') {
        throw new Stop(
          'step.no-longer-holds',
          `"${step.title}" was confirmed at ${steps.get(step.id)?.doneAt} and is not so any more${seen.detail ? `: ${seen.detail}` : ''}`,
          {
            state: 'Somebody or something changed it; nothing has been done about it.',
            next: [
              switchback('status'),
              ...(step.again ? [say`${again(verb, seriesOf(journal))} makes it so again`] : []),
              ...(verb === 'rollback' && step.again ? [] : [switchback('rollback')]),
            ],
            step: step.id,
          },
        );
      }
    }
  }

  private async news(): Promise<void> {
    const { journal, clock, run } = this.options;
    this.newsAt = clock.elapsed();
    await passing(() => journal.refresh());
    // having read their event, the next number would be free: the journal itself would no longer stop us.
    if (seriesOf(journal).run !== run)
      throw otherWriter(
        journal.events.findLast(({ type }) => type === 'run.started'),
        journal.window,
      );
  }

  private stopIfAsked(step: Step, grace: number): void {
    const { journal, clock, run, verb } = this.options;
    const asked = stopAskedOf(run, journal.events);
    if (!asked || clock.now() - Date.parse(asked.at) < grace) return;
    if (asked.takeOver) throw windowTakenOver(journal.window, asked);
    const where = grace > 0 ? `while "${step.title}" was waited for` : `before "${step.title}"`;
    throw new Stop('run.stop-asked', `${asked.by.who} on ${asked.by.where} asked it to stop (${asked.why}); it stopped ${where}`, {
      state: 'What had been asked of AWS goes on by itself; no step is half known.',
      next: [again(verb, seriesOf(journal)), ...(verb === 'cutover' ? [switchback('rollback')] : []), switchback('status')],
      exit: exit.interrupted,
    });
  }

  /** The order of the rules is one call; it tells of every way in which somebody may have moved traffic. */
  private async traffic(): Promise<void> {
    const { clock, journal, externalState, run } = this.options;
    this.trafficAt = clock.elapsed();
    const started = journal.events.find((event) => event.type === 'run.started' && event.run === run);
    const holds = passing(() => this.whatMustHold(({ id }) => movesTraffic(id)));
    // awaited below, unless the emergency explains it.
    holds.catch(() => undefined);
    const emergency = await passing(async () => externalState?.emergencySince(Date.parse(started?.at ?? '')));
    if (emergency) {
      throw new Stop('traffic.emergency', emergency, {
        state: 'The old release is in front; the databases are as this run left them.',
        next: [switchback('status'), switchback('rollback')],
      });
    }
    await holds;
  }

  private async decision(step: Step): Promise<RunAnswer | undefined> {
    const { clock, journal, externalState, run, by, verb } = this.options;
    this.decisionAt = clock.elapsed();
    const view = viewOf(journal);
    const { upBy } = view;
    // once customers are on the new color, the hour has been met or missed.
    if (!upBy || !externalState || verb !== 'cutover' || !view.window.from || siteIsOpening(view)) return undefined;
    const answer = view.answers.get(decisionStep);
    if (answer?.answer === 'go') return undefined;
    if (answer) {
      const said = `said ${answer.by.who} at the decision time: ${answer.reason}`;
      throw siteIsDown(view) ? rollBack(`roll back, ${said}`) : stayOpen(`not now, ${said}`);
    }
    const way = await passing(() => externalState.rollback(view, step.id));
    const decision = way ? decide(upBy.upBy, way) : upBy.decision;
    if (!decision) return undefined;
    const warning = warningDue(decision, upBy, clock.now());
    if (warning !== undefined || hasMoved(upBy.decision, decision)) {
      const { decideBy, rollbackSeconds, steps, measuredSteps } = decision;
      await journal.append(run, by, {
        type: 'decision.time',
        ...{ decideBy, upBy: upBy.upBy, rollbackSeconds, steps, measuredSteps },
        ...(warning === undefined ? {} : { warning }),
      });
    }
    return clock.now() < Date.parse(decision.decideBy) ? undefined : this.ask(upBy, decision);
  }

  private async ask({ upBy, atDecision }: UpBy, { rollbackSeconds }: Decision): Promise<RunAnswer> {
    const { journal, run, by, unanswered } = this.options;
    const asked = journal.events.findLast((event) => event.type === 'gate.asked' && event.step === decisionStep && event.run === run);
    const since = journal.events.findLast((event) => event.type === 'up-by.set')?.number ?? 0;
    const isAsked = asked !== undefined && asked.number > since;
    const down = siteIsDown(viewOf(journal));
    if (unanswered && isAsked) throw byPolicy(atDecision, upBy, down);
    const question = `The decision time: a rollback from here takes about ${Math.ceil(rollbackSeconds / 60)} min and must be done by ${upBy}. Go on (go) or ${down ? 'roll back' : 'stop here'} (no-go)?`;
    if (!isAsked) await journal.append(run, by, { type: 'gate.asked', step: decisionStep, question });
    return { state: 'gate', step: decisionStep, question };
  }
}

const rollBack = (message: string): Stop =>
  new Stop('decision.roll-back', message, {
    state: 'Customers are where the last step left them.',
    next: [switchback('rollback'), switchback('status')],
    exit: exit.refused,
  });

const stayOpen = (message: string): Stop =>
  new Stop('decision.hold', message, {
    state: 'Customers are served by the old release.',
    next: [switchback('cutover', '--up-by <a later hour>'), switchback('status')],
    exit: exit.refused,
  });

function byPolicy(policy: UpBy['atDecision'], upBy: string, down: boolean): Stop {
  const nobody = `nobody answered within ${answerSeconds} s of the decision time for ${upBy}`;
  if (!down) return stayOpen(`${nobody}; the cutover has not begun`);
  if (policy === 'rollback') return rollBack(`${nobody}; the window's policy is to roll back`);
  return new Stop('decision.hold', `${nobody}; the window's policy is to hold: nothing goes on by itself`, {
    state: 'Customers are where the last step left them.',
    next: [switchback('rollback'), answers[0], switchback('cutover', '--up-by <a later hour>'), switchback('status')],
    exit: exit.refused,
  });
}

/** A look that fails for a passing reason is made again at the next; only what was found out stops a run. */
async function passing<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Stop) throw error;
    return undefined;
  }
}
