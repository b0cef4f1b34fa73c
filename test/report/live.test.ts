import { gateLines } from '../../lib/report/gate';
import { liveScreen } from '../../lib/report/live';
import { began, colored, cutover, Night, plain, screen } from './night';

const draw = (night: Night, second: number, style = plain) =>
  liveScreen({ view: night.view, events: night.events.filter(({ run }) => run === 'run-1') }, began + second * 1000, style);

const migrating = () =>
  new Night()
    .start(0)
    .step(0, 0.4, 'stage.ready')
    .step(0.4, 2.4, 'traffic.maintenance')
    .step(2.4, 30, 'workers.stop')
    .step(30, 250, 'fallback.promote')
    .add(250, { type: 'step.started', step: 'migrations' })
    .add(260, { type: 'step.progress', step: 'migrations', text: 'charges: 40,000 of 120,000' });

test('a run under way shows what is done, what is going on, what comes next and how to abort', () => {
  expect(draw(migrating(), 300)).toEqual(
    screen(`
video w3 · cutover · blue 1.0.0 → green 2.0.0                           5:00 min
by Ana on ana@laptop, since 02:00:00

✔ Check that green is up, healthy and runs its release             5 s     0.4 s
✔ Turn the maintenance page on                                     2 s       2 s
✔ Stop blue's workers and prove them stopped                      40 s      28 s
✔ Promote video-fallback-w3: it becomes a database of its …   4:00 min  3:40 min
▶ Run the migrations of 2.0.0                                 2:00 min      50 s
    charges: 40,000 of 120,000
── from here on, a rollback loses what customers write ─────────────────────────
  Open video-production to green, and only to green                1 s
  Landing tests (by the business), then go or no-go          10:00 min
  Watch green for 3600 s                                        1:00 h

4 of 8 steps done, about 1:11 h left, until 03:16:11
Next: Open video-production to green, and only to green
Abort: Ctrl-C stops after this step; npx switchback rollback takes all back
`),
  );
});

test('a comparison or a copy that knows how far it is draws a bar', () => {
  const lines = draw(
    migrating().add(270, {
      type: 'step.progress',
      step: 'migrations',
      text: '3 of 12 tables, 450 of about 1000 rows: charges',
      share: 0.45,
    }),
    300,
  );
  expect(lines).toContain('    █████████░░░░░░░░░░░  45 %  3 of 12 tables, 450 of about 1000 rows: charges');
});

test('a terminal that is too low shows the lines around the current step and counts the rest', () => {
  expect(draw(migrating(), 300, { ...plain, rows: 14 })).toEqual(
    screen(`
video w3 · cutover · blue 1.0.0 → green 2.0.0                           5:00 min
by Ana on ana@laptop, since 02:00:00

✔ 4 steps done in 4:10 min
▶ Run the migrations of 2.0.0                                 2:00 min      50 s
    charges: 40,000 of 120,000
── from here on, a rollback loses what customers write ─────────────────────────
  Open video-production to green, and only to green                1 s
  2 more, about 1:10 h

4 of 8 steps done, about 1:11 h left, until 03:16:11
Next: Open video-production to green, and only to green
Abort: Ctrl-C stops after this step; npx switchback rollback takes all back
`),
  );
  for (let rows = 14; rows < 24; rows += 1) expect(draw(migrating(), 300, { ...plain, rows }).length).toBeLessThan(rows);
});

test('at a gate what people need to decide stands where the next step would', () => {
  const night = migrating()
    .add(310, { type: 'step.done', step: 'migrations', seconds: 60, acted: true })
    .step(310, 311, 'database.open')
    .add(311, { type: 'step.started', step: 'gate.go' })
    .add(311, { type: 'gate.asked', step: 'gate.go', question: 'Landing tests: by the business. Go?' });
  const lines = draw(night, 371);
  expect(lines.slice(lines.indexOf('6 of 8 steps done, about 1:09 h left, until 03:15:11'))).toEqual([
    '6 of 8 steps done, about 1:09 h left, until 03:15:11',
    ...gateLines(night.view, undefined, began + 371_000, plain),
  ]);
  // answered, it goes on.
  night.add(380, { type: 'gate.answered', step: 'gate.go', answer: 'go', reason: 'all fine' });
  expect(draw(night, 381).at(-2)).toBe('Next: Watch green for 3600 s');
});

