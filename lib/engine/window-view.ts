/** What a window's journal says: a fold over its events, used by the runner, the plans and every screen. */

import { type Advice, switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { Manifest, SystemState } from '../manifest/schema';
import {
  type AtDecision,
  type Durations,
  type EventBody,
  type Facts,
  type GateAnswer,
  isNote,
  type JournalEvent,
  type Operator,
  type PlannedStep,
  type Verb,
  type Window,
} from './events';
import { decisionStep, type StepId } from './step-id';
import { judged, type Verdict } from './verdict';

/** How long a writer that says nothing holds the window. */
export const leaseSeconds = 60;

export interface StepRecord {
  readonly id: string;
  readonly startedAt: string | undefined;
  readonly doneAt: string | undefined;
  readonly seconds: number | undefined;
  readonly facts: Facts | undefined;
  readonly detail: string | undefined;
  /** What it has said last while it was under way, and since when. */
  readonly says?: { readonly text: string; readonly at: string };
}

/** One verb's steps, over all invocations that went on with it. */
export interface Series {
  readonly verb: Verb;
  readonly run: string;
  readonly by: Operator;
  /** Why, in the operator's words. */
  readonly reason: string | undefined;
  readonly startedAt: string;
  /** When the run began that goes on with the series now. */
  readonly runSince: string;
  readonly plan: readonly PlannedStep[];
  readonly steps: ReadonlyMap<string, StepRecord>;
  readonly acceptLoss: boolean;
  readonly acceptedLosses: readonly string[];
  readonly now: boolean;
  readonly keepStandby: boolean;
  readonly undo: boolean;
  /** Until when the writer of the series holds the window. */
  readonly leaseUntil: string;
  readonly ended: 'finished' | 'stopped' | undefined;
}

/** The window's hour, and the decision time as it was last worked out for it. */
export interface UpBy {
  readonly upBy: string;
  readonly atDecision: AtDecision;
  readonly decision: Decision | undefined;
  /** Minutes before the decision time that have been warned about. */
  readonly warned: readonly number[];
  /** When the schedule found that nobody was there at the decision time. */
  readonly unanswered: string | undefined;
}

export interface Decision {
  /** ISO time. */
  readonly decideBy: string;
  readonly rollbackSeconds: number;
  readonly steps: number;
  readonly measuredSteps: number;
}

/**
 * Another hour leaves the window's policy as it was, unless another is given with it.
 * @throws Stop `up-by.first-opening`
 */
export function hourSet(
  view: Pick<WindowView, 'upBy' | 'window'>,
  { upBy, atDecision = view.upBy?.atDecision ?? 'hold' }: { readonly upBy: string; readonly atDecision?: AtDecision },
): EventBody {
  refuseHour(view.window);
  return { type: 'up-by.set', upBy, atDecision };
}

/** Nobody waits for a first opening, and the time of its way back is not counted: an hour would be taken and do nothing. */
export function refuseHour({ name, system, from }: Window): void {
  if (from) return;
  throw new Stop(
    'up-by.first-opening',
    `--up-by says nothing here: ${name} opens ${system} for the first time, and nobody is waiting for it`,
    {
      next: [switchback('cutover')],
      exit: exit.usage,
    },
  );
}

/** What somebody said of a landing test. */
export interface LandingTold {
  readonly passed: boolean;
  readonly what?: string;
  readonly by: Operator;
  readonly at: string;
}

/** The answer to a question that counts. */
export interface StandingAnswer extends GateAnswer {
  readonly by: Operator;
  readonly at: string;
  readonly run: string;
  /** Its event in the journal. */
  readonly number: number;
  /** The answer that it took the place of. */
  readonly overruled?: StandingAnswer;
}

/** `go by Bob, who overruled the no-go of Ana` */
export const answerText = ({ answer, by, overruled }: StandingAnswer): string =>
  `${answer} by ${by.who}${overruled ? `, who overruled the ${overruled.answer} of ${overruled.by.who}` : ''}`;

export interface WindowView {
  readonly name: string;
  readonly window: Window;
  readonly manifest: Manifest;
  readonly state: SystemState;
  readonly openedAt: string;
  /** The newest series of each verb. */
  readonly series: Readonly<Partial<Record<Verb, Series>>>;
  /** The verb that ran last. */
  readonly current: Series | undefined;
  /** What steps took in earlier windows. */
  readonly durations: Durations;
  /** The hour by which something must be up, if one was given. */
  readonly upBy: UpBy | undefined;
  /** The question that nobody has answered yet. */
  readonly asked: { readonly step: string; readonly question: string } | undefined;
  /** The question of the current series that is to be answered, or was answered last. */
  readonly question: { readonly step: string; readonly question: string; readonly number: number; readonly at: string } | undefined;
  /** Answers at gates, by step, of the current series: of several the first, unless a later one overrules it. */
  readonly answers: ReadonlyMap<string, StandingAnswer>;
  /** What was said last of each landing test, in the current series. */
  readonly landing: ReadonlyMap<string, LandingTold>;
  /** Numbers of answers that came second, and count for nothing. */
  readonly uncounted: ReadonlySet<number>;
  /** Facts of the newest confirmation of a step, whatever verb it was in. */
  facts(step: StepId): Facts | undefined;
  /** Steps of the current series whose operator was told that they no longer hold, and that have not been done since. */
  readonly noLongerHold: ReadonlySet<string>;
  /** Codes of the runs that stopped, in order. */
  readonly stops: readonly string[];
  /** Whether a step was ever begun: written ahead of its first change. */
  begun(verb: Verb, step: StepId): boolean;
  readonly closed: string | undefined;
  /** Tasks that must run once, by their tokens. */
  readonly tasks: ReadonlyMap<string, AskedTask>;
  /** Why the teardown that begins by itself did not, until one has. */
  readonly refusedTeardown:
    | { readonly code: string; readonly message: string; readonly at: string; readonly next: readonly Advice[] }
    | undefined;
  /** What the proof of a rollback found. */
  readonly verdict: Verdict | undefined;
}

/** ISO time of the first asking. No `arn`: the answer was lost, or refused. */
export interface AskedTask {
  readonly at: string;
  readonly arn?: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Every event of its writer moves the lease on; a question to people lets go of it. */
const leaseAfter = ({ type, at }: JournalEvent): string =>
  type === 'gate.asked' ? at : new Date(Date.parse(at) + leaseSeconds * 1000).toISOString();

/** Two that were written in one moment have two numbers: whoever comes second has answered nothing, unless it says whom it overrules. */
function answered(answers: Map<string, StandingAnswer>, event: Extract<JournalEvent, { type: 'gate.answered' }>): boolean {
  const standing = answers.get(event.step);
  if (standing && event.overrules?.number !== standing.number) return false;
  const { answer, reason, by, at, run, number } = event;
  answers.set(event.step, { answer, reason, by, at, run, number, ...(standing ? { overruled: standing } : {}) });
  return true;
}

export function fold(journal: readonly JournalEvent[]): WindowView | undefined {
  // a first opening that was closed again is opened anew in the same journal.
  const opened = journal.findLastIndex(({ type }) => type === 'window.opened');
  const first = journal[opened];
  if (first?.type !== 'window.opened') return undefined;
  const series: Partial<Record<Verb, Mutable<Series> & { steps: Map<string, StepRecord> }>> = {};
  const answers = new Map<string, StandingAnswer>();
  const uncounted = new Set<number>();
  const landing = new Map<string, LandingTold>();
  const questions = new Map<string, NonNullable<WindowView['question']>>();
  const facts = new Map<string, Facts>();
  const begun = new Set<string>();
  const stops: string[] = [];
  const noLongerHold = new Set<string>();
  let current: (Mutable<Series> & { steps: Map<string, StepRecord> }) | undefined;
  const asked = new Map<string, string>();
  let upBy: Mutable<UpBy> | undefined;
  const tasks = new Map<string, AskedTask>();
  let closed: string | undefined;
  let refusedTeardown: WindowView['refusedTeardown'];
  let verdict: Verdict | undefined;
  let lastOfWriter: JournalEvent | undefined;

  for (const event of journal.slice(opened)) {
    if (event.run === current?.run && !isNote(event)) lastOfWriter = event;
    verdict = judged(verdict, event);
    switch (event.type) {
      case 'run.started': {
        // the same verb goes on with its series; after another verb has run it starts anew.
        const goesOn = current?.verb === event.verb && current.ended !== 'finished' ? current : undefined;
        if (!goesOn) {
          answers.clear();
          noLongerHold.clear();
          questions.clear();
          landing.clear();
        }
        asked.clear();
        if (event.verb === 'teardown') refusedTeardown = undefined;
        current = {
          verb: event.verb,
          run: event.run,
          by: event.by,
          reason: event.reason ?? goesOn?.reason,
          startedAt: goesOn?.startedAt ?? event.at,
          runSince: event.at,
          plan: event.plan,
          steps: goesOn?.steps ?? new Map(),
          acceptLoss: event.acceptLoss ?? goesOn?.acceptLoss ?? false,
          acceptedLosses: event.acceptedLosses ?? goesOn?.acceptedLosses ?? [],
          now: event.now ?? goesOn?.now ?? false,
          keepStandby: event.keepStandby ?? goesOn?.keepStandby ?? false,
          // whoever types a stage after it does not ask for it: it is refused, and says what to type.
          undo: event.undo ?? false,
          leaseUntil: event.at,
          ended: undefined,
        };
        series[event.verb] = current;
        lastOfWriter = event;
        break;
      }
      case 'step.started':
        if (current) {
          begun.add(`${current.verb} ${event.step}`);
          current.steps.set(event.step, {
            id: event.step,
            startedAt: event.at,
            doneAt: undefined,
            seconds: undefined,
            facts: undefined,
            detail: undefined,
          });
        }
        break;
      case 'task.asked': {
        const { token, at, arn = tasks.get(token)?.arn } = event;
        tasks.set(token, { at: tasks.get(token)?.at ?? at, ...(arn === undefined ? {} : { arn }) });
        break;
      }
      case 'step.progress': {
        const under = current?.steps.get(event.step);
        if (under && under.says?.text !== event.text)
          current?.steps.set(event.step, { ...under, says: { text: event.text, at: event.at } });
        break;
      }
      case 'step.done': {
        const before = current?.steps.get(event.step);
        current?.steps.set(event.step, {
          id: event.step,
          startedAt: before?.startedAt,
          doneAt: event.at,
          seconds: event.seconds,
          facts: event.facts,
          detail: event.detail,
        });
        if (event.facts) facts.set(event.step, event.facts);
        noLongerHold.delete(event.step);
        break;
      }
      case 'gate.asked':
        asked.set(event.step, event.question);
        questions.delete(event.step);
        questions.set(event.step, { step: event.step, question: event.question, number: event.number, at: event.at });
        break;
      case 'up-by.set':
        // another hour is another decision.
        upBy = { upBy: event.upBy, atDecision: event.atDecision, decision: undefined, warned: [], unanswered: undefined };
        for (const each of [answers, asked, questions]) each.delete(decisionStep);
        break;
      case 'decision.time':
        if (upBy?.upBy === event.upBy) {
          upBy.decision = event;
          if (event.warning !== undefined) upBy.warned = [...upBy.warned, event.warning];
        }
        break;
      case 'decision.unanswered':
        if (upBy?.upBy === event.upBy) upBy.unanswered = event.at;
        break;
      case 'gate.answered':
        asked.delete(event.step);
        if (!answered(answers, event)) uncounted.add(event.number);
        break;
      case 'landing.told': {
        const { passed, what, by, at } = event;
        landing.set(event.test, { passed, by, at, ...(what === undefined ? {} : { what }) });
        break;
      }
      case 'teardown.refused': {
        const { code, message, at, next } = event;
        refusedTeardown = { code, message, at, next };
        break;
      }
      case 'run.stopped':
        stops.push(event.code);
        if (event.code === 'step.no-longer-holds' && event.step !== undefined) noLongerHold.add(event.step);
        if (current) current.ended = 'stopped';
        break;
      case 'run.finished':
        if (current) current.ended = 'finished';
        break;
      case 'window.closed':
        closed = event.outcome;
        break;
    }
  }
  if (current && lastOfWriter) current.leaseUntil = leaseAfter(lastOfWriter);
  return {
    name: first.window.name,
    window: first.window,
    manifest: first.manifest,
    state: first.state,
    openedAt: first.at,
    series,
    current,
    question: [...questions.values()].findLast(({ step }) => !answers.has(step)) ?? [...questions.values()].at(-1),
    answers,
    landing,
    uncounted,
    durations: first.durations ?? {},
    upBy,
    asked: [...asked].map(([step, question]) => ({ step, question })).at(-1),
    facts: (step) => facts.get(step),
    stops,
    noLongerHold,
    begun: (verb, step) => begun.has(`${verb} ${step}`),
    closed,
    refusedTeardown,
    tasks,
    verdict,
  };
}
