import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countSwitchCalls } from '../../lib/bench/switch-calls';

const folder = mkdtempSync(join(tmpdir(), 'switchback-bench-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('moving traffic takes as many calls for 33 applications as for 2: one change, and looks before and after it', async () => {
  const [few, many] = await countSwitchCalls((applications) => join(folder, String(applications)), [2, 33]);
  expect(many?.steps).toEqual(few?.steps);
  expect(few?.steps).toEqual(
    ['traffic.maintenance', 'traffic.switch', 'traffic.open'].map((step) => ({
      step,
      calls: ['DescribeRules', 'DescribeRules', 'SetRulePriorities', 'DescribeRules'],
    })),
  );
});
