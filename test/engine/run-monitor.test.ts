import type { Aws } from '../../lib/aws';
import { say, switchback } from '../../lib/base/advice';
import { pending, type Step, todo } from '../../lib/engine/step';
import { ConnectionLost } from '../../lib/postgres/connection/connect';
import { flag, operator, Rig } from '../_helpers/runbook';

const bob = { who: 'bob', where: 'bob@phone' };
const rig = async () => {
  const made = new Rig();
  await made.open();
  return made;
};
const askToStop = (made: Rig, of = 'run-1') => made.journal().note('terminal', bob, { type: 'stop.asked', of, why: 'Ctrl-C' });

describe('a run that is asked to stop', () => {
  test('finishes the step it is in and begins no other; the verb goes on from there', async () => {
    const made = await rig();
    const world = new Set<string>();
    const first = flag(world, 'a', {
      act: async () => {
        world.add('a');
        await askToStop(made);
      },
    });
    expect(await made.advance([first, flag(world, 'b')])).toMatchObject({
      state: 'stopped',
      code: 'run.stop-asked',
      message: 'bob on bob@phone asked it to stop (Ctrl-C); it stopped before "make b so"',
      exit: 130,
      next: [switchback('cutover'), switchback('rollback'), switchback('status')],
    });
    expect([...world]).toEqual(['a']);
    expect((await made.events()).at(-1)).toMatchObject({ type: 'run.stopped', code: 'run.stop-asked' });
    // the wish was about that run; whoever types the verb again means it.
    expect(await made.advance([first, flag(world, 'b')], { run: 'run-2' })).toEqual({ state: 'finished' });
  });

  test('leaves a long wait after half a minute: what was asked of AWS goes on by itself', async () => {
    const made = await rig();
    const began = made.clock.time;
    let asked = false;
    const slow: Step = flag(new Set(), 'promote', {
      patienceSeconds: 3600,
      observe: async () => {
        if (!asked) await askToStop(made);
        asked = true;
        return pending('promoting');
      },
    });
    expect(await made.advance([slow])).toMatchObject({
      code: 'run.stop-asked',
      message: expect.stringContaining('while "make promote so" was waited for'),
    });
    expect(made.clock.time - began).toBeGreaterThanOrEqual(30_000);
    expect(made.clock.time - began).toBeLessThan(35_000);
  });

  test('is not another run', async () => {
    const made = await rig();
    await askToStop(made, 'run-0');
    expect(await made.advance([flag(new Set(), 'a')])).toEqual({ state: 'finished' });
  });
});

