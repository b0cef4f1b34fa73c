import fc from 'fast-check';
import { switchback } from '../../lib/base/advice';
import type { EventBody, JournalEvent } from '../../lib/engine/events';
import type { Step } from '../../lib/engine/step';
import { fold } from '../../lib/engine/window-view';
import { planCutover } from '../../lib/plans/cutover';
import { planRollback } from '../../lib/plans/rollback';
import { planStage } from '../../lib/plans/stage';
import { planTeardown } from '../../lib/plans/teardown';
import type { World } from '../../lib/steps/world';
import { manifest, operator, window } from '../_helpers/runbook';

/** The world after a window in which the given steps were begun (`cutover migrations`) or done (`cutover traffic.proof!`). */
function worldAfter(steps: readonly string[], about = window, described = manifest): World {
  const bodies: EventBody[] = [
    { type: 'window.opened', window: about, manifest: described, state: { production: 'video-db', opened: true } },
  ];
  let verb = '';
  for (const step of steps) {
    const [nextVerb = '', id = ''] = step.replace('!', '').split(' ');
    if (nextVerb !== verb) bodies.push({ type: 'run.started', verb: nextVerb as 'cutover', plan: [], runner: 'test' });
    verb = nextVerb;
    bodies.push({ type: 'step.started', step: id });
    if (step.endsWith('!')) bodies.push({ type: 'step.done', step: id, seconds: 1, acted: true });
  }
  const events = bodies.map(
    (body, i): JournalEvent => ({ ...body, number: i + 1, at: '2026-11-21T02:00:00.000Z', run: 'run', by: operator, nonce: String(i) }),
  );
  const view = fold(events);
  if (!view) throw new Error('no window');
  return { window: about, manifest: described, view, live: 'blue', maintenance: false, production: 'video-db' };
}

const titles = (plan: readonly { title: string }[]) => plan.map(({ title }) => title);

test('the cutover reads like the plan on the wall', () => {
  expect(titles(planCutover(worldAfter([])))).toEqual([
    'Record the open window: deploys of what it uses are refused',
    'Point green at video-db',
    'Check that green is up, healthy and runs its release',
    "Stop green's workers and prove them stopped",
    'Check that video-fallback-w1 replicates and has its backups on',
    'Move the write permissions on video-db to a role of their own',
    'Check both databases: settings, permissions, owners, what a copy would lack',
    'Schedule a check of the decision time every 5 minutes while the window is open',
    'Turn the maintenance page on: open paths stay open',
    'Wait until every address of the load balancer shows the maintenance page',
    "Stop blue's workers and prove them stopped",
    'Wait until no write transaction is open',
    'Fence video-db: nobody but Switchback can write, and prove it',
    'Wait until video-fallback-w1 has replayed everything up to the fence',
    'Promote video-fallback-w1: it becomes a database of its own',
    'Prove that nobody can write to video-fallback-w1 either',
    "Let blue's open paths read from video-fallback-w1",
    'Start to point the rest of blue at video-fallback-w1',
    "Run green's migrations on video-db, once",
    'Prove that video-db is still fenced after the migrations',
    'Record how many rows have changed, to count what is written after opening',
    'Open video-db to green, and only to green',
    'Run smoke tests against green, past the maintenance page',
    'Landing tests (landing test by the business), then go or no-go',
    // asked for before the migrations; people's time at the gate is the tasks' time to come up.
    'Wait until all of blue reads from video-fallback-w1, ready to go back',
    'Send traffic to green',
    "Start green's workers, one by one",
    'Turn the maintenance page off: the site is open',
    "Prove that every address answers with green's release, 10 times in a row",
    'Schedule the teardown for the end of the hold, in 24 h',
    'Watch green for 60 s',
  ]);
});

