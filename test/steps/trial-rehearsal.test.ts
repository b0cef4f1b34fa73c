/**
 * The trial goes the whole way on two databases of one server: there, and back. What would break in the window breaks here, with the name of
 * what breaks; a run that dies anywhere is gone on with, and a second stage finds it done.
 */
import type { Aws } from '../../lib/aws';
import { type Clock, wallClock } from '../../lib/base/clock';
import { exit, Stop } from '../../lib/base/errors';
import type { RunAnswer } from '../../lib/engine/run-options';
import { done, type Step, todo } from '../../lib/engine/step';
import { fold } from '../../lib/engine/window-view';
import type { Manifest } from '../../lib/manifest/schema';
import { planTrial } from '../../lib/plans/trial';
import { allowMigrations, forbidMigrations, prepareRoles } from '../../lib/postgres/access/roles';
import { connect, OutcomeUnknown } from '../../lib/postgres/connection/connect';
import { runScript } from '../../lib/postgres/connection/script';
import { feedName, removeFeed } from '../../lib/postgres/replication/subscription';
import type { World } from '../../lib/steps/world';
import { manifest, operator, Rig, window } from '../_helpers/runbook';
import {
  allowFeeding,
  blue,
  database,
  feed,
  green,
  master,
  migrator,
  prepareUsers,
  roles,
  type Server,
  startServer,
  stopServers,
} from '../postgres/servers';

jest.setTimeout(120_000);

let server: Server;
let copies = 0;
let open: Stage | undefined;

beforeAll(async () => {
  server = await startServer({ settings: { wal_level: 'logical', max_replication_slots: 20, max_wal_senders: 20 } });
  await allowFeeding(server);
});
afterEach(() => open?.end());
afterAll(stopServers);

const described = (secret: string, bridges: object): Manifest => ({
  ...manifest,
  shared: {
    ...manifest.shared,
    database: { ...manifest.shared.database, name: database, roles, feedSecret: secret },
    trial: { securityGroups: [], subnetGroup: 'trial' },
  },
  blue: { ...manifest.blue!, database: { ...manifest.blue!.database, user: blue.username } },
  green: {
    ...manifest.green!,
    database: { ...manifest.green!.database, user: green.username },
    migration: { ...manifest.green!.migration, bridges },
  },
});

/** A copy of production on which a trial is made, with a journal of its own. */
class Stage {
  readonly rig = new Rig<Clock>(wallClock);
  private readonly name = `copy_${++copies}`;
  private runs = 0;
  /** Tasks that have ended, as ECS knows them. */
  private readonly ran = new Set<string>();
  private readonly places = { production: `video-w1-trial/${this.name}`, fallback: `video-w1-trial/${this.name}_twin` };

  private constructor(private readonly migration: readonly string[]) {}

  static async open(before: readonly string[], migration: readonly string[], bridges = {}): Promise<Stage> {
    const made = new Stage(migration);
    open = made;
    await server.test.query(`CREATE DATABASE ${made.name} OWNER master TEMPLATE template0`);
    await server.test.query('GRANT EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) TO master', undefined, made.name);
    const db = await made.at('');
    for (const sql of before) await db.query(sql);
    await prepareUsers(db);
    await prepareRoles(db, { database: made.name, roles });
    await db.query(`GRANT CONNECT ON DATABASE ${made.name} TO ${migrator.username}`);
    await db.close();
    await made.rig.journal().append('open', operator, {
      ...{ type: 'window.opened', window, state: { production: 'video-db', opened: true } },
      manifest: described('feed', bridges),
    });
    return made;
  }

  /** `_twin` for the one that is rolled back to. */
  at(which: '' | '_twin') {
    return connect({ ...server.address, database: `${this.name}${which}` }, master);
  }

  /** As a fresh process plans it, without what only AWS has. */
  async plan(): Promise<Step[]> {
    const view = fold((await this.rig.store.read('w1', 1)).map((text) => JSON.parse(text)))!;
    const world: World = { window, manifest: view.manifest, view, live: 'blue', maintenance: false, production: 'video-db' };
    const others = ['trial.snapshot', 'trial.restore', 'trial.remove'];
    return planTrial(world, this.places)
      .filter(({ id }) => !others.includes(id))
      .map((step) => (step.id === 'trial.migrate' || step.id === 'trial.again' ? this.migrating(step) : step));
  }

