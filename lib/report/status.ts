/** The status of a system: which color is live, which database is production, what is open, and what to type next. */

import { type Advice, deploy, switchback } from '../base/advice';
import { again } from '../engine/again';
import type { Verb } from '../engine/events';
import { databaseOpened, forkMethodOf, proofPending, siteIsOpening } from '../engine/milestones';
import { decisionStep } from '../engine/step-id';
import { acceptCommand, openFindings, openWords } from '../engine/verdict';
import { answerText, type Series, type WindowView } from '../engine/window-view';
import { type Color, otherColor } from '../manifest/schema';
import { stackAt } from '../manifest/stack-names';
import { wayBackOf, wayBackWords } from '../operations/way-back';
import { spell } from './advice';
import { type CustomersPicture, customersText } from './customers';
import { gateLines } from './gate';
import { cut, dateTime, duration, type Style, seconds, wrap } from './style';
import type { StatusScreen } from './types';

export interface Next {
  readonly command: Advice;
  readonly why: string;
}

export function statusScreen(status: StatusScreen, style: Style): string[] {
  const { paint, columns } = style;
  const row = (name: string, value: string) => wrap(value, columns - 15).map((line, i) => `  ${(i ? '' : name).padEnd(13)}${line}`);
  const color = (which: Color) => {
    const release = status.releases[which];
    return `${which.padEnd(7)}${release ? `${release.version} (${release.commit.slice(0, 8)})` : 'not deployed'}`;
  };
  const lines = [paint('bold', status.system), ''];
  const picture = pictureOf(status);
  if (picture) lines.push(...row('customers', customersText(picture, status.now, style)));
  if (status.live) {
    lines.push(...row('live', paint('green', color(status.live))), ...row('standby', color(otherColor(status.live))));
  } else {
    const why = status.opened ? 'cannot be told: some rules have moved, others have not' : 'nobody: the system has not been opened yet';
    lines.push(...row('live', paint(status.opened ? 'red' : 'yellow', why)), ...row('', color('blue')), ...row('', color('green')));
  }
  lines.push(...row('maintenance', maintenanceText(status, style)));
  for (const address of status.addresses ?? []) lines.push(...row('address', address));
  if (status.backDoor && status.live)
    lines.push(...row('back door', `${status.backDoor.header}: ${status.backDoor.value} (a header) reaches ${otherColor(status.live)}`));
  const database = `${status.production} (${status.productionStatus})`;
  lines.push(...row('production', status.productionStatus === 'available' ? database : paint('red', database)));
  lines.push(...windowLines(status, style).flatMap(([name, value]) => row(name, value)));
  const { window } = status;
  if (window?.current && window.current.ended === undefined && window.asked)
    lines.push('', ...gateLines(window, picture, status.now, style, { commands: false }));
  const next = nextCommands(status).map(({ command, why }) => ({ command: spell(command), why }));
  if (next.length > 0) {
    const width = Math.min(46, Math.max(...next.map(({ command }) => command.length)));
    lines.push('', 'Next');
    for (const { command, why } of next) {
      const reason = command.length > width ? [`  ${paint('bold', command)}`, `  ${' '.repeat(width)}  ${why}`] : undefined;
      lines.push(...(reason ?? [`  ${paint('bold', command.padEnd(width))}  ${cut(why, columns - width - 4)}`]));
    }
  }
  return lines;
}

/** What the line about customers is made from. */
export const pictureOf = ({ seen, releases, window, feed }: StatusScreen): CustomersPicture | undefined =>
  seen && { seen, releases, view: window, feed };

function maintenanceText({ maintenance, opened }: StatusScreen, { paint }: Style): string {
  if (maintenance === undefined) return paint('red', 'cannot be told: some of its rules are in front, others parked');
  if (maintenance) return paint('yellow', opened ? 'in front: customers see the maintenance answer' : 'in front');
  return 'parked';
}