test('every step of every plan has an id of its own, an estimate and patience', () => {
  const plans = [
    planStage(worldAfter([])),
    planCutover(worldAfter([])),
    planRollback(worldAfter([])),
    planRollback(worldAfter(['cutover migrations'])),
  ];
  for (const plan of plans) {
    expect(new Set(plan.map(({ id }) => id)).size).toBe(plan.length);
    for (const step of plan) {
      expect(step.estimateSeconds).toBeGreaterThan(0);
      expect(step.patienceSeconds).toBeGreaterThan(step.estimateSeconds / 2);
      // whatever a step's validity ends with must come later in the same plan, or be the end of the run.
      if (step.holdsUntil && step.holdsUntil !== 'end')
        expect(plan.findIndex(({ id }) => id === step.holdsUntil)).not.toBe(plan.indexOf(step));
    }
  }
});

test('before the migrations a rollback opens the production database again', () => {
  for (const begun of [[], ['cutover database.fence'], ['cutover fallback.promote']]) {
    const plan = titles(planRollback(worldAfter(begun)));
    expect(plan).toContain('Open video-db to blue, and only to blue');
    expect(plan.join()).not.toContain('Record video-fallback-w1 as the production database');
  }
});

test('once a migration may have begun, a rollback goes to the fallback, after counting what would be lost', () => {
  const plan = titles(planRollback(worldAfter(['cutover fallback.promote', 'cutover migrations'])));
  expect(plan).toEqual([
    'Check that video-fallback-w1 answers, before production is closed',
    'Turn the maintenance page on: open paths stay open',
    'Wait until every address of the load balancer shows the maintenance page',
    "Stop green's workers and prove them stopped",
    'Wait until no write transaction is open',
    'Fence video-db: nobody but Switchback can write, and prove it',
    'Count what was written since opening: it stays on the migrated database',
    'Promote video-fallback-w1: it becomes a database of its own',
    'Point blue at video-fallback-w1',
    'Record video-fallback-w1 as the production database',
    'Open video-fallback-w1 to blue, and only to blue',
    'Send traffic to blue',
    "Start blue's workers, one by one",
    'Turn the maintenance page off: the site is open',
    "Prove that every address answers with blue's release, 10 times in a row",
    'Schedule the teardown for the end of the hold, in 24 h',
  ]);
});

test('nothing in any rollback deletes anything', () => {
  for (const begun of [[], ['cutover fallback.promote', 'cutover migrations']]) {
    expect(planRollback(worldAfter(begun)).filter(({ id }) => /delete|snapshot|close/.test(id))).toEqual([]);
  }
});

test('a teardown after the cutover retires the fallback and the old color', () => {
  expect(titles(planTeardown(worldAfter(['cutover fallback.promote', 'cutover migrations', 'cutover traffic.proof!'])))).toEqual([
    'Check that blue serves nobody',
    'Prove that nobody can write to video-fallback-w1',
    'Take the final snapshot of video-fallback-w1',
    'Release the stacks: they may be deployed and deleted again',
    'Delete video-fallback-w1 with video-fallback-w1 (its final snapshot stays)',
    "Delete blue's stack",
    'Close the window and remove its schedule',
  ]);
});

test('a teardown after a rollback keeps the fallback, which is production now, and leaves an instance that no fallback stack holds', () => {
  const world = worldAfter(['cutover fallback.promote', 'cutover migrations', 'rollback traffic.proof!']);
  expect(titles(planTeardown(world, { keepStandby: true }))).toEqual([
    'Check that green serves nobody',
    'Prove that nobody can write to video-db',
    'Take the final snapshot of video-db',
    'Release the stacks: they may be deployed and deleted again',
    'Close the window and remove its schedule',
  ]);
});

test('once a teardown deletes what it would go back to, a rollback is refused before anything is down', () => {
  const night = ['cutover migrations', 'cutover database.open', 'cutover traffic.proof'];
  expect(() => planRollback(worldAfter([...night, 'teardown retired.fence']), { acceptLoss: true })).not.toThrow();
  for (const step of ['fallback.delete', 'standby.delete'])
    expect(() => planRollback(worldAfter([...night, `teardown ${step}`]), { acceptLoss: true })).toThrow(
      expect.objectContaining({ code: 'rollback.too-late', next: [switchback('teardown'), switchback('status')] }),
    );
});