  private migrating(step: Step): Step {
    const address = { ...server.address, database: step.id === 'trial.migrate' ? this.name : `${this.name}_twin` };
    return {
      ...step,
      observe: async () => (this.ran.has(step.id) ? done(undefined, { lines: [], locks: [] }) : todo()),
      act: async () => {
        const db = await connect(address, master);
        await allowMigrations(db, roles);
        await runScript(
          address,
          migrator,
          this.migration.map((sql, line) => ({ line, sql })),
          'migrations',
        );
        await forbidMigrations(db, roles);
        await db.close();
        this.ran.add(step.id);
      },
    };
  }

  async run(steps?: readonly Step[]): Promise<RunAnswer> {
    const plan = steps ?? (await this.plan());
    const aws = {
      databases: { describe: async () => ({ status: 'available', address: server.address }) },
      settings: { secret: async (name: string) => ({ master, feed })[name] },
    } as unknown as Aws;
    return this.rig.advance(plan, { aws, clock: wallClock, verb: 'stage', run: `stage-${++this.runs}`, patienceSeconds: 30 });
  }

  /** Roles and slots belong to the whole server. */
  async end(): Promise<void> {
    const [from, to] = [await this.at(''), await this.at('_twin').catch(() => undefined)];
    await removeFeed(from, to, feedName(window.name));
    await Promise.all([from.close(), to?.close()]);
  }

  async done(): Promise<string[]> {
    return (await this.rig.events()).filter(({ type }) => type === 'step.done').map(({ step }) => step!);
  }
}

const before = [
  'CREATE TABLE p (id int PRIMARY KEY, email text NOT NULL UNIQUE)',
  'CREATE TABLE k (id int PRIMARY KEY, p int NOT NULL REFERENCES p, cents int NOT NULL, paid int NOT NULL DEFAULT 0)',
  "INSERT INTO p SELECT g, g || '@x' FROM generate_series(1, 50) g",
  'INSERT INTO k SELECT g, g, 100 FROM generate_series(1, 50) g',
];
/** Bridged: a column renamed, one widened, rows of the old schema changed, a new table. */
const migration = [
  'ALTER TABLE p RENAME COLUMN email TO address',
  'ALTER TABLE k ALTER cents TYPE bigint',
  'UPDATE k SET paid = 1 WHERE id <= 10',
  'CREATE TABLE audit (id int PRIMARY KEY, what text)',
];

test('goes there and back, each step by a process of its own, and says that it passed', async () => {
  const stage = await Stage.open(before, migration);
  const ids = (await stage.plan()).map(({ id }) => id);
  for (let step = 1; step <= ids.length; step += 1)
    expect(await stage.run((await stage.plan()).slice(0, step))).toEqual({ state: 'finished' });
  expect(ids).toEqual([
    ...['trial.fence', 'trial.form', 'trial.fork', 'trial.migrate', 'trial.fenced-after', 'trial.preflight', 'trial.expanded'],
    ...[
      'trial.differences',
      'trial.bridge',
      'trial.footprint',
      'trial.feed',
      'trial.canary',
      'trial.round-trip',
      'trial.writes',
      'trial.open',
    ],
    ...['trial.hold', 'trial.closed', 'trial.sequences', 'trial.drained', 'trial.stop', 'trial.unbridge', 'trial.moment', 'trial.reopen'],
    ...['trial.equal', 'trial.losses', 'trial.aside', 'trial.unfeed', 'trial.revert', 'trial.again', 'trial.classified'],
  ]);
  const twin = await stage.at('_twin');
  // rolled back, and migrated once more: nothing of the feed is left, and the rows are those of production.
  expect(await twin.query('SELECT sum(paid)::int AS paid FROM k')).toEqual([{ paid: 10 }]);
  expect(
    await twin.query(
      'SELECT 1 AS one FROM pg_subscription UNION ALL SELECT 1 FROM pg_replication_slots UNION ALL SELECT 1 FROM pg_publication',
    ),
  ).toEqual([]);
  await twin.close();
  // a second stage of the window makes none again.
  const known = (await stage.done()).length;
  expect(await stage.run()).toEqual({ state: 'finished' });
  const again = (await stage.rig.events()).slice(-100).filter(({ type }) => type === 'step.done');
  expect((await stage.done()).length).toBe(known + ids.length);
  expect(again.at(-1)).toMatchObject({ step: 'trial.classified', acted: false });
});

