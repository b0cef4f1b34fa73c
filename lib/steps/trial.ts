/** What a trial finds out: the schema before the migrations and after them, what differs, what a rollback would lose, and what the night refuses for it. */

import { say, switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { Context } from '../engine/context';
import { trialFound } from '../engine/milestones';
import { done, kept, type Step } from '../engine/step';
import type { Finding } from '../postgres/preflight/finding';
import { preflight } from '../postgres/preflight/preflight';
import { type Catalog, readCatalog } from '../postgres/schema/catalog';
import { classify } from '../postgres/schema/classify';
import type { Difference } from '../postgres/schema/difference';
import { type ContractPart, contractPart, deferrable, twoPartsText } from '../postgres/schema/expand-contract';
import { refusalWords, refused, unknownAccepted } from '../postgres/schema/refusals';
import { readFiles, rewritten, type TableFile } from '../postgres/schema/rewrites';
import { migrationLosses, withLosses } from '../postgres/verification/migration-losses';
import { readRecord } from '../postgres/verification/record';
import { count, declaredBy, notLossless, schemaOf } from './bridges';
import { deployedAnew, releaseMended } from './deployed-anew';
import type { TrialFacts } from './trial-migrations';
import type { TrialPair } from './trial-pair';
import { forkOf } from './world';

/** Before anything is down: what failed on a copy would fail on production, and what a rollback would lose is accepted by now or never. */
export function trialPassed(): Step {
  return {
    id: 'trial.passed',
    title: 'Check that the migrations passed their trial, where one was made',
    estimateSeconds: 1,
    patienceSeconds: 30,
    async observe({ view, acceptedLosses }) {
      const found = trialFound(view) as unknown as TrialFound | undefined;
      if (found) {
        const refused = notLossless(found.differences, acceptedLosses);
        // nothing is down yet: there is nothing to take back.
        const next = [
          switchback('plan'),
          say`accept it: ${switchback('cutover', '--accept-loss <ids>')}`,
          say`or declare it in your CDK app, after ${switchback('stage', '--undo')}`,
        ];
        return refused ? { ...refused, next } : done();
      }
      return view.begun('stage', 'trial.migrate')
        ? {
            is: 'failed',
            code: 'migrations.untried',
            message: `the migrations have not passed their trial on a copy of production`,
            next: [switchback('stage')],
          }
        : done('no trial was made; a stage makes one');
    },
  };
}

const passed = ({ view }: Pick<Context, 'view'>): boolean => trialFound(view) !== undefined;

/** A step that has nothing left to do once the trial has been passed. */
export const once = (step: Step): Step => ({
  ...step,
  observe: async (context) => (passed(context) ? done('passed before in this window') : step.observe(context)),
});

/** Of the copy as it is. */
export function schemaBefore({ production, name }: TrialPair): Step {
  return kept({
    id: name('trial.form'),
    title: 'Record the schema of the copy and where its rows are stored',
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const noted = await noteForm(context, production);
      const stopping = (await refusals(context, production)).map(({ code, what }) => `${code}: ${what}`);
      // the proof has its own, as at the fork.
      const record = await readRecord(await context.database(production));
      return done(`${noted.catalog.tables.length} tables`, { ...noted, refused: stopping, record });
    },
  });
}

/** With every row compared with the database that was made before: nobody writes to either. */
export function schemaAfter({ production, fallback, name }: TrialPair): Step {
  return kept({
    id: name('trial.expanded'),
    title: 'Record the schema and the rows again, as the cutover will leave them',
    estimateSeconds: 10,
    patienceSeconds: 6 * 3600,
    async observe(context) {
      const noted = await noteForm(context, production);
      const losses = await migrationLosses(await context.database(fallback), await context.database(production), {
        old: (context.facts(name('trial.form')) as unknown as Form).catalog,
        now: noted.catalog,
        declared: declaredBy(context),
      });
      return done(`${noted.catalog.tables.length} tables`, { ...noted, losses });
    },
  });
}

/** What the preflight refuses of production is looked at again: the migrations may have made it. */
export function preflightAgain({ copy, production, name }: TrialPair): Step {
  return {
    id: name('trial.preflight'),
    title: `Check ${copy} again: what the migrations made must be as the preflight wants it`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const before = (context.facts(name('trial.form')) as unknown as Form).refused ?? [];
      const made = (await refusals(context, production)).filter(({ code, what }) => !before.includes(`${code}: ${what}`));
      if (made.length === 0) return done('nothing that stops the window');
      throw new Stop('trial.preflight.refused', made.map(({ code, what, wayOut }) => `${code}: ${what}; ${wayOut}`).join('\n'), {
        state: 'It was found on a copy: production is not changed.',
        next: releaseMended(context),
        exit: exit.refused,
      });
    },
  };
}

async function refusals(context: Context, place: string): Promise<Finding[]> {
  const { roles, acknowledged } = context.manifest.shared.database;
  const findings = await preflight(await context.database(place), undefined, {
    ...{ roles, fork: forkOf(context) },
    acknowledged: acknowledged?.findings ?? [],
    acknowledgedFunctions: acknowledged?.functions ?? [],
  });
  return findings.filter(({ severity }) => severity === 'refuse');
}

