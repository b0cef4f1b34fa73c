/**
 * Everything that a night or a rollback counts on, looked at now and not read from the journal. It changes nothing: the
 * heartbeat it writes is its own row.
 */

import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import { type Advice, answers, say, switchback, typed } from '../base/advice';
import type { Clock } from '../base/clock';
import { messageOf } from '../base/errors';
import { again } from '../engine/again';
import { Connections } from '../engine/connections';
import type { HoldSeen, Verb } from '../engine/events';
import { lastHoldSeen } from '../engine/events';
import { Journal } from '../engine/journal';
import { fallbackFenced, feedStarted, holdEndsAt, proofPending, shouldBe, siteIsDown } from '../engine/milestones';
import { nextWhileOpen, openWords } from '../engine/verdict';
import { fold, type WindowView } from '../engine/window-view';
import type { Color, Manifest, SystemState } from '../manifest/schema';
import { whereNow } from '../manifest/traffic';
import { byHand, proveFenced, writersAllowed } from '../postgres/access/fence';
import { inRecovery } from '../postgres/connection/lsn';
import { feedName } from '../postgres/replication/subscription';
import { scheduleName, watchName } from '../steps/schedule';
import type { Check, CheckReport } from './check-report';
import { lookAsCustomer } from './customers-look';
import { lookNow, watchPhase } from './look-now';
import { checkReleases } from './release-check';
import type { CheckRequest, Reply, Runtime } from './request';
import { endOf, wayBackReport } from './way-back';

/** Looks once; answers as a verb does. */
export async function checkHealth(request: CheckRequest, { aws, clock }: Runtime): Promise<Reply> {
  const { manifest: deployed, state } = await aws.settings.manifest(request.system);
  const store = aws.journal(deployed.shared.journalBucket, request.system);
  const last = (await store.windows()).at(-1);
  const journal = new Journal(store, last ?? '', clock, randomUUID);
  if (last !== undefined) await journal.refresh();
  const folded = last === undefined ? undefined : fold(journal.events);
  const view = folded?.closed === undefined ? folded : undefined;
  const manifest = view?.manifest ?? deployed;
  const connections = new Connections(aws, manifest);
  try {
    const look = new Look({ aws, clock, connections, manifest, state, view, now: clock.now(), last: view && lastHoldSeen(journal.events) });
    const report = await look.all();
    return { state: 'finished', ...(view ? { window: view.name } : {}), check: { system: request.system, ...report } };
  } finally {
    await connections.end();
  }
}

interface Subject {
  readonly aws: Aws;
  readonly clock: Clock;
  readonly connections: Pick<Connections, 'to'>;
  readonly manifest: Manifest;
  readonly state: SystemState | undefined;
  readonly view: WindowView | undefined;
  readonly now: number;
  /** The newest note of the feed's watch. */
  readonly last: ReturnType<typeof lastHoldSeen>;
}

/** Where everything should be; what is undefined was left in the middle of a change, and is told without being judged. */
interface Place {
  readonly live: Color | undefined;
  readonly maintenance: boolean | undefined;
  readonly production: string;
  /** Whose user may write to production. */
  readonly writes: Color | 'nobody' | undefined;
  /** Nobody may write to it. */
  readonly fenced: string | undefined;
  readonly workers: Color | 'none' | undefined;
}

/** How long the rate is measured where no earlier look tells it. */
const rateMs = 2000;

class Look {
  private seen: HoldSeen | undefined;
  /** By which the rate is measured at which the limit is used up. */
  private earlier: { readonly at: number; readonly bytesLeft: number | undefined } | undefined;

  constructor(private readonly on: Subject) {}

