/** One try: a window of its own over a database of its own, from the preflight to the putting aside. */

import { messageOf, Stop } from '../../base/errors';
import type { Verb } from '../../engine/events';
import { isTrials, lossesReported, proofFound, schemaOpened } from '../../engine/milestones';
import type { RunAnswer } from '../../engine/run-options';
import { done, type Step, todo } from '../../engine/step';
import type { StepId } from '../../engine/step-id';
import { planCutover } from '../../plans/cutover';
import { planRollback } from '../../plans/rollback';
import { planStage } from '../../plans/stage';
import { planTrial } from '../../plans/trial';
import { fence, openTo } from '../../postgres/access/fence';
import { allowMigrations, ensureUser, forbidMigrations, prepareRoles } from '../../postgres/access/roles';
import { type Address, connect, type Db, type Login } from '../../postgres/connection/connect';
import { runScript } from '../../postgres/connection/script';
import { ensureFeedUser, feedName, removeFeed } from '../../postgres/replication/subscription';
import type { Catalog } from '../../postgres/schema/catalog';
import { lookAtFeed } from '../../postgres/verification/feed-look';
import type { Loss } from '../../postgres/verification/loss-manifest';
import { LocalSystem, type Logins, roles, trialPlaces, twinOf } from './system';
import type { Outcome, Place, Statements, Tried, Trying, TryOptions } from './trying';

/** Steps about tasks, traffic and schedules. Named, so that a step of the database that is new is not left out. */
const withoutAws: ReadonlySet<StepId> = new Set<StepId>([
  'window.record',
  'standby.database',
  'release.ready',
  'standby.workers',
  'fallback.ready',
  'watch.schedule',
  'open-paths.fallback',
  'traffic.maintenance',
  'workers.stop',
  'standby.move',
  'checks.smoke',
  'gate.go',
  'standby.fallback',
  'traffic.switch',
  'workers.start',
  'traffic.open',
  'traffic.proof',
  'hold.schedule',
  'watch',
  'live.fallback',
  'production.pointer',
  'trial.snapshot',
  'trial.restore',
  'trial.remove',
]);

/** How a try ended before its end. */
class Ended extends Error {
  constructor(
    readonly outcome: Outcome,
    readonly differences: readonly string[],
  ) {
    super(differences.join('; '));
  }
}

export class Attempt {
  private at: Place = 'preflight';
  private seconds = 0;
  private local: LocalSystem | undefined;
  private asked: unknown[][] = [];
  private askedOfProduction: (unknown[] | null)[] = [];
  private readonly database: string;
  private readonly name: string;

  constructor(
    private readonly trying: Trying,
    number: number,
    private readonly logins: Logins,
    private readonly options: TryOptions,
  ) {
    this.database = `try_${number}`;
    this.name = `w${number}`;
  }

  /** Undefined while it goes on. */
  async take(action: (attempt: Attempt) => Promise<void>): Promise<Tried | undefined> {
    const began = this.options.elapsed();
    let ended: { outcome: Outcome; differences: readonly string[] } | undefined;
    try {
      await action(this);
    } catch (error) {
      ended = error instanceof Ended ? error : { outcome: 'failed', differences: [messageOf(error)] };
    }
    this.seconds += (this.options.elapsed() - began) / 1000;
    if (!ended) return undefined;
    await this.clear();
    const { id } = this.trying;
    const lossManifest = ((this.local && lossesReported(this.local.view)) as Loss[] | undefined) ?? [];
    const { asked, askedOfProduction } = this;
    const seconds = Math.round(this.seconds * 1000) / 1000;
    return { id, outcome: ended.outcome, at: this.at, differences: ended.differences, lossManifest, asked, askedOfProduction, seconds };
  }

  async prepare(): Promise<void> {
    const { servers } = this.options;
    const { superuserBefore = [], before, superuserAfter = [], declared = {}, accepted = [], bookkeeping = [] } = this.trying;
    const { database, logins } = this;
    await servers.createDatabase(database);
    await this.asSuperuser('primary', superuserBefore);
    await runScript(this.address('primary'), logins.master, before, 'master');
    await this.asMaster('primary', async (db) => {
      await prepareRoles(db, { database, roles });
      const user = ({ username, password }: Login, kind: 'color' | 'migrator' | 'reader') =>
        ensureUser(db, { user: username, password, kind, roles, database });
      for (const login of [logins.blue, logins.green]) await user(login, 'color');
      await user(logins.migrator, 'migrator');
      await user(logins.reader, 'reader');
      await ensureFeedUser(db, { user: logins.feed.username, password: logins.feed.password, roles, database });
    });
    await this.asSuperuser('primary', superuserAfter);
    await this.asMaster('primary', (db) => openTo(db, roles, logins.blue.username));
    const { onStep } = this.options;
    const say = onStep && ((verb: Verb, title: string) => onStep(this.trying.id, verb, title));
    this.local = await LocalSystem.open({
      ...{ servers, logins, database, window: this.name, declared, accepted, bookkeeping },
      ...(say ? { onStep: say } : {}),
    });
  }