interface Form {
  readonly catalog: Catalog;
  readonly files: readonly TableFile[];
  /** What the migrations take away, as rows tell it. */
  readonly losses?: readonly Difference[];
  /** What the preflight would refuse of it. */
  readonly refused?: readonly string[];
}

async function noteForm(context: Context, place: string): Promise<Form> {
  const db = await context.database(place);
  return { catalog: schemaOf(context, await readCatalog(db)), files: await readFiles(db) };
}

/** What a trial has found, in the facts of `trial.classified`; `plan` shows it. */
export interface TrialFound extends PartFound {
  /** After the part that the night runs. */
  readonly now: Catalog;
  readonly differences: readonly Difference[];
  /** The part that the teardown runs, where there is one. */
  readonly contract?: PartFound & ContractPart;
  /** Ids of differences that a contract part would save a bridge for, where there is none. */
  readonly deferrable: readonly string[];
}

interface PartFound extends Pick<TrialFacts, 'seconds' | 'takes' | 'locks' | 'failed'> {
  readonly rewritten: readonly { readonly table: string; readonly bytes: number }[];
}

/** Every difference, sorted. What would be lost and nobody has declared or accepted ends the trial: no window is tried that nobody wants. */
export function differencesFound({ name }: TrialPair): Step {
  return {
    id: name('trial.differences'),
    title: 'Classify schema changes: compatible, bridged, needs declaration, lossy',
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const [before, after] = [context.facts(name('trial.form')), context.facts(name('trial.expanded'))] as unknown as Form[];
      const { differences } = classify(before!.catalog, after!.catalog, declaredBy(context));
      const all = withLosses(differences, after!.losses ?? []);
      for (const difference of all) await context.progress(differenceLine(difference));
      for (const id of unknownAccepted(all, context.acceptedLosses))
        await context.progress(
          `accepted, but nothing would be lost by it: '${id}'; a word of it is wrong, or the migrations are others now`,
        );
      const open = refused(all, context.acceptedLosses);
      if (open.length === 0) return done(count(all), { now: after!.catalog, differences: all });
      throw new Stop('trial.not-lossless', open.map(refusalWords).join('\n'), {
        state: 'It was found on a copy: production is not changed.',
        next: [
          say`accept it: ${switchback('stage', '--accept-loss <ids>')}`,
          say`or declare it in your CDK app: first ${switchback('stage', '--undo')}`,
          ...deployedAnew(context, { with: 'the declaration', parts: ['shared', context.window.to] }).slice(1),
        ],
        exit: exit.refused,
      });
    },
  };
}

/** The last word of a trial: it has passed, and what it has found. */
export function trialEnded({ production, name }: TrialPair): Step {
  return {
    id: 'trial.classified',
    title: 'Keep what the trial has found: the cutover asks whether it passed',
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const known = trialFound(context.view);
      if (known) return done('passed before', known);
      const found = await sorted(context, production, name);
      for (const { table, bytes } of found.rewritten) await context.progress(`rewritten: ${table} (${Math.ceil(bytes / 1024)} kB)`);
      const parts = twoPartsText(found);
      const text = `${count(found.differences)}; ${found.rewritten.length} tables rewritten${parts === undefined ? '' : `; ${parts}`}`;
      return done(text, { ...found });
    },
  };
}

async function sorted(context: Context, place: string, name: TrialPair['name']): Promise<TrialFound> {
  const [before, expanded] = [context.facts(name('trial.form')), context.facts(name('trial.expanded'))] as unknown as Form[];
  const declared = declaredBy(context);
  const night = classify(before!.catalog, expanded!.catalog, declared);
  const of = ({ seconds, takes, locks, failed }: TrialFacts) => ({ seconds, takes, locks, ...(failed ? { failed } : {}) });
  const found = {
    ...of(context.facts(name('trial.migrate')) as unknown as TrialFacts),
    now: expanded!.catalog,
    differences: withLosses(night.differences, expanded!.losses ?? []),
    rewritten: rewritten(before!.files, expanded!.files),
  };
  const run = context.view.facts(name('trial.contract')) as unknown as TrialFacts | undefined;
  if (!run) return { ...found, deferrable: deferrable(night).map(({ id }) => id) };
  if (run.failed) return { ...found, contract: { ...of(run), rewritten: [], changes: [], saved: [] }, deferrable: [] };
  const after = await noteForm(context, place);
  // rows of a table that is gone after it travel no more.
  const there = (declared.rows ?? []).filter(({ of: table }) => after.catalog.tables.some((one) => one.name === table));
  const both = classify(before!.catalog, after.catalog, { ...declared, rows: there });
  const contract = { ...of(run), rewritten: rewritten(expanded!.files, after.files), ...contractPart(night.differences, both.differences) };
  return { ...found, contract, deferrable: [] };
}

const differenceLine = (one: Difference): string =>
  one.loses === undefined ? `${one.verdict}: ${one.what}` : `${one.verdict}: ${refusalWords(one)}`;