test('when the decision time has been decided, the question of the landing tests is still there', () => {
  const night = migrating()
    .add(300, { type: 'gate.asked', step: 'gate.go', question: 'Landed? Go?' })
    .add(400, { type: 'gate.asked', step: 'decision.time', question: 'Go on or back?' })
    .add(410, { type: 'gate.answered', step: 'decision.time', answer: 'go', reason: 'nearly there' });
  expect(draw(night, 420)).toContain('? 1  landing test by the business: not told yet');
});

test('once the database is open to the new color, aborting says in red that a rollback loses writes', () => {
  const night = migrating()
    .add(310, { type: 'step.done', step: 'migrations', seconds: 60, acted: true })
    .add(310, { type: 'step.started', step: 'database.open' });
  expect(draw(night, 311, colored).at(-1)).toBe('<red>Abort: Ctrl-C stops after this step; a rollback now loses writes (--accept-loss)</>');
});

test('a run that stopped says where, and its clock stands still', () => {
  const night = migrating().add(301, {
    type: 'run.stopped',
    ...{ verb: 'cutover', step: 'migrations', code: 'migrations.failed', message: 'the task exited with 1', next: [], exit: 1 },
  });
  const lines = draw(night, 9000);
  expect(lines[0]).toBe('video w3 · cutover · blue 1.0.0 → green 2.0.0                           5:01 min');
  expect(lines[7]).toBe('✖ Run the migrations of 2.0.0                                 2:00 min      51 s');
  expect(lines.slice(-2)).toEqual(['', 'cutover stopped at 02:05:01: 4 of 8 steps done']);
});

test('a run that finished has nothing left', () => {
  const plan = cutover.slice(0, 1);
  const night = new Night()
    .start(0, 'cutover', plan)
    .step(0, 2, 'stage.ready')
    .add(2, { type: 'run.finished', verb: 'cutover', seconds: 2 });
  expect(draw(night, 60)).toEqual(
    screen(`
video w3 · cutover · blue 1.0.0 → green 2.0.0                                2 s
by Ana on ana@laptop, since 02:00:00

✔ Check that green is up, healthy and runs its release             5 s       2 s

cutover finished at 02:00:02: 1 of 1 steps done
`),
  );
});

test('a step that takes much longer than expected is shown in yellow', () => {
  const line = draw(migrating(), 550, colored).find((each) => each.includes('migrations'));
  expect(line).toBe('▶ <bold>Run the migrations of 2.0.0                                 2:00 min<yellow>  5:00 min</></>');
});

test('a run that goes on where another stopped shows its own clock and what was done before', () => {
  const night = migrating()
    .add(301, { type: 'run.stopped', verb: 'cutover', step: 'migrations', code: 'x', message: 'x', next: [], exit: 1 })
    .start(600, 'cutover', cutover, 'run-2')
    .add(600, { type: 'step.started', step: 'migrations' }, 'run-2');
  const lines = liveScreen({ view: night.view, events: night.events.filter(({ run }) => run === 'run-2') }, began + 610_000, plain);
  expect(lines[0]).toMatch(/ 10 s$/);
  expect(lines[6]).toMatch(/^✔ Promote .* 3:40 min$/);
  expect(lines[7]).toMatch(/^▶ Run the migrations of 2.0.0 .* 10 s$/);
});

test('a rollback ends with what it is judged by: its proof, and what the old schema could not hold', () => {
  const rollback = [
    { id: 'proof.equal', title: 'Compare', estimateSeconds: 30 },
    { id: 'loss.manifest', title: 'Say what is lost', estimateSeconds: 2 },
  ];
  const night = new Night()
    .start(0, 'rollback', rollback)
    .add(1, { type: 'step.started', step: 'proof.equal' })
    .add(1, { type: 'step.done', step: 'proof.equal', seconds: 1, acted: true, detail: 'equal: 12 tables' })
    .add(1, { type: 'step.started', step: 'loss.manifest' })
    .add(1, {
      type: 'step.progress',
      step: 'loss.manifest',
      text: 'kept: new table public.accounts (3 rows)\nkept: new table public.profiles',
    })
    .add(1, { type: 'step.done', step: 'loss.manifest', seconds: 1, acted: false, detail: 'nothing is lost; 2 remarks' })
    .add(1, { type: 'run.finished', verb: 'rollback', seconds: 6 });
  const lines = draw(night, 6);
  expect(lines.slice(lines.findIndex((line) => line.startsWith('rollback finished')) + 1)).toEqual([
    'equal: 12 tables',
    'nothing is lost; 2 remarks',
    '  kept: new table public.accounts (3 rows)',
    '  kept: new table public.profiles',
  ]);
});

