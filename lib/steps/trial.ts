/**
 * The trial: the migrations run days before on a copy of production that nobody else can reach. What fails on real data
 * fails there, and what a rollback would lose is known before the night.
 */

import type { Instance } from '../aws/databases';
import { say, switchback } from '../base/advice';
import { type Context, colorPart } from '../engine/context';
import type { Window } from '../engine/events';
import { trialFound } from '../engine/milestones';
import { done, type Observation, pending, type Step, todo } from '../engine/step';
import type { StepId, TrialStep } from '../engine/step-id';
import { type Catalog, readCatalog } from '../postgres/schema/catalog';
import { classify, type Difference } from '../postgres/schema/classify';
import { type ContractPart, contractPart, deferrable, twoPartsText } from '../postgres/schema/expand-contract';
import { readFiles, rewritten, type TableFile } from '../postgres/schema/rewrites';
import { migrationLosses, withLosses } from '../postgres/verification/migration-losses';
import { count, declaredBy, notLossless, schemaOf } from './bridges';
import { addressOf } from './database-host';
import { fenced } from './fence';
import { attemptOf, migrationsTried, pointMigrator, runningTasks, type TrialFacts } from './trial-migrations';
import { madeFor, type World } from './world';

/** Of the snapshot and of the instance. */
export const trialName = ({ system, name }: Window): string => `${system}-${name}-trial`;

/**
 * Part of the stage. A trial that went wrong is begun anew from a new snapshot by the next run: its reason may have been
 * in the data. One that passed is not made again in the same window.
 */
export function planTrial({ window, manifest, view }: World): Step[] {
  if (!manifest.shared.trial || !window.from || !window.fallback) return [];
  const { production, fallback, to } = window;
  const copy = trialName(window);
  const attempt = attemptOf({ view });
  const contract = colorPart(manifest, to).migration.contract !== undefined;
  // what an attempt that failed has done is done again under a name of its own.
  const name = (id: `trial.${TrialStep}`): StepId => (attempt === 1 ? id : `${id}.${attempt}`);
  const run = (id: 'trial.migrate' | 'trial.contract', part: 'expand' | 'contract') =>
    once(migrationsTried({ id: name(id), copy, color: to, part, attempt }));
  const before = { id: name('trial.form'), title: `Record the schema of ${copy} and where its rows are stored` };
  const between = { id: name('trial.expanded'), title: 'Record the schema and the rows again, as the cutover will leave them' };
  return [
    ...(attempt === 1 ? [] : [trialRemoved(name('trial.clear'))]),
    once(snapshotTaken(production, copy, name('trial.snapshot'))),
    once(restored(production, copy, name('trial.restore'))),
    once(fenced(copy, { id: name('trial.fence'), title: `Fence ${copy}: only the migrations may write to it` })),
    once(schemaRecordedOf(copy, before)),
    run('trial.migrate', 'expand'),
    once(schemaRecordedOf(copy, { ...between, lossesSince: [name('trial.form'), fallback] })),
    ...(contract ? [run('trial.contract', 'contract')] : []),
    differencesShown(copy, name),
    trialRemoved(),
  ];
}

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
        const next = [switchback('plan'), say`declare it in your CDK app, or accept it: ${switchback('cutover', '--accept-loss <ids>')}`];
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
const once = (step: Step): Step => ({
  ...step,
  observe: async (context) => (passed(context) ? done('passed before in this window') : step.observe(context)),
});

function snapshotTaken(production: string, copy: string, id: StepId): Step {
  return {
    id,
    title: `Take a snapshot of ${production} for a trial of the migrations`,
    estimateSeconds: 300,
    patienceSeconds: 6 * 3600,
    async observe({ aws, view }) {
      const found = await aws.databases.describeSnapshot(copy);
      if (!found) return todo();
      if (found.madeFor !== madeFor(view)) return nameTaken('snapshot', copy);
      if (found.status === 'failed') return { is: 'failed', code: 'trial.snapshot.failed', message: `the snapshot ${copy} failed` };
      return found.status === 'available' ? done(copy) : pending(`${copy} is ${found.status}`);
    },
    async act({ aws, view }) {
      // one that has failed is there too: it is looked at again, and said.
      if (!(await aws.databases.describeSnapshot(copy))) await aws.databases.snapshot(production, copy, madeFor(view));
    },
  };
}

