/** The teardown that begins by itself is refused: nobody is at a terminal, and every later status says so. */
import type { Aws } from '../../lib/aws';
import type { EventBody } from '../../lib/engine/events';
import { fold } from '../../lib/engine/window-view';
import { runVerb } from '../../lib/operations/run-verb';
import { scheduledRun } from '../../lib/steps/schedule';
import { manifest, operator, Rig, window } from '../_helpers/runbook';

const state = { production: 'video-db', opened: true };
const by = { who: 'EventBridge Scheduler', where: 'video-w1-teardown' };
const refusal = 'w1 is neither cut over nor rolled back: there is no standby to tear down';

async function made(...events: EventBody[]) {
  const rig = new Rig();
  const journal = rig.journal();
  for (const event of [{ type: 'window.opened', window, manifest, state } as const, ...events])
    await journal.append('dead', operator, event);
  rig.clock.time += 61_000;
  const aws = {
    settings: { manifest: async () => ({ manifest, state }), state: async () => state },
    traffic: { order: async () => new Map() },
    journal: () => rig.store,
  } as unknown as Aws;
  return {
    rig,
    comes: (run = scheduledRun('w1')) =>
      runVerb(
        { system: 'video', verb: 'teardown', window: 'w1', run, by },
        { aws, clock: rig.clock, runner: 'test', deadline: Number.POSITIVE_INFINITY },
      ),
    view: async () => {
      const its = rig.journal();
      await its.refresh();
      return fold(its.events)!;
    },
    noted: async () => (await rig.events()).filter(({ type }) => type === 'teardown.refused'),
  };
}

test('what refused it is noted once, with what to type, and shown until a teardown begins', async () => {
  const { rig, comes, view, noted } = await made();
  expect(await comes()).toMatchObject({ state: 'stopped', code: 'teardown.nothing-done' });
  rig.clock.time += 300_000;
  expect(await comes()).toMatchObject({ state: 'stopped', code: 'teardown.nothing-done' });
  expect(await noted()).toEqual([expect.objectContaining({ code: 'teardown.nothing-done', message: refusal, by })]);
  const { refusedTeardown, current } = await view();
  // it is a note: it takes the window from nobody.
  expect(current).toBeUndefined();
  expect(refusedTeardown).toMatchObject({ code: 'teardown.nothing-done', message: refusal, next: expect.any(Array) });
  const later = rig.journal();
  await later.refresh();
  await later.append('run-9', operator, { type: 'run.started', verb: 'teardown', plan: [], runner: 'test' });
  expect((await view()).refusedTeardown).toBeUndefined();
});

test('a person at a terminal hears it there, and nothing is noted', async () => {
  const { comes, noted } = await made();
  expect(await comes('typed')).toMatchObject({ state: 'stopped', code: 'teardown.nothing-done' });
  expect(await noted()).toEqual([]);
});

test('before its time it is not refused, it waits', async () => {
  const { comes, noted } = await made(
    { type: 'run.started', verb: 'cutover', plan: [], runner: 'test' },
    { type: 'step.done', step: 'hold.schedule', seconds: 1, acted: true, facts: { holdEndsAt: '2099-01-01T00:00:00.000Z' } },
    { type: 'run.finished', verb: 'cutover', seconds: 1 },
  );
  expect(await comes()).toMatchObject({ state: 'stopped', code: 'teardown.hold' });
  expect(await noted()).toEqual([]);
});
