import type { Aws } from '../../lib/aws';
import type { Context } from '../../lib/engine/context';
import { finalSnapshot, stackDeleted } from '../../lib/steps/remove';
import { madeFor } from '../../lib/steps/world';
import { TestClock, window } from '../_helpers/runbook';

const view = { window, openedAt: '2026-11-21T02:00:00.000Z' };
const context = (aws: object): Context => ({ view, clock: new TestClock(), aws: aws as Aws }) as unknown as Context;

describe('the final snapshot', () => {
  const step = finalSnapshot('video-db', { system: 'video', name: 'w1' });
  const seen = (snapshot: object | undefined) =>
    step.observe(context({ databases: { describeSnapshot: async () => snapshot, describe: async () => ({ status: 'available' }) } }));

  test('of this window is waited for, and is enough', async () => {
    expect(await seen(undefined)).toMatchObject({ is: 'todo' });
    expect(await seen({ status: 'creating', madeFor: madeFor(view) })).toMatchObject({ is: 'pending' });
    expect(await seen({ status: 'available', madeFor: madeFor(view) })).toMatchObject({ is: 'done' });
  });

  test('of an earlier life of the system is none: what it holds is not what is about to be deleted', async () => {
    const earlier = madeFor({ ...view, openedAt: '2025-01-01T00:00:00.000Z' });
    for (const maker of [earlier, undefined])
      expect(await seen({ status: 'available', madeFor: maker })).toMatchObject({ is: 'failed', code: 'teardown.snapshot.taken' });
  });
});

describe('a stack with a database that RDS is still busy with', () => {
  const step = stackDeleted('undo.fallback', 'Delete it', 'video-fallback-w1', 'video-fallback-w1');

  test.each(['creating', 'modifying', 'rebooting', 'backing-up'])('is left alone while the instance is %s', async (status) => {
    const aws = { stacks: { status: async () => ({ status: 'CREATE_COMPLETE' }) }, databases: { describe: async () => ({ status }) } };
    expect(await step.observe(context(aws))).toEqual({ is: 'pending', detail: `video-fallback-w1 is ${status}` });
  });

  test.each(['available', 'failed', 'storage-full', 'stopped'])('is deleted when the instance is %s', async (status) => {
    const aws = { stacks: { status: async () => ({ status: 'CREATE_COMPLETE' }) }, databases: { describe: async () => ({ status }) } };
    expect(await step.observe(context(aws))).toMatchObject({ is: 'todo' });
  });

  test('an instance that says available and takes no change yet is asked again, until its protection is off', async () => {
    // a promotion that was asked for a moment ago.
    const states = [
      { status: 'available', deletionProtection: true },
      { status: 'modifying', deletionProtection: true },
      { status: 'rebooting', deletionProtection: true },
      { status: 'available', deletionProtection: true },
      { status: 'modifying', deletionProtection: true },
      { status: 'available', deletionProtection: false },
    ];
    const calls: string[] = [];
    let looks = 0;
    const aws = {
      databases: {
        describe: async () => states[Math.min(looks++, states.length - 1)],
        allowDeletion: async () => calls.push('allowDeletion') > 1,
      },
      stacks: { delete: async (name: string) => void calls.push(`delete ${name}`) },
    };
    await step.act?.(context(aws));
    expect(calls).toEqual(['allowDeletion', 'allowDeletion', 'delete video-fallback-w1']);
  });
});
