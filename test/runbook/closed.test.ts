/** A run that died after closing its window, before its last word (found by a walk through every kill point). */
import type { Aws } from '../../lib/aws';
import type { EventBody } from '../../lib/runbook/events';
import { type Request, runVerb } from '../../lib/runbook/verbs';
import { manifest, operator, Rig, window } from '../_helpers/runbook';

const state = { production: 'video-db', opened: true };
const opened: EventBody = { type: 'window.opened', window, manifest, state };
const closed: EventBody = { type: 'window.closed', outcome: 'done' };
const started = (verb: 'cutover' | 'stage' | 'teardown'): EventBody => ({ type: 'run.started', verb, plan: [], runner: 'test' });
const undoing: EventBody = { type: 'step.started', step: 'undo.trial' };

async function after(...events: EventBody[]) {
  const rig = new Rig();
  const journal = rig.journal();
  for (const event of [opened, ...events]) await journal.append('dead', operator, event);
  const aws = {
    settings: { manifest: async () => ({ manifest: { ...manifest, fallbacks: {} }, state }) },
    traffic: { order: async () => new Map() },
    journal: () => rig.store,
  } as unknown as Aws;
  return {
    rig,
    type: (request: Pick<Request, 'verb' | 'undo'>) =>
      runVerb(
        { system: 'video', run: 'again', by: { who: 'eve', where: 'eve@desk' }, ...request },
        { aws, clock: rig.clock, runner: 'test', deadline: Number.POSITIVE_INFINITY },
      ),
  };
}

test.each([
  [{ verb: 'cutover' as const }, [started('cutover'), closed]],
  [{ verb: 'teardown' as const }, [started('teardown'), closed]],
  [{ verb: 'stage' as const, undo: true }, [started('stage'), undoing, closed]],
])('%j typed again says the last word, and opens no other window', async (request, events) => {
  const { rig, type } = await after(...events);
  const again = `npm run ${request.verb} -- ${'undo' in request ? '--undo ' : ''}--take-over`;
  expect(await type(request)).toMatchObject({ state: 'stopped', code: 'window.held', next: expect.arrayContaining([again]) });
  rig.clock.time += 61_000;
  expect(await type(request)).toEqual({ state: 'finished', window: 'w1' });
  expect((await rig.events()).at(-1)).toMatchObject({ type: 'run.finished', verb: request.verb, by: { who: 'eve' } });
  // from here on the next one is meant.
  expect(await type(request)).toMatchObject({ state: 'stopped', code: expect.stringMatching(/^window\.(no|none)/) });
});

test('another verb is about the next window', async () => {
  const { rig, type } = await after(started('teardown'), closed);
  rig.clock.time += 61_000;
  expect(await type({ verb: 'cutover' })).toMatchObject({ state: 'stopped', code: 'window.no-live' });
  const undone = await after(started('stage'), undoing, closed);
  undone.rig.clock.time += 61_000;
  expect(await undone.type({ verb: 'stage' })).toMatchObject({ state: 'stopped', code: 'window.no-live' });
});