  async all(): Promise<Omit<CheckReport, 'system'>> {
    const { view, now } = this.on;
    const order = await this.on.aws.traffic.order(this.on.manifest);
    const { live, maintenance } = whereNow(this.on.manifest, order);
    const place = this.place(live);
    const checks = [
      ...this.run(),
      ...(await checkReleases(this.on.aws, this.on.manifest)),
      ...this.proof(),
      ...(await this.feed()),
      ...(place
        ? [
            this.traffic(place, live, maintenance),
            await this.customers(place),
            await this.writers(place),
            ...(await this.fence(place)),
            await this.workers(place),
          ].map((check) => this.judged(check))
        : []),
      ...(await this.schedules()),
    ];
    return { at: new Date(now).toISOString(), ...(view ? { window: view.name } : {}), checks, ...this.until() };
  }

  private place(live: Color | undefined): Place | undefined {
    const { view, state, manifest } = this.on;
    const production = state?.production ?? manifest.shared.database.instance;
    if (!state?.opened) return undefined;
    if (!view) return live && { live, maintenance: false, production, writes: live, fenced: undefined, workers: live };
    const { from, to, fallback } = view.window;
    if (!from || !fallback) return undefined;
    const should = shouldBe(view);
    const color = <T>(where: 'from' | 'to' | T | undefined): Color | T | undefined =>
      where === 'from' ? from : where === 'to' ? to : where;
    // what a teardown deletes is not asked any more.
    const fenced =
      view.series.teardown !== undefined
        ? undefined
        : production === fallback
          ? view.window.production
          : feedStarted(view) || fallbackFenced(view)
            ? fallback
            : undefined;
    return {
      live: color<never>(should.live),
      maintenance: should.maintenance,
      production,
      writes: color<'nobody'>(should.writes),
      fenced,
      workers: color<'none'>(should.workers),
    };
  }

  /** Somebody is at it, and may be changing what is looked at. */
  private get alive(): boolean {
    const { view, now } = this.on;
    return view?.current !== undefined && view.current.ended === undefined && Date.parse(view.current.leaseUntil) > now;
  }

  /** While a run is at it, what differs is told and not judged: it may be what the run has just begun to change. */
  private judged(check: Check): Check {
    return check.ok || !this.alive
      ? check
      : { ...check, ok: true, what: [...check.what, 'the run that is under way may be changing it'], next: [] };
  }

  /** A verb that is under way, waits for people, or was left in the middle. */
  private run(): Check[] {
    const { view } = this.on;
    const current = view?.current;
    if (!view || !current || current.ended === 'finished') return [];
    const { verb, by } = current;
    if (current.ended === undefined && view.asked && view.question) {
      const since = `the ${verb} of ${by.who} on ${by.where} waits for go or no-go since ${view.question.at}`;
      return [{ name: 'window', ok: true, what: [since, view.asked.question], next: answers }];
    }
    if (this.alive) return [fine('window', `the ${verb} of ${by.who} on ${by.where} is under way`)];
    // nothing has happened in a cutover that was refused; what it asks for is a stage's business.
    const begun = verb === 'cutover' ? siteIsDown(view) : verb !== 'stage';
    const next: Record<Verb, readonly Advice[]> = {
      stage: [switchback('stage'), switchback('stage', '--undo')],
      cutover: begun ? [switchback('rollback'), switchback('cutover')] : [switchback('stage'), switchback('cutover')],
      rollback: [switchback('rollback')],
      teardown: [again('teardown', current)],
    };
    const how = current.ended === 'stopped' ? 'has stopped' : 'was interrupted, and nobody is at it';
    return [wrong('window', next[verb], `the ${verb} ${how}${begun ? ' in the middle' : ''}`)];
  }

  /** What a rollback has found different, or could not tell: it stands until people accept it by name. */
  private proof(): Check[] {
    const { view } = this.on;
    if (!view?.series.rollback) return [];
    const words = openWords(view);
    if (words !== undefined) return [wrong('proof', nextWhileOpen(view).slice(0, 1), words)];
    if (proofPending(view)) return [wrong('proof', [switchback('rollback')], 'the comparison after the rollback has not come to its end')];
    return view.verdict ? [fine('proof', 'nothing is open of what the comparison found')] : [];
  }

