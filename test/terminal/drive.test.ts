import type { Aws } from '../../lib/aws';
import { switchback } from '../../lib/base/advice';
import { exit, Stop } from '../../lib/base/errors';
import type { JournalEvent } from '../../lib/engine/events';
import { answerGate } from '../../lib/engine/gate';
import { advance } from '../../lib/engine/run';
import type { RunOptions } from '../../lib/engine/run-options';
import type { Step } from '../../lib/engine/step';
import { fold } from '../../lib/engine/window-view';
import { type Reply, stopped, type VerbRequest } from '../../lib/operations/request';
import type { Output } from '../../lib/report';
import { spell } from '../../lib/report/advice';
import { type DriveOptions, drive } from '../../lib/terminal/drive';
import { extend } from '../../lib/terminal/find-window';
import { watchStatus } from '../../lib/terminal/show';
import { watch } from '../../lib/terminal/watch';
import { flag, manifest, operator, Rig, TestClock } from '../_helpers/runbook';

const bob = { who: 'bob', where: 'bob@phone' };
const gate: Step = {
  id: 'gate.go',
  title: 'go?',
  estimateSeconds: 1,
  patienceSeconds: 1,
  gate: 'Go?',
  observe: async () => ({ is: 'pending' }),
};

/** Lets everything else of the process have its turn, too. */
class SharedClock extends TestClock {
  override async pause(ms: number): Promise<void> {
    await super.pause(ms);
    await new Promise((turn) => setImmediate(turn));
  }
}

/** A window, a runner function that executes `plan`, and terminals that ask it. */
class Theatre {
  readonly rig = new Rig();
  readonly clock = new SharedClock();
  readonly world = new Set<string>();
  readonly notes: string[] = [];
  readonly shown: JournalEvent[] = [];
  externalState: RunOptions['externalState'];
  plan: Step[] = [];

  private readonly aws = {
    settings: { manifest: async () => ({ manifest, state: { production: 'video-db', opened: true } }) },
    journal: () => this.rig.store,
    functions: { invokeRunner: (_shared: object, request: VerbRequest) => this.wire(() => this.invoke(request)) },
  } as unknown as Aws;

  /** What becomes of a call to the runner, and of its answer. */
  wire = (call: () => Promise<Reply>): Promise<Reply> => call();

  async invoke(request: VerbRequest): Promise<Reply> {
    const journal = this.rig.journal();
    await journal.refresh();
    if (request.answer)
      try {
        await answerGate(journal, request, request.answer);
      } catch (error) {
        if (error instanceof Stop) return stopped(error, 'w1');
        throw error;
      }
    const { verb, run, by, reason, takeOver, unanswered, ahead } = request;
    const answer = await advance({
      aws: {} as Aws,
      ...{ clock: this.clock, journal, verb, run, by, runner: 'video-runner', deadline: Number.POSITIVE_INFINITY },
      ...(takeOver ? { takeOver } : {}),
      ...(reason === undefined ? {} : { reason }),
      ...(unanswered ? { unanswered } : {}),
      ...(ahead ? { ahead } : {}),
      ...(this.externalState ? { externalState: this.externalState } : {}),
      plan: async () => this.plan,
    });
    return { ...answer, window: 'w1' };
  }

  terminal(run: string, request: Partial<VerbRequest> = {}, options: Partial<DriveOptions> = {}): Promise<Reply> {
    return drive(
      { system: 'video', verb: 'cutover', run, by: operator, ...request },
      {
        aws: this.aws,
        clock: this.clock,
        screen: () => ({ events: (_view, added) => void this.shown.push(...added), tick() {}, close() {} }),
        here: false,
        ask: async () => undefined,
        note: (text) => void this.notes.push(text),
        signal: new AbortController().signal,
        ...options,
      },
    );
  }
}

let theatre: Theatre;
beforeEach(async () => {
  theatre = new Theatre();
  await theatre.rig.open();
});

