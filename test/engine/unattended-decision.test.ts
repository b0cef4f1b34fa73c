import type { Aws } from '../../lib/aws';
import type { EventBody, JournalEvent } from '../../lib/engine/events';
import { leftAlone, silentMs, unansweredRun } from '../../lib/engine/unattended-decision';
import { fold } from '../../lib/engine/window-view';
import { handleRequest } from '../../lib/operations/handle-request';
import { manifest, operator, Rig, window } from '../_helpers/runbook';

const began = Date.parse('2026-11-21T02:00:00Z');
const at = (minutes: number): string => new Date(began + minutes * 60_000).toISOString();
const upBy = at(60);

type Line = readonly [minute: number, body: EventBody, run?: string];
const opened: Line = [0, { type: 'window.opened', window, manifest, state: { production: 'video-db', opened: true } }];
const policy = (atDecision: 'hold' | 'rollback', until = upBy, minute = 1): Line => [
  minute,
  { type: 'up-by.set', upBy: until, atDecision },
];
const started = (verb: 'cutover' | 'rollback', minute = 1, run = 'run-1'): Line => [
  minute,
  { type: 'run.started', verb, plan: [], runner: 'r' },
  run,
];
/** Decide by minute 40. */
const decision = (until = upBy): Line => [
  2,
  {
    type: 'decision.time',
    decideBy: at((Date.parse(until) - began) / 60_000 - 20),
    upBy: until,
    rollbackSeconds: 1200,
    steps: 9,
    measuredSteps: 0,
  },
];
const begun = (step: string, minute = 5): Line => [minute, { type: 'step.started', step }];
const asked = (step = 'gate.go', minute = 10): Line => [minute, { type: 'gate.asked', step, question: 'Go?' }];
const answered = (step: string, answer: 'go' | 'no-go', minute: number): Line => [
  minute,
  { type: 'gate.answered', step, answer, reason: '' },
  'phone',
];
const stopped = (code: string, minute: number, run?: string): Line => [
  minute,
  { type: 'run.stopped', verb: 'cutover', code, message: `because of ${code}`, next: [], exit: 1 },
  run,
];
/** A cutover that waits for go or no-go with the maintenance answer in front. */
const waiting = (atDecision: 'hold' | 'rollback'): Line[] => [
  opened,
  policy(atDecision),
  started('cutover'),
  decision(),
  begun('traffic.maintenance'),
  asked(),
];

function left(minute: number, ...lines: Line[]) {
  const events = lines.map(
    ([when, body, run = 'run-1'], i): JournalEvent => ({ ...body, number: i + 1, at: at(when), run, by: operator, nonce: String(i) }),
  );
  return leftAlone(fold(events)!, events, began + minute * 60_000);
}

test('a cutover that waits at a gate with nobody there is rolled back after its decision time, if that is the policy', () => {
  expect(left(41, ...waiting('rollback'))).toBeUndefined();
  // a terminal that is alive asks at the decision time, waits a minute, and does it itself.
  expect(left(40 + silentMs / 60_000, ...waiting('rollback'))).toBeUndefined();
  expect(left(43, ...waiting('rollback'))).toEqual({
    do: 'rollback',
    upBy,
    why: `nobody was there at the decision time for ${upBy}; the window's policy is to roll back`,
  });
});

test('under the other policy it is said once that it holds', () => {
  expect(left(43, ...waiting('hold'))).toEqual({ do: 'hold', upBy });
  const said: Line = [43, { type: 'decision.unanswered', upBy, does: 'hold', why: '' }, 'watch-w1'];
  expect(left(48, ...waiting('hold'), said)).toBeUndefined();
  // another hour is another decision.
  const later = at(120);
  expect(left(110, ...waiting('hold'), said, policy('rollback', later, 50), decision(later))).toMatchObject({
    do: 'rollback',
    upBy: later,
  });
});

test('the runner asked at the decision time and nobody heard: the same', () => {
  expect(left(42, ...waiting('rollback'), asked('decision.time', 41))).toBeUndefined();
  expect(left(44, ...waiting('rollback'), asked('decision.time', 41))).toMatchObject({ do: 'rollback' });
});

