/** How a fallback gets its rows when rights or sources are missing: with the real steps, the real runner, and real servers. */

import type { Aws } from '../../lib/aws';
import { switchback } from '../../lib/base/advice';
import { type Clock, wallClock } from '../../lib/base/clock';
import { Journal } from '../../lib/engine/journal';
import { advance } from '../../lib/engine/run';
import type { RunAnswer } from '../../lib/engine/run-options';
import { done, type Step, todo } from '../../lib/engine/step';
import { fold, type WindowView } from '../../lib/engine/window-view';
import { openTo } from '../../lib/postgres/access/fence';
import type { Db } from '../../lib/postgres/connection/connect';
import { inRecovery } from '../../lib/postgres/connection/lsn';
import { majorVersion } from '../../lib/postgres/connection/server';
import { copying } from '../../lib/postgres/replication/copy';
import { feedHealth } from '../../lib/postgres/replication/feed';
import { ensureMarker, markerRoundTrip } from '../../lib/postgres/replication/marker';
import { createPublication, publishable } from '../../lib/postgres/replication/publication';
import { dropSlot, ensureFeedUser, feedName, removeFeed } from '../../lib/postgres/replication/subscription';
import { compareTables } from '../../lib/postgres/verification/compare';
import { feedStarted, slotMade } from '../../lib/steps/feed';
import { copied, forkMethod, forkMethodChosen } from '../../lib/steps/fork-method';
import { forkTried } from '../../lib/steps/round-trip';
import { Kill, MemoryStore, manifest, operator, window } from '../_helpers/runbook';
import { audit, type Load, loadTables, startLoad } from '../postgres/load';
import {
  allowFeeding,
  blue,
  database,
  feed,
  master,
  prepareUsers,
  roles,
  type Server,
  startServer,
  stopServers,
} from '../postgres/servers';

const name = feedName('w1');
const fallbackName = 'video-fallback-w1';
let [a, b]: Server[] = [];
let production: Db;
let load: Load;
let store: MemoryStore;

beforeEach(async () => {
  a = await startServer({ settings: { max_slot_wal_keep_size: '1GB' } });
  production = await a.master();
  await production.query(loadTables);
  await prepareUsers(production);
  await allowFeeding(a);
  await ensureFeedUser(production, { user: feed.username, password: feed.password, roles, database });
  await openTo(production, roles, blue.username);
  b = await a.standby();
  load = await startLoad(() => ({ host: a!.test.host, port: a!.test.port, database, user: blue.username, password: blue.password }));
  store = new MemoryStore();
  const shared = { ...manifest.shared, database: { ...manifest.shared.database, name: database, roles, feedSecret: 'feed' } };
  await journal().append('open', operator, {
    type: 'window.opened',
    window,
    manifest: { ...manifest, shared },
    state: { production: 'video-db', opened: true },
  });
});
afterEach(async () => {
  await load.stop();
  await stopServers();
});

/** Moved on past the lease of a run that was killed. */
let later = 0;
const clock: Clock = { ...wallClock, now: () => Date.now() + later };

let nonces = 0;
const journal = (): Journal => new Journal(store, 'w1', clock, () => `nonce-${++nonces}`);
async function view(): Promise<WindowView> {
  const found = journal();
  await found.refresh();
  return fold(found.events)!;
}

const aws = {
  databases: { describe: async (instance: string) => ({ address: (instance === fallbackName ? b : a)!.address, status: 'available' }) },
  settings: { secret: async (secret: string) => (secret === 'feed' ? feed : master) },
} as unknown as Aws;

const promote: Step = {
  id: 'fallback.promote',
  title: 'promote',
  estimateSeconds: 1,
  patienceSeconds: 60,
  observe: async (context) => ((await inRecovery(await context.database(fallbackName))) ? todo() : done()),
  act: async () => {
    await b!.test.promote();
  },
};

const plan = (known: WindowView, night: boolean): Step[] => [
  forkMethodChosen('video-db', fallbackName, night),
  slotMade('video-db', fallbackName),
  promote,
  copied('video-db', fallbackName, forkMethod(known), night),
  feedStarted('video-db', fallbackName),
  forkTried('video-db', fallbackName),
];

let runs = 0;
/** A fresh process that knows only the journal and the servers. */
const stage = (night = false): Promise<RunAnswer> =>
  advance({
    aws,
    clock,
    journal: journal(),
    verb: night ? 'cutover' : 'stage',
    run: `run-${++runs}`,
    by: operator,
    runner: 'test',
    deadline: Number.POSITIVE_INFINITY,
    plan: async (known) => plan(known, night),
  });

/** What was said on the way. */
const said = (): string[] =>
  [...store.objects.values()]
    .map((text) => JSON.parse(text) as { text?: string; detail?: string })
    .flatMap(({ text, detail }) => text ?? detail ?? []);

async function expectEqual(): Promise<void> {
  const before = load.acknowledged.size;
  while (load.acknowledged.size < before + 30) await wallClock.pause(5);
  await load.stop();
  const fallback = await b!.master();
  await markerRoundTrip(production, fallback);
  expect(load.errors).toEqual([]);
  expect(await audit({ ...b!.test.connection, database }, load)).toMatchObject({ missing: [], duplicated: [], unknown: 0 });
  expect((await compareTables(production, fallback)).equal).toBe(true);
}

/** As where a DBA makes slots, and Switchback's master user may not. */
async function takeRightsAway(): Promise<void> {
  await ensureMarker(production);
  const admin = await a!.superuser();
  await createPublication(production, name, await publishable(production));
  await admin.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
  await admin.query('ALTER ROLE master NOREPLICATION');
  await admin.close();
}

