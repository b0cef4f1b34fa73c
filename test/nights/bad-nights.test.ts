/**
 * Nights that go wrong, on the example as the real CDK command line deploys it: each stops with one sentence, the world
 * is known, and one command leaves the old release able to serve. The tests are one story and run in its order.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { makeWorld, type World } from '../windows/bad-input/world';

let world: World;
beforeAll(async () => {
  world = await makeWorld(200);
  await world.must(world.cdk(['bootstrap', '--no-notices'], {}));
  await world.must(world.cdk(['deploy', 'shared', 'blue'], { green: 'none', window: 'none' }));
  await world.must(world.verb('cutover', ['--yes']));
});
afterAll(() => world.end());

describe('before any window', () => {
  test.each(['rollback', 'teardown'])('%s with nothing open', async (verb) => {
    const { code, text } = await world.verb(verb, ['--yes']);
    expect(text).toContain('window.none: no window of video is open');
    expect(text).toContain('npm run status');
    expect(code).toBe(2);
  });

  test('a cutover without a standby color', async () => {
    const { code, text } = await world.verb('cutover', ['--yes']);
    expect(text).toContain('window.no-standby: blue is live and green has not been deployed');
    expect(text).toContain('npx cdk deploy green');
    expect(code).toBe(2);
    await world.proveServedBy('1.0.0');
  });
});

describe('a window whose migrations fail half-way', () => {
  test('there is something to do', async () => {
    await world.must(world.cdk(['deploy', 'green', 'fallback-w1'], { window: '1' }));
    expect(await world.verb('plan', ['--detailed-exitcode'])).toMatchObject({ code: 3 });
    expect(await world.verb('plan')).toMatchObject({ code: 0 });
  });

  test('a health check that never turns green stops the stage', async () => {
    writeFileSync(world.sick, '');
    const { code, text } = await world.verb('stage', ['--patience', '10']);
    rmSync(world.sick);
    expect(text).toContain('step.too-slow: "Check that green is up, healthy and runs its release" is not done after 10 s: ');
    expect(text).toMatch(/(player|api|admin|site): \d of \d (targets healthy|tasks run)/);
    expect(text).toContain('when the reason is gone: npm run stage');
    expect(code).toBe(1);
    await world.proveServedBy('1.0.0');
  });

  test('a replica that never catches up stops the stage', async () => {
    const [startup] = await world.sql('video-fallback-w1', "select pid from pg_stat_activity where backend_type = 'startup'");
    const replays = Number(startup?.['pid']);
    process.kill(replays, 'SIGSTOP');
    const { code, text } = await world.verb('stage', ['--patience', '15']).finally(() => process.kill(replays, 'SIGCONT'));
    expect(text).toContain('is not done after 15 s');
    expect(text).toContain('video-fallback-w1');
    expect(text).toContain('when the reason is gone: npm run stage');
    expect(code).toBe(1);
    await world.proveServedBy('1.0.0');
  });

  test('when the reasons are gone, the same command goes on', () => world.must(world.verb('stage')));

  test('a deploy of what the open window uses is refused', async () => {
    const { code, text } = await world.cdk(['deploy', 'green', '--exclusively'], { green: '2.0.1', window: '1' });
    expect(text).toContain('Switchback refuses this change: window w1 is open and uses green');
    expect(text).toContain('npm run teardown');
    expect(code).toBe(1);
    expect((await world.look()).manifest.green?.release.version).toBe('2.0.0');
  });

  test('the cutover stops with the last lines of the migrations, the maintenance answer in front', async () => {
    // days go by between a stage and its night: numbers that production has given out since are not the fallback's to give.
    await world.sql(
      'video-database',
      "insert into charges (user_id, ref, cents) select 1, 'since the stage ' || n, 100 from generate_series(1, 100) n",
    );
    await world.sql('video-database', "insert into charges (user_id, ref, cents) values (1, 'a gift', 0)");
    const { code, text } = await world.verb('cutover', ['--yes']);
    expect(text).toContain('0006_charges_to_accounts');
    expect(text).toMatch(/expand 0007_charges_belong_to_accounts failed: /);
    expect(text).toContain('migrations.failed: the migration task ');
    expect(text).toContain('ended with exit code 1');
    expect(text).toContain('npm run rollback');
    expect(code).toBe(1);
    expect(await world.look()).toMatchObject({ live: 'blue', maintenance: true });
    expect((await world.pay('during maintenance')).status).toBe(503);
  });

  test('the worker that ignores SIGTERM was killed, and nothing moved on before it was gone', async () => {
    const { manifest } = await world.look();
    const { cluster } = manifest.shared;
    const serviceName = manifest.blue?.workers.find(({ name }) => name === 'clock')?.service;
    const { taskArns } = await world.sandbox.call('ecs', 'ListTasks', { cluster, serviceName, desiredStatus: 'STOPPED' });
    const { tasks } = await world.sandbox.call('ecs', 'DescribeTasks', { cluster, tasks: taskArns });
    expect(
      tasks.map((task: { lastStatus: string; containers: { exitCode: number }[] }) => [task.lastStatus, task.containers[0]?.exitCode]),
    ).toEqual([['STOPPED', 137]]);
  });

  test('one command, and the old release serves and writes', async () => {
    await world.must(world.verb('rollback', ['--yes']));
    expect(await world.look()).toMatchObject({ live: 'blue', maintenance: false });
    await world.proveServedBy('1.0.0');
  });

  test('the next try is another window', async () => {
    const { code, text } = await world.verb('cutover', ['--yes']);
    expect(text).toContain('window.rolled-back: w1 has been rolled back; the next try is another window');
    expect(text).toContain('npm run teardown -- --now');
    expect(code).toBe(2);
    await world.must(world.verb('teardown', ['--yes', '--now', '--keep-standby']));
    const again = await world.verb('stage');
    expect(again.text).toContain('window.no-fallback: the next window of video has no fallback database');
    expect(again.text).toContain('npx cdk deploy fallback-w2');
    expect(again.code).toBe(2);
  });
});

describe('a window whose smoke tests fail', () => {
  test('the cutover stops before customers see anything, and one command takes it back', async () => {
    // what made the migrations fail is gone.
    await world.sql('video-fallback-w1', "delete from charges where ref = 'a gift'");
    await world.must(world.cdk(['deploy', 'green', 'fallback-w2'], { green: '2.0.1', window: '2' }));
    const { code, text } = await world.verb('cutover', ['--yes', '--patience', '20']);
    expect(text).toContain('site/ answered 500, not 200');
    expect(text).toContain('npm run rollback');
    expect(code).toBe(1);
    expect(await world.look()).toMatchObject({ live: 'blue', maintenance: true });

    await world.must(world.verb('rollback', ['--yes']));
    await world.proveServedBy('1.0.0');
    await world.must(world.verb('teardown', ['--yes', '--now', '--keep-standby']));
  });
});

describe('a window that is opened', () => {
  test('a second operator is told who has the window', async () => {
    await world.must(world.cdk(['deploy', 'green', 'fallback-w3'], { window: '3' }));
    const first = world.verb('cutover', ['--yes', '--go-at-gate', '--by', 'Ada']);
    await until(async () => (await world.look()).state?.window === 'w3');
    // in her own terminal: the runner function would have her wait until Ada's invocation pauses at the gate.
    const { code, text } = await world.verb('cutover', ['--yes', '--by', 'Grace', '--here']);
    expect(text).toContain('window.held: w3 is in the hands of Ada');
    expect(text).toContain('npm run status');
    expect(code).toBe(5);
    await world.must(first);
    expect(await world.look()).toMatchObject({ live: 'green', maintenance: false });
    await world.proveServedBy('2.0.0');
  });

  test('a teardown during the hold is refused', async () => {
    const { code, text } = await world.verb('teardown', ['--yes']);
    expect(text).toMatch(
      /teardown\.hold: the hold of w3 ends at \d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? \S+; until then what a rollback needs is kept/,
    );
    expect(text).toContain('npm run teardown -- --now');
    expect(code).toBe(6);
  });

  test('a teardown while the standby color still works for somebody is refused', async () => {
    const { manifest } = await world.look();
    const service = manifest.blue?.workers.find(({ name }) => name === 'billing')?.service;
    await world.sandbox.call('ecs', 'UpdateService', { cluster: manifest.shared.cluster, service, desiredCount: 1 });
    const { code, text } = await world.verb('teardown', ['--yes', '--now']);
    await world.sandbox.call('ecs', 'UpdateService', { cluster: manifest.shared.cluster, service, desiredCount: 0 });
    expect(text).toContain(`teardown.standby-in-use: blue's worker ${service} still runs`);
    expect(code).toBe(6);
  });

  test('a teardown while the standby color serves customers is refused', async () => {
    await world.must(world.verb('rollback', ['--traffic-only', '--yes']));
    expect((await world.look()).live).toBe('blue');
    const { code, text } = await world.verb('teardown', ['--yes', '--now']);
    expect(text).toContain('blue is live: its rules are in front');
    expect(text).toContain('npm run rollback');
    expect(code).toBe(6);
    expect(await world.stackStatus('video-blue')).toBe('CREATE_COMPLETE');
  });

  test('one command, and the old release serves and writes', async () => {
    await world.must(world.verb('rollback', ['--yes']));
    expect(await world.look()).toMatchObject({ live: 'blue', maintenance: false });
    await world.proveServedBy('1.0.0');
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come to that within 120 s');
    await new Promise((done) => setTimeout(done, 100));
  }
}
