import { type Advice, deploy, switchback } from '../../lib/base/advice';
import { exit, Stop } from '../../lib/base/errors';
import { deletedBy, eventText, failureLines, replyLines } from '../../lib/report/messages';
import { dateTime, duration } from '../../lib/report/style';
import { colored, cutover, Night, plain, screen } from './night';

test('a verb that stopped says what happened, what the world looks like, and what to type', () => {
  const reply = {
    state: 'stopped' as const,
    code: 'migrations.failed',
    message: 'the task exited with 1: column "amount" of relation "charges" contains null values',
    world: 'The maintenance answer is in front.',
    next: [switchback('rollback')],
    exit: 1,
    window: 'w3',
  };
  expect(replyLines('cutover', reply, plain)).toEqual(
    screen(`
✖ migrations.failed: the task exited with 1: column "amount" of relation
  "charges" contains null values
  The maintenance answer is in front.

Next
  npx switchback rollback
`),
  );
});

test('a rollback whose proof found a difference says it with its name, where the SQL is, and what accepts it', () => {
  const reply = {
    ...{ state: 'stopped' as const, code: 'proof.different', exit: 1, window: 'w3' },
    message:
      'public.orders differs (3 rows on a, 2 on b): (3) only on a [public.orders:different]; the SQL that puts the rows in is in s3://journal/w3/differences.sql',
    world:
      'Customers are served on b. a stays, fenced, with rows that nobody else has: nothing is deleted before they are accepted by name.',
    next: [switchback('rollback', '--accept-difference public.orders:different', '--reason "<why>"'), switchback('status')],
  };
  const next = screen(`

Next
  npx switchback rollback --accept-difference public.orders:different --reason "<why>"
  npx switchback status
`);
  expect(replyLines('rollback', reply, plain)).toEqual([
    ...screen(`
✖ proof.different: public.orders differs (3 rows on a, 2 on b): (3) only on a
  [public.orders:different]; the SQL that puts the rows in is in
  s3://journal/w3/differences.sql
  Customers are served on b. a stays, fenced, with rows that nobody else has:
  nothing is deleted before they are accepted by name.`),
    ...next,
  ]);
  expect(replyLines('rollback', reply, { ...plain, columns: 200 })).toEqual([
    `✖ ${reply.code}: ${reply.message}`,
    `  ${reply.world}`,
    ...next,
  ]);
});

test('a verb that finished says what that means and what comes next', () => {
  expect(replyLines('cutover', { state: 'finished', window: 'w3' }, plain)).toEqual(
    screen(`
✔ w3 is cut over

Next
  npx switchback status
  to go back, with the maintenance page in between: npx switchback rollback
`),
  );
  const closing = (words: string, ok: boolean, next?: Advice[]) => ({ closing: { words, ok, ...(next ? { next } : {}) } });
  const cutOver = { state: 'finished' as const, window: 'w3' };
  expect(replyLines('cutover', { ...cutOver, ...closing('rollback possible until 2026-03-02T02:00:00Z', true) }, plain)[0]).toBe(
    '✔ w3 is cut over; rollback possible until 2026-03-02 02:00 UTC',
  );
  expect(
    replyLines(
      'cutover',
      { ...cutOver, ...closing('no rollback without loss while the feed is stuck', false, [switchback('status', '--check')]) },
      plain,
    ),
  ).toEqual(
    screen(`
! w3 is cut over; no rollback without loss while the feed is stuck

Next
  npx switchback status --check
`),
  );
  const lost = closing('not proven: the moment was lost with the runner that kept it: nothing was compared [moment:lost]', false, [
    switchback('rollback', '--accept-difference moment:lost', '--reason "<why>"'),
  ]);
  expect(replyLines('rollback', { ...cutOver, ...lost }, plain)).toEqual(
    screen(`
! w3 is rolled back; nothing was deleted; not proven: the moment was lost with
  the runner that kept it: nothing was compared [moment:lost]

Next
  npx switchback rollback --accept-difference moment:lost --reason "<why>"
`),
  );
  expect(replyLines('rollback', { ...cutOver, ...lost }, { ...plain, columns: 200 })[0]).toBe(
    '! w3 is rolled back; nothing was deleted; not proven: the moment was lost with the runner that kept it: nothing was compared [moment:lost]',
  );
  expect(replyLines('teardown', { ...cutOver, ...closing('the final snapshot is video-w3-final-video-db', true) }, plain)[0]).toBe(
    '✔ w3 is closed; the final snapshot is video-w3-final-video-db',
  );
  expect(replyLines('cutover', { state: 'finished', window: 'w0' }, plain)).toEqual([
    '✔ the system is open',
    '',
    'Next',
    '  npx switchback status',
  ]);
  expect(replyLines('rollback', { state: 'finished', window: 'w0' }, plain)).toEqual(
    screen(`
✔ the system is closed again, as before its first opening; nothing was deleted

Next
  set a mended release for the color in your CDK app, and deploy it
  then, to open the system to customers: npx switchback cutover
`),
  );
  expect(replyLines('stage', { state: 'finished', window: 'w3' }, plain)[0]).toBe('✔ w3 is staged; nothing has changed for customers');
  expect(replyLines('rollback', { state: 'finished', window: 'w3' }, plain)[0]).toBe('✔ w3 is rolled back; nothing was deleted');
  expect(replyLines('teardown', { state: 'finished', window: 'w3' }, plain)[0]).toBe('✔ w3 is closed');
});