test('with every right it goes on from where it left, and that is what is said', async () => {
  expect(await stage()).toEqual({ state: 'finished' });
  expect(forkMethod(await view())).toMatchObject({ way: 'exact' });
  expect((await view()).series.stage?.steps.get('fork.copy')?.detail).toBe('not needed');
  await expectEqual();
});

test('without the right to read where it left, it is emptied and copied under load; that is said before the promotion, and it is as equal', async () => {
  // before 16 our master user is a superuser, who has every right.
  if ((await majorVersion(production)) < 16) return;
  await takeRightsAway();
  expect(await stage()).toEqual({ state: 'finished' });
  const order = [...store.objects.values()].map((text) => JSON.parse(text) as { type: string; step?: string; detail?: string });
  const found = order.findIndex(({ type, step }) => type === 'step.done' && step === 'fork.way');
  expect(order[found]?.detail).toMatch(/^by a copy of every table \(\d+ kB\), because nothing will tell where it leaves production/);
  expect(found).toBeLessThan(order.findIndex(({ type, step }) => type === 'step.started' && step === 'fallback.promote'));
  expect((await view()).facts('fork.copy')).toMatchObject({
    way: 'copy',
    why: expect.stringContaining('cannot be read'),
    bytes: expect.any(Number),
  });
  // what a plan shows from here on.
  const [step] = plan(await view(), false).filter(({ id }) => id === 'fork.copy');
  expect(step!.title).toMatch(/^Empty video-fallback-w1 and copy every table of video-db into it \(\d+ kB\)$/);
  await expectEqual();
});

test('killed at every point of the copy, it is taken up again by somebody who knows only the servers and the journal', async () => {
  await b!.test.promote();
  for (const where of ['every table is copied', 'fence', 'emptying', 'publication', 'slot', 'copy of 3']) {
    const kill = new Kill();
    store.beforeCreate = async (_window, _number, event) => {
      const { type, text } = JSON.parse(event) as { type: string; text?: string };
      if (type === 'step.progress' && text?.startsWith(where)) await kill.here();
    };
    const before = load.acknowledged.size;
    expect([where, await kill.or(stage())]).toEqual([where, 'killed']);
    later += 61_000;
    while (load.acknowledged.size < before + 20) await wallClock.pause(5);
  }
  store.beforeCreate = undefined;
  expect(await stage()).toEqual({ state: 'finished' });
  expect((await view()).facts('fork.copy')).toMatchObject({ way: 'copy' });
  await expectEqual();
});

test('a fallback that production keeps nothing for any more is filled anew by a stage, but not in the night', async () => {
  expect(await stage()).toEqual({ state: 'finished' });
  await dropSlot(production, name);
  const night = await stage(true);
  expect(night).toMatchObject({
    state: 'stopped',
    code: 'fork.copy-needed',
    message: expect.stringContaining('A stage copies them'),
    next: [switchback('stage'), switchback('rollback')],
  });
  expect(await stage()).toEqual({ state: 'finished' });
  expect(said()).toContain('every table is copied, because it was promoted before production kept anything for it');
  await expectEqual();
});

test.each([
  [false, 'fork.round-trip'],
  [true, 'fork.round-trip'],
  [true, 'fork.feed'],
])(
  'given up after that was looked at (in the night: %s, before %s), the next stage fills it anew; that is what is advised',
  async (night, before) => {
    if (night) expect(await stage()).toEqual({ state: 'finished' });
    store.beforeCreate = async (_window, _number, event) => {
      const { type, step } = JSON.parse(event) as { type: string; step?: string };
      if (type !== 'step.started' || step !== before) return;
      store.beforeCreate = undefined;
      await dropSlot(production, name);
    };
    expect(await stage(night)).toMatchObject({
      ...{ state: 'stopped', code: 'step.no-longer-holds' },
      message: expect.stringContaining('must be filled by a copy of every table, because'),
      next: [switchback('stage'), switchback('status')],
    });
    expect(await stage()).toEqual({ state: 'finished' });
    expect(said()).toContain('every table is copied, because it was promoted before production kept anything for it');
    if (night) expect(await stage(true)).toEqual({ state: 'finished' });
    await expectEqual();
  },
);

test('how far the copy is can be seen, and it can be taken back in the middle', async () => {
  await b!.test.promote();
  // one table takes as long as the test wants.
  const lock = await b!.superuser();
  await lock.query(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(42); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION slow(); ALTER TABLE orders ENABLE REPLICA TRIGGER slow; SELECT pg_advisory_lock(42)`);
  const kill = new Kill();
  const staging = kill.or(stage());
  const fallback = await b!.master();
  while ((await copying(production, fallback, name)).tables < 3) await wallClock.pause(20);
  const seen = await copying(production, fallback, name);
  expect({ ...seen, bytes: 0, ofBytes: 0, now: [] }).toEqual({
    tables: 3,
    ofTables: 4,
    bytes: 0,
    ofBytes: 0,
    now: [],
    errors: 0,
    unknown: [],
  });
  expect(seen.bytes).toBeLessThan(seen.ofBytes);
  const health = await feedHealth(production, fallback, name);
  expect([health.state, health.reasons.join()]).toEqual([
    'behind',
    'still being copied, and until they are the fallback is no way back: public.orders',
  ]);
  while (!said().some((text) => /^3 of 4 tables, .* of /.test(text))) await wallClock.pause(20);
  store.beforeCreate = () => kill.here();
  expect(await staging).toBe('killed');
  await removeFeed(production, fallback, name);
  await lock.query('SELECT pg_advisory_unlock(42)');
  expect(await production.query('SELECT slot_name FROM pg_replication_slots WHERE slot_type = $1', ['logical'])).toEqual([]);
  expect(await production.query('SELECT FROM pg_publication')).toEqual([]);
});