test('a run that was interrupted is like one that waits; one that writes is left alone', () => {
  const running = [opened, policy('rollback'), started('cutover'), decision(), begun('traffic.maintenance')];
  expect(left(43, ...running)).toMatchObject({ do: 'rollback' });
  expect(left(43, ...running, [42, { type: 'run.alive' }])).toBeUndefined();
});

test('what people said counts more than the policy', () => {
  expect(left(60, ...waiting('rollback'), asked('decision.time', 40), answered('decision.time', 'go', 40.5))).toBeUndefined();
  const no = [...waiting('hold'), asked('decision.time', 40), answered('decision.time', 'no-go', 40.5)];
  expect(left(42, ...no)).toBeUndefined();
  expect(left(43, ...no)).toMatchObject({ do: 'rollback', why: 'roll back, said ada at the decision time, and nobody did' });
});

test('a rollback that was decided and never begun is begun; every other stop is left to whoever was told of it', () => {
  expect(left(43, ...waiting('rollback'), stopped('decision.roll-back', 40.5))).toMatchObject({
    do: 'rollback',
    why: 'because of decision.roll-back',
  });
  expect(left(43, ...waiting('rollback'), stopped('migrations.failed', 30))).toBeUndefined();
  expect(left(43, ...waiting('rollback'), stopped('gate.no-go', 30))).toBeUndefined();
});

test('while customers are served, before the maintenance answer and on the new color, nothing is done', () => {
  expect(left(50, opened, policy('rollback'), started('cutover'), decision(), begun('preflight'))).toBeUndefined();
  expect(left(50, ...waiting('rollback'), begun('traffic.open', 20))).toBeUndefined();
  expect(left(50, opened, started('cutover'), begun('traffic.maintenance'))).toBeUndefined();
});

test("the schedule goes on with its own rollback, tries one that stopped three times, and leaves people's alone", () => {
  const own = unansweredRun('x');
  const back = (run: string): Line[] => [...waiting('rollback'), started('rollback', 43, run)];
  expect(left(46, ...back(own))).toMatchObject({ do: 'rollback', run: own });
  expect(left(46, ...back('run-2'))).toBeUndefined();
  const failed = (n: number): Line[] => [
    started('rollback', 43 + n, unansweredRun(String(n))),
    stopped('step.refused', 43 + n, unansweredRun(String(n))),
  ];
  const again = left(50, ...waiting('rollback'), ...failed(1), ...failed(2));
  expect(again).toMatchObject({ do: 'rollback' });
  // a run that has ended is not gone on with.
  expect(again).not.toHaveProperty('run');
  expect(left(50, ...waiting('rollback'), ...failed(1), ...failed(2), ...failed(3))).toBeUndefined();
});

test('an hour that was set at a question, in the last terminal there was, has a decision time too', async () => {
  const rig = new Rig();
  await rig.open();
  const later: Line[] = [...waiting('hold').slice(1), policy('hold', at(90), 20)];
  for (const [, body, run = 'run-1'] of later) await rig.journal().note(run, operator, body);
  const aws = {
    settings: { manifest: async () => ({ manifest, state: undefined }), state: async () => undefined },
    traffic: { order: async () => new Map() },
    journal: () => rig.store,
  } as unknown as Aws;
  const look = (minute: number) => {
    rig.clock.time = began + minute * 60_000;
    return handleRequest(
      { system: 'video', verb: 'teardown', watch: true, window: 'w1', run: 'watch-w1', by: operator },
      { aws, clock: rig.clock, runner: 'test', deadline: Number.POSITIVE_INFINITY },
    );
  };
  await look(60);
  expect((await rig.events()).at(-1)).toMatchObject({ type: 'up-by.set' });
  await look(92);
  expect((await rig.events()).at(-1)).toMatchObject({ type: 'decision.unanswered', does: 'hold', upBy: at(90) });
});
