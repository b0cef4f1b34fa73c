/**
 * A modelled world for the real runbooks: plans, gates, holds and journal are the product's own; what a step looks at and
 * changes is the few facts that matter. A world may be copied, so that every point of a night can be gone on from.
 */
import type { Aws } from '../../lib/aws';
import { Stop } from '../../lib/base/errors';
import type { Context } from '../../lib/engine/context';
import type { Operator, Verb } from '../../lib/engine/events';
import { Journal } from '../../lib/engine/journal';
import { advance } from '../../lib/engine/run';
import type { RunAnswer } from '../../lib/engine/run-options';
import { done, type Step, todo } from '../../lib/engine/step';
import { fold, type WindowView } from '../../lib/engine/window-view';
import type { Color, Manifest } from '../../lib/manifest/schema';
import { refuseAfterRollback } from '../../lib/operations/open-window';
import { isFinished, refuseTooLate } from '../../lib/operations/run-verb';
import { type PlanRequest, planOf } from '../../lib/plans';
import type { World } from '../../lib/steps/world';
import { MemoryStore, operator, TestClock, window, manifest as windowManifest } from '../_helpers/runbook';

export const forks: Readonly<Record<'window' | 'ahead', Manifest>> = {
  window: windowManifest,
  ahead: {
    ...windowManifest,
    shared: { ...windowManifest.shared, database: { ...windowManifest.shared.database, feedSecret: 'feed' } },
  },
};

const production = 'video-db';
const fallback = 'video-fallback-w1';
type Instance = typeof production | typeof fallback;
const other = (color: Color): Color => (color === 'blue' ? 'green' : 'blue');

/** What customers, workers and databases see. Plain data. */
interface Facts {
  front: Color;
  maintenance: boolean;
  workers: Record<Color, number>;
  writers: Record<Instance, Color[]>;
  /** What a color's applications read from; the paths that stay open may be ahead of the rest. */
  reads: Record<Color, Instance>;
  openReads: Record<Color, Instance>;
  production: Instance;
  feed: 'none' | 'alive' | 'paused' | 'stopped' | 'removed';
  promoted: boolean;
  /** Steps whose effect is a fact of their own. */
  so: string[];
}

interface Effect {
  readonly is: (facts: Facts) => boolean;
  readonly make: (facts: Facts) => void;
}

/** From the step's id, and from the color and the database that its title names. */
function effectOf({ id, title }: Step): Effect {
  const color = (/\b(blue|green)\b/.exec(title)?.[1] ?? 'blue') as Color;
  const instance = (/video-fallback-w1|video-db/.exec(title)?.[0] ?? production) as Instance;
  const feed = (to: Facts['feed'], is = (now: Facts['feed']) => now === to): Effect => ({
    is: (facts) => is(facts.feed),
    make: (facts) => {
      facts.feed = to;
    },
  });
  const reads = (which: readonly ('reads' | 'openReads')[]): Effect => ({
    is: (facts) => which.every((each) => facts[each][color] === instance),
    make: (facts) => {
      for (const each of which) facts[each][color] = instance;
    },
  });
  switch (id) {
    case 'traffic.maintenance':
    case 'traffic.open': {
      const maintenance = id === 'traffic.maintenance';
      return {
        is: (facts) => facts.maintenance === maintenance,
        make: (facts) => {
          facts.maintenance = maintenance;
        },
      };
    }
    case 'traffic.switch':
      return {
        is: ({ front }) => front === color,
        make: (facts) => {
          if (!facts.maintenance) throw new Violation('traffic was switched while customers were served');
          facts.front = color;
        },
      };
    case 'workers.stop':
    case 'standby.workers':
    case 'workers.start': {
      const count = id === 'workers.start' ? 1 : 0;
      return {
        is: ({ workers }) => workers[color] === count,
        make: ({ workers }) => {
          workers[color] = count;
        },
      };
    }
    case 'database.fence':
    case 'database.fenced-after':
    case 'fallback.fence':
    case 'retired.fence':
      return {
        is: ({ writers }) => writers[instance].length === 0,
        make: ({ writers }) => {
          writers[instance] = [];
        },
      };
    case 'database.open':
      return {
        is: ({ writers }) => writers[instance].join() === color,
        make: ({ writers }) => {
          writers[instance] = [color];
        },
      };
    case 'migrations':
      return {
        is: ({ so }) => so.includes(id),
        make: (facts) => {
          const { writers, workers, maintenance, promoted } = facts;
          if (writers[production].length > 0 || workers.blue > 0 || !maintenance || !promoted || facts.feed === 'alive')
            throw new Violation('the migrations ran outside the fence, or before the fallback was safe');
          facts.so.push(id);
        },
      };
    case 'fallback.promote':
      return {
        is: ({ promoted }) => promoted,
        make: (facts) => {
          facts.promoted = true;
        },
      };
    case 'production.pointer':
      return {
        is: (facts) => facts.production === instance,
        make: (facts) => {
          facts.production = instance;
        },
      };
    case 'open-paths.fallback':
      return reads(['openReads']);
    case 'standby.database':
    case 'standby.move':
    case 'standby.fallback':
    case 'live.production':
    case 'live.fallback':
      return reads(['reads', 'openReads']);
    case 'fork.feed':
      return feed('alive', (now) => now !== 'none');
    case 'feed.pause':
      return feed('paused');
    case 'feed.resume':
      return feed('alive');
    case 'feed.stop':
      return feed('stopped');
    case 'feed.remove':
      return feed('removed');
    default:
      return {
        is: ({ so }) => so.includes(id),
        make: ({ so, writers }) => {
          if (id === 'fallback.delete' && writers[fallback].length > 0)
            throw new Violation('the database that customers write to was deleted');
          so.push(id);
        },
      };
  }
}

