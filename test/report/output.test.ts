import { switchback } from '../../lib/base/advice';
import { Stop } from '../../lib/base/errors';
import { makeOutput } from '../../lib/report';
import { ana, cutover, Night, w3 } from './night';

const esc = '\u001b';

class Stream {
  text = '';
  readonly columns = 80;
  readonly rows = 30;
  private wraps = true;
  constructor(readonly isTTY: boolean) {}
  write(text: string) {
    this.text += text;
    return true;
  }
  /** What a terminal would show: the cursor goes up and lines are written over. */
  get shown(): string[] {
    let lines: string[] = [''];
    let row = 0;
    let column = 0;
    // a bell and a notification write nothing.
    const written = this.text.replace(new RegExp(`\u0007${esc}\\]9;[^\u0007]*\u0007`, 'g'), '');
    for (const part of written.split(new RegExp(`(${esc}\\[(?:\\d*[AJK]|\\?7[hl])|\n|\r)`))) {
      const up = new RegExp(`^${esc}\\[(\\d+)A$`).exec(part);
      if (part.startsWith(`${esc}[?7`)) this.wraps = part.endsWith('h');
      else if (up) row -= Number(up[1]);
      else if (part === '\u001b[J') lines = lines.slice(0, row + 1);
      // behind a line that is as wide as the terminal, the cursor still stands on its last character.
      else if (part === '\u001b[K') lines[row] = (lines[row] ?? '').slice(0, Math.min(column, this.columns - 1));
      else if (part === '\r') column = 0;
      else if (part === '\n') {
        column = 0;
        row += 1;
        lines[row] ??= '';
      } else if (part) {
        column = part.length;
        lines[row] = this.wraps ? part : part.slice(0, this.columns);
        for (let rest = part.slice(this.columns); this.wraps && rest; rest = rest.slice(this.columns)) {
          row += 1;
          lines[row] = rest;
        }
      }
    }
    return lines;
  }
}

/** A terminal; `person.asked`: what stands on the line on which a person is asked. */
const make = (options: { json?: boolean; tty?: boolean; env?: Record<string, string> } = {}) => {
  const person: { asked?: string; line?: number; still?: boolean } = {};
  const stdout = new Stream(options.tty ?? false);
  const stderr = new Stream(options.tty ?? false);
  const output = makeOutput({
    ...{ json: options.json ?? false, color: false, env: options.env ?? {} },
    question: () =>
      person.asked === undefined
        ? undefined
        : { prompt: () => void stderr.write(person.asked ?? ''), line: person.line ?? 1, still: person.still ?? false },
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
  });
  return { output, stdout, stderr, person };
};
const night = () => new Night().start(0).step(0, 1, 'stage.ready').add(1, { type: 'step.started', step: 'migrations' });

test('data goes to standard output, messages to standard error', () => {
  const { output, stdout, stderr } = make();
  output.plan({ now: 0, verb: 'cutover', window: w3, steps: cutover.map((step) => ({ ...step, done: false })) });
  expect(stdout.text).toContain('video w3: cutover from blue to green');
  expect(stderr.text).toBe('');
  const { view, events } = night();
  const screen = output.screen('cutover', 'run-1');
  screen.events(view, events);
  screen.close();
  output.note('a note');
  expect(stderr.text).toContain('✔ Check that green is up');
  expect(stderr.text).toMatch(/a note\n$/);
});