describe('traffic that was moved behind the back of a run', () => {
  const night = (world: Set<string>) => [
    flag(world, 'traffic.maintenance', { holdsUntil: 'traffic.open' }),
    flag(world, 'migrations'),
    flag(world, 'traffic.open'),
  ];

  test('stops it before the next step', async () => {
    const made = await rig();
    const world = new Set<string>();
    const steps = night(world);
    const migrate = flag(world, 'migrations', {
      act: async () => {
        world.add('migrations');
        world.delete('traffic.maintenance');
      },
    });
    expect(await made.advance([steps[0] as Step, migrate, steps[2] as Step])).toMatchObject({
      state: 'stopped',
      code: 'step.no-longer-holds',
    });
    expect(world.has('traffic.open')).toBe(false);
  });

  test('stops it within seconds while a step is waited for', async () => {
    const made = await rig();
    const world = new Set<string>();
    const began = made.clock.time;
    const slow = flag(world, 'migrations', {
      patienceSeconds: 3600,
      observe: async () => {
        world.delete('traffic.maintenance');
        return pending();
      },
    });
    expect(await made.advance([night(world)[0] as Step, slow])).toMatchObject({ code: 'step.no-longer-holds' });
    expect(made.clock.time - began).toBeLessThan(7000);
  });

  test('is moved again where the operator, told so, types the verb again: a rollback has no other way out', async () => {
    const made = await rig();
    const world = new Set<string>();
    const steps = night(world).map((step) => (step.id === 'traffic.maintenance' ? { ...step, again: true } : step));
    const migrate = flag(world, 'migrations', {
      act: async () => {
        world.add('migrations');
        world.delete('traffic.maintenance');
      },
    });
    const plan = [steps[0] as Step, migrate, steps[2] as Step];
    expect(await made.advance(plan, { verb: 'rollback' })).toMatchObject({
      code: 'step.no-longer-holds',
      next: [switchback('status'), say`${switchback('rollback')} makes it so again`],
    });
    expect(await made.advance(plan, { verb: 'rollback', run: 'run-2' })).toEqual({ state: 'finished' });
    expect([...world]).toEqual(['migrations', 'traffic.maintenance', 'traffic.open']);
  });

  test('is not moved again by a run whose operator has not been told', async () => {
    const made = await rig();
    const world = new Set<string>();
    const stuck = flag(world, 'migrations', { act: async () => undefined, patienceSeconds: 1 });
    const first = { ...(night(world)[0] as Step), again: true };
    expect(await made.advance([first, stuck])).toMatchObject({ code: 'step.too-slow' });
    world.delete('traffic.maintenance');
    expect(await made.advance([first, stuck], { run: 'run-2' })).toMatchObject({ code: 'step.no-longer-holds' });
    expect(world.has('traffic.maintenance')).toBe(false);
  });

  test('is noticed before a run says that it is done', async () => {
    const made = await rig();
    const world = new Set<string>();
    const plan = [
      flag(world, 'workers.stop', { holdsUntil: 'end', again: true }),
      flag(world, 'last', {
        act: async () => {
          world.add('last');
          world.delete('workers.stop');
        },
      }),
    ];
    expect(await made.advance(plan)).toMatchObject({ code: 'step.no-longer-holds' });
    expect((await made.events()).at(-1)).toMatchObject({ type: 'run.stopped', step: 'workers.stop' });
    expect(await made.advance(plan, { run: 'run-2' })).toEqual({ state: 'finished' });
    expect(world.has('workers.stop')).toBe(true);
  });

  test('stops it when the order of the rules says nothing but the emergency left a note', async () => {
    const made = await rig();
    let used = false;
    const world = new Set<string>();
    const first = flag(world, 'a', {
      act: async () => {
        world.add('a');
        used = true;
      },
    });
    const externalState = {
      emergencySince: async () => (used ? 'bob@phone moved traffic back with --traffic-only at 03:00' : undefined),
      rollback: async () => [],
    };
    expect(await made.advance([first, flag(world, 'b')], { externalState })).toMatchObject({
      state: 'stopped',
      code: 'traffic.emergency',
      next: [switchback('status'), switchback('rollback')],
    });
    expect(world.has('b')).toBe(false);
  });

  test('a look that fails is made again at the next and stops nothing', async () => {
    const made = await rig();
    const externalState = {
      emergencySince: async () => {
        throw new Error('ssm is throttled');
      },
      rollback: async () => [],
    };
    expect(await made.advance([flag(new Set(), 'a')], { externalState })).toEqual({ state: 'finished' });
  });
});

