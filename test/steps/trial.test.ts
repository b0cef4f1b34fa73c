import { say, switchback } from '../../lib/base/advice';
import type { EventBody, JournalEvent } from '../../lib/engine/events';
import { fold } from '../../lib/engine/window-view';
import { planCutover } from '../../lib/plans/cutover';
import { planStage } from '../../lib/plans/stage';
import { planTeardown } from '../../lib/plans/teardown';
import { planUndo } from '../../lib/plans/undo';
import type { World } from '../../lib/steps/world';
import { manifest, operator, window } from '../_helpers/runbook';

const shared = {
  ...manifest.shared,
  database: { ...manifest.shared.database, feedSecret: 'feed' },
  trial: { securityGroups: ['sg-trial'], subnetGroup: 'trial', taskSecurityGroups: ['sg-task'] },
};
const described = { ...manifest, shared };

const dropped = { id: 'public.users.seen', verdict: 'lossy', what: 'column public.users.seen is gone', loses: '3 values of it' };
let differences: readonly object[] = [];
beforeEach(() => {
  differences = [];
});

/** The world after the given events of a run of each verb: `stage trial.migrate`, `stage trial.classified!`, `stage stop:<code>`. */
function worldAfter(events: readonly string[], about = window, of: World['manifest'] = described): World {
  const bodies: EventBody[] = [{ type: 'window.opened', window: about, manifest: of, state: { production: 'video-db', opened: true } }];
  let running = '';
  for (const text of events) {
    const [verb = '', what = ''] = text.split(' ');
    if (verb !== running) bodies.push({ type: 'run.started', verb: verb as 'stage', plan: [], runner: 'test' });
    running = verb;
    if (what.startsWith('stop:')) {
      bodies.push({ type: 'run.stopped', verb: verb as 'stage', code: what.slice(5), message: '', next: [], exit: 1 });
      running = '';
    } else {
      bodies.push({ type: 'step.started', step: what.replace('!', '') });
      if (what.endsWith('!')) bodies.push({ type: 'step.done', step: what.slice(0, -1), seconds: 1, acted: true, facts: { differences } });
    }
  }
  const view = fold(
    bodies.map(
      (body, i): JournalEvent => ({ ...body, number: i + 1, at: '2026-11-21T02:00:00.000Z', run: 'run', by: operator, nonce: `${i}` }),
    ),
  );
  if (!view) throw new Error('no window');
  return { window: about, manifest: of, view, live: 'blue', maintenance: false, production: 'video-db' };
}

const ids = (plan: readonly { id: string }[]) => plan.map(({ id }) => id);
const ofTrial = (plan: readonly { id: string }[]) => ids(plan).filter((id) => id.startsWith('trial.'));

