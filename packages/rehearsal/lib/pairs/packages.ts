/** Released packages, fetched once by the ordinary client of their registry into a folder that is not committed. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';

export type Registry = 'npm' | 'pypi' | 'maven' | 'go';

/** `name@version` as its registry spells it; of Maven `group:artifact@version`. */
export interface Package {
  readonly registry: Registry;
  readonly name: string;
  readonly version: string;
}

/** It could not be had: nothing was tried. */
export class NotFetched extends Error {
  override name = 'NotFetched';
}

export const cacheFolder = (): string => process.env['SWITCHBACK_PAIRS'] ?? join(homedir(), '.cache', 'switchback', 'pairs');

/** The folder with what the package brings. @throws NotFetched */
export function fetched(one: Package): string {
  const folder = join(cacheFolder(), one.registry, `${one.name.replaceAll(/[/:]/g, '+')}@${one.version}`);
  if (existsSync(folder)) return one.registry === 'go' ? readFileSync(join(folder, 'dir'), 'utf8') : folder;
  const begun = `${folder}.begun`;
  rmSync(begun, { recursive: true, force: true });
  mkdirSync(begun, { recursive: true });
  try {
    clients[one.registry](one, begun);
  } catch (error) {
    rmSync(begun, { recursive: true, force: true });
    const { stderr, message } = error as Error & { stderr?: Buffer };
    throw new NotFetched(`${one.name}@${one.version} (${one.registry}): ${(stderr?.toString().trim() || message).split('\n').at(-1)}`);
  }
  renameSync(begun, folder);
  return fetched(one);
}

const run = (program: string, args: readonly string[], cwd: string): string =>
  execFileSync(program, args, { cwd, timeout: 300_000, maxBuffer: 1e8, stdio: ['ignore', 'pipe', 'pipe'] }).toString();

const clients: Record<Registry, (one: Package, folder: string) => void> = {
  npm({ name, version }, folder) {
    run('npm', ['pack', '--silent', `${name}@${version}`], folder);
    unpack(folder);
  },
  pypi({ name, version }, folder) {
    run('pip', ['download', '--quiet', '--no-deps', '--dest', folder, `${name}==${version}`], folder);
    unpack(folder);
  },
  maven({ name, version }, folder) {
    const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy';
    run('mvn', ['--quiet', '--batch-mode', copy, `-Dartifact=${name}:${version}`, `-DoutputDirectory=${folder}`], folder);
    unpack(folder);
  },
  go({ name, version }, folder) {
    const { Dir } = JSON.parse(run('go', ['mod', 'download', '-json', `${name}@${version}`], folder)) as { Dir: string };
    writeFileSync(join(folder, 'dir'), Dir);
  },
};

function unpack(folder: string): void {
  const [archive] = readdirSync(folder);
  if (archive === undefined) throw new Error('the client brought nothing');
  const path = join(folder, archive);
  if (/\.(tgz|tar\.gz)$/.test(archive)) run('tar', ['xzf', path, '--strip-components=1'], folder);
  else {
    for (const [name, bytes] of Object.entries(unzipSync(readFileSync(path)))) {
      if (name.endsWith('/') || name.split('/').includes('..')) continue;
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), bytes);
    }
  }
  rmSync(path);
}
