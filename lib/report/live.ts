/** The live view of a run: a pure function of what the journal says and what time it is. */
import type { JournalEvent, PlannedStep } from '../engine/events';
import { lastWords, siteIsOpening } from '../engine/milestones';
import { decisionStep } from '../engine/step-id';
import { leaseSeconds, type Series, type WindowView } from '../engine/window-view';
import { type CustomersPicture, customersLines } from './customers';
import { gateLines } from './gate';
import { abortText, totalOf } from './messages';
import { lossText, rule } from './plan';
import { isLate, lastSaid, sinceText } from './stuck';
import { clockTime, cut, duration, type Style, seconds, spread, wrap, zonedTime } from './style';

/** A run as far as its journal has been read. */
export interface RunPicture {
  readonly view: WindowView;
  /** The events of this run, oldest first. */
  readonly events: readonly JournalEvent[];
  /** What customers see, as it was last looked at. */
  readonly customers?: CustomersPicture | undefined;
  /** Somebody else's: it goes on when the watching ends. */
  readonly watching?: boolean;
}

const measuredSome = ({ plan }: Series): boolean => plan.some(({ measured }) => measured);

/** How the times are known; nothing where none has been measured. */
function timesLine({ plan }: Series, { paint, columns }: Style): string[] {
  const measured = plan.flatMap((step) => (step.measured ? [step.measured] : []));
  if (measured.length === 0) return [];
  const earlier = measured.filter(({ trial }) => !trial).map(({ runs }) => runs);
  const trial = measured.find((one) => one.trial)?.trial;
  const where = [...(earlier.length > 0 ? [runsText(Math.max(...earlier))] : []), ...(trial ? [`the trial of ${trial}`] : [])];
  const text = `times: ${measured.length} of ${plan.length} measured (${where.join(', ')}); ~ is an estimate`;
  return [paint('dim', cut(text, columns))];
}

const runsText = (runs: number): string => (runs === 1 ? '1 earlier run' : `up to ${runs} earlier runs`);

/** The hour, and how long there is to decide. */
function decisionLine(view: WindowView, now: number, style: Style): string[] {
  const { upBy, current, answers } = view;
  if (!upBy || current?.verb !== 'cutover' || siteIsOpening(view)) return [];
  const hour = `must be up by ${zonedTime(upBy.upBy, style)}`;
  const { decision } = upBy;
  if (!decision) return [cut(`${hour}; the decision time is worked out before the next step`, style.columns)];
  if (answers.get(decisionStep)?.answer === 'go') return [cut(`${hour}; at the decision time it was decided to go on`, style.columns)];
  const left = (Date.parse(decision.decideBy) - now) / 1000;
  const when = left > 0 ? `decide in ${duration(left)}` : 'the decision time is over';
  const text = cut(
    `${hour}: ${when} (${clockTime(decision.decideBy, style)}), rollback ${duration(decision.rollbackSeconds)}`,
    style.columns,
  );
  return [left > 600 ? text : style.paint(left > 120 ? 'yellow' : 'red', text)];
}

const watchingText = 'Ctrl-C ends only the watching: the run goes on without this terminal';
/** A writer that is only slow is not called silent. */
const silentMs = leaseSeconds * 1000 + 15_000;

type Mark = 'done' | 'running' | 'asked' | 'stopped' | 'open';

export function liveScreen({ view, events, customers, watching = false }: RunPicture, now: number, style: Style): string[] {
  const { paint, columns } = style;
  const series = view.current;
  const started = events.find((event) => event.type === 'run.started');
  if (!series || !started) return [cut(`${view.window.system} ${view.name}: waiting for the runner`, columns)];
  const last = events.findLast(({ type }) => type === 'run.stopped' || type === 'run.finished');
  const stopped = last?.type === 'run.stopped' ? last : undefined;
  const end = last ? Date.parse(last.at) : now;
  const marks = series.plan.map((step) => markOf(step.id, series, events, stopped !== undefined));
  const at = currentIndex(marks);

  const head = [
    paint('bold', spread(headline(view, series), duration(seconds(started.at, end)), columns)),
    paint(
      'dim',
      cut(
        `by ${series.by.who} on ${series.by.where}, since ${clockTime(started.at, style)}${series.reason === undefined ? '' : `: ${series.reason}`}`,
        columns,
      ),
    ),
    ...timesLine(series, style),
    ...(last ? [] : decisionLine(view, now, style)),
    '',
  ];
  const seen = customersLines(customers && { ...customers, view }, now, style);
  const foot = footer({ view, events, watching, customers }, series, marks, end, style, seen);
  const body = series.plan.flatMap((step, index) => {
    const lines = stepLines(step, marks[index] ?? 'open', series, events, end, style);
    return [{ index, lines: step.pointOfLoss ? [paint('red', rule(lossText, columns)), ...lines] : lines }];
  });
  const room = style.rows - 1 - head.length - foot.length;
  // at a gate on a low terminal the steps give way, then what stands at the top: the question matters most.
  const lines = [...head, ...(view.asked && room < 3 ? [] : shortened(body, at, room, series, style)), ...foot];
  return lines.length < style.rows ? lines : [lines[0]!, ...lines.slice(lines.length - style.rows + 2)];
}

