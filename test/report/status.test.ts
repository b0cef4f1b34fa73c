import { spell } from '../../lib/report/advice';
import { jsonStatus } from '../../lib/report/json';
import { eventText } from '../../lib/report/messages';
import { nextCommands, statusScreen } from '../../lib/report/status';
import type { StatusScreen } from '../../lib/report/types';
import { ana, began, colored, cutover, Night, plain, screen, w3 } from './night';

const quiet: StatusScreen = {
  system: 'video',
  opened: true,
  live: 'blue',
  maintenance: false,
  releases: { blue: { version: '1.0.0', commit: '9f8e7d6c5b4a' }, green: { version: '2.0.0', commit: 'a1b2c3d4e5f6' } },
  production: 'video-production',
  productionStatus: 'available',
  window: undefined,
  holdEndsAt: undefined,
  lastWindow: 'w2',
  now: began,
};
const commands = (status: StatusScreen) => nextCommands(status).map(({ command }) => spell(command));

test('a system at rest: what is live, on which database, and how the next window begins', () => {
  expect(statusScreen(quiet, plain)).toEqual(
    screen(`
video

  live         blue   1.0.0 (9f8e7d6c)
  standby      green  2.0.0 (a1b2c3d4)
  maintenance  parked
  production   video-production (available)
  window       none open; the last was w2

Next
  npx cdk deploy fallback-w3  the fallback; window: 3 in your CDK app
  npx switchback stage        check everything w3 needs; nothing is down
`),
  );
});

test('stacks in a stage of the app are named as cdk deploy knows them there', () => {
  const prod = { ...quiet, stackPath: 'Prod' };
  expect(statusScreen(prod, plain).slice(-3)).toEqual([
    'Next',
    '  npx cdk deploy Prod/fallback-w3  the fallback; window: 3 in your CDK app',
    '  npx switchback stage             check everything w3 needs; nothing is down',
  ]);
  expect(commands({ ...prod, releases: { ...quiet.releases, green: quiet.releases.blue } })[0]).toBe('npx cdk deploy Prod/green');
});

// found by the soak: it advised to deploy what was deployed.
test('with the next fallback deployed, the next thing is the stage of its window', () => {
  expect(commands({ ...quiet, readyFor: 'w4' })).toEqual(['npx switchback stage']);
  expect(statusScreen({ ...quiet, readyFor: 'w4' }, plain).join('\n')).toContain('check everything w4 needs');
});

test('a system that nobody has opened', () => {
  const fresh = { ...quiet, opened: false, live: undefined, lastWindow: undefined, releases: { ...quiet.releases, green: undefined } };
  expect(statusScreen(fresh, plain)).toEqual(
    screen(`
video

  live         nobody: the system has not been opened yet
               blue   1.0.0 (9f8e7d6c)
               green  not deployed
  maintenance  parked
  production   video-production (available)
  window       none yet

Next
  npx switchback cutover  open the system to customers for the first time
`),
  );
  expect(commands({ ...fresh, releases: { blue: undefined, green: undefined } })).toEqual(['npx cdk deploy blue']);
});

test('during the hold: when it ends, and the way back', () => {
  const plan = cutover.slice(0, 1);
  const night = new Night()
    .start(0, 'cutover', plan)
    .step(0, 5, 'stage.ready')
    .add(5, { type: 'run.finished', verb: 'cutover', seconds: 5 });
  const hold = {
    ...quiet,
    live: 'green' as const,
    window: night.view,
    lastWindow: 'w3',
    holdEndsAt: '2026-03-02T02:00:05Z',
    now: began + 60_000,
  };
  expect(statusScreen(hold, plain)).toEqual(
    screen(
      `
video

  live         green  2.0.0 (a1b2c3d4)
  standby      blue   1.0.0 (9f8e7d6c)
  maintenance  parked
  production   video-production (available)
  window       w3, blue → green, opened 2026-03-01 01:59 UTC
    cutover    finished, begun 2026-03-01 02:00 UTC by Ana
  hold ends    2026-03-02 02:00 UTC, in 23:59 h, then teardown by itself

Next
  npx switchback status --check  see whether a rollback is still possible
  npx switchback rollback        take everything back
  npx switchback teardown --now  end the hold early: nobody can go back then
`,
    ),
  );
});