  async preflight(): Promise<void> {
    await this.stage(({ id }) => id === 'preflight');
  }

  /** The stage's trial, on two databases of the primary: it goes the whole way, days before. */
  async trial(): Promise<void> {
    this.at = 'trial';
    const { servers } = this.options;
    const copy = `${this.database}_trial`;
    await servers.createDatabase(copy, this.database);
    const places = trialPlaces(this.system.world().window, copy);
    const [from, to] = [
      { ...this.address('primary'), database: copy },
      { ...this.address('primary'), database: twinOf(copy) },
    ];
    try {
      // rights on a database are not copied with it.
      await this.asMasterAt(from, (db) => prepareRoles(db, { database: copy, roles }));
      await this.run('stage', planTrial(this.system.world(), places));
    } finally {
      const twin = await this.asMasterAt(to, async (db) => db).catch(() => undefined);
      const feed = feedName(this.name);
      await this.asMasterAt(from, (one) =>
        twin ? this.asMasterAt(to, (two) => removeFeed(one, two, feed)) : removeFeed(one, undefined, feed),
      );
      await servers.dropDatabase(twinOf(copy));
      await servers.dropDatabase(copy);
    }
  }

  async slot(): Promise<void> {
    this.at = 'preflight';
    await this.stage(({ id }) => id === 'fork.way' || id === 'fork.slot');
  }

  /** From the fork to the end: throws how it ended. */
  async window(): Promise<void> {
    const { trying, logins } = this;
    await this.asMaster('primary', async (db) => {
      // the window before has fenced it: the roles are the same.
      await fence(db, roles);
      await openTo(db, roles, logins.blue.username);
    });
    this.at = 'preflight';
    await this.stage(({ id }) => !['preflight', 'fork.way', 'fork.slot'].includes(id) && !isTrials(id));
    await this.as(logins.blue, 'primary', trying.meanwhile);

    this.at = 'window';
    const staged = new Set(planStage(this.system.world()).map(({ id }) => id));
    await this.run(
      'cutover',
      planCutover(this.system.world()).filter(({ id }) => !staged.has(id)),
    );

    this.at = 'hold';
    await this.as(logins.green, 'primary', trying.writes);
    await this.asSuperuser('primary', trying.superuserInHold ?? []);
    await this.watch();

    this.at = 'rollback';
    await this.run('rollback', planRollback(this.system.world()));
    await this.as(logins.blue, 'replica', trying.backWrites);
    await this.askBoth();
    if (proofFound(this.system.view)?.['proven'] === false) throw new Ended('wrong', ['it was not proven that nothing is lost']);
    throw new Ended('lossless', []);
  }

  /** As the schedule looks at an open window. */
  private async watch(): Promise<void> {
    const form = schemaOpened(this.system.view) as Catalog | undefined;
    await this.asMaster('primary', (from) =>
      this.asMaster('replica', async (to) => {
        const { state, reasons, drift } = await lookAtFeed(from, to, feedName(this.name), {
          ...(form ? { form } : {}),
          makesPartitions: true,
        });
        if (state !== 'alive') throw new Ended('failed', [`the feed is ${state}: ${reasons.join('; ')}`, ...drift]);
      }),
    );
  }

  /** Production, in the new schema, may not know what is asked of the old one. */
  private async askBoth(): Promise<void> {
    const ask = (side: 'primary' | 'replica', ofOther: (error: unknown) => undefined) =>
      this.options.servers.asSuperuser(side, this.database, async (session) => {
        const answers: (unknown[] | undefined)[] = [];
        for (const sql of this.trying.ask ?? [])
          answers.push(await session.query(sql).then((rows) => rows.map(([first]) => first), ofOther));
        return answers;
      });
    this.askedOfProduction = (await ask('primary', () => undefined)).map((answer) => answer ?? null);
    this.asked = (
      await ask('replica', (error) => {
        throw error;
      })
    ).map((answer) => answer ?? []);
  }

