/** A run that died after closing its window, before its last word (found by a walk through every kill point). */

import { randomUUID } from 'node:crypto';
import type { Aws } from '../../lib/aws';
import { switchback } from '../../lib/base/advice';
import type { EventBody, Verb } from '../../lib/engine/events';
import { Journal } from '../../lib/engine/journal';
import { fold } from '../../lib/engine/window-view';
import type { VerbRequest } from '../../lib/operations/request';
import { runVerb } from '../../lib/operations/run-verb';
import { manifest, operator, Rig, unopenedSystem, window } from '../_helpers/runbook';

const state = { production: 'video-db', opened: true };
const opened: EventBody = { type: 'window.opened', window, manifest, state };
const closed: EventBody = { type: 'window.closed', outcome: 'done' };
const started = (verb: Verb): EventBody => ({ type: 'run.started', verb, plan: [], runner: 'test' });
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
    type: (request: Pick<VerbRequest, 'verb' | 'undo'>) =>
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
  const again = 'undo' in request ? switchback('stage', '--undo', '--take-over') : switchback(request.verb, '--take-over');
  expect(await type(request)).toMatchObject({ state: 'stopped', code: 'window.held', next: expect.arrayContaining([again]) });
  rig.clock.time += 61_000;
  expect(await type(request)).toEqual({ state: 'finished', window: 'w1' });
  expect((await rig.events()).at(-1)).toMatchObject({ type: 'run.finished', verb: request.verb, by: { who: 'eve' } });
  // from here on the next one is meant.
  expect(await type(request)).toMatchObject({ state: 'stopped', code: expect.stringMatching(/^window\.(no|none)/) });
});

test('a first opening that was closed again is opened anew in its journal, by one of two who try, and nothing of it counts as done', async () => {
  const first = { ...window, name: 'w0', from: undefined, fallback: undefined };
  const rig = new Rig();
  const unopened = { production: 'video-db', opened: false };
  const journal = () => new Journal(rig.store, 'w0', rig.clock, randomUUID);
  const before: EventBody[] = [
    { type: 'window.opened', window: first, manifest, state: unopened },
    started('cutover'),
    { type: 'step.started', step: 'migrations' },
    { type: 'step.done', step: 'migrations', seconds: 1, acted: true, facts: { attempt: 1 } },
    started('rollback'),
    closed,
    { type: 'run.finished', verb: 'rollback', seconds: 1 },
  ];
  const writer = journal();
  for (const event of before) await writer.append('dead', operator, event);
  rig.clock.time += 61_000;
  const aws = unopenedSystem(rig);
  const stage = (run: string) =>
    runVerb(
      { system: 'video', verb: 'stage', run, by: { who: run, where: `${run}@desk` } },
      { aws, clock: rig.clock, runner: 'test', deadline: 0 },
    );
  const replies = await Promise.all([stage('ada'), stage('eve')]);
  expect(replies.map((reply) => (reply.state === 'stopped' ? reply.code : reply.state)).sort()).toEqual([
    'continue',
    'journal.other-writer',
  ]);
  const read = journal();
  await read.refresh();
  expect(read.events.filter(({ type }) => type === 'window.opened').map(({ number }) => number)).toEqual([1, before.length + 1]);
  const view = fold(read.events);
  expect(view).toMatchObject({ name: 'w0', closed: undefined });
  expect(view?.openedAt).toBe(read.events[before.length]?.at);
  expect([view?.begun('cutover', 'migrations'), view?.facts('migrations'), view?.series.rollback]).toEqual([false, undefined, undefined]);
});

test('another verb is about the next window', async () => {
  const { rig, type } = await after(started('teardown'), closed);
  rig.clock.time += 61_000;
  expect(await type({ verb: 'cutover' })).toMatchObject({ state: 'stopped', code: 'window.no-live' });
  const undone = await after(started('stage'), undoing, closed);
  undone.rig.clock.time += 61_000;
  expect(await undone.type({ verb: 'stage' })).toMatchObject({ state: 'stopped', code: 'window.no-live' });
});
