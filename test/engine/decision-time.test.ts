import { switchback } from '../../lib/base/advice';
import { decide, parseUpBy, warningDue } from '../../lib/engine/decision-time';
import type { PlannedStep } from '../../lib/engine/events';
import type { RunOptions } from '../../lib/engine/run-options';
import { pending, type Step } from '../../lib/engine/step';
import { flag, operator, Rig } from '../_helpers/runbook';

const two = Date.parse('2026-11-21T02:00:00Z');
const upBy = '2026-11-21T04:00:00.000Z';
const back = (seconds: number): PlannedStep[] => [{ id: 'a', title: 'a', estimateSeconds: seconds }];

test('the decision time is the hour less the 90th percentile of the way back; what was never measured counts with its estimate', () => {
  const steps = [{ estimateSeconds: 600, measured: { runs: 3, p90Seconds: 1200 } }, { estimateSeconds: 600 }];
  expect(decide(upBy, steps)).toEqual({ decideBy: '2026-11-21T03:30:00.000Z', rollbackSeconds: 1800, steps: 2, measuredSteps: 1 });
});

test('each warning comes once, and a later one says that there is less time', () => {
  const at = { decideBy: '2026-11-21T03:30:00.000Z' };
  const minutesBefore = (minutes: number) => Date.parse(at.decideBy) - minutes * 60_000;
  expect(warningDue(at, { warned: [] }, minutesBefore(11))).toBeUndefined();
  expect(warningDue(at, { warned: [] }, minutesBefore(9))).toBe(10);
  expect(warningDue(at, { warned: [10] }, minutesBefore(9))).toBeUndefined();
  expect(warningDue(at, { warned: [10] }, minutesBefore(2))).toBe(2);
  expect(warningDue(at, { warned: [2] }, minutesBefore(1))).toBeUndefined();
  expect(warningDue(at, { warned: [] }, minutesBefore(0))).toBeUndefined();
});

test('an hour is the next time a clock shows it; what is over or no time at all is refused', () => {
  const now = new Date(2026, 10, 21, 23, 30).getTime();
  expect(parseUpBy('04:30', now)).toBe(new Date(2026, 10, 22, 4, 30).toISOString());
  expect(parseUpBy('23:45', now)).toBe(new Date(2026, 10, 21, 23, 45).toISOString());
  expect(parseUpBy('2026-11-22T04:30:00Z', now)).toBe('2026-11-22T04:30:00.000Z');
  expect(parseUpBy('2026-11-22 04:30', now)).toBe(new Date(2026, 10, 22, 4, 30).toISOString());
  expect(parseUpBy('2026-11-22T04:30:15+0130', now)).toBe('2026-11-22T03:00:15.000Z');
  expect(() => parseUpBy('2020-01-01T00:00:00Z', now)).toThrow(expect.objectContaining({ code: 'up-by.past' }));
});

// what Date.parse makes of them lies in 2001, on another day, or in another zone.
test.each([
  'soon',
  '4',
  '430',
  '4:5',
  '24:00',
  '2026',
  '2026-11-22',
  '2026-02-30T04:30',
  '2026-13-01T04:30Z',
  'Nov 22 2026 04:30',
  '04:30 PST',
  '1795322000000',
  '',
])('%j is no hour', (text) => {
  expect(() => parseUpBy(text, 0)).toThrow(
    expect.objectContaining({ code: 'up-by.invalid', message: `--up-by ${text} is neither HH:MM nor an ISO time`, exit: 2 }),
  );
});

