/** Runs functions: warm instances, concurrency, and the queue of asynchronous invocations with its retries. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AwsError, type Sandbox } from '../../service';
import type { Table } from '../../state';
import { bootstrapSource } from './bootstrap';
import type { CodeStore, FunctionRow } from './functions';
import { Instance, type Outcome } from './instance';

interface QueuedEvent {
  id: string;
  functionName: string;
  event: string;
  /** Failed attempts so far. */
  failures: number;
  accepted: number;
}

const accountConcurrency = 1000;
/** Real minutes; long enough for a run to find its runner warm, short enough for a laptop's memory. */
const idleMinutes = 2;
/** AWS's waits before the second and the third attempt of an asynchronous invocation, in AWS seconds. */
const retrySeconds = [60, 120];
const eventAgeSeconds = 6 * 3600;

export class Invoker {
  private readonly instances = new Map<string, Set<Instance>>();
  private readonly running = new Map<string, number>();
  private readonly queue: Table<QueuedEvent>;
  private readonly work = new Set<Promise<unknown>>();
  private readonly bootstrap: string;
  private readonly modules: string;
  /** By which the clocks of functions are wrong (a fault), in milliseconds. */
  private readonly clocks = new Map<string, number>();
  private stopping = false;
  private sweeper: NodeJS.Timeout | undefined;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly functions: Table<FunctionRow>,
    private readonly code: CodeStore,
  ) {
    this.queue = sandbox.table<QueuedEvent>('lambda.events');
    this.bootstrap = join(sandbox.folder, 'lambda', 'bootstrap.cjs');
    this.modules = join(sandbox.folder, 'lambda', 'runtime');
  }

  start(): void {
    mkdirSync(this.modules, { recursive: true });
    writeFileSync(this.bootstrap, bootstrapSource);
    this.linkSdk();
    this.code.prune(this.functions.values());
    this.sweeper = setInterval(() => this.sweep(), 10_000).unref();
    for (const event of this.queue.values()) this.runQueued(event.id);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearInterval(this.sweeper);
    await Promise.all([...this.instances.values()].flatMap((set) => [...set].map((instance) => instance.kill())));
    // what ends leaves last lines in the log: nothing may be written once the sandbox has stopped.
    while (this.work.size > 0) await Promise.all(this.work);
  }

  /** One synchronous invocation; refused when the function's reserved concurrency is used up. */
  async run(row: FunctionRow, event: string, requestId: string): Promise<Outcome> {
    if (this.stopping) throw new AwsError('ServiceException', 'The sandbox is stopping.', 500);
    const running = this.running.get(row.name) ?? 0;
    const all = [...this.running.values()].reduce((sum, count) => sum + count, 0);
    if (running >= (row.reserved ?? accountConcurrency) || all >= accountConcurrency) {
      throw new AwsError('TooManyRequestsException', 'Rate Exceeded.', 429, {
        Reason: row.reserved === undefined ? 'ConcurrentInvocationLimitExceeded' : 'ReservedFunctionConcurrentInvocationLimitExceeded',
        Type: 'User',
      });
    }
    this.running.set(row.name, running + 1);
    const instance = this.idle(row) ?? this.make(row);
    try {
      const invocation = instance.invoke(requestId, event);
      this.track(invocation);
      return await invocation;
    } finally {
      this.running.set(row.name, (this.running.get(row.name) ?? 1) - 1);
      const current = this.functions.get(row.name)?.revision === instance.options.revision;
      if (instance.dead || !current) this.drop(row.name, instance);
    }
  }

  /** Accepts an asynchronous invocation: it will run even if the sandbox is restarted before. */
  enqueue(row: FunctionRow, event: string, requestId: string): void {
    this.queue.set(requestId, { id: requestId, functionName: row.name, event, failures: 0, accepted: Date.now() });
    this.runQueued(requestId);
  }

  /** Ends the idle instances of a function; busy ones end after their invocation. */
  replace(name: string): void {
    for (const instance of this.instances.get(name) ?? []) if (!instance.busy) this.drop(name, instance);
  }

  /** From now on a function's instances see their clock off by so much, also in the middle of what they do. */
  moveClock(name: string, ms: number): void {
    this.clocks.set(name, ms);
    for (const instance of this.instances.get(name) ?? []) instance.moveClock(ms);
  }

  rightClocks(): void {
    for (const name of this.clocks.keys()) this.moveClock(name, 0);
    this.clocks.clear();
  }

  private idle(row: FunctionRow): Instance | undefined {
    const free = [...(this.instances.get(row.name) ?? [])].find(
      (instance) => !instance.busy && !instance.dead && instance.options.revision === row.revision,
    );
    if (free) free.busy = true;
    return free;
  }

  private make(row: FunctionRow): Instance {
    const now = new Date();
    const day = now.toISOString().slice(0, 10).replaceAll('-', '/');
    const logStream = `${day}/[$LATEST]${randomUUID().replaceAll('-', '')}`;
    const codeFolder = this.code.folderOf(row);
    const instance = new Instance(this.sandbox, {
      arn: row.arn,
      bootstrap: this.bootstrap,
      codeFolder,
      memoryMb: row.memory,
      timeoutSeconds: row.timeout,
      logGroup: row.logGroup,
      logStream,
      revision: row.revision,
      env: this.environment(row, codeFolder, logStream),
    });
    instance.busy = true;
    const clock = this.clocks.get(row.name);
    if (clock !== undefined) instance.moveClock(clock);
    const set = this.instances.get(row.name) ?? new Set();
    this.instances.set(row.name, set.add(instance));
    return instance;
  }

  private environment(row: FunctionRow, codeFolder: string, logStream: string): Record<string, string> {
    const inherited = ['PATH', 'HOME', 'TMPDIR'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    return {
      ...Object.fromEntries(inherited),
      TZ: ':UTC',
      NODE_PATH: this.modules,
      ...this.sandbox.environment(),
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
      AWS_EXECUTION_ENV: `AWS_Lambda_${row.runtime}`,
      AWS_LAMBDA_FUNCTION_NAME: row.name,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(row.memory),
      AWS_LAMBDA_LOG_GROUP_NAME: row.logGroup,
      AWS_LAMBDA_LOG_STREAM_NAME: logStream,
      LAMBDA_TASK_ROOT: codeFolder,
      LAMBDA_RUNTIME_DIR: dirname(this.bootstrap),
      _HANDLER: row.handler,
      ...row.variables,
    };
  }

  private drop(name: string, instance: Instance): void {
    this.instances.get(name)?.delete(instance);
    this.track(instance.kill());
  }

  private sweep(): void {
    const since = Date.now() - idleMinutes * 60_000;
    for (const [name, set] of this.instances) {
      for (const instance of set) if (instance.dead || (!instance.busy && instance.idleSince < since)) this.drop(name, instance);
    }
  }

  private runQueued(id: string): void {
    this.track(
      this.attempt(id).catch((error: Error) => {
        this.queue.delete(id);
        this.sandbox.log(`lambda: asynchronous invocation ${id} dropped: ${error.message}`);
      }),
    );
  }

  private async attempt(id: string): Promise<void> {
    const queued = this.queue.get(id);
    if (!queued || this.stopping) return;
    const row = this.functions.get(queued.functionName);
    if (!row) throw new Error(`the function ${queued.functionName} is gone`);
    const age = ((Date.now() - queued.accepted) / 1000) * this.sandbox.speed;
    const maxAge = row.asyncConfig?.MaximumEventAgeInSeconds ?? eventAgeSeconds;
    let outcome: Outcome;
    try {
      outcome = await this.run(row, queued.event, id);
    } catch (error) {
      if (this.stopping) return;
      if ((error as Error).name !== 'TooManyRequestsException' || age > maxAge) throw error;
      // throttled invocations wait in the queue, longer each time, and do not use up the retries.
      this.sandbox.after(Math.min(300, Math.max(1, age)), () => this.runQueued(id));
      return;
    }
    // killed with the sandbox: it stays in the queue and runs again when the sandbox does.
    if (this.stopping) return;
    if (!outcome.failed) return this.queue.delete(id);
    const wait = retrySeconds[queued.failures];
    const attempts = row.asyncConfig?.MaximumRetryAttempts ?? retrySeconds.length;
    if (wait === undefined || queued.failures >= attempts || age > maxAge) {
      throw new Error(`${row.name} failed ${queued.failures + 1} times: ${outcome.payload.slice(0, 300)}`);
    }
    this.queue.set(id, { ...queued, failures: queued.failures + 1 });
    this.sandbox.after(wait, () => this.runQueued(id));
  }

  private track(promise: Promise<unknown>): void {
    const tracked = promise.finally(() => this.work.delete(tracked));
    this.work.add(tracked);
  }

  /** AWS's Node.js runtimes bring the AWS SDK; everything else must be in the zip. */
  private linkSdk(): void {
    try {
      const installed = join(dirname(require.resolve('@aws-sdk/client-sts/package.json')), '..', '..');
      for (const scope of ['@aws-sdk', '@smithy']) {
        rmSync(join(this.modules, scope), { force: true });
        symlinkSync(join(installed, scope), join(this.modules, scope));
      }
    } catch (error) {
      this.sandbox.log(`lambda: functions run without the AWS SDK of the runtime: ${(error as Error).message}`);
    }
  }
}