function headline({ window, manifest }: WindowView, { verb }: Series): string {
  const named = (color: typeof window.from) => (color ? `${color} ${manifest[color]?.release.version ?? ''}`.trim() : 'nothing');
  const way: Record<Series['verb'], string> = {
    stage: named(window.to),
    cutover: `${named(window.from)} → ${named(window.to)}`,
    rollback: `${named(window.to)} → ${named(window.from)}`,
    teardown: '',
  };
  return `${window.system} ${window.name} · ${verb}${way[verb] ? ` · ${way[verb]}` : ''}`;
}

function markOf(id: string, series: Series, events: readonly JournalEvent[], stopped: boolean): Mark {
  const step = series.steps.get(id);
  if (step?.doneAt !== undefined) return 'done';
  if (step?.startedAt === undefined) return 'open';
  if (stopped) return 'stopped';
  const gate = events.findLast((event) => (event.type === 'gate.asked' || event.type === 'gate.answered') && event.step === id);
  return gate?.type === 'gate.asked' ? 'asked' : 'running';
}

/** Where the eyes should be: the first step that is not done. */
function currentIndex(marks: readonly Mark[]): number {
  const index = marks.findIndex((mark) => mark !== 'done');
  return index < 0 ? marks.length - 1 : index;
}

function stepLines(step: PlannedStep, mark: Mark, series: Series, events: readonly JournalEvent[], end: number, style: Style): string[] {
  const { paint, columns } = style;
  const record = series.steps.get(step.id);
  const took = mark === 'open' ? undefined : (record?.seconds ?? seconds(record?.startedAt ?? end, end));
  const guess = measuredSome(series) && !step.measured ? '~' : '';
  const times = `${`${guess}${duration(step.estimateSeconds)}`.padStart(10)}${(took === undefined ? '' : duration(took)).padStart(10)}`;
  const late = took !== undefined && isLate(step, took);
  const title = cut(step.title, columns - 23).padEnd(columns - 22);
  const symbol = { done: paint('green', '✔'), running: '▶', asked: paint('yellow', '?'), stopped: paint('red', '✖'), open: ' ' }[mark];
  const text = `${title}${late ? `${times.slice(0, 10)}${paint('yellow', times.slice(10))}` : times.trimEnd()}`.trimEnd();
  const line = `${symbol} ${mark === 'running' ? paint('bold', text) : mark === 'done' || mark === 'open' ? paint('dim', text) : text}`;
  const progress = events.findLast((event) => event.type === 'step.progress' && event.step === step.id);
  if (mark !== 'running') return [line];
  const share = progress?.type === 'step.progress' && progress.share !== undefined ? `${bar(progress.share)}  ` : '';
  const said = lastSaid(record);
  const since = late ? sinceText(step, record, style) : '';
  const shown = [
    ...(said === undefined ? [] : late ? wrap(`${share}${said}`, columns - 4) : [cut(`${share}${said}`, columns - 4)]),
    ...(since ? wrap(since, columns - 4) : []),
  ].map((text) => paint(late ? 'yellow' : 'dim', `    ${text}`));
  return [line, ...shown];
}

/** Twenty places wide, and the share in words for those who cannot see it. */
function bar(share: number): string {
  const full = Math.max(0, Math.min(20, Math.floor(share * 20)));
  return `${'█'.repeat(full)}${'░'.repeat(20 - full)} ${`${Math.floor(share * 100)} %`.padStart(5)}`;
}