function restored(production: string, copy: string, id: StepId): Step {
  return {
    id,
    title: `Restore it as ${copy}, from which nothing can get out`,
    estimateSeconds: 600,
    patienceSeconds: 6 * 3600,
    pollMs: 1000,
    async observe({ aws, view }) {
      const instance = await aws.databases.describe(copy);
      if (!instance) return todo();
      if (instance.madeFor !== madeFor(view)) return nameTaken('db-instance', copy);
      if (/^(failed|incompatible-|restore-error|inaccessible-)/.test(instance.status))
        return { is: 'failed', code: 'trial.restore.failed', message: `${copy} is ${instance.status}` };
      return instance.status === 'available' ? done() : pending(`${copy} is ${instance.status}`);
    },
    async act({ aws, manifest, view }) {
      const source = await aws.databases.describe(production);
      const { trial } = manifest.shared;
      if (!trial) throw new Error('the system has no place for a trial');
      if (await aws.databases.describe(copy)) return;
      await aws.databases.restore(copy, copy, { ...trial, parameterGroup: source?.parameterGroups[0], madeFor: madeFor(view) });
    },
  };
}

/** Neither used nor deleted: whoever gave it this name may need it. */
const nameTaken = (kind: 'snapshot' | 'db-instance', name: string): Observation => ({
  is: 'failed',
  code: 'trial.name.taken',
  message: `${name} exists and was not made by this window, so it is left alone; when nobody needs it: aws rds delete-db-${kind === 'snapshot' ? 'snapshot --db-snapshot-identifier' : 'instance --db-instance-identifier'} ${name}`,
});

interface Recording {
  readonly id: StepId;
  readonly title: string;
  /** The step that recorded it before, and a database that is still so: what the migrations take away is counted there. */
  readonly lossesSince?: readonly [StepId, string];
}

function schemaRecordedOf(copy: string, { lossesSince, ...step }: Recording): Step {
  return {
    ...step,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const known = context.view.facts(step.id);
      if (known) return done('noted before', known);
      const noted = await noteForm(context, copy);
      const losses = lossesSince && (await countLosses(context, copy, noted.catalog, lossesSince));
      return done(`${noted.catalog.tables.length} tables`, { ...noted, ...(losses ? { losses } : {}) });
    },
  };
}

/** Counted and not compared: customers have written since the copy was made. */
async function countLosses(
  context: Context,
  copy: string,
  now: Catalog,
  [before, there]: readonly [StepId, string],
): Promise<Difference[]> {
  const old = (context.facts(before) as unknown as Form).catalog;
  const options = { old, now, declared: declaredBy(context), compared: false };
  return migrationLosses(await context.database(there), await context.database(copy), options);
}

interface Form {
  readonly catalog: Catalog;
  readonly files: readonly TableFile[];
  /** What the migrations take away, as rows tell it. */
  readonly losses?: readonly Difference[];
}

async function noteForm(context: Context, copy: string): Promise<Form> {
  const db = await context.database(copy);
  return { catalog: schemaOf(context, await readCatalog(db)), files: await readFiles(db) };
}

/** Names a step of this attempt. */
type TrialName = (id: `trial.${TrialStep}`) => StepId;

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

