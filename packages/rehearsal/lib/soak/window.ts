/** One window of the example on a copy of the baseline, with customers, through everything its night has in store. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { audit, isClean } from '../../../../examples/video/audit';
import { askFaults } from '../../../sandbox/lib/faults/ask';
import { removeDatabaseFiles } from '../../../sandbox/lib/services/rds';
import { copyBaseline } from '../test-system/baseline';
import { type Environment, startEnvironment, tsx } from '../test-system/environment';
import { Processes } from '../test-system/processes';
import { type Ended, kill, killRunner, type } from './command-runner';
import { type Color, problemsAt, type Station, Watch } from './invariants';
import { Observer } from './observer';
import { type Command, nextCommand } from './operator';
import { type Fault, type Mishap, type Scenario, type Strike, scenarioOf, type Try, type Verb } from './scenario';

export interface WindowOptions {
  /** The repository. */
  readonly root: string;
  readonly baseline: string;
  /** The command as one file. */
  readonly command: string;
  /** For this run alone; its logs stay when it fails. */
  readonly folder: string;
  readonly seed: number;
  /** Leaves the sandbox behind as well. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

export interface WindowResult {
  readonly seed: number;
  readonly passed: boolean;
  /** Where the window was to end, and ended. */
  readonly way: string;
  /** What was done to it, in order. */
  readonly what: readonly string[];
  readonly problems: readonly string[];
  readonly seconds: number;
  /** Commands that were typed until all was done. */
  readonly commands: number;
  readonly acknowledgedWrites: number;
  /** Where the logs are, when it failed. */
  readonly folder: string;
}

const system = 'video';
const names = { production: 'video-database', fallback: 'video-fallback-w1', window: 'w1' } as const;
const live: Readonly<Record<Color, string>> = { blue: '1.0.0', green: '2.0.0' };
/** AWS seconds per second: faster ones have every health check cost more than what it saves. */
const speed = 100;
/** A command that takes longer than this hangs: the longest wait is for the lease of somebody who died, a minute. */
const patienceMs = 300_000;
/** Commands until a goal is reached; more than that is a circle. */
const mostCommands = 15;
/** Nothing that strikes keeps the invariants from being seen for longer. */
const mostBlindSeconds = 60;
const calm: Try = { by: 'Ada', here: false, strikes: [] };

/** Something that must not happen, in words for the report. */
class Broken extends Error {}

export async function soakWindow(options: WindowOptions): Promise<WindowResult> {
  const from = performance.now();
  mkdirSync(options.folder, { recursive: true });
  const logFile = join(options.folder, 'night.log');
  const log = (line: string) => appendFileSync(logFile, `${((performance.now() - from) / 1000).toFixed(2).padStart(7)} ${line}\n`);
  const processes = new Processes(options.root, (source, line) => log(`${source}: ${line}`));
  const end = () => void processes.end();
  options.signal.addEventListener('abort', end, { once: true });
  const run = new Run(options, processes, log);
  const problems: string[] = [];
  try {
    problems.push(...(await run.play()));
  } catch (error) {
    problems.push(error instanceof Broken ? error.message : String((error as Error).stack));
  } finally {
    options.signal.removeEventListener('abort', end);
    await processes.end();
    await tidy(options, problems.length > 0);
  }
  for (const problem of problems) log(`FAILED: ${problem}`);
  return {
    seed: options.seed,
    passed: problems.length === 0,
    way: run.way,
    what: run.what,
    problems,
    seconds: (performance.now() - from) / 1000,
    commands: run.commands,
    acknowledgedWrites: run.acknowledged,
    folder: options.folder,
  };
}

/** Of a run that failed the logs stay, and the journal; the databases only where they were asked for. */
async function tidy({ folder, keep }: WindowOptions, failed: boolean): Promise<void> {
  if (keep) return;
  const sandbox = join(folder, 'sandbox');
  await removeDatabaseFiles(sandbox);
  const gone = failed ? [join(sandbox, 'rds'), join(sandbox, 'lambda')] : [folder];
  for (const one of gone) rmSync(one, { recursive: true, force: true });
}