const busy = () => new Stop('runner.busy', 'the runner is at work for somebody else', { next: [switchback('status')], exit: 5 });
const lost = () => new Stop('runner.unanswered', 'lambda Invoke runner: the answer was lost (socket hang up)', { exit: exit.unknown });

describe('a runner that dies', () => {
  const failed = () =>
    new Stop('runner.failed', 'the runner runner stopped: out of memory', { state: 'What it had done is in the journal.' });

  test('is asked again by the terminal that was told so: its run is its own, and no lease is waited for', async () => {
    theatre.plan = [flag(theatre.world, 'a'), flag(theatre.world, 'b')];
    let calls = 0;
    theatre.wire = async (call) => {
      calls += 1;
      await call();
      if (calls === 1) throw failed();
      return call();
    };
    const from = theatre.clock.time;
    expect(await theatre.terminal('run-1')).toMatchObject({ state: 'finished' });
    expect(theatre.notes).toEqual(['the runner runner stopped: out of memory; it is asked again, and goes on from there']);
    expect(theatre.clock.time - from).toBeLessThan(30_000);
  });

  test('and dies again before another step is done is told with the end of its lease, and what was asked', async () => {
    theatre.plan = [flag(theatre.world, 'a', { act: () => Promise.reject(new Error('not reached')) })];
    theatre.wire = async () => {
      const journal = theatre.rig.journal();
      await journal.refresh();
      await journal.append('run-1', operator, { type: 'run.started', verb: 'rollback', plan: [], runner: 'r' });
      throw failed();
    };
    const ended = theatre.terminal('run-1', { verb: 'rollback', acceptLoss: true });
    const error = (await ended.catch((thrown: unknown) => thrown)) as Stop;
    expect(error).toMatchObject({ code: 'runner.failed' });
    expect(spell(error.next[0]!)).toMatch(/^after 2026-11-21T02:0\d:.*, when its lease ends: npx switchback rollback --accept-loss$/);
  });
});

test('a take-over that would be refused after the lease is refused before it', async () => {
  const journal = theatre.rig.journal();
  await journal.refresh();
  await journal.append('run-0', bob, { type: 'run.started', verb: 'cutover', plan: [], runner: 'r' });
  await journal.append('run-0', bob, { type: 'step.started', step: 'hold.schedule' });
  const facts = { holdEndsAt: '2026-11-22T02:00:00.000Z' };
  await journal.append('run-0', bob, { type: 'step.done', step: 'hold.schedule', seconds: 1, acted: true, facts });
  const from = theatre.clock.time;
  await expect(theatre.terminal('run-1', { verb: 'teardown', takeOver: true, keepStandby: true })).rejects.toMatchObject({
    code: 'teardown.hold',
    next: [expect.anything(), switchback('teardown', '--now', '--keep-standby', '--take-over')],
  });
  expect(theatre.clock.time - from).toBeLessThan(1000);
  expect(theatre.notes).toEqual([]);
});

describe('a terminal whose call of the runner gets no answer', () => {
  let calls = 0;
  /** The first answer is lost, and comes to nobody. */
  const loseFirst = async (call: () => Promise<Reply>) => {
    calls += 1;
    const answer = call();
    if (calls > 1) return answer;
    answer.catch(() => undefined);
    throw lost();
  };
  beforeEach(() => {
    calls = 0;
    theatre.wire = loseFirst;
  });

  test('follows the journal to the end of the run, and asks for nothing again', async () => {
    theatre.plan = [flag(theatre.world, 'a'), flag(theatre.world, 'b')];
    expect(await theatre.terminal('run-1')).toMatchObject({ state: 'finished', window: 'w1' });
    expect([...theatre.world]).toEqual(['a', 'b']);
    expect(calls).toBe(1);
    expect(theatre.notes).toEqual([expect.stringContaining('lambda Invoke runner: the answer was lost')]);
  });

  test('ends as the run did: what it stopped at is not tried again', async () => {
    theatre.plan = [
      flag(theatre.world, 'a', { observe: async () => ({ is: 'failed', code: 'migrations.failed', message: 'exit code 1' }) }),
    ];
    const act = jest.fn();
    theatre.plan = theatre.plan.map((step) => ({ ...step, act }));
    expect(await theatre.terminal('run-1')).toMatchObject({ state: 'stopped', code: 'migrations.failed' });
    expect(act).toHaveBeenCalledTimes(1);
  });

  test('goes on at a gate', async () => {
    theatre.plan = [gate, flag(theatre.world, 'switch')];
    const ask = async () => ({ answer: 'go' as const, reason: 'all landed' });
    expect(await theatre.terminal('run-1', {}, { ask })).toMatchObject({ state: 'finished' });
    expect([...theatre.world]).toEqual(['switch']);
  });

  test('says with exit code 7 that it may be at work, when the journal does not show that it has begun', async () => {
    theatre.plan = [flag(theatre.world, 'a')];
    theatre.wire = async () => {
      throw lost();
    };
    await expect(theatre.terminal('run-1')).rejects.toMatchObject({ code: 'runner.unanswered', exit: 7 });
  });
});

