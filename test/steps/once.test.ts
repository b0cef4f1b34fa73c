import { onceToken } from '../../lib/steps/once';

const at = (system: string, openedAt = '2026-11-21T02:00:00.000Z', name = 'w12') =>
  ({ window: { system, name }, view: { openedAt } }) as never;

test('the same window asks for the same task, another attempt or part for another', () => {
  expect(onceToken(at('video'), 'expand', 1)).toBe(onceToken(at('video'), 'expand', 1));
  const names = [onceToken(at('video'), 'expand', 1), onceToken(at('video'), 'expand', 2), onceToken(at('video'), 'contract', 1)];
  expect(new Set(names).size).toBe(3);
});

test('systems whose names begin alike, and one that was removed and made again, do not get each other’s tasks', () => {
  const eu = onceToken(at('video-production-eu'), 'expand', 1);
  expect(onceToken(at('video-production-us'), 'expand', 1)).not.toBe(eu);
  expect(onceToken(at('video-production-eu', '2026-12-01T02:00:00.000Z'), 'expand', 1)).not.toBe(eu);
});

test('it fits what ECS takes: 36 characters of `startedBy`, 64 of `clientToken`', () => {
  expect(onceToken(at('a-system-with-a-very-long-name', undefined, 'w9999'), 'contract', 99).length).toBeLessThanOrEqual(36);
});
