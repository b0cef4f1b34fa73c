/** A wrong word is said to be wrong: nobody decides by a slip of the finger. */
import { wordOf } from '../../lib/terminal/gate';

const tests = ['landing test by the business', 'invoices by finance'];

test.each([
  ['go', 'go'],
  [' no-go ', 'no-go'],
  ['1 passed', { test: tests[0], passed: true }],
  ['2: failed, the sums are wrong', { test: tests[1], passed: false, what: 'the sums are wrong' }],
])('%s', (typed, word) => expect(wordOf(typed, tests)).toEqual(word));

test.each([
  ['yes', '"yes" is neither go nor no-go: type go or no-go, or the number of a landing test: 1 passed, 1 failed and what is wrong'],
  ['Go', '"Go" is neither go nor no-go: '],
  ['go!', '"go!" is neither go nor no-go: '],
  ['', 'nothing was typed: type go or no-go'],
  ['3 passed', 'there is no landing test 3: type go or no-go'],
  ['1', '"1" is neither go nor no-go: '],
])('%j is wrong, and is said to be', (typed, text) => expect(wordOf(typed, tests)).toEqual({ wrong: expect.stringContaining(text) }));

test('without landing tests none are offered', () => {
  expect(wordOf('1 passed', [])).toEqual({ wrong: 'there is no landing test 1: type go or no-go' });
});