// found by an operator: after stage --undo it said "w3 is staged … Next: plan, cutover".
test.each([80, 200])('a stage that was undone says so, what it deleted, and no cutover, at %i columns', (columns) => {
  const plan = [
    {
      id: 'undo.trial',
      title: 'Delete the copy with its snapshot',
      estimateSeconds: 9,
      deletes: 'the copy of the trial with its snapshot',
    },
    {
      id: 'undo.fallback',
      title: 'Delete it',
      estimateSeconds: 9,
      deletes: 'the stack video-fallback-w3 with the database video-fallback-w3',
    },
    { id: 'undo.close', title: 'Close the window', estimateSeconds: 2 },
  ];
  const { view } = new Night()
    .start(0, 'stage', plan)
    .step(0, 1, 'undo.trial')
    .step(1, 2, 'undo.fallback')
    .add(3, { type: 'window.closed', outcome: 'undone' });
  const lines = replyLines(
    'stage',
    { state: 'finished', window: 'w3' },
    { ...plain, columns },
    { undone: true, deleted: deletedBy(view, 'stage') },
  );
  expect(lines).toEqual(
    screen(
      columns === 80
        ? `
✔ the stage of w3 is undone, and w3 is closed; nothing has changed for customers
  deleted: the copy of the trial with its snapshot, the stack video-fallback-w3
  with the database video-fallback-w3

Next
  npx switchback status
`
        : `
✔ the stage of w3 is undone, and w3 is closed; nothing has changed for customers
  deleted: the copy of the trial with its snapshot, the stack video-fallback-w3 with the database video-fallback-w3

Next
  npx switchback status
`,
    ),
  );
});

test('no success ends with a command alone that takes the site down or deletes', () => {
  for (const verb of ['stage', 'cutover', 'rollback', 'teardown'] as const)
    for (const window of ['w0', 'w3'])
      for (const undone of [false, true]) {
        const lines = replyLines(verb, { state: 'finished', window }, plain, { undone });
        const bare = lines.filter((line) => /^ {2}npx switchback/.test(line)).map((line) => line.trim());
        expect(bare.filter((command) => !/^npx switchback (status|plan)/.test(command))).toEqual([]);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
      }
});

test('times of a runner, which lives in UTC, are shown in the zone of whoever reads them; what is to be typed stays as it is', () => {
  const berlin = { ...plain, timeZone: 'Europe/Berlin' };
  const question =
    'The decision time: a rollback from here takes about 9 min and must be done by 2026-07-01T03:30:00.000Z. Go on (go) or roll back (no-go)?';
  expect(replyLines('cutover', { state: 'gate', step: 'decision.time', question, window: 'w3' }, berlin).join(' ')).toContain(
    'must be done by 2026-07-01 05:30 CEST. Go on',
  );
  const stopped = {
    ...{ state: 'stopped' as const, code: 'step.no-longer-holds', exit: 1, world: 'Seen at 2026-01-01T23:59:58.123Z.' },
    ...{ message: 'it was confirmed at 2026-01-01T00:00:07Z', next: [switchback('cutover', '--up-by 2026-01-01T03:30:00Z')] },
  };
  expect(replyLines('cutover', stopped, berlin)).toEqual([
    '✖ step.no-longer-holds: it was confirmed at 2026-01-01 01:00:07 CET',
    '  Seen at 2026-01-02 00:59:58 CET.',
    '',
    'Next',
    '  npx switchback cutover --up-by 2026-01-01T03:30:00Z',
  ]);
});

