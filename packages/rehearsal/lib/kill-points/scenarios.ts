/** The ways a window can go, each walked with a kill at every call of the verbs that it is about. */
import { createHash } from 'node:crypto';
import type { Reply } from '../../../../lib/operations/request';
import type { Color, Station } from '../soak/invariants';
import { type Asked, type KillRunOptions, killRun, MovableClock, nameOf, type Point } from './kill-run';
import { type Nap, SuspendedProcesses } from './suspended-process';
import type { TestSystem } from './test-system';

export interface Scenario {
  readonly name: string;
  readonly what: string;
  /** `nothing`: it deploys by itself. */
  readonly from: 'eve' | 'nothing';
  killRun(night: SystemUnderTest): Promise<void>;
}

export interface SystemUnderTestOptions {
  /** Whether to kill at a point of a verb that is walked. */
  readonly chosen: (point: Point) => boolean;
  readonly onKill: (verb: string, killedAt: string) => void;
  readonly onVerb: (line: string) => void;
  /** Told of every changing call of a verb that is walked. */
  readonly onCall: (point: Point) => void;
}

/** What a path is told with. */
export class SystemUnderTest {
  readonly problems: string[] = [];
  /** Points met by the verbs that are walked with kills. */
  readonly met = new Set<string>();
  private readonly visited = new Set<string>();
  private readonly clock = new MovableClock();

  constructor(
    readonly site: TestSystem,
    private readonly options: SystemUnderTestOptions,
  ) {}

  /** To its end, killed at every point; or only up to the one where it is left for good. */
  async killed(asked: Asked, leaveAt?: KillRunOptions['leaveAt']): Promise<void> {
    await this.take(asked, this.options.chosen, leaveAt);
  }

  /** To its end, or left, without any other kill. */
  async undisturbed(asked: Asked, leaveAt?: KillRunOptions['leaveAt']): Promise<void> {
    await this.take(asked, undefined, leaveAt);
  }

  /** The window has come to rest: everything that must hold there is looked up. */
  async rests(station: Station, live: Color | undefined, production: 'production' | 'fallback', keptStandby = false): Promise<void> {
    const instance = production === 'production' ? 'video-database' : 'video-fallback-w1';
    this.problems.push(...(await this.site.problemsAt({ station, live, production: instance, keptStandby })));
  }

  /** To its end by several: at its changing calls a terminal falls asleep, is taken over, and wakes up later. */
  async sleeping(asked: Asked, nap: (point: Point) => Nap): Promise<void> {
    await this.site.nameInstances();
    const from = performance.now();
    this.nap = nap;
    const reply = await this.sleepers.killRun(asked);
    const seconds = ((performance.now() - from) / 1000).toFixed(0);
    this.options.onVerb(`${asked.verb}: ${this.asleepKinds.size} terminals fell asleep so far, ${reply.state}, ${seconds} s`);
    if (reply.state !== 'finished') throw new Error(`${asked.verb} did not end: ${JSON.stringify(reply)}`);
  }

  /** All are awake and have ended; what they did is judged. */
  async awake(): Promise<void> {
    await this.sleepers.wakeAll();
    for (const woken of this.sleepers.woken.splice(0)) {
      const { point, wokeAfter, late, reply } = woken;
      // a step that asks for several things at once has sent them together.
      // what it did in a database before the next run took that is what the next run then finds.
      const more = woken.more.filter((name) => name.split(' ')[0] !== point.call.kind && !name.startsWith('sql '));
      const ended = reply === 'killed' ? reply : reply.state === 'stopped' ? reply.code : reply.state;
      this.options.onVerb(`${nameOf(point)}: woke after ${wokeAfter}: ${late}, then ${ended}`);
      if (more.length > 0) this.problems.push(`${nameOf(point)}: woke after ${wokeAfter} and went on with ${more.join(', ')}`);
      if (reply === 'killed' || reply.state !== 'stopped')
        this.problems.push(`${nameOf(point)}: woke after ${wokeAfter} and ended as ${ended}`);
      // this one ends the session of a change under way, which looks at what has become of it and goes on.
      const stolen = woken.stolen.filter((name) => !name.includes('pg_terminate_backend'));
      if (stolen.length > 0)
        this.problems.push(`${nameOf(point)}: woke after ${wokeAfter} and changed a database of others: ${stolen.join(', ')}`);
    }
  }

