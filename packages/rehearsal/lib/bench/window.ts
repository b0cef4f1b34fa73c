/**
 * The whole time without a write at a cutover and at a rollback, with its parts: the example system on a sandbox of its
 * own, customers at its load balancer, the switches by the commands people type.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { audit, isClean } from '../../../../examples/video/audit';
import type { Outcome } from '../../../../examples/video/customers';
import { makeAws } from '../../../../lib/aws';
import { wallClock } from '../../../../lib/base/clock';
import type { Verb } from '../../../../lib/engine/events';
import { Journal } from '../../../../lib/engine/journal';
import { type RunningSandbox, startSandbox } from '../../../sandbox/lib/server';
import { copyBaseline, makeBaseline } from '../test-system/baseline';
import { tsx } from '../test-system/environment';
import { Processes } from '../test-system/processes';
import { type Gap, longestWithout, type RunnerCall, takeApart } from './gap';

export interface WindowBenchOptions {
  /** The repository. */
  readonly root: string;
  /** Parent of the bench's own folder. */
  readonly temp: string;
  /** Where the deployed system is kept from one bench to the next. */
  readonly baseline: string;
  /** Windows, each with a cutover and a rollback. */
  readonly runs: number;
  /** Customers' requests per second; 45 of 100 write. */
  readonly rate: number;
  /** AWS seconds per second. */
  readonly speed: number;
  /** Seconds that customers use the new release before everything is taken back. */
  readonly openSeconds: number;
  readonly onProgress: (text: string) => void;
  readonly onLine: (source: string, line: string) => void;
  readonly signal: AbortSignal;
}

export interface Switch {
  /** The gap of the run in the middle, so that its parts add up. */
  readonly median: Gap;
  readonly samplesMs: readonly number[];
  /** Every run's, in their order. */
  readonly gaps: readonly Gap[];
  /** Of the same run: how long the command took, and every AWS call that its steps made. */
  readonly commandSeconds: number;
  readonly calls: number;
}

export interface WindowBench {
  readonly node: string;
  readonly cpus: number;
  readonly loadAverage: { readonly before: number; readonly after: number };
  readonly speed: number;
  readonly runs: number;
  readonly requestsPerSecond: number;
  /** What was acknowledged before the cutovers: the gap is known as exactly as this. */
  readonly writesPerSecond: number;
  readonly cutover: Switch;
  readonly rollback: Switch;
  readonly acknowledgedWrites: number;
  readonly lostWrites: number;
  readonly duplicatedWrites: number;
  readonly openPath: { readonly requests: number; readonly failures: number };
}

const system = 'video';
const warmSeconds = 5;

interface Sample {
  readonly gap: Gap;
  readonly commandSeconds: number;
  readonly calls: number;
}

interface Run {
  readonly cutover: Sample;
  readonly rollback: Sample;
  readonly writesPerSecond: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly openPath: { readonly requests: number; readonly failures: number };
}

