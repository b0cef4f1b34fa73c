/** The gate as people see it who decide there: where to try the new color, what has been tried, what each answer does, and until when. */
import { answers, switchback } from '../base/advice';
import { answerSeconds } from '../engine/decision-time';
import { downtimesOf, opensTheSite } from '../engine/milestones';
import { decisionStep } from '../engine/step-id';
import type { WindowView } from '../engine/window-view';
import { rollbackFrom } from '../plans';
import { spell } from './advice';
import type { CustomersPicture } from './customers';
import { totalOf } from './messages';
import { clockTime, cut, duration, localTimes, type Style, seconds, wrap } from './style';

/** Every line fits; the last ones are those that may be left out on a low terminal. */
export function gateLines(
  view: WindowView,
  customers: CustomersPicture | undefined,
  now: number,
  style: Style,
  { commands = true }: { /** How others answer. */ readonly commands?: boolean } = {},
): string[] {
  const { asked, question } = view;
  if (!asked || !question) return [];
  const isDecision = asked.step === decisionStep;
  return [
    ...(isDecision ? wrap(localTimes(asked.question, style), style.columns).map((line) => style.paint('yellow', line)) : []),
    ...(isDecision ? [] : tryLines(view, customers, style)),
    ...(isDecision ? [] : landingLines(view, style)),
    ...(customers ? [] : downLine(view, now)),
    ...answerLines(view, isDecision, style),
    ...untilLines(view, isDecision, now, style),
    ...(commands
      ? [style.paint('dim', 'answer here, or from any terminal with'), ...answers.map((answer) => cut(`  ${spell(answer)}`, style.columns))]
      : []),
  ];
}

/** The way past the maintenance page, as a command. */
function tryLines({ window: { to }, manifest }: WindowView, customers: CustomersPicture | undefined, style: Style): string[] {
  const { header } = manifest.shared.routingKey;
  const value = manifest.shared.routingKey[to];
  const address = customers?.seen.address;
  const host = manifest[to]?.applications.find(({ open }) => !open)?.host;
  const words = [`curl -H '${header}: ${value}'`, ...(host === undefined ? [] : [`-H 'host: ${host}'`]), `${address ?? '<address>'}/`];
  // to be copied as it stands: broken where a shell takes it, and never cut.
  const isShort = words.join(' ').length + 2 <= style.columns;
  const lines = isShort ? [words.join(' ')] : words.map((word, i) => `${i > 0 ? '  ' : ''}${word}${i < words.length - 1 ? ' \\' : ''}`);
  const passage = passageLines(manifest[to]?.passage, address, host, style);
  return [`${named(manifest, to)} answers those who know the way:`, ...lines.map((line) => `  ${style.paint('bold', line)}`), ...passage];
}

/** Where a browser gets its cookie. A cookie is for the name that the browser asks by, so it is the name that the application answers to. */
function passageLines(passage: string | undefined, address: string | undefined, host: string | undefined, style: Style): string[] {
  if (passage === undefined) return [];
  const url = address === undefined && passage.startsWith('/') ? undefined : new URL(passage, address);
  if (url && host !== undefined) url.hostname = host;
  const [origin, path] = url ? [url.origin, url.pathname] : ['<address>', passage];
  const isShort = origin.length + path.length + 2 <= style.columns;
  const lines = isShort ? [`${origin}${path}`] : [origin, `  ${path}`];
  return ['and, for a day, a browser that has been at', ...lines.map((line) => `  ${style.paint('bold', line)}`)];
}

const named = (manifest: WindowView['manifest'], color: 'blue' | 'green'): string =>
  `${color} ${manifest[color]?.release.version ?? ''}`.trim();

/** Each landing test with what somebody said of it. */
function landingLines({ manifest, landing }: WindowView, style: Style): string[] {
  const tests = manifest.shared.landingTests;
  if (tests.length === 0) return [];
  const rows = tests.map((test, i) => {
    const told = landing.get(test);
    const outcome = told
      ? `${told.passed ? 'passed' : 'FAILED'}, says ${told.by.who}${told.what === undefined ? '' : `: ${told.what}`}`
      : 'not told yet';
    const mark = told ? (told.passed ? style.paint('green', '✔') : style.paint('red', '✖')) : '?';
    return `${mark} ${cut(`${i + 1}  ${test}: ${outcome}`, style.columns - 2)}`;
  });
  return [...rows, style.paint('dim', cut('(type 1 passed, or 1 failed and what is wrong)', style.columns))];
}

function downLine(view: WindowView, now: number): string[] {
  const [down] = downtimesOf(view);
  return down && down.to === undefined ? [`customers have seen the maintenance page for ${duration(seconds(down.from, now))}`] : [];
}

/** What each answer does, and how long that takes. */
function answerLines(view: WindowView, isDecision: boolean, { columns }: Style): string[] {
  const { window, manifest, current, question } = view;
  const plan = current?.plan ?? [];
  const rest = plan
    .slice(plan.findIndex(({ id }) => id === question?.step) + 1)
    .filter(({ id }) => current?.steps.get(id)?.doneAt === undefined);
  const opening = rest.findIndex(({ id }) => opensTheSite(id));
  const until = rest.slice(0, opening + 1);
  const back = rollbackFrom({ window, manifest, view, live: undefined, maintenance: true, production: window.production });
  const go = isDecision
    ? 'goes on with the cutover, past the decision time'
    : `opens the site on ${named(manifest, window.to)} in about ${duration(totalOf(until))} (${until.length} steps)`;
  const noGo = `stops here; then ${spell(switchback('rollback'))} takes everything back in about ${duration(totalOf(back))} (${back.length} steps)`;
  const row = (name: string, text: string) => wrap(text, columns - 7).map((line, i) => `${(i ? '' : name).padEnd(7)}${line}`);
  return [...row('go', go), ...row('no-go', isDecision ? noGo.replace('stops here; then', 'rolls back:') : noGo)];
}

/** A countdown, and what happens at its end. */
function untilLines({ upBy, question }: WindowView, isDecision: boolean, now: number, style: Style): string[] {
  if (isDecision && question) {
    const left = answerSeconds - seconds(question.at, now);
    const policy = upBy?.atDecision === 'rollback' ? 'it is rolled back' : 'it holds where it is';
    return [
      style.paint('red', left > 0 ? `without an answer in ${duration(Math.ceil(left))}, ${policy}` : `nobody has answered: ${policy}`),
    ];
  }
  if (!upBy?.decision) return ['no hour was given (--up-by): it waits for as long as people take'];
  const left = (Date.parse(upBy.decision.decideBy) - now) / 1000;
  const text =
    left > 0
      ? `decide within ${duration(Math.ceil(left))}, until ${clockTime(upBy.decision.decideBy, style)}`
      : 'the decision time is over';
  return [left > 600 ? text : style.paint(left > 120 ? 'yellow' : 'red', text)];
}
