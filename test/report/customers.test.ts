/** What customers see, on every screen: derived from what an address answers, whatever a step intended. */

import { Stop } from '../../lib/base/errors';
import { type CustomersPicture, customersLines, customersOf } from '../../lib/report/customers';
import { jsonFailure, jsonReply, jsonStatus } from '../../lib/report/json';
import { liveScreen } from '../../lib/report/live';
import { failureLines, replyLines } from '../../lib/report/messages';
import { statusScreen } from '../../lib/report/status';
import type { StatusScreen } from '../../lib/report/types';
import { began, colored, cutover, manifest, Night, plain, screen } from './night';

const releases = { blue: manifest.blue?.release, green: manifest.green?.release };
const where = 'http://video.test:80/release';
const at = (second: number) => began + second * 1000;
const iso = (second: number) => new Date(at(second)).toISOString();
type Seen = CustomersPicture['seen'];
const maintenance = (second: number, more: Partial<Seen> = {}): Seen => ({
  ...{ at: at(second), where, answer: { status: 503 }, live: 'blue', maintenance: true },
  ...more,
});
const served = (second: number, color: 'blue' | 'green', more: Partial<Seen> = {}): Seen => ({
  ...{ at: at(second), where, live: color, maintenance: false },
  answer: { status: 200, release: releases[color]?.version, commit: releases[color]?.commit },
  ...more,
});
/** Its rollback loses nothing. */
const fed = cutover.map(({ pointOfLoss: _, ...step }) => step);
/** Down from second 2 on, fenced, migrated, opened to green. */
const migrated = () =>
  new Night()
    .start(0, 'cutover', fed)
    .step(0, 2, 'traffic.maintenance')
    .step(2, 30, 'workers.stop')
    .add(30, { type: 'step.done', step: 'fork.feed', seconds: 1, acted: true, facts: {} })
    .step(30, 40, 'database.fence')
    .step(40, 100, 'migrations')
    .step(100, 101, 'database.open');
const open = () => migrated().step(200, 202, 'traffic.switch').step(202, 396, 'traffic.open');
const line = (picture: CustomersPicture, second: number, style = plain) => customersLines(picture, at(second), style);

test.each<[string, CustomersPicture, number, string]>([
  ['no window', { seen: served(0, 'blue'), releases }, 0, 'customers: blue 1.0.0, asked now'],
  ['an older look says how old it is', { seen: served(0, 'blue'), releases }, 7, 'customers: blue 1.0.0, asked 7 s ago'],
  [
    'in maintenance, how long so far',
    { seen: maintenance(134, {}), releases, view: migrated().view },
    136,
    'customers: maintenance 2:14 min, asked 2 s ago; a rollback loses nothing',
  ],
  [
    'open, with the downtime in total',
    { seen: served(400, 'green'), releases, view: open().view },
    401,
    'customers: green 2.0.0, asked now; down 6:34 min in total; a rollback loses nothing',
  ],
  [
    'the hold: until when one can go back',
    {
      seen: served(400, 'green'),
      releases,
      view: open().add(397, { type: 'step.done', step: 'hold.schedule', seconds: 1, acted: true, facts: { holdEndsAt: iso(86_400) } }).view,
    },
    400,
    'customers: green 2.0.0, asked now; down 6:34 min in total; a rollback loses nothing until 2026-03-02 02:00 UTC',
  ],
  [
    'the feed is dead',
    {
      seen: served(400, 'green'),
      releases,
      view: open().view,
      feed: { type: 'hold.seen', state: 'dead', heartbeatSeconds: 3, reasons: [], drift: [], applyErrors: 0 },
    },
    400,
    'customers: green 2.0.0, asked now; down 6:34 min in total; a rollback loses what was written since the feed died',
  ],
  [
    'the feed stands still',
    {
      seen: served(400, 'green'),
      releases,
      view: open().add(397, { type: 'step.done', step: 'hold.schedule', seconds: 1, acted: true, facts: { holdEndsAt: iso(86_400) } }).view,
      feed: { type: 'hold.seen', state: 'stuck', reasons: [], drift: [], applyErrors: 1, mendBy: iso(7200) },
    },
    400,
    'customers: green 2.0.0, asked now; down 6:34 min in total; no rollback without loss while the feed is stuck, mend it by 2026-03-01 04:00 UTC at the latest',
  ],
  [
    'an error of the balancer is no maintenance',
    { seen: served(0, 'blue', { answer: { status: 502 } }), releases },
    0,
    'customers: HTTP 502 without a release, asked now',
  ],
  [
    'a release that neither color has',
    { seen: served(0, 'blue', { answer: { status: 200, release: '0.9.0' } }), releases },
    0,
    'customers: HTTP 200 by release 0.9.0, asked now',
  ],
  [
    'an address that is closed to this place',
    {
      seen: { at: at(0), where, failed: 'no answer within 1.5 seconds', live: 'blue', maintenance: true },
      releases,
      view: migrated().view,
    },
    134,
    'customers: maintenance 2:12 min, by the rules (not asked from here: no answer within 1.5 seconds); a rollback loses nothing',
  ],
  [
    'traffic that was moved by hand: what is answered counts, and not what the journal says',
    { seen: served(120, 'blue'), releases, view: migrated().view },
    120,
    'customers: blue 1.0.0 READ-ONLY, asked now; a rollback loses nothing',
  ],
])('%s', (_what, picture, second, text) => {
  expect(line(picture, second, { ...plain, columns: 200 })).toEqual([text]);
  const lines = line(picture, second);
  expect(lines.map((each) => each.trim()).join(' ')).toBe(text);
  for (const each of lines) expect(each.length).toBeLessThanOrEqual(80);
});

