import { Stop } from '../../lib/base/errors';
import { oneLine, plain, plainText } from '../../lib/base/plain-text';

test.each([
  ['a title', '\u001b]0;rm -rf\u0007done', 'done'],
  ['a title ended by ST', '\u001b]2;rm -rf\u001b\\done', 'done'],
  ['a clipboard', '\u001b]52;c;cm0gLXJmIC8=\u0007done', 'done'],
  ['a link', '\u001b]8;;http://evil\u0007here\u001b]8;;\u0007', 'here'],
  ['the cursor up, and a line cleared', 'x\u001b[3A\u001b[2Kdone', 'xdone'],
  ['colors, and text that is concealed', '\u001b[31mred\u001b[0m \u001b[8mhidden\u001b[m', 'red hidden'],
  ['a terminal asked who it is', '\u001b[c\u001b[6n\u001bZ\u0005ok', 'Zok'],
  ['sequences of one character', '\u009b2J\u009d0;title\u0007\u0090q\u009cok', 'ok'],
  ['a sequence that never ends', '\u001b]0;everything after it', ']0;everything after it'],
  ['sequences within sequences', '\u001b\u001b[31m]0;t\u0007ok', ']0;tok'],
  ['a line written over', 'failed\rdone  ', 'failed\ndone  '],
  ['lines of Windows', 'one\r\ntwo\r\n', 'one\ntwo\n'],
  ['backspaces and bells', 'no-go\b\b\b\b\b\u0007go', 'no-gogo'],
  ['a direction of writing', 'go\u202eog-on\u202c\u2066x\u2069\u200f', 'goog-onx'],
  ['what is not seen', 'a\u200bdmin\ufeff\u{e0041}', 'admin'],
  ['names as they are written', 'Zoë, 山田, می‌خواهم, 👩‍💻', 'Zoë, 山田, می‌خواهم, 👩‍💻'],
  ['SQL over lines', 'SELECT 1\n\tFROM t', 'SELECT 1\n FROM t'],
])('%s', (_what, text, shown) => {
  expect(plainText(text)).toBe(shown);
});

test('a name or a reason adds no line', () => {
  expect(oneLine('ana\n02:41:07  ✔ cutover finished\r')).toBe('ana 02:41:07  ✔ cutover finished');
});

test('whatever holds it: lists, maps, errors, and what a function answers', () => {
  const attack = '\u001b[2Ax';
  expect(plain({ [attack]: [attack, { who: 'a\nb' }], n: 1, no: undefined, at: null })).toEqual({
    ...{ x: ['x', { who: 'a b' }], n: 1, no: undefined, at: null },
  });
  expect(plain(new Map([['step', { reason: attack }]])).get('step')).toEqual({ reason: 'x' });
  expect(plain({ facts: () => ({ why: attack }) }).facts()).toEqual({ why: 'x' });
  const stop = plain(new Stop('step.refused', attack, { state: attack, next: [{ type: attack }], cause: new Error(attack) }));
  expect(stop).toBeInstanceOf(Stop);
  expect(stop).toMatchObject({ code: 'step.refused', message: 'x', state: 'x', next: [{ type: 'x' }], exit: 1 });
});
