/**
 * Deploys that must not happen, by the real CDK command line on the example: each is refused or fails with its reason,
 * rolls back, and customers notice nothing.
 */
import { makeWorld, type World } from './bad-input/world';

let world: World;
beforeAll(async () => {
  world = await makeWorld(200);
  await world.must(world.cdk(['bootstrap', '--no-notices'], {}));
  await world.must(world.cdk(['deploy', 'shared', 'blue'], { green: 'none', window: 'none' }));
  await world.must(world.verb('cutover', ['--yes']));
});
afterAll(() => world.end());

test('a deploy to the live color is refused with the reason', async () => {
  const { code, text } = await world.cdk(['deploy', 'blue'], { blue: '2.0.0', green: 'none', window: 'none' });
  expect(text).toContain('Switchback refuses this change: blue is live and stays as it is; what was to be deployed is');
  expect(text).toContain('Deploy it to green and take it live with npm run cutover');
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