  private async feed(): Promise<Check[]> {
    const { view, now, last, connections } = this.on;
    const phase = view && watchPhase(view);
    if (!view || (phase !== 'staged' && phase !== 'open')) return [];
    const look = () => lookNow(view, phase, connections, last, now);
    let seen = await look();
    this.earlier = last && { at: Date.parse(last.at), bytesLeft: last.bytesLeft };
    if (seen.state !== 'alive' && seen.bytesLeft !== undefined && this.earlier?.bytesLeft === undefined) {
      this.earlier = { at: now - rateMs, bytesLeft: seen.bytesLeft };
      await this.on.clock.pause(rateMs);
      seen = await look();
    }
    this.seen = seen;
    const { fallback, name, production } = view.window;
    const kept = seen.retainedBytes === undefined ? [] : [keptText(production, seen.retainedBytes, seen.bytesLeft)];
    const age = seen.heartbeatSeconds === undefined ? '' : `, ${seen.heartbeatSeconds.toFixed(1)} s behind`;
    const lost = seen.state === 'dead' && phase === 'open';
    const next: Record<HoldSeen['state'], Advice[]> = {
      alive: [say`${switchback('rollback')} compares every row, and names those that differ`],
      behind: [say`${switchback('status', '--check')}, in a minute`],
      paused: [say`on ${fallback!}: ALTER SUBSCRIPTION ${feedName(name)} ENABLE`],
      stuck: [say`the log of ${fallback!} says which row and why; mend it there, then ${switchback('status', '--check')}`],
      dead: lost ? [say`${switchback('rollback', '--accept-loss')}, or go on without a way back`] : [switchback('stage', '--undo')],
      unreachable: [typed(`aws rds describe-db-instances --db-instance-identifier ${fallback}`)],
    };
    const errors = seen.applyErrors > 0 ? [`${seen.applyErrors} apply errors since the fork`] : [];
    const what = [`${seen.state}${age}`, ...seen.reasons, ...errors, ...kept];
    const ok = seen.state === 'alive' && seen.reasons.length === 0;
    const schema =
      seen.drift.length === 0
        ? fine('schema', `no table has changed since the ${phase === 'open' ? 'migrations' : 'fork'}`)
        : wrong(
            'schema',
            [say`put it back as it was`, ...(phase === 'staged' ? [say`or ${switchback('stage', '--undo')}, and stage anew`] : [])],
            ...seen.drift,
          );
    const ending = seen.nearEnd ?? [];
    const sequences =
      ending.length === 0
        ? fine('sequences', 'each has numbers left, on the fallback too')
        : wrong('sequences', [say`on ${fallback!}: widen column and sequence to bigint, while nobody uses it`], ...ending);
    return [{ name: 'feed', ok, what, next: ok ? [] : next[seen.state] }, ...(seen.state === 'unreachable' ? [] : [schema, sequences])];
  }

  private traffic({ live: wanted, maintenance: page }: Place, live: Color | undefined, maintenance: boolean | undefined): Check {
    const pageText = (is: boolean) => (is ? 'in front' : 'parked');
    const says = `${live ?? 'neither color'} in front, maintenance ${maintenance === undefined ? 'partly in front' : pageText(maintenance)}`;
    if (wanted === undefined || page === undefined) return fine('traffic', `${says}; a run was left while it changed that`);
    return live === wanted && maintenance === page
      ? fine('traffic', says)
      : wrong(
          'traffic',
          [switchback('status'), say`where customers are not well: ${switchback('rollback')}`],
          `${says}; it should be ${wanted}, with maintenance ${pageText(page)}`,
        );
  }