/** The lines around the current step, as many as there is room for; what is left out is counted. */
function shortened(
  body: readonly { readonly lines: readonly string[] }[],
  at: number,
  room: number,
  series: Series,
  { paint }: Style,
): string[] {
  const count = (from: number, to: number) => body.slice(from, to).reduce((sum, { lines }) => sum + lines.length, 0);
  const lines = (from: number, to: number) => body.slice(from, to).flatMap((each) => [...each.lines]);
  if (count(0, body.length) <= room) return lines(0, body.length);
  let from = at;
  let to = at + 1;
  // grows by what comes and by what was, in turn, until the room is used; two lines are for the sums.
  for (let grown = true; grown; ) {
    grown = false;
    if (to < body.length && count(from, to + 1) <= room - 2) {
      to += 1;
      grown = true;
    }
    if (from > 0 && at - from < 3 && count(from - 1, to) <= room - 2) {
      from -= 1;
      grown = true;
    }
  }
  const taken = series.plan.slice(0, from).reduce((sum, { id }) => sum + (series.steps.get(id)?.seconds ?? 0), 0);
  return [
    ...(from > 0 ? [paint('dim', `✔ ${from} ${from === 1 ? 'step' : 'steps'} done in ${duration(taken)}`)] : []),
    ...lines(from, to),
    ...(to < body.length ? [paint('dim', `  ${body.length - to} more, about ${duration(totalOf(series.plan.slice(to)))}`)] : []),
  ];
}

/** What a rollback is judged by: whether it is proven, and what the old schema could not hold. */
function proofLines(events: readonly JournalEvent[], { columns }: Style): string[] {
  return lastWords.flatMap((step) => {
    const done = events.findLast((event) => event.type === 'step.done' && event.step === step);
    const said = events.findLast((event) => event.type === 'step.progress' && event.step === step);
    const more = step === 'loss.manifest' && said?.type === 'step.progress' ? said.text.split('\n') : [];
    return [
      ...(done?.type === 'step.done' && done.detail ? wrap(done.detail, columns) : []),
      ...more.flatMap((line) => wrap(line, columns - 4).map((part, i) => `${i ? '    ' : '  '}${part}`)),
    ];
  });
}

function footer(
  { view, events, watching, customers: seen }: RunPicture,
  series: Series,
  marks: readonly Mark[],
  end: number,
  style: Style,
  customers: readonly string[],
): string[] {
  const { paint, columns } = style;
  const { plan, verb } = series;
  const last = events.findLast(({ type }) => type === 'run.stopped' || type === 'run.finished');
  const done = marks.filter((mark) => mark === 'done').length;
  if (last) {
    const how = last.type === 'run.finished' ? 'finished' : 'stopped';
    return [
      '',
      cut(`${verb} ${how} at ${clockTime(last.at, style)}: ${done} of ${plan.length} steps done`, columns),
      ...customers,
      ...(verb === 'rollback' ? proofLines(events, style) : []),
    ];
  }
  // what is under way ends when it should have, or at a time that nobody knows: the end does not move on with the clock.
  const at = plan.findIndex((_step, index) => marks[index] === 'running' || marks[index] === 'asked');
  const under = plan[at];
  const startedAt = under && series.steps.get(under.id)?.startedAt;
  const rest = totalOf(plan.filter((_step, index) => marks[index] !== 'done' && index !== at));
  const until = (startedAt === undefined ? end : Date.parse(startedAt) + (under?.estimateSeconds ?? 0) * 1000) + rest * 1000;
  const isStuck = under !== undefined && startedAt !== undefined && isLate(under, seconds(startedAt, end));
  const loss = plan.findIndex(({ pointOfLoss }) => pointOfLoss);
  const opened = loss >= 0 && marks[loss] !== 'open';
  const abort = watching ? watchingText : abortText(verb, { opened, first: view.window.from === undefined });
  const sum = isStuck
    ? `${done} of ${plan.length} steps done; about ${duration(rest)} more, once ${view.asked ? 'it is answered' : 'this one is done'}`
    : `${done} of ${plan.length} steps done, about ${duration(Math.max(0, (until - end) / 1000))} left, until ${clockTime(until, style)}`;
  // after the decision time's question that of the landing tests is still open.
  if (view.asked) {
    return ['', ...customers, cut(sum, columns), ...gateLines(view, seen, end, style)];
  }
  const next = plan[marks.indexOf('open')];
  const heard = Date.parse(series.leaseUntil) - leaseSeconds * 1000;
  const silent = end > heard + silentMs;
  return [
    '',
    ...customers,
    silent
      ? paint('red', cut(`${done} of ${plan.length} steps done; nothing has been heard of it since ${clockTime(heard, style)}`, columns))
      : cut(sum, columns),
    cut(next ? `Next: ${next.title}` : `Next: the end of the ${verb} of ${view.name}`, columns),
    opened && verb === 'cutover' && !watching ? paint('red', cut(abort, columns)) : cut(abort, columns),
  ];
}