describe('a window that was taken over', () => {
  test('names whose run it was', async () => {
    const made = await rig();
    await made
      .advance([flag(new Set(), 'a', { observe: async () => todo(), act: async () => made.store.objects.clear() })])
      .catch(() => undefined);
    const dead = await rig();
    dead.store.beforeCreate = (_window, number) => {
      if (number > 3) throw new Error('killed');
    };
    await dead.advance([flag(new Set(), 'a')]).catch(() => undefined);
    dead.store.beforeCreate = undefined;
    expect(await dead.advance([flag(new Set(), 'a')], { run: 'run-2', by: bob, takeOver: true })).toMatchObject({
      code: 'window.held',
      exit: 5,
    });
    dead.clock.time += 61_000;
    expect(await dead.advance([flag(new Set(), 'a')], { run: 'run-2', by: bob, takeOver: true })).toEqual({ state: 'finished' });
    expect((await dead.events()).filter(({ type }) => type === 'run.started').at(-1)).toMatchObject({
      takeOver: { ...operator, run: 'run-1' },
    });
  });

  test('leaves its former writer nothing but the one call it had sent', async () => {
    const made = await rig();
    const aws = {} as Aws;
    const sent: string[] = [];
    /** As the SDK clients do: asked before each call that changes something. */
    const call = async (name: string, while_: () => Promise<void> = async () => undefined) => {
      await aws.beforeChange?.();
      await while_();
      sent.push(name);
    };
    const world = new Set<string>();
    const sleeper = flag(world, 'a', {
      act: async () => {
        await call('first');
        // asleep inside a call for two minutes; bob finishes the window.
        await call('second', async () => {
          made.clock.time += 120_000;
          expect(
            await made.advance([flag(world, 'a'), flag(world, 'b')], { run: 'run-2', by: bob, takeOver: true, aws: {} as Aws }),
          ).toEqual({ state: 'finished' });
        });
        await call('third');
      },
    });
    expect(await made.advance([sleeper, flag(world, 'b')], { aws })).toMatchObject({
      state: 'stopped',
      code: 'window.taken-over',
      exit: 5,
    });
    expect(sent).toEqual(['first', 'second']);
    expect((await made.events()).at(-1)).toMatchObject({ type: 'run.finished', run: 'run-2' });
  });

  test('does not stop a writer that only took long: it says that it is there and goes on', async () => {
    const made = await rig();
    const aws = {} as Aws;
    const world = new Set<string>();
    const slow = flag(world, 'a', {
      act: async () => {
        for (let i = 0; i < 5; i += 1) {
          await aws.beforeChange?.();
          made.clock.time += 50_000;
        }
        world.add('a');
      },
    });
    expect(await made.advance([slow], { aws })).toEqual({ state: 'finished' });
    expect((await made.events()).filter(({ type }) => type === 'run.alive').length).toBeGreaterThanOrEqual(4);
  });
});

describe('a database that restarts after its last use', () => {
  /** A step that was confirmed, and is looked at again at the beginning and at the end of a run; its database is away for some seconds. */
  const away = (made: Rig, seconds: number) => {
    const from = made.clock.time;
    return flag(new Set(['a']), 'a', {
      holdsUntil: 'end',
      observe: async () => {
        if (made.clock.time > from && made.clock.time < from + seconds * 1000) throw new ConnectionLost('lost the connection', '57P01');
        return { is: 'done' };
      },
    });
  };
  const slow = (made: Rig) =>
    flag(new Set(), 'b', {
      observe: async () => {
        await made.clock.pause(1000);
        return { is: 'done' };
      },
    });

  test('is looked at until it answers, and is no fault of Switchback', async () => {
    const made = await rig();
    expect(await made.advance([away(made, 90), slow(made)])).toEqual({ state: 'finished' });
    expect(made.clock.time - Date.parse('2026-11-21T02:00:00Z')).toBeGreaterThan(80_000);
  });

  test('that does not come back is named, with what to type', async () => {
    const made = await rig();
    const reply = await made.advance([away(made, 9999), slow(made)], { verb: 'rollback', acceptLoss: true });
    expect(reply).toMatchObject({
      ...{ state: 'stopped', code: 'step.unseen', exit: 1 },
      message: 'what had been confirmed could not be looked at for 150 s: lost the connection',
      next: [switchback('rollback', '--accept-loss'), switchback('status')],
    });
  });

  test('a fault of Switchback is one all the same', async () => {
    const made = await rig();
    let looks = 0;
    const wrong = flag(new Set(), 'a', {
      holdsUntil: 'end',
      observe: async () => {
        looks += 1;
        if (looks > 1) throw new TypeError('undefined is not a function');
        return { is: 'done' };
      },
    });
    expect(await made.advance([wrong])).toMatchObject({ code: 'switchback.bug' });
  });
});
