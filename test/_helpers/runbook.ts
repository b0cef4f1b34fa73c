/** A journal in memory, a clock that tests move, and steps over a world of flags. */
import type { Aws } from '../../lib/aws';
import type { Clock } from '../../lib/base/clock';
import type { JournalStore } from '../../lib/base/journal-store';
import type { Operator, Window } from '../../lib/engine/events';
import { Journal } from '../../lib/engine/journal';
import { advance } from '../../lib/engine/run';
import type { RunAnswer, RunOptions } from '../../lib/engine/run-options';
import { done, type Step, todo } from '../../lib/engine/step';
import type { ColorPart, Manifest, SharedPart } from '../../lib/manifest/schema';

export class MemoryStore implements JournalStore {
  readonly objects = new Map<string, string>();
  /** Called before each create; may throw (a failed write), create itself and throw (a lost answer), or never end (a kill). */
  beforeCreate: ((window: string, number: number, event: string) => void | Promise<void>) | undefined;
  afterCreate: ((window: string, number: number, event: string) => void | Promise<void>) | undefined;

  async create(window: string, number: number, event: string): Promise<boolean> {
    await this.beforeCreate?.(window, number, event);
    const key = `${window}/${number}`;
    const isNew = !this.objects.has(key);
    if (isNew) this.objects.set(key, event);
    await this.afterCreate?.(window, number, event);
    return isNew;
  }

  async keep(window: string, name: string, text: string): Promise<string> {
    this.objects.set(`${window}/${name}`, text);
    return `memory://${window}/${name}`;
  }

  async read(window: string, from: number): Promise<string[]> {
    const events: string[] = [];
    for (let number = from; this.objects.has(`${window}/${number}`); number += 1)
      events.push(this.objects.get(`${window}/${number}`) ?? '');
    return events;
  }

  async windows(): Promise<string[]> {
    return [...new Set([...this.objects.keys()].map((key) => key.split('/')[0] ?? ''))];
  }
}

/**
 * SIGKILL in one process: what is killed goes on waiting for ever, so that nothing of it runs any more, not even a
 * `finally`, which an exception would run.
 */
export class Kill {
  private strike: () => void = () => undefined;
  private readonly struck = new Promise<'killed'>((resolve) => {
    this.strike = () => resolve('killed');
  });

  /** Awaited by what is to be killed there. */
  here(): Promise<never> {
    this.strike();
    return new Promise(() => undefined);
  }

  /** What the run answers, unless it is killed. */
  or<T>(run: Promise<T>): Promise<T | 'killed'> {
    return Promise.race([run, this.struck]);
  }
}

/** Pausing moves it; nothing really waits. */
export class TestClock implements Clock {
  constructor(public time = Date.parse('2026-11-21T02:00:00Z')) {}
  /** By which it has been set, or the machine has slept. */
  private jumped = 0;
  now(): number {
    return this.time;
  }
  elapsed(): number {
    return this.time - this.jumped;
  }
  doubtful(): boolean {
    return false;
  }
  /** Somebody sets the clock: no time has passed. */
  jump(ms: number): void {
    this.time += ms;
    this.jumped += ms;
  }
  async pause(ms: number): Promise<void> {
    this.time += ms;
    for (const each of this.recurring) {
      if (each.due > this.time) continue;
      each.due = this.time + each.ms;
      each.action();
    }
  }
  private readonly recurring = new Set<{ due: number; readonly ms: number; readonly action: () => void }>();
  every(ms: number, action: () => void): () => void {
    const each = { due: this.time + ms, ms, action };
    this.recurring.add(each);
    return () => void this.recurring.delete(each);
  }
}

export const sharedPart: SharedPart = {
  manifest: 1,
  part: 'shared',
  system: 'video',
  region: 'eu-central-1',
  account: '000000000000',
  cluster: 'cluster',
  loadBalancer: { arn: 'lb', name: 'video' },
  listeners: [{ arn: 'listener', firstPriority: 1000 }],
  maintenanceRules: [{ arn: 'rule-maintenance', listener: 'listener', application: 'site', kind: 'maintenance', slot: 0 }],
  routingKey: { header: 'x-key', blue: 'b', green: 'g' },
  database: {
    instance: 'video-db',
    name: 'video',
    masterSecret: 'master',
    migratorSecret: 'migrator',
    roles: { owner: 'o', write: 'w', read: 'r', migrator: 'm', reader: 'rd' },
  },
  journalBucket: 'bucket',
  runner: 'runner',
  schedule: { group: 'group', role: 'role' },
  holdSeconds: 86_400,
  watchSeconds: 60,
  checks: [],
  landingTests: ['landing test by the business'],
};