describe('a cutover with an hour', () => {
  /** The way back takes a minute, and half an hour once the migrations have begun. */
  const externalState: NonNullable<RunOptions['externalState']> = {
    emergencySince: async () => undefined,
    rollback: async (view, next) => back(next === 'migrations' || view.begun('cutover', 'migrations') ? 1800 : 60),
  };
  const windowUpBy = async (minutes: number, atDecision: 'hold' | 'rollback' = 'hold') => {
    const rig = new Rig();
    await rig.open();
    await rig.journal().note('terminal', operator, { type: 'up-by.set', upBy: new Date(two + minutes * 60_000).toISOString(), atDecision });
    return rig;
  };
  const decisions = async (rig: Rig) =>
    (await rig.events()).filter(({ type }) => type === 'decision.time') as unknown as { decideBy: string; warning?: number }[];

  test('works the decision time out before each step, as if that step had begun', async () => {
    const rig = await windowUpBy(120);
    const world = new Set<string>();
    await rig.advance([flag(world, 'stage'), flag(world, 'migrations')], { externalState });
    expect((await decisions(rig)).map(({ decideBy }) => decideBy)).toEqual(['2026-11-21T03:59:00.000Z', '2026-11-21T03:30:00.000Z']);
  });

  test('does not begin a step after which a rollback would come too late, but asks', async () => {
    const rig = await windowUpBy(29);
    const world = new Set<string>();
    const plan = [flag(world, 'stage'), flag(world, 'migrations')];
    expect(await rig.advance(plan, { externalState })).toMatchObject({
      state: 'gate',
      step: 'decision.time',
      question: expect.stringContaining('about 30 min'),
    });
    expect([...world]).toEqual(['stage']);
    await rig
      .journal()
      .note('run-2', operator, { type: 'gate.answered', step: 'decision.time', answer: 'go', reason: 'the shop opens at nine' });
    expect(await rig.advance(plan, { externalState })).toEqual({ state: 'finished' });
  });

  test('asks while a step is waited for, after warning ten and two minutes before', async () => {
    const rig = await windowUpBy(60);
    const slow: Step = flag(new Set(), 'migrations', { observe: async () => pending('40 %'), patienceSeconds: 7200, pollMs: 1000 });
    expect(await rig.advance([slow], { externalState })).toMatchObject({ state: 'gate', step: 'decision.time' });
    expect(rig.clock.time - two).toBeGreaterThanOrEqual(1_800_000);
    expect(rig.clock.time - two).toBeLessThan(1_802_000);
    expect((await decisions(rig)).map(({ warning }) => warning)).toEqual([undefined, 10, 2]);
  });

  /** The maintenance answer is in front, and the migrations would make the way back too long. */
  const down = () => [flag(new Set(), 'traffic.maintenance'), flag(new Set(), 'migrations')];

  test('without an answer it holds, or is rolled back, as the window says', async () => {
    for (const [policy, code] of [
      ['hold', 'decision.hold'],
      ['rollback', 'decision.roll-back'],
    ] as const) {
      const rig = await windowUpBy(29, policy);
      await rig.advance(down(), { externalState });
      expect(await rig.advance(down(), { externalState, unanswered: true })).toMatchObject({ state: 'stopped', code, exit: 6 });
    }
  });

  test('no-go at the decision time stops the run for a rollback', async () => {
    const rig = await windowUpBy(29);
    await rig.advance(down(), { externalState });
    await rig.journal().note('run-2', operator, { type: 'gate.answered', step: 'decision.time', answer: 'no-go', reason: 'no' });
    expect(await rig.advance(down(), { externalState })).toMatchObject({
      state: 'stopped',
      code: 'decision.roll-back',
      next: [switchback('rollback'), switchback('status')],
    });
  });

  test('before the maintenance answer is in front there is nothing to take back: a rollback would take customers down for nothing', async () => {
    const late = await windowUpBy(1, 'rollback');
    const plan = [flag(new Set(), 'traffic.maintenance')];
    expect(await late.advance(plan, { externalState })).toMatchObject({
      state: 'gate',
      question: expect.stringContaining('stop here (no-go)'),
    });
    expect(await late.advance(plan, { externalState, unanswered: true })).toMatchObject({
      ...{ state: 'stopped', code: 'decision.hold', world: 'Customers are served by the old release.' },
      next: [switchback('cutover', '--up-by <a later hour>'), switchback('status')],
    });
    const refused = await windowUpBy(1);
    await refused.advance(plan, { externalState });
    await refused.journal().note('run-2', operator, { type: 'gate.answered', step: 'decision.time', answer: 'no-go', reason: 'too late' });
    expect(await refused.advance(plan, { externalState })).toMatchObject({
      code: 'decision.hold',
      message: expect.stringContaining('ada'),
    });
  });

  test('that nobody answered is said of the hour that was asked about, not of a later one', async () => {
    const rig = await windowUpBy(29, 'rollback');
    const slow: Step = flag(new Set(), 'migrations', { observe: async () => pending(), patienceSeconds: 36_000, pollMs: 1000 });
    const plan = [flag(new Set(), 'traffic.maintenance'), slow];
    await rig.advance(plan, { externalState });
    await rig.journal().note('run-2', operator, { type: 'up-by.set', upBy, atDecision: 'rollback' });
    expect(await rig.advance(plan, { externalState, unanswered: true })).toMatchObject({ state: 'gate', step: 'decision.time' });
    expect(new Date(rig.clock.time).toISOString()).toMatch(/^2026-11-21T03:30:0/);
  });

  test('another hour makes another decision time, and asks anew when that has come', async () => {
    const rig = await windowUpBy(1);
    const slow: Step = flag(new Set(), 'migrations', { observe: async () => pending(), patienceSeconds: 36_000, pollMs: 1000 });
    await rig.advance([slow], { externalState });
    await rig.journal().note('run-2', operator, { type: 'gate.answered', step: 'decision.time', answer: 'go', reason: 'a while' });
    await rig.journal().note('run-2', operator, { type: 'up-by.set', upBy, atDecision: 'hold' });
    expect(await rig.advance([slow], { externalState })).toMatchObject({ state: 'gate', step: 'decision.time' });
    expect(new Date(rig.clock.time).toISOString()).toMatch(/^2026-11-21T03:30:0/);
  });

  test('once customers are on the new color the hour asks nothing any more', async () => {
    const rig = await windowUpBy(1);
    const world = new Set<string>();
    const open = flag(world, 'traffic.open');
    await rig.advance([open], { externalState: { ...externalState, rollback: async () => back(0) } });
    rig.clock.time += 3_600_000;
    expect(await rig.advance([open, flag(world, 'watch')], { externalState, run: 'run-1' })).toEqual({ state: 'finished' });
  });
});