export class Violation extends Error {}

export class Night {
  readonly store = new MemoryStore();
  readonly clock = new TestClock();
  /** Steps that acted, in order. */
  readonly acts: string[] = [];
  readonly violations: string[] = [];
  private runs = 0;
  private nonces = 0;
  /** Counts every place at which a process can end: before and after each journal write and each change. */
  points = 0;
  /** Called at each of them. */
  at: ((point: number) => void | Promise<void>) | undefined;
  trouble: ((step: string) => Error | undefined) | undefined;
  /** Whether the error of `trouble` comes after the change. */
  changedBeforeTrouble = false;

  private constructor(
    readonly manifest: Manifest,
    readonly facts: Facts,
  ) {}

  static async begin(manifest: Manifest): Promise<Night> {
    const night = new Night(manifest, {
      ...{ front: 'blue', maintenance: false, workers: { blue: 1, green: 0 }, writers: { [production]: ['blue'], [fallback]: [] } },
      ...{ reads: { blue: production, green: production }, openReads: { blue: production, green: production }, production },
      ...{ feed: 'none', promoted: false, so: [] },
    });
    const state = { production, opened: true };
    await night.journal().append('open', operator, { type: 'window.opened', window, manifest, state });
    return night;
  }

  /** The same night, to go on from here another way. */
  copy(): Night {
    const copy = new Night(this.manifest, structuredClone(this.facts));
    for (const [key, text] of this.store.objects) copy.store.objects.set(key, text);
    copy.clock.time = this.clock.time;
    copy.acts.push(...this.acts);
    copy.violations.push(...this.violations);
    copy.runs = this.runs;
    copy.nonces = this.nonces;
    return copy;
  }

  journal(): Journal {
    return new Journal(this.store, 'w1', this.clock, () => `nonce-${++this.nonces}`);
  }

  async view(): Promise<WindowView> {
    const journal = this.journal();
    await journal.refresh();
    const view = fold(journal.events);
    if (!view) throw new Error('the night has no window');
    return view;
  }

