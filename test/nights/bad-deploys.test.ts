/**
 * Deploys that must not happen, by the real CDK command line on the example: each is refused or fails with its reason,
 * rolls back, and customers notice nothing. And the one that must: the mended release after a first opening with a bad one.
 */
import { makeWorld, type World } from '../windows/bad-input/world';

let world: World;
beforeAll(async () => {
  world = await makeWorld(200);
  await world.must(world.cdk(['bootstrap', '--no-notices'], {}));
  await world.must(world.cdk(['deploy', 'shared', 'blue'], { blue: '1.0.1', green: 'none', window: 'none' }));
});
afterAll(() => world.end());

test('a first opening with a bad release is taken back, and the mended release opens the system', async () => {
  const blue = { blue: '1.0.0', green: 'none', window: 'none' };
  expect(await world.must(world.verb('cutover', ['--yes']), 1)).toContain('checks.smoke.failed');
  expect(await world.must(world.cdk(['deploy', 'blue'], blue), 1)).toContain('window w0 is open and uses blue');
  expect(await world.must(world.verb('stage', ['--undo', '--yes']), 6)).toContain('npm run rollback');

  expect(await world.must(world.verb('rollback', ['--yes']))).toContain('the system is closed again, as before its first opening');
  expect(await world.look()).toMatchObject({ maintenance: true, state: { opened: false } });
  expect((await world.look()).state?.window).toBeUndefined();
  expect((await world.pay('nobody')).status).toBe(503);
  expect(await world.sql('video-database', "select pg_has_role('video_blue', 'video_rights', 'usage') as writes")).toEqual([
    { writes: false },
  ]);
  expect(await world.must(world.verb('rollback', ['--yes']), 2)).toContain('no window of video is open: there is nothing to roll back');
  expect(await world.must(world.verb('status'))).toContain('npx cdk deploy blue');

  await world.must(world.cdk(['deploy', 'blue'], blue));
  expect(await world.must(world.verb('cutover', ['--yes']))).toContain('the system is open');
  await world.proveServedBy('1.0.0');
  expect(await world.must(world.verb('status'))).toContain('none open; the last was w0');
});

test('a deploy to the live color is refused with the reason', async () => {
  const { code, text } = await world.cdk(['deploy', 'blue'], { blue: '2.0.0', green: 'none', window: 'none' });
  expect(text).toContain('Switchback refuses this change: blue is live and stays as it is; what was to be deployed is');
  expect(text).toContain('npx cdk deploy green, and take it live with npm run cutover');
  expect(code).toBe(1);
  expect(await world.stackStatus('video-blue')).toBe('UPDATE_ROLLBACK_COMPLETE');
  await world.proveServedBy('1.0.0');
});

test('a release that does not exist', async () => {
  const { code, text } = await world.cdk(['deploy', 'green'], { green: '9.9.9', window: 'none' });
  expect(text).toContain('video:9.9.9');
  expect(code).toBe(1);
  expect(await world.stackStatus('video-green')).toBe('ROLLBACK_COMPLETE');
  expect((await world.look()).live).toBe('blue');
  await world.proveServedBy('1.0.0');
});

test('a release that never becomes healthy', async () => {
  const { code, text } = await world.cdk(['deploy', 'green'], { green: '2.0.2', window: 'none' });
  expect(text).toMatch(/health/i);
  expect(code).toBe(1);
  expect(await world.stackStatus('video-green')).toBe('ROLLBACK_COMPLETE');
  await world.proveServedBy('1.0.0');
});