class Run {
  way: string;
  readonly what: string[] = [];
  commands = 0;
  acknowledged = 0;
  private readonly scenario: Scenario;
  private readonly sandboxFolder: string;
  private readonly left: Record<Verb, Try[]>;
  private environment: Environment | undefined;
  /** Somebody else has typed something meanwhile: what a command says last is not the last word. */
  private somebodyElse = false;
  private feedGone = false;
  /** Of the command under way: where its faults stand in `what`, and what they are said to be at. */
  private faulty: { readonly index: number; readonly where: string } | undefined;

  constructor(
    private readonly options: WindowOptions,
    private readonly processes: Processes,
    private readonly log: (line: string) => void,
  ) {
    this.scenario = scenarioOf(options.seed);
    this.way = this.scenario.way === 'through' ? 'through' : `back ${backText[this.scenario.way]}`;
    this.sandboxFolder = join(options.folder, 'sandbox');
    const { stage, cutover, rollback, teardown } = this.scenario.tries;
    this.left = { stage: [...stage], cutover: [...cutover], rollback: [...rollback], teardown: [...teardown] };
  }

  /** The window, top to bottom; answers what did not hold. */
  async play(): Promise<string[]> {
    this.log(JSON.stringify(this.scenario));
    await copyBaseline(this.options.baseline, this.sandboxFolder);
    this.environment = await startEnvironment(this.processes, { folder: this.sandboxFolder, speed });
    const customers = await this.startCustomers();
    const watch = new Watch(this.env, system);
    const problems: string[] = [];
    try {
      problems.push(...(await this.verbs()));
    } finally {
      const seen = await watch.stop();
      problems.push(...seen.problems);
      this.log(`${seen.looks} looks told everything, the longest time without one was ${seen.blindSeconds.toFixed(1)} s`);
      if (seen.looks < 10) problems.push(`only ${seen.looks} looks at the invariants told everything`);
      if (seen.blindSeconds > mostBlindSeconds)
        problems.push(`for ${seen.blindSeconds.toFixed(0)} s no look at the invariants told everything`);
    }
    if (customers.exitCode !== null) problems.push(`the customers ended with ${customers.exitCode} before the night did`);
    else {
      const gone = once(customers, 'close');
      customers.kill('SIGTERM');
      await gone;
    }
    problems.push(...(await this.rowsAt('at the end')));
    await this.environment.stop();
    return problems;
  }

  private async verbs(): Promise<string[]> {
    const { way, keepStandby, openMs } = this.scenario;
    const problems: string[] = [];
    await this.reach('stage', { verb: 'stage', args: [] });
    problems.push(...(await this.stationAt('staged', 'blue', names.production)));
    const cutover: Command = { verb: 'cutover', args: [...(way === 'no-go' ? [] : ['--yes', '--go-at-gate']), '--reason', 'soak'] };
    const reached = way === 'midway' ? await this.cutoverLeft(cutover) : await this.reach('cutover', cutover);
    if (reached === 'cutover') {
      await this.pause(openMs);
      problems.push(...(await this.stationAt('cut over', 'green', names.production)));
      problems.push(...(await this.served('on the new release')));
      problems.push(...(await this.rowsAt('after the cutover')));
    }
    const back = way !== 'through' || reached === 'rollback';
    if (back) {
      if (reached !== 'rollback') await this.reach('rollback', { verb: 'rollback', args: [] });
      await this.pause(openMs);
      // before the migrations the production database is opened again, after them the fallback is production.
      const production = reached === 'cutover' ? names.fallback : undefined;
      problems.push(...(await this.stationAt('rolled back', 'blue', production)));
      problems.push(...(await this.served('after the rollback')));
      problems.push(...(await this.rowsAt('after the rollback')));
    }
    if (back && way === 'through') this.way = 'given up, back';
    const production = (await this.facts()).production;
    await this.reach('teardown', { verb: 'teardown', args: ['--now', ...(keepStandby ? ['--keep-standby'] : [])] });
    problems.push(...(await this.stationAt('closed', back ? 'blue' : 'green', production)));
    return problems;
  }