test('the feed as it was last seen: until when a rollback is possible, and loudly when it is dead', () => {
  const night = new Night().start(0, 'cutover', cutover.slice(0, 1)).add(5, { type: 'run.finished', verb: 'cutover', seconds: 5 });
  const hold = { ...quiet, window: night.view, holdEndsAt: '2026-03-02T02:00:05Z' };
  const seen = { type: 'hold.seen' as const, at: '2026-03-01T03:00:00Z', reasons: [], drift: [], applyErrors: 0 };
  const about = (feed: StatusScreen['feed']) => {
    // the marks of the colors stand for what takes no room on a terminal.
    const lines = statusScreen({ ...hold, ...(feed ? { feed } : {}) }, { ...colored, columns: 100 });
    const from = lines.findIndex((line) => line.startsWith('  feed'));
    return from < 0 ? [] : lines.slice(from, lines.indexOf('', from)).map((line) => line.trim());
  };
  expect(about(undefined)).toEqual([]);
  expect(about({ ...seen, state: 'alive', rollbackPossibleUntil: '2026-03-02T02:00:05Z' })).toEqual([
    'feed         <green>alive, seen 2026-03-01 03:00 UTC</>',
    '<green>rollback possible until 2026-03-02 02:00 UTC</>',
  ]);
  expect(about({ ...seen, state: 'alive', drift: ['the column public.users.nickname is new'] })).toEqual([
    'feed         <yellow>alive, seen 2026-03-01 03:00 UTC</>',
    '<yellow>changed under the feed: the column public.users.nickname is new</>',
  ]);
  expect(about({ ...seen, state: 'dead', heartbeatSeconds: 600, reasons: ['the slot is gone'] })).toEqual([
    'feed         <red>dead, seen 2026-03-01 03:00 UTC: the slot is gone</>',
    '<red>a rollback would leave what was written since 2026-03-01 02:50 UTC behind',
    '(--accept-loss); production goes on</>',
  ]);
});

test('with a dead feed the way back says what it costs', () => {
  const night = new Night()
    .start(0, 'cutover', cutover.slice(0, 1))
    .add(1, { type: 'step.started', step: 'database.open' })
    .add(5, { type: 'run.finished', verb: 'cutover', seconds: 5 });
  const feed = { type: 'hold.seen' as const, at: '2026-03-01T03:00:00Z', state: 'dead' as const, reasons: [], drift: [], applyErrors: 0 };
  expect(commands({ ...quiet, window: night.view, feed })[1]).toBe('npx switchback rollback --accept-loss');
  expect(commands({ ...quiet, window: night.view, feed: { ...feed, state: 'behind' } })[1]).toBe('npx switchback rollback');
});

test('a cutover that stopped: customers see maintenance, and the way back comes first', () => {
  const night = new Night()
    .start(0)
    .step(0, 5, 'stage.ready')
    .add(6, { type: 'run.stopped', verb: 'cutover', code: 'x', message: 'x', next: [], exit: 1 });
  const stopped = { ...quiet, maintenance: true, window: night.view, productionStatus: 'rebooting' };
  const lines = statusScreen(stopped, colored);
  expect(lines).toContain('  maintenance  <yellow>in front: customers see the maintenance answer</>');
  expect(lines).toContain('  production   <red>video-production (rebooting)</>');
  expect(lines).toContain('    cutover    <red>stopped, 1 of 8 steps done</>');
  expect(commands(stopped)).toEqual(['npx switchback rollback', 'npx switchback cutover']);
});

test.each([80, 200])('the answer that counts is there for whoever looks, and whom it overruled, at %i columns', (columns) => {
  const night = new Night()
    .start(0)
    .step(0, 5, 'stage.ready')
    .add(6, { type: 'gate.asked', step: 'gate.go', question: 'Go?' })
    .add(7, { type: 'gate.answered', step: 'gate.go', answer: 'no-go', reason: 'wrong invoices' })
    .add(8, {
      type: 'gate.answered',
      step: 'gate.go',
      answer: 'go',
      reason: 'CHG-4711',
      overrules: { number: 6, answer: 'no-go', who: 'Ana' },
    });
  const lines = statusScreen({ ...quiet, maintenance: true, window: night.view }, { ...plain, columns });
  const at = lines.findIndex((line) => line.startsWith('    answer'));
  const text = 'go by Ana, who overruled the no-go of Ana on ana@laptop, 2026-03-01 02:00 UTC: CHG-4711';
  expect(
    lines
      .slice(at, at + (columns === 80 ? 2 : 1))
      .map((line) => line.slice(15))
      .join(' '),
  ).toBe(text);
});

test('the header that reaches the standby color is there for those who test it before customers see it', () => {
  const backDoor = { header: 'x-switchback', value: 'green' };
  expect(statusScreen({ ...quiet, backDoor }, plain)).toContain('  back door    x-switchback: green (a header) reaches green');
  expect(statusScreen({ ...quiet, backDoor, live: undefined }, plain).join()).not.toContain('back door');
});

