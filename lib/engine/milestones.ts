/**
 * What steps mean to everybody around the lists: the engine, the operations, the screens and the terminal ask for a milestone, never
 * for the step that brings it. A step that is renamed is renamed in StepId, or neither its list nor its milestone compiles.
 */
import type { Facts } from './events';
import { proofStep, type StepId } from './step-id';
import type { WindowView } from './window-view';

type Begun = Pick<WindowView, 'begun'>;
type Ended = Pick<WindowView, 'series'>;

/** Customers see the maintenance answer, or are about to: before it a rollback has nothing to take back for them. */
export const siteIsDown = ({ begun }: Begun): boolean => begun('cutover', 'traffic.maintenance');

/** The maintenance answer is being parked: from here on the window's hour no longer counts. */
export const siteIsOpening = ({ begun }: Begun): boolean => begun('cutover', 'traffic.open');

/** The maintenance answer is parked, by the cutover. */
export const siteIsOpen = ({ series }: Ended): boolean => series.cutover?.steps.get('traffic.open')?.doneAt !== undefined;

/** The first change of a cutover in which the fork comes before maintenance: open paths read from the fallback. */
export const openPathsMoved = ({ begun }: Begun): boolean => begun('cutover', 'open-paths.fallback');

/** Customers, or testers, may write in the new schema: what they write is lost by whoever goes back without the feed. */
export const databaseOpened = ({ begun }: Begun): boolean => begun('cutover', 'database.open');

/** When the database was opened to the new color. */
export const databaseOpenedAt = ({ series }: Ended): string | undefined => series.cutover?.steps.get('database.open')?.doneAt;

export const migrationsBegun = ({ begun }: Begun): boolean => begun('cutover', 'migrations');

/** The fallback is a database of its own, or is becoming one. */
export const forkMade = ({ begun }: Begun): boolean => begun('stage', 'fallback.promote') || begun('cutover', 'fallback.promote');

/** How a window ends whose stage is undone. */
export const undoneOutcome = 'undone';

/** Rows reach the fallback. */
export const feedStarted = ({ facts }: Pick<WindowView, 'facts'>): boolean => facts('fork.feed') !== undefined;

/** From the fence of the cutover on, production writes nothing that the feed could miss. */
export const feedPaused = ({ begun }: Begun): boolean => begun('cutover', 'database.fence') || begun('cutover', 'feed.pause');

/** A verb has stopped the feed or is about to: its silence is no news. */
export const feedEnding = ({ begun }: Begun): boolean => begun('stage', 'undo.trial') || begun('rollback', 'feed.stop');

/** The teardown takes the feed away: there is nothing to watch any more. */
export const feedRemoved = ({ begun }: Begun): boolean => begun('teardown', 'feed.remove');

/** The load balancer was proven to answer with the release that a verb brings. */
export const releaseProven = ({ series }: Ended, verb: 'cutover' | 'rollback'): boolean =>
  series[verb]?.steps.get('traffic.proof')?.doneAt !== undefined;

/** When the hold ends, if the window has got that far. */
export function holdEndsAt({ facts }: Pick<WindowView, 'facts'>): Date | undefined {
  const at = facts('hold.schedule')?.['holdEndsAt'];
  return typeof at === 'string' ? new Date(at) : undefined;
}

/** The schema that production should have while the database is opened, as the opening noted it. */
export const schemaOpened = ({ facts }: Pick<WindowView, 'facts'>): unknown =>
  facts('loss.baseline')?.['form'] ?? facts('form.classified')?.['now'];

/** How the fork came to be where the feed starts, as the step that knew it last noted it. */
export const forkMethodOf = ({ facts }: Pick<WindowView, 'facts'>): Facts | undefined => facts('fork.copy') ?? facts('fork.way');

/** What the trial of the stage found, as its last step noted it. */
export const trialFound = ({ facts }: Pick<WindowView, 'facts'>): Facts | undefined => facts('trial.classified');

/** Which part of the migrations a step runs on production. */
export const migrationPart = (step: string): 'expand' | 'contract' | undefined =>
  step === 'migrations' ? 'expand' : step === 'migrations.contract' ? 'contract' : undefined;

/** From the fence of the cutover on nobody but the feed writes to production, until somebody opens it. */
export const productionFenced = ({ begun }: Begun): boolean => begun('cutover', 'database.fence');

/** A rollback has opened the database that customers go back to. */
export const openedAgain = ({ series }: Ended): boolean => series.rollback?.steps.get('database.open')?.doneAt !== undefined;

/** A rollback has taken the right to write from the new color. */
export const fencedAgain = ({ begun }: Begun): boolean => begun('rollback', 'database.fence');

/** A time with the maintenance answer in front; without an end it lasts. */
export interface Downtime {
  readonly from: string;
  readonly to?: string;
}

