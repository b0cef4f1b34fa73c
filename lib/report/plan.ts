/** The plan on the wall: every step in order, how long it takes, when it begins, and from where on a rollback loses writes. */

import { switchback } from '../base/advice';
import type { PlannedStep } from '../engine/events';
import { isTrials, opensTheSite } from '../engine/milestones';
import type { Decision } from '../engine/window-view';
import type { Difference } from '../postgres/schema/difference';
import { twoPartsText } from '../postgres/schema/expand-contract';
import type { TrialFound } from '../steps/trial';
import { spell } from './advice';
import { totalOf } from './messages';
import { clockTime, dateTime, duration, type Style, wrap } from './style';
import type { PlanScreen } from './types';

export const lossText = 'from here on, a rollback loses what customers write';

/** A line across the screen with words in it. */
export const rule = (text: string, width: number): string => `── ${text} `.padEnd(width, '─');

export function planScreen(plan: PlanScreen, style: Style): string[] {
  const { verb, window, steps, production = window.production } = plan;
  const { paint, columns } = style;
  const numbers = String(steps.length).length;
  const anyMeasured = steps.some(({ measured }) => measured);
  const titleWidth = columns - numbers - (anyMeasured ? 34 : 25);
  // how a time is known is said beside it; where nothing has been measured yet, once, above them all.
  const known = (text: string) => (anyMeasured ? text.padStart(9) : '');
  const lines = [paint('bold', `${window.system} ${window.name}: ${plan.undo ? undoHeadline(window) : headline[verb](window)}`)];
  // after a rollback the fallback is production, and the other one what goes.
  const other = production === window.fallback ? window.production : window.fallback;
  const databases = [
    `production ${production}`,
    ...(other ? [`${production === window.production ? 'fallback' : 'retired'} ${other}`] : []),
  ];
  lines.push(paint('dim', databases.join(', ')), '');
  lines.push(
    paint(
      'dim',
      `${' '.repeat(numbers + 4)}${'step'.padEnd(titleWidth)}${(anyMeasured ? 'takes' : 'estimate').padStart(10)}${known('from')}${'begins at'.padStart(11)}`,
    ),
  );
  let begins = 0;
  for (const [index, step] of steps.entries()) {
    if (step.pointOfLoss) lines.push(paint('red', rule(lossText, columns)));
    const [first = '', ...more] = wrap(step.title, titleWidth - 1);
    const mark = step.done ? paint('green', '✔') : ' ';
    const start = step.done ? '' : begins === 0 ? 'now' : `+${duration(begins)}`;
    const text = `${first.padEnd(titleWidth)}${duration(step.estimateSeconds).padStart(10)}${known(runsText(step))}${start.padStart(11)}`;
    lines.push(`${String(index + 1).padStart(numbers)}  ${mark} ${step.done ? paint('dim', text.trimEnd()) : text.trimEnd()}`);
    for (const rest of more) lines.push(`${' '.repeat(numbers + 4)}${step.done ? paint('dim', rest) : rest}`);
    if (!step.done) begins += step.estimateSeconds;
  }
  const done = steps.filter((step) => step.done).length;
  const left = steps.length - done;
  const count = done === 0 ? `${left} steps` : `${left} of ${steps.length} steps left`;
  const start = plan.starting ? '' : ` Start with: ${spell(plan.undo ? switchback('stage', '--undo') : switchback(verb))}`;
  lines.push('', left === 0 ? 'Everything is done.' : `${count}, about ${duration(begins)}.${start}`);
  return [...lines, ...deletesLines(steps, production, style), ...trialLines(plan, style), ...decisionLines(plan, style)];
}

/** What is gone for good afterwards, and what is not. A trial's own copy is nobody's loss. */
function deletesLines(steps: PlanScreen['steps'], production: string, { paint, columns }: Style): string[] {
  const gone = steps.filter(({ done }) => !done).flatMap(({ id, deletes }) => (deletes === undefined || isTrials(id) ? [] : [deletes]));
  if (gone.length === 0) return [];
  return wrap(`It deletes ${gone.join(', ')}. Production stays ${production}.`, columns).map((line) => paint('red', line));
}

