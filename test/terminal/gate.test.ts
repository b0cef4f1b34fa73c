/** A wrong word is said to be wrong: nobody decides by a slip of the finger. */
import { onScreen, wordOf } from '../../lib/terminal/gate';
import { startQuestion } from '../../lib/terminal/take-verb';

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

test('what is wrong with a word is said in as many rows as the screen needs, and none is wider', () => {
  const word = wordOf('yes', tests) as { wrong: string };
  expect(onScreen(word.wrong, 80)).toBe(
    '"yes" is neither go nor no-go: type go or no-go, or the number of a landing\ntest: 1 passed, 1 failed and what is wrong',
  );
  expect(onScreen(word.wrong, 200)).toBe(word.wrong);
});

test('whoever goes on with a verb is not asked whether to start it', () => {
  expect(startQuestion('cutover', 'video', { begun: false, undo: false })).toBe('Start the cutover of video?');
  expect(startQuestion('cutover', 'video', { begun: true, undo: false })).toBe('Go on with the cutover of video?');
  expect(startQuestion('stage', 'video', { begun: true, undo: true })).toBe('Undo the stage of video?');
});
