/**
 * Several people and terminals at one window, as processes of their own against the sandbox: one is killed, one is
 * interrupted, windows are taken over, a gate is answered from elsewhere, a finished cutover is typed again. One story,
 * run in its order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { makeAws } from '../../lib/aws';
import type { JournalEvent } from '../../lib/engine/events';
import { clean, type Run, root } from '../windows/bad-input/script';
import { makeWorld, type World } from '../windows/bad-input/world';

let world: World;
const started: ChildProcess[] = [];
beforeAll(async () => {
  world = await makeWorld(200);
  await world.must(world.cdk(['bootstrap', '--no-notices'], {}));
  await world.must(world.cdk(['deploy', 'shared', 'blue'], { green: 'none', window: 'none' }));
  await world.must(world.verb('cutover', ['--yes']));
  await world.must(world.cdk(['deploy', 'green', 'fallback-w1'], { window: '1' }));
});
afterAll(async () => {
  for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await world.end();
});

interface Terminal {
  readonly child: ChildProcess;
  /** What it has shown so far, as one line without colors. */
  text(): string;
  readonly ended: Promise<Run & { readonly signal: NodeJS.Signals | null }>;
}

/** A verb in a process that the test can signal, as somebody who operates; with `--here` it does the runner's work, and needs its rights; with `tty`, on a terminal, as a person has it. */
function terminal(verb: string, args: readonly string[], { tty = false } = {}): Terminal {
  const words = [process.execPath, '--import', 'tsx', 'scripts/verb.ts', verb, '--system', 'video', ...args];
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const [file = '', ...rest] = tty ? ['script', '-qefc', quoted, '/dev/null'] : words;
  const child = spawn(file, rest, {
    cwd: root,
    env: clean({ ...(args.includes('--here') ? world.sandbox.env : world.operator), CI: 'true', TERM: 'dumb' }),
  });
  started.push(child);
  let shown = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      shown += part;
    });
  const text = () => shown.replace(/\s+/g, ' ');
  const ended = new Promise<Awaited<Terminal['ended']>>((resolve) => {
    child.once('close', (code, signal) => resolve({ code: code ?? -1, signal, stdout: '', text: text() }));
  });
  return { child, text, ended };
}

async function journal(): Promise<JournalEvent[]> {
  const { manifest } = await world.look();
  return (await makeAws().journal(manifest.shared.journalBucket, 'video').read('w1', 1)).map((text) => JSON.parse(text) as JournalEvent);
}

const by = (name: string) => (event: JournalEvent) => event.by.who.startsWith(name);

/** The events of the run that somebody began last. */
async function runOf(name: string): Promise<JournalEvent[]> {
  const events = await journal();
  const began = events.findLast((event) => event.type === 'run.started' && by(name)(event));
  return began ? events.filter((event) => event.run === began.run && event.number >= began.number) : [];
}