export const colorPartOf = (color: 'blue' | 'green', version: string): ColorPart => ({
  manifest: 1,
  part: color,
  system: 'video',
  stack: `video-${color}`,
  release: { version, commit: `commit-${version}` },
  applications: [{ name: 'site', service: `${color}-site`, targetGroup: `${color}-site-tg`, open: false, proofPath: '/release' }],
  workers: [{ name: 'clock', service: `${color}-clock`, once: true, count: 1 }],
  rules: [
    { arn: `${color}-site`, listener: 'listener', application: 'site', kind: 'application', slot: 0 },
    { arn: `${color}-watch`, listener: 'listener', application: 'player', kind: 'open', slot: 1 },
  ],
  database: { user: `video_${color}`, secret: `${color}-secret`, openSecret: `${color}-open` },
  migration: {
    taskDefinition: `${color}-migrate`,
    container: 'migrate',
    expand: ['migrate'],
    network: { subnets: [], securityGroups: [] },
    logGroup: 'log',
    logStreamPrefix: 'migrate',
  },
});

export const manifest: Manifest = {
  shared: sharedPart,
  blue: colorPartOf('blue', '1.0.0'),
  green: colorPartOf('green', '2.0.0'),
  fallbacks: {
    w1: {
      manifest: 1,
      part: 'fallback',
      system: 'video',
      window: 'w1',
      stack: 'video-fallback-w1',
      instance: 'video-fallback-w1',
      source: 'video-db',
    },
  },
};

export const window: Window = {
  name: 'w1',
  system: 'video',
  from: 'blue',
  to: 'green',
  production: 'video-db',
  fallback: 'video-fallback-w1',
};

export const operator: Operator = { who: 'ada', where: 'ada@laptop' };

/** A step over a set of flags: so when its id is in the world. */
export const flag = (world: Set<string>, name: string, options: Partial<Omit<Step, 'holdsUntil'>> & { holdsUntil?: string } = {}): Step =>
  flagged(world, name as Step['id'], options as Partial<Step>);
const flagged = (world: Set<string>, id: Step['id'], options: Partial<Step>): Step => ({
  id,
  title: `make ${id} so`,
  estimateSeconds: 1,
  patienceSeconds: 10,
  async observe() {
    return world.has(id) ? done() : todo();
  },
  async act() {
    world.add(id);
  },
  ...options,
});

export class Rig<C extends Clock = TestClock> {
  readonly store = new MemoryStore();
  private nonces = 0;

  /** @param clock tells the journal's hours too @default a clock that tests move */
  constructor(readonly clock: C = new TestClock() as unknown as C) {}

  journal(): Journal {
    return new Journal(this.store, 'w1', this.clock, () => `nonce-${++this.nonces}`);
  }

  async open(): Promise<void> {
    await this.journal().append('open', operator, {
      type: 'window.opened',
      window,
      manifest,
      state: { production: 'video-db', opened: true },
    });
  }

  /** One invocation of a fresh process: it knows only what the journal says. */
  async advance(plan: readonly Step[], options: Partial<Omit<RunOptions, 'journal' | 'plan'>> = {}): Promise<RunAnswer> {
    return advance({
      aws: {} as Aws,
      clock: this.clock,
      journal: this.journal(),
      verb: 'cutover',
      run: 'run-1',
      by: operator,
      runner: 'test',
      deadline: Number.POSITIVE_INFINITY,
      plan: async () => [...plan],
      ...options,
    });
  }

  async events(): Promise<{ type: string; step?: string; number: number }[]> {
    return (await this.store.read('w1', 1)).map((text) => JSON.parse(text));
  }
}

/** A system that nobody has been let into yet, whose stacks are in this state. */
export function unopenedSystem(rig: Rig, stackStatus: (stack: string) => Promise<string | undefined> = async () => undefined): Aws {
  const state = { production: 'video-db', opened: false };
  return {
    settings: { manifest: async () => ({ manifest, state }), state: async () => state },
    traffic: { order: async () => new Map() },
    stacks: {
      status: async (stack: string) => {
        const status = await stackStatus(stack);
        return status === undefined ? undefined : { status, reason: undefined };
      },
    },
    journal: () => rig.store,
  } as unknown as Aws;
}