/** A person who never answers; resolves when the question is taken away. */
const nobody: DriveOptions['ask'] = (_gate, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)));

test('a gate that is answered in another terminal ends the question in the first, which then follows the other', async () => {
  theatre.plan = [gate, flag(theatre.world, 'switch')];
  let asked: (() => void) | undefined;
  const waiting = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const first = theatre.terminal(
    'run-1',
    {},
    {
      ask: (its, signal) => {
        asked?.();
        return nobody(its, signal);
      },
    },
  );
  await waiting;
  const second = theatre.terminal('run-2', { by: bob, answer: { answer: 'go', reason: 'all landed' } });
  expect(await second).toMatchObject({ state: 'finished' });
  expect(await first).toMatchObject({ state: 'finished', window: 'w1' });
  expect(theatre.notes).toContain('go by bob on bob@phone: all landed');
  expect([...theatre.world]).toEqual(['switch']);
  const started = (await theatre.rig.events()).filter(({ type }) => type === 'run.started') as unknown as { run: string }[];
  expect(started.map(({ run }) => run)).toEqual(['run-1', 'run-2']);
});

test('what a person says of a landing test at the gate is noted for everybody who looks', async () => {
  theatre.plan = [gate, flag(theatre.world, 'switch')];
  const first = theatre.terminal(
    'run-1',
    {},
    {
      ask: async (its) => {
        const [test] = its.tests;
        await its.tell({ test: test!, passed: false, what: 'the invoices are wrong' });
        return { answer: 'no-go', reason: 'as noted' };
      },
    },
  );
  expect(await first).toMatchObject({ code: 'gate.no-go' });
  const journal = theatre.rig.journal();
  await journal.refresh();
  expect([...fold(journal.events)!.landing]).toEqual([
    ['landing test by the business', { passed: false, what: 'the invoices are wrong', by: operator, at: expect.any(String) }],
  ]);
});

// found by an operator's team: a go one second after a no-go opened the site, and never mentioned the no-go.
test('a person whose answer comes second hears of it, to whom they lost, and sees what comes of the first', async () => {
  theatre.plan = [gate, flag(theatre.world, 'switch')];
  const first = theatre.terminal(
    'run-1',
    {},
    {
      ask: async () => {
        // in the same moment, from another terminal.
        await theatre.rig
          .journal()
          .note('run-2', bob, { type: 'gate.answered', step: 'gate.go', answer: 'no-go', reason: 'wrong invoices' });
        return { answer: 'go', reason: 'all landed' };
      },
    },
  );
  expect(await first).toMatchObject({ code: 'gate.no-go', message: 'no-go by bob: wrong invoices' });
  expect(theatre.notes).toEqual([
    expect.stringMatching(/^go does not count: no-go by bob on bob@phone came first, at 2026-\S+: wrong invoices$/),
  ]);
  expect([...theatre.world]).toEqual([]);
});

