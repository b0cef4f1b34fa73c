/** A system that is only its two databases: what the real steps ask of the manifest and of AWS, answered on this machine. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Aws } from '../../aws';
import type { Instance } from '../../aws/databases';
import { wallClock } from '../../base/clock';
import type { JournalStore } from '../../base/journal-store';
import type { Operator, Verb, Window } from '../../engine/events';
import { Journal } from '../../engine/journal';
import { viewOf } from '../../engine/journal-view';
import { databaseOn } from '../../engine/place';
import { advance } from '../../engine/run';
import type { RunAnswer } from '../../engine/run-options';
import type { Step } from '../../engine/step';
import type { WindowView } from '../../engine/window-view';
import { type ColorPart, type DatabaseSecret, type Manifest, manifestVersion } from '../../manifest/schema';
import type { Roles } from '../../postgres/access/roles';
import type { Login } from '../../postgres/connection/connect';
import type { Declared } from '../../postgres/schema/declared';
import { trialName } from '../../steps/trial-copy';
import type { TrialPair } from '../../steps/trial-pair';
import type { World } from '../../steps/world';
import type { TryServers } from './servers';

export const system = 'video';
export const production = 'production';
export const fallback = 'fallback';

/** Named as the stacks of a system called `video` name them: what is tried may grant to them. */
export const roles: Roles = {
  owner: `${system}_owner`,
  write: `${system}_write`,
  read: `${system}_read`,
  migrator: `${system}_migrator`,
  reader: `${system}_reader`,
};

/** Of a try: made anew each time, and known to nobody else. */
export class Logins {
  private readonly known = new Map<string, Login>();

  constructor(readonly master: Login) {}

  of(username: string): Login {
    const login = this.known.get(username) ?? { username, password: randomBytes(12).toString('hex') };
    this.known.set(username, login);
    return login;
  }

  readonly blue = this.of(`${system}_blue`);
  readonly green = this.of(`${system}_green`);
  readonly migrator = this.of(roles.migrator);
  readonly reader = this.of(roles.reader);
  readonly feed = this.of('switchback_feed');
}

/** The two databases of a trial, on the primary. */
export const twinOf = (copy: string): string => `${copy}_twin`;
export const trialPlaces = (window: Window, copy: string): Pick<TrialPair, 'production' | 'fallback'> => ({
  production: databaseOn(trialName(window), copy),
  fallback: databaseOn(trialName(window), twinOf(copy)),
});

export interface SystemOptions {
  readonly servers: TryServers;
  readonly logins: Logins;
  readonly database: string;
  /** `w7` */
  readonly window: string;
  readonly declared: Declared;
  readonly accepted: readonly string[];
  /** Tables of the migration tool's own notes, `schema.table` each. */
  readonly bookkeeping: readonly string[];
  readonly onStep?: (verb: Verb, title: string) => void;
}

const by: Operator = { who: 'try', where: 'this machine' };
/** Of one step: on two local servers what takes longer does not come. */
const patienceSeconds = 20;

/** One window over the two databases of that name. */
export class LocalSystem {
  private readonly journal: Journal;
  private readonly aws: Aws;

  private constructor(private readonly options: SystemOptions) {
    const store = memoryStore();
    this.journal = new Journal(store, options.window, wallClock, randomUUID);
    this.aws = localAws(options, store);
  }

  static async open(options: SystemOptions): Promise<LocalSystem> {
    const opened = new LocalSystem(options);
    const window: Window = { name: options.window, system, from: 'blue', to: 'green', production, fallback };
    const state = { production, window: options.window, opened: true };
    await opened.journal.append('try', by, { type: 'window.opened', window, manifest: manifestOf(options), state });
    return opened;
  }

  get view(): WindowView {
    return viewOf(this.journal);
  }

  world(): World {
    const { window, manifest } = this.view;
    return { window, manifest, view: this.view, live: 'blue', maintenance: false, production };
  }

