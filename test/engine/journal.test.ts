import { switchback } from '../../lib/base/advice';
import type { EventBody } from '../../lib/engine/events';
import { operator, Rig } from '../_helpers/runbook';

const bob = { who: 'bob', where: 'bob@phone' };
const opened = async () => {
  const rig = new Rig();
  await rig.open();
  const journal = rig.journal();
  await journal.refresh();
  return { rig, journal };
};
const note = { type: 'stop.asked', of: 'run-1', why: 'Ctrl-C' } as const;

test('a writer who finds a note at its number writes at the next, and knows the note', async () => {
  const { rig, journal } = await opened();
  await rig.journal().note('terminal', bob, note);
  await rig.journal().note('terminal', bob, note);
  expect(await journal.append('run-1', operator, { type: 'run.alive' })).toMatchObject({ number: 4, type: 'run.alive' });
  expect(journal.events.map(({ type }) => type)).toEqual(['window.opened', 'stop.asked', 'stop.asked', 'run.alive']);
});

test('a writer who finds the event of another writer behind a note stops', async () => {
  const { rig, journal } = await opened();
  await rig.journal().note('terminal', bob, note);
  const other = rig.journal();
  await other.refresh();
  await other.append('run-2', bob, { type: 'run.alive' });
  await expect(journal.append('run-1', operator, { type: 'run.alive' })).rejects.toMatchObject({
    code: 'journal.other-writer',
    message: expect.stringMatching(/^event 3 of w1 was written by bob on bob@phone at 2026-/),
  });
});

test('a note is written however fast others write', async () => {
  const { rig, journal } = await opened();
  const writer = rig.journal();
  await writer.refresh();
  // the writer takes each number just before the note would.
  let races = 3;
  rig.store.beforeCreate = (window, number, event) => {
    if (races > 0 && event.includes('stop.asked')) {
      races -= 1;
      rig.store.objects.set(`${window}/${number}`, JSON.stringify({ ...JSON.parse(event), type: 'run.alive', nonce: `other-${number}` }));
    }
  };
  expect(await journal.note('terminal', bob, note)).toMatchObject({ number: 5 });
});

test('a write of our own that was accepted although its answer was lost counts once', async () => {
  const { rig, journal } = await opened();
  rig.store.beforeCreate = (window, number, event) => void rig.store.objects.set(`${window}/${number}`, event);
  expect(await journal.append('run-1', operator, { type: 'run.alive' })).toMatchObject({ number: 2 });
  expect(await rig.events()).toHaveLength(2);
});

test('when it is found out only after somebody took over, it is too late', async () => {
  const { rig, journal } = await opened();
  rig.store.beforeCreate = (window, number, event) => {
    rig.store.objects.set(`${window}/${number}`, event);
    rig.store.objects.set(
      `${window}/${number + 1}`,
      JSON.stringify({ ...JSON.parse(event), number: number + 1, run: 'run-2', by: bob, nonce: 'x' }),
    );
  };
  await expect(journal.append('run-1', operator, { type: 'run.alive' })).rejects.toMatchObject({ code: 'journal.other-writer' });
});

test('a write whose answer was lost, and one that never arrived, are both there once', async () => {
  const { rig, journal } = await opened();
  let calls = 0;
  rig.store.afterCreate = () => {
    calls += 1;
    if (calls === 1) throw new Error('socket hang up');
  };
  expect(await journal.append('run-1', operator, { type: 'run.alive' })).toMatchObject({ number: 2 });
  rig.store.beforeCreate = () => {
    calls += 1;
    if (calls < 5) throw new Error('connect ECONNRESET');
  };
  expect(await journal.append('run-1', operator, { type: 'run.alive' })).toMatchObject({ number: 3 });
  expect(await rig.events()).toHaveLength(3);
});

test('a writer whose window is taken over while its write fails finds out, and writes nothing', async () => {
  const { rig, journal } = await opened();
  let failed = false;
  rig.store.beforeCreate = (window, number, event) => {
    if (failed) return;
    failed = true;
    rig.store.objects.set(`${window}/${number}`, JSON.stringify({ ...JSON.parse(event), run: 'run-2', by: bob, nonce: 'x' }));
    throw new Error('socket hang up');
  };
  await expect(journal.append('run-1', operator, { type: 'run.alive' })).rejects.toMatchObject({ code: 'journal.other-writer' });
  expect(await rig.events()).toHaveLength(2);
});

test('what is said and looked at all at once is said in order: a progress line under way is nobody else', async () => {
  const { rig, journal } = await opened();
  rig.store.beforeCreate = () => new Promise((resolve) => setImmediate(resolve));
  const said = await Promise.all([
    journal.append('run-1', operator, { type: 'step.progress', step: 'proof.equal', text: 'half' }),
    journal.refresh(),
    journal.append('run-1', operator, { type: 'run.alive' }),
    journal.note('run-1', operator, note),
  ]);
  expect(said).toMatchObject([{ number: 2 }, [], { number: 3 }, { number: 4 }]);
  expect(journal.events.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
});

describe('a run that was taken over with several writes under way', () => {
  const alive: EventBody = { type: 'run.alive' };
  const started: EventBody = { type: 'run.started', verb: 'rollback', plan: [], runner: 'test' };

  test('writes none of them: having read who took it over, it finds the next number free', async () => {
    const rig = new Rig();
    const mine = rig.journal();
    await mine.append('run-1', operator, alive);
    const theirs = rig.journal();
    await theirs.refresh();
    await theirs.append('run-2', { who: 'eve', where: 'eve@desk' }, started);
    const both = await Promise.allSettled([mine.append('run-1', operator, alive), mine.append('run-1', operator, alive)]);
    expect(both).toEqual([1, 2].map(() => ({ status: 'rejected', reason: expect.objectContaining({ code: 'window.taken-over' }) })));
    expect((await rig.events()).map(({ type }) => type)).toEqual(['run.alive', 'run.started']);
  });

  test('writes nothing after a look that has shown it; a note it may leave', async () => {
    const rig = new Rig();
    const mine = rig.journal();
    await mine.append('run-1', operator, alive);
    const theirs = rig.journal();
    await theirs.refresh();
    await theirs.append('run-2', { who: 'eve', where: 'eve@desk' }, started);
    await mine.refresh();
    await expect(mine.append('run-1', operator, alive)).rejects.toMatchObject({ code: 'window.taken-over' });
    await mine.note('run-1', operator, { type: 'stop.asked', of: 'run-2', why: 'it is mine' });
    expect((await rig.events()).map(({ type }) => type)).toEqual(['run.alive', 'run.started', 'stop.asked']);
  });
});

test('advice that an earlier version wrote as strings is read as what it said', async () => {
  const { rig } = await opened();
  const stopped = { type: 'run.stopped', verb: 'cutover', code: 'gate.no-go', message: 'no-go', exit: 6 } as const;
  const event = { ...stopped, number: 2, at: '2026-01-01T00:00:00.000Z', run: 'run-1', by: bob, nonce: 'x' };
  await rig.store.create('w1', 2, JSON.stringify({ ...event, next: ['npm run rollback', 'or wait'] }));
  const journal = rig.journal();
  await journal.refresh();
  await journal.append('run-2', operator, { ...stopped, next: [switchback('rollback')] });
  expect(journal.events.slice(1)).toMatchObject([
    { next: [{ say: ['npm run rollback'] }, { say: ['or wait'] }] },
    { next: [switchback('rollback')] },
  ]);
  const again = rig.journal();
  await again.refresh();
  expect(again.events).toEqual(journal.events);
});