test('an answer where no question is open is refused without asking the runner', async () => {
  theatre.plan = [flag(theatre.world, 'switch')];
  const wire = jest.fn();
  theatre.wire = wire;
  const answer = { answer: 'go', reason: 'all landed' } as const;
  await expect(theatre.terminal('run-1', { answer })).rejects.toMatchObject({ code: 'gate.not-asked', exit: 6 });
  expect(wire).not.toHaveBeenCalled();
});

test('whoever overrules is told whom, and the terminal of the one who is overruled hears of it', async () => {
  let over: Promise<Reply> | undefined;
  theatre.plan = [
    gate,
    flag(theatre.world, 'switch', {
      act: async () => {
        for (let i = 0; i < 20; i += 1) await theatre.clock.pause(100);
        theatre.world.add('switch');
      },
    }),
  ];
  // between the no-go of run-1 and the run that would stop at it.
  const invoke = theatre.invoke.bind(theatre);
  theatre.invoke = async (request) => {
    if (request.answer?.answer === 'no-go' && !over) {
      const its = theatre.rig.journal();
      await its.refresh();
      await answerGate(its, request, request.answer);
      over = theatre.terminal('run-2', { by: bob, answer: { answer: 'go', reason: 'CHG-4711' }, overrule: true });
      await over;
      return { state: 'continue' };
    }
    return invoke(request);
  };
  const first = theatre.terminal('run-1', {}, { ask: async () => ({ answer: 'no-go', reason: 'wrong invoices' }) });
  await expect(first).resolves.toMatchObject({ state: 'stopped' });
  expect(await over).toMatchObject({ state: 'finished' });
  expect(theatre.notes).toEqual([
    expect.stringMatching(/^overrules the no-go by ada on ada@laptop at 2026-\S+: wrong invoices$/),
    'your no-go was overruled: go by bob on bob@phone: CHG-4711',
  ]);
});

test('when whoever answered elsewhere never goes on, the first terminal does', async () => {
  theatre.plan = [gate, flag(theatre.world, 'switch')];
  const first = theatre.terminal(
    'run-1',
    {},
    {
      ask: (its, signal) => {
        void theatre.rig
          .journal()
          .note('run-2', bob, { type: 'gate.answered', step: 'gate.go', answer: 'go', reason: 'then my phone died' });
        return nobody(its, signal);
      },
    },
  );
  expect(await first).toMatchObject({ state: 'finished' });
  expect(theatre.world.has('switch')).toBe(true);
});

test('Ctrl-C reaches the runner through the journal: it stops after its step, and the terminal says so', async () => {
  const interrupt = new AbortController();
  const slow = flag(theatre.world, 'a', {
    act: async () => {
      interrupt.abort();
      // the terminal has its turn while AWS works.
      for (let i = 0; i < 5; i += 1) await theatre.clock.pause(100);
      theatre.world.add('a');
    },
  });
  theatre.plan = [slow, flag(theatre.world, 'b')];
  expect(await theatre.terminal('run-1', {}, { signal: interrupt.signal })).toMatchObject({
    state: 'stopped',
    code: 'run.stop-asked',
    exit: 130,
  });
  expect([...theatre.world]).toEqual(['a']);
});

test('Ctrl-C before a run has begun begins nothing', async () => {
  theatre.plan = [flag(theatre.world, 'a')];
  const interrupt = new AbortController();
  interrupt.abort();
  await expect(theatre.terminal('run-1', {}, { signal: interrupt.signal })).rejects.toMatchObject({
    code: 'terminal.interrupted',
    exit: 130,
  });
  expect(theatre.world.size).toBe(0);
});