  /** What an address answers, asked from here. */
  private async customers({ live, maintenance }: Place): Promise<Check> {
    const { aws, manifest, now } = this.on;
    try {
      const { answer, failed, where, emergency } = await lookAsCustomer(aws, manifest, now);
      const used = emergency && this.on.view ? [`${emergency.by} moved traffic with --traffic-only at ${emergency.at}`] : [];
      if (!answer)
        return {
          name: 'customers',
          ok: true,
          what: [`${where} could not be asked from here: ${failed ?? 'no answer'}`, ...used],
          next: [],
        };
      const says = `${where} answers ${answer.status}${answer.release === undefined ? ', without a release' : ` by release ${answer.release}`}`;
      const release = live && manifest[live]?.release.version;
      const isRight = maintenance ? answer.release === undefined : answer.status < 400 && answer.release === release;
      if (isRight || live === undefined || maintenance === undefined) return fine('customers', says, ...used);
      const should = maintenance ? 'the maintenance answer' : `${live}'s release ${release ?? ''}`;
      return wrong('customers', [switchback('status')], `${says}; it should be ${should}`, ...used);
    } catch (error) {
      return { name: 'customers', ok: true, what: [`could not be asked: ${messageOf(error)}`], next: [] };
    }
  }

  /** Exactly who should may write to production. */
  private async writers({ writes, production }: Place): Promise<Check> {
    const { manifest, aws } = this.on;
    return this.looked('database', production, async (db) => {
      const status = (await aws.databases.describe(production))?.status;
      if (status !== 'available')
        return wrong('database', [say`wait, then ${switchback('status', '--check')}`], `${production} is ${status ?? 'missing'}`);
      const allowed = await writersAllowed(await db(), manifest.shared.database.roles);
      const now = `may write to ${production}: ${allowed.join(', ') || 'nobody'}`;
      if (writes === undefined) return fine('database', `${now}; a run was left while it changed that`);
      const user = writes === 'nobody' ? undefined : (manifest[writes]?.database.user ?? '');
      const { roles } = manifest.shared.database;
      const others = allowed.filter((name) => name !== user);
      const sql = [
        ...others.map((name) => `REVOKE ${roles.write} FROM ${name}`),
        ...(user === undefined || allowed.includes(user) ? [] : byHand(roles, user).open),
      ];
      if (sql.length > 0)
        return wrong(
          'database',
          sql.map((each) => say`on ${production}: ${each}`),
          `${now}; it should be ${user ?? 'nobody'}`,
        );
      return fine(
        'database',
        user === undefined ? `nobody may write to ${production}` : `${user} may write to ${production}, and nobody else`,
      );
    });
  }

  private async fence({ fenced: instance }: Place): Promise<Check[]> {
    if (!instance) return [];
    const { roles, acknowledged } = this.on.manifest.shared.database;
    const check = this.looked('fence', instance, async (db) => {
      if (await inRecovery(await db())) return fine('fence', `${instance} is a replica: nobody can write to it`);
      const { proven, reasons } = await proveFenced(await db(), roles, { acknowledgedFunctions: acknowledged?.functions ?? [] });
      return proven
        ? fine('fence', `nobody but the feed can write to ${instance}`)
        : wrong('fence', [say`end what is named, on ${instance}; ${byHand(roles, '').fence}`], ...reasons);
    });
    return [await check];
  }

  private async looked(name: string, instance: string, look: (db: () => ReturnType<Connections['to']>) => Promise<Check>): Promise<Check> {
    try {
      return await look(() => this.on.connections.to(instance));
    } catch (error) {
      return wrong(
        name,
        [typed(`aws rds describe-db-instances --db-instance-identifier ${instance}`)],
        `${instance} could not be looked at: ${messageOf(error)}`,
      );
    }
  }

