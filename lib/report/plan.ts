/** The plan on the wall: every step in order, how long it takes, when it begins, and from where on a rollback loses writes. */

import { duration, type Style, wrap } from './style';
import type { PlanScreen } from './types';

export const lossText = 'from here on, a rollback loses what customers write';

/** A line across the screen with words in it. */
export const rule = (text: string, width: number): string => `── ${text} `.padEnd(width, '─');

export function planScreen({ verb, window, steps }: PlanScreen, style: Style): string[] {
  const { paint, columns } = style;
  const numbers = String(steps.length).length;
  const titleWidth = columns - numbers - 25;
  const lines = [paint('bold', `${window.system} ${window.name}: ${headline[verb](window)}`)];
  const databases = [`production ${window.production}`, ...(window.fallback ? [`fallback ${window.fallback}`] : [])];
  lines.push(paint('dim', databases.join(', ')), '');
  lines.push(paint('dim', `${' '.repeat(numbers + 4)}${'step'.padEnd(titleWidth)}${'takes'.padStart(10)}${'begins at'.padStart(11)}`));
  let begins = 0;
  for (const [index, step] of steps.entries()) {
    if (step.pointOfLoss) lines.push(paint('red', rule(lossText, columns)));
    const [first = '', ...more] = wrap(step.title, titleWidth - 1);
    const mark = step.done ? paint('green', '✔') : ' ';
    const start = step.done ? '' : begins === 0 ? 'now' : `+${duration(begins)}`;
    const text = `${first.padEnd(titleWidth)}${duration(step.estimateSeconds).padStart(10)}${start.padStart(11)}`;
    lines.push(`${String(index + 1).padStart(numbers)}  ${mark} ${step.done ? paint('dim', text.trimEnd()) : text.trimEnd()}`);
    for (const rest of more) lines.push(`${' '.repeat(numbers + 4)}${step.done ? paint('dim', rest) : rest}`);
    if (!step.done) begins += step.estimateSeconds;
  }
  const done = steps.filter((step) => step.done).length;
  const left = steps.length - done;
  const count = done === 0 ? `${left} steps` : `${left} of ${steps.length} steps left`;
  lines.push('', left === 0 ? 'Everything is done.' : `${count}, about ${duration(begins)}. Start with: npm run ${verb}`);
  return lines;
}

const headline: Record<PlanScreen['verb'], (window: PlanScreen['window']) => string> = {
  stage: ({ from, to }) => (from ? `stage ${to} beside ${from}` : `stage ${to}`),
  cutover: ({ from, to }) => (from ? `cutover from ${from} to ${to}` : `first opening, on ${to}`),
  rollback: ({ from, to }) => `rollback from ${to} to ${from}`,
  teardown: () => 'teardown of what a rollback would need',
};