test('Ctrl-C in a terminal that follows another one ends the following; the run is not asked to stop, and nobody says that it is done', async () => {
  const interrupt = new AbortController();
  const slow = flag(theatre.world, 'switch', {
    act: async () => {
      for (let i = 0; i < 50; i += 1) await theatre.clock.pause(100);
      interrupt.abort();
      for (let i = 0; i < 50; i += 1) await theatre.clock.pause(100);
      theatre.world.add('switch');
    },
  });
  theatre.plan = [gate, slow];
  let second: Promise<Reply> | undefined;
  const first = theatre.terminal(
    'run-1',
    {},
    {
      signal: interrupt.signal,
      ask: (its, signal) => {
        second = theatre.terminal('run-2', { by: bob, answer: { answer: 'go', reason: 'all landed' } });
        return nobody(its, signal);
      },
    },
  );
  await expect(first).rejects.toMatchObject({
    code: 'terminal.interrupted',
    exit: 130,
    next: expect.arrayContaining([switchback('status')]),
  });
  expect(await second).toMatchObject({ state: 'finished' });
  expect((await theatre.rig.events()).map(({ type }) => type)).not.toContain('stop.asked');
  expect(theatre.notes.join()).not.toContain('asked to stop');
});

test('no-go after a go that has been acted on is refused: it would not hold anything back', async () => {
  theatre.plan = [gate, flag(theatre.world, 'switch', { act: async () => Promise.reject(new Error('denied')) })];
  expect(await theatre.terminal('run-1', { ahead: { answer: 'go', reason: 'fine' } })).toMatchObject({ code: 'step.refused' });
  const second = theatre.terminal('run-2', { by: bob, answer: { answer: 'no-go', reason: 'the invoices are wrong' } });
  await expect(second).rejects.toMatchObject({ code: 'gate.over', exit: 6, next: [switchback('rollback'), switchback('status')] });
  expect((await theatre.rig.events()).filter(({ type }) => type === 'run.started')).toHaveLength(1);
});

test('a take-over asks the living holder to stop, waits, and goes on', async () => {
  let over: Promise<Reply> | undefined;
  const slow = flag(theatre.world, 'a', {
    act: async () => {
      over = theatre.terminal('run-2', { by: bob, takeOver: true });
      for (let i = 0; i < 5; i += 1) await theatre.clock.pause(1000);
      theatre.world.add('a');
    },
  });
  theatre.plan = [slow, flag(theatre.world, 'b')];
  expect(await theatre.terminal('run-1')).toMatchObject({
    state: 'stopped',
    code: 'window.taken-over',
    message: expect.stringMatching(/^w1 was taken over by bob on bob@phone at 2026-/),
    exit: 5,
  });
  expect(await over).toMatchObject({ state: 'finished' });
  expect([...theatre.world]).toEqual(['a', 'b']);
  expect(theatre.notes[0]).toMatch(/^ada on ada@laptop has the window \(cutover since .*\); asked to stop after its step$/);
});

test('a terminal that waits at a gate hears that its window was taken over, by whom, and ends', async () => {
  theatre.plan = [gate, flag(theatre.world, 'switch')];
  let over: Promise<Reply> | undefined;
  const first = theatre.terminal(
    'run-1',
    {},
    {
      ask: (its, signal) => {
        over = theatre.terminal('run-2', { by: bob, takeOver: true }, { ask: async () => ({ answer: 'go', reason: 'seen' }) });
        return nobody(its, signal);
      },
    },
  );
  await expect(first).rejects.toMatchObject({
    code: 'window.taken-over',
    message: expect.stringMatching(/^w1 was taken over by bob on bob@phone at 2026-/),
    exit: 5,
  });
  expect(await over).toMatchObject({ state: 'finished' });
});

test('who comes second is told at once, without asking the runner: who has the window, since when, why, from where', async () => {
  let told: unknown;
  let asked = 0;
  const invoke = theatre.invoke.bind(theatre);
  theatre.invoke = (request) => {
    asked += 1;
    return invoke(request);
  };
  const slow = flag(theatre.world, 'a', {
    act: async () => {
      told = await theatre.terminal('run-2', { by: bob }).catch((error: unknown) => error);
      theatre.world.add('a');
    },
  });
  theatre.plan = [slow];
  expect(await theatre.terminal('run-1', { reason: 'CHG-4711' })).toMatchObject({ state: 'finished' });
  expect(told).toMatchObject({
    code: 'window.held',
    message: 'w1 is in the hands of ada on ada@laptop: cutover since 2026-11-21T02:00:00.000Z, because: CHG-4711',
    next: [switchback('status', '--watch'), switchback('cutover', '--take-over')],
    exit: 5,
  });
  expect(asked).toBe(1);
});