test('with --json every line is an object, the manifest and its ARNs stay in the journal', () => {
  const { output, stdout, stderr } = make({ json: true });
  const { view, events } = night();
  output.screen('cutover', 'run-1').events(view, events);
  output.reply('cutover', { state: 'finished', window: 'w3' });
  output.failure(new Stop('window.held', 'w3 is in the hands of Ana', { next: [switchback('status')], exit: 5 }));
  const lines = stdout.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string });
  expect(lines.map(({ event }) => event)).toEqual([
    ...['window.opened', 'run.started', 'step.started', 'step.done', 'step.started', 'cutover.finished', 'error'],
  ]);
  expect(lines[0]).not.toHaveProperty('manifest');
  expect(lines[3]).toMatchObject({ event: 'step.done', step: 'stage.ready', seconds: 1, acted: true, by: ana, number: 4 });
  expect(lines[6]).toEqual({
    event: 'error',
    code: 'window.held',
    message: 'w3 is in the hands of Ana',
    next: ['npx switchback status'],
    exit: 5,
  });
  expect(stderr.text).toBe('');
});

const looked = (second: number, status: number) => ({
  releases: { blue: { version: '1.0.0', commit: 'c' } },
  seen: {
    ...{ at: Date.parse('2026-03-01T02:00:00Z') + second * 1000, where: 'http://video.test:80/', live: 'blue' as const },
    ...{ maintenance: status === 503, answer: { status, ...(status === 200 ? { release: '1.0.0' } : {}) } },
  },
});

test('what customers see is said when it changes, and by the last word and a failure', () => {
  const { output, stderr } = make();
  const { view, events } = night();
  output.screen('cutover', 'run-1').events(view, events);
  const before = stderr.text.length;
  for (const [second, status] of [
    [2, 200],
    [7, 200],
    [12, 503],
    [17, 503],
  ] as const)
    output.saw(looked(second, status));
  expect(
    stderr.text
      .slice(before)
      .trim()
      .split('\n')
      .map((line) => line.slice(10)),
  ).toEqual(['customers: blue 1.0.0, asked now', 'customers: maintenance, asked now']);
  output.reply('cutover', { state: 'continue', window: 'w3' });
  expect(stderr.text).toMatch(/w3 is not done yet\ncustomers: maintenance, asked now\n/);
  output.failure(new Stop('window.held', 'w3 is in the hands of Ana'));
  expect(stderr.text).toMatch(/✖ window.held: w3 is in the hands of Ana\n {2}customers: maintenance, asked now\n/);
});

test('as JSON, what customers see is an event when it changes, and a field of the last word', () => {
  const { output, stdout } = make({ json: true });
  for (const [second, status] of [
    [2, 200],
    [7, 200],
    [12, 503],
  ] as const)
    output.saw(looked(second, status));
  output.reply('cutover', { state: 'continue', window: 'w3' });
  const lines = stdout.text
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as object);
  expect(lines).toMatchObject([
    { event: 'customers', see: 'blue', release: '1.0.0', answer: 'HTTP 200' },
    { event: 'customers', see: 'maintenance', answer: 'HTTP 503' },
    { event: 'cutover.continue', customers: { see: 'maintenance' } },
  ]);
});

test('on a terminal the line is part of the view, and its age counts', () => {
  const { output, stderr } = make({ tty: true });
  const screen = output.screen('cutover', 'run-1');
  const { view, events } = night();
  screen.events(view, events);
  output.saw(looked(2, 200));
  screen.tick(Date.parse('2026-03-01T02:00:08Z'));
  expect(stderr.shown).toContain('customers: blue 1.0.0, asked 6 s ago');
  screen.tick(Date.parse('2026-03-01T02:00:09Z'));
  expect(stderr.shown).toContain('customers: blue 1.0.0, asked 7 s ago');
});

test('the status as JSON names the run that is under way and what to type next', () => {
  const { output, stdout } = make({ json: true });
  output.status({
    ...{ system: 'video', opened: true, live: 'blue', maintenance: true, production: 'p', productionStatus: 'available' },
    ...{ releases: { blue: undefined, green: undefined }, window: night().view, holdEndsAt: undefined, lastWindow: 'w3' },
    now: Date.parse('2026-03-01T02:00:10Z'),
  });
  expect(JSON.parse(stdout.text)).toMatchObject({
    ...{ event: 'status', live: 'blue', window: 'w3', at: '2026-03-01T02:00:10.000Z', next: ['npx switchback status --watch'] },
    run: { verb: 'cutover', step: 'migrations', stepsDone: 1, steps: 8, by: ana },
  });
});

