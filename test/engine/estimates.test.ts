import { estimated, learn, percentile, withEstimates } from '../../lib/engine/estimates';
import type { EventBody, JournalEvent } from '../../lib/engine/events';
import type { WindowView } from '../../lib/engine/window-view';
import { manifest, operator, window } from '../_helpers/runbook';

const journal = (bodies: readonly EventBody[]): JournalEvent[] =>
  bodies.map((body, i) => ({ ...body, number: i + 1, at: '2026-11-21T02:00:00.000Z', run: 'run', by: operator, nonce: String(i) }));
const opened = (durations?: object): EventBody =>
  ({
    type: 'window.opened',
    window,
    manifest,
    state: { production: 'video-db', opened: true },
    ...(durations ? { durations } : {}),
  }) as EventBody;
const did = (step: string, seconds: number, acted = true): EventBody => ({ type: 'step.done', step, seconds, acted });
const step = (id: string) => ({ id, estimateSeconds: 100 });

test('what a window took is added to what was known before it', () => {
  const durations = learn(
    journal([opened({ migrations: { acted: [10], seen: [] } }), did('migrations', 30), did('database.drain', 2, false)]),
  );
  expect(durations).toEqual({ migrations: { acted: [10, 30], seen: [] }, 'database.drain': { acted: [], seen: [2] } });
});

test('the estimate is the median, the 90th percentile stands beside it with the number of runs', () => {
  const durations = { migrations: { acted: [50, 10, 20, 30, 40, 60, 70, 80, 90, 1000], seen: [] } };
  expect(withEstimates([step('migrations')], durations)).toEqual([
    { id: 'migrations', estimateSeconds: 50, measured: { runs: 10, p90Seconds: 90 } },
  ]);
});

test('of few runs the 90th percentile is the slowest', () => {
  expect(percentile([3, 1, 2], 0.9)).toBe(3);
  expect(percentile([7], 0.9)).toBe(7);
});

test('a run that found it done already says nothing about how long it takes', () => {
  expect(withEstimates([step('fallback.promote')], { 'fallback.promote': { acted: [200], seen: [0, 0, 0] } })).toEqual([
    { id: 'fallback.promote', estimateSeconds: 200, measured: { runs: 1, p90Seconds: 200 } },
  ]);
  // where nobody ever acts, waiting is what takes time.
  expect(withEstimates([step('database.drain')], { 'database.drain': { acted: [], seen: [3] } })[0]?.measured).toEqual({
    runs: 1,
    p90Seconds: 3,
  });
});

test('a step that was never measured keeps its own estimate, and the watching lasts as long as the stacks say', () => {
  const durations = learn(journal([opened(), did('watch', 3600, false)]));
  expect(withEstimates([step('watch'), step('new')], durations)).toEqual([step('watch'), step('new')]);
});

test("what the window's own trial measured of its migrations stands before what other windows' took; the rest is theirs", () => {
  const facts = (id: string) => (id === 'trial.classified' ? { seconds: 95, takes: 130.04, contract: { seconds: 4 } } : undefined);
  const durations = { migrations: { acted: [10, 12], seen: [] }, 'database.fence': { acted: [2], seen: [] } };
  const steps = [step('migrations'), step('migrations.contract'), step('database.fence'), step('new')];
  expect(estimated(steps, { durations, name: 'w3', facts, series: {} }, 'cutover')).toEqual([
    { id: 'migrations', estimateSeconds: 130, measured: { runs: 1, p90Seconds: 130, trial: 'w3' } },
    { id: 'migrations.contract', estimateSeconds: 4, measured: { runs: 1, p90Seconds: 4, trial: 'w3' } },
    { id: 'database.fence', estimateSeconds: 2, measured: { runs: 1, p90Seconds: 2 } },
    step('new'),
  ]);
  expect(estimated(steps, { durations, name: 'w3', facts: () => undefined, series: {} }, 'cutover')).toEqual(
    withEstimates(steps, durations),
  );
});

test('where a step acts, only those that acted have measured it: the next one may have to', () => {
  const act = async () => undefined;
  const durations = { 'live.fallback': { acted: [], seen: [0.1, 0.1] } };
  expect(withEstimates([{ ...step('live.fallback'), act }], durations)[0]).toMatchObject({ estimateSeconds: 100 });
});

test('what the stage has done is looked at in the night, and estimated as a look', () => {
  const durations = { 'fork.copy': { acted: [7200], seen: [0.4] }, 'fork.slot': { acted: [3], seen: [] } };
  const done = { startedAt: undefined, doneAt: '2026-11-20T10:00:00.000Z', seconds: 7000, facts: undefined, detail: undefined };
  const series = { stage: { steps: new Map([['fork.copy', { id: 'fork.copy', ...done }]]) } } as unknown as WindowView['series'];
  const view = { durations, name: 'w3', facts: () => undefined, series };
  const seconds = (verb: 'stage' | 'cutover') =>
    estimated([step('fork.copy'), step('fork.slot')], view, verb).map(({ estimateSeconds }) => estimateSeconds);
  expect(seconds('cutover')).toEqual([0.4, 3]);
  expect(seconds('stage')).toEqual([7200, 3]);
  // a promotion of the first window: measured nowhere, and done.
  const promoted = {
    ...view,
    durations: {},
    series: { stage: { steps: new Map([['fallback.promote', { id: 'fallback.promote', ...done }]]) } },
  };
  const first = estimated([{ ...step('fallback.promote'), estimateSeconds: 240 }], promoted as unknown as typeof view, 'cutover');
  expect(first.map(({ estimateSeconds }) => estimateSeconds)).toEqual([1]);
});

test('a gate takes as long as people did, whichever terminal answered; an answer given before the start is no measurement', () => {
  const at = (second: number, body: EventBody, run = 'run-1'): [number, EventBody, string] => [second, body, run];
  const ask = (second: number) => at(second, { type: 'gate.asked', step: 'gate.go', question: 'Go?' });
  const go = (second: number, run: string) => at(second, { type: 'gate.answered', step: 'gate.go', answer: 'go', reason: '' }, run);
  const learnt = (...lines: [number, EventBody, string][]) =>
    learn(
      [at(0, opened()), ...lines, at(901, did('gate.go', 0.2, false), 'run-2')].map(([second, body, run], i) => ({
        ...{ ...body, number: i + 1, by: operator, nonce: String(i), run },
        at: new Date(Date.parse('2026-11-21T02:00:00Z') + second * 1000).toISOString(),
      })),
    );
  expect(learnt(ask(0), go(900, 'run-2'))['gate.go']).toEqual({ acted: [], seen: [900] });
  expect(learnt(ask(0), go(0.1, 'run-1'))).toEqual({});
});

test('only the newest twenty runs count', () => {
  const durations = learn(journal([opened({ a: { acted: Array.from({ length: 20 }, () => 1), seen: [] } }), did('a', 9)]));
  expect(durations['a']?.acted).toEqual([...Array.from({ length: 19 }, () => 1), 9]);
});
