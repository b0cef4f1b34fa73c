/**
 * The part of `npm run kill-points` that is cheap enough for every push: a whole verb against real servers, killed before
 * and after each of its changing calls. The other verbs are walked by the command itself.
 */

import { root } from '../../../../test/windows/bad-input/script';
import { walkScenario } from '../../lib/kill-points/kill-points';
import { scenarios } from '../../lib/kill-points/scenarios';

test('a first opening taken back and made again, killed at every call and taken up by somebody else each time, opens the site', async () => {
  const path = scenarios.find(({ name }) => name === 'first-opening');
  const nobody = () => undefined;
  const result = await walkScenario(path!, {
    ...{ root, baseline: '', speed: 200, share: 1, seed: 1, complete: false },
    ...{ onLine: nobody, onKill: nobody, onVerb: nobody },
  });
  expect(result.problems).toEqual([]);
  expect(result.acknowledged).toBeGreaterThan(0);
  const { cutover = 0, rollback = 0 } = result.kills;
  process.stdout.write(`kill points tested against real servers: ${cutover + rollback}\n`);
  // 95 and 50 when this was written: fewer means that points are no longer seen.
  expect(cutover).toBeGreaterThanOrEqual(80);
  expect(rollback).toBeGreaterThanOrEqual(40);
});
