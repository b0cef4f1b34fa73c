/** What is advised exists, is advised as types and never spelled, and reads right for whoever reads it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Advice, advisedWords, answers, deploy, evaluate, readAdvice, sameAgain, say, switchback, typed } from '../../lib/base/advice';
import { exit, Stop } from '../../lib/base/errors';
import { speakTo, spell } from '../../lib/report/advice';
import { jsonCheck, jsonEvent, jsonFailure, jsonReply } from '../../lib/report/json';
import { failureLines } from '../../lib/report/messages';
import { commandLine } from '../../lib/terminal/commands';
import { sandboxCommand } from '../../packages/sandbox/lib/command';
import { Night, plain } from './night';

const root = join(__dirname, '../..');

afterEach(() => speakTo('installed'));

const both = (advice: Advice): [string, string] => {
  speakTo('installed');
  const installed = spell(advice);
  speakTo('repository');
  return [installed, spell(advice)];
};

test.each<[Advice, string, string]>([
  [switchback('rollback'), 'npx switchback rollback', 'npm run rollback'],
  [switchback('rollback', '--traffic-only'), 'npx switchback rollback --traffic-only', 'npm run rollback -- --traffic-only'],
  [answers[0], 'npx switchback cutover --answer go --reason "<why>"', 'npm run cutover -- --answer go --reason "<why>"'],
  [switchback('sandbox', '--detach'), 'npx switchback sandbox --detach', 'npm run sandbox -- --detach'],
  [evaluate('sandbox', 'env'), 'eval "$(npx switchback sandbox env)"', 'eval "$(npm run --silent sandbox -- env)"'],
  [deploy('shared', 'blue'), 'npx cdk deploy shared blue', 'npx cdk deploy shared blue'],
  [deploy('Prod/green'), 'npx cdk deploy Prod/green', 'npx cdk deploy Prod/green'],
  [typed('aws sso login'), 'aws sso login', 'aws sso login'],
  [sameAgain, 'the same command again', 'the same command again'],
  [
    say`set window: ${3} in your CDK app, then ${deploy('fallback-w3')}`,
    'set window: 3 in your CDK app, then npx cdk deploy fallback-w3',
    'set window: 3 in your CDK app, then npx cdk deploy fallback-w3',
  ],
  [
    say`${switchback('rollback')}, if ${'green'} is to serve again`,
    'npx switchback rollback, if green is to serve again',
    'npm run rollback, if green is to serve again',
  ],
])('%j, for who installed the package and in this repository', (advice, installed, repository) => {
  expect(both(advice)).toEqual([installed, repository]);
  // as a journal gives it back.
  expect(both(JSON.parse(JSON.stringify(advice)) as Advice)).toEqual([installed, repository]);
});

test('a screen and a JSON line say the same, to the same reader', () => {
  const stop = new Stop('window.no-fallback', 'the next window of video has no fallback database', {
    next: [say`mend that, then ${switchback('stage', '--undo')}`],
    exit: exit.usage,
  });
  speakTo('repository');
  expect(failureLines(stop, plain)).toEqual([
    '✖ window.no-fallback: the next window of video has no fallback database',
    '',
    'Next',
    '  mend that, then npm run stage -- --undo',
  ]);
  expect(jsonFailure(stop)).toMatchObject({ next: ['mend that, then npm run stage -- --undo'] });
  speakTo('installed');
  expect(failureLines(stop, plain).at(-1)).toBe('  mend that, then npx switchback stage --undo');
  expect(jsonFailure(stop)).toMatchObject({ next: ['mend that, then npx switchback stage --undo'] });
});

test('with --json every next is a list of strings, as scripts read it', () => {
  const next = [switchback('status'), say`wait`];
  const strings = ['npx switchback status', 'wait'];
  const stopped = { code: 'step.too-slow', message: 'slow', next, exit: 1 };
  expect(jsonReply('cutover', { state: 'stopped', ...stopped })).toMatchObject({ next: strings });
  const event = new Night().add(0, { type: 'run.stopped', verb: 'cutover', ...stopped }).events.at(-1)!;
  expect(jsonEvent(event)).toMatchObject({ event: 'run.stopped', next: strings });
  const checks = [{ name: 'feed', ok: false, what: ['dead'], next }];
  expect(jsonCheck({ at: '', system: 'video', checks })).toMatchObject({ ok: false, checks: [{ next: strings }] });
});

test('advice that an earlier version wrote as strings is shown as it stands', () => {
  const next = readAdvice(['or, when the reason is gone: npm run cutover', switchback('status')]);
  speakTo('installed');
  expect(next.map(spell)).toEqual(['or, when the reason is gone: npm run cutover', 'npx switchback status']);
});

test('what may be advised with a command is on the command line', async () => {
  const program = commandLine(() => async () => undefined);
  const written: string[] = [];
  const spy = jest.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  await sandboxCommand(['--help'], 'sandbox').finally(() => spy.mockRestore());
  const sandbox = [...written.join('').matchAll(/^ {2}(--?[a-z-]+|[a-z]+)/gm)].map(([, word]) => word);
  for (const [verb, words] of Object.entries(advisedWords)) {
    const command = program.commands.find((each) => each.name() === verb);
    const known = verb === 'sandbox' ? sandbox : command?.options.map(({ long }) => long);
    expect({ verb, missing: words.filter((word) => !known?.includes(word)) }).toEqual({ verb, missing: [] });
  }
});

test('the types refuse a flag that the command does not have', () => {
  const verb: 'cutover' | 'teardown' = 'teardown' as 'cutover' | 'teardown';
  // @ts-expect-error a rollback has no --now.
  expect(spell(switchback('rollback', '--now'))).toContain('--now');
  // @ts-expect-error a cutover has none either.
  expect(spell(switchback(verb, '--now'))).toContain('--now');
  expect(spell(switchback(verb, '--take-over'))).toContain('--take-over');
});

test('nobody but the renderer spells a command', () => {
  const files = execFileSync('git', ['ls-files', 'lib'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  const spelled = files
    .filter((file) => file !== 'lib/report/advice.ts')
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
      return [...text.matchAll(/npm run |npx switchback|npx cdk|cdk deploy|bin\/app\.ts/g)].map(([words]) => `${file}: ${words}`);
    });
  expect(spelled).toEqual([]);
});