export async function measureWindow(options: WindowBenchOptions): Promise<WindowBench> {
  const before = loadavg()[0] ?? 0;
  const { root, baseline, speed, signal, onLine, onProgress } = options;
  await makeBaseline({ root, folder: baseline, speed, onLine, signal, onPhase: (phase) => onProgress(`once: ${phase}`) });
  const folder = await mkdtemp(join(options.temp, 'switchback-bench-'));
  const processes = new Processes(root, onLine);
  const end = () => void processes.end();
  signal.addEventListener('abort', end, { once: true });
  try {
    // the databases' account must be able to pass through to their files.
    await chmod(folder, 0o711);
    const place = { staged: join(folder, 'staged'), sandbox: join(folder, 'sandbox'), writes: join(folder, 'writes.jsonl') };
    onProgress('once: stage');
    await copyBaseline(baseline, place.sandbox);
    await new Night(options, processes, place).stage();
    const runs: Run[] = [];
    for (let n = 1; n <= options.runs && !signal.aborted; n += 1) {
      const run = await new Night(options, processes, place).play();
      onProgress(
        `run ${n}: cutover ${run.cutover.gap.ms} ms, rollback ${run.rollback.gap.ms} ms, ${run.writesPerSecond} writes/s; load ${loadavg()[0]?.toFixed(1)}`,
      );
      runs.push(run);
    }
    if (signal.aborted) throw new Error('interrupted');
    return {
      node: process.version,
      cpus: cpus().length,
      loadAverage: { before: rounded(before), after: rounded(loadavg()[0] ?? 0) },
      speed,
      runs: runs.length,
      requestsPerSecond: options.rate,
      writesPerSecond: middle(runs, (run) => run.writesPerSecond).writesPerSecond,
      cutover: summary(runs.map((run) => run.cutover)),
      rollback: summary(runs.map((run) => run.rollback)),
      acknowledgedWrites: sum(runs, (run) => run.acknowledged),
      lostWrites: sum(runs, (run) => run.lost),
      duplicatedWrites: sum(runs, (run) => run.duplicated),
      openPath: { requests: sum(runs, (run) => run.openPath.requests), failures: sum(runs, (run) => run.openPath.failures) },
    };
  } finally {
    signal.removeEventListener('abort', end);
    await processes.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** One sandbox from its start to its end. */
class Night {
  private calls: RunnerCall[] = [];
  private env: NodeJS.ProcessEnv = {};

  constructor(
    private readonly options: WindowBenchOptions,
    private readonly processes: Processes,
    private readonly place: { readonly staged: string; readonly sandbox: string; readonly writes: string },
  ) {}

  /** Leaves a staged window behind, for every run to start from. */
  async stage(): Promise<void> {
    const sandbox = await this.start();
    try {
      await this.verb('stage', []);
    } finally {
      await sandbox.stop();
    }
    await copyFolder(this.place.sandbox, this.place.staged);
  }

  async play(): Promise<Run> {
    const { openSeconds, rate, onProgress } = this.options;
    // at the same path each time: the databases know where their files are.
    await rm(this.place.sandbox, { recursive: true, force: true });
    await rm(this.place.writes, { force: true });
    await copyFolder(this.place.staged, this.place.sandbox);
    const sandbox = await this.start();
    const customers = await this.customers(rate);
    try {
      onProgress('customers, cutover');
      await seconds(warmSeconds);
      const from = Date.now();
      const cutover = await this.switch('cutover');
      await seconds(openSeconds);
      onProgress('rollback');
      const rollback = await this.switch('rollback');
      await seconds(2);
      customers.kill('SIGTERM');
      await once(customers, 'exit');
      return { ...(await this.found(from)), cutover: await cutover(), rollback: await rollback() };
    } finally {
      if (customers.exitCode === null && customers.signalCode === null) {
        customers.kill('SIGKILL');
        await once(customers, 'exit');
      }
      await sandbox.stop();
    }
  }

  private async start(): Promise<RunningSandbox> {
    const { root, speed } = this.options;
    const sandbox = await startSandbox({
      folder: this.place.sandbox,
      speed,
      images: join(root, 'examples/video/images'),
      onCall: ({ service, agent, from, to }) => {
        if (agent.includes('exec-env/AWS_Lambda')) this.calls.push({ service, from, to });
      },
    });
    this.env = { ...process.env, ...sandbox.env, NO_COLOR: '1' };
    // our own AWS calls, for looking only, go the same way.
    Object.assign(process.env, sandbox.env);
    return sandbox;
  }

  private async customers(rate: number) {
    const aws = makeAws();
    const [door] = await aws.traffic.frontDoors((await aws.settings.manifest(system)).manifest);
    if (!door) throw new Error('the load balancer has no listener');
    const url = `http://${door.host}:${door.port}`;
    const deadline = Date.now() + 60_000;
    // the tasks start anew with the sandbox.
    while (!(await answers(`${url}/`)) || !(await answers(`${url}/api/release`)) || !(await answers(`${url}/watch/1`))) {
      if (Date.now() > deadline) throw new Error(`the system does not answer at ${url} after 60 s`);
      await seconds(0.25);
    }
    return this.processes.start(
      'customers',
      [...tsx, 'examples/video/customers.ts', '--url', url, '--rate', String(rate), '--file', this.place.writes],
      this.env,
    );
  }

  private async verb(verb: Verb, args: readonly string[]): Promise<number> {
    const ran = await this.processes.run(
      verb,
      [...tsx, 'scripts/verb.ts', verb, '--json', '--system', system, '--by', 'bench', ...args],
      this.env,
    );
    if (ran.code === 0) return ran.seconds;
    const last = `${ran.stdout}\n${ran.stderr}`.trim().split('\n').slice(-5).join('\n');
    throw new Error(this.options.signal.aborted ? 'interrupted' : `${verb} ended with exit code ${ran.code}:\n${last}`);
  }

  /** Takes the verb through; what customers saw of it is known once they have stopped. */
  private async switch(verb: 'cutover' | 'rollback'): Promise<() => Promise<Sample>> {
    this.calls = [];
    const from = Date.now();
    const commandSeconds = await this.verb(verb, verb === 'cutover' ? ['--yes', '--go-at-gate', '--reason', 'bench'] : ['--yes']);
    const [to, calls] = [Date.now(), this.calls];
    const events = (await this.journal()).filter(({ at }) => Date.parse(at) >= from && Date.parse(at) <= to);
    return async () => {
      const times = (await this.outcomes()).filter(({ write }) => write === 'acknowledged').map(({ at, ms }) => Date.parse(at) + ms);
      return { gap: takeApart(longestWithout(times, { from, to }), events, calls), commandSeconds, calls: calls.length };
    };
  }

  private async journal() {
    const aws = makeAws();
    const { manifest } = await aws.settings.manifest(system);
    const store = aws.journal(manifest.shared.journalBucket, system);
    const journal = new Journal(store, (await store.windows()).at(-1) ?? '', wallClock, randomUUID);
    await journal.refresh();
    return journal.events;
  }

  private async outcomes(): Promise<Outcome[]> {
    const lines = (await readFile(this.place.writes, 'utf8')).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Outcome);
  }

  /** What the database holds of what was acknowledged, by the example's auditor. */
  private async found(cutoverAt: number): Promise<Omit<Run, 'cutover' | 'rollback'>> {
    const aws = makeAws();
    const { manifest, state } = await aws.settings.manifest(system);
    const address = (await aws.databases.describe(state?.production ?? ''))?.address;
    const login = await aws.settings.secret(manifest.shared.database.masterSecret);
    const result = await audit({
      files: [this.place.writes],
      connection: { ...address, user: login.username, password: login.password, database: manifest.shared.database.name },
    });
    if (!isClean(result)) this.options.onProgress(`what the auditor found: ${JSON.stringify(result)}`);
    const outcomes = await this.outcomes();
    const open = outcomes.filter(({ kind }) => kind === 'watch');
    const before = outcomes.filter(({ write, at }) => {
      const due = Date.parse(at);
      return write === 'acknowledged' && due < cutoverAt && due >= cutoverAt - 3000;
    });
    return {
      writesPerSecond: Math.round(before.length / 3),
      acknowledged: result.acknowledged,
      lost: result.lost.length,
      duplicated: result.duplicated.length,
      openPath: { requests: open.length, failures: open.filter(({ status, ms }) => status !== 200 || ms > 2000).length },
    };
  }
}

function summary(samples: readonly Sample[]): Switch {
  const { gap, commandSeconds, calls } = middle(samples, (sample) => sample.gap.ms);
  return {
    median: gap,
    samplesMs: samples.map((sample) => sample.gap.ms),
    gaps: samples.map((sample) => sample.gap),
    commandSeconds: rounded(commandSeconds),
    calls,
  };
}

/** The one in the middle; of an even number the larger of the two. */
function middle<T>(all: readonly T[], by: (one: T) => number): T {
  const one = [...all].sort((a, b) => by(a) - by(b))[Math.floor(all.length / 2)];
  if (one === undefined) throw new Error('nothing was measured');
  return one;
}

const sum = <T>(all: readonly T[], of: (one: T) => number): number => all.reduce((total, one) => total + of(one), 0);
const rounded = (value: number): number => Math.round(value * 10) / 10;
const seconds = (count: number): Promise<void> => wallClock.pause(count * 1000);

async function copyFolder(from: string, to: string): Promise<void> {
  // as root the files belong to the servers' account, and must still do so in the copy: only cp keeps that.
  await promisify(execFile)('cp', ['-a', from, to]);
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    async (answer) => {
      await answer.arrayBuffer();
      return answer.status === 200;
    },
    () => false,
  );