function windowLines(status: StatusScreen, style: Style): [string, string][] {
  const { window, now } = status;
  if (!window) return [['window', status.lastWindow ? `none open; the last was ${status.lastWindow}` : 'none yet']];
  const { from, to } = window.window;
  const lines: [string, string][] = [
    ['window', `${window.name}, ${from ? `${from} → ${to}` : `first opening on ${to}`}, opened ${dateTime(window.openedAt, style)}`],
  ];
  for (const verb of ['stage', 'cutover', 'rollback', 'teardown'] as const) {
    const series = window.series[verb];
    if (series) lines.push([`  ${verb}`, seriesText(series, window, status, style)]);
  }
  const answer = window.question && window.answers.get(window.question.step);
  if (answer) lines.push(['  answer', `${answerText(answer)} on ${answer.by.where}, ${dateTime(answer.at, style)}: ${answer.reason}`]);
  const copy = forkMethodOf(window);
  if (copy?.['way'] === 'copy' && window.window.fallback)
    lines.push(['fallback', `${window.window.fallback}, filled by a copy of every table, because ${String(copy['why'])}`]);
  if (window.upBy && !siteIsOpening(window)) {
    const { upBy, decision } = window.upBy;
    const left = decision ? seconds(now, decision.decideBy) : 0;
    const when = decision ? `; decide by ${dateTime(decision.decideBy, style)}${left > 0 ? `, in ${duration(left)}` : ': over'}` : '';
    const { unanswered, atDecision } = window.upBy;
    const nobody = unanswered
      ? `; nobody was there at ${dateTime(unanswered, style)}, so it ${atDecision === 'hold' ? 'holds' : 'is rolled back'}`
      : '';
    lines.push(['must be up', `by ${dateTime(upBy, style)}${when}${nobody}`]);
  }
  if (status.holdEndsAt) {
    const left = seconds(now, status.holdEndsAt);
    const when = left > 0 ? `in ${duration(left)}, then teardown by itself` : 'now; the schedule runs the teardown';
    lines.push(['hold ends', `${dateTime(status.holdEndsAt, style)}, ${when}`]);
  }
  const { refusedTeardown } = window;
  if (refusedTeardown)
    lines.push([
      'teardown',
      style.paint('red', `it did not begin by itself ${dateTime(refusedTeardown.at, style)}: ${refusedTeardown.message}`),
    ]);
  if (status.feed) lines.push(...feedLines(status.feed, databaseOpened(window), style));
  lines.push(...proofLines(window, style));
  return lines;
}

/** What the rollback has found and nobody has accepted, with what to type; or that it has not come to its end. */
function proofLines(window: WindowView, { paint }: Style): [string, string][] {
  const open = openWords(window);
  if (open !== undefined) return [['proof', paint('red', `${open}; ${spell(acceptCommand(openFindings(window)))} accepts it`)]];
  return proofPending(window) && window.current?.ended !== undefined
    ? [['proof', paint('red', `not proven yet; ${spell(switchback('rollback'))} goes on with it`)]]
    : [];
}

/** The feed as it was last seen, and until when it can be gone back on. */
function feedLines(feed: NonNullable<StatusScreen['feed']>, opened: boolean, style: Style): [string, string][] {
  const { paint } = style;
  const dead = feed.state === 'dead';
  const color =
    dead || feed.state === 'stuck'
      ? 'red'
      : feed.state === 'alive' && feed.drift.length + feed.reasons.length + (feed.nearEnd ?? []).length === 0
        ? 'green'
        : 'yellow';
  const lines: [string, string][] = [
    ['feed', paint(color, [`${feed.state}, seen ${dateTime(feed.at, style)}`, ...feed.reasons].join(': '))],
    ...feed.drift.map((what): [string, string] => ['', paint('yellow', `changed under the feed: ${what}`)]),
    ...(feed.nearEnd ?? []).map((what): [string, string] => ['', paint('yellow', what)]),
    ...(feed.madePartitions ?? []).map((what): [string, string] => ['', what]),
  ];
  if (dead) {
    const { heartbeatSeconds } = feed;
    const since = heartbeatSeconds === undefined ? 'the fork' : dateTime(Date.parse(feed.at) - heartbeatSeconds * 1000, style);
    lines.push(['', paint('red', `a rollback would leave what was written since ${since} behind (--accept-loss); production goes on`)]);
  } else {
    const way = wayBackOf(feed);
    // before the opening a rollback needs no feed.
    if (feed.state === 'alive' ? way.possibleUntil : opened)
      lines.push([
        '',
        paint(
          color,
          wayBackWords(way, (at) => dateTime(at, style)),
        ),
      ]);
  }
  return lines;
}

function seriesText(series: Series, window: WindowView, { now }: StatusScreen, style: Style): string {
  const { paint } = style;
  const done = series.plan.filter(({ id }) => series.steps.get(id)?.doneAt !== undefined).length;
  const sofar = `${done} of ${series.plan.length} steps done`;
  if (series.ended === 'finished') return `finished, begun ${dateTime(series.startedAt, style)} by ${series.by.who}`;
  if (series.ended === 'stopped') return paint('red', `stopped, ${sofar}`);
  if (series !== window.current) return `left, ${sofar}`;
  if (waitsAtGate(series, window)) return paint('yellow', `waits for go or no-go, ${sofar}`);
  return Date.parse(series.leaseUntil) > now
    ? paint(
        'yellow',
        `running since ${dateTime(series.runSince, style)}, ${sofar}, by ${series.by.who} on ${series.by.where}${series.reason === undefined ? '' : ` (${series.reason})`}`,
      )
    : paint('yellow', `interrupted, ${sofar}; nobody is at it`);
}

