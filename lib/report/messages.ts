/** The words of the screens: one line per event, what happens next, how to abort, and how a verb ended. */
import { type Advice, answers, say, switchback } from '../base/advice';
import { Stop } from '../base/errors';
import type { JournalEvent, PlannedStep, Verb } from '../engine/events';
import { isTrials } from '../engine/milestones';
import { findingWords, isLoss } from '../engine/verdict';
import type { WindowView } from '../engine/window-view';
import type { Reply } from '../operations/request';
import { spell } from './advice';
import { dateTime, duration, localTimes, type Style, wrap } from './style';

/** The title a step has on the plan; its id where the plan does not have it. */
export const titleOf = (plan: readonly PlannedStep[], step: string): string => plan.find(({ id }) => id === step)?.title ?? step;

export const estimateOf = (plan: readonly PlannedStep[], step: string): number | undefined =>
  plan.find(({ id }) => id === step)?.estimateSeconds;

export const totalOf = (steps: readonly PlannedStep[]): number => steps.reduce((sum, step) => sum + step.estimateSeconds, 0);

/** What an event says in one line; undefined for those that only keep the lease. */
export function eventText(
  event: JournalEvent,
  plan: readonly PlannedStep[],
  style: Style,
  uncounted?: ReadonlySet<number>,
): string | undefined {
  const { paint } = style;
  const local = (text: string) => localTimes(text, style);
  const title = 'step' in event && event.step !== undefined ? titleOf(plan, event.step) : '';
  switch (event.type) {
    case 'window.opened':
      return `${event.window.name} of ${event.window.system} opened: ${event.window.from ?? 'nothing'} → ${event.window.to}`;
    case 'run.started':
      return `${event.verb} by ${event.by.who} on ${event.by.where}; ${event.plan.length} steps in ${event.runner}, about ${duration(totalOf(event.plan))}${measuredText(event.plan)}${event.takeOver ? `; taken over from ${event.takeOver.who} on ${event.takeOver.where}` : ''}${event.reason === undefined ? '' : `; because: ${event.reason}`}`;
    case 'run.alive':
      return undefined;
    case 'step.started':
      return `${paint('bold', '▶')} ${title}`;
    case 'step.progress':
      return event.text
        .split('\n')
        .map((line) => `  ${title}: ${line}`)
        .join('\n');
    case 'step.done': {
      const estimate = estimateOf(plan, event.step);
      const took = `${duration(event.seconds)}${estimate === undefined ? '' : ` of ${duration(estimate)}`}`;
      return `${paint('green', '✔')} ${title} (${took})${event.detail ? `: ${local(event.detail)}` : ''}`;
    }
    case 'gate.asked':
      return `${paint('yellow', '?')} ${local(event.question)}`;
    case 'gate.answered':
      return `${event.answer === 'go' ? paint('green', 'go') : paint('red', 'no-go')} by ${event.by.who}${event.overrules ? `, who overrules the ${event.overrules.answer} of ${event.overrules.who}` : ''}: ${event.reason}${uncounted?.has(event.number) ? ' (does not count: the answer before it stands)' : ''}`;
    case 'landing.told':
      return `${event.passed ? paint('green', '✔') : paint('red', '✖')} ${event.test}: ${event.passed ? 'passed' : 'FAILED'}, says ${event.by.who}${event.what === undefined ? '' : `: ${event.what}`}`;
    case 'stop.asked':
      return `${paint('yellow', '■')} ${event.by.who} on ${event.by.where} asks the run to stop after this step: ${event.why}`;
    case 'up-by.set':
      return `must be up by ${dateTime(event.upBy, style)}, says ${event.by.who}; without an answer at the decision time: ${event.atDecision}`;
    case 'decision.time': {
      const text = `decide by ${dateTime(event.decideBy, style, true)}: a rollback from here takes ${duration(event.rollbackSeconds)}`;
      return event.warning === undefined ? text : paint('yellow', `${event.warning} min to the decision time; ${text}`);
    }
    case 'decision.unanswered':
      return paint('yellow', local(event.why));
    case 'run.stopped':
      return `${paint('red', '✖')} ${event.verb} stopped${title ? ` at "${title}"` : ''} (${event.code})`;
    case 'run.finished':
      return `${paint('green', '✔')} ${event.verb} finished in ${duration(event.seconds)}`;
    case 'hold.seen': {
      const text = [
        `the feed is ${event.state}`,
        ...event.reasons,
        ...event.drift,
        ...(event.nearEnd ?? []),
        ...(event.madePartitions ?? []),
      ].join('; ');
      return event.state === 'dead' || event.state === 'stuck' ? paint('red', text) : text;
    }
    case 'proof.found':
      return event.findings.length === 0
        ? undefined
        : paint(event.findings.some(isLoss) ? 'red' : 'yellow', findingWords(event.findings, event.file === undefined ? [] : [event.file]));
    case 'teardown.refused':
      return paint('red', `the teardown did not begin by itself (${event.code}): ${local(event.message)}`);
    case 'difference.accepted':
      return `${event.by.who} accepts ${event.ids.join(', ')}: ${event.reason}`;
    case 'window.closed':
      return `window closed: ${event.outcome}`;
  }
}

