import { execFileSync, spawnSync } from 'node:child_process';
import { commandLine } from '../../lib/terminal/commands';
import { completion, type Shell } from '../../lib/terminal/completion';

const program = commandLine(() => async () => undefined);
const verbs = program.commands.filter((command) => command.name() !== 'sandbox');
const names = program.commands.map((command) => command.name());
const script = (shell: Shell) => completion(shell, verbs, names);
const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;
const where = (shell: string) => (has(shell) ? test : test.skip);

test.each(['bash', 'zsh', 'fish'] as const)('%s is offered every verb and every option', (shell) => {
  const text = script(shell);
  for (const name of names) expect(text).toContain(name);
  const options = verbs.flatMap(({ options: of }) => of.map(({ long }) => long!));
  for (const option of options) expect(text).toContain(shell === 'fish' ? `-l ${option.slice(2)} ` : option);
});

/** What bash offers at the end of a line. */
function offered(...line: string[]): string[] {
  const program = `${script('bash')}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _switchback; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const said = execFileSync('bash', ['--norc', '-c', program, 'bash', 'switchback', ...line], { encoding: 'utf8' });
  return said.split('\n').filter(Boolean);
}

where('bash').each<[string[], string[]]>([
  [['cut'], ['cutover']],
  [['s'], ['stage', 'status', 'sandbox']],
  [
    ['cutover', '--a'],
    ['--answer', '--at-decision', '--accept-loss'],
  ],
  [
    ['cutover', '--answer', ''],
    ['go', 'no-go'],
  ],
  [['cutover', '--yes', '--answer', 'n'], ['no-go']],
  [
    ['plan', '--verb', ''],
    ['stage', 'cutover', 'rollback', 'teardown'],
  ],
  [['rollback', '--reason', ''], []],
  [['try', '--migrate', 'package.j'], ['package.json']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish', '--help'],
  ],
  [['nothing', ''], []],
])('bash offers after %j: %j', (line, expected) => {
  expect(offered(...line)).toEqual(expected);
});

where('zsh')('zsh reads it', () => {
  expect(spawnSync('zsh', ['-n'], { input: script('zsh'), encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});

where('fish')('fish reads it', () => {
  expect(spawnSync('fish', ['--no-execute'], { input: script('fish'), encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});
