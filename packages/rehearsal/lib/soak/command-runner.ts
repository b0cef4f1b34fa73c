/** One command under way: its JSON lines, and the disturbances that strike it as its steps begin. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Processes } from '../test-system/processes';
import type { Command } from './operator';
import type { Strike } from './scenario';

export interface Line {
  readonly event: string;
  readonly step?: string;
  readonly code?: string;
  readonly message?: string;
  readonly next?: readonly string[];
  readonly plan?: readonly { readonly id: string }[];
  readonly verb?: string;
  /** Of a status: the run that is under way, or ended last; of an event: the run's id. */
  readonly run?: string | { readonly verb: string; readonly ended?: string };
  readonly window?: unknown;
}

export interface Ended {
  readonly exit: number;
  /** The command's last word: how its verb ended, the status, an error. Undefined when it was killed. */
  readonly last: Line | undefined;
}

export interface CommandRunnerOptions {
  readonly processes: Processes;
  /** The command as one file. */
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  /** Called when a strike is due; the one at the first step strikes before anything has been done. */
  readonly strike: (strike: Strike, step: string, terminal: ChildProcess) => Promise<void>;
  /** Longer than any command takes here; one that takes longer hangs. */
  readonly patienceMs: number;
}

/** Types a command and waits for its end. Throws when it hangs. */
export async function type(
  command: Command,
  by: string,
  here: boolean,
  strikes: readonly Strike[],
  options: CommandRunnerOptions,
): Promise<Ended> {
  const { processes, env, log, patienceMs } = options;
  const acting = command.verb !== 'status';
  const args = [
    ...(acting ? ['--by', by, ...(command.args.includes('--yes') || command.args.includes('--answer') ? [] : ['--yes'])] : []),
    ...(acting && here ? ['--here'] : []),
    ...command.args,
  ];
  log(`${by} types: npm run ${command.verb} -- ${args.join(' ')}`);
  const child = processes.start(
    `${command.verb} (${by})`,
    [process.execPath, options.command, command.verb, '--json', '--system', 'video', ...args],
    env,
  );
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const striking = new Striking(strikes, child, options);
  const watching = new Watching(() => kill(child, 'SIGINT'));
  let last: Line | undefined;
  let rest = '';
  child.stdout?.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('{')) continue;
      const event = JSON.parse(line) as Line;
      striking.see(event);
      if (command.verb === 'status') watching.see(event);
      if (
        event.event === 'status' ||
        event.event === 'error' ||
        /^(stage|cutover|rollback|teardown)\.(finished|stopped|gate|continue)$/.test(event.event)
      )
        last = event;
    }
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), patienceMs);
  });
  const end = await Promise.race([closed, late]);
  clearTimeout(timer);
  watching.end();
  if (end === 'late') {
    kill(child, 'SIGKILL');
    await closed;
    throw new Error(`npm run ${command.verb} of ${by} did not end within ${patienceMs / 1000} s`);
  }
  await striking.end();
  const [code, signal] = end;
  log(
    `npm run ${command.verb} of ${by} ended with ${signal ?? `exit code ${code}`}${last?.code ? ` (${last.code}: ${last.message})` : ''}`,
  );
  return { exit: code ?? 137, last: signal === 'SIGKILL' ? undefined : last };
}

/**
 * Whoever watches sees that there is nothing to wait for, and leaves: a question (one that is history has an answer behind it), or a
 * run that ended before the watching began.
 */
class Watching {
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly leave: () => void) {}

  see({ event, run }: Line): void {
    clearTimeout(this.timer);
    const over = event === 'status' && (run === undefined || (typeof run === 'object' && run.ended !== undefined));
    if (event === 'gate.asked' || over) this.timer = setTimeout(this.leave, 2000);
  }

  end(): void {
    clearTimeout(this.timer);
  }
}

/** Knows when each strike is due. */
class Striking {
  private steps: readonly string[] = [];
  private readonly struck = new Set<Strike>();
  private readonly underWay: Promise<void>[] = [];
  private readonly waiting = new Map<NodeJS.Timeout, () => void>();

  constructor(
    private readonly strikes: readonly Strike[],
    private readonly terminal: ChildProcess,
    private readonly options: Pick<CommandRunnerOptions, 'strike' | 'log'>,
  ) {}

  see(event: Line): void {
    if (event.event === 'run.started') this.steps = (event.plan ?? []).map(({ id }) => id);
    const index = event.event === 'step.started' ? this.steps.indexOf(event.step ?? '') : -1;
    if (index < 0) return;
    for (const strike of this.strikes) {
      // a step that was done before this try is not begun again: the next one counts.
      if (this.struck.has(strike) || index < Math.floor(strike.at * this.steps.length)) continue;
      this.struck.add(strike);
      this.underWay.push(this.after(strike.delayMs, () => this.options.strike(strike, event.step ?? '', this.terminal)));
    }
  }

  /** What is still to come does not come any more. */
  async end(): Promise<void> {
    for (const [timer, done] of this.waiting) {
      clearTimeout(timer);
      done();
    }
    await Promise.all(this.underWay);
  }

  private async after(ms: number, action: () => Promise<void>): Promise<void> {
    const due = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => {
        this.waiting.delete(timer);
        resolve(true);
      }, ms);
      this.waiting.set(timer, () => resolve(false));
    });
    if (!due) return;
    await action().catch((error: Error) => this.options.log(`a strike failed: ${error.message}`));
  }
}

/** The whole terminal, with what it has started. */
export function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Kills the runner function's process, as a lost machine would. False when none runs, or where processes cannot be looked at. */
export function killRunner(sandboxFolder: string): boolean {
  const code = join(sandboxFolder, 'lambda', 'code');
  let killed = false;
  for (const pid of processIds()) {
    try {
      const works = readlinkSync(`/proc/${pid}/cwd`);
      if (!works.startsWith(code) || !/runner/i.test(works.slice(code.length))) continue;
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('bootstrap.cjs')) continue;
      process.kill(pid, 'SIGKILL');
      killed = true;
    } catch {
      // ended meanwhile, or somebody else's.
    }
  }
  return killed;
}

function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