// found by an operator: after --traffic-only the status looked healthy while every POST got 503.
test('after --traffic-only behind the fence customers read and cannot write, and the line says since when and by whom', () => {
  const seen = served(160, 'blue', { emergency: { at: iso(154), by: 'bob@phone' } });
  const picture = { seen, releases, view: migrated().view };
  expect(line(picture, 160)).toEqual([
    'customers: blue 1.0.0 READ-ONLY since 02:02 (emergency by bob@phone), asked',
    '  now; down 2:32 min in total; a rollback loses nothing',
  ]);
  expect(line(picture, 160, { ...colored, columns: 200 })).toEqual([
    'customers: <red>blue 1.0.0 READ-ONLY since 02:02 (emergency by bob@phone)</>, asked now; down 2:32 min in total; a rollback loses nothing',
  ]);
  expect(customersOf(picture, at(161))).toEqual({
    ...{ see: 'blue', release: '1.0.0', answer: 'HTTP 200', where, at: iso(160), ageSeconds: 1 },
    ...{ readOnly: { since: iso(154), by: 'bob@phone' }, downSeconds: 152, back: 'a rollback loses nothing' },
  });
  // the rollback opens the database: it is over.
  const back = migrated().start(170, 'rollback', cutover, 'run-2').step(171, 180, 'database.open').view;
  expect(customersOf({ ...picture, view: back }, at(181)).readOnly).toBeUndefined();
  // before the fence, the old release can write.
  const early = new Night().start(0).step(0, 2, 'traffic.maintenance').view;
  expect(customersOf({ ...picture, view: early }, at(160)).readOnly).toBeUndefined();
});

test('the times of a cutover and of its rollback are one sum', () => {
  const view = open().start(500, 'rollback', cutover, 'run-2').step(500, 502, 'traffic.maintenance').view;
  expect(customersOf({ seen: maintenance(510, { live: 'green' }), releases, view }, at(512)).downSeconds).toBe(394 + 10);
  const back = open().start(500, 'rollback', cutover, 'run-2').step(500, 502, 'traffic.maintenance').step(502, 562, 'traffic.open').view;
  expect(customersOf({ seen: served(600, 'blue'), releases, view: back }, at(600)).downSeconds).toBe(394 + 60);
});

describe.each([80, 200])('every screen has the line, at %i columns', (columns) => {
  const style = { ...plain, columns };
  const seen = maintenance(134);
  const view = migrated().view;
  const text = customersLines({ seen, releases, view }, at(136), style);
  const quiet: StatusScreen = {
    ...{ system: 'video', opened: true, live: 'blue', maintenance: true, releases: { blue: releases.blue, green: releases.green } },
    ...{ production: 'video-production', productionStatus: 'available', window: view, holdEndsAt: undefined, lastWindow: 'w3' },
    ...{ now: at(136), seen },
  };

  test('live', () => {
    const lines = liveScreen({ view, events: migrated().events, customers: { seen, releases } }, at(136), style);
    expect(lines.slice(-4)).toEqual([
      ...text,
      '4 of 8 steps done, about 1:14 h left, until 03:16:21',
      'Next: Check that green is up, healthy and runs its release',
      'Abort: Ctrl-C stops after this step; npx switchback rollback takes all back',
    ]);
  });

  test('status', () => {
    expect(statusScreen(quiet, style).slice(0, 4)).toEqual([
      'video',
      '',
      '  customers    maintenance 2:14 min, asked 2 s ago; a rollback loses nothing',
      '  live         blue   1.0.0 (9f8e7d6c)',
    ]);
    expect(jsonStatus(quiet, [])).toMatchObject({ customers: { see: 'maintenance', downSeconds: 134, ageSeconds: 2 } });
    expect(jsonStatus(quiet, [])).not.toHaveProperty('seen');
  });

  test('failure and last word', () => {
    const stop = new Stop('migrations.failed', 'the task exited with 1', { state: 'The maintenance answer is in front.' });
    expect(failureLines(stop, style, text)).toEqual(
      screen(`
✖ migrations.failed: the task exited with 1
  The maintenance answer is in front.
  customers: maintenance 2:14 min, asked 2 s ago; a rollback loses nothing
`),
    );
    expect(replyLines('cutover', { state: 'gate', step: 'gate.go', question: 'Go?', window: 'w3' }, style, { customers: text })).toContain(
      text[0],
    );
    expect(replyLines('cutover', { state: 'finished', window: 'w3' }, style, { customers: text })[1]).toBe(text[0]);
    const customers = customersOf({ seen, releases, view }, at(136));
    expect(jsonFailure(stop, customers)).toMatchObject({ code: 'migrations.failed', customers: { see: 'maintenance' } });
    expect(jsonReply('cutover', { state: 'finished' }, { customers })).toMatchObject({ customers: { see: 'maintenance' } });
  });
});
