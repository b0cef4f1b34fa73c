/** The gate, whole: everything that people need who decide there. */
import type { CustomersPicture } from '../../lib/report/customers';
import { gateLines } from '../../lib/report/gate';
import { liveScreen } from '../../lib/report/live';
import { statusScreen } from '../../lib/report/status';
import { began, colored, cutover, manifest, Night, plain, screen } from './night';

const iso = (second: number) => new Date(began + second * 1000).toISOString();
const plan = [
  ...cutover.slice(0, 7).map(({ pointOfLoss: _, ...step }) => step),
  { id: 'traffic.switch', title: 'Send traffic to green', estimateSeconds: 2 },
  { id: 'traffic.open', title: 'Turn the maintenance page off: the site is open', estimateSeconds: 68 },
  cutover[7]!,
];
const atGate = () =>
  new Night()
    .start(0, 'cutover', plan)
    .step(0, 1, 'stage.ready')
    .step(1, 2, 'traffic.maintenance')
    .step(2, 30, 'workers.stop')
    .step(30, 250, 'fallback.promote')
    .step(250, 310, 'migrations')
    .step(310, 311, 'database.open')
    .add(311, { type: 'step.started', step: 'gate.go' })
    .add(311, { type: 'gate.asked', step: 'gate.go', question: 'landing test by the business: passed? Go?' });
const customers: CustomersPicture = {
  seen: {
    ...{ at: began + 370_000, where: 'http://video.test:80/release', address: 'http://video.test:80' },
    ...{ answer: { status: 503 }, live: 'blue', maintenance: true },
  },
  releases: { blue: manifest.blue?.release, green: manifest.green?.release },
};
const live = (night: Night, second: number, columns: number, rows = 60) =>
  liveScreen({ view: night.view, events: night.events, customers }, began + second * 1000, { ...plain, columns, rows });

test('at 80 columns', () => {
  expect(live(atGate(), 371, 80)).toEqual(
    screen(`
video w3 · cutover · blue 1.0.0 → green 2.0.0                           6:11 min
by Ana on ana@laptop, since 02:00:00

✔ Check that green is up, healthy and runs its release             5 s       1 s
✔ Turn the maintenance page on                                     2 s       1 s
✔ Stop blue's workers and prove them stopped                      40 s      28 s
✔ Promote video-fallback-w3: it becomes a database of its …   4:00 min  3:40 min
✔ Run the migrations of 2.0.0                                 2:00 min  1:00 min
✔ Open video-production to green, and only to green                1 s       1 s
? Landing tests (by the business), then go or no-go          10:00 min  1:00 min
  Send traffic to green                                            2 s
  Turn the maintenance page off: the site is open             1:08 min
  Watch green for 3600 s                                        1:00 h

customers: maintenance 6:09 min, asked now; a rollback loses what was written
  since 2026-03-01 02:05 UTC
6 of 10 steps done, about 1:10 h left, until 03:16:21
green 2.0.0 answers those who know the way:
  curl -H 'x-switchback: green' http://video.test:80/
? 1  landing test by the business: not told yet
(type 1 passed, or 1 failed and what is wrong)
go     opens the site on green 2.0.0 in about 1:10 min (2 steps)
no-go  stops here; then npx switchback rollback takes everything back in about
       7:43 min (16 steps)
no hour was given (--up-by): it waits for as long as people take
answer here, or from any terminal with
  npx switchback cutover --answer go --reason "<why>"
  npx switchback cutover --answer no-go --reason "<why>"
`),
  );
});

const told = (night: Night) =>
  night.add(330, { type: 'landing.told', test: 'landing test by the business', passed: false, what: 'the invoices are wrong' }, 'run-2');

test('at 200 columns, with what somebody said of a landing test, and an hour that is counted down', () => {
  const night = told(atGate())
    .add(340, { type: 'up-by.set', upBy: iso(1200), atDecision: 'hold' })
    .add(341, { type: 'decision.time', ...{ decideBy: iso(731), upBy: iso(1200), rollbackSeconds: 469, steps: 14, measuredSteps: 4 } });
  const lines = live(night, 371, 200);
  const from = lines.findIndex((line) => line.startsWith('customers'));
  expect(lines.slice(from)).toEqual(
    screen(`
customers: maintenance 6:09 min, asked now; a rollback loses what was written since 2026-03-01 02:05 UTC
6 of 10 steps done, about 1:10 h left, until 03:16:21
green 2.0.0 answers those who know the way:
  curl -H 'x-switchback: green' http://video.test:80/
✖ 1  landing test by the business: FAILED, says Ana: the invoices are wrong
(type 1 passed, or 1 failed and what is wrong)
go     opens the site on green 2.0.0 in about 1:10 min (2 steps)
no-go  stops here; then npx switchback rollback takes everything back in about 7:43 min (16 steps)
decide within 6:00 min, until 02:12:11
answer here, or from any terminal with
  npx switchback cutover --answer go --reason "<why>"
  npx switchback cutover --answer no-go --reason "<why>"
`),
  );
  // it counts.
  expect(live(night, 372, 200)).toContain('decide within 5:59 min, until 02:12:11');
  const lineOf = (second: number) =>
    gateLines(night.view, customers, began + second * 1000, colored).find((line) => /decide within|decision time/.test(line));
  expect(lineOf(371)).toBe('<yellow>decide within 6:00 min, until 02:12:11</>');
  expect(lineOf(700)).toBe('<red>decide within 31 s, until 02:12:11</>');
  expect(lineOf(740)).toBe('<red>the decision time is over</>');
});

