/**
 * The last terminal is gone when the decision time comes: the look that the window's schedule makes every five minutes does what the
 * policy says. Everything is real but the hours, which are told to the look as they would be when it comes.
 */

import { makeAws } from '../../lib/aws';
import { type Clock, wallClock } from '../../lib/base/clock';
import type { JournalEvent } from '../../lib/engine/events';
import { handleRequest } from '../../lib/operations/handle-request';
import type { Reply, VerbRequest, WatchRequest } from '../../lib/operations/request';
import { makeWorld, type World } from '../windows/bad-input/world';

let world: World;
beforeAll(async () => {
  world = await makeWorld(200);
  await world.must(world.cdk(['bootstrap', '--no-notices'], {}));
  await world.must(world.cdk(['deploy', 'shared', 'blue'], { green: 'none', window: 'none' }));
  await world.must(world.verb('cutover', ['--yes']));
  await world.must(world.cdk(['deploy', 'green', 'fallback-w1'], { window: '1' }));
});
afterAll(() => world.end());

const hour = (hours: number): Clock => ({ ...wallClock, now: () => Date.now() + hours * 3_600_000 });
const inHours = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();
const ada = { who: 'ada', where: 'ada@laptop' };
const schedule = { who: 'EventBridge Scheduler', where: 'video-w1-watch' };

/** As the runner function executes it. */
const run = (request: Omit<VerbRequest, 'system'> | Omit<WatchRequest, 'system'>, clock: Clock): Promise<Reply> =>
  handleRequest({ system: 'video', ...request }, { aws: makeAws(), clock, runner: 'video-runner', deadline: Number.POSITIVE_INFINITY });
const look = (hours: number): Promise<Reply> =>
  run({ verb: 'teardown', watch: true, window: 'w1', run: 'watch-w1', by: schedule }, hour(hours));

/** The cutover up to its gate. The schedule that it makes is taken away: it would look by itself, at its own time. */
async function toTheGate(name: string, upBy: NonNullable<VerbRequest['upBy']>, clock: Clock): Promise<void> {
  expect(await run({ verb: 'cutover', run: name, by: ada, upBy }, clock)).toMatchObject({ state: 'gate', step: 'gate.go' });
  const { manifest } = await world.look();
  await makeAws().schedules.remove(manifest.shared.schedule.group, 'video-w1-watch');
}

async function journal(): Promise<JournalEvent[]> {
  const { manifest } = await world.look();
  return (await makeAws().journal(manifest.shared.journalBucket, 'video').read('w1', 1)).map((text) => JSON.parse(text) as JournalEvent);
}

test('under the policy to hold, the look says so in the journal, once, and changes nothing', async () => {
  const upBy = { upBy: inHours(1), atDecision: 'hold' as const };
  await toTheGate('night', upBy, wallClock);
  const before = (await journal()).length;
  await look(0.2);
  expect((await journal()).slice(before).filter(({ type }) => type !== 'hold.seen')).toEqual([]);
  await look(1.1);
  await look(1.2);
  const said = (await journal()).slice(before).filter(({ type }) => type !== 'hold.seen');
  expect(said).toMatchObject([{ type: 'decision.unanswered', does: 'hold', upBy: upBy.upBy, by: schedule }]);
  expect(await world.look()).toMatchObject({ live: 'blue', maintenance: true });
  expect((await world.verb('status')).text).toMatch(/must be up by .*; nobody was there at .*, so it holds/);
});

test('under the policy to roll back, it rolls back, and customers are served by the old release', async () => {
  // given more time from another machine; then nobody goes on.
  const upBy = { upBy: inHours(3), atDecision: 'rollback' as const };
  await toTheGate('later', upBy, hour(1.5));
  await look(2);
  expect(await world.look()).toMatchObject({ maintenance: true });
  expect(await look(3.1)).toMatchObject({ state: 'finished', window: 'w1' });
  expect(await world.look()).toMatchObject({ live: 'blue', maintenance: false, state: { production: 'video-fallback-w1' } });
  await world.proveServedBy('1.0.0');
  const rollback = (await journal()).find((event) => event.type === 'run.started' && event.verb === 'rollback');
  expect(rollback).toMatchObject({
    by: schedule,
    reason: `nobody was there at the decision time for ${upBy.upBy}; the window's policy is to roll back`,
  });
  // and that was all: the next look finds nothing left to do.
  const written = (await journal()).length;
  expect(await look(3.5)).toMatchObject({ state: 'finished' });
  expect(await journal()).toHaveLength(written);
});
