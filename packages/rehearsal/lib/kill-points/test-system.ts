/** What a kill run goes through: the example on a sandbox of its own, with customers, and an observer that shares nothing with the toolkit. */
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { audit, isClean } from '../../../../examples/video/audit';
import { type Customers, startCustomers } from '../../../../examples/video/customers';
import { makeAws } from '../../../../lib/aws';
import { removeDatabaseFiles } from '../../../sandbox/lib/services/rds';
import { type Expected, problemsAt, type Seen, Watch } from '../soak/invariants';
import { copyBaseline } from '../test-system/baseline';
import { cdk, type Environment, startEnvironment, tsx } from '../test-system/environment';
import { Processes } from '../test-system/processes';
import { instances } from './call-gate';
import type { Told } from './real-process';
import { forgetEvents } from './simulated-process';

export interface TestSystemOptions {
  /** The repository. */
  readonly root: string;
  /** Of a system on the eve of a window (test-system/baseline.ts). @default - an empty sandbox */
  readonly baseline?: string | undefined;
  /** AWS seconds per real second. */
  readonly speed: number;
  readonly onLine: (source: string, line: string) => void;
}

/** Customers' requests per second: enough to have writes under way at every point, little enough to leave the machine to the kill run. */
const rate = 6;

export class TestSystem {
  private customers: Customers | undefined;
  private watching: Watch | undefined;

  private constructor(
    private readonly folder: string,
    private readonly processes: Processes,
    private readonly environment: Environment,
  ) {}

  /** The AWS clients of this process talk to it from here on. */
  static async start({ root, baseline, speed, onLine }: TestSystemOptions): Promise<TestSystem> {
    const folder = mkdtempSync(join(tmpdir(), 'switchback-kills-'));
    const processes = new Processes(root, onLine);
    try {
      if (baseline !== undefined) await copyBaseline(baseline, join(folder, 'sandbox'));
      const environment = await startEnvironment(processes, { folder: join(folder, 'sandbox'), speed });
      Object.assign(process.env, environment.env);
      forgetEvents();
      return new TestSystem(folder, processes, environment);
    } catch (error) {
      await processes.end();
      await remove(folder);
      throw error;
    }
  }

  get env(): NodeJS.ProcessEnv {
    return this.environment.env;
  }

  async cdk(args: readonly string[], context: Readonly<Record<string, string | number>>): Promise<void> {
    const all = { hold: 3600, watch: 1, tasks: 1, ...context };
    const ran = await cdk(this.processes, this.environment, args, { output: join(this.folder, 'cdk.out'), context: all });
    if (ran.code !== 0)
      throw new Error(`cdk ${args.join(' ')} ended with exit code ${ran.code}: ${`${ran.stdout}\n${ran.stderr}`.slice(-3000)}`);
  }

  /** A run in a process of its own, killed by SIGKILL at a point. Throws when it ends otherwise. */
  async killForReal(told: Omit<Told, 'ports'>): Promise<void> {
    const child = this.processes.start(
      'a run of its own',
      [...tsx, 'packages/rehearsal/lib/kill-points/real-process.ts', JSON.stringify({ ...told, ports: [...instances] } satisfies Told)],
      this.env,
    );
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (text: string) => {
        said += text;
      });
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (signal !== 'SIGKILL')
      throw new Error(`a run that was to be killed at "${told.at}" ended with ${signal ?? code}: ${said.slice(-1000)}`);
  }

  /** From here on every look at the world counts. */
  watch(): void {
    this.watching = new Watch(this.environment.env, 'video');
  }

  /** Names of what is reached at which port, for the names of points. */
  async nameInstances(): Promise<void> {
    const aws = makeAws();
    const { manifest, state } = await aws.settings.manifest('video');
    const production = state?.production ?? manifest.shared.database.instance;
    const fallback = Object.values(manifest.fallbacks).find(({ instance }) => instance !== production)?.instance;
    for (const [name, id] of [
      ['production', production],
      ['fallback', fallback],
    ]) {
      const address = id === undefined ? undefined : (await aws.databases.describe(id))?.address;
      if (address && name) instances.set(address.port, name);
    }
  }

  async openDoors(): Promise<void> {
    const aws = makeAws();
    const { manifest } = await aws.settings.manifest('video');
    const [door] = await aws.traffic.frontDoors(manifest);
    if (!door) throw new Error('the load balancer has no listener');
    this.customers = startCustomers({ url: `http://${door.host}:${door.port}`, rate, file: this.acknowledgements });
  }

  /** Waits until customers have been told of so many more writes. */
  async writes(count: number): Promise<void> {
    const acknowledged = () => this.customers?.summary().writes.acknowledged ?? 0;
    const goal = acknowledged() + count;
    for (const deadline = Date.now() + 60_000; acknowledged() < goal; await new Promise((resolve) => setTimeout(resolve, 100)))
      if (Date.now() > deadline) throw new Error(`${count} writes were not acknowledged within 60 s`);
  }

  /** What does not hold where a window has come to rest: by the observer, and by what customers were told. */
  async problemsAt(expected: Omit<Expected, 'window' | 'release'>): Promise<string[]> {
    const release = expected.live === 'blue' ? '1.0.0' : '2.0.0';
    const seen = await problemsAt(this.environment.env, 'video', { ...expected, release, window: 'w1' });
    // nobody has been let in yet.
    if (!this.customers) return seen;
    await this.writes(20);
    // nothing they ask for is wrong by itself: a number given out twice would be.
    const { rejected } = this.customers.summary().writes;
    return [
      ...seen,
      ...(rejected > 0 ? [`${expected.station}: ${rejected} writes of customers were rejected`] : []),
      ...(await this.auditProblems(expected.station)),
    ];
  }

  /** What was broken while it ran. */
  async end(): Promise<Seen & { readonly acknowledged: number }> {
    const seen = (await this.watching?.stop()) ?? { problems: [], looks: 0, blindSeconds: 0 };
    const summary = await this.customers?.stop();
    await this.processes.end();
    await remove(this.folder);
    return { ...seen, acknowledged: summary?.writes.acknowledged ?? 0 };
  }

  private get acknowledgements(): string {
    return join(this.folder, 'acknowledgements.jsonl');
  }

  private async auditProblems(when: string): Promise<string[]> {
    // what is acknowledged from here on may be missing from the auditor's snapshot, which comes next.
    const known = join(this.folder, 'known.jsonl');
    copyFileSync(this.acknowledgements, known);
    const aws = makeAws();
    const { manifest, state } = await aws.settings.manifest('video');
    const address = (await aws.databases.describe(state?.production ?? ''))?.address;
    const login = await aws.settings.secret(manifest.shared.database.masterSecret);
    const found = await audit({
      files: [known],
      connection: { ...address, user: login.username, password: login.password, database: manifest.shared.database.name },
    });
    const { totals: _, schema: __, ...findings } = found;
    return isClean(found) ? [] : [`${when}: ${JSON.stringify(findings)}`];
  }
}

async function remove(folder: string): Promise<void> {
  await removeDatabaseFiles(join(folder, 'sandbox'));
  rmSync(folder, { recursive: true, force: true });
}