  /** Those of one color run, or of none; the others do not. */
  private async workers({ workers: wanted }: Place): Promise<Check> {
    const { aws, manifest } = this.on;
    const { cluster } = manifest.shared;
    const [what, next]: [string[], Advice[]] = [[], []];
    let ok = true;
    for (const color of wanted === 'green' ? (['green', 'blue'] as const) : (['blue', 'green'] as const)) {
      const workers = manifest[color]?.workers ?? [];
      if (workers.length === 0) continue;
      const runs = color === wanted;
      if (!runs && !(await aws.stacks.status(manifest[color]?.stack ?? ''))) continue;
      const states = await aws.tasks.workers(
        cluster,
        workers.map(({ service }) => service),
      );
      const stateOf = (service: string) => states.find((each) => each.name === service);
      if (wanted === undefined) {
        what.push(`${color}'s: ${workers.filter(({ service }) => (stateOf(service)?.running ?? 0) > 0).length} of ${workers.length} run`);
        continue;
      }
      const bad = workers.filter(({ service, count }) => {
        const state = stateOf(service);
        return runs ? !state || state.running < count : state && (state.wanted > 0 || state.notStopped > 0);
      });
      ok &&= bad.length === 0;
      what.push(
        bad.length === 0
          ? `${color}'s ${workers.length} ${runs ? 'run' : 'are stopped'}`
          : `${color}'s ${bad.map(({ name }) => name).join(', ')} ${runs ? 'should run and do not' : 'should be stopped and are not'}`,
      );
      for (const { service, count } of bad)
        next.push(typed(`aws ecs update-service --cluster ${cluster} --service ${service} --desired-count ${runs ? count : 0}`));
    }
    if (wanted === undefined && what.length > 0) what.push('a run was left while it changed that');
    return { name: 'workers', ok, what: what.length > 0 ? what : ['there are none'], next };
  }

  private async schedules(): Promise<Check[]> {
    const { aws, manifest, view, now } = this.on;
    if (!view) return [];
    const { group } = manifest.shared.schedule;
    const [what, next]: [string[], Advice[]] = [[], []];
    const phase = watchPhase(view);
    if (phase === 'staged' || phase === 'open') {
      if (await aws.schedules.startsAt(group, watchName(view.window))) what.push('the feed is looked at every 5 minutes');
      else {
        what.push('nobody looks at the feed: its schedule is gone');
        next.push(say`${switchback('status', '--check')}, now and then`);
      }
    }
    const ends = holdEndsAt(view);
    if (ends && !view.series.teardown) {
      const at = await aws.schedules.startsAt(group, scheduleName(view.window));
      if (at) what.push(`the teardown begins by itself ${at.getTime() > now ? `at ${at.toISOString()}` : 'now'}`);
      else {
        what.push('the teardown does not begin by itself: its schedule is gone');
        next.push(say`${switchback('teardown')}, after ${ends.toISOString()}`);
      }
      if (view.refusedTeardown) what.push(`it was refused at ${view.refusedTeardown.at}: ${view.refusedTeardown.message}`);
      next.push(...(view.refusedTeardown?.next ?? []));
    }
    return what.length === 0 ? [] : [{ name: 'schedule', ok: next.length === 0, what, next }];
  }

  private until(): Pick<CheckReport, 'rollbackPossibleUntil' | 'mendBy' | 'wayBack'> {
    const { view, now } = this.on;
    if (!this.seen || !view || watchPhase(view) !== 'open') return {};
    const { state, bytesLeft } = this.seen;
    const ending = endOf({ at: now, health: { state, bytesLeft } }, this.earlier, holdEndsAt(view)?.getTime());
    return wayBackReport(state, ending);
  }
}

const fine = (name: string, ...what: string[]): Check => ({ name, ok: true, what, next: [] });
const wrong = (name: string, next: readonly Advice[], ...what: string[]): Check => ({ name, ok: false, what, next });

const keptText = (production: string, retained: number, left: number | undefined): string =>
  `${production} keeps ${size(retained)} for it${left === undefined ? ', without a limit' : ` of ${size(retained + left)}`}`;

const size = (bytes: number): string => (bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`);
