/** One running container: a process in a group of its own, with its output and its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Guard } from './guard';

export interface ProcessOptions {
  /** The executable, as a path, and its arguments. */
  readonly command: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly guard: Guard;
  /** Lines of standard output and standard error; without it they are dropped. */
  readonly output?: ((line: string) => void) | undefined;
}

export class TaskProcess {
  /** The exit code as a container has it: 128 and the signal's number after a signal. Settles when all output has been read. */
  readonly ended: Promise<number>;
  private readonly child: ChildProcess;
  private readonly guard: Guard;

  constructor(options: ProcessOptions) {
    this.guard = options.guard;
    const sink = options.output ? 'pipe' : 'ignore';
    // it starts once the guard knows it: a sandbox killed in between leaves nothing behind. The exec keeps the process id.
    this.child = spawn('/bin/sh', ['-c', 'read -r go <&3 && exec 3<&- && exec "$@"', 'switchback-task', ...options.command], {
      cwd: options.folder,
      env: options.environment,
      detached: true,
      stdio: ['ignore', sink, sink, 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      // a reader each: half a line of the one must not be joined to half a line of the other.
      if (stream) createInterface({ input: stream }).on('line', (line) => options.output?.(line));
    }
    this.ended = new Promise((resolve) => {
      this.child.once('error', () => resolve(126));
      this.child.once('close', (code, signal) => resolve(code ?? 128 + signalNumber(signal)));
    });
    const { pid } = this.child;
    if (pid === undefined) return;
    this.guard.watch(pid);
    this.child.once('exit', () => {
      // a container ends with its main process, whatever else it started.
      killGroup(pid);
      this.guard.forget(pid);
    });
    const start = this.child.stdio[3] as Readable & Writable;
    start.on('error', () => undefined);
    start.end('go\n');
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** SIGTERM to the main process, then SIGKILL to the whole group unless it has ended. With a fault the first is not sent. */
  stop(graceMs: number, { ignoresSigterm = false } = {}): void {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    if (!ignoresSigterm) this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), graceMs);
    this.child.once('exit', () => clearTimeout(timer));
  }

  kill(): void {
    if (this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null) killGroup(this.child.pid);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // nobody left in it.
  }
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === 'SIGKILL' ? 9 : signal === 'SIGTERM' ? 15 : signal === 'SIGSEGV' ? 11 : signal === 'SIGABRT' ? 6 : 1;
}
