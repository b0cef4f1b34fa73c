import { planScreen } from '../../lib/report/plan';
import { began, colored, cutover, plain, screen, w3 } from './night';

const steps = (done: number) => cutover.map((step, index) => ({ ...step, done: index < done }));

test('the plan is the steps in order, how long each takes, when it begins, and where a rollback begins to lose writes', () => {
  expect(planScreen({ now: began, verb: 'cutover', window: w3, steps: steps(0) }, plain)).toEqual(
    screen(`
video w3: cutover from blue to green
production video-production, fallback video-fallback-w3

     step                                                    estimate  begins at
1    Check that green is up, healthy and runs its release         5 s        now
2    Turn the maintenance page on                                 2 s       +5 s
3    Stop blue's workers and prove them stopped                  40 s       +7 s
4    Promote video-fallback-w3: it becomes a database of     4:00 min      +47 s
     its own
5    Run the migrations of 2.0.0                             2:00 min  +4:47 min
── from here on, a rollback loses what customers write ─────────────────────────
6    Open video-production to green, and only to green            1 s  +6:47 min
7    Landing tests (by the business), then go or no-go      10:00 min  +6:48 min
8    Watch green for 3600 s                                    1:00 h +16:48 min

8 steps, about 1:17 h. Start with: npx switchback cutover
`),
  );
});

test('what is done is marked and takes no more time; the loss is red', () => {
  const lines = planScreen({ now: began, verb: 'cutover', window: w3, steps: steps(4) }, colored);
  expect(lines.slice(4)).toEqual(
    screen(`
1  <green>✔</> <dim>Check that green is up, healthy and runs its release         5 s</>
2  <green>✔</> <dim>Turn the maintenance page on                                 2 s</>
3  <green>✔</> <dim>Stop blue's workers and prove them stopped                  40 s</>
4  <green>✔</> <dim>Promote video-fallback-w3: it becomes a database of     4:00 min</>
     <dim>its own</>
5    Run the migrations of 2.0.0                             2:00 min        now
<red>── from here on, a rollback loses what customers write ─────────────────────────</>
6    Open video-production to green, and only to green            1 s  +2:00 min
7    Landing tests (by the business), then go or no-go      10:00 min  +2:01 min
8    Watch green for 3600 s                                    1:00 h +12:01 min

4 of 8 steps left, about 1:12 h. Start with: npx switchback cutover
`),
  );
});

test('to somebody who has typed the verb, how to start it is not said', () => {
  const lines = planScreen({ now: began, verb: 'cutover', window: w3, steps: steps(0), starting: true }, plain);
  expect(lines.at(-1)).toBe('8 steps, about 1:17 h.');
});

test('the first opening of a system, and a plan with nothing left', () => {
  const w0 = { ...w3, name: 'w0', from: undefined, to: 'blue' as const, fallback: undefined };
  const done = [{ id: 'a', title: 'Put blue in front', estimateSeconds: 2, done: true }];
  expect(planScreen({ now: began, verb: 'rollback', window: w0, steps: done }, plain)[0]).toBe(
    'video w0: the first opening on blue taken back: nobody is live',
  );
  expect(planScreen({ now: began, verb: 'cutover', window: w0, steps: done }, plain)).toEqual(
    screen(`
video w0: first opening, on blue
production video-production

     step                                                    estimate  begins at
1  ✔ Put blue in front                                            2 s

Everything is done.
`),
  );
});

test('no line is wider than the screen', () => {
  const long = steps(0).map((step) => ({ ...step, title: `${step.title} ${'and more words '.repeat(10)}`.trim() }));
  for (const columns of [60, 80, 100]) {
    for (const line of planScreen({ now: began, verb: 'cutover', window: w3, steps: long }, { ...plain, columns })) {
      expect(line.length).toBeLessThanOrEqual(columns);
    }
  }
});

test('times that earlier windows have measured say of how many runs; the others are called estimates', () => {
  const measured = steps(0).map((step) =>
    step.id === 'migrations' ? { ...step, estimateSeconds: 95, measured: { runs: 3, p90Seconds: 140 } } : step,
  );
  const lines = planScreen({ now: began, verb: 'cutover', window: w3, steps: measured }, plain);
  expect(lines[3]).toMatch(/ takes +from +begins at$/);
  expect(lines.find((line) => line.includes('migrations'))).toMatch(/ 1:35 min +3 runs +\+4:47 min$/);
  expect(lines.find((line) => line.includes('Stop blue'))).toMatch(/ 40 s +estimate +\+7 s$/);
});

test('with an hour the plan says by when to decide, now and once the migrations have begun, and whether it is too late', () => {
  const decision = {
    upBy: new Date(began + 7200_000).toISOString(),
    now: { decideBy: new Date(began + 7080_000).toISOString(), rollbackSeconds: 120, steps: 9, measuredSteps: 9 },
    migrated: { decideBy: new Date(began + 4800_000).toISOString(), rollbackSeconds: 2400, steps: 14, measuredSteps: 12 },
  };
  const lines = planScreen({ now: began, verb: 'cutover', window: w3, steps: steps(0), decision }, plain);
  expect(lines.slice(-7)).toEqual(
    screen(`

Must be up by 2026-03-01 04:00 UTC. Decide to go on or back by
  from here: 03:58:00, in 1:58 h
    a rollback takes 2:00 min (90th percentile; measured)
  once the migrations have begun: 03:20:00, in 1:20 h
    a rollback takes 40:00 min (90th percentile; 12 of its 14 steps measured,
    the others estimated)
`),
  );
  const late = planScreen(
    {
      now: began,
      verb: 'cutover',
      window: w3,
      steps: [...steps(0), { id: 'traffic.open', title: 'x', estimateSeconds: 7000, done: false }],
      decision,
    },
    colored,
  );
  expect(late.at(-1)).toBe('<red>Begun now, the new release is open after 3:13 h: too late for that hour.</>');
});