test('rules that have moved in part are said so, in red', () => {
  const torn = { ...quiet, live: undefined, maintenance: undefined };
  const lines = statusScreen(torn, { ...colored, columns: 100 });
  expect(lines).toContain('  live         <red>cannot be told: some rules have moved, others have not</>');
  expect(lines).toContain('  maintenance  <red>cannot be told: some of its rules are in front, others parked</>');
});

test('what to type next follows the window', () => {
  const at = (night: Night, second = 10) => commands({ ...quiet, window: night.view, now: began + second * 1000 });
  const finished = (verb: 'stage' | 'rollback') => new Night().start(0, verb).add(1, { type: 'run.finished', verb, seconds: 1 });
  expect(at(new Night())).toEqual(['npx switchback stage']);
  expect(at(finished('stage'))).toEqual(['npx switchback plan', 'npx switchback cutover']);
  expect(at(finished('rollback'))).toEqual(['npx switchback teardown --now']);
  // somebody is at it; after its lease nobody is.
  const running = new Night().start(0).add(0, { type: 'step.started', step: 'migrations' });
  expect(at(running)).toEqual(['npx switchback status --watch']);
  expect(at(running, 3600)).toEqual(['npx switchback cutover', 'npx switchback rollback']);
  const shown = statusScreen({ ...quiet, window: running.view, now: began + 10_000 }, plain);
  // longer than a line: it goes on under its own beginning.
  expect(shown.slice(shown.findIndex((line) => line.includes('cutover'))).slice(0, 2)).toEqual([
    '    cutover    running since 2026-03-01 02:00 UTC, 0 of 8 steps done, by Ana on',
    '               ana@laptop',
  ]);
  expect(statusScreen({ ...quiet, window: running.view, now: began + 3600_000 }, plain)).toContain(
    '    cutover    interrupted, 0 of 8 steps done; nobody is at it',
  );
  const gate = running.add(5, { type: 'step.started', step: 'gate.go' }).add(5, { type: 'gate.asked', step: 'gate.go', question: 'Go?' });
  expect(at(gate)).toEqual(['npx switchback cutover --answer go', 'npx switchback cutover --answer no-go']);
  const torn = new Night()
    .start(0, 'teardown')
    .add(1, { type: 'run.stopped', verb: 'teardown', code: 'x', message: 'x', next: [], exit: 1 });
  expect(at(torn)).toEqual(['npx switchback teardown']);
  // a first opening that does not work is closed again, so that its release can be mended.
  const w0 = new Night({ ...w3, name: 'w0', from: undefined, fallback: undefined })
    .start(0)
    .add(1, { type: 'run.stopped', verb: 'cutover', code: 'x', message: 'x', next: [], exit: 1 });
  expect(at(w0)).toEqual(['npx switchback rollback', 'npx switchback cutover']);
  const unopened = { ...quiet, opened: false, live: undefined, lastWindow: undefined };
  expect(commands(unopened)).toEqual(['npx switchback cutover']);
  expect(commands({ ...unopened, lastWindow: 'w0' })).toEqual(['npx cdk deploy blue', 'npx switchback cutover']);
  // two colors with one release: the next release comes first.
  const same = { ...quiet, releases: { blue: quiet.releases.blue, green: quiet.releases.blue } };
  expect(commands(same)[0]).toBe('npx cdk deploy green');
});

test('beside a feed that stands still no hour is said until which a rollback is possible, whatever an earlier version noted', () => {
  const night = new Night()
    .start(0, 'cutover', cutover.slice(0, 1))
    .add(1, { type: 'step.started', step: 'database.open' })
    .add(5, { type: 'run.finished', verb: 'cutover', seconds: 5 });
  const hold = { ...quiet, window: night.view, holdEndsAt: '2026-03-02T02:00:05Z' };
  const seen = { type: 'hold.seen' as const, at: '2026-03-01T03:00:00Z', reasons: [], drift: [], applyErrors: 0 };
  const shown = (feed: NonNullable<StatusScreen['feed']>) => statusScreen({ ...hold, feed }, { ...plain, columns: 100 }).join('\n');
  for (const state of ['behind', 'paused', 'stuck', 'dead', 'unreachable'] as const) {
    const feed = { ...seen, state, rollbackPossibleUntil: '2026-03-02T02:00:05Z' };
    expect(shown(feed)).not.toContain('possible until');
    expect(JSON.stringify(jsonStatus({ ...hold, feed }, []))).not.toContain('rollbackPossibleUntil');
  }
  expect(shown({ ...seen, state: 'stuck', mendBy: '2026-03-01T20:00:00Z' })).toContain(
    'no rollback without loss while the feed is stuck, mend it by 2026-03-01 20:00',
  );
});