  /** Types a verb, and then what the last lines say, until it is done. Answers what was reached: a night may have to be given up. */
  private async reach(goal: Verb, first: Command): Promise<Verb> {
    let wanted = goal;
    let command = first;
    for (let n = 0; n < mostCommands; n += 1) {
      const ended = await this.command(command);
      if (isDone(wanted, command, ended)) return wanted;
      // only a window that is to be taken back there gets to its question.
      if (ended.last?.event === 'cutover.gate') {
        command = { verb: 'cutover', args: ['--answer', 'no-go', '--reason', 'soak'] };
        continue;
      }
      // a rollback may be all that is left of a cutover.
      if (command.verb === 'rollback' && wanted !== 'teardown') wanted = 'rollback';
      const advice = this.somebodyElse ? undefined : ended.last?.next;
      this.somebodyElse = false;
      const typed = command.verb === 'status' ? { verb: wanted, args: [] } : command;
      const next = advice ? nextCommand(wanted, typed, advice) : ({ verb: 'status', args: [] } as const);
      if (!next) {
        throw new Broken(
          `nothing that npm run ${command.verb} says leads to a ${wanted}: ${ended.last?.code ?? ended.last?.event}: ${ended.last?.message ?? ''} Next: ${(advice ?? []).join(' | ')}`,
        );
      }
      if (next.verb === 'rollback' && wanted !== 'teardown') wanted = 'rollback';
      command = this.inOwnWords(next, first);
    }
    throw new Broken(`the ${wanted} was not done after ${mostCommands} commands`);
  }

  /** Flags of the first command are meant every time; what to answer is this person's own business. */
  private inOwnWords({ verb, args }: Command, first: Command): Command {
    // what is accepted needs a reason.
    if (args.includes('--accept-difference')) return { verb, args: [...withoutAnswer(args), '--reason', 'soak'] };
    if (verb !== first.verb) return { verb, args: withoutAnswer(args) };
    const more = withoutAnswer(args).filter((word) => !first.args.includes(word));
    return { verb, args: [...first.args, ...more] };
  }

  /** A cutover that is not waited for: at its moment somebody types the rollback. */
  private async cutoverLeft(cutover: Command): Promise<Verb> {
    let rollback: Promise<Verb> | undefined;
    const back = async (step: string, terminal: ChildProcess) => {
      this.what.push(`rollback typed at ${step} of the cutover, ${this.scenario.backWhileRunning ? 'which went on' : 'its terminal dead'}`);
      if (!this.scenario.backWhileRunning) kill(terminal, 'SIGKILL');
      rollback = this.reach('rollback', { verb: 'rollback', args: [] });
      // it is waited for below; a failure must not be nobody's.
      rollback.catch(() => undefined);
    };
    await this.command(cutover, { at: this.scenario.backAt, back });
    if (!rollback) return 'stage';
    return rollback;
  }

  private async command(
    command: Command,
    left?: { at: number; back: (step: string, terminal: ChildProcess) => Promise<void> },
  ): Promise<Ended> {
    this.commands += 1;
    const acting = command.verb !== 'status';
    const own = acting ? (this.left[command.verb as Verb].shift() ?? calm) : calm;
    const leave = { kind: 'Ctrl-C', at: left?.at ?? 0, delayMs: 0 } as const;
    try {
      return await type(
        command,
        own.by,
        own.here,
        left ? [...own.strikes.filter(({ kind }) => kind === 'faults' || kind === 'mishap'), leave] : own.strikes,
        {
          processes: this.processes,
          command: this.options.command,
          env: { ...this.env, HOME: this.homeOf(own.by) },
          log: this.log,
          patienceMs,
          strike: (strike, step, terminal) =>
            strike === leave && left ? left.back(step, terminal) : this.strike(strike, command, step, terminal),
        },
      );
    } catch (error) {
      throw new Broken((error as Error).message);
    } finally {
      await this.endFaults();
    }
  }

