/**
 * The trial is a dress rehearsal: days before, on a copy of production that nobody else can reach, everything that the window will do to the
 * databases, and a rollback of it. What would break while customers wait breaks here.
 */
import { colorPart } from '../engine/context';
import { databaseOn } from '../engine/place';
import type { Step } from '../engine/step';
import type { StepId, TrialStep } from '../engine/step-id';
import { bridged, feedResumed, footprintShipped, newObjectsMovedAside, productionUnbridged, unbridged } from '../steps/bridges';
import { comparisonSnapshotTaken, equalityProven, lossReported, Moment } from '../steps/equality';
import { feedCaughtUp, feedRemoved, feedStopped, sequencesAhead } from '../steps/feed';
import { fenced, opened } from '../steps/fence';
import { keptRowsBack } from '../steps/kept-rows';
import { roundTripped } from '../steps/round-trip';
import { differencesFound, once, preflightAgain, schemaAfter, schemaBefore, trialEnded } from '../steps/trial';
import { restored, snapshotTaken, trialName, trialRemoved } from '../steps/trial-copy';
import { feedLookedAt, otherWritesTried } from '../steps/trial-hold';
import { attemptOf, migrationsTried, type TrialRun } from '../steps/trial-migrations';
import { type TrialPair, tried } from '../steps/trial-pair';
import { twinMade } from '../steps/trial-twin';
import { forkOf, type World } from '../steps/world';

/**
 * Part of the stage. A trial that went wrong is begun anew from a new snapshot by the next run: its reason may have been
 * in the data. One that passed is not made again in the same window.
 */
export function planTrial(world: World, places?: Pick<TrialPair, 'production' | 'fallback'>): Step[] {
  const { window, manifest, view } = world;
  const { from, to, fallback } = window;
  if (!manifest.shared.trial || !from || !fallback) return [];
  const copy = trialName(window);
  const attempt = attemptOf({ view });
  // what an attempt that failed has done is done again under a name of its own.
  const name = (id: `trial.${TrialStep}`): StepId => (attempt === 1 ? id : `${id}.${attempt}`);
  const pair: TrialPair = {
    ...{ copy, name },
    ...(places ?? { production: copy, fallback: databaseOn(copy, `${manifest.shared.database.name}_twin`) }),
  };
  const run = (id: 'trial.migrate' | 'trial.again' | 'trial.contract', part: TrialRun['part'], place: string) =>
    migrationsTried({ id: name(id), place, color: to, part, attempt });
  const contract = colorPart(manifest, to).migration.contract !== undefined;
  const steps = [
    snapshotTaken(window.production, copy, name('trial.snapshot')),
    restored(window.production, copy, name('trial.restore')),
    fenced(pair.production, { id: name('trial.fence'), title: `Fence ${copy}: only the migrations may write to it` }),
    schemaBefore(pair),
    twinMade(pair),
    run('trial.migrate', 'expand', pair.production),
    tried(
      fenced(pair.production, { id: 'database.fenced-after', title: `Prove that ${copy} is still fenced after the migrations` }),
      pair,
      'fence',
    ),
    preflightAgain(pair),
    schemaAfter(pair),
    differencesFound(pair),
    ...(forkOf(world) === 'ahead' ? [...thereAndBack(pair, world, { from, to }), run('trial.again', 'again', pair.fallback)] : []),
    ...(contract ? [run('trial.contract', 'contract', pair.production)] : []),
    trialEnded(pair),
  ].map((step) => (step.id === 'trial.classified' ? step : once(step)));
  return [...(attempt === 1 ? [] : [trialRemoved(name('trial.clear'))]), ...steps, trialRemoved()];
}

/** As the cutover goes on after the migrations, and as a rollback goes back; in their order. */
function thereAndBack(pair: TrialPair, world: World, { from, to }: { from: 'blue' | 'green'; to: 'blue' | 'green' }): Step[] {
  const { production, fallback } = pair;
  const moment = new Moment();
  return [
    tried(bridged(production, fallback), pair, 'bridge'),
    tried(footprintShipped(production, fallback), pair, 'footprint'),
    tried(feedResumed(production, fallback), pair, 'feed'),
    tried(feedCaughtUp(production, fallback, 'feed.canary'), pair, 'feed'),
    tried(roundTripped(production, fallback), pair, 'feed'),
    otherWritesTried(pair),
    tried(opened(production, to), pair, 'fence', 'open'),
    feedLookedAt(pair),
    tried(fenced(production), pair, 'rollback'),
    tried(sequencesAhead(production, fallback), pair, 'rollback'),
    tried(feedCaughtUp(production, fallback, 'feed.drained'), pair, 'rollback'),
    tried(feedStopped(fallback), pair, 'rollback'),
    tried(unbridged(fallback), pair, 'rollback'),
    tried(comparisonSnapshotTaken(fallback, moment), pair, 'proof'),
    ...keptRowsBack(fallback, world).map((step) => tried(step, pair, 'rollback')),
    tried(opened(fallback, from), pair, 'rollback', 'reopen'),
    tried(equalityProven(production, fallback, moment), pair, 'proof'),
    tried(lossReported(production, fallback), pair, 'proof'),
    tried(newObjectsMovedAside(fallback), pair, 'rollback'),
    tried(feedRemoved(production, fallback), pair, 'rollback'),
    tried(productionUnbridged(production), pair, 'rollback'),
  ];
}