/** Only shown here; the cutover refuses to lose anything that nobody has accepted, before it takes anything down (trialPassed). */
function differencesShown(copy: string, name: TrialName): Step {
  return {
    id: 'trial.classified',
    title: 'Classify schema changes: compatible, bridged, needs declaration, lossy',
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const known = trialFound(context.view);
      if (known) return done('sorted before', known);
      const found = await sorted(context, copy, name);
      for (const difference of found.differences) await context.progress(differenceLine(difference));
      for (const { table, bytes } of found.rewritten) await context.progress(`rewritten: ${table} (${Math.ceil(bytes / 1024)} kB)`);
      const parts = twoPartsText(found);
      const text = `${count(found.differences)}; ${found.rewritten.length} tables rewritten${parts === undefined ? '' : `; ${parts}`}`;
      return done(text, { ...found });
    },
  };
}

async function sorted(context: Context, copy: string, name: TrialName): Promise<TrialFound> {
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
  const after = await noteForm(context, copy);
  // rows of a table that is gone after it travel no more.
  const there = (declared.rows ?? []).filter(({ of: table }) => after.catalog.tables.some((one) => one.name === table));
  const both = classify(before!.catalog, after.catalog, { ...declared, rows: there });
  const contract = { ...of(run), rewritten: rewritten(expanded!.files, after.files), ...contractPart(night.differences, both.differences) };
  return { ...found, contract, deferrable: [] };
}

const differenceLine = ({ id, verdict, what, loses }: Difference): string =>
  loses === undefined ? `${verdict}: ${what}` : `${verdict}: ${what}; a rollback would lose ${loses} (cutover --accept-loss ${id})`;

/** Whatever a trial left: its task, its instance, its snapshot; and the migrator's secret names production again. */
export function trialRemoved(id: StepId = 'trial.remove'): Step {
  return {
    id,
    title: 'Delete the copy with its snapshot',
    deletes: 'the copy of the trial with its snapshot',
    estimateSeconds: 90,
    patienceSeconds: 3600,
    pollMs: 1000,
    async observe(context) {
      const copy = trialName(context.window);
      const { snapshot, instance } = await ofThisWindow(context);
      const left = [instance && `${copy} is ${instance.status}`, snapshot && `its snapshot is ${snapshot}`].filter(Boolean).join(', ');
      // RDS deletes neither while it is being made.
      if (snapshot === 'creating' || instance?.status === 'creating' || instance?.status === 'backing-up') return pending(left);
      if ((await runningTasks(context)).length > 0 || !(await migratorAtProduction(context))) return todo(left);
      if (instance?.status === 'deleting') return snapshot === undefined || snapshot === 'deleting' ? pending(left) : todo(left);
      return left === '' ? done() : todo(left);
    },
    async act(context) {
      const { aws, manifest, window } = context;
      const copy = trialName(window);
      // before the secret: a task that is only starting would read it and go for production.
      for (const task of await runningTasks(context)) await aws.tasks.stopOnce(manifest.shared.cluster, task.arn, 'the trial is over');
      while ((await runningTasks(context)).length > 0) await context.clock.pause(500);
      if (!(await migratorAtProduction(context))) await pointMigrator(context, window.production);
      const { snapshot, instance } = await ofThisWindow(context);
      if (instance && instance.status !== 'deleting') await aws.databases.delete(copy);
      if (snapshot !== undefined) await aws.databases.deleteSnapshot(copy);
    },
  };
}

/** What has the trial's name and was made by somebody else is not looked at. */
async function ofThisWindow({ aws, window, view }: Context): Promise<{ snapshot: string | undefined; instance: Instance | undefined }> {
  const [snapshot, instance] = [await aws.databases.describeSnapshot(trialName(window)), await aws.databases.describe(trialName(window))];
  return {
    snapshot: snapshot?.madeFor === madeFor(view) ? snapshot.status : undefined,
    instance: instance?.madeFor === madeFor(view) ? instance : undefined,
  };
}

async function migratorAtProduction(context: Context): Promise<boolean> {
  const { host, port } = await context.aws.settings.secret(context.manifest.shared.database.migratorSecret);
  const address = await addressOf(context, context.window.production);
  return host === address.host && port === address.port;
}