  private async strike(strike: Strike, command: Command, step: string, terminal: ChildProcess): Promise<void> {
    const where = `at ${step} of the ${command.verb}`;
    this.log(`strike ${where}: ${JSON.stringify(strike)}`);
    switch (strike.kind) {
      case 'terminal killed':
        this.what.push(`terminal killed ${where}`);
        return kill(terminal, 'SIGKILL');
      case 'Ctrl-C':
        this.what.push(`Ctrl-C ${where}`);
        return kill(terminal, 'SIGINT');
      case 'runner killed':
        if (killRunner(this.sandboxFolder)) this.what.push(`runner killed ${where}`);
        return;
      case 'faults':
        await this.control('POST', '', { seed: String(this.scenario.seed), rules: strike.faults });
        this.faulty = { index: this.what.push(`faults ${where}`) - 1, where };
        return;
      case 'mishap':
        return this.mishap(strike.mishap, where);
      default: {
        this.what.push(`${strike.kind} ${where}`);
        this.somebodyElse = true;
        const args = [...command.args, ...(strike.kind === 'take-over' && !command.args.includes('--take-over') ? ['--take-over'] : [])];
        this.commands += 1;
        const by = 'Zoe';
        await type({ verb: command.verb, args }, by, strike.here, [], {
          ...{
            processes: this.processes,
            command: this.options.command,
            env: { ...this.env, HOME: this.homeOf(by) },
            log: this.log,
            patienceMs,
          },
          strike: async () => undefined,
        });
      }
    }
  }

  private async mishap({ what, to, seconds }: Mishap, where: string): Promise<void> {
    const struck = await this.control('POST', '/now', { kind: what, target: await this.targetOf(to), ...(seconds ? { seconds } : {}) });
    this.log(struck);
    if (what === 'slot') this.feedGone = true;
    this.what.push(`${mishapText({ what, to, ...(seconds ? { seconds } : {}) })} ${where}`);
  }

  private async targetOf(to: Mishap['to']): Promise<string> {
    if (to === 'production' || to === 'fallback') return names[to];
    if (to === 'runner') return (await this.facts()).runner;
    if (to === 'migration') return (await this.facts()).green?.migration ?? '';
    if (to === 'blue' || to === 'green') return (await this.facts())[to]?.groups[0] ?? '';
    return to;
  }

  /** Says how many calls the command's faults have struck: some were drawn for calls that it never made. */
  private async endFaults(): Promise<void> {
    if (this.faulty) {
      const { rules } = JSON.parse(await this.control('GET', '')) as { rules: Injected[] };
      this.what[this.faulty.index] = `${rules.map(faultText).join(' + ')} ${this.faulty.where}`;
      this.faulty = undefined;
    }
    await this.control('DELETE', '');
  }

