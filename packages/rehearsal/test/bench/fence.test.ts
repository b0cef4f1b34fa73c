import { measureFence } from '../../lib/bench/fence';

test('fence and proof are measured in turn, both ways, and proven each time', async () => {
  const { sizes } = await measureFence({ runs: 2, tables: [20], idle: 2 });
  expect(sizes).toEqual([
    {
      ...{ tables: 20, goalMs: undefined, goalMet: undefined },
      ...{ newer: expect.anything(), whole: expect.anything(), before: expect.anything() },
    },
  ]);
  for (const { medianMs, minMs, maxMs } of [sizes[0]!.newer, sizes[0]!.whole]) {
    expect(minMs).toBeGreaterThan(0);
    expect(medianMs).toBeGreaterThanOrEqual(minMs);
    expect(maxMs).toBeGreaterThanOrEqual(medianMs);
  }
});