/** What a step can die of, around its change. */
const deaths: Readonly<Record<string, (act: () => Promise<void>) => Promise<void>>> = {
  'the run died after the change': async (act) => {
    await act();
    throw new Stop('run.stop-asked', 'killed');
  },
  'the run died before the change': async () => {
    throw new Stop('run.stop-asked', 'killed');
  },
  'the answer was lost': async (act) => {
    await act();
    throw new OutcomeUnknown('the connection broke', undefined, 'look');
  },
};

test.each(Object.keys(deaths))('%s, at every step: the next goes on, and it passes', async (death) => {
  const stage = await Stage.open(before, migration);
  const struck = new Set<string>();
  const dying = (step: Step): Step => ({
    ...step,
    ...(step.act
      ? {
          act: async (context) => {
            if (struck.has(step.id) || step.id === 'trial.migrate' || step.id === 'trial.again') return step.act?.(context);
            struck.add(step.id);
            return deaths[death]!(async () => step.act?.(context));
          },
        }
      : {}),
  });
  let answer: RunAnswer = { state: 'continue' };
  for (let runs = 0; runs < 40 && answer.state !== 'finished'; runs += 1) {
    answer = await stage.run((await stage.plan()).map(dying));
    if (answer.state === 'stopped') expect(answer).toMatchObject({ code: 'run.stop-asked', message: 'killed' });
  }
  expect(answer).toEqual({ state: 'finished' });
  expect(struck.size).toBeGreaterThan(10);
});

test.each([
  [
    'a bridge that PostgreSQL refuses',
    ['CREATE TABLE g (id int PRIMARY KEY, n int)', 'CREATE TABLE of_g (id int PRIMARY KEY, v g)'],
    ['ALTER TABLE of_g DROP COLUMN v', 'ALTER TABLE g ALTER n TYPE bigint'],
    'trial.bridge.failed',
    'cannot alter table "g" because column "of_g.v" uses its row type',
  ],
])('ends with the name of what breaks: %s', async (_what, before, migration, code, message) => {
  const stage = await Stage.open(before, migration);
  const answer = await stage.run();
  expect(answer).toMatchObject({ state: 'stopped', code, exit: exit.refused, message: expect.stringContaining(message) });
});

test('rows that are never the same on both sides are looked at once more, and not for an hour', async () => {
  const bridges = { columns: [{ table: 'public.k', column: 'cents', from: 'random() * 1000' }] };
  const stage = await Stage.open(before, ['ALTER TABLE k DROP COLUMN cents'], bridges);
  expect(await stage.run()).toMatchObject({
    ...{ state: 'stopped', code: 'trial.footprint.failed', exit: exit.refused },
    message: expect.stringMatching(/^rows that were brought to \S+ differ there: public\.k: \d+ rows/),
  });
});

test('says that a copy cannot reach itself', async () => {
  const stage = await Stage.open(before, migration);
  const shut = (step: Step): Step => ({
    ...step,
    async act(context) {
      // once it has been made; no group of AWS is here to keep it out.
      await server.test.query(`ALTER ROLE ${feed.username} NOLOGIN`);
      await step.act?.(context);
    },
  });
  expect(await stage.run((await stage.plan()).map((step) => (step.id === 'trial.bridge' ? shut(step) : step)))).toMatchObject({
    ...{ state: 'stopped', code: 'trial.copy.unreachable', exit: exit.refused },
    message: expect.stringContaining('the copy cannot reach itself, so no feed can be tried on it: could not connect to the publisher'),
  });
});

test('what a rollback would lose and nobody has accepted ends it before anything is tried', async () => {
  const stage = await Stage.open(before, ['DROP TABLE k']);
  expect(await stage.run()).toMatchObject({
    ...{ state: 'stopped', code: 'trial.not-lossless', exit: exit.refused },
    message: expect.stringContaining('--accept-loss public.k:dropped'),
  });
  expect(await stage.done()).not.toContain('trial.bridge');
});
