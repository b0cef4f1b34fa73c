/**
 * Whole windows on a sandbox of its own, with the commands people type: the same code as the night itself. What
 * customers saw and what the database holds is found out by the example's customers and auditor, which share no code
 * with the toolkit.
 */
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Audit, audit, isClean } from '../../../../examples/video/audit';
import type { Summary } from '../../../../examples/video/summary';
import { makeAws } from '../../../../lib/aws';
import { ownerOf } from '../../../sandbox/lib/access/keys';
import { environmentFor } from '../../../sandbox/lib/environment';
import { removeDatabaseFiles } from '../../../sandbox/lib/services/rds';
import { cdk, type Environment, startEnvironment, tsx } from '../test-system/environment';
import { Processes, type Ran } from '../test-system/processes';

export interface RehearsalOptions {
  /** The repository. */
  readonly root: string;
  /** Parent of the rehearsal's own folder. */
  readonly temp: string;
  /** AWS seconds per real second. */
  readonly speed: number;
  /** Customers' requests per second. */
  readonly rate: number;
  /** Seconds of the hold after the last cutover. */
  readonly holdSeconds: number;
  /** Seconds that customers use the new release before everything is taken back. */
  readonly openSeconds: number;
  /** Makes the command as it is shipped, one file. */
  readonly bundle: (outfile: string) => void;
  /** Leaves the folder with its logs behind. */
  readonly keep: boolean;
  readonly onPhase: (phase: string) => void;
  readonly onLine: (source: string, line: string) => void;
  readonly signal: AbortSignal;
}

export interface StepSeconds {
  readonly window: string;
  readonly verb: string;
  readonly id: string;
  readonly title: string;
  readonly seconds: number;
}

export interface RehearsalResult {
  readonly ok: boolean;
  /** What did not hold, as sentences. */
  readonly problems: readonly string[];
  readonly acknowledgedWrites: number;
  readonly lostWrites: number;
  readonly duplicatedWrites: number;
  readonly openPathRequests: number;
  readonly openPathFailures: number;
  /** Of the last cutover, as customers saw it: first refusal to first acknowledged write. */
  readonly maintenanceSeconds: number;
  readonly cutoverSeconds: number;
  readonly rollbackSeconds: number;
  /** Of each switch, what customers saw: last acknowledged write before it to first after it. */
  readonly writeGapMs: readonly { readonly window: string; readonly verb: string; readonly ms: number }[];
  /** What the old schema could not hold, as the rollback of w2 said it. */
  readonly lossManifest: readonly unknown[];
  readonly seconds: number;
  readonly deploys: readonly { readonly what: string; readonly seconds: number }[];
  readonly steps: readonly StepSeconds[];
  readonly releases: Summary['releases'];
  readonly latencyMs: Summary['latencyMs'];
}

export class RehearsalFailed extends Error {}

const system = 'video';

export async function rehearse(options: RehearsalOptions): Promise<RehearsalResult> {
  const from = performance.now();
  const folder = await mkdtemp(join(options.temp, 'switchback-rehearsal-'));
  const processes = new Processes(options.root, options.onLine);
  const end = () => void processes.end();
  options.signal.addEventListener('abort', end, { once: true });
  try {
    const stage = new Stage(options, processes, folder);
    return await stage.play(from);
  } finally {
    options.signal.removeEventListener('abort', end);
    await processes.end();
    if (!options.keep) {
      await removeDatabaseFiles(join(folder, 'sandbox'));
      await rm(folder, { recursive: true, force: true });
    }
  }
}

class Stage {
  private readonly deploys: { what: string; seconds: number }[] = [];
  private readonly steps: StepSeconds[] = [];
  private readonly problems: string[] = [];
  private readonly switches: { window: string; verb: string; from: number; to: number }[] = [];
  private lossManifest: unknown[] = [];
  private environment: Pick<Environment, 'env' | 'endpoint'> = { env: {}, endpoint: '' };

  constructor(
    private readonly options: RehearsalOptions,
    private readonly processes: Processes,
    private readonly folder: string,
  ) {}

