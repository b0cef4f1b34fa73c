/** AWS in our words. The only folder that imports SDK clients. */
import { setTimeout as pause } from 'node:timers/promises';
import { InvokeCommand } from '@aws-sdk/client-lambda';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { deploy, say, switchback } from '../base/advice';
import { SharedClock } from '../base/clock';
import { exit, messageOf, Stop } from '../base/errors';
import type { SharedPart } from '../manifest/schema';
import { stackName } from '../manifest/stack-names';
import { type BeforeChange, type Clients, makeClients } from './clients';
import { Databases } from './databases';
import { EmergencyParameter } from './emergency';
import { explain, explainFirst } from './explain';
import { S3JournalStore } from './journal-store';
import { Logs } from './logs';
import { isAws, isThrottle, isUnanswered } from './outcome';
import { Schedules } from './schedule';
import { Settings } from './settings';
import { Stacks } from './stacks';
import { Tasks } from './tasks';
import { Traffic } from './traffic';

export { explain };

/** How long a runner at work for somebody else is asked again. */
const busyMs = 10_000;

export class Aws {
  readonly traffic: Traffic;
  readonly databases: Databases;
  readonly tasks: Tasks;
  readonly settings: Settings;
  readonly schedules: Schedules;
  readonly stacks: Stacks;
  readonly logs: Logs;
  readonly emergency: EmergencyParameter;
  /** Set by a run: called before every call that changes something. */
  beforeChange: BeforeChange | undefined;

  /** AWS's own, as its answers tell it. */
  readonly clock = new SharedClock();

  /** Set by a terminal: told what keeps it waiting. */
  say: (text: string) => void = () => undefined;

  private readonly clients: Clients;
  private readonly journals = new Map<string, S3JournalStore>();

  constructor() {
    const clients = makeClients(
      () => this.beforeChange,
      (date, tookMs) => this.clock.heard(date, tookMs),
    );
    this.clients = clients;
    this.traffic = new Traffic(clients);
    this.databases = new Databases(clients);
    this.tasks = new Tasks(clients);
    this.settings = new Settings(clients);
    this.schedules = new Schedules(clients);
    this.stacks = new Stacks(clients);
    this.logs = new Logs(clients);
    this.emergency = new EmergencyParameter(clients);
  }

  journal(bucket: string, system: string): S3JournalStore {
    const name = `${bucket}/${system}`;
    const store = this.journals.get(name) ?? new S3JournalStore(this.clients, bucket, system, this.clock, (text) => this.say(text));
    this.journals.set(name, store);
    return store;
  }

  /**
   * The principal that signs our calls.
   * @throws Stop `credentials.missing`, `region.missing`, `sandbox.unreachable`, `aws.unreachable`, `endpoint.invalid`, `endpoint.not-aws`
   */
  async whoAmI(): Promise<string> {
    try {
      const { Arn: arn, $metadata } = await this.clients.sts.send(new GetCallerIdentityCommand({}));
      if (arn === undefined) throw Object.assign(new Error('the answer names no principal'), { $metadata });
      return arn;
    } catch (cause) {
      throw explainFirst(cause);
    }
  }

  /**
   * Asks the runner; resolves with what its handler answered.
   * @throws Stop `runner.busy` when another invocation is under way, `runner.failed` with what the function said, `runner.unanswered`
   *   when it may be at work and its answer was lost
   */
  async invokeRunner<T>(shared: Pick<SharedPart, 'runner' | 'stackPath'>, event: unknown): Promise<T> {
    const name = shared.runner;
    // a look at the feed (operations/feed-watch.ts) takes the one runner for a few seconds; a rollback must not be refused for that.
    const deadline = this.clock.elapsed() + busyMs;
    try {
      const answer = await this.whenFree(deadline, () =>
        this.clients.lambda.send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) })),
      );
      const text = answer.Payload ? Buffer.from(answer.Payload).toString() : 'null';
      if (answer.FunctionError) {
        const { errorMessage } = JSON.parse(text) as { errorMessage?: string };
        throw new Stop('runner.failed', `the runner ${name} stopped: ${errorMessage ?? text}`, {
          state: 'What it had done is in the journal; asking it again goes on from there.',
          next: [say`run the same command again`, say`run it with --here from a place that reaches the database`],
        });
      }
      return JSON.parse(text) as T;
    } catch (error) {
      if (error instanceof Stop) throw error;
      if (isAws(error, 'TooManyRequestsException') || isThrottle(error)) {
        throw new Stop('runner.busy', `the runner ${name} is at work for somebody else`, {
          next: [switchback('status')],
          exit: exit.locked,
          cause: error,
        });
      }
      if (isAws(error, 'ResourceNotFoundException')) {
        throw new Stop('runner.missing', `there is no runner function ${name}`, {
          next: [deploy(stackName({ shared }, 'shared')), say`the same command with --here`],
          exit: exit.usage,
          cause: error,
        });
      }
      if (isUnanswered(error) && !(explain(error) instanceof Stop)) {
        throw new Stop('runner.unanswered', `lambda Invoke ${name}: the answer was lost (${messageOf(error)})`, {
          state: 'The runner may be at work: what it does is in the journal.',
          next: [switchback('status', '--watch'), say`then the same command again`],
          exit: exit.unknown,
          cause: error,
        });
      }
      throw error;
    }
  }

  private async whenFree<T>(deadline: number, call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!isAws(error, 'TooManyRequestsException') || this.clock.elapsed() > deadline) throw error;
        await pause(250);
      }
    }
  }
}

export const makeAws = (): Aws => new Aws();
