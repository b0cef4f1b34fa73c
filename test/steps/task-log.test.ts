/** What a migration task printed, for who has to mend it: the error first, then the last lines as lines. */
import { Stop } from '../../lib/base/errors';
import { makeOutput } from '../../lib/report';
import { jsonReply } from '../../lib/report/json';
import { failureLines, replyLines } from '../../lib/report/messages';
import { failureOf, failureText } from '../../lib/steps/task-log';
import { plain, screen } from '../report/night';

const task = { arn: 'arn', id: '4f0c', status: 'STOPPED', exitCode: 1, reason: undefined, seconds: 2, takes: 9 };
const error = 'ERROR:  check constraint "charges_cents_positive" of relation "charges" is violated by some row';
const log = [
  '> migrating files',
  '### MIGRATION 0007_charges (UP) ###',
  error,
  '    at Parser.parseErrorMessage (/app/node_modules/pg-protocol/dist/parser.js:285:98)',
  '    at Socket.emit (node:events:524:28)',
  '> Rolling back',
];

test.each<[string, string[], string]>([
  ['the first error of many', log, error],
  [
    'of a tool that ends with it',
    ['Traceback (most recent call last):', '  x', 'psycopg2.errors.NotNullViolation: null value'],
    'psycopg2.errors.NotNullViolation: null value',
  ],
  ['a Java name', ['INFO done', 'org.postgresql.util.PSQLException: refused', 'INFO end'], 'org.postgresql.util.PSQLException: refused'],
  ['no error in "0 errors"', ['validated, 0 errors', '0007 is violated by some row'], '0007 is violated by some row'],
  ['the last line where none says error', ['a', 'b', ''], 'b'],
  ['several lines in one entry of the log', ['a\r\nfatal: no such table\nb'], 'fatal: no such table'],
  ['an error that others were printed after', [error, ...Array.from({ length: 30 }, (_, n) => `cleaning ${n}`)], error],
])('what is told first: %s', (_of, lines, first) => {
  const failure = failureOf(task, lines);
  expect(failure.what).toBe(`ended with exit code 1: ${first}`);
  expect(failure.lines).not.toContain(first);
  expect(failure.lines.length).toBeLessThanOrEqual(8);
});

test('nothing printed, no exit code', () => {
  expect(failureText(failureOf({ ...task, exitCode: undefined, reason: 'OutOfMemory' }, []))).toBe(
    'ended with no exit code (OutOfMemory): it printed nothing',
  );
});

const stop = new Stop('trial.migrations.failed', `on a copy of video-db the migration task 4f0c ${failureText(failureOf(task, log))}`);

test('the whole screen at 80 columns', () => {
  expect(failureLines(stop, plain)).toEqual(
    screen(`
✖ trial.migrations.failed: on a copy of video-db the migration task 4f0c ended
  with exit code 1: ERROR:  check constraint "charges_cents_positive" of
  relation "charges" is violated by some row
  the last lines of its log:
    > migrating files
    ### MIGRATION 0007_charges (UP) ###
        at Parser.parseErrorMessage
        (/app/node_modules/pg-protocol/dist/parser.js:285:98)
        at Socket.emit (node:events:524:28)
    > Rolling back`),
  );
});

test('the whole screen at 200 columns, and the same of a runner', () => {
  const wide = screen(`
✖ trial.migrations.failed: on a copy of video-db the migration task 4f0c ended with exit code 1: ERROR:  check constraint "charges_cents_positive" of relation "charges" is violated by some row
  the last lines of its log:
    > migrating files
    ### MIGRATION 0007_charges (UP) ###
        at Parser.parseErrorMessage (/app/node_modules/pg-protocol/dist/parser.js:285:98)
        at Socket.emit (node:events:524:28)
    > Rolling back`);
  expect(failureLines(stop, { ...plain, columns: 200 })).toEqual(wide);
  const reply = { state: 'stopped' as const, code: stop.code, message: stop.message, next: [], exit: 1 };
  expect(replyLines('stage', reply, { ...plain, columns: 200 })).toEqual(wide);
});

test('with --json the lines are in the message, and one object is one line', () => {
  const reply = { state: 'stopped' as const, code: stop.code, message: stop.message, next: [], exit: 1 };
  const line = JSON.stringify(jsonReply('stage', reply));
  expect(line).not.toContain('\n');
  expect((JSON.parse(line) as { message: string }).message.split('\n')).toHaveLength(7);
});

test('what a migration printed is text, and no command to a terminal', () => {
  const attack = failureText(failureOf(task, ['\u001b]0;title\u0007ERROR: no\u001b[3A', 'then\u001b[2K\u202e this']));
  let text = '';
  const stderr = { write: (more: string) => (text += more), columns: 80, rows: 24 } as unknown as NodeJS.WriteStream;
  makeOutput({ json: false, color: false, stdout: stderr, stderr, env: {} }).failure(new Stop('trial.migrations.failed', attack));
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
  expect(text).toContain('ERROR: no');
  expect(text).toContain('    then this');
});
