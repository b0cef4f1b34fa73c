import type { JournalEvent } from '../../../../lib/engine/events';
import { longestWithout, takeApart } from '../../lib/bench/gap';

const at = (ms: number): string => new Date(1_000_000 + ms).toISOString();
const event = (ms: number, body: object): JournalEvent => ({ ...body, at: at(ms) }) as JournalEvent;
const done = (ms: number, step: string, waited?: number) =>
  event(ms, { type: 'step.done', step, ...(waited === undefined ? {} : { waited }) });

const plan = ['before', 'maintenance', 'migrations', 'open', 'watch'].map((id) => ({ id, title: `The ${id}`, estimateSeconds: 1 }));
const events = [
  event(0, { type: 'run.started', plan }),
  done(100, 'before'),
  done(200, 'maintenance'),
  event(210, { type: 'step.started', step: 'migrations' }),
  done(1200, 'migrations', 0.9),
  done(1300, 'open', 5),
  done(3000, 'watch'),
];

test('the gap is the longest time without an acknowledged write around the switch, however they were noted', () => {
  // a longer one in the night before is none of the switch's.
  expect(longestWithout([10_000, 0, 9_000, 9_700, 9_100], { from: 9_050, to: 9_900 })).toEqual({ from: 9_100, to: 9_700 });
  expect(() => longestWithout([1], { from: 0, to: 2 })).toThrow('no write was acknowledged before and after the switch');
});

test('the parts of a gap add up to it, each with its waiting and the calls that began in it', () => {
  const call = (ms: number, service: string) => ({ service, from: 1_000_000 + ms, to: 1_000_000 + ms + 5 });
  const gap = takeApart({ from: 1_000_150, to: 1_001_260 }, events, [
    call(120, 'elbv2'), // while the last writes were still acknowledged
    call(160, 'elbv2'),
    call(205, 's3'),
    call(400, 'ecs'),
    call(402, 'ecs'), // beside the one before
    call(1_250, 'ecs'),
    call(1_280, 'ecs'), // customers write again
  ]);
  expect(gap.ms).toBe(1110);
  expect(gap.parts).toEqual([
    { step: 'maintenance', title: 'The maintenance', ms: 50, waitedMs: 0, awsMs: 5, calls: 1, journalCalls: 0 },
    { step: 'migrations', title: 'The migrations', ms: 1000, waitedMs: 900, awsMs: 12, calls: 3, journalCalls: 1 },
    // cut by the gap: it cannot have waited longer than its part of it.
    { step: 'open', title: 'The open', ms: 60, waitedMs: 60, awsMs: 5, calls: 1, journalCalls: 0 },
  ]);
  expect(gap.parts.reduce((sum, { ms }) => sum + ms, 0)).toBe(gap.ms);
});

test('a write that is acknowledged only after the last step leaves no part of the gap unnamed', () => {
  const gap = takeApart({ from: 1_002_000, to: 1_005_000 }, events, []);
  expect(gap.parts).toEqual([{ step: 'watch', title: 'The watch', ms: 3000, waitedMs: 0, awsMs: 0, calls: 0, journalCalls: 0 }]);
});