  private control(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<string> {
    return askFaults(this.env, method, path, body);
  }

  private async stationAt(station: Station, color: Color, production: string | undefined): Promise<string[]> {
    this.log(`the window is ${station}: looking at it`);
    const { window } = names;
    const expected = {
      station,
      live: color,
      release: live[color],
      production,
      window,
      keptStandby: this.scenario.keepStandby,
      feedGone: this.feedGone,
    };
    return problemsAt(this.env, system, expected);
  }

  /** Every acknowledged write is there once, on what is production now. */
  private async rowsAt(when: string): Promise<string[]> {
    // what is acknowledged from here on may be missing from the auditor's snapshot, which comes next.
    const known = join(this.options.folder, 'known.jsonl');
    copyFileSync(join(this.options.folder, 'acknowledgements.jsonl'), known);
    const observer = this.observer();
    try {
      const facts = await observer.facts();
      const address = (await observer.instances()).find(({ id }) => id === facts.production)?.address;
      const { username, password } = await observer.secret(facts.masterSecret);
      const found = await audit({ files: [known], connection: { ...address, user: username, password, database: facts.database } });
      this.acknowledged = found.acknowledged;
      return isClean(found) ? [] : [`${when}: ${auditText(found)}`];
    } finally {
      await observer.close();
    }
  }

  /** Customers who write nothing lose nothing: here they can. */
  private async served(when: string): Promise<string[]> {
    const file = join(this.options.folder, 'acknowledgements.jsonl');
    const answered = (how: string) => readFileSync(file, 'utf8').split(`"${how}"`).length - 1;
    const before = answered('acknowledged');
    const deadline = performance.now() + 20_000;
    while (answered('acknowledged') === before) {
      if (performance.now() > deadline) return [`no write of a customer was acknowledged within 20 s ${when}`];
      await this.pause(100);
    }
    // nothing they ask for is wrong by itself: a number given out twice would be.
    const rejected = answered('rejected');
    return rejected > 0 ? [`${rejected} writes of customers were rejected, ${when}`] : [];
  }

  private async startCustomers(): Promise<ChildProcess> {
    const observer = this.observer();
    const facts = await observer.facts();
    const url = `http://localhost:${await observer.listenerPort(facts.listener)}`;
    const file = join(this.options.folder, 'acknowledgements.jsonl');
    const child = this.processes.start(
      'customers',
      [...tsx, 'examples/video/customers.ts', '--url', url, '--rate', '10', '--file', file, '--json'],
      this.env,
    );
    const deadline = performance.now() + 60_000;
    while (!existsSync(file) || !readFileSync(file, 'utf8').includes('"acknowledged"')) {
      if (performance.now() > deadline) throw new Error('no write of a customer was acknowledged within 60 s');
      await this.pause(100);
    }
    return child;
  }

  private async facts() {
    return this.observer().facts();
  }

  private observer(): Observer {
    return new Observer(this.env, system);
  }

  private get env(): NodeJS.ProcessEnv {
    return this.environment?.env ?? {};
  }

  /** Every person has a machine of their own: nothing may be remembered between two commands but what AWS holds. */
  private homeOf(by: string): string {
    const home = join(this.options.folder, `home-${by}`);
    mkdirSync(home, { recursive: true });
    return home;
  }

  private async pause(ms: number): Promise<void> {
    if (this.options.signal.aborted) throw new Broken('interrupted');
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/** By the command's own word, or by the status: somebody else's run, or the runner function, may have got there. */
function isDone(goal: Verb, command: Command, { exit, last }: Ended): boolean {
  if (!last) return false;
  if (last.event === `${goal}.finished`) return exit === 0;
  if (command.verb !== 'status' || last.event !== 'status') return false;
  const { window, run } = last;
  return goal === 'teardown' ? window === undefined : typeof run === 'object' && run.verb === goal && run.ended === 'finished';
}

function withoutAnswer(args: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i += 1) {
    if (args[i] === '--answer' || args[i] === '--reason') i += 1;
    else kept.push(args[i] ?? '');
  }
  return kept;
}

const backText = { 'no-go': 'at the gate', midway: 'in the middle', 'after opening': 'after opening' } as const;

/** A rule, as the sandbox answers it. */
interface Injected extends Fault {
  readonly injected: number;
}

const faultText = ({ kind, operation, factor, injected }: Injected): string =>
  `${kind} ${operation}${kind === 'long' ? ` (×${factor})` : ''} struck ${injected}`;

const mishapText = ({ what, to, seconds }: Mishap): string =>
  what === 'clock' ? `clock of the ${to} off by ${seconds} s` : `${what} of ${to}${seconds === undefined ? '' : ` (${seconds} s)`}`;

function auditText(found: Awaited<ReturnType<typeof audit>>): string {
  const some = (refs: readonly string[]) => `${refs.length} (${refs.slice(0, 3).join(', ')})`;
  return [
    ...(found.lost.length > 0 ? [`${some(found.lost)} acknowledged writes are missing`] : []),
    ...(found.duplicated.length > 0 ? [`${some(found.duplicated)} writes are there twice`] : []),
    ...(found.changed.length > 0 ? [`${some(found.changed)} writes were changed`] : []),
    ...(found.refusedPresent.length > 0 ? [`${some(found.refusedPresent)} refused writes are there`] : []),
    ...found.onceWorkerOverlaps.map(
      (overlap) => `two copies of ${overlap.worker} for ${overlap.seconds} s from ${overlap.from}: ${overlap.first}, ${overlap.second}`,
    ),
    ...found.inconsistencies,
  ].join('; ');
}