test('the status as JSON has the hour, the decision time and the question that is open', () => {
  const { output, stdout } = make({ json: true });
  const upBy = '2026-03-01T04:00:00.000Z';
  const decision = { decideBy: '2026-03-01T03:20:00.000Z', rollbackSeconds: 2400, steps: 9, measuredSteps: 4 };
  const { view } = night()
    .add(2, { type: 'up-by.set', upBy, atDecision: 'hold' })
    .add(3, { type: 'decision.time', upBy, ...decision })
    .add(4, { type: 'gate.asked', step: 'gate.go', question: 'Go?' });
  output.status({
    ...{ system: 'video', opened: true, live: 'blue', maintenance: true, production: 'p', productionStatus: 'available' },
    ...{ releases: { blue: undefined, green: undefined }, window: view, holdEndsAt: undefined, lastWindow: 'w3', now: 0 },
  });
  expect(JSON.parse(stdout.text)).toMatchObject({
    ...{ upBy: { upBy, atDecision: 'hold', ...decision }, asked: { step: 'gate.go', question: 'Go?' } },
  });
});

test('events of other runs of the window are left out', () => {
  const { output, stderr } = make();
  const both = night()
    .add(2, { type: 'run.stopped', verb: 'cutover', code: 'x', message: 'x', next: [], exit: 1 })
    .start(3, 'rollback', [{ id: 'a', title: 'Put blue in front', estimateSeconds: 2 }], 'run-2');
  output.screen('rollback', 'run-2').events(both.view, both.events);
  expect(stderr.text.trim().split('\n')).toHaveLength(1);
  expect(stderr.text).toContain('rollback by Ana');
});

test('notes from before a run are left out, notes to it are shown', () => {
  const { output, stderr } = make();
  const { view, events } = new Night()
    .add(0, { type: 'hold.seen', state: 'alive', reasons: [], drift: [], applyErrors: 0 }, 'watch-w3')
    .start(1, 'cutover', cutover, 'run-2')
    .add(2, { type: 'stop.asked', of: 'run-2', why: 'lunch' }, 'run-3');
  output.screen('cutover', 'run-2').events(view, events);
  expect(stderr.text).not.toContain('the feed is alive');
  expect(stderr.text).toContain('asks the run to stop after this step: lunch');
});

test('on a terminal the view is drawn over itself', () => {
  const { output, stderr } = make({ tty: true });
  const screen = output.screen('cutover', 'run-1');
  screen.tick(Date.parse('2026-03-01T02:00:00Z'));
  expect(stderr.shown).toEqual(['asking the runner …', '']);
  const { view, events } = night();
  screen.events(view, events);
  screen.tick(Date.parse('2026-03-01T02:00:31Z'));
  expect(stderr.shown.filter((line) => line.includes('Run the migrations'))).toEqual([
    '▶ Run the migrations of 2.0.0                                 2:00 min      30 s',
  ]);
  output.note('Ctrl-C: the runner finishes its step');
  screen.tick(Date.parse('2026-03-01T02:00:32Z'));
  expect(stderr.shown.at(-2)).toBe('Ctrl-C: the runner finishes its step');
  const drawn = stderr.text.length;
  screen.tick(Date.parse('2026-03-01T02:00:32Z'));
  expect(stderr.text).toHaveLength(drawn);
});