  private stage(which: (step: Step) => boolean): Promise<void> {
    return this.run('stage', planStage(this.system.world()).filter(which));
  }

  private async run(verb: Verb, steps: readonly Step[]): Promise<void> {
    const answer = await this.system.run(verb, this.ofDatabases(steps));
    if (answer.state === 'finished') return;
    throw this.stopped(answer);
  }

  private stopped(answer: Exclude<RunAnswer, { state: 'finished' }>): Ended {
    if (answer.state !== 'stopped') return new Ended('failed', [`it would wait: ${answer.state}`]);
    const { code, message } = answer;
    if (code === 'proof.different' || code === 'proof.written-behind') return new Ended('wrong', [message]);
    // said before anything is down, by a step that has looked and not by one that broke.
    const refused =
      (this.at === 'preflight' && /^(preflight\.|fork\.round-trip$)/.test(code)) || (this.at === 'trial' && /^trial\./.test(code));
    const lists = code === 'trial.not-lossless' || code === 'trial.preflight.refused';
    return new Ended(refused ? 'refused' : 'failed', lists ? message.split('\n') : [`${code}: ${message}`]);
  }

  /** Without what only AWS has; the migrations run from here instead of in a task. */
  private ofDatabases(steps: readonly Step[]): Step[] {
    const { primary, copy } = { primary: this.address('primary'), copy: `${this.database}_trial` };
    const at: Partial<Record<StepId, Address>> = {
      migrations: primary,
      'trial.migrate': { ...primary, database: copy },
      'trial.again': { ...primary, database: twinOf(copy) },
    };
    return steps
      .filter(({ id }) => !withoutAws.has(id))
      .map((step) => {
        const address = at[step.id];
        return address ? this.migrations(step, address) : step;
      });
  }

  private migrations(step: Step, address: Address): Step {
    let ran = false;
    return {
      ...step,
      observe: async () => (ran ? done(undefined, { lines: [], locks: [] }) : todo()),
      act: async () => {
        await this.migrateAt(address).catch((error: unknown) => {
          // as the task of a stage would stop it.
          throw step.id === 'trial.again' ? new Stop('trial.next.failed', messageOf(error), { cause: error }) : error;
        });
        ran = true;
      },
    };
  }

  private async migrateAt(address: Address): Promise<void> {
    const { migrate } = this.trying;
    const { migrator } = this.logins;
    await this.asMasterAt(address, (db) => allowMigrations(db, roles));
    try {
      if (typeof migrate === 'function') await migrate(urlOf(address, migrator));
      else await runScript(address, migrator, migrate, 'migrations');
    } finally {
      await this.asMasterAt(address, (db) => forbidMigrations(db, roles));
    }
  }

  private get system(): LocalSystem {
    if (!this.local) throw new Error('it has not been prepared');
    return this.local;
  }

  private address(side: 'primary' | 'replica'): Address {
    return { ...this.options.servers.address(side), database: this.database };
  }

  private asMaster<T>(side: 'primary' | 'replica', action: (db: Db) => Promise<T>): Promise<T> {
    return this.asMasterAt(this.address(side), action);
  }

  private async asMasterAt<T>(address: Address, action: (db: Db) => Promise<T>): Promise<T> {
    const db = await connect(address, this.logins.master);
    try {
      return await action(db);
    } finally {
      await db.close();
    }
  }

  private async as(login: Login, side: 'primary' | 'replica', statements: Statements = []): Promise<void> {
    if (statements.length > 0) await runScript(this.address(side), login, statements, login.username);
  }

  private async asSuperuser(side: 'primary' | 'replica', statements: Statements): Promise<void> {
    if (statements.length === 0) return;
    await this.options.servers.asSuperuser(side, this.database, async (session) => {
      for (const { sql } of statements) await session.query(sql);
    });
  }

  /** A slot that nobody reads, and a subscription that tries again and again, would be in the way of the others. */
  private async clear(): Promise<void> {
    if (!this.local) return;
    await this.asMaster('primary', async (from) => {
      if (!this.options.servers.promoted) await removeFeed(from, undefined, feedName(this.name));
      else await this.asMaster('replica', (to) => removeFeed(from, to, feedName(this.name)));
    });
  }
}

const urlOf = ({ host, port, database }: Address, { username, password }: Login): string =>
  `postgres://${username}:${password}@${host}:${port}/${database}`;