test('the first opening of a system is taken back by closing it again', () => {
  const night = new Night().start(0, 'cutover').add(0, { type: 'step.started', step: 'stage.ready' });
  expect(draw(night, 1).at(-1)).toBe('Abort: Ctrl-C stops after this step; npx switchback rollback takes all back');
  const { from: _from, ...first } = night.view.window;
  const lines = liveScreen({ view: { ...night.view, window: { ...first, from: undefined } }, events: night.events }, began + 1000, plain);
  expect(lines.at(-1)).toBe('Abort: Ctrl-C stops after this step; npx switchback rollback closes the system');
});

test('a run says how its times are known, and marks what is only an estimate', () => {
  const plan = cutover.map((step) => (step.id === 'migrations' ? { ...step, measured: { runs: 3, p90Seconds: 140 } } : step));
  const night = new Night().start(0, 'cutover', plan).add(0, { type: 'step.started', step: 'stage.ready' });
  const lines = draw(night, 1);
  expect(lines[2]).toBe('times: 1 of 8 measured (up to 3 earlier runs); ~ is an estimate');
  const tried = cutover.map((step) => (step.id === 'migrations' ? { ...step, measured: { runs: 1, p90Seconds: 140, trial: 'w3' } } : step));
  expect(draw(new Night().start(0, 'cutover', tried), 1)[2]).toBe('times: 1 of 8 measured (the trial of w3); ~ is an estimate');
  expect(lines.find((line) => line.includes('Run the migrations'))).toMatch(/ {2}2:00 min$/);
  expect(lines.find((line) => line.includes('Promote'))).toMatch(/ ~4:00 min$/);
});

test('the decision time is counted down: yellow ten minutes before, red two minutes before', () => {
  const at = (second: number) => new Date(began + second * 1000).toISOString();
  const night = migrating()
    .add(261, { type: 'up-by.set', upBy: at(5000), atDecision: 'hold' }, 'run-2')
    .add(262, { type: 'decision.time', ...{ decideBy: at(2000), upBy: at(5000), rollbackSeconds: 3000, steps: 9, measuredSteps: 4 } });
  const line = (second: number, style = plain) => draw(night, second, style).find((each) => each.includes('must be up'));
  expect(line(300)).toBe('must be up by 03:23:20 UTC: decide in 28:20 min (02:33:20), rollback 50:00 min');
  expect(line(1500, colored)).toMatch(/^<yellow>must be up by 03:23:20 UTC: decide in 8:20 min/);
  expect(line(1900, colored)).toMatch(/^<red>must be up by 03:23:20 UTC: decide in 1:40 min/);
  expect(line(2001)).toMatch(/the decision time is over/);
  night.add(2002, { type: 'gate.answered', step: 'decision.time', answer: 'go', reason: 'almost there' });
  expect(line(2003)).toBe('must be up by 03:23:20 UTC; at the decision time it was decided to go on');
  // customers are on the new color: the hour has been met.
  night.add(2100, { type: 'step.started', step: 'traffic.open' });
  expect(line(2101)).toBeUndefined();
});

test.each([80, 200])(
  'whoever only watches is told at %i columns what Ctrl-C ends; a run that says nothing is not drawn as going on',
  (columns) => {
    const watched = (second: number) =>
      liveScreen({ view: migrating().view, events: migrating().events.slice(1), watching: true }, began + second * 1000, {
        ...plain,
        columns,
      });
    expect(watched(300).slice(-3)).toEqual([
      '4 of 8 steps done, about 1:11 h left, until 03:16:11',
      'Next: Open video-production to green, and only to green',
      'Ctrl-C ends only the watching: the run goes on without this terminal',
    ]);
    expect(watched(336).at(-3)).toBe('4 of 8 steps done; nothing has been heard of it since 02:04:20');
  },
);
