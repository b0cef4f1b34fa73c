/** The operating system's side of a server: is it running, whose is it, end it. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { spawnOptions } from './account';

/** Whether a new server could listen on the port. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The process id of the server that runs on this data folder, whoever started it. */
export function postmasterOf(data: string): number | undefined {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  // a number from a file may belong to somebody else by now: only a server that works in this folder counts.
  return pid > 1 && isAlive(pid) && worksIn(pid, data) ? pid : undefined;
}

/** What the server says about itself in its pid file: `starting`, `ready`, `standby`, `stopping`. */
export function statusOf(data: string, pid: number): string {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return Number(lines[0]) === pid ? (lines[7] ?? '').trim() : '';
  } catch {
    return '';
  }
}

function worksIn(pid: number, folder: string): boolean {
  try {
    if (existsSync('/proc/self')) return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder);
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).includes(folder);
  } catch {
    return false;
  }
}

/** The processes a server has started: each leaves the server's process group, so no signal reaches them all at once. */
export function childrenOf(pid: number): number[] {
  if (!existsSync('/proc/self')) {
    const lines = execFileSync('ps', ['-axo', 'pid=,ppid='], { encoding: 'utf8' }).split('\n');
    return lines.map((line) => line.trim().split(/\s+/).map(Number)).flatMap(([child, parent]) => (parent === pid && child ? [child] : []));
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => parentOf(child) === pid);
}

function parentOf(pid: number): number {
  try {
    // the name in parentheses may hold spaces: what follows the last parenthesis is state, then parent.
    return Number(
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[1],
    );
  } catch {
    return 0;
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits until `condition` holds; false when it does not within the time. */
export async function waitFor(condition: () => boolean | Promise<boolean>, milliseconds: number): Promise<boolean> {
  for (const end = Date.now() + milliseconds; ; ) {
    if (await condition()) return true;
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Ends a server that an earlier process left running on this data folder. Answers its process id when there was one. */
export async function endLeftOver(data: string): Promise<number | undefined> {
  const pid = postmasterOf(data);
  if (pid === undefined) return undefined;
  // fast, then immediate, then by force: each is given time, because only the first leaves nothing to recover.
  for (const [name, milliseconds] of [
    ['SIGINT', 15_000],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 5_000],
  ] as const) {
    signal(pid, name);
    if (await waitFor(() => !isAlive(pid), milliseconds)) return pid;
  }
  throw new Error(`the PostgreSQL server ${pid} of ${data} does not end; end it by hand`);
}

/**
 * Ends the server should we die without stopping it, by a signal nobody can catch or a test runner's exit: a shell
 * that waits on a pipe only we hold. Answers how to call it off.
 */
export function guard(pid: number): () => void {
  const shell = spawn('/bin/sh', ['-c', 'while read -r line; do :; done; kill -INT "$1" 2>/dev/null', 'switchback-guard', String(pid)], {
    ...spawnOptions(),
    stdio: ['pipe', 'ignore', 'ignore'],
    // in a session of its own, so that Ctrl-C in a terminal does not end the guard before its time.
    detached: true,
  });
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  (shell.stdin as unknown as { unref(): void }).unref();
  return () => shell.kill('SIGKILL');
}