test.each([
  ['of many words', 'Ctrl-C: asked to stop after this step. Again leaves at once; then: npx switchback status, npx switchback cutover'],
  ['of one long word', `arn:aws:iam::111122223333:role/${'x'.repeat(90)}`],
])('a note %s, wider than the terminal, does not make the view climb down the screen', (_what, note) => {
  const { output, stderr } = make({ tty: true });
  const screen = output.screen('cutover', 'run-1');
  const { view, events } = night();
  screen.events(view, events);
  output.note(note);
  for (const second of [31, 32, 33]) screen.tick(Date.parse(`2026-03-01T02:00:${second}Z`));
  expect(stderr.shown.filter((line) => line.includes('video w3 · cutover'))).toHaveLength(1);
  if (note.includes(' ')) expect(stderr.shown.join(' ')).toContain(note);
});

describe('while a person is asked', () => {
  const asking = () => {
    const made = make({ tty: true });
    const screen = made.output.screen('cutover', 'run-1');
    const asked = night().add(5, { type: 'gate.asked', step: 'gate.go', question: 'Go?' });
    screen.events(asked.view, asked.events);
    made.person.asked = 'Type go or no-go: g';
    made.stderr.write(made.person.asked);
    return { ...made, screen, asked, before: made.stderr.shown.length };
  };

  test('the countdown above the question counts, and what has been typed stays; after the answer the view begins anew below', () => {
    const { screen, stderr, person, asked, before } = asking();
    const since = () => stderr.shown.find((line) => line.startsWith('customers have seen') || line.startsWith('video w3'));
    screen.tick(Date.parse('2026-03-01T02:10:00Z'));
    expect(since()).toMatch(/10:00 min$/);
    screen.tick(Date.parse('2026-03-01T02:10:01Z'));
    expect(since()).toMatch(/10:01 min$/);
    expect(stderr.shown).toHaveLength(before);
    expect(stderr.shown.at(-1)).toBe('Type go or no-go: g');
    stderr.write('o\n');
    delete person.asked;
    const answered = asked.add(700, { type: 'gate.answered', step: 'gate.go', answer: 'go', reason: 'fine' });
    screen.events(answered.view, answered.events.slice(-1));
    expect(stderr.shown[before]).toMatch(/^video w3 · cutover/);
  });

  test('a wrong word leaves the view where it is: the next question has its own', () => {
    const { screen, stderr, person, before } = asking();
    screen.tick(Date.parse('2026-03-01T02:10:00Z'));
    stderr.write('o ahead\n"go ahead" is neither go nor no-go: type go or no-go\n');
    person.line = 2;
    person.asked = 'Type go or no-go: ';
    stderr.write(person.asked);
    screen.tick(Date.parse('2026-03-01T02:10:01Z'));
    screen.tick(Date.parse('2026-03-01T02:10:02Z'));
    expect(stderr.shown[before]).toBe('"go ahead" is neither go nor no-go: type go or no-go');
    expect(stderr.shown[before + 1]).toMatch(/^video w3 · cutover .*10:02 min$/);
    expect(stderr.shown.at(-1)).toBe('Type go or no-go: ');
    expect(stderr.shown.filter((line) => line.startsWith('video w3'))).toHaveLength(2);
  });

  test('what others write is said above the question, which stays, with what has been typed', () => {
    const { screen, output, stderr, asked, before } = asking();
    const seen = asked.add(300, { type: 'hold.seen', state: 'alive', reasons: [], drift: [], applyErrors: 0 }, 'watch-w3');
    screen.events(seen.view, seen.events.slice(-1));
    output.note('the decision time is in 10 min');
    screen.tick(Date.parse('2026-03-01T02:10:00Z'));
    screen.tick(Date.parse('2026-03-01T02:10:01Z'));
    expect(stderr.shown.slice(before - 1)).toEqual(['the feed is alive', 'the decision time is in 10 min', 'Type go or no-go: g']);
  });

  test('while an answer takes several rows the view stands still, and news is said line by line', () => {
    const { screen, output, stderr, person, before } = asking();
    person.still = true;
    screen.tick(Date.parse('2026-03-01T02:10:00Z'));
    expect(stderr.shown).toHaveLength(before);
    output.note('the decision time is in 10 min');
    expect(stderr.shown.slice(before - 1)).toEqual(['the decision time is in 10 min', 'Type go or no-go: g']);
  });

  test('somewhere else, the view that only watches goes on', () => {
    const { screen, stderr, person } = asking();
    delete person.asked;
    screen.tick(Date.parse('2026-03-01T02:10:00Z'));
    expect(stderr.shown.at(-2)).toBe('  npx switchback cutover --answer no-go --reason "<why>"');
    expect(stderr.shown.find((line) => line.startsWith('video w3'))).toMatch(/10:00 min$/);
  });
});