async function until<T>(look: () => Promise<T | undefined | false>, seconds = 100): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > deadline) throw new Error(`it did not come to that within ${seconds} s: ${look}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

const waitsAt = (name: string, step: string) =>
  until(async () => {
    const last = (await runOf(name)).findLast((event) => 'step' in event);
    return last?.type === 'step.progress' && last.step === step ? last : undefined;
  });

/** A process that was stopped; one that a promotion has ended meanwhile needs nothing. */
function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Green is not healthy: a cutover waits at its second step. */
const sick = () => writeFileSync(world.sick, '');
const well = () => rmSync(world.sick, { force: true });

test('a terminal that runs the steps itself is killed: who comes next is told at once whose window it is, and how to go on', async () => {
  sick();
  const ada = terminal('cutover', ['--here', '--yes', '--by', 'Ada', '--reason', 'CHG-4711']);
  await waitsAt('Ada', 'release.ready');
  ada.child.kill('SIGKILL');
  expect((await ada.ended).signal).toBe('SIGKILL');

  const carol = await terminal('cutover', ['--yes', '--by', 'Carol']).ended;
  expect(carol.text).toMatch(
    /window\.held: w1 is in the hands of Ada \(arn:\S+\) on \S+@\S+: cutover since 20[\d-]+ [\d:]+ \S+, because: CHG-4711/,
  );
  expect(carol.text).toMatch(/Its lease ends at 20[\d-]+ [\d:]+ \S+ unless it writes again\./);
  expect(carol.text).toContain('npm run status -- --watch');
  expect(carol.text).toContain('npm run cutover -- --take-over');
  expect(carol.code).toBe(5);
});

test('its window is taken over when its lease has ended, and Ctrl-C stops the new run after its step', async () => {
  const bob = terminal('cutover', ['--yes', '--take-over', '--by', 'Bob']);
  await waitsAt('Bob', 'release.ready');
  expect(bob.text()).toMatch(/taking over in \d+ s, unless it writes again/);
  expect((await runOf('Bob'))[0]).toMatchObject({ takeOver: { who: expect.stringContaining('Ada') } });

  bob.child.kill('SIGINT');
  await until(async () => (await journal()).some((event) => event.type === 'stop.asked' && by('Bob')(event)));
  well();
  const { code, text } = await bob.ended;
  expect(text).toContain('Ctrl-C: asked to stop after this step');
  expect(text).toContain('run.stop-asked: Bob');
  for (const command of ['npm run cutover', 'npm run rollback', 'npm run status']) expect(text).toContain(command);
  expect(code).toBe(130);
  const run = await runOf('Bob');
  expect(run.filter((event) => 'step' in event || event.type === 'run.stopped').slice(-2)).toMatchObject([
    { type: 'step.done', step: 'release.ready' },
    { type: 'run.stopped', code: 'run.stop-asked', exit: 130 },
  ]);
});

test('the same verb goes on; a living holder is asked to stop, ends with exit code 5, and says who has the window now', async () => {
  const [startup] = await world.sql('video-fallback-w1', "select pid from pg_stat_activity where backend_type = 'startup'");
  const replays = Number(startup?.['pid']);
  process.kill(replays, 'SIGSTOP');
  let eve: Terminal;
  try {
    const dora = terminal('cutover', ['--yes', '--by', 'Dora']);
    await waitsAt('Dora', 'fork.slot');
    // the runner function is busy with Dora's run; it is not asked.
    const carol = await terminal('rollback', ['--yes', '--by', 'Carol']).ended;
    expect(carol).toMatchObject({ code: 5, text: expect.stringContaining('window.held: w1 is in the hands of Dora') });
    expect(carol.text).toContain('npm run rollback -- --take-over');
    // what Bob's run confirmed is not done again.
    expect((await runOf('Dora')).some((event) => event.type === 'step.started' && event.step === 'release.ready')).toBe(false);
    eve = terminal('cutover', ['--take-over', '--by', 'Eve'], { tty: true });
    await until(async () => eve.text().includes('Type video to go on'));
    expect(eve.text()).not.toContain('Start with');
    eve.child.stdin?.write('video\n');
    await until(async () => (await journal()).some((event) => event.type === 'stop.asked' && event.takeOver));
    process.kill(replays, 'SIGCONT');
    const { code, text } = await dora.ended;
    expect(text).toMatch(/window\.taken-over: w1 was taken over by Eve \(arn:\S+\) on \S+@\S+ at 20[\d-]+ [\d:]+ \S+/);
    expect(code).toBe(5);
  } finally {
    goOn(replays);
  }
  await until(async () => (await runOf('Eve')).some((event) => event.type === 'gate.asked'));

  // Eve is asked at her terminal; Fred answers from his, and both see the end.
  const fred = terminal('cutover', ['--answer', 'go', '--reason', 'invoices checked', '--by', 'Fred']);
  expect(await fred.ended).toMatchObject({ code: 0, text: expect.stringContaining('w1 is cut over') });
  const seen = await eve.ended;
  expect(seen.text).toMatch(/go by Fred \(arn:\S+\) on \S+@\S+: invoices checked/);
  expect(seen.code).toBe(0);
  expect(await world.look()).toMatchObject({ live: 'green', maintenance: false });
  await world.proveServedBy('2.0.0');
});

test('the plan of a stage says what a stage would', async () => {
  for (const args of [terminal('stage', []), terminal('plan', ['--verb', 'stage'])]) {
    const { code, text } = await args.ended;
    expect(text).toContain('stage.over: the cutover of w1 is done: there is nothing left to stage');
    expect(code).toBe(2);
  }
});

test('a finished cutover typed again ends at once and moves nothing', async () => {
  const { manifest } = await world.look();
  const listener = manifest.shared.listeners[0]?.arn;
  const rules = () => world.sandbox.call('elbv2', 'DescribeRules', { ListenerArn: listener });
  const [before, written] = [await rules(), (await journal()).length];
  for (const more of [[], ['--here']]) {
    const again = await terminal('cutover', ['--yes', '--by', 'Grace', ...more]).ended;
    expect(again.text).toMatch(/w1 is cut over; rollback possible until \d{4}-\d\d-\d\d/);
    expect(again.code).toBe(0);
  }
  expect(await rules()).toEqual(before);
  expect(await journal()).toHaveLength(written);
  await world.proveServedBy('2.0.0');
});