  /** Each AWS call has its sleeper, each kind of statement and of event one in each verb. */
  private nap: (point: Point) => Nap = () => ({ steps: 0 });
  private readonly asleepKinds = new Set<string>();
  private readonly sleepers = new SuspendedProcesses(this.clock, {
    system: 'video',
    sleeps: (point) => {
      const kind = /^(sql|journal)\b/.test(point.call.kind)
        ? `${point.verb} ${point.call.kind.startsWith('sql') ? point.call.kind : point.call.name}`
        : nameOf(point);
      if (this.asleepKinds.has(kind)) return undefined;
      this.asleepKinds.add(kind);
      this.options.onCall(point);
      return this.nap(point);
    },
    onStop: (line) => this.options.onVerb(line),
  });

  /** At these points, one after the other, by SIGKILL of a process of its own. Goes on with `undisturbed`. */
  async killedForReal(asked: Asked, points: readonly string[]): Promise<void> {
    for (const [attempt, at] of points.entries()) {
      await this.site.killForReal({ asked, system: 'video', ahead: this.clock.ahead, attempt, at });
      this.options.onKill(`${asked.verb} (SIGKILL)`, at);
      this.clock.move(61_000);
    }
  }

  private async take(asked: Asked, chosen: ((point: Point) => boolean) | undefined, leaveAt?: KillRunOptions['leaveAt']): Promise<void> {
    await this.site.nameInstances();
    const from = performance.now();
    const before = this.visited.size;
    const verb = asked.undo ? 'stage --undo' : asked.verb;
    const reply: Reply | 'left' = await killRun(asked, this.clock, {
      system: 'video',
      visited: this.visited,
      chosen: chosen ?? (() => false),
      ...(leaveAt ? { leaveAt } : {}),
      seen: (point) => {
        this.options.onCall(point);
        if (chosen) this.met.add(nameOf(point));
      },
      onKill: (killedAt) => this.options.onKill(verb, killedAt),
    });
    const seconds = ((performance.now() - from) / 1000).toFixed(0);
    this.options.onVerb(`${verb}: ${this.visited.size - before} kills, ${reply === 'left' ? 'left there' : reply.state}, ${seconds} s`);
    if (reply === 'left') {
      this.clock.move(61_000);
      return;
    }
    if (leaveAt) throw new Error(`${verb} did not come to where it was to be left: ${JSON.stringify(reply)}`);
    if (reply.state !== 'finished') throw new Error(`${verb} did not end: ${JSON.stringify(reply)}`);
  }
}

/** A number from 0 to below 1 that belongs to a name. */
export const lot = (name: string, seed = 1): number => createHash('sha256').update(`${seed}\n${name}`).digest().readUIntBE(0, 6) / 2 ** 48;

const at =
  (step: string, call: RegExp, when: Point['when']) =>
  (point: Point): boolean =>
    point.step === step && call.test(point.call.name) && point.when === when;

/** A cutover that is left for good at a point, and taken back. */
const halfway = (
  name: string,
  what: string,
  leaveAt: (point: Point) => boolean,
  production: 'production' | 'fallback',
  torndown = false,
): Scenario => ({
  name,
  what,
  from: 'eve',
  async killRun(night) {
    await night.undisturbed({ verb: 'stage' });
    await night.undisturbed({ verb: 'cutover' }, leaveAt);
    await night.killed({ verb: 'rollback' });
    await night.rests('rolled back', 'blue', production);
    if (!torndown) return;
    await night.killed({ verb: 'teardown', now: true });
    await night.rests('closed', 'blue', production);
  },
});