describe('a bell, and a notification', () => {
  const bell = (text: string) => `\u0007${esc}]9;switchback: ${text}\u0007`;
  const rung = ({ stderr, stdout }: ReturnType<typeof make>) =>
    (stdout.text + stderr.text).match(new RegExp(`\u0007(?:${esc}\\]9;[^\u0007]*\u0007)?`, 'g')) ?? [];
  const asked = () => night().add(5, { type: 'gate.asked', step: 'gate.go', question: 'Go?' });
  const failed = (exit: number) => new Stop('step.too-slow', 'slow', { exit });

  test('at a question that is open, once; for a question that was answered nobody is called', () => {
    const made = make({ tty: true });
    const screen = made.output.screen('cutover', 'run-1');
    const { view, events } = asked();
    screen.events(view, events);
    screen.tick(Date.parse('2026-03-01T02:10:00Z'));
    const answered = asked().add(700, { type: 'gate.answered', step: 'gate.go', answer: 'go', reason: 'fine' });
    made.output.screen('cutover', 'run-1').events(answered.view, answered.events);
    expect(rung(made)).toEqual([bell('the cutover of video w3 waits for go or no-go')]);
  });

  test('at a warning, and at a failure; not at what somebody has just typed wrong or declined', () => {
    const made = make({ tty: true });
    const decision = {
      decideBy: '2026-03-01T03:20:00.000Z',
      upBy: '2026-03-01T04:00:00.000Z',
      rollbackSeconds: 1,
      steps: 1,
      measuredSteps: 1,
    };
    const warned = night().add(9, { type: 'decision.time', ...decision, warning: 10 });
    made.output.screen('cutover', 'run-1').events(warned.view, warned.events.slice(-1));
    const stopped = { state: 'stopped', code: 'migrations.failed', message: 'no', next: [], window: 'w3' } as const;
    made.output.reply('cutover', { ...stopped, exit: 1 });
    made.output.failure(failed(1));
    for (const code of [2, 4, 130]) made.output.failure(failed(code));
    made.output.failure(new Error('a bug'));
    expect(rung(made)).toEqual([
      bell('10 min to the decision time of the cutover of video w3'),
      ...['the cutover of w3 stopped: migrations.failed', 'step.too-slow', 'switchback.bug'].map(bell),
    ]);
  });

  test.each([
    ['where there is no terminal', { tty: false }],
    ['in CI', { tty: true, env: { CI: 'true' } }],
    ['in JSON', { tty: true, json: true }],
    ['on a terminal that knows nothing', { tty: true, env: { TERM: 'dumb' } }],
  ])('not %s', (_where, options) => {
    const made = make(options);
    const { view, events } = asked();
    made.output.screen('cutover', 'run-1').events(view, events);
    made.output.failure(failed(1));
    expect(rung(made)).toEqual([]);
  });
});

test.each([
  ['in CI', { tty: true, env: { CI: 'true' } }],
  ['on a terminal that cannot move its cursor', { tty: true, env: { TERM: 'dumb' } }],
  ['without a terminal', { tty: false }],
])('%s the log is append-only', (_where, options) => {
  const { output, stderr } = make(options);
  const { view, events } = night();
  output.screen('cutover', 'run-1').events(view, events);
  expect(stderr.text).not.toContain('\u001b');
  expect(stderr.text.trim().split('\n')).toHaveLength(5);
});
