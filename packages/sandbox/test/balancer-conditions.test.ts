import { wildcard } from '../lib/balancer/conditions';
import { matches } from '../lib/balancer/health-check';

test.each([
  ['/img/*', '/img/a/b.png', true],
  ['/img/*', '/img', false],
  ['/a?c', '/abc', true],
  ['/a?c', '/ac', false],
  ['/a.c', '/abc', false],
  ['/(a|b)+[c]$', '/(a|b)+[c]$', true],
  ['/a\\*b', '/a*b', true],
  ['/a\\*b', '/axb', false],
  ['*', '', true],
])('the pattern %s against %s', (pattern, text, expected) => {
  expect(wildcard(pattern, false).test(text)).toBe(expected);
});

test('a matcher is codes and ranges of codes', () => {
  expect([200, 204, 301, 302, 500].filter((code) => matches('200-204,302', code))).toEqual([200, 204, 302]);
});