  private get command(): string {
    return join(this.folder, 'switchback.js');
  }

  /** The rehearsal, top to bottom. */
  async play(from: number): Promise<RehearsalResult> {
    const { onPhase } = this.options;
    onPhase('a sandbox of its own');
    this.options.bundle(this.command);
    await this.startSandbox();

    onPhase('v1 goes live: cdk bootstrap, cdk deploy shared blue, the first opening');
    await this.cdk('bootstrap', ['bootstrap', '--no-notices'], { green: 'none', window: 'none' });
    await this.cdk('deploy shared blue', ['deploy', 'shared', 'blue'], { green: 'none', window: 'none' });
    await this.verb('w0', 'cutover', ['--yes', '--reason', 'rehearsal']);

    onPhase('customers arrive');
    const acknowledgements = join(this.folder, 'acknowledgements.jsonl');
    const customers = await this.startCustomers(acknowledgements);

    onPhase('green is provisioned beside it: cdk deploy green fallback-w1');
    await this.cdk('deploy green fallback-w1', ['deploy', 'green', 'fallback-w1'], { window: '1' });
    await this.verb('w1', 'stage', []);

    onPhase('window w1: cutover up to the gate, no-go, rollback');
    await this.verb('w1', 'cutover', ['--yes'], 6);
    await this.verb('w1', 'cutover', ['--answer', 'no-go', '--reason', 'rehearsal of the way back'], 6);
    await this.verb('w1', 'rollback', ['--yes']);
    await this.verb('w1', 'teardown', ['--yes', '--now', '--keep-standby']);
    await this.checkRows('after the rollback of w1', acknowledgements);

    onPhase('window w2: cutover, open, customers write in the new schema');
    await this.cdk('deploy fallback-w2', ['deploy', 'fallback-w2'], { window: '2' });
    await this.verb('w2', 'stage', []);
    const cutover = await this.verb('w2', 'cutover', ['--yes', '--go-at-gate', '--reason', 'rehearsal']);
    const before = await this.liveColor();
    await this.cdk('deploy --all', ['deploy', '--all'], { window: '2' });
    const after = await this.liveColor();
    if (before !== 'green' || after !== 'green')
      this.problems.push(`a deploy of every stack moved traffic: ${before} was live before it, ${after} after it`);
    await this.seconds(this.options.openSeconds, 'customers use the new release');
    await this.checkRows('while w2 is open', acknowledgements);

    onPhase('window w2: everything back, without losing a write');
    const rollback = await this.verb('w2', 'rollback', ['--yes']);
    await this.checkRows('after the rollback of w2', acknowledgements);
    await this.verb('w2', 'teardown', ['--yes', '--now', '--keep-standby']);

    onPhase('window w3: cutover, through to the end');
    // the last window's hold is short, so that its end can be seen.
    await this.cdk('deploy fallback-w3', ['deploy', 'fallback-w3'], { window: '3', hold: this.options.holdSeconds });
    await this.verb('w3', 'stage', []);
    await this.verb('w3', 'cutover', ['--yes', '--go-at-gate', '--reason', 'rehearsal']);
    await this.checkRows('while w3 is open', acknowledgements);

    onPhase('the hold ends: the schedule tears down');
    await this.windowClosedBySchedule();
    customers.process.kill('SIGTERM');
    const summary = await customers.summary;
    onPhase('every acknowledged write is looked up');
    const found = await this.checkRows('at the end', acknowledgements);
    return this.result(from, summary, found, cutover.seconds, rollback.seconds, await readFile(acknowledgements, 'utf8'));
  }

  private async startSandbox(): Promise<void> {
    const folder = join(this.folder, 'sandbox');
    this.environment = await startEnvironment(this.processes, { folder, speed: this.options.speed });
    // our own AWS calls, for looking only, go the same way.
    Object.assign(process.env, environmentFor(this.environment.endpoint, ownerOf(folder)));
  }

