import type { Aws } from '../../lib/aws';
import { type Clock, SharedClock } from '../../lib/base/clock';
import type { JournalStore } from '../../lib/base/journal-store';
import { Journal } from '../../lib/engine/journal';
import { advance } from '../../lib/engine/run';
import type { RunOptions } from '../../lib/engine/run-options';
import { done, pending, type Step } from '../../lib/engine/step';
import { fold } from '../../lib/engine/window-view';
import { flag, operator, Rig, TestClock } from '../_helpers/runbook';

const hour = 3_600_000;

/** A machine whose clock is wrong by `skew`, and a window that it shares with others through a store that knows the time. */
class Machine {
  skew: number;
  readonly own: Clock;
  readonly clock: SharedClock;
  private nonces = 0;

  constructor(
    private readonly rig: Rig,
    private readonly world: TestClock,
    private readonly name: string,
    skew = 0,
  ) {
    this.skew = skew;
    this.own = {
      now: () => world.now() + this.skew,
      elapsed: () => world.elapsed(),
      doubtful: () => false,
      pause: (ms) => world.pause(ms),
      every: (ms, action) => world.every(ms, action),
    };
    this.clock = new SharedClock(this.own);
  }

  /** Every answer of S3 has the time in it, in whole seconds. */
  store(): JournalStore {
    const heard = <T>(answer: T): T => {
      this.clock.heard(Math.floor(this.world.now() / 1000) * 1000, 20);
      return answer;
    };
    return {
      create: async (...args) => heard(await this.rig.store.create(...args)),
      keep: async (...args) => heard(await this.rig.store.keep(...args)),
      read: async (...args) => heard(await this.rig.store.read(...args)),
      windows: async () => heard(await this.rig.store.windows()),
    };
  }

  advance(plan: readonly Step[], options: Partial<RunOptions> = {}) {
    return advance({
      aws: {} as Aws,
      clock: this.clock,
      journal: new Journal(this.store(), 'w1', options.clock ?? this.clock, () => `${this.name}-${++this.nonces}`),
      verb: 'cutover',
      run: `run-${this.name}`,
      by: { ...operator, who: this.name },
      runner: 'test',
      deadline: Number.POSITIVE_INFINITY,
      plan: async () => [...plan],
      ...options,
    });
  }
}

async function night() {
  const rig = new Rig();
  await rig.open();
  return { rig, world: rig.clock, machine: (name: string, skew = 0) => new Machine(rig, rig.clock, name, skew) };
}

/** Done after `seconds` of the world; `meanwhile` is called at the first look. */
const waitsFor = (world: TestClock, seconds: number, meanwhile: () => void, options: Partial<Step> = {}): Step => {
  let from: number | undefined;
  return {
    ...flag(new Set(), 'slow', { patienceSeconds: seconds * 2 }),
    async observe() {
      if (from === undefined) {
        from = world.elapsed();
        meanwhile();
      }
      return world.elapsed() - from >= seconds * 1000 ? done() : pending('on its way');
    },
    ...options,
  };
};
const timesOf = async (rig: Rig) => ((await rig.events()) as unknown as { at: string }[]).map(({ at }) => Date.parse(at));

test("AWS's answers put a wrong clock right; an answer that was long on its way moves it no further than it must", () => {
  const world = new TestClock(1_000_000_000_000);
  const clock = new SharedClock(world);
  clock.heard(world.now() - 300, 200);
  // answers tell whole seconds: within one of them a clock is right.
  expect(clock.now()).toBe(world.now());
  clock.heard(world.now() + hour, 200);
  expect(clock.now()).toBe(world.now() + hour);
  // made somewhere within those 40 seconds.
  clock.heard(world.now() + hour - 30_000, 40_000);
  expect(clock.now()).toBe(world.now() + hour);
  clock.heard(world.now(), 0);
  expect(clock.now()).toBe(world.now() + 1000);
});

test('a clock that was set is doubtful until the next answer; one that ticks is not', async () => {
  const world = new TestClock();
  const clock = new SharedClock(world);
  clock.heard(world.now(), 0);
  await clock.pause(hour);
  expect(clock.doubtful()).toBe(false);
  for (const jump of [hour, -hour]) {
    world.jump(jump);
    expect(clock.doubtful()).toBe(true);
    clock.heard(world.now(), 0);
    expect(clock.doubtful()).toBe(false);
  }
});

test.each([
  ['an hour fast', hour],
  ['five minutes slow', -300_000],
])('an operator whose clock is %s is told who has the window, as everybody is', async (_, skew) => {
  const { rig, machine } = await night();
  const bob = machine('bob', skew);
  let theirs: unknown;
  const step = flag(new Set(), 'a', {
    async act() {
      theirs ??= await bob.advance([flag(new Set(), 'a')]);
    },
    patienceSeconds: 1,
  });
  await machine('ada').advance([step]);
  expect(theirs).toMatchObject({ state: 'stopped', code: 'window.held', message: expect.stringContaining('ada') });
  expect((await rig.events()).filter(({ type }) => type === 'run.started')).toHaveLength(1);
});

