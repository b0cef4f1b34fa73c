/**
 * A terminal takes a verb through: it asks the runner to advance, draws the journal while it does, and asks people at
 * gates. Pulling its plug changes nothing: what has been done is in the journal, the runner finishes its step.
 */
import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import type { Screen } from '../report';
import type { Clock } from '../runbook/clock';
import { exit, Stop } from '../runbook/errors';
import type { JournalEvent } from '../runbook/events';
import { Journal } from '../runbook/journal';
import { type Reply, type Request, runVerb } from '../runbook/verbs';
import { fold } from '../runbook/window';

export interface Answer {
  readonly answer: 'go' | 'no-go';
  readonly reason: string;
}

export interface DriveOptions {
  readonly aws: Aws;
  readonly clock: Clock;
  readonly screen: Screen;
  /** Runs the steps in this process instead of asking the runner function. */
  readonly here: boolean;
  /** Asks a person at a gate; undefined when there is nobody to ask. */
  readonly ask: ((question: string) => Promise<Answer | undefined>) | undefined;
  /** Aborted by Ctrl-C: no further invocation is asked for. */
  readonly signal: AbortSignal;
}

/** Takes a request to its end; answers what the runner said last. */
export async function drive(request: Request, options: DriveOptions): Promise<Reply> {
  const follower = await Follower.start(request, options);
  let answer: Answer | undefined = request.answer;
  try {
    for (;;) {
      const reply = await invoke({ ...request, ...(answer ? { answer } : {}) }, options, follower);
      answer = undefined;
      if (options.signal.aborted)
        throw new Stop('terminal.interrupted', 'Ctrl-C: the runner has finished its step and goes no further', {
          next: [`npm run ${request.verb}`, 'npm run rollback', 'npm run status'],
          exit: exit.interrupted,
        });
      if (reply.state === 'continue') continue;
      if (reply.state !== 'gate') return reply;
      answer = await options.ask?.(reply.question);
      if (!answer) return reply;
    }
  } finally {
    await follower.stop();
  }
}

/** One invocation, with the journal drawn while it is under way. */
async function invoke(request: Request, options: DriveOptions, follower: Follower): Promise<Reply> {
  const call = options.here
    ? runVerb(request, { aws: options.aws, clock: options.clock, runner: 'terminal', deadline: Number.POSITIVE_INFINITY })
    : options.aws.invokeRunner<Reply>(follower.runner, request);
  let over = false;
  const ended = call.finally(() => {
    over = true;
  });
  // failures are handled where `ended` is awaited below.
  ended.catch(() => undefined);
  while (!over) {
    await follower.look();
    await Promise.race([ended.catch(() => undefined), options.clock.pause(200)]);
  }
  await follower.look();
  return ended;
}

/** Reads the journal of the window that is open, or that the runner opens. */
class Follower {
  private journal: Journal | undefined;

  private constructor(
    private readonly options: DriveOptions,
    private readonly system: string,
    private readonly bucket: string,
    readonly runner: string,
    /** Windows that were closed before we began: not ours. */
    private readonly before: ReadonlySet<string>,
  ) {}

  static async start(request: Request, options: DriveOptions): Promise<Follower> {
    const { manifest } = await options.aws.settings.manifest(request.system);
    const store = options.aws.journal(manifest.shared.journalBucket, request.system);
    const names = await store.windows();
    const last = names.at(-1);
    const before = new Set(names);
    if (last !== undefined) {
      const journal = new Journal(store, last, options.clock, randomUUID);
      await journal.refresh();
      if (fold(journal.events)?.closed === undefined) before.delete(last);
    }
    return new Follower(options, request.system, manifest.shared.journalBucket, manifest.shared.runner, before);
  }

  async look(): Promise<void> {
    const added = await this.added().catch(() => []);
    const view = this.journal && fold(this.journal.events);
    if (view && added.length > 0) this.options.screen.events(view, added);
    else this.options.screen.tick(this.options.clock.now());
  }

  /** A look that fails is not the run's trouble: the next one shows what this one missed. */
  private async added(): Promise<JournalEvent[]> {
    if (!this.journal) {
      const store = this.options.aws.journal(this.bucket, this.system);
      const mine = (await store.windows()).filter((name) => !this.before.has(name)).at(-1);
      if (mine === undefined) return [];
      this.journal = new Journal(store, mine, this.options.clock, randomUUID);
    }
    return this.journal.refresh();
  }

  async stop(): Promise<void> {
    await this.look();
    this.options.screen.close();
  }
}