test('a teardown of a window that got nowhere refuses, with the two ways on', () => {
  expect(() => planTeardown(worldAfter(['cutover migrations']))).toThrow(
    'w1 is neither cut over nor rolled back: there is no standby to tear down',
  );
});

test('a teardown says what leads on: out of a rollback only the rollback, and nothing that takes customers down who are well', () => {
  const refused = (steps: readonly string[]) => {
    try {
      planTeardown(worldAfter(steps));
    } catch (error) {
      return error as { message: string; next: unknown };
    }
    throw new Error('it was planned');
  };
  expect(refused(['cutover traffic.maintenance']).next).toEqual([switchback('cutover'), switchback('rollback')]);
  expect(refused(['stage preflight!']).next).toEqual([switchback('status'), switchback('stage', '--undo')]);
  expect(refused(['cutover traffic.proof!', 'rollback database.fence!'])).toMatchObject({
    message: expect.stringContaining('the rollback of w1 has not come to its end'),
    next: [switchback('rollback')],
  });
});

test('the first opening of a system has no maintenance to fear, and is taken back by closing the system again', () => {
  const world = worldAfter([], { ...window, name: 'w0', from: undefined, fallback: undefined, to: 'blue' });
  expect(planCutover(world).map(({ id }) => id)).toEqual([
    'window.record',
    'standby.database',
    'release.ready',
    'standby.workers',
    'migrations',
    'database.open',
    'checks.smoke',
    'traffic.switch',
    'workers.start',
    'traffic.open',
    'traffic.proof',
    'window.close',
  ]);
  expect(titles(planRollback(world))).toEqual([
    'Turn the maintenance page on: open paths stay open',
    'Wait until every address of the load balancer shows the maintenance page',
    "Stop blue's workers and prove them stopped",
    'Wait until no write transaction is open',
    'Fence video-db: nobody but Switchback can write, and prove it',
    'Close the window and remove its schedule',
  ]);
});