test('who is refused an undo is told how to take over with it: a stage is not what they want', async () => {
  let told: unknown;
  theatre.plan = [
    flag(theatre.world, 'a', {
      act: async () => {
        told = await theatre.terminal('run-2', { by: bob, verb: 'stage', undo: true }).catch((error: unknown) => error);
        theatre.world.add('a');
      },
    }),
  ];
  await theatre.terminal('run-1');
  expect(told).toMatchObject({
    code: 'window.held',
    next: [switchback('status', '--watch'), switchback('stage', '--undo', '--take-over')],
  });
});

test('who comes second while the first is only beginning is told whom the runner is at work for', async () => {
  theatre.invoke = async () => {
    const journal = theatre.rig.journal();
    await journal.refresh();
    await journal.append('run-1', operator, { type: 'run.started', verb: 'cutover', plan: [], runner: 'r', reason: 'CHG-4711' });
    throw busy();
  };
  await expect(theatre.terminal('run-2', { by: bob })).rejects.toMatchObject({
    code: 'window.held',
    message: 'w1 is in the hands of ada on ada@laptop: cutover since 2026-11-21T02:00:00.000Z, because: CHG-4711',
    exit: 5,
  });
});

test('Ctrl-C ends a take-over that waits for a runner which is still at work', async () => {
  const interrupt = new AbortController();
  let asked = 0;
  theatre.invoke = async () => {
    asked += 1;
    if (asked === 3) interrupt.abort();
    if (asked > 5) throw new Error('it asks for ever');
    throw busy();
  };
  await expect(theatre.terminal('run-2', { by: bob, takeOver: true }, { signal: interrupt.signal })).rejects.toMatchObject({
    code: 'terminal.interrupted',
    message: 'Ctrl-C: nothing was taken over',
    exit: 130,
  });
});

test('a take-over of a dead holder counts its lease down, and the journal says whose it was', async () => {
  theatre.plan = [flag(theatre.world, 'a')];
  theatre.rig.store.beforeCreate = (_window, number) => {
    if (number > 3) throw new Error('killed');
  };
  await theatre.terminal('run-1').catch(() => undefined);
  theatre.rig.store.beforeCreate = undefined;
  expect(await theatre.terminal('run-2', { by: bob, takeOver: true })).toMatchObject({ state: 'finished' });
  const countdown = theatre.notes.slice(1).map((text) => Number(/^taking over in (\d+) s, unless it writes again$/.exec(text)?.[1]));
  expect(countdown).toEqual([60, 50, 40, 30, 20, 10]);
  expect((await theatre.rig.events()).findLast(({ type }) => type === 'run.started')).toMatchObject({
    takeOver: { ...operator, run: 'run-1' },
  });
});