test.each([80, 200])(
  'the question of the decision time counts its minute, and says what is done without an answer, at %i columns',
  (columns) => {
    const night = atGate()
      .add(340, { type: 'up-by.set', upBy: iso(1200), atDecision: 'rollback' })
      .add(400, {
        type: 'gate.asked',
        step: 'decision.time',
        question: `It must be done by ${iso(1200)}. Go on (go) or roll back (no-go)?`,
      });
    const lines = gateLines(night.view, customers, began + 412_000, { ...plain, columns });
    expect(lines.map((line) => line.trim()).join(' ')).toBe(
      'It must be done by 2026-03-01 02:20 UTC. Go on (go) or roll back (no-go)? go     goes on with the cutover, past the decision time no-go  rolls back: npx switchback rollback takes everything back in about 7:43 min (16 steps) without an answer in 48 s, it is rolled back answer here, or from any terminal with npx switchback cutover --answer go --reason "<why>" npx switchback cutover --answer no-go --reason "<why>"',
    );
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
  },
);

test('the way past the maintenance page is broken where a shell takes it, and is never cut', () => {
  const address = 'http://internal-video-1234567890.eu-central-1.elb.amazonaws.com:80';
  const lines = gateLines(atGate().view, { ...customers, seen: { ...customers.seen, address } }, began, plain);
  expect(lines.slice(1, 3)).toEqual(["  curl -H 'x-switchback: green' \\", `    ${address}/`]);
  // asked from nowhere yet: the place is named where it belongs, and the time in maintenance is the journal's.
  const blind = gateLines(atGate().view, undefined, began + 371_000, plain);
  expect(blind[1]).toBe("  curl -H 'x-switchback: green' <address>/");
  expect(blind).toContain('customers have seen the maintenance page for 6:09 min');
});

test.each<[string, string | undefined, string | undefined, number, string[]]>([
  ['/few-people-know-of-this/green', 'http://video.test:80', undefined, 80, ['  http://video.test/few-people-know-of-this/green']],
  [
    '/few-people-know-of-this/green',
    'http://video.test:8080',
    'www.video.test',
    200,
    ['  http://www.video.test:8080/few-people-know-of-this/green'],
  ],
  ['https://video.test/few-people-know-of-this/green', undefined, undefined, 80, ['  https://video.test/few-people-know-of-this/green']],
  ['/few-people-know-of-this/green', undefined, undefined, 80, ['  <address>/few-people-know-of-this/green']],
  [
    ...(['/few-people-know-of-this/green', 'http://internal-video-1234567890.eu-central-1.elb.amazonaws.com:80', undefined, 80] as const),
    ['  http://internal-video-1234567890.eu-central-1.elb.amazonaws.com', '    /few-people-know-of-this/green'],
  ],
])('with a passage, %s at %s, where a browser gets its cookie', (passage, address, host, columns, shown) => {
  const { view } = atGate();
  const green = { ...view.manifest.green!, passage };
  const applications = green.applications.map((each) => (host === undefined ? each : { ...each, host }));
  const on = { ...view, manifest: { ...view.manifest, green: { ...green, applications } } };
  const seen = address === undefined ? undefined : { ...customers, seen: { ...customers.seen, address } };
  const lines = gateLines(on, seen, began + 371_000, { ...plain, columns });
  const from = lines.indexOf('and, for a day, a browser that has been at');
  expect(lines.slice(from + 1, from + 1 + shown.length)).toEqual(shown);
  expect(lines[from + 1 + shown.length]).toMatch(/landing test/);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
  // and nothing else of the gate changes; of a passage to the other color it says nothing.
  const off = {
    ...on,
    manifest: { ...on.manifest, green: { ...on.manifest.green, passage: undefined }, blue: { ...on.manifest.blue!, passage } },
  };
  const without = gateLines(off, seen, began + 371_000, { ...plain, columns });
  expect(without).toEqual([...lines.slice(0, from), ...lines.slice(from + 1 + shown.length)]);
});

test('on a low terminal the steps give way, and the question stays', () => {
  for (let rows = 10; rows < 40; rows += 1) {
    const lines = live(atGate(), 371, 80, rows);
    expect(lines.length).toBeLessThan(rows);
    expect(lines[0]).toMatch(/^video w3 · cutover/);
    expect(lines.at(-1)).toBe('  npx switchback cutover --answer no-go --reason "<why>"');
  }
});

test('what was said of the landing tests is forgotten with the series that asked', () => {
  const night = told(atGate()).add(400, { type: 'run.finished', verb: 'cutover', seconds: 400 }).start(500, 'cutover', plan, 'run-3');
  expect([...night.view.landing]).toEqual([]);
});

test.each([80, 200])('the status shows the same, with the commands to answer below, at %i columns', (columns) => {
  const style = { ...plain, columns };
  const { view } = atGate();
  const lines = statusScreen(
    {
      ...{ system: 'video', opened: true, live: 'blue', maintenance: true, production: 'video-production', productionStatus: 'available' },
      ...{ releases: customers.releases as never, window: view, holdEndsAt: undefined, lastWindow: 'w3', now: began + 371_000 },
      seen: customers.seen,
    },
    style,
  );
  const gate = gateLines(view, customers, began + 371_000, style, { commands: false });
  expect(lines.slice(-gate.length - 5)).toEqual([
    '',
    ...gate,
    '',
    'Next',
    '  npx switchback cutover --answer go     show the new color to customers',
    '  npx switchback cutover --answer no-go  stop here, then roll back',
  ]);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
});