export const scenarios: readonly Scenario[] = [
  {
    name: 'stage',
    what: 'a stage with its trial, and its undoing',
    from: 'eve',
    async killRun(night) {
      await night.killed({ verb: 'stage' });
      await night.rests('staged', 'blue', 'production');
      await night.killed({ verb: 'stage', undo: true });
      await night.rests('closed', 'blue', 'production', true);
    },
  },
  {
    name: 'through',
    what: 'a cutover, and the teardown after it',
    from: 'eve',
    async killRun(night) {
      await night.undisturbed({ verb: 'stage' });
      await night.killed({ verb: 'cutover' });
      await night.rests('cut over', 'green', 'production');
      await night.killed({ verb: 'teardown', now: true });
      await night.rests('closed', 'green', 'production');
    },
  },
  {
    name: 'back',
    what: 'a rollback after customers have written in the new schema, and the teardown after it',
    from: 'eve',
    async killRun(night) {
      await night.undisturbed({ verb: 'stage' });
      await night.undisturbed({ verb: 'cutover' });
      await night.site.writes(20);
      await night.killed({ verb: 'rollback' });
      await night.rests('rolled back', 'blue', 'fallback');
      await night.killed({ verb: 'teardown', now: true });
      await night.rests('closed', 'blue', 'fallback');
    },
  },
  {
    name: 'late',
    what: 'terminals that fall asleep with a call on its way and wake up a step or more later',
    from: 'eve',
    async killRun(night) {
      const nap = (point: Point): Nap => ({ steps: Math.floor(lot(nameOf(point)) * 3) });
      await night.sleeping({ verb: 'stage' }, nap);
      await night.sleeping({ verb: 'cutover' }, nap);
      await night.awake();
      await night.rests('cut over', 'green', 'production');
      await night.site.writes(20);
      await night.sleeping({ verb: 'rollback' }, nap);
      await night.awake();
      await night.rests('rolled back', 'blue', 'fallback');
    },
  },
  {
    name: 'late-in-rollback',
    what: 'terminals that fall asleep in a cutover with a call on its way and wake up while it is taken back',
    from: 'eve',
    async killRun(night) {
      await night.undisturbed({ verb: 'stage' });
      await night.sleeping({ verb: 'cutover' }, (point) => ({ steps: Math.floor(lot(nameOf(point)) * 18), of: 'rollback' }));
      await night.sleeping({ verb: 'rollback' }, () => ({ steps: 0 }));
      await night.awake();
      await night.rests('rolled back', 'blue', 'fallback');
    },
  },
  {
    name: 'sigkill',
    what: 'some of the same points, killed by SIGKILL in a process of its own',
    from: 'eve',
    async killRun(night) {
      await night.undisturbed({ verb: 'stage' });
      await night.killedForReal({ verb: 'cutover' }, [
        'cutover | traffic.maintenance | SetRulePriorities | after',
        'cutover | database.fence | sql production REVOKE "video_rights" FROM "video_write" GRANTED BY "switchback" CASCADE | after',
        'cutover | migrations | RunTask video-w-expand-1 | after',
        'cutover | feed.resume | sql fallback DROP SUBSCRIPTION "switchback_w" | after',
        'cutover | database.open | journal step.done | before',
      ]);
      await night.undisturbed({ verb: 'cutover' });
      await night.rests('cut over', 'green', 'production');
    },
  },
  halfway(
    'back-before-migrations',
    'a rollback of a cutover that ended with the feed paused, before the migrations',
    at('feed.pause', /step\.done/, 'after'),
    'production',
    true,
  ),
  halfway(
    'back-from-maintenance',
    'a rollback of a cutover that ended as it stopped the workers',
    at('workers.stop', /UpdateService/, 'after'),
    'production',
  ),
  halfway(
    'back-during-migrations',
    'a rollback of a cutover that ended with its migrations just started',
    at('migrations', /RunTask/, 'after'),
    'fallback',
  ),
  halfway(
    'back-before-opening',
    'a rollback of a cutover that ended before it opened the database',
    at('feed.canary', /step\.done/, 'after'),
    'fallback',
  ),
  halfway(
    'back-from-opening',
    'a rollback of a cutover that ended as it opened the database',
    at('database.open', /GRANT/, 'after'),
    'fallback',
  ),
  {
    name: 'first-opening',
    what: 'the first opening of a system: one that is taken back, and the next',
    from: 'nothing',
    async killRun(night) {
      const none = { green: 'none', window: 'none' };
      await night.site.cdk(['bootstrap', '--no-notices'], none);
      await night.site.cdk(['deploy', 'shared', 'blue'], none);
      await night.killed({ verb: 'cutover' }, at('traffic.open', /SetRulePriorities/, 'after'));
      await night.killed({ verb: 'rollback' });
      await night.rests('closed', undefined, 'production', true);
      await night.killed({ verb: 'cutover' });
      await night.site.openDoors();
      await night.site.writes(20);
    },
  },
];
