/** What was asked of a run is in its journal, is carried by whoever takes it up, and is repeated by every advice. */
import { again, askedOf } from '../../lib/engine/again';
import { holderOf, windowHeld } from '../../lib/engine/lease';
import { fold } from '../../lib/engine/window-view';
import type { VerbRequest } from '../../lib/operations/request';
import { carried, refuseDuringHold } from '../../lib/operations/run-verb';
import { spell } from '../../lib/report/advice';
import { nextCommands } from '../../lib/report/status';
import { flag, operator, Rig } from '../_helpers/runbook';

const bob = { who: 'bob', where: 'bob@phone' };
const request = (more: Partial<VerbRequest>): VerbRequest => ({ system: 'video', verb: 'teardown', run: 'run-2', by: bob, ...more });
const viewOf = async (rig: Rig) => fold((await rig.events()) as never)!;

/** A run that died in its second step. */
async function killed(verb: VerbRequest['verb'], asked: Partial<VerbRequest>): Promise<Rig> {
  const rig = new Rig();
  await rig.open();
  const world = new Set<string>();
  rig.store.beforeCreate = (_window, number) => {
    if (number > 5) throw new Error('killed');
  };
  await rig.advance([flag(world, 'a'), flag(world, 'b')], { verb, ...asked }).catch(() => undefined);
  rig.store.beforeCreate = undefined;
  return rig;
}

test('a teardown that was killed is taken up with what was asked of it, and advised so everywhere', async () => {
  const rig = await killed('teardown', { now: true, keepStandby: true, reason: 'the shop needs the room' });
  const view = await viewOf(rig);
  expect(view.current).toMatchObject({ now: true, keepStandby: true, ended: undefined, reason: 'the shop needs the room' });
  expect(carried(request({}), view)).toMatchObject({ now: true, keepStandby: true });
  // in the hold: it has begun, and nothing is said of a way back.
  expect(() => refuseDuringHold(request({}), { ...view, facts: () => ({ holdEndsAt: '2099-01-01T00:00:00Z' }) }, rig.clock)).not.toThrow();
  const asked = 'npx switchback teardown --now --keep-standby';
  expect(spell(again('teardown', view.current!))).toBe(asked);
  const status = { opened: true, live: 'green', releases: {}, window: view, now: rig.clock.time + 61_000 };
  expect(nextCommands(status as never).map(({ command }) => spell(command))).toContain(asked);
  // taken up, killed again and taken up once more: nothing is forgotten.
  rig.clock.time += 61_000;
  await rig.advance([flag(new Set(), 'a')], { verb: 'teardown', run: 'run-2', by: bob, deadline: 0 });
  expect((await viewOf(rig)).current).toMatchObject({ run: 'run-2', now: true, keepStandby: true, reason: 'the shop needs the room' });
});

test('another verb, and a run that is over, carry nothing', async () => {
  const view = await viewOf(await killed('rollback', { acceptLoss: true }));
  expect(carried(request({ verb: 'rollback' }), view)).toMatchObject({ acceptLoss: true });
  expect(carried(request({}), view)).toEqual(request({}));
  const over = { current: { ...view.current!, ended: 'finished' as const } };
  expect(carried(request({ verb: 'rollback' }), over)).toEqual(request({ verb: 'rollback' }));
});

test('an undo is never carried: whoever types a stage has not asked for it', async () => {
  const view = await viewOf(await killed('stage', { undo: true }));
  expect(spell(again('stage', view.current!))).toBe('npx switchback stage --undo');
  expect(carried(request({ verb: 'stage' }), view)).not.toHaveProperty('undo');
});

test('whoever comes second is advised to take over with what they asked for', async () => {
  const rig = await killed('teardown', {});
  const view = await viewOf(rig);
  const held = holderOf(view.current, 'run-2', rig.clock.time)!;
  expect(windowHeld(view, held, { verb: 'teardown', now: true, keepStandby: true }).next.map(spell)).toEqual([
    ...['npx switchback status --watch', 'npx switchback teardown --now --keep-standby --take-over'],
  ]);
});

test('each option stands where its verb takes it', () => {
  const all = askedOf({ acceptLoss: true, acceptedLosses: ['column.dropped:a.b', "a 'name'"], now: true, keepStandby: true, undo: true });
  expect((['stage', 'cutover', 'rollback', 'teardown'] as const).map((verb) => spell(again(verb, all)))).toEqual([
    'npx switchback stage --undo',
    `npx switchback cutover --accept-loss column.dropped:a.b 'a '\\''name'\\'''`,
    'npx switchback rollback --accept-loss',
    'npx switchback teardown --now --keep-standby',
  ]);
  expect(again('rollback', askedOf({}))).toEqual({ verb: 'rollback' });
  expect(operator.who).toBe('ada');
});