test('what the trial of the migrations found stands below the steps; what a rollback would lose is red, with the id to accept it by', () => {
  const trial = {
    seconds: 95.4,
    takes: 130,
    differences: [
      { id: 'public.users.login:dropped', verdict: 'bridged' as const, what: 'public.users.login is dropped; a declared bridge fills it' },
      { id: 'public.tags:key', verdict: 'lossy' as const, what: 'the key became another', loses: 'changes of public.tags' },
    ],
    rewritten: [{ table: 'public.charges', bytes: 81_920 }],
    locks: [{ table: 'public.charges', seconds: 12.2 }],
    deferrable: ['public.users.login:dropped'],
  };
  const lines = planScreen({ now: began, verb: 'cutover', window: w3, steps: steps(0), trial }, colored);
  expect(lines.slice(lines.findIndex((line) => line.includes('trial')))).toEqual([
    '<bold>The trial on a copy of production passed, in 1:35 min. The migrations change:</>',
    '  public.users.login:dropped  bridged  public.users.login is dropped; a',
    '    declared bridge fills it',
    '<red>  public.tags:key             lossy    the key became another; would lose</>',
    '<red>    changes of public.tags</>',
    '  rewritten: public.charges',
    '  locked against readers: public.charges for 12 s',
    '  a contract part, at the teardown, would save 1 bridge:',
    '  public.users.login:dropped',
  ]);
});

test('of migrations in two parts it says how many bridges the second one saved, what that part costs, and where the time is from', () => {
  const dropped = { id: 'public.users.login:dropped', verdict: 'declare' as const, what: 'public.users.login is dropped', loses: 'rows' };
  const trial = {
    ...{ seconds: 95.4, takes: 130, differences: [], rewritten: [], locks: [], deferrable: [] },
    contract: {
      ...{ seconds: 3, takes: 9, locks: [{ table: 'public.users', seconds: 2 }], rewritten: [{ table: 'public.users', bytes: 8192 }] },
      ...{ changes: [dropped, { id: 'public.users:old_index', verdict: 'carried' as const, what: 'x' }], saved: [dropped] },
    },
  };
  const measured = { runs: 1, p90Seconds: 130, trial: 'w3' };
  const night = [{ id: 'migrations', title: 'Run the migrations', estimateSeconds: 130, measured, done: false }];
  const lines = planScreen({ now: began, verb: 'cutover', window: w3, steps: night, trial }, plain);
  expect(lines[4]).toBe('1    Run the migrations                             2:10 min    trial        now');
  expect(lines.slice(lines.findIndex((line) => line.includes('passed')))).toEqual(
    screen(`
The trial on a copy of production passed, in 1:35 min. The migrations change:
  nothing that a rollback would have to carry back
  the contract part, at the teardown, changes 2 more and saves 1 bridge:
  public.users.login:dropped
  rewritten by the contract part: public.users
  locked against readers by the contract part: public.users for 2 s
  trial: the time was measured in the trial of w3
`),
  );
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(84);
});

describe.each([80, 200])('a plan that deletes says what, and what stays, at %i columns', (columns) => {
  const style = { ...plain, columns };
  const step = (id: string, title: string, deletes?: string) => ({
    ...{ id, title, estimateSeconds: 60, done: false },
    ...(deletes === undefined ? {} : { deletes }),
  });
  const fallbackStack = 'the stack video-fallback-w3 with the database video-fallback-w3';

  test('a stage that is taken back, before it asks', () => {
    const steps = [
      step('undo.trial', 'Delete the copy with its snapshot', 'the copy of the trial with its snapshot'),
      step('undo.fallback', 'Delete it', fallbackStack),
    ];
    const lines = planScreen({ verb: 'stage', undo: true, window: w3, steps, now: began, production: 'video-production' }, style);
    expect(lines.slice(0, 2)).toEqual([
      'video w3: the stage of green is taken back, and w3 closed',
      'production video-production, fallback video-fallback-w3',
    ]);
    const from = lines.findIndex((line) => line.startsWith('2 steps'));
    const said = `It deletes the copy of the trial with its snapshot, ${fallbackStack}. Production stays video-production.`;
    expect(lines[from]).toBe('2 steps, about 2:00 min. Start with: npx switchback stage --undo');
    expect(lines.slice(from + 1).join(' ')).toBe(said);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
  });

  // found by an operator: it named the database as production that was about to be deleted.
  test('a teardown after a rollback: the fallback is production, and the other database goes', () => {
    const steps = [step('standby.delete', "Delete green's stack", 'the stack video-green')];
    const lines = planScreen({ verb: 'teardown', window: w3, steps, now: began, production: 'video-fallback-w3' }, style);
    expect(lines[1]).toBe('production video-fallback-w3, retired video-production');
    expect(lines.at(-1)).toBe('It deletes the stack video-green. Production stays video-fallback-w3.');
  });

  test('a stage that makes a copy for its trial and deletes it takes nothing from anybody', () => {
    const steps = [step('trial.remove', 'Delete the copy with its snapshot', 'the copy of the trial with its snapshot')];
    expect(planScreen({ verb: 'stage', window: w3, steps, now: began }, style).join()).not.toContain('It deletes');
  });
});