describe('the trial', () => {
  test('is made in the stage, after the preflight and before the fork', () => {
    expect(
      planStage(worldAfter([]))
        .map(({ title }) => title)
        .slice(5, 17),
    ).toEqual([
      'Move the write permissions on video-db to a role of their own',
      'Check both databases: settings, permissions, owners, what a copy would lack',
      'Take a snapshot of video-db for a trial of the migrations',
      'Restore it as video-w1-trial, from which nothing can get out',
      'Fence video-w1-trial: only the migrations may write to it',
      'Record the schema of the copy and where its rows are stored',
      'Make a second database on video-w1-trial from the first: the fallback of the trial',
      "Run green's migrations on video-w1-trial",
      'Prove that video-w1-trial is still fenced after the migrations',
      'Check video-w1-trial again: what the migrations made must be as the preflight wants it',
      'Record the schema and the rows again, as the cutover will leave them',
      'Classify schema changes: compatible, bridged, needs declaration, lossy',
    ]);
  });

  test('goes there and back as the window does, on the two databases of the copy', () => {
    const plan = planStage(worldAfter([])).filter(({ id }) => id.startsWith('trial.'));
    expect(
      plan
        .slice(10)
        .map(({ id, title }) => `${id}: ${title.replaceAll('video-w1-trial/video_twin', 'TWIN').replaceAll('video-w1-trial', 'COPY')}`),
    ).toEqual([
      'trial.bridge: Put the bridge on TWIN: rows of the new schema become rows of the old',
      'trial.footprint: Find the rows that the migrations changed, and bring them to TWIN',
      'trial.feed: Resume replication to TWIN, skipping the migrations',
      'trial.canary: Send a marker through the feed: when it arrives, TWIN has everything',
      'trial.round-trip: Send a test row of every table to TWIN and remove it: it must arrive in the old schema',
      'trial.writes: Try to empty every table as a release could: the old schema must take it',
      'trial.open: Open COPY to green, and only to green',
      'trial.hold: Look at the feed as the schedule will in the hold: it lives, and sequences have numbers left',
      'trial.closed: Fence COPY: nobody but Switchback can write, and prove it',
      "trial.sequences: Move TWIN's sequences 10000 past COPY's",
      'trial.drained: Send a marker through the feed: when it arrives, TWIN has everything',
      'trial.stop: Flush what TWIN has applied to disk and stop the feed',
      'trial.unbridge: Remove the bridge from TWIN and restore the constraints of the old schema',
      'trial.moment: Take a snapshot of TWIN for the comparison after reopening',
      'trial.reopen: Open TWIN to blue, and only to blue',
      'trial.equal: Compare COPY with the snapshot of TWIN: every row of the old schema',
      'trial.losses: Report what the old schema could not hold: the loss manifest',
      'trial.aside: Move aside on TWIN what only the new schema has: the next window migrates again',
      'trial.unfeed: Remove the feed from COPY to TWIN: subscription, slot, publication',
      'trial.revert: Remove from COPY what only the bridge needed',
      'trial.again: Run them once more on TWIN, as the next window will',
      'trial.classified: Keep what the trial has found: the cutover asks whether it passed',
      'trial.remove: Delete the copy with its snapshot',
    ]);
  });

  test('is made only where the stacks have a place for it, and there is something to go back to', () => {
    expect(ofTrial(planStage(worldAfter([], window, manifest)))).toEqual([]);
    expect(ofTrial(planStage(worldAfter([], { ...window, from: undefined, fallback: undefined })))).toEqual([]);
  });

  test('is made before the night also where the fork is made inside the window', () => {
    const { feedSecret: _, ...database } = shared.database;
    const plan = planStage(worldAfter([], window, { ...described, shared: { ...shared, database } }));
    expect(ids(plan).slice(-2)).toEqual(['trial.remove', 'watch.schedule']);
  });

  test('that failed is begun anew from a new snapshot, after the old copy is gone', () => {
    const plan = planStage(worldAfter(['stage trial.migrate', 'stage stop:trial.migrations.failed']));
    const first = ofTrial(planStage(worldAfter([])));
    expect(ofTrial(plan)).toEqual(['trial.clear.2', ...first.slice(0, -2).map((id) => `${id}.2`), 'trial.classified', 'trial.remove']);
  });

  test('tries the contract part, too, where the release has one: what fails at the teardown would fail unattended', () => {
    const green = { ...described.green!, migration: { ...described.green!.migration, contract: ['contract'] } };
    const ids = ofTrial(planStage(worldAfter([], window, { ...described, green })));
    expect(ids.slice(-4)).toEqual(['trial.again', 'trial.contract', 'trial.classified', 'trial.remove']);
  });

  test('that was interrupted is gone on with', () => {
    const plan = planStage(worldAfter(['stage trial.migrate', 'stage stop:run.stop-asked']));
    expect(ofTrial(plan)).toContain('trial.snapshot');
  });

  test('makes nobody wait in the night, which only checks that it has passed', () => {
    expect(ofTrial(planCutover(worldAfter([])))).toEqual(['trial.passed']);
    expect(ofTrial(planCutover(worldAfter([], window, manifest)))).toEqual([]);
  });

  test.each([
    [[], 'done'],
    [['stage trial.migrate', 'stage stop:trial.migrations.failed'], 'failed'],
    [['stage trial.migrate', 'stage trial.classified!'], 'done'],
  ])('after %j the night finds it %s', async (events, expected) => {
    const world = worldAfter(events);
    const step = planCutover(world).find(({ id }) => id === 'trial.passed');
    expect(await step?.observe({ view: world.view, acceptedLosses: [] } as never)).toMatchObject({ is: expected });
  });

  test('refuses before anything is down what a rollback would lose and nobody has accepted', async () => {
    differences = [dropped];
    const world = worldAfter(['stage trial.migrate', 'stage trial.classified!']);
    const plan = planCutover(world);
    const step = plan.find(({ id }) => id === 'trial.passed');
    expect(plan.findIndex(({ id }) => id === 'trial.passed')).toBeLessThan(plan.findIndex(({ id }) => id === 'traffic.maintenance'));
    expect(await step?.observe({ view: world.view, acceptedLosses: [] } as never)).toEqual({
      is: 'failed',
      code: 'form.not-lossless',
      message: 'column public.users.seen is gone: a rollback would lose 3 values of it (--accept-loss public.users.seen)',
      next: [
        switchback('plan'),
        say`accept it: ${switchback('cutover', '--accept-loss <ids>')}`,
        say`or declare it in your CDK app, after ${switchback('stage', '--undo')}`,
      ],
    });
    expect(await step?.observe({ view: world.view, acceptedLosses: [dropped.id] } as never)).toEqual({ is: 'done' });
  });

  test('whose copy was left behind is ended by the teardown', () => {
    const opened = ['cutover migrations', 'cutover database.open', 'cutover traffic.proof!'];
    expect(ids(planTeardown(worldAfter(['stage trial.snapshot', ...opened])))[0]).toBe('trial.remove');
    expect(ids(planTeardown(worldAfter(['stage trial.snapshot', 'stage trial.remove!', ...opened])))[0]).toBe('standby.idle');
  });
});

describe('undoing a stage', () => {
  test('takes away the trial, the feed and the fallback, and closes the window', () => {
    expect(planUndo(worldAfter(['stage fallback.promote'])).map(({ title }) => title)).toEqual([
      'Delete the copy with its snapshot',
      'Remove the feed from video-db to video-fallback-w1: subscription, slot, publication',
      'Release the stacks: they may be deployed and deleted again',
      'Delete video-fallback-w1 with video-fallback-w1: it has never been anything but a copy',
      'Close the window and remove its schedule',
    ]);
  });

  test('has no step that a stage or a cutover could take for done', () => {
    const others = new Set([...ids(planStage(worldAfter([]))), ...ids(planCutover(worldAfter([])))]);
    expect(ids(planUndo(worldAfter([]))).filter((id) => others.has(id))).toEqual([]);
  });

  test('is possible after a cutover that was refused before it had begun', () => {
    expect(() => planUndo(worldAfter(['cutover trial.passed', 'cutover stop:migrations.untried']))).not.toThrow();
  });

  test.each(['cutover open-paths.fallback', 'cutover traffic.maintenance'])('is too late after %s', (step) => {
    expect(() => planUndo(worldAfter([step]))).toThrow('the cutover of w1 has begun: a stage can be undone only before it');
  });

  test('is not for the first opening', () => {
    expect(() => planUndo(worldAfter([], { ...window, name: 'w0', from: undefined, fallback: undefined }))).toThrow(
      'w0 is the first opening of video: its stage has changed nothing to undo',
    );
  });
});