  private async cdk(what: string, args: readonly string[], context: { window: string; green?: string; hold?: number }): Promise<void> {
    const output = join(this.folder, 'cdk.out');
    const ran = await cdk(this.processes, this.environment, args, { output, context: { hold: 3600, watch: 5, ...context } });
    this.must(ran, `cdk ${what}`, 0);
    this.deploys.push({ what: `cdk ${what}`, seconds: ran.seconds });
  }

  /** Runs a verb as a person would, reads its JSON lines, notes what each step took. */
  private async verb(window: string, verb: string, args: readonly string[], expected = 0): Promise<Ran> {
    const from = Date.now();
    const ran = await this.processes.run(
      verb,
      ['node', this.command, verb, '--json', '--system', system, '--by', 'rehearsal', ...args],
      this.environment.env,
    );
    const titles = new Map<string, string>();
    for (const line of ran.stdout.split('\n')) {
      if (!line.startsWith('{')) continue;
      const event = JSON.parse(line) as {
        event: string;
        step?: string;
        seconds?: number;
        plan?: { id: string; title: string }[];
        facts?: { losses?: unknown[] };
      };
      if (event.event === 'step.done' && event.step === 'loss.manifest') this.lossManifest = event.facts?.losses ?? [];
      for (const { id, title } of event.plan ?? []) titles.set(id, title);
      if (event.event === 'step.done' && event.step !== undefined)
        this.steps.push({ window, verb, id: event.step, title: titles.get(event.step) ?? event.step, seconds: event.seconds ?? 0 });
    }
    if (window !== 'w0' && (verb === 'cutover' || verb === 'rollback')) this.switches.push({ window, verb, from, to: Date.now() });
    this.must(ran, `${verb} of ${window}`, expected);
    return ran;
  }

  private must(ran: Ran, what: string, expected: number): void {
    if (this.options.signal.aborted) throw new RehearsalFailed('interrupted');
    if (ran.code === expected) return;
    // a verb's own last word where there is one; the last lines otherwise.
    const word = ran.stdout.split('\n').findLast((line) => line.startsWith('{"event"'));
    const last = word
      ? (JSON.parse(word) as { message?: string }).message
      : `${ran.stdout}\n${ran.stderr}`.trim().split('\n').slice(-15).join('\n');
    throw new RehearsalFailed(`${what} ended with exit code ${ran.code}, not ${expected}:\n${last}`);
  }

  private async startCustomers(file: string): Promise<{ process: import('node:child_process').ChildProcess; summary: Promise<Summary> }> {
    const { manifest } = await makeAws().settings.manifest(system);
    const [door] = await makeAws().traffic.frontDoors(manifest);
    if (!door) throw new RehearsalFailed('the load balancer has no listener');
    const url = `http://${door.host}:${door.port}`;
    const child = this.processes.start(
      'customers',
      [...tsx, 'examples/video/customers.ts', '--url', url, '--rate', String(this.options.rate), '--file', file, '--json'],
      this.environment.env,
    );
    let text = '';
    child.stdout?.on('data', (part: string) => {
      text += part;
    });
    const summary = new Promise<Summary>((resolve, reject) => {
      child.once('close', () => {
        const line = text.split('\n').findLast((one) => one.startsWith('{'));
        if (line) resolve(JSON.parse(line) as Summary);
        else reject(new RehearsalFailed('the customers ended without a summary'));
      });
    });
    summary.catch(() => undefined);
    await this.until('the first write is acknowledged', 30, async () =>
      (await readFile(file, 'utf8').catch(() => '')).includes('"acknowledged"'),
    );
    return { process: child, summary };
  }

  /** Compares acknowledgements with rows on what is production now. */
  private async checkRows(when: string, file: string): Promise<Audit> {
    const aws = makeAws();
    const { manifest, state } = await aws.settings.manifest(system);
    const address = (await aws.databases.describe(state?.production ?? ''))?.address;
    const login = await aws.settings.secret(manifest.shared.database.masterSecret);
    // what is acknowledged from here on may be missing from the auditor's snapshot, which comes next.
    const known = join(this.folder, 'known.jsonl');
    await copyFile(file, known);
    const found = await audit({
      files: [known],
      connection: { ...address, user: login.username, password: login.password, database: manifest.shared.database.name },
    });
    if (!isClean(found)) this.problems.push(`${when}: ${describe(found)}`);
    return found;
  }

