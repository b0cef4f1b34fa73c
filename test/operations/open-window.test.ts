/** What keeps a window from being opened; nothing is written then. */
import { switchback } from '../../lib/base/advice';
import type { VerbRequest } from '../../lib/operations/request';
import { runVerb } from '../../lib/operations/run-verb';
import { manifest, Rig, unopenedSystem } from '../_helpers/runbook';

async function open(more: Partial<VerbRequest> = {}, status?: string) {
  const rig = new Rig();
  const asked: string[] = [];
  const aws = unopenedSystem(rig, async (stack) => {
    asked.push(stack);
    return status;
  });
  const reply = await runVerb(
    { system: 'video', verb: 'stage', run: 'ada', by: { who: 'ada', where: 'ada@desk' }, ...more },
    { aws, clock: rig.clock, runner: 'test', deadline: 0 },
  );
  return { asked, reply, code: reply.state === 'stopped' ? reply.code : reply.state, events: rig.store.objects.size };
}

// A deploy that began before the window: the guard has let it through, and nobody would notice before the release is proven at night.
test.each(['CREATE_IN_PROGRESS', 'UPDATE_IN_PROGRESS', 'UPDATE_ROLLBACK_IN_PROGRESS', 'DELETE_IN_PROGRESS'])(
  'no window is opened while a stack of it is in %s',
  async (status) => expect(await open({}, status)).toMatchObject({ asked: [manifest.blue?.stack], code: 'window.deploying', events: 0 }),
);

test.each(['CREATE_COMPLETE', 'UPDATE_ROLLBACK_COMPLETE', 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS'])(
  '%s is a stack at rest',
  async (status) => {
    const { code, events } = await open({}, status);
    expect(code).toBe('continue');
    expect(events).toBeGreaterThan(0);
  },
);

// It would be taken, and do nothing: there is no way back whose time could be counted.
test('a first opening takes no hour by which it must be up: nobody is waiting, and nothing is rolled back by it', async () => {
  const hour = { upBy: { upBy: '2026-11-21T04:30:00.000Z' } };
  const { code, reply, events } = await open({ verb: 'cutover', ...hour });
  expect({ code, events }).toEqual({ code: 'up-by.first-opening', events: 0 });
  expect(reply).toMatchObject({ exit: 2, next: [switchback('cutover')] });
});

// It began a whole window: no stage, no trial, no confirmation.
test('an answer opens no window', async () => {
  const answer = { answer: 'go', reason: 'all landed' } as const;
  expect(await open({ verb: 'cutover', answer })).toMatchObject({ code: 'gate.not-asked', events: 0, reply: { exit: 6 } });
});
