import { estimated, learn, percentile, withEstimates } from '../../lib/runbook/estimates';
import type { EventBody, JournalEvent } from '../../lib/runbook/events';
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
  expect(estimated(steps, { durations, name: 'w3', facts })).toEqual([
    { id: 'migrations', estimateSeconds: 130, measured: { runs: 1, p90Seconds: 130, trial: 'w3' } },
    { id: 'migrations.contract', estimateSeconds: 4, measured: { runs: 1, p90Seconds: 4, trial: 'w3' } },
    { id: 'database.fence', estimateSeconds: 2, measured: { runs: 1, p90Seconds: 2 } },
    step('new'),
  ]);
  expect(estimated(steps, { durations, name: 'w3', facts: () => undefined })).toEqual(withEstimates(steps, durations));
});

test('only the newest twenty runs count', () => {
  const durations = learn(journal([opened({ a: { acted: Array.from({ length: 20 }, () => 1), seen: [] } }), did('a', 9)]));
  expect(durations['a']?.acted).toEqual([...Array.from({ length: 19 }, () => 1), 9]);
});