describe('at the decision time', () => {
  const hour = async (atDecision: 'hold' | 'rollback') => {
    const upBy = new Date(theatre.clock.time + 600_000).toISOString();
    await theatre.rig.journal().note('run-0', operator, { type: 'up-by.set', upBy, atDecision });
    theatre.externalState = {
      emergencySince: async () => undefined,
      rollback: async () => [{ id: 'a', title: 'a', estimateSeconds: 300 }],
    };
  };

  test('a question about the landing tests gives way to the other question; unanswered, the policy is applied', async () => {
    await hour('hold');
    theatre.plan = [gate];
    const asked: string[] = [];
    const reply = await theatre.terminal(
      'run-1',
      {},
      {
        ask: (its, signal) => {
          asked.push(its.step);
          return nobody(its, signal);
        },
      },
    );
    expect(asked).toEqual(['gate.go', 'decision.time']);
    expect(reply).toMatchObject({ state: 'stopped', code: 'decision.hold', exit: 6 });
    // nothing runs that would warn: the terminal does, for everybody who looks.
    const warnings = theatre.shown.flatMap((event) => (event.type === 'decision.time' && event.warning ? [event.warning] : []));
    expect(warnings).toEqual([10, 2]);
  });

  test('another hour set from elsewhere takes the question away, and the run goes on', async () => {
    await hour('rollback');
    theatre.clock.time += 400_000;
    theatre.plan = [flag(theatre.world, 'traffic.maintenance'), gate];
    const asked: string[] = [];
    const reply = theatre.terminal(
      'run-1',
      {},
      {
        ask: async (its, signal) => {
          asked.push(its.step);
          if (its.step === 'gate.go') return { answer: 'go', reason: 'landed' };
          await more();
          return nobody(its, signal);
        },
      },
    );
    const more = async () => {
      const journal = theatre.rig.journal();
      await journal.refresh();
      const view = fold(journal.events)!;
      const upBy = new Date(theatre.clock.time + 3_600_000).toISOString();
      expect(await extend({ journal, view }, { upBy }, 'run-2', bob, theatre.clock)).toMatchObject({ run: 'run-1' });
    };
    expect(await reply).toMatchObject({ state: 'finished' });
    expect(asked).toEqual(['decision.time', 'gate.go']);
    // the policy stays what it was.
    expect((await theatre.rig.events()).filter(({ type }) => type === 'up-by.set')).toMatchObject([{}, { atDecision: 'rollback' }]);
  });

  test('another hour set while the landing tests are waited for: the decision time is worked out anew, and the question stays', async () => {
    await hour('hold');
    theatre.plan = [gate];
    const asked: string[] = [];
    const reply = theatre.terminal(
      'run-1',
      {},
      {
        ask: async (its, signal) => {
          asked.push(its.step);
          if (asked.length === 2) return { answer: 'go', reason: 'landed' };
          const upBy = new Date(theatre.clock.time + 3_600_000).toISOString();
          await theatre.rig.journal().note('run-2', bob, { type: 'up-by.set', upBy, atDecision: 'hold' });
          return nobody(its, signal);
        },
      },
    );
    expect(await reply).toMatchObject({ state: 'finished' });
    expect(asked).toEqual(['gate.go', 'gate.go']);
    const types = (await theatre.rig.events()).map(({ type }) => type);
    expect(types.slice(types.lastIndexOf('up-by.set'))).toEqual([
      ...['up-by.set', 'decision.time', 'gate.answered', 'step.done', 'run.finished'],
    ]);
  });

  test('go at the decision time says nothing about the landing tests', async () => {
    await hour('hold');
    theatre.clock.time += 400_000;
    theatre.plan = [flag(theatre.world, 'traffic.maintenance'), gate, flag(theatre.world, 'switch')];
    expect(await theatre.terminal('run-1')).toMatchObject({ code: 'decision.hold' });
    const go = { answer: 'go', reason: 'the shop opens at nine' } as const;
    expect(await theatre.terminal('run-2', { answer: go })).toMatchObject({ state: 'gate', step: 'gate.go' });
    expect([...theatre.world]).toEqual(['traffic.maintenance']);
  });

  test('where nobody can be asked, somebody else can answer; the policy is applied when nobody has', async () => {
    await hour('rollback');
    theatre.clock.time += 400_000;
    theatre.plan = [flag(theatre.world, 'migrations')];
    const from = theatre.clock.time;
    expect(await theatre.terminal('run-1')).toMatchObject({ state: 'stopped', code: 'decision.hold' });
    expect(theatre.clock.time - from).toBeGreaterThanOrEqual(60_000);
    expect(theatre.world.size).toBe(0);
  });
});