describe('what the proof of a rollback has found', () => {
  const proof = { id: 'proof.equal', title: 'Compare', estimateSeconds: 30 };
  const rolledBack = () => new Night().start(0, 'rollback', [proof]).add(1, { type: 'step.started', step: 'proof.equal' });
  const found = (night: Night) =>
    night.add(2, {
      ...{ type: 'proof.found', proof: {}, file: 's3://journal/journal/video/w3/differences.sql' },
      findings: [
        { id: 'public.orders:different', is: 'different', what: 'public.orders differs (3 rows on a, 2 on b): (3) only on a', rows: 1 },
        { id: 'public."Tags":gone', is: 'unproven', what: 'rows are gone: public."Tags": 2', rows: 2 },
      ],
    });
  const stopped = (night: Night) =>
    night.add(3, {
      ...{ type: 'run.stopped', verb: 'rollback', step: 'proof.equal', code: 'proof.different' },
      ...{ message: '', next: [], exit: 1 },
    });
  const screenOf = (night: Night, columns: number) => {
    const lines = statusScreen({ ...quiet, window: night.view, now: began + 600_000 }, { ...plain, columns });
    return lines.slice(lines.findIndex((line) => line.startsWith('  proof')));
  };

  test('is in its status until it is accepted, with what to type, at 80 columns', () => {
    expect(screenOf(stopped(found(rolledBack())), 80)).toEqual(
      screen(`
  proof        not equal: public.orders differs (3 rows on a, 2 on b): (3) only
               on a [public.orders:different]; not proven: rows are gone:
               public."Tags": 2 [public."Tags":gone]; the SQL that puts the rows
               in is in s3://journal/journal/video/w3/differences.sql; npx
               switchback rollback --accept-difference public.orders:different
               --accept-difference 'public."Tags":gone' --reason "<why>" accepts
               it

Next
  npx switchback rollback --accept-difference public.orders:different --accept-difference 'public."Tags":gone' --reason "<why>"
                                                  accept what the proof found, by name
`),
    );
  });

  test('and at 200', () => {
    expect(screenOf(stopped(found(rolledBack())), 200).slice(0, 3)).toEqual([
      '  proof        not equal: public.orders differs (3 rows on a, 2 on b): (3) only on a [public.orders:different]; not proven: rows are gone: public."Tags": 2 [public."Tags":gone]; the SQL that puts the',
      `               rows in is in s3://journal/journal/video/w3/differences.sql; npx switchback rollback --accept-difference public.orders:different --accept-difference 'public."Tags":gone' --reason`,
      '               "<why>" accepts it',
    ]);
  });

  test('goes with its acceptance', () => {
    const night = stopped(found(rolledBack())).add(4, { type: 'difference.accepted', ids: ['public.orders:different'], reason: 'put in' });
    expect(screenOf(night, 80)[0]).toBe('  proof        not proven: rows are gone: public."Tags": 2 [public."Tags":gone];');
    night.add(5, { type: 'difference.accepted', ids: ['public."Tags":gone'], reason: 'deleted by a customer' });
    expect(statusScreen({ ...quiet, window: night.view, now: began + 600_000 }, plain).join()).not.toContain('public.orders');
    expect(jsonStatus({ ...quiet, window: night.view }, [])).toMatchObject({
      proof: { findings: [{ accepted: { reason: 'put in', by: ana } }, { accepted: { reason: 'deleted by a customer' } }] },
    });
  });

  test('is pending while the comparison has not come to its end', () => {
    const night = rolledBack().add(3, {
      ...{ type: 'run.stopped', verb: 'rollback', step: 'proof.equal', code: 'step.too-slow' },
      ...{ message: '', next: [], exit: 1 },
    });
    expect(screenOf(night, 100)[0]).toBe('  proof        not proven yet; npx switchback rollback goes on with it');
  });
});

test('a teardown that was to begin by itself and was refused is said by every status', () => {
  const night = new Night()
    .start(0, 'cutover', cutover.slice(0, 1))
    .step(0, 5, 'stage.ready')
    .add(5, { type: 'run.finished', verb: 'cutover', seconds: 5 })
    .add(86_405, { type: 'teardown.refused', code: 'teardown.unproven', message: 'video-db may hold rows that nobody else has', next: [] });
  const status = { ...quiet, window: night.view, holdEndsAt: '2026-03-02T02:00:05Z', now: began + 86_500_000 };
  expect(statusScreen(status, plain).join(' ').replace(/\s+/g, ' ')).toContain(
    'teardown it did not begin by itself 2026-03-02 02:00 UTC: video-db may hold rows that nobody else has',
  );
  expect(eventText(night.events.at(-1)!, [], plain)).toBe(
    'the teardown did not begin by itself (teardown.unproven): video-db may hold rows that nobody else has',
  );
});
