import { say, switchback, typed } from '../../lib/base/advice';
import { OutcomeUnknown } from '../../lib/base/errors';
import { done, type Step, todo } from '../../lib/engine/step';
import { ConnectionLost, DatabaseError, OutcomeUnknown as SqlOutcomeUnknown } from '../../lib/postgres/connection/connect';
import { flag, Kill, operator, Rig } from '../_helpers/runbook';

const rig = async () => {
  const made = new Rig();
  await made.open();
  return made;
};

/** So many seconds in which the step does nothing that the run knows of. */
async function pass({ clock }: Rig, seconds: number): Promise<void> {
  await clock.pause(seconds * 1000);
  await new Promise((turn) => setImmediate(turn));
}

describe('a run', () => {
  test('takes its steps in order and says so in the journal', async () => {
    const made = await rig();
    const world = new Set<string>();
    expect(await made.advance([flag(world, 'a'), flag(world, 'b')])).toEqual({ state: 'finished' });
    expect((await made.events()).map(({ type, step }) => (step ? `${type} ${step}` : type))).toEqual([
      'window.opened',
      'run.started',
      'step.started a',
      'step.done a',
      'step.started b',
      'step.done b',
      'run.finished',
    ]);
  });

  test('the journal says how much of a step was waiting between looks', async () => {
    const made = await rig();
    let looks = 0;
    const slow: Step = { ...flag(new Set(), 'slow'), pollMs: 400, observe: async () => (++looks > 3 ? { is: 'done' } : { is: 'pending' }) };
    await made.advance([slow, flag(new Set(['quick']), 'quick')]);
    const done = (await made.events()).filter(({ type }) => type === 'step.done');
    expect(done).toMatchObject([{ step: 'slow', waited: 1.2 }, { step: 'quick' }]);
    expect(done[1]).not.toHaveProperty('waited');
  });

  test('does not act where it is so already', async () => {
    const made = await rig();
    const act = jest.fn();
    await made.advance([flag(new Set(['a']), 'a', { act })]);
    expect(act).not.toHaveBeenCalled();
  });

  test('killed before any journal write, it is taken up by another run and every step is done once', async () => {
    // the number of writes of an undisturbed run says how many places there are to be killed at.
    const undisturbed = await rig();
    const steps = (world: Set<string>, acts: string[]): Step[] =>
      ['a', 'b', 'c'].map((id) =>
        flag(world, id, {
          act: async () => {
            acts.push(id);
            world.add(id);
          },
        }),
      );
    await undisturbed.advance(steps(new Set(), []));
    const writes = (await undisturbed.events()).length;
    for (let at = 2; at <= writes; at += 1) {
      const made = await rig();
      const world = new Set<string>();
      const acts: string[] = [];
      const kill = new Kill();
      made.store.beforeCreate = (_window, number) => (number === at ? kill.here() : undefined);
      expect(await kill.or(made.advance(steps(world, acts)))).toBe('killed');
      made.store.beforeCreate = undefined;
      // somebody else takes it up once the dead writer's lease is over.
      made.clock.time += 61_000;
      expect(await made.advance(steps(world, acts), { run: 'run-2' })).toEqual({ state: 'finished' });
      expect(acts).toEqual(['a', 'b', 'c']);
    }
  });

  test('a journal that refuses one write after another is tried again, and nothing is done twice', async () => {
    const made = await rig();
    const world = new Set<string>();
    const act = jest.fn(async () => void world.add('a'));
    let refusals = 0;
    made.store.beforeCreate = () => {
      refusals += 1;
      if (refusals % 3 !== 0) throw new Error('503 SlowDown');
    };
    expect(await made.advance([flag(world, 'a', { act })])).toEqual({ state: 'finished' });
    expect(act).toHaveBeenCalledTimes(1);
    expect((await made.events()).map(({ type }) => type)).toEqual([
      'window.opened',
      'run.started',
      'step.started',
      'step.done',
      'run.finished',
    ]);
  });

  test('a journal that takes nothing any more stops the run with what to do, not as a bug, and the next run goes on', async () => {
    const made = await rig();
    const world = new Set<string>();
    const act = jest.fn(async () => void world.add('a'));
    made.store.beforeCreate = (_window, number) => {
      if (number >= 4) throw new OutcomeUnknown('s3 PutObject journal/video/w1/000004.json', new Error('503'), 'aws s3 ls');
    };
    expect(await made.advance([flag(world, 'a', { act }), flag(world, 'b')])).toMatchObject({
      state: 'stopped',
      code: 'journal.unwritable',
      exit: 1,
      message: expect.stringMatching(/^event 4 of w1 \(step.done\) could not be written in 6 tries: s3 PutObject/),
      next: [expect.anything(), say`when customers cannot wait: ${switchback('rollback', '--traffic-only')} (needs no journal)`],
    });
    expect(world.has('b')).toBe(false);
    made.store.beforeCreate = undefined;
    made.clock.time += 61_000;
    expect(await made.advance([flag(world, 'a', { act }), flag(world, 'b')], { run: 'run-2' })).toEqual({ state: 'finished' });
    expect(act).toHaveBeenCalledTimes(1);
  });

  test('a lost answer after the change was made is looked up, not repeated', async () => {
    const made = await rig();
    const world = new Set<string>();
    const act = jest.fn(async () => {
      world.add('a');
      throw new OutcomeUnknown('elb SetRulePriorities', new Error('socket hang up'), 'aws elbv2 describe-rules');
    });
    expect(await made.advance([flag(world, 'a', { act })])).toEqual({ state: 'finished' });
    expect(act).toHaveBeenCalledTimes(1);
  });

  test('what is refused for load again and again is tried three times, and then told', async () => {
    const made = await rig();
    const act = jest.fn(async () => {
      // tried for ever, the test would never end.
      if (act.mock.calls.length > 5) throw new Error('tried for ever');
      throw Object.assign(new Error('Rate exceeded'), { name: 'ThrottlingException' });
    });
    expect(await made.advance([flag(new Set(), 'a', { act })])).toMatchObject({
      ...{ state: 'stopped', code: 'step.refused', exit: 1 },
      message: '"make a so": Rate exceeded',
    });
    expect(act).toHaveBeenCalledTimes(3);
  });

  test('a database that is not there to be asked is waited for as long as a failover takes, and what it says is shown', async () => {
    const made = await rig();
    const world = new Set<string>();
    let back = Number.POSITIVE_INFINITY;
    const act = jest.fn(async () => {
      if (made.clock.elapsed() < back) throw new ConnectionLost('cannot connect as master: ECONNREFUSED', undefined);
      world.add('a');
    });
    const step = flag(world, 'a', { act, patienceSeconds: 3600 });
    back = made.clock.elapsed() + 90_000;
    expect(await made.advance([step])).toEqual({ state: 'finished' });
    expect(await made.events()).toContainEqual(
      expect.objectContaining({ type: 'step.progress', step: 'a', text: 'cannot connect as master: ECONNREFUSED' }),
    );
    world.clear();
    back = Number.POSITIVE_INFINITY;
    const began = made.clock.elapsed();
    expect(await made.advance([step], { run: 'run-2' })).toMatchObject({
      code: 'step.refused',
      message: '"make a so": cannot connect as master: ECONNREFUSED',
    });
    expect(made.clock.elapsed() - began).toBeGreaterThan(100_000);
    expect(made.clock.elapsed() - began).toBeLessThan(180_000);
  });

  test('a lost answer before the change was made is tried again after looking', async () => {
    const made = await rig();
    const world = new Set<string>();
    let calls = 0;
    const act = async () => {
      calls += 1;
      if (calls === 1) throw new OutcomeUnknown('elb SetRulePriorities', new Error('socket hang up'), 'aws elbv2 describe-rules');
      world.add('a');
    };
    expect(await made.advance([flag(world, 'a', { act })])).toEqual({ state: 'finished' });
    expect(calls).toBe(2);
  });

  test('an outcome that cannot be looked up stops with exit code 7, names the call and the command that shows it, and the journal says so', async () => {
    const made = await rig();
    let asked = 0;
    const step = flag(new Set(), 'a', {
      patienceSeconds: 3600,
      act: async () => {
        asked += 1;
        throw new OutcomeUnknown('rds PromoteReadReplica x', new Error('socket hang up'), 'aws rds describe-db-instances');
      },
      observe: async () => {
        if (asked > 0) throw new Error('getaddrinfo ENOTFOUND rds');
        return todo();
      },
    });
    const stopped = {
      code: 'step.unknown',
      message: expect.stringMatching(/^"make a so": rds PromoteReadReplica x: the answer was lost .*ENOTFOUND rds$/),
      next: [typed('aws rds describe-db-instances'), say`then the same command again: it looks before it does anything`],
      exit: 7,
    };
    const from = made.clock.time;
    expect(await made.advance([step])).toMatchObject({ state: 'stopped', ...stopped });
    expect((await made.events()).at(-1)).toMatchObject({ type: 'run.stopped', step: 'a', ...stopped });
    expect(asked).toBe(1);
    // an hour's patience is for what is known to be under way.
    expect(made.clock.time - from).toBeLessThan(180_000);
  });

  test('a lost answer is also looked up when the first looks fail: what was not done is done then, and not waited for', async () => {
    const made = await rig();
    const world = new Set<string>();
    let [calls, blind] = [0, 0];
    const step = flag(world, 'a', {
      act: async () => {
        calls += 1;
        if (calls > 1) return void world.add('a');
        blind = 3;
        throw new OutcomeUnknown('elb SetRulePriorities', new Error('socket hang up'), 'aws elbv2 describe-rules');
      },
      observe: async () => {
        if (blind-- > 0) throw new Error('getaddrinfo ENOTFOUND elb');
        return world.has('a') ? { is: 'done' } : todo();
      },
    });
    expect(await made.advance([step])).toEqual({ state: 'finished' });
    expect(calls).toBe(2);
  });

  test('another try of what has failed before, whose answer is lost: the old failure is not the word on it', async () => {
    const made = await rig();
    let calls = 0;
    const migrate = flag(new Set(), 'migrate', {
      act: async () => {
        calls += 1;
        if (calls === 1) throw new OutcomeUnknown('ecs RunTask migrate', new Error('socket hang up'), 'aws ecs list-tasks');
      },
      observe: async () => (calls < 2 ? { is: 'failed', code: 'migrations.failed', message: 'task 1 ended with 1' } : { is: 'done' }),
    });
    expect(await made.advance([migrate])).toEqual({ state: 'finished' });
    expect(calls).toBe(2);
  });

  test('what was on its way after a lost answer was not all of it: the rest is done when that is over', async () => {
    const made = await rig();
    const world = new Set<string>();
    let [calls, busy] = [0, 0];
    const step = flag(world, 'delete the stack', {
      act: async () => {
        calls += 1;
        if (calls > 1) return void world.add('delete the stack');
        busy = 2;
        throw new OutcomeUnknown('rds ModifyDBInstance x', new Error('socket hang up'), 'aws rds describe-db-instances');
      },
      observe: async () =>
        world.has('delete the stack') ? { is: 'done' } : busy-- > 0 ? { is: 'pending', detail: 'x is modifying' } : todo(),
    });
    expect(await made.advance([step])).toEqual({ state: 'finished' });
    expect(calls).toBe(2);
  });

  test.each([
    ['COMMIT', new SqlOutcomeUnknown('lost the connection after COMMIT was sent', undefined, 'psql')],
    ['its connection', new ConnectionLost('the connection is broken; nothing was sent on it', undefined)],
  ])('an SQL change that lost %s is looked up, and done when it was not', async (_what, error) => {
    const made = await rig();
    const world = new Set<string>();
    let calls = 0;
    const act = async () => {
      calls += 1;
      if (calls === 1) throw error;
      world.add('a');
    };
    expect(await made.advance([flag(world, 'a', { act })])).toEqual({ state: 'finished' });
    expect(calls).toBe(2);
  });

  test('an SQL change of which nothing can be seen any more ends with exit code 7 too', async () => {
    const made = await rig();
    let sent = false;
    const step = flag(new Set(), 'a', {
      act: async () => {
        sent = true;
        throw new SqlOutcomeUnknown('lost the connection after COMMIT was sent', '57P01', 'psql "host=x"');
      },
      observe: async () => {
        if (sent) throw new ConnectionLost('cannot connect', undefined);
        return todo();
      },
    });
    expect(await made.advance([step])).toMatchObject({ code: 'step.unknown', exit: 7, next: [typed('psql "host=x"'), expect.anything()] });
  });

  test('a refusal stops with what AWS said and what to type', async () => {
    const made = await rig();
    const act = async () => {
      throw new Error('PriorityInUse: 1500');
    };
    const answer = await made.advance([flag(new Set(), 'a', { act })]);
    expect(answer).toMatchObject({
      state: 'stopped',
      code: 'step.refused',
      message: '"make a so": PriorityInUse: 1500',
      exit: 1,
      // nothing is down: a rollback would only take customers down.
      next: [say`when the reason is gone: ${switchback('cutover')}`, switchback('status')],
    });
  });

  test('once the site is down, a refusal advises the way back first', async () => {
    const made = await rig();
    const act = async () => {
      throw new Error('PriorityInUse: 1500');
    };
    const world = new Set<string>();
    const answer = await made.advance([
      flag(world, 'traffic.maintenance', { act: async () => void world.add('traffic.maintenance') }),
      flag(world, 'a', { act }),
    ]);
    expect(answer).toMatchObject({
      code: 'step.refused',
      next: [switchback('rollback'), say`or, when the reason is gone: ${switchback('cutover')}`],
    });
  });

  test('a second operator is told who has the window, and changes nothing', async () => {
    const made = await rig();
    const world = new Set<string>();
    const second = flag(world, 'a', { observe: async () => todo() });
    const meanwhile: unknown[] = [];
    const first = flag(world, 'a', {
      act: async () => {
        meanwhile.push(await made.advance([second], { run: 'run-2', by: { who: 'eve', where: 'eve@desk' } }));
        world.add('a');
      },
    });
    expect(await made.advance([first])).toEqual({ state: 'finished' });
    expect(meanwhile).toEqual([
      expect.objectContaining({ state: 'stopped', code: 'window.held', exit: 5, message: expect.stringContaining('ada on ada@laptop') }),
    ]);
  });

  test('a run keeps the window through a step that is long at one thing', async () => {
    const made = await rig();
    const world = new Set<string>();
    let told: unknown;
    const long = flag(world, 'a', {
      act: async () => {
        // a statement of ten minutes: the step itself says nothing.
        for (let seconds = 0; seconds < 600; seconds += 10) await pass(made, 10);
        told = await made.advance([flag(world, 'a')], { run: 'run-2', by: { who: 'eve', where: 'eve@desk' } });
        world.add('a');
      },
    });
    expect(await made.advance([long])).toEqual({ state: 'finished' });
    expect(told).toMatchObject({ code: 'window.held', exit: 5 });
    expect((await made.events()).filter(({ type }) => type === 'run.alive').length).toBeGreaterThan(15);
  });

  test('a step that never ends does not keep the window from a take-over: half a minute after it was asked for the lease runs out', async () => {
    const made = await rig();
    const eve = { who: 'eve', where: 'eve@desk' };
    let told: unknown;
    const hung = flag(new Set(), 'a', {
      act: async () => {
        await pass(made, 30);
        await made.journal().note('run-2', eve, { type: 'stop.asked', of: 'run-1', why: 'eve takes over', takeOver: true });
        for (let seconds = 0; seconds < 100; seconds += 10) await pass(made, 10);
        told = await made.advance([flag(new Set(['b']), 'b')], { run: 'run-2', by: eve, takeOver: true });
      },
    });
    expect(await made.advance([hung])).toMatchObject({ code: 'window.taken-over', exit: 5 });
    expect(told).toEqual({ state: 'finished' });
  });

  test('a writer whose lease was taken over stops at its next event and writes nothing more', async () => {
    const made = await rig();
    const world = new Set<string>();
    const sleeper = flag(world, 'a', {
      act: async () => {
        // the laptop sleeps for two minutes; somebody else finishes the window.
        made.clock.time += 120_000;
        await made.advance([flag(world, 'a'), flag(world, 'b')], { run: 'run-2' });
      },
    });
    const answer = await made.advance([sleeper, flag(world, 'b')]);
    expect(answer).toMatchObject({
      state: 'stopped',
      code: 'window.taken-over',
      message: expect.stringMatching(/^w1 was taken over by ada on ada@laptop at 2026-/),
      exit: 5,
    });
    // its terminal asks again: the window is free, and still it does not go on from there.
    expect(await made.advance([sleeper, flag(world, 'b')])).toMatchObject({ state: 'stopped', code: 'window.taken-over', exit: 5 });
    expect((await made.events()).at(-1)?.type).toBe('run.finished');
  });

  test('a confirmed step that no longer holds stops the run instead of being done again', async () => {
    const made = await rig();
    const world = new Set<string>();
    const act = jest.fn(async () => void world.add('fence'));
    const plan = [
      flag(world, 'fence', { holdsUntil: 'open', act }),
      flag(world, 'migrate', { observe: async () => ({ is: 'failed', code: 'checks.smoke.failed', message: 'no' }) }),
      flag(world, 'open'),
    ];
    await made.advance(plan);
    world.delete('fence');
    const answer = await made.advance(plan, { run: 'run-2' });
    expect(answer).toMatchObject({ state: 'stopped', code: 'step.no-longer-holds' });
    expect(act).toHaveBeenCalledTimes(1);
  });

  test('a step that was tried and failed is tried again only when somebody runs the verb again', async () => {
    const made = await rig();
    let tries = 0;
    let good = false;
    const migrate = flag(new Set(), 'migrate', {
      act: async () => {
        tries += 1;
      },
      observe: async () =>
        tries === 0 ? todo() : good && tries === 2 ? { is: 'done' } : { is: 'failed', code: 'migrations.failed', message: 'exit code 1' },
    });
    expect(await made.advance([migrate])).toMatchObject({ state: 'stopped', code: 'migrations.failed' });
    expect(tries).toBe(1);
    good = true;
    expect(await made.advance([migrate], { run: 'run-2' })).toEqual({ state: 'finished' });
    expect(tries).toBe(2);
  });

  test('stops when a step takes longer than its patience, naming what it last saw', async () => {
    const made = await rig();
    const answer = await made.advance([
      flag(new Set(), 'a', { observe: async () => ({ is: 'pending', detail: '3 MB behind' }), patienceSeconds: 5 }),
    ]);
    expect(answer).toMatchObject({ state: 'stopped', code: 'step.too-slow', message: '"make a so" is not done after 5 s: 3 MB behind' });
  });

  test('a look that the database refuses again and again ends the run, and is not waited for with the site down', async () => {
    const made = await rig();
    const refused = new DatabaseError('operator does not exist: text = integer', '42883');
    const observe = async () => Promise.reject(refused);
    const began = made.clock.elapsed();
    expect(await made.advance([{ ...flag(new Set(), 'a'), patienceSeconds: 3600, observe }])).toMatchObject({
      state: 'stopped',
      code: 'step.refused',
      message: '"make a so": operator does not exist: text = integer',
    });
    expect(made.clock.elapsed() - began).toBeLessThan(15_000);
    // a replica that has not replayed the table yet is asked again.
    let looks = 0;
    const late = async () => (++looks < 5 ? Promise.reject(new DatabaseError('relation "marker" does not exist', '42P01')) : done());
    expect(await made.advance([{ ...flag(new Set(), 'b'), observe: late }])).toEqual({ state: 'finished' });
  });

  test('hands over when its time is nearly up, and the same run goes on without acting twice', async () => {
    const made = await rig();
    const world = new Set<string>();
    const act = jest.fn(async () => undefined);
    const slow = flag(world, 'a', { act, patienceSeconds: 600 });
    expect(await made.advance([slow], { deadline: made.clock.time + 30_000 })).toEqual({ state: 'continue' });
    world.add('a');
    expect(await made.advance([slow], { deadline: made.clock.time + 30_000 })).toEqual({ state: 'finished' });
    expect(act).toHaveBeenCalledTimes(1);
  });

  test('what leaves nothing when it is cut off is done by the next invocation of the run, which does not wait for it in vain', async () => {
    const made = await rig();
    const world = new Set<string>();
    const kill = new Kill();
    const cut = flag(world, 'a', { act: () => kill.here(), patienceSeconds: 3600, wholeOrNot: true });
    expect(await kill.or(made.advance([cut]))).toBe('killed');
    const acts = jest.fn(async () => void world.add('a'));
    const began = made.clock.elapsed();
    expect(await made.advance([{ ...cut, act: acts }])).toEqual({ state: 'finished' });
    expect(acts).toHaveBeenCalledTimes(1);
    expect(made.clock.elapsed() - began).toBeLessThan(1000);
  });

  test('the journal says when each step gives up, by the step or sooner by its operator; a gate never does', async () => {
    const made = await rig();
    const world = new Set(['a', 'b']);
    const gate: Step = { ...flag(world, 'gate.go'), gate: 'Go?', patienceSeconds: Number.POSITIVE_INFINITY };
    await made.advance([flag(world, 'a', { patienceSeconds: 600 }), flag(world, 'b', { patienceSeconds: 5 }), gate], {
      patienceSeconds: 20,
    });
    const plan = async () => ((await made.events())[1] as unknown as { plan: { patienceSeconds?: number }[] }).plan;
    expect((await plan()).map(({ patienceSeconds }) => patienceSeconds)).toEqual([20, 5, 20]);
    const other = await rig();
    await other.advance([gate]);
    expect(((await other.events())[1] as unknown as { plan: object[] }).plan[0]).not.toHaveProperty('patienceSeconds');
  });

  test('a gate that its operator answered before the start asks nobody, and the journal says who said go', async () => {
    const made = await rig();
    const world = new Set<string>();
    const gate: Step = { ...flag(world, 'gate.go'), gate: 'Go?' };
    const ahead = { answer: 'go', reason: 'answered by --yes' } as const;
    expect(await made.advance([gate, flag(world, 'switch')], { ahead })).toEqual({ state: 'finished' });
    expect(await made.events()).toMatchObject([
      {},
      { type: 'run.started' },
      { type: 'step.started' },
      { type: 'gate.asked', question: 'Go?' },
      { type: 'gate.answered', by: operator, ...ahead },
      { type: 'step.done', step: 'gate.go', detail: `go by ${operator.who}: answered by --yes` },
      { type: 'step.started', step: 'switch' },
      { type: 'step.done', step: 'switch' },
      { type: 'run.finished' },
    ]);
    const other = await rig();
    const noGo = { ahead: { answer: 'no-go', reason: 'rehearsal' } as const };
    expect(await other.advance([gate, flag(new Set(), 'switch')], noGo)).toMatchObject({ code: 'gate.no-go', exit: 6 });
  });

  test('a gate waits for people, lets go of the window, and goes on with their answer', async () => {
    const made = await rig();
    const gate: Step = {
      id: 'gate.go',
      title: 'go?',
      estimateSeconds: 1,
      patienceSeconds: 1,
      gate: 'Go?',
      observe: async () => ({ is: 'pending' }),
    };
    const world = new Set<string>();
    expect(await made.advance([gate, flag(world, 'switch')])).toEqual({ state: 'gate', step: 'gate.go', question: 'Go?' });
    expect(world.has('switch')).toBe(false);
    const journal = made.journal();
    await journal.refresh();
    await journal.append(
      'run-2',
      { who: 'bob', where: 'bob@phone' },
      { type: 'gate.answered', step: 'gate.go', answer: 'go', reason: 'all landed' },
    );
    expect(await made.advance([gate, flag(world, 'switch')], { run: 'run-2' })).toEqual({ state: 'finished' });
    expect(world.has('switch')).toBe(true);
  });

  test('no-go ends the run with exit code 6 and the command that takes everything back', async () => {
    const made = await rig();
    const gate: Step = {
      id: 'gate.go',
      title: 'go?',
      estimateSeconds: 1,
      patienceSeconds: 1,
      gate: 'Go?',
      observe: async () => ({ is: 'pending' }),
    };
    await made.advance([gate]);
    const journal = made.journal();
    await journal.refresh();
    await journal.append(
      'run-1',
      { who: 'bob', where: 'bob@phone' },
      { type: 'gate.answered', step: 'gate.go', answer: 'no-go', reason: 'invoices are wrong' },
    );
    expect(await made.advance([gate])).toMatchObject({
      state: 'stopped',
      code: 'gate.no-go',
      exit: 6,
      message: 'no-go by bob: invoices are wrong',
      next: [switchback('rollback')],
    });
  });
});
