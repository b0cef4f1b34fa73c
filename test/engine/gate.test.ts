/** The first answer stands: by the journal's numbers, whoever gives it, and whatever a slower answer thought that it saw. */
import { exit } from '../../lib/base/errors';
import type { GateAnswer } from '../../lib/engine/events';
import { answerGate, refuseAnswer } from '../../lib/engine/gate';
import { fold } from '../../lib/engine/window-view';
import { flag, operator, Rig } from '../_helpers/runbook';

const ana = { who: 'Ana', where: 'ana@laptop' };
const bob = { who: 'Bob', where: 'bob@phone' };
const go: GateAnswer = { answer: 'go', reason: 'all landed' };
const noGo: GateAnswer = { answer: 'no-go', reason: 'the invoices are wrong' };
const world = new Set<string>();
const gate = { ...flag(world, 'gate.go'), gate: 'Go?' };
const plan = [gate, flag(world, 'switch')];

let rig: Rig;
beforeEach(async () => {
  world.clear();
  rig = new Rig();
  await rig.open();
});

const asked = async () => expect(await rig.advance(plan)).toMatchObject({ state: 'gate' });
const journal = async () => {
  const its = rig.journal();
  await its.refresh();
  return its;
};
const view = async () => fold((await journal()).events)!;
/** Somebody's terminal, with what it knew before. */
const says = async (who: typeof ana, run: string, answer: GateAnswer, more: { overrule?: boolean } = {}, its = journal()) =>
  answerGate(await its, { run, by: who, ...more }, answer);

test('a no-go stands: a go that comes after it is refused, says whose answer came first, and opens nothing', async () => {
  await asked();
  await says(ana, 'run-2', noGo);
  await expect(says(bob, 'run-3', go)).rejects.toMatchObject({
    code: 'gate.answered',
    message: expect.stringMatching(/^go does not count: no-go by Ana on ana@laptop came first, at 2026-\S+: the invoices are wrong$/),
    exit: exit.refused,
  });
  expect(await rig.advance(plan, { run: 'run-3', by: bob })).toMatchObject({
    code: 'gate.no-go',
    message: 'no-go by Ana: the invoices are wrong',
  });
  expect([...world]).toEqual([]);
  expect((await view()).answers.get('gate.go')).toMatchObject({ answer: 'no-go', by: ana });
});

test('a go is not taken back in silence either', async () => {
  await asked();
  await says(ana, 'run-2', go);
  await expect(says(bob, 'run-3', noGo)).rejects.toMatchObject({ code: 'gate.answered' });
  await says(bob, 'run-3', noGo, { overrule: true });
  expect(await rig.advance(plan, { run: 'run-3', by: bob })).toMatchObject({ code: 'gate.no-go' });
});

test('two answers in one moment: the journal’s number decides, and the other terminal hears to whom it lost', async () => {
  await asked();
  // both have looked, and seen an open question.
  const [first, second] = [await journal(), await journal()];
  const ends = await Promise.allSettled([
    answerGate(first, { run: 'run-2', by: ana }, noGo),
    answerGate(second, { run: 'run-3', by: bob }, go),
  ]);
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect((ends[1] as PromiseRejectedResult).reason).toMatchObject({
    code: 'gate.answered',
    message: expect.stringContaining('no-go by Ana on ana@laptop came first'),
  });
  expect((await view()).answers.get('gate.go')).toMatchObject({ answer: 'no-go', by: ana });
  expect(await rig.advance(plan, { run: 'run-3', by: bob })).toMatchObject({ code: 'gate.no-go' });
});

test('the same answer twice is one answer', async () => {
  await asked();
  await says(ana, 'run-2', go);
  await says(bob, 'run-3', go);
  expect((await journal()).events.filter(({ type }) => type === 'gate.answered')).toHaveLength(1);
  expect(await rig.advance(plan, { run: 'run-3', by: bob })).toEqual({ state: 'finished' });
});

test('a go that was said to one question is none to another that was asked meanwhile', async () => {
  await asked();
  await expect(answerGate(await journal(), { run: 'run-2', by: ana }, { ...go, question: 'decision' })).rejects.toMatchObject({
    code: 'gate.not-asked',
    message: 'go does not count: it was said before another question was asked: Go?',
    exit: exit.refused,
  });
  expect((await view()).answers.size).toBe(0);
  await answerGate(await journal(), { run: 'run-3', by: bob }, { ...go, question: 'gate.go' });
  // what was asked is in the journal beside it already.
  expect((await journal()).events.find(({ type }) => type === 'gate.answered')).not.toHaveProperty('question');
  expect((await view()).answers.get('gate.go')).toMatchObject({ answer: 'go', by: bob });
});

test('whoever overrules is named beside whom they overrule, in the journal and at the end of the step', async () => {
  await asked();
  await says(ana, 'run-2', noGo);
  await says(bob, 'run-3', go, { overrule: true });
  const { events } = await journal();
  const [, second] = events.filter(({ type }) => type === 'gate.answered');
  expect(second).toMatchObject({ by: bob, ...go, overrules: { answer: 'no-go', who: 'Ana' } });
  expect(await rig.advance(plan, { run: 'run-3', by: bob })).toEqual({ state: 'finished' });
  expect((await journal()).events.find((event) => event.type === 'step.done' && event.step === 'gate.go')).toMatchObject({
    detail: 'go by Bob, who overruled the no-go of Ana: all landed',
  });
});

test('of two that overrule one answer in one moment, one does: the other has seen another answer than the one that stands', async () => {
  await asked();
  await says(ana, 'run-2', noGo);
  const [first, second] = [await journal(), await journal()];
  await answerGate(first, { run: 'run-3', by: bob, overrule: true }, go);
  await second.note('run-4', operator, {
    type: 'gate.answered',
    step: 'gate.go',
    ...noGo,
    overrules: { number: 4, answer: 'no-go', who: 'Ana' },
  });
  expect((await view()).answers.get('gate.go')).toMatchObject({ answer: 'go', by: bob });
});

test('a no-go that comes after the go was acted on is told that it is too late, also when the cutover is done', async () => {
  await asked();
  await says(ana, 'run-2', go);
  expect(await rig.advance(plan, { run: 'run-2', by: ana })).toEqual({ state: 'finished' });
  await expect(says(bob, 'run-3', noGo, { overrule: true })).rejects.toMatchObject({
    code: 'gate.over',
    message: expect.stringMatching(/^no-go comes too late: go by Ana: all landed, and the cutover went on at 2026-/),
  });
  // and a go that nobody asked for begins nothing anew.
  await expect(says(bob, 'run-3', go)).rejects.toMatchObject({ code: 'gate.not-asked' });
});

/** A world in which nobody has asked. */
const unasked: [string, () => Promise<ReturnType<typeof fold>>][] = [
  ['no window is open', async () => undefined],
  ['nothing was begun in the window', view],
  [
    'the cutover has not come to its question yet',
    async () => {
      await rig.advance([flag(world, 'a')], { deadline: 0 });
      return view();
    },
  ],
  [
    'another verb runs',
    async () => {
      await asked();
      await rig.advance([flag(world, 'b')], { verb: 'rollback', run: 'run-2' });
      return view();
    },
  ],
];

test.each(unasked)('an answer only answers: %s', async (_when, seen) => {
  const its = await seen();
  expect(() => refuseAnswer(its, go)).toThrow(expect.objectContaining({ code: 'gate.not-asked', exit: exit.refused }));
  expect((await journal()).events.filter(({ type }) => type === 'gate.answered')).toEqual([]);
});
