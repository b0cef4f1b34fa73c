import { switchback } from '../../lib/base/advice';
import { PlainLog } from '../../lib/report/plain';
import { began, cutover, Night, plain, screen } from './night';

test('every event is one line, and a lease that is kept is none', () => {
  const night = new Night()
    .start(0, 'cutover', cutover.slice(0, 7))
    .step(0, 0.4, 'stage.ready', '2.0.0 on 4 applications')
    .add(20, { type: 'run.alive' })
    .add(30, { type: 'step.started', step: 'workers.stop' })
    .add(31, { type: 'step.progress', step: 'workers.stop', text: 'queue: 1 not stopped yet' })
    .add(40, { type: 'gate.asked', step: 'gate.go', question: 'Go?' })
    .add(50, { type: 'gate.answered', step: 'gate.go', answer: 'no-go', reason: 'player is slow' })
    .add(50, {
      type: 'run.stopped',
      ...{ verb: 'cutover', step: 'gate.go', code: 'gate.no-go', message: 'no-go by Ana', next: [switchback('rollback')], exit: 6 },
    })
    .add(60, { type: 'run.finished', verb: 'rollback', seconds: 83 })
    .add(61, { type: 'window.closed', outcome: 'rolled back; production is video-production' });
  expect(new PlainLog(plain).events(night.view, night.events)).toEqual(
    screen(`
01:59:00  w3 of video opened: blue → green
02:00:00  cutover by Ana on ana@laptop; 7 steps in video-runner, about 16:48 min
02:00:00  ▶ Check that green is up, healthy and runs its release
02:00:00  ✔ Check that green is up, healthy and runs its release (0.4 s of 5 s): 2.0.0 on 4 applications
02:00:30  ▶ Stop blue's workers and prove them stopped
02:00:31    Stop blue's workers and prove them stopped: queue: 1 not stopped yet
02:00:40  ? Go?
02:00:50  no-go by Ana: player is slow
02:00:50  ✖ cutover stopped at "Landing tests (by the business), then go or no-go" (gate.no-go)
02:01:00  ✔ rollback finished in 1:23 min
02:01:01  window closed: rolled back; production is video-production
`),
  );
});

test('after half a minute of silence a line says what is in progress, and again after the next', () => {
  const night = new Night().start(0).add(0, { type: 'step.started', step: 'migrations' });
  const log = new PlainLog(plain);
  log.events(night.view, night.events);
  const at = (second: number) => log.tick(began + second * 1000);
  expect(at(0)).toEqual([]);
  expect(at(29)).toEqual([]);
  expect(at(30)).toEqual(['02:00:30  … Run the migrations of 2.0.0 (30 s of 2:00 min)']);
  expect(at(59)).toEqual([]);
  expect(at(60)).toEqual(['02:01:00  … Run the migrations of 2.0.0 (1:00 min of 2:00 min)']);
  // an event begins the silence anew; a kept lease, which says nothing, does not.
  night.add(80, { type: 'step.progress', step: 'migrations', text: 'half' });
  log.events(night.view, night.events.slice(-1));
  expect(at(80)).toEqual([]);
  night.add(100, { type: 'run.alive' });
  log.events(night.view, night.events.slice(-1));
  expect(at(109)).toEqual([]);
  expect(at(110)).toHaveLength(1);
});

test('silence before the runner has said anything is broken, too', () => {
  const log = new PlainLog(plain);
  expect(log.tick(began)).toEqual([]);
  expect(log.tick(began + 30_000)).toEqual(['02:00:30  … waiting for the runner']);
});

test('notes of other people and the decision time are lines of their own', () => {
  const night = new Night()
    .add(0, { type: 'up-by.set', upBy: '2026-03-01T04:00:00.000Z', atDecision: 'rollback' })
    .add(1, {
      type: 'run.started',
      ...{
        verb: 'cutover',
        plan: cutover.slice(0, 1).map((step) => ({ ...step, measured: { runs: 2, p90Seconds: 5 } })),
        runner: 'terminal',
      },
      takeOver: { who: 'Bob', where: 'bob@phone', run: 'run-0' },
    })
    .add(2, {
      type: 'decision.time',
      ...{
        decideBy: '2026-03-01T03:30:00.000Z',
        upBy: '2026-03-01T04:00:00.000Z',
        rollbackSeconds: 1800,
        steps: 2,
        measuredSteps: 1,
        warning: 10,
      },
    })
    .add(3, { type: 'stop.asked', of: 'run-1', why: 'Ctrl-C' });
  expect(new PlainLog(plain).events(night.view, night.events).slice(1)).toEqual(
    screen(`
02:00:00  must be up by 2026-03-01 04:00 UTC, says Ana; without an answer at the decision time: rollback
02:00:01  cutover by Ana on ana@laptop; 1 steps in terminal, about 5 s (1 of them measured in earlier windows); taken over from Bob on bob@phone
02:00:02  10 min to the decision time; decide by 2026-03-01 03:30:00 UTC: a rollback from here takes 30:00 min
02:00:03  ■ Ana on ana@laptop asks the run to stop after this step: Ctrl-C
`),
  );
});