test('without that, a fast clock would take the window from a living writer', async () => {
  const { rig, machine } = await night();
  const bob = machine('bob', hour);
  await machine('ada').advance([flag(new Set(), 'a', { gate: undefined as never, act: async () => undefined, patienceSeconds: 0 })]);
  // ada was killed at her last event, a moment ago: her lease runs.
  const events = await rig.events();
  rig.store.objects.delete(`w1/${events.length}`);
  expect(await bob.advance([flag(new Set(), 'a')], { clock: bob.own })).toMatchObject({ state: 'finished' });
});

test.each([
  ['forward', hour],
  ['back', -hour],
])(
  'a clock that jumps %s while a step is waited for: no patience is lost or won, the lease is kept, the journal stays in order',
  async (_, jump) => {
    const { rig, world, machine } = await night();
    const ada = machine('ada');
    const from = world.now();
    const step = waitsFor(world, 100, () => {
      ada.skew += jump;
    });
    expect(await ada.advance([step])).toEqual({ state: 'finished' });
    const times = await timesOf(rig);
    for (const [n, at] of times.entries()) {
      expect(at).toBeGreaterThanOrEqual((times[n - 1] ?? from) - 1000);
      expect(at - from).toBeLessThan(103_000);
      // nobody else could take the window in between.
      expect(at - (times[n - 1] ?? from)).toBeLessThan(30_000);
    }
    const events = (await rig.events()) as unknown as { type: string; seconds: number }[];
    const seconds = events.filter(({ type }) => type === 'step.done' || type === 'run.finished').map((event) => event.seconds);
    for (const took of seconds) expect(Math.abs(took - 100)).toBeLessThan(3);
  },
);

test('a clock that jumps back does not make a hopeless wait longer', async () => {
  const { world, machine } = await night();
  const ada = machine('ada');
  const from = world.elapsed();
  const step = waitsFor(
    world,
    1000,
    () => {
      ada.skew -= hour;
    },
    { patienceSeconds: 30 },
  );
  expect(await ada.advance([step])).toMatchObject({ state: 'stopped', code: 'step.too-slow', message: expect.stringContaining('30 s') });
  expect(world.elapsed() - from).toBeLessThan(40_000);
});

test.each([
  ['slept for', 'sleep', 2 * 60_000],
  ['was set back by', 'set', -5 * 60_000],
  // of which 110 s ago it wrote: ten, says its clock.
  ['was set back by not quite two', 'set', -110_000],
])('a writer whose machine %s minutes while somebody took over changes nothing any more', async (_, how, ms) => {
  const { world, machine } = await night();
  const [ada, bob] = [machine('ada'), machine('bob')];
  const acted: string[] = [];
  const step = flag(new Set(), 'a', {
    patienceSeconds: 600,
    async act(context) {
      // two minutes pass in the world either way, in which the process stands still; in the sleeping machine no time has passed but on its wall.
      if (how === 'sleep') world.jump(ms);
      else {
        world.time += 120_000;
        ada.skew += ms;
      }
      expect(await bob.advance([flag(new Set(), 'b')], { takeOver: true })).toEqual({ state: 'finished' });
      await context.database('video-db').catch((error: unknown) => {
        acted.push('refused');
        throw error;
      });
      acted.push('changed');
    },
  });
  expect(await ada.advance([step])).toMatchObject({ state: 'stopped', code: 'window.taken-over' });
  expect(acted).toEqual(['refused']);
});

test('a runner whose clock is an hour fast has the time that Lambda gives it', async () => {
  const { world, machine } = await night();
  const runner = machine('runner', hour);
  // Lambda's moment, taken back with the clock it was worked out with.
  const lambda = world.now() + 900_000;
  const remaining = lambda - runner.own.now();
  const step = waitsFor(world, 600, () => undefined);
  expect(await runner.advance([step], { deadline: runner.own.now() + remaining })).toEqual({ state: 'finished' });
});

test('the decision time is not asked for because a clock was set', async () => {
  const { rig, world, machine } = await night();
  const ada = machine('ada');
  const upBy = new Date(world.now() + hour / 2).toISOString();
  await rig.journal().note('ada', operator, { type: 'up-by.set', upBy, atDecision: 'rollback' });
  const externalState = { emergencySince: async () => undefined, rollback: async () => [{ id: 'x', title: 'x', estimateSeconds: 60 }] };
  const step = waitsFor(world, 60, () => {
    ada.skew += hour;
  });
  expect(await ada.advance([step], { externalState })).toEqual({ state: 'finished' });
  expect(fold((await rig.events()) as never)?.asked).toBeUndefined();
});