test('a gate that nobody was there to answer says how to', () => {
  expect(
    replyLines('cutover', { state: 'gate', step: 'gate.go', question: 'Landing tests: by the business. Go?', window: 'w3' }, plain),
  ).toEqual(
    screen(`
? w3 waits for an answer: Landing tests: by the business. Go?

Next
  npx switchback cutover --answer go --reason "<why>"
  npx switchback cutover --answer no-go --reason "<why>"
`),
  );
});

test('an answer says whom it overrules; one that came second says that it does not count', () => {
  const night = new Night()
    .start(0)
    .add(1, { type: 'gate.asked', step: 'gate.go', question: 'Go?' })
    .add(2, { type: 'gate.answered', step: 'gate.go', answer: 'no-go', reason: 'wrong invoices' })
    .add(2, { type: 'gate.answered', step: 'gate.go', answer: 'go', reason: 'all landed' })
    .add(9, {
      type: 'gate.answered',
      step: 'gate.go',
      answer: 'go',
      reason: 'CHG-4711',
      overrules: { number: 4, answer: 'no-go', who: 'Ana' },
    });
  expect(night.events.slice(-3).map((event) => eventText(event, cutover, plain, night.view.uncounted))).toEqual([
    'no-go by Ana: wrong invoices',
    'go by Ana: all landed (does not count: the answer before it stands)',
    'go by Ana, who overrules the no-go of Ana: CHG-4711',
  ]);
});

test('a run that begins says how many of its times were measured, and where', () => {
  const step = (id: string, measured?: object) => ({ id, title: id, estimateSeconds: 10, ...(measured ? { measured } : {}) });
  const said = (...measured: (object | undefined)[]) => {
    const night = new Night().add(0, {
      type: 'run.started',
      verb: 'cutover',
      plan: measured.map((one, i) => step(`${i}`, one)) as never,
      runner: 'runner',
    });
    return eventText(night.events.at(-1)!, [], plain);
  };
  const [earlier, trial] = [
    { runs: 2, p90Seconds: 9 },
    { runs: 1, p90Seconds: 9, trial: 'w3' },
  ];
  expect(said(undefined)).toContain('about 10 s');
  expect(said(undefined)).not.toContain('measured');
  expect(said(earlier, undefined)).toContain('(1 of them measured in earlier windows)');
  expect(said(earlier, trial)).toContain('(1 of them measured in earlier windows, the migrations measured in the trial of w3)');
});

test('an error is red and has no stack; a fault of ours has one', () => {
  const stop = new Stop('system.none', 'no system has been deployed in this account and Region', {
    next: [deploy('shared', 'blue')],
    exit: exit.usage,
  });
  expect(failureLines(stop, colored)).toEqual([
    '<red>✖</> system.none: no system has been deployed in this account and Region',
    '',
    'Next',
    '  <bold>npx cdk deploy shared blue</>',
  ]);
  const bug = failureLines(new TypeError('x is not a function'), plain);
  expect(bug.slice(0, 2)).toEqual(['✖ switchback.bug: x is not a function', '  This is a fault of Switchback itself; where it happened:']);
  expect(bug[2]).toMatch(/^ {4}at .*messages\.test\.ts/);
  expect(bug.slice(-2)).toEqual(['Next', '  npx switchback status']);
});

test.each([
  [0, '0 s'],
  [0.42, '0.4 s'],
  [9.96, '10 s'],
  [59.4, '59 s'],
  [59.6, '1:00 min'],
  [3599, '59:59 min'],
  [3600, '1:00 h'],
  [86_399, '24:00 h'],
  [-1, '0 s'],
])('%s seconds are written as %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test('a time for another day names its day and zone', () => {
  expect(dateTime('2026-03-01T23:30:00Z', plain)).toBe('2026-03-01 23:30 UTC');
  expect(dateTime('2026-03-01T23:30:00Z', { ...plain, timeZone: 'Europe/Zurich' })).toBe('2026-03-02 00:30 CET');
});
