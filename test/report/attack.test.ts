/** Everything that others may write, with everything that a terminal may take for a command, on every way out. */

import { Writable } from 'node:stream';
import { Stop } from '../../lib/base/errors';
import type { CheckReport } from '../../lib/operations/check-report';
import { makeOutput, type PlanScreen, type StatusScreen } from '../../lib/report';
import { ana, cutover, Night, w3 } from './night';

const attack = (name: string): string =>
  `${name}\u001b]0;title\u0007\u001b]52;c;cm0gLXJmIC8=\u0007\u001b[3A\u001b[2K\u202e\u0085\r12:00:00  ✔ forged\n12:00:01  ✔ forged\u009b2J`;
const esc = '\u001b';
/** Our own: colors, the cursor of the live view, and nothing else. */
const ours = new RegExp(
  `${esc}\\[(?:1|2|22|31|32|33|39)m|${esc}\\[\\?7[lh]|${esc}\\[[JK]|\r${esc}\\[\\d+A|\u0007${esc}\\]9;[^\u0007]*\u0007`,
  'g',
);
const commands = (text: string): string[] => text.replace(ours, '').match(/(?!\n)[\p{Cc}\p{Bidi_Control}]/gu) ?? [];

class Stream extends Writable {
  text = '';
  readonly rows = 60;
  readonly getColorDepth = () => 8;
  readonly hasColors = () => true;
  constructor(
    readonly isTTY: boolean,
    readonly columns: number,
  ) {
    super();
  }
  override write(text: string) {
    this.text += text;
    return true;
  }
}

const by = { who: attack('Ana'), where: attack('laptop') };
const night = () => {
  const { events, window } = new Night();
  const made = new Night({ ...window });
  made.events.splice(0, made.events.length, ...events);
  made
    .add(0, { type: 'run.started', verb: 'cutover', plan: cutover, runner: attack('runner'), reason: attack('because') })
    .add(1, { type: 'step.started', step: 'migrations' })
    .add(2, { type: 'step.progress', step: 'migrations', text: attack('migrating') })
    .add(3, { type: 'step.done', step: 'stage.ready', seconds: 1, acted: true, detail: attack('detail') })
    .add(4, { type: 'stop.asked', of: 'run-1', why: attack('lunch') })
    .add(5, { type: 'gate.asked', step: 'gate.go', question: attack('Go?') })
    .add(6, { type: 'gate.answered', step: 'gate.go', answer: 'go', reason: attack('fine') })
    .add(7, { type: 'hold.seen', state: 'stuck', reasons: [attack('the feed')], drift: [attack('drift')], applyErrors: 1 })
    .add(8, { type: 'gate.asked', step: 'gate.go', question: attack('Go on?') });
  for (const event of made.events) Object.assign(event, { by });
  return made;
};
const plan: PlanScreen = { now: 0, verb: 'cutover', window: w3, steps: [{ ...cutover[0]!, title: attack('Check'), done: false }] };
const status = (): StatusScreen => ({
  ...{ system: 'video', opened: true, live: 'blue', maintenance: true, production: attack('p'), productionStatus: attack('available') },
  ...{ releases: { blue: { version: attack('1'), commit: attack('a') }, green: undefined }, window: night().view, now: 0 },
  ...{ holdEndsAt: undefined, lastWindow: 'w3', addresses: [attack('http://x')] },
  backDoor: { header: attack('x-key'), value: attack('g') },
});
const check: CheckReport = {
  ...{ at: '2026-03-01T02:00:00Z', system: 'video' },
  checks: [{ name: 'release', ok: false, what: [attack('x-release is')], next: [{ type: attack('aws') }] }],
};

test.each([
  ['the live view at 80 columns', { tty: true, columns: 80, json: false }],
  ['the live view at 200 columns', { tty: true, columns: 200, json: false }],
  ['the log', { tty: false, columns: 80, json: false }],
  ['JSON lines', { tty: false, columns: 80, json: true }],
])('%s', (_way, { tty, columns, json }) => {
  const [stdout, stderr] = [new Stream(tty, columns), new Stream(tty, columns)];
  const streams = { stdout: stdout as unknown as NodeJS.WriteStream, stderr: stderr as unknown as NodeJS.WriteStream };
  const output = makeOutput({ json, color: true, env: {}, ...streams });
  const { view, events } = night();
  const screen = output.screen('cutover', 'run-1');
  screen.events(view, events);
  output.note(attack('a note'));
  screen.tick(Date.parse('2026-03-01T02:00:31Z'));
  screen.close();
  output.plan(plan);
  output.status(status());
  output.check(check);
  const said = { code: 'migrations.failed', message: attack('ERROR'), next: [{ type: attack('psql') }], exit: 1 } as const;
  output.reply('cutover', { state: 'stopped', ...said, world: attack('down'), window: 'w3' });
  output.failure(new Stop('step.refused', attack('ERROR'), { state: attack('down'), next: [{ type: attack('psql') }] }));
  output.failure(new Error(attack('bug')));
  const text = stdout.text + stderr.text;
  expect(text).toContain('ERROR');
  if (!json) {
    expect(commands(text)).toEqual([]);
    // what people and AWS give a name for stays on its line; what is longer stays in its place.
    if (!tty) expect(text.split('\n').filter((line) => /^12:00:0[01] /.test(line))).toEqual([]);
    return;
  }
  expect(commands(stderr.text)).toEqual([]);
  for (const line of stdout.text.trim().split('\n'))
    JSON.parse(line, (_key, value: unknown) => {
      if (typeof value === 'string') expect(commands(value)).toEqual([]);
      return value;
    });
});

test('our own colors and our own cursor are still there', () => {
  const stderr = new Stream(true, 80);
  const streams = { stdout: stderr as unknown as NodeJS.WriteStream, stderr: stderr as unknown as NodeJS.WriteStream };
  const { view, events } = new Night().start(0).step(0, 1, 'stage.ready');
  makeOutput({ json: false, color: true, env: {}, ...streams })
    .screen('cutover', 'run-1')
    .events(view, events);
  expect(stderr.text).toContain('\u001b[?7l');
  expect(ana.who).toBe('Ana');
});
