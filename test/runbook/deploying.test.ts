/** A deploy that began before the window: the guard has let it through, and nobody would notice before the release is proven at night. */
import type { Aws } from '../../lib/aws';
import { runVerb } from '../../lib/runbook/verbs';
import { manifest, Rig } from '../_helpers/runbook';

const unopened = { production: 'video-db', opened: false };

async function open(status: string): Promise<{ readonly code: string; readonly events: number }> {
  const rig = new Rig();
  const asked: string[] = [];
  const aws = {
    settings: { manifest: async () => ({ manifest, state: unopened }), state: async () => unopened },
    traffic: { order: async () => new Map() },
    stacks: {
      status: async (name: string) => {
        asked.push(name);
        return { status, reason: undefined };
      },
    },
    journal: () => rig.store,
  } as unknown as Aws;
  const reply = await runVerb(
    { system: 'video', verb: 'stage', run: 'ada', by: { who: 'ada', where: 'ada@desk' } },
    { aws, clock: rig.clock, runner: 'test', deadline: 0 },
  );
  expect(asked).toEqual([manifest.blue?.stack]);
  return { code: reply.state === 'stopped' ? reply.code : reply.state, events: rig.store.objects.size };
}

test.each(['CREATE_IN_PROGRESS', 'UPDATE_IN_PROGRESS', 'UPDATE_ROLLBACK_IN_PROGRESS', 'DELETE_IN_PROGRESS'])(
  'no window is opened while a stack of it is in %s',
  async (status) => expect(await open(status)).toEqual({ code: 'window.deploying', events: 0 }),
);

test.each(['CREATE_COMPLETE', 'UPDATE_ROLLBACK_COMPLETE', 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS'])(
  '%s is a stack at rest',
  async (status) => {
    const { code, events } = await open(status);
    expect(code).toBe('continue');
    expect(events).toBeGreaterThan(0);
  },
);