  private async liveColor(): Promise<string> {
    const ran = await this.processes.run('status', ['node', this.command, 'status', '--json', '--system', system], this.environment.env);
    this.must(ran, 'status', 0);
    return String((JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '{}') as { live?: string }).live);
  }

  /** Time that customers have with a release. */
  private async seconds(count: number, what: string): Promise<void> {
    const from = performance.now();
    await this.until(what, count + 5, async () => performance.now() - from >= count * 1000);
  }

  private async windowClosedBySchedule(): Promise<void> {
    const aws = makeAws();
    await this.until(
      'the schedule has torn the window down',
      this.options.holdSeconds + 180,
      async () => (await aws.settings.state(system))?.window === undefined && (await aws.stacks.status('video-blue')) === undefined,
    );
  }

  private async until(what: string, seconds: number, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + seconds * 1000;
    while (!(await condition())) {
      if (this.options.signal.aborted) throw new RehearsalFailed('interrupted');
      if (performance.now() > deadline) throw new RehearsalFailed(`${what}: not within ${seconds} s`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  private result(
    from: number,
    summary: Summary,
    found: Audit,
    cutoverSeconds: number,
    rollbackSeconds: number,
    acknowledgements: string,
  ): RehearsalResult {
    if (summary.openPath.failures > 0)
      this.problems.push(
        `${summary.openPath.failures} of ${summary.openPath.requests} requests on open paths failed: ${JSON.stringify(summary.openPath.examples[0])}`,
      );
    return {
      ok: this.problems.length === 0,
      problems: this.problems,
      acknowledgedWrites: found.acknowledged,
      lostWrites: found.lost.length,
      duplicatedWrites: found.duplicated.length,
      openPathRequests: summary.openPath.requests,
      openPathFailures: summary.openPath.failures,
      maintenanceSeconds: summary.maintenance.at(-1)?.seconds ?? 0,
      cutoverSeconds,
      rollbackSeconds,
      writeGapMs: writeGaps(acknowledgements, this.switches),
      lossManifest: this.lossManifest,
      seconds: (performance.now() - from) / 1000,
      deploys: this.deploys,
      steps: this.steps,
      releases: summary.releases,
      latencyMs: summary.latencyMs,
    };
  }
}

function describe(found: Audit): string {
  const parts = [
    `${found.lost.length} acknowledged writes are missing${found.lost.length > 0 ? ` (${found.lost.slice(0, 3).join(', ')})` : ''}`,
    `${found.duplicated.length} are there twice`,
    `${found.changed.length} were changed`,
    `${found.refusedPresent.length} were refused and are there`,
    ...found.onceWorkerOverlaps.map((overlap) => `two copies of ${overlap.worker} for ${overlap.seconds} s`),
    ...found.inconsistencies,
  ];
  return parts.filter((part) => !part.startsWith('0 ')).join('; ');
}

/** Of each switch, the longest time around it without an acknowledged write: what customers who write saw of it. */
function writeGaps(acknowledgements: string, switches: readonly { window: string; verb: string; from: number; to: number }[]) {
  const times = acknowledgements
    .split('\n')
    .filter((line) => line.includes('"acknowledged"'))
    .map((line) => {
      const { at, ms } = JSON.parse(line) as { at: string; ms: number };
      return Date.parse(at) + ms;
    })
    .sort((a, b) => a - b);
  return switches.map(({ window, verb, from, to }) => {
    let longest = 0;
    for (let i = 1; i < times.length; i += 1) {
      const [before = 0, after = 0] = [times[i - 1], times[i]];
      if (after >= from && before <= to) longest = Math.max(longest, after - before);
    }
    return { window, verb, ms: Math.round(longest) };
  });
}