  /** Runs these steps by the runner's own loop. */
  run(verb: Verb, steps: readonly Step[]): Promise<RunAnswer> {
    return advance({
      ...{ aws: this.aws, clock: wallClock, journal: this.journal, verb, run: randomUUID(), by, runner: 'try', patienceSeconds },
      deadline: wallClock.now() + 24 * 3_600_000,
      plan: async () => steps.map((step) => this.told(verb, step)),
    });
  }

  private told(verb: Verb, step: Step): Step {
    const { onStep } = this.options;
    if (!onStep) return step;
    let told = false;
    return {
      ...step,
      observe: (context) => {
        if (!told) onStep(verb, step.title);
        told = true;
        return step.observe(context);
      },
    };
  }
}

function memoryStore(): JournalStore {
  const events: string[] = [];
  return {
    // the databases are gone with the try, and what would be put into them.
    keep: async (_window, name) => name,
    async create(_window, number, event) {
      if (number !== events.length + 1) return false;
      events.push(event);
      return true;
    },
    read: async (_window, from) => events.slice(from - 1),
    windows: async () => [],
  };
}

/**
 * As much of AWS as steps of the database ask for. A step that asks for more has no business in a try: it fails with the name of what it
 * asked for.
 */
function localAws({ servers, logins }: SystemOptions, store: JournalStore): Aws {
  const describe = async (id: string): Promise<Instance | undefined> => ({
    ...{ id, status: 'available', backupDays: 1, deletionProtection: false, class: 'local', storageGb: 0, multiAz: false },
    ...{ parameterGroups: [], managedPassword: false, madeFor: undefined },
    // a copy for a trial is a database of the primary.
    address: servers.address(id === fallback ? 'replica' : 'primary'),
    replicaOf: id === fallback && !servers.promoted ? production : undefined,
  });
  const secret = async (name: string): Promise<DatabaseSecret> => (name === 'master' ? logins.master : logins.of(name));
  const aws: Pick<Aws, 'clock' | 'say' | 'beforeChange'> & { databases: object; settings: object; journal: () => JournalStore } = {
    journal: () => store,
    clock: wallClock as Aws['clock'],
    say: () => undefined,
    beforeChange: undefined,
    databases: { describe, promote: () => servers.promote() },
    settings: { secret, secretRotates: async () => false },
  };
  return aws as unknown as Aws;
}

function manifestOf({ database, declared, accepted, bookkeeping, logins }: SystemOptions): Manifest {
  const none = { subnets: [], securityGroups: [] };
  const color = (part: 'blue' | 'green'): ColorPart => ({
    ...{ manifest: manifestVersion, part, system, stack: part, release: { version: part, commit: part } },
    ...{ applications: [], workers: [], rules: [] },
    database: { user: logins[part].username, secret: logins[part].username, openSecret: logins.reader.username },
    migration: {
      ...{ taskDefinition: 'none', container: 'none', expand: [], network: none, logGroup: 'none', logStreamPrefix: 'none' },
      bridges: declared as NonNullable<ColorPart['migration']['bridges']>,
      bookkeeping: [...bookkeeping],
      acceptedLosses: [...accepted],
    },
  });
  return {
    shared: {
      ...{ manifest: manifestVersion, part: 'shared', system, region: 'local', account: 'local', cluster: 'local' },
      ...{ loadBalancer: { arn: 'none', name: 'none' }, listeners: [], maintenanceRules: [] },
      routingKey: { header: 'x', blue: 'blue', green: 'green' },
      database: {
        ...{ instance: production, name: database, masterSecret: 'master', migratorSecret: logins.migrator.username },
        ...{ feedSecret: logins.feed.username, roles },
      },
      ...{ journalBucket: 'try', runner: 'try', schedule: { group: 'none', role: 'none' }, holdSeconds: 3600, watchSeconds: 0 },
      ...{ checks: [], landingTests: [], trial: { securityGroups: [], subnetGroup: 'none' } },
    },
    blue: color('blue'),
    green: color('green'),
    fallbacks: {},
  };
}