describe('with a feed', () => {
  const described = { ...manifest, shared: { ...manifest.shared, database: { ...manifest.shared.database, feedSecret: 'feed' } } };
  const fed = (steps: readonly string[]) => worldAfter(steps, window, described);

  test('the fork is made while nobody sleeps badly, days before', () => {
    expect(titles(planStage(fed([]))).slice(-8)).toEqual([
      'Schedule a check of the feed and the decision time every 5 minutes while the window is open',
      'Check whether video-fallback-w1 can be fed from where it leaves video-db, or needs a copy',
      'Create a publication and a slot on video-db: it keeps changes for video-fallback-w1',
      'Promote video-fallback-w1: it becomes a database of its own',
      'Copy every table to video-fallback-w1 if its position on video-db is not known',
      'Start replication to video-fallback-w1 from the exact position where it left video-db',
      'Prove that nobody but the feed can write to video-fallback-w1',
      'Send a test row of every table to video-fallback-w1 and remove it: it must arrive',
    ]);
  });

  test('in the cutover the feed pauses for the migrations and goes on, bridged, before anybody may write', () => {
    const ids = planCutover(fed([])).map(({ id }) => id);
    const order = [
      'traffic.maintenance',
      'workers.stop',
      'database.drain',
      'database.fence',
      'feed.level',
      'form.before',
      'feed.pause',
      'migrations',
      'form.classified',
      'feed.bridge',
      'feed.footprint',
      'feed.resume',
      'feed.canary',
      'feed.round-trip',
      'database.open',
      'checks.smoke',
      'gate.go',
      'traffic.switch',
      'workers.start',
      'traffic.open',
    ];
    expect(ids.filter((id) => order.includes(id))).toEqual(order);
    // open paths read from the fallback before anything holds a lock.
    expect(ids.indexOf('open-paths.fallback')).toBeLessThan(ids.indexOf('traffic.maintenance'));
    expect(planCutover(fed([])).some(({ pointOfLoss }) => pointOfLoss)).toBe(false);
  });

  test('a rollback after opening loses nothing and proves it after customers are served', () => {
    expect(titles(planRollback(fed(['cutover migrations', 'cutover database.open'])))).toEqual([
      'Check that video-fallback-w1 answers, before production is closed',
      // before customers notice anything: should its tasks need time, they take it here.
      'Point blue at video-fallback-w1',
      'Turn the maintenance page on: open paths stay open',
      'Wait until every address of the load balancer shows the maintenance page',
      "Stop green's workers and prove them stopped",
      'Wait until no write transaction is open',
      'Fence video-db: nobody but Switchback can write, and prove it',
      "Move video-fallback-w1's sequences 10000 past video-db's",
      'Send a marker through the feed: when it arrives, video-fallback-w1 has everything',
      'Flush what video-fallback-w1 has applied to disk and stop the feed',
      'Remove the bridge from video-fallback-w1 and restore the constraints of the old schema',
      'Take a snapshot of video-fallback-w1 for the comparison after reopening',
      'Record video-fallback-w1 as the production database',
      'Open video-fallback-w1 to blue, and only to blue',
      'Send traffic to blue',
      "Start blue's workers, one by one",
      'Turn the maintenance page off: the site is open',
      "Prove that every address answers with blue's release, 10 times in a row",
      'Compare video-db with the snapshot of video-fallback-w1: every row of the old schema',
      'Report what the old schema could not hold: the loss manifest',
      'Move aside on video-fallback-w1 what only the new schema has: the next window migrates again',
      'Schedule the teardown for the end of the hold, in 24 h',
    ]);
  });

  test('with a dead feed the operator may accept the loss, and it is counted', () => {
    const ids = planRollback(fed(['cutover migrations', 'cutover database.open']), { acceptLoss: true }).map(({ id }) => id);
    expect(ids).toContain('loss.accepted');
    expect(ids).not.toContain('feed.drained');
  });

  test.each([
    ['after opening', ['cutover migrations', 'cutover database.open'], {}],
    ['before opening: customers have written since the fork', ['cutover migrations'], {}],
    ['with a dead feed', ['cutover migrations', 'cutover database.open'], { acceptLoss: true }],
  ])('a rollback to a fed fallback gives out no number that production has given out, %s', (_when, begun, options) => {
    const ids = planRollback(fed(begun), options).map(({ id }) => id);
    // behind the fence the numbers are final, however long a rollback that stopped half-way was left.
    expect(ids.indexOf('sequences.ahead')).toBeGreaterThan(ids.indexOf('database.fence'));
    expect(ids.indexOf('sequences.ahead')).toBeLessThan(ids.indexOf('database.open'));
  });

  test('rows that the migrations deleted and that are to be kept come back after the moment of the comparison, before anybody writes', () => {
    const bridges = { deleted: { 'public.users': 'keep' as const } };
    const green = { ...manifest.green!, migration: { ...manifest.green!.migration, bridges } };
    const world = fed(['cutover migrations', 'cutover database.open']);
    const keeping = planRollback({ ...world, manifest: { ...world.manifest, green } });
    const ids = keeping.map(({ id }) => id);
    expect(ids.slice(ids.indexOf('proof.moment'), ids.indexOf('deleted.back') + 2)).toEqual([
      'proof.moment',
      'deleted.back',
      'production.pointer',
    ]);
  });

  test('before opening, a rollback needs no proof: nobody has written', () => {
    const ids = planRollback(fed(['cutover migrations'])).map(({ id }) => id);
    expect(ids).toContain('production.pointer');
    expect(ids).not.toContain('proof.equal');
  });

  test('after a rollback a teardown looks who has written behind the fence, before it removes by what that is told', () => {
    const world = fed([
      'stage fallback.promote',
      'cutover migrations',
      'cutover database.open',
      'cutover traffic.proof!',
      'rollback traffic.proof!',
    ]);
    const view = { ...world.view, verdict: { findings: [], proof: {}, files: [] } };
    const ids = planTeardown({ ...world, view }).map(({ id }) => id);
    expect(ids.slice(0, 3)).toEqual(['standby.idle', 'retired.untouched', 'feed.remove']);
    const open = { ...view.verdict, findings: [{ id: 'public.t:gone', is: 'unproven' as const, what: 'rows are gone' }] };
    expect(() => planTeardown({ ...world, view: { ...view, verdict: open } })).toThrow(
      'w1 was rolled back to video-fallback-w1, and video-db may hold rows that nobody else has: not proven: rows are gone [public.t:gone]',
    );
    // what has been found is not passed by with another flag.
    expect(planRollback({ ...world, view }, { acceptLoss: true }).map(({ id }) => id)).toContain('proof.equal');
  });

  test('a teardown removes the feed before it deletes what it feeds', () => {
    const ids = planTeardown(fed(['stage fallback.promote', 'cutover migrations', 'cutover database.open', 'cutover traffic.proof!'])).map(
      ({ id }) => id,
    );
    expect(ids).toEqual([
      'standby.idle',
      'feed.remove',
      'bridge.remove',
      'retired.fence',
      'final.snapshot',
      'window.release',
      'fallback.delete',
      'standby.delete',
      'window.close',
    ]);
  });
});