describe('watching', () => {
  const options = (signal = new AbortController().signal) => ({
    clock: theatre.clock,
    screen: () => ({
      events: (_view: unknown, added: readonly JournalEvent[]) => void theatre.shown.push(...added),
      tick() {},
      close() {},
    }),
    signal,
  });

  test('shows a run of somebody else until it ends, and how it ended', async () => {
    theatre.plan = [
      flag(theatre.world, 'a'),
      flag(theatre.world, 'b', { observe: async () => ({ is: 'failed', code: 'checks.smoke.failed', message: 'no' }) }),
    ];
    const watching = watch(theatre.rig.journal(), options());
    await theatre.invoke({ system: 'video', verb: 'cutover', run: 'run-1', by: bob });
    expect(await watching).toMatchObject({ verb: 'cutover', reply: { state: 'stopped', code: 'checks.smoke.failed', window: 'w1' } });
    expect(theatre.shown.map(({ type }) => type)).toEqual(['run.started', 'step.started', 'step.done', 'step.started', 'run.stopped']);
  });

  test('says so when nothing has been heard since the lease ended', async () => {
    theatre.plan = [flag(theatre.world, 'a')];
    theatre.rig.store.beforeCreate = (_window, number) => {
      if (number > 3) throw new Error('killed');
    };
    await theatre.invoke({ system: 'video', verb: 'cutover', run: 'run-1', by: bob }).catch(() => undefined);
    expect(await watch(theatre.rig.journal(), options())).toMatchObject({
      reply: { code: 'run.silent', next: [switchback('cutover'), switchback('status')] },
    });
  });

  test('ends with Ctrl-C, and the run goes on', async () => {
    const leave = new AbortController();
    leave.abort();
    expect(await watch(theatre.rig.journal(), options(leave.signal))).toBeUndefined();
  });

  test('a window that is closed is not left before its run has had its last word', async () => {
    const journal = theatre.rig.journal();
    await journal.refresh();
    await journal.append('run-1', bob, { type: 'run.started', verb: 'teardown', plan: [], runner: 'video-runner' });
    await journal.append('run-1', bob, { type: 'window.closed', outcome: 'done' });
    // the watcher looks between the window's end and the run's.
    const screen = () => ({
      ...options().screen(),
      events: (_view: unknown, added: readonly JournalEvent[]) => {
        theatre.shown.push(...added);
        if (added.at(-1)?.type === 'window.closed')
          void journal.append('run-1', bob, { type: 'run.finished', verb: 'teardown', seconds: 1 });
      },
    });
    expect(await watch(theatre.rig.journal(), { ...options(), screen })).toMatchObject({ verb: 'teardown', reply: { state: 'finished' } });
    expect(theatre.shown.at(-1)).toMatchObject({ type: 'run.finished' });
  });

  test('where no window is open, the next one is waited for', async () => {
    theatre.rig.store.objects.clear();
    const said: string[] = [];
    const output = {
      status: () => void said.push('status'),
      note: (text: string) => void said.push(text),
      screen: (_verb: unknown, _run: unknown, watching: unknown) => {
        said.push(`watching: ${watching}`);
        return options().screen();
      },
      reply: (verb: string, reply: Reply) => void said.push(`${verb} ${reply.state}`),
    } as unknown as Output;
    const aws = {
      settings: { manifest: async () => ({ manifest, state: { production: 'video-db', opened: true } }) },
      journal: () => theatre.rig.store,
      traffic: { order: async () => new Map(), frontDoors: async () => [] },
      databases: { describe: async () => undefined },
    } as unknown as Aws;
    const watching = watchStatus(aws, 'video', output, theatre.clock);
    await theatre.clock.pause(10_000);
    await theatre.rig.open();
    theatre.plan = [flag(theatre.world, 'a')];
    await theatre.invoke({ system: 'video', verb: 'stage', run: 'run-1', by: bob });
    expect(await watching).toBe(exit.done);
    expect(said).toEqual([
      ...['status', 'no window is open; waiting for the next run (Ctrl-C ends the watching)', 'watching: true', 'stage finished'],
    ]);
  });
});
