/** What is typed wrong changes nothing, and is told with the nearest right word. */
import type { Stop } from '../../lib/base/errors';
import { failureLines } from '../../lib/report/messages';
import { taken } from '../../lib/terminal/commands';
import { refuseWrongVerb, refuseWrongWords } from '../../lib/terminal/words';
import { plain, screen } from '../report/night';

const all = taken();
const refused = (line: string): Stop | undefined => {
  const [verb = '', ...args] = line.split(' ');
  try {
    refuseWrongVerb(verb, all);
    refuseWrongWords(args, all.find((each) => each.verb === verb)!, all);
    return undefined;
  } catch (error) {
    return error as Stop;
  }
};

test.each([
  ['cutover --yess', 'cutover has no option --yess; did you mean --yes?'],
  ['cutover --anwser go', 'cutover has no option --anwser; did you mean --answer?'],
  ['cutover --sys video', 'cutover has no option --sys; did you mean --system?'],
  ['stage --frobnicate', 'stage has no option --frobnicate'],
  ['teardown --up-by 4', '--up-by is an option of plan, cutover, and not of teardown'],
  ['rollback --now', '--now is an option of teardown, and not of rollback'],
  ['cutover --accept-loss --yes', '--accept-loss takes a value, <ids...>, and is followed by the option --yes'],
  ['cutover --by --reason lunch', '--by takes a value, <name>, and is followed by the option --reason'],
  ['cutover --yes --system', '--system takes a value, <name>'],
  ['cutover --yes=false', "--yes takes no value, got 'false'"],
  ['cutover --answer go --answer no-go', '--answer was given twice'],
  ['cutover go', "cutover takes options only, got the word 'go'; did you mean --answer go?"],
  ['teardown now', "teardown takes options only, got the word 'now'; did you mean --now?"],
  ['rollback --accept-loss column.dropped:a', "rollback takes options only, got the word 'column.dropped:a'"],
  ['status video', "status takes options only, got the word 'video'"],
  ['status -x', 'status has no option -x'],
  ['rollback -- --yes', "'--' belongs to npm run; leave it out"],
  ['cutvoer --yes', "there is no verb 'cutvoer'; did you mean cutover?"],
  ['--json status', "the verb stands first, got '--json'"],
])('%s', (line, message) => {
  expect(refused(line)).toMatchObject({ code: 'usage', message, exit: 2 });
});

test('a word that is like no verb is told which there are', () => {
  expect(refused('deploy')?.message).toBe(`there is no verb 'deploy': there is ${all.map(({ verb }) => verb).join(', ')}`);
});

test.each([
  'cutover --yes --by=--me --reason=--',
  'cutover --accept-loss a:b c:d --yes',
  'cutover --reason - --yes',
  'try --ask a --ask b --id x --id y',
  'cutover --nonsense --help',
])('%s is right', (line) => {
  expect(refused(line)).toBeUndefined();
});

test.each([80, 200])('the whole screen at %i columns', (columns) => {
  expect(failureLines(refused('cutover --yess'), { ...plain, columns })).toEqual(
    screen(`
✖ usage: cutover has no option --yess; did you mean --yes?

Next
  npx switchback cutover --help
`),
  );
});
