/** A stuck step says why, whole: what was expected, since when, and when it gives up; and no end is promised that moves on with the clock. */
import { liveScreen } from '../../lib/report/live';
import { PlainLog } from '../../lib/report/plain';
import { releaseText } from '../../lib/steps/release-proof';
import { began, Night, plain, screen } from './night';

const plan = [
  { id: 'release.ready', title: 'Check that green is up, healthy and runs its release', estimateSeconds: 5, patienceSeconds: 600 },
  { id: 'traffic.maintenance', title: 'Turn the maintenance page on', estimateSeconds: 2 },
];
const why = 'player at 10.0.0.7:80/watch/release answered without the header x-release, expected 2.0.0 (a1b2c3d4e5f6)';
const stuck = () =>
  new Night()
    .start(0, 'cutover', plan)
    .add(0, { type: 'step.started', step: 'release.ready' })
    .add(1, { type: 'step.progress', step: 'release.ready', text: 'player: 0 of 2 targets healthy' })
    .add(10, { type: 'step.progress', step: 'release.ready', text: why })
    // the same again is no news.
    .add(60, { type: 'step.progress', step: 'release.ready', text: why });
const draw = (second: number, columns: number) => {
  const night = stuck();
  return liveScreen({ view: night.view, events: night.events }, began + second * 1000, { ...plain, columns });
};

test('live, at 80 columns', () => {
  expect(draw(90, 80)).toEqual(
    screen(`
video w3 · cutover · blue 1.0.0 → green 2.0.0                           1:30 min
by Ana on ana@laptop, since 02:00:00

▶ Check that green is up, healthy and runs its release             5 s  1:30 min
    player at 10.0.0.7:80/watch/release answered without the header x-release,
    expected 2.0.0 (a1b2c3d4e5f6)
    so since 02:00:10; gives up at 02:10:00
  Turn the maintenance page on                                     2 s

0 of 2 steps done; about 2 s more, once this one is done
Next: Turn the maintenance page on
Abort: Ctrl-C stops after this step; npx switchback rollback takes all back
`),
  );
});

test('live, at 200 columns', () => {
  expect(draw(90, 200).slice(3, 8)).toEqual([
    `▶ ${'Check that green is up, healthy and runs its release'.padEnd(178)}       5 s  1:30 min`,
    `    ${why}`,
    '    so since 02:00:10; gives up at 02:10:00',
    `  ${'Turn the maintenance page on'.padEnd(178)}       2 s`,
    '',
  ]);
});

test('the end that was promised does not move on with the clock: it stands until nobody knows it any more', () => {
  const sums = [1, 4, 6, 9, 11, 60].map((second) => draw(second, 80).find((line) => line.includes('steps done')));
  expect(sums).toEqual([
    '0 of 2 steps done, about 6 s left, until 02:00:07',
    '0 of 2 steps done, about 3 s left, until 02:00:07',
    '0 of 2 steps done, about 1 s left, until 02:00:07',
    '0 of 2 steps done, about 0 s left, until 02:00:07',
    '0 of 2 steps done; about 2 s more, once this one is done',
    '0 of 2 steps done; about 2 s more, once this one is done',
  ]);
});

test('a step that is not late says what it waits for in one line', () => {
  expect(draw(9, 80)[4]).toBe(`    ${why.slice(0, 75)}…`);
});

test('a question that people take long to answer promises no end either', () => {
  const night = new Night()
    .start(0, 'cutover', [{ id: 'gate.go', title: 'Go or no-go', estimateSeconds: 60 }, ...plan.slice(1)])
    .add(0, { type: 'step.started', step: 'gate.go' })
    .add(0, { type: 'gate.asked', step: 'gate.go', question: 'Go?' });
  const lines = liveScreen({ view: night.view, events: night.events }, began + 600_000, plain);
  expect(lines).toContain('0 of 2 steps done; about 2 s more, once it is answered');
});

test('the plain log says it in every silence, whole', () => {
  const night = stuck();
  const log = new PlainLog(plain);
  log.events(night.view, night.events);
  expect(log.tick(began + 60_000)).toEqual([]);
  expect(log.tick(began + 90_000)).toEqual([
    `02:01:30  … Check that green is up, healthy and runs its release (1:30 min of 5 s): ${why}; so since 02:00:10; gives up at 02:10:00`,
  ]);
});

test('an answer that is not the release says which header it lacks', () => {
  expect(releaseText({ release: undefined, commit: undefined })).toBe('without the header x-release');
  expect(releaseText({ release: '2.0.0', commit: undefined })).toBe('release 2.0.0 without the header x-commit');
  expect(releaseText({ release: '1.0.0', commit: '9f8e' })).toBe('release 1.0.0 (9f8e)');
});