/** The times of a window with the maintenance answer in front. `emergency`: when somebody parked it with `--traffic-only`. */
export function downtimesOf({ series }: Ended, emergency?: string): Downtime[] {
  const done = (verb: 'cutover' | 'rollback', step: StepId) => series[verb]?.steps.get(step)?.doneAt;
  const [closed, again] = [done('cutover', 'traffic.maintenance'), done('rollback', 'traffic.maintenance')];
  const reopened = done('rollback', 'traffic.open');
  const earliest = (from: string, ...ends: readonly (string | undefined)[]): Downtime => {
    const [to] = ends.filter((end) => end !== undefined && end > from).sort();
    return { from, ...(to === undefined ? {} : { to }) };
  };
  const first = closed === undefined ? undefined : earliest(closed, done('cutover', 'traffic.open'), emergency, reopened);
  const isSecond = again !== undefined && (!first || (first.to !== undefined && first.to < again));
  return [...(first ? [first] : []), ...(isSecond ? [earliest(again, emergency, reopened)] : [])];
}

/** Steps that move traffic: somebody else may have moved it meanwhile. */
export const movesTraffic = (step: string): boolean => step.startsWith('traffic.');

/** Steps of a trial, which makes and deletes a copy of its own. */
export const isTrials = (step: string): boolean => step.startsWith('trial.');

/** The step from which on the site is open again, on a plan. */
export const opensTheSite = (step: string): boolean => step === 'traffic.open';

/** Steps whose word is shown at the end of a rollback: what was proven, and what was left behind. */
export const lastWords: readonly StepId[] = [proofStep, 'loss.manifest'];

/** What the proof of a rollback found, as it noted it. */
export const proofFound = ({ facts }: Pick<WindowView, 'facts'>): Facts | undefined => facts(proofStep);

/** A rollback that has to be proven, and whose proof has not come to its end: nothing is known of what only production holds. */
export const proofPending = ({ series }: Ended): boolean =>
  series.rollback?.plan.some(({ id }) => id === proofStep) === true && series.rollback.steps.get(proofStep)?.doneAt === undefined;

/** What a rollback could not bring into the old schema, as it reported it. */
export const lossesReported = ({ facts }: Pick<WindowView, 'facts'>): unknown => facts('loss.manifest')?.['losses'];

/** The snapshot that is left of the database that a teardown removed. */
export const finalSnapshotOf = ({ facts }: Pick<WindowView, 'facts'>): string | undefined =>
  facts('final.snapshot')?.['snapshot'] as string | undefined;

/** In a fork inside the window: the fallback was proven to take no writes either. */
export const fallbackFenced = ({ series }: Ended): boolean => series.cutover?.steps.get('fallback.fence')?.doneAt !== undefined;

/** By the last step that concerns it; undefined while that step is under way, or was left in the middle. */
type Settled<T> = T | undefined;

/** How a system should stand at any place of a window. */
export interface ShouldBe {
  readonly maintenance: Settled<boolean>;
  readonly live: Settled<'from' | 'to'>;
  readonly writes: Settled<'from' | 'to' | 'nobody'>;
  readonly workers: Settled<'from' | 'to' | 'none'>;
}

export const shouldBe = (view: Ended): ShouldBe => ({
  maintenance: settled<boolean>(view, false, [
    ['cutover', 'traffic.maintenance', true],
    ['cutover', 'traffic.open', false],
    ['rollback', 'traffic.maintenance', true],
    ['rollback', 'traffic.open', false],
  ]),
  live: settled<'from' | 'to'>(view, 'from', [
    ['cutover', 'traffic.switch', 'to'],
    ['rollback', 'traffic.switch', 'from'],
  ]),
  writes: settled<'from' | 'to' | 'nobody'>(view, 'from', [
    ['cutover', 'database.fence', 'nobody'],
    ['cutover', 'database.open', 'to'],
    ['rollback', 'database.fence', 'nobody'],
    ['rollback', 'database.open', 'from'],
  ]),
  workers: settled<'from' | 'to' | 'none'>(view, 'from', [
    ['cutover', 'workers.stop', 'none'],
    ['cutover', 'workers.start', 'to'],
    ['rollback', 'standby.workers', 'none'],
    ['rollback', 'workers.start', 'from'],
  ]),
});

function settled<T>({ series }: Ended, first: T, steps: readonly (readonly ['cutover' | 'rollback', StepId, T])[]): Settled<T> {
  const begun = steps.flatMap(([verb, id, value]) => {
    const record = series[verb]?.steps.get(id);
    const at = record?.startedAt ?? record?.doneAt;
    return at === undefined ? [] : [{ at, value: record?.doneAt === undefined ? undefined : value }];
  });
  const last = begun.sort((one, other) => Date.parse(one.at) - Date.parse(other.at)).at(-1);
  return last ? last.value : first;
}