  /** A command to its end: a run of its own, by this person; gates are answered by somebody else. */
  async command(
    verb: Verb,
    by: Operator = operator,
    answer: 'go' | 'no-go' = 'go',
    { undo = false }: { readonly undo?: boolean } = {},
  ): Promise<RunAnswer> {
    const known = await this.view();
    const refused = await stopOf(async () => {
      // after its end, a stage opens the next window.
      if (known.closed !== undefined) return;
      refuseAfterRollback({ verb }, known);
      refuseTooLate({ verb }, known);
    });
    if (refused) return refused;
    if (known.closed !== undefined || isFinished(verb, this.world(known))) return { state: 'finished' };
    this.runs += 1;
    const run = `run-${this.runs}`;
    const point = async () => {
      this.points += 1;
      await this.at?.(this.points);
    };
    this.store.beforeCreate = point;
    this.store.afterCreate = point;
    for (;;) {
      const aws = {} as Aws;
      const reply = await advance({
        ...{ aws, clock: this.clock, journal: this.journal(), verb, run, by, runner: 'test', deadline: Number.POSITIVE_INFINITY },
        ...(undo ? { undo } : {}),
        plan: async (view) => this.plan({ verb, undo }, view, point),
      });
      if (reply.state !== 'gate') return reply;
      const stopped = await stopOf(() =>
        this.journal().note(
          'phone',
          { who: 'bob', where: 'bob@phone' },
          { type: 'gate.answered', step: reply.step, answer, reason: 'landed' },
        ),
      );
      if (stopped) return stopped;
    }
  }

  private world(view: WindowView): World {
    const { front: live, maintenance, production: now } = this.facts;
    return { window, manifest: this.manifest, view, live, maintenance, production: now };
  }

  private plan({ verb, undo }: Pick<PlanRequest, 'verb' | 'undo'>, view: WindowView, point: () => Promise<void>): Step[] {
    return planOf({ verb, undo: undo ?? false }, this.world(view)).map((step): Step => {
      const effect = effectOf(step);
      if (step.gate !== undefined) return step;
      if (!step.act) return { ...step, observe: async () => done() };
      if (step.id === 'window.close' || step.id === 'undo.close')
        return { ...step, observe: async ({ view: now }) => (now.closed === undefined ? todo() : done()), act: close };
      return {
        ...step,
        observe: async () => (effect.is(this.facts) ? done() : todo()),
        act: async ({ aws }: Context) => {
          await point();
          // as lib/aws/clients.ts does before every call that changes something.
          await aws.beforeChange?.();
          const trouble = this.trouble?.(step.id);
          if (trouble && !this.changedBeforeTrouble) throw trouble;
          this.change(`${verb} ${step.id}`, effect);
          await point();
          if (trouble) throw trouble;
        },
      };
    });
  }

  private change(name: string, effect: Effect): void {
    if (effect.is(this.facts)) this.violations.push(`${name} acted where it was so already`);
    try {
      effect.make(this.facts);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.violations.push(`${name}: ${error.message}`);
    }
    this.acts.push(name);
    this.check(name);
  }

  /** What must be so at every moment of every night. */
  private check(after: string): void {
    const { front, maintenance, workers, writers, reads, so } = this.facts;
    const open = (Object.keys(writers) as Instance[]).filter((instance) => writers[instance].length > 0);
    const must = (holds: boolean, what: string) => {
      if (!holds) this.violations.push(`after ${after}: ${what}`);
    };
    must(open.length <= 1, 'two databases are open to writers');
    must(Object.values(writers).flat().length <= 1, 'two colors may write');
    must(workers.blue === 0 || workers.green === 0, 'both colors run a worker that may only run once');
    must(
      !so.includes('standby.delete') || writers[production].join() + writers[fallback].join() !== other(front),
      'the live color was deleted',
    );
    if (maintenance) return;
    must(open.length === 1 && writers[open[0] ?? production].join() === front, 'customers are served by a color that may not write');
    must(reads[front] === open[0], 'customers read from another database than they write to');
  }
}

const close = (context: Context): Promise<void> => context.closeWindow('done');

/** As runVerb answers a Stop. */
async function stopOf(what: () => Promise<unknown>): Promise<RunAnswer | undefined> {
  try {
    await what();
    return undefined;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    const { code, message, next, exit } = error;
    return { state: 'stopped', code, message, next, exit };
  }
}

/**
 * What a command leaves behind when it is killed, for each of its points: what it has changed and what stands in the
 * journal. Its memory is gone, and whoever comes next waits for its lease.
 */
export async function killedAnywhere(
  from: Night,
  command: (night: Night) => Promise<RunAnswer>,
): Promise<{ left: Night[]; after: Night; reply: RunAnswer }> {
  const after = from.copy();
  const left: Night[] = [];
  after.at = () => {
    const night = after.copy();
    night.clock.time += 61_000;
    left.push(night);
  };
  const reply = await command(after);
  after.at = undefined;
  return { left, after, reply };
}