describe('from any place of any night', () => {
  const ahead = { ...manifest, shared: { ...manifest.shared, database: { ...manifest.shared.database, feedSecret: 'feed' } } };
  const idsOf = (plan: readonly Step[]) => plan.map(({ id }) => id);
  const place = fc.record({
    fork: fc.constantFrom('window', 'ahead'),
    staged: fc.nat(1000),
    cutOver: fc.nat(1000),
    back: fc.nat(1000),
    begun: fc.boolean(),
  });

  /** A share of a plan is done, and what comes next is begun or not. */
  function part(verb: string, plan: readonly Step[], permille: number, begun: boolean): string[] {
    const done = Math.round((permille / 1000) * plan.length);
    const next = begun ? plan.slice(done, done + 1) : [];
    return [...plan.slice(0, done).map(({ id }) => `${verb} ${id}!`), ...next.map(({ id }) => `${verb} ${id}`)];
  }

  /** The world there, and what is planned from a world of that night. */
  function night({ fork, staged, cutOver, begun }: typeof place extends fc.Arbitrary<infer T> ? T : never) {
    const world = (steps: readonly string[]) => worldAfter(steps, window, fork === 'ahead' ? ahead : manifest);
    const stage = part('stage', planStage(world([])), staged, begun);
    const cutover = part('cutover', planCutover(world(stage)), cutOver, begun);
    return { world, stage, cutover, there: [...stage, ...cutover], migrated: cutover.some((step) => /^cutover migrations/.test(step)) };
  }

  const always = (holds: (at: typeof place extends fc.Arbitrary<infer T> ? T : never) => void) =>
    fc.assert(fc.property(place, holds), { numRuns: 200, seed: 20261128 });

  test('what is done changes no plan: whoever takes a verb up has the same list before them', () => {
    always((at) => {
      const { world, stage, there } = night(at);
      expect(idsOf(planStage(world(stage)))).toEqual(idsOf(planStage(world([]))));
      expect(idsOf(planCutover(world(there)))).toEqual(idsOf(planCutover(world(stage))));
      const back = planRollback(world(there));
      expect(idsOf(planRollback(world([...there, ...part('rollback', back, at.back, at.begun)])))).toEqual(idsOf(back));
    });
  });

  test('every step of a plan is there once, and what one is valid until comes after it', () => {
    always((at) => {
      const { world, there } = night(at);
      for (const plan of [planCutover(world(there)), planRollback(world(there)), planRollback(world(there), { acceptLoss: true })]) {
        const ids = idsOf(plan);
        expect(new Set(ids).size).toBe(ids.length);
        for (const [index, { holdsUntil }] of plan.entries())
          if (holdsUntil && holdsUntil !== 'end' && ids.includes(holdsUntil)) expect(ids.indexOf(holdsUntil)).toBeGreaterThan(index);
      }
    });
  });

  test('there is a way back, which opens the one database that is as it was, and ends with the old release in front', () => {
    always((at) => {
      const { world, there, migrated, cutover } = night(at);
      const plan = planRollback(world(there));
      const ids = idsOf(plan);
      const down = cutover.some((step) => step.startsWith('cutover traffic.maintenance'));
      const inOrder = (...steps: string[]) => expect(ids.filter((id) => steps.includes(id))).toEqual(steps);
      expect(plan.filter(({ id }) => id === 'database.open').map(({ title }) => title)).toEqual([
        `Open ${migrated ? 'video-fallback-w1' : 'video-db'} to blue, and only to blue`,
      ]);
      // whom the maintenance page has not met yet does not meet it for a rollback.
      if (!down) expect(ids).not.toContain('traffic.maintenance');
      inOrder(
        ...(down ? ['traffic.maintenance', 'traffic.maintenance-seen', 'standby.workers'] : []),
        'database.open',
        'traffic.switch',
        'workers.start',
        'traffic.open',
        'traffic.proof',
      );
      // two databases are never open: the other one is fenced first, and known to be.
      if (migrated)
        inOrder(
          'traffic.maintenance',
          'traffic.maintenance-seen',
          'database.drain',
          'database.fence',
          'production.pointer',
          'database.open',
        );
      expect(ids.filter((id) => /delete|snapshot|close|remove/.test(id))).toEqual([]);
    });
  });

  test('what customers have written since the opening arrives before the feed is stopped, and is compared; without a feed it is counted', () => {
    always((at) => {
      const { world, there, cutover } = night(at);
      if (!cutover.some((step) => step.startsWith('cutover database.open'))) return;
      const ids = idsOf(planRollback(world(there)));
      const steps = ['database.fence', 'feed.drained', 'feed.stop', 'database.open', 'proof.equal', 'loss.accepted'];
      expect(ids.filter((id) => steps.includes(id))).toEqual(
        at.fork === 'ahead'
          ? ['database.fence', 'feed.drained', 'feed.stop', 'database.open', 'proof.equal']
          : ['database.fence', 'loss.accepted', 'database.open'],
      );
    });
  });

  test('a teardown deletes neither the color that serves nor the database that it writes to, and nothing before the window got to its end', () => {
    always((at) => {
      const { world, there, cutover, migrated } = night(at);
      const back = part('rollback', planRollback(world(there)), at.back, at.begun);
      for (const steps of [there, ...(back.length > 0 ? [[...there, ...back]] : [])]) {
        const rolledBack = steps.length > there.length;
        const proven = (rolledBack ? back : cutover).includes(`${rolledBack ? 'rollback' : 'cutover'} traffic.proof!`);
        if (!proven) {
          expect(() => planTeardown(world(steps))).toThrow(expect.objectContaining({ code: 'teardown.nothing-done' }));
          continue;
        }
        const said = titles(planTeardown(world(steps))).join('\n');
        expect(said).toContain(`Delete ${rolledBack ? 'green' : 'blue'}'s stack`);
        expect(said).not.toContain(`Delete ${rolledBack ? 'blue' : 'green'}'s stack`);
        expect(said.includes('Delete video-fallback-w1')).toBe(!(rolledBack && migrated));
        expect(said.includes('final snapshot of video-db')).toBe(rolledBack && migrated);
      }
    });
  });
});