function runsText({ measured }: PlannedStep): string {
  if (measured?.trial) return 'trial';
  return measured ? `${measured.runs} ${measured.runs === 1 ? 'run' : 'runs'}` : 'estimate';
}

/** What a rollback after opening would have to carry back, as the trial found it; what may be lost stands out. */
function trialLines({ trial, window, steps }: PlanScreen, { paint, columns }: Style): string[] {
  if (!trial) return [];
  const width = Math.max(0, ...trial.differences.map(({ id }) => id.length));
  const row = ({ id, verdict, what, loses }: Difference) => {
    const text = `${id.padEnd(width)}  ${verdict.padEnd(7)}  ${what}${loses ? `; would lose ${loses}` : ''}`;
    return wrap(text, columns - 4).map((line, i) => (loses ? paint('red', `${i ? '    ' : '  '}${line}`) : `${i ? '    ' : '  '}${line}`));
  };
  const note = (text: string | undefined) => (text ? wrap(text, columns - 2).map((line) => `  ${line}`) : []);
  const cost = ({ rewritten, locks }: Pick<TrialFound, 'rewritten' | 'locks'>, part: string) => [
    ...note(rewritten.length > 0 ? `rewritten${part}: ${rewritten.map(({ table }) => table).join(', ')}` : undefined),
    ...note(
      locks.length > 0
        ? `locked against readers${part}: ${locks.map(({ table, seconds }) => `${table} for ${duration(seconds)}`).join(', ')}`
        : undefined,
    ),
  ];
  const took = trial.seconds === undefined ? '' : `, in ${duration(trial.seconds)}`;
  return [
    '',
    paint('bold', `The trial on a copy of production passed${took}. The migrations change:`),
    ...trial.differences.flatMap(row),
    ...(trial.differences.length === 0 ? ['  nothing that a rollback would have to carry back'] : []),
    ...cost(trial, ''),
    ...note(twoPartsText(trial)),
    ...(trial.contract ? cost(trial.contract, ' by the contract part') : []),
    ...(steps.some(({ measured }) => measured?.trial) ? note(`trial: the time was measured in the trial of ${window.name}`) : []),
  ];
}

function decisionLines({ decision, steps, now }: PlanScreen, style: Style): string[] {
  if (!decision) return [];
  const { paint, columns } = style;
  const row = (name: string, { decideBy: at, rollbackSeconds, steps: count, measuredSteps }: Decision) => {
    const left = (Date.parse(at) - now) / 1000;
    const when = left > 0 ? `${clockTime(at, style)}, in ${duration(left)}` : paint('red', `${clockTime(at, style)}: over`);
    const how = measuredSteps === count ? 'measured' : `${measuredSteps} of its ${count} steps measured, the others estimated`;
    const takes = wrap(`a rollback takes ${duration(rollbackSeconds)} (90th percentile; ${how})`, columns - 4);
    return [`  ${name}: ${when}`, ...takes.map((line) => paint('dim', `    ${line}`))];
  };
  const open = steps.findIndex(({ id }) => opensTheSite(id));
  const until = totalOf(steps.slice(0, open + 1).filter(({ done }) => !done));
  const late = now + until * 1000 > Date.parse(decision.upBy);
  return [
    '',
    paint('bold', `Must be up by ${dateTime(decision.upBy, style)}. Decide to go on or back by`),
    ...row('from here', decision.now),
    ...row('once the migrations have begun', decision.migrated),
    ...(late
      ? wrap(`Begun now, the new release is open after ${duration(until)}: too late for that hour.`, columns).map((line) =>
          paint('red', line),
        )
      : []),
  ];
}

const undoHeadline = ({ to, name }: PlanScreen['window']): string => `the stage of ${to} is taken back, and ${name} closed`;

const headline: Record<PlanScreen['verb'], (window: PlanScreen['window']) => string> = {
  stage: ({ from, to }) => (from ? `stage ${to} beside ${from}` : `stage ${to}`),
  cutover: ({ from, to }) => (from ? `cutover from ${from} to ${to}` : `first opening, on ${to}`),
  rollback: ({ from, to }) => (from ? `rollback from ${to} to ${from}` : `the first opening on ${to} taken back: nobody is live`),
  teardown: () => 'teardown of what a rollback would need',
};