const measuredText = (plan: readonly PlannedStep[]): string => {
  const earlier = plan.filter(({ measured }) => measured && !measured.trial).length;
  const trial = plan.find(({ measured }) => measured?.trial)?.measured?.trial;
  const texts = [
    ...(earlier > 0 ? [`${earlier} of them measured in earlier windows`] : []),
    ...(trial ? [`the migrations measured in the trial of ${trial}`] : []),
  ];
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`;
};

/** How to get out of a run that is under way, truthfully for where it is. */
export function abortText(verb: Verb, { opened, first }: { opened: boolean; first: boolean }): string {
  const stop = 'Abort: Ctrl-C stops after this step';
  switch (verb) {
    case 'stage':
      return `${stop}; nothing is down, nothing to take back`;
    case 'cutover':
      if (first) return `${stop}; ${spell(switchback('rollback'))} closes the system`;
      return opened ? `${stop}; a rollback now loses writes (--accept-loss)` : `${stop}; ${spell(switchback('rollback'))} takes all back`;
    case 'rollback':
      return `${stop}; ${spell(switchback('rollback'))} goes on from there`;
    case 'teardown':
      return `${stop}; what is deleted stays deleted`;
  }
}

/** The last word of a verb: what the state is now, and what to type next. */
/** What a last word is about, beside what the runner answered. */
export interface Ending {
  /** Of a stage: it was taken back. */
  readonly undone?: boolean;
  /** What is gone for good. */
  readonly deleted?: readonly string[];
  /** What stands at the gate, where one is open. */
  readonly gate?: readonly string[];
}

/** What the steps of a verb have deleted that are done; a trial's own copy is nobody's loss. */
export function deletedBy(view: WindowView | undefined, verb: Verb): string[] {
  const series = view?.series[verb];
  return (series?.plan ?? []).flatMap(({ id, deletes }) =>
    deletes === undefined || isTrials(id) || series?.steps.get(id)?.doneAt === undefined ? [] : [deletes],
  );
}

/** `customers`: the line that says what they see now. */
export function replyLines(
  verb: Verb,
  reply: Reply,
  style: Style,
  { customers = [], undone = false, deleted = [], gate = [] }: Ending & { readonly customers?: readonly string[] } = {},
): string[] {
  const { paint, columns } = style;
  const window = reply.window ?? 'the window';
  switch (reply.state) {
    case 'finished': {
      const { text, next } = undone ? undoFinished : finished[verb];
      const gone = deleted.length > 0 ? wrap(`deleted: ${deleted.join(', ')}`, columns - 2).map((line) => `  ${line}`) : [];
      const { closing } = reply;
      const [first = '', ...more] = wrap(localTimes([text(window), ...(closing ? [closing.words] : [])].join('; '), style), columns - 2);
      const mark = closing?.ok === false ? paint('red', '!') : paint('green', '✔');
      const said = [`${mark} ${first}`, ...more.map((line) => `  ${line}`)];
      return [...said, ...gone, ...customers, ...nextLines(closing?.next ?? next(window), style)];
    }
    case 'gate':
      return [
        ...wrap(`${paint('yellow', '?')} ${window} waits for an answer: ${localTimes(reply.question, style)}`, columns),
        ...customers,
        ...gate,
        ...nextLines(answers, style),
      ];
    case 'continue':
      return [`${window} is not done yet`, ...customers, ...nextLines([switchback(verb)], style)];
    case 'stopped':
      return stopLines(reply.code, reply.message, reply.world, reply.next, style, customers);
  }
}

/** An error for the reader at 2 am: what happened, what the world looks like, what to type. */
export function failureLines(error: unknown, style: Style, customers: readonly string[] = []): string[] {
  if (error instanceof Stop) return stopLines(error.code, error.message, error.state, error.next, style, customers);
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : [];
  const state = 'This is a fault of Switchback itself; where it happened:';
  return [
    ...stopLines('switchback.bug', message, state, [], style, customers),
    ...stack.map((line) => style.paint('dim', line)),
    ...nextLines([switchback('status')], style),
  ];
}

function stopLines(
  code: string,
  message: string,
  state: string | undefined,
  next: readonly Advice[],
  style: Style,
  customers: readonly string[],
): string[] {
  const [first = '', ...more] = wrap(localTimes(`${code}: ${message}`, style), style.columns - 2);
  return [
    `${style.paint('red', '✖')} ${first}`,
    ...more.map((line) => `  ${line}`),
    ...(state ? wrap(localTimes(state, style), style.columns - 2).map((line) => `  ${line}`) : []),
    ...customers.map((line) => `  ${line}`),
    ...nextLines(next, style),
  ];
}

const nextLines = (next: readonly Advice[], { paint }: Style): string[] =>
  next.length === 0
    ? []
    : [
        '',
        'Next',
        ...next.flatMap((advice) =>
          spell(advice)
            .split('\n')
            .map((line) => `  ${paint('bold', line)}`),
        ),
      ];

interface Finished {
  readonly text: (window: string) => string;
  /** Never a command alone that takes the site down or deletes: what it does stands beside it. */
  readonly next: (window: string) => Advice[];
}

const undoFinished: Finished = {
  text: (window) => `the stage of ${window} is undone, and ${window} is closed; nothing has changed for customers`,
  next: () => [switchback('status')],
};

const finished: Record<Verb, Finished> = {
  stage: {
    text: (window) => `${window} is staged; nothing has changed for customers`,
    next: () => [switchback('plan'), say`when customers may see the maintenance page: ${switchback('cutover')}`],
  },
  cutover: {
    // the first opening of a system has no hold and nothing to go back to.
    text: (window) => (window === 'w0' ? 'the system is open' : `${window} is cut over`),
    next: (window) => [
      switchback('status'),
      ...(window === 'w0' ? [] : [say`to go back, with the maintenance page in between: ${switchback('rollback')}`]),
    ],
  },
  rollback: {
    text: (window) =>
      window === 'w0'
        ? 'the system is closed again, as before its first opening; nothing was deleted'
        : `${window} is rolled back; nothing was deleted`,
    next: (window) =>
      window === 'w0'
        ? [
            say`set a mended release for the color in your CDK app, and deploy it`,
            say`then, to open the system to customers: ${switchback('cutover')}`,
          ]
        : [switchback('status'), say`to delete what did not work at once: ${switchback('teardown', '--now')}`],
  },
  teardown: { text: (window) => `${window} is closed`, next: () => [switchback('status')] },
};