const waitsAtGate = (series: Series, { asked, current }: WindowView): boolean => series === current && asked !== undefined;

/** The commands that make sense now, the most likely first. */
export function nextCommands(status: StatusScreen): Next[] {
  const { window } = status;
  const stack = (part: string) => stackAt(status.stackPath, part);
  if (window) return inWindow(status, window);
  if (!status.opened) {
    const first = status.releases.blue ? 'blue' : status.releases.green ? 'green' : undefined;
    if (!first) return [{ command: deploy(stack('blue')), why: 'provision the first color' }];
    return [
      ...(status.lastWindow ? [{ command: deploy(stack(first)), why: `with a mended release for ${first} in your CDK app` }] : []),
      { command: switchback('cutover'), why: 'open the system to customers for the first time' },
    ];
  }
  if (!status.live) return [{ command: switchback('plan', '--verb rollback'), why: 'see what is where' }];
  const standby = otherColor(status.live);
  const name = status.readyFor ?? `w${Number(status.lastWindow?.slice(1) ?? 0) + 1}`;
  const { live, other } = { live: status.releases[status.live], other: status.releases[standby] };
  const same = live?.version === other?.version && live?.commit === other?.commit;
  return [
    ...(!other || same ? [{ command: deploy(stack(standby)), why: `with the next release for ${standby} in your CDK app` }] : []),
    ...(status.readyFor
      ? []
      : [{ command: deploy(stack(`fallback-${name}`)), why: `the fallback; window: ${name.slice(1)} in your CDK app` }]),
    { command: switchback('stage'), why: `check everything ${name} needs; nothing is down` },
  ];
}

function inWindow(status: StatusScreen, window: WindowView): Next[] {
  const { current, name } = window;
  const first = window.window.from === undefined;
  const back: Next =
    status.feed?.state === 'dead' && databaseOpened(window)
      ? { command: switchback('rollback', '--accept-loss'), why: 'take everything back but what was written since the feed died' }
      : { command: switchback('rollback'), why: 'take everything back' };
  const rollback: Next[] = first ? [{ command: switchback('rollback'), why: 'close the system again, to mend the release' }] : [back];
  const goOn = (verb: Verb): Next => ({
    command: current?.verb === verb ? again(verb, current) : switchback(verb),
    why: 'go on where it is',
  });
  const accept: Next[] =
    openFindings(window).length > 0 ? [{ command: acceptCommand(openFindings(window)), why: 'accept what the proof found, by name' }] : [];
  if (!current) return [{ command: switchback('stage'), why: `check everything ${name} needs` }];
  const { verb } = current;
  if (current.ended === undefined) {
    if (waitsAtGate(current, window)) {
      return [
        ...(window.asked?.step === decisionStep
          ? [
              { command: switchback('cutover', '--answer go'), why: 'go on, past the decision time' },
              { command: switchback('cutover', '--answer no-go'), why: 'roll back' },
            ]
          : [
              { command: switchback('cutover', '--answer go'), why: 'show the new color to customers' },
              { command: switchback('cutover', '--answer no-go'), why: 'stop here, then roll back' },
            ]),
      ];
    }
    if (Date.parse(current.leaseUntil) > status.now)
      return [{ command: switchback('status', '--watch'), why: `${current.by.who} is at it: follow it` }];
    return [goOn(verb), ...(verb === 'cutover' ? rollback : [])];
  }
  if (accept.length > 0 && current.ended !== undefined) return accept;
  if (current.ended === 'stopped') return [...(verb === 'cutover' ? [...rollback, goOn(verb)] : [goOn(verb)])];
  const finished: Record<Verb, Next[]> = {
    stage: [
      { command: switchback('plan'), why: 'read the plan, step by step' },
      { command: switchback('cutover'), why: 'begin it: customers see the maintenance page' },
    ],
    cutover: [
      { command: switchback('status', '--check'), why: 'see whether a rollback is still possible' },
      ...rollback,
      { command: switchback('teardown', '--now'), why: 'end the hold early: nobody can go back then' },
    ],
    rollback: [{ command: switchback('teardown', '--now'), why: 'delete what did not work, before the hold ends' }],
    teardown: [],
  };
  return finished[verb];
}
