/** AWS in our words. The only folder that imports SDK clients. */
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { SharedClock } from '../base/clock';
import { type BeforeChange, type Clients, makeClients } from './clients';
import { Databases } from './databases';
import { EmergencyParameter } from './emergency';
import { explain, explainFirst } from './explain';
import { Functions } from './invoke';
import { S3JournalStore } from './journal-store';
import { Logs } from './logs';
import { Schedules } from './schedule';
import { Settings } from './settings';
import { Stacks } from './stacks';
import { Tasks } from './tasks';
import { Traffic } from './traffic';

export { explain };

export class Aws {
  readonly traffic: Traffic;
  readonly databases: Databases;
  readonly tasks: Tasks;
  readonly settings: Settings;
  readonly schedules: Schedules;
  readonly stacks: Stacks;
  readonly logs: Logs;
  readonly emergency: EmergencyParameter;
  readonly functions: Functions;
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
    this.functions = new Functions(clients, this.clock, (text) => this.say(text));
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
}

export const makeAws = (): Aws => new Aws();
