import { goalMs, measureDatabase, switches, usual } from '../../lib/bench/database';

test('switches are summed up by medians and maxima, of the whole and of each part', () => {
  const taken = (databaseMs: number, fence: number) => ({ wholeMs: databaseMs + 100, databaseMs, parts: { fence, open: 1 }, rate: 1000 });
  expect(switches([taken(40, 5), taken(70, 30), taken(50, 6)])).toEqual({
    ...{ medianMs: 50, maxMs: 70, samplesMs: [40, 70, 50], wholeMedianMs: 150, wholeMaxMs: 170 },
    ...{ partsMs: { fence: 6, open: 1 }, partsMaxMs: { fence: 30, open: 1 }, ratePerSecond: 1000, goalMet: true },
  });
  expect(switches([taken(goalMs + 1, 1)]).goalMet).toBe(false);
});

test('one window is measured with customers on it: every acknowledged write is there once, and both sides are equal', async () => {
  const result = await measureDatabase({ ...usual, runs: 1, writers: 4, rate: 200, only: ['gap'] });
  expect(result).toMatchObject({ lostWrites: 0, duplicatedWrites: 0, gap: { runs: 1, proven: true } });
  expect(result.gap?.cutover.limit.samplesMs).toHaveLength(1);
  expect(result.gap?.rollback.wholeLook.samplesMs).toHaveLength(1);
  expect(result.gap?.acknowledgedWrites).toBeGreaterThan(200);
  expect(Object.keys(result.gap?.rollback.partsMs ?? {})).toEqual(
    expect.arrayContaining(['fence', 'prove', 'marker', 'stop', 'unbridge', 'open', 'first write']),
  );
});
