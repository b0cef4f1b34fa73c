/** Everything a rehearsal starts, so that everything it started can be ended, also after Ctrl-C. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export class Processes {
  private readonly children = new Set<ChildProcess>();
  private ending = false;

  constructor(
    private readonly cwd: string,
    private readonly onLine: (source: string, line: string) => void,
  ) {}

  /** Starts a process that stays; its output goes to the rehearsal's log. */
  start(name: string, command: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
    if (this.ending) throw new Error('the rehearsal is being ended');
    const [file = '', ...args] = command;
    // its own process group: npx and npm start children of their own, which must end too.
    const child = spawn(file, args, { cwd: this.cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream?.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.onLine(name, line);
      });
    }
    return child;
  }

  /** Runs a process to its end. Never throws for an exit code: the caller knows which it expects. */
  async run(name: string, command: readonly string[], env: NodeJS.ProcessEnv, onStdout?: (line: string) => void): Promise<Ran> {
    const from = performance.now();
    const child = this.start(name, command, env);
    let stdout = '';
    let stderr = '';
    let rest = '';
    child.stdout?.on('data', (text: string) => {
      stdout += text;
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onStdout?.(line);
    });
    child.stderr?.on('data', (text: string) => {
      stderr += text;
    });
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    if (rest) onStdout?.(rest);
    return { code: code ?? (signal ? 130 : 1), stdout, stderr, seconds: (performance.now() - from) / 1000 };
  }

  /** Ends everything that still runs: politely, then not. */
  async end(): Promise<void> {
    this.ending = true;
    const all = [...this.children];
    await Promise.all(
      all.map(async (child) => {
        const gone = once(child, 'exit');
        signalGroup(child, 'SIGTERM');
        const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), 15_000);
        await gone;
        clearTimeout(timer);
      }),
    );
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // already gone.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
