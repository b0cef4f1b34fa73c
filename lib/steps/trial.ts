/**
 * The trial: the migrations run days before on a copy of production that nobody else can reach. What fails on real data
 * fails there, and what a rollback would lose is known before the night.
 */
import type { OneOff } from '../aws/tasks';
import type { Color } from '../manifest/schema';
import { type Catalog, readCatalog } from '../postgres/catalog';
import { classify, type Difference } from '../postgres/classify';
import { allowMigrations, forbidMigrations, migrationsAllowed } from '../postgres/fence';
import { exclusiveLocks, readFiles, rewritten, type TableFile } from '../postgres/rewrites';
import { type Context, colorPart } from '../runbook/context';
import type { Window } from '../runbook/events';
import { done, pending, type Step, todo } from '../runbook/step';
import { count, declaredBy } from './bridges';
import { fenced } from './fence';
import { onceToken } from './once';
import { addressOf, withHost } from './reads-from';
import type { World } from './world';

/** Of the snapshot and of the instance. */
export const trialName = ({ system, name }: Window): string => `${system}-${name}-trial`;

/**
 * Part of the stage. A trial that went wrong is begun anew from a new snapshot by the next run: its reason may have been
 * in the data. One that passed is not made again in the same window.
 */
export function planTrial({ window, manifest, view }: World): Step[] {
  if (!manifest.shared.trial || !window.from || !window.fallback) return [];
  const { production, to } = window;
  const copy = trialName(window);
  const attempt = attemptOf({ view });
  // what an attempt that failed has done is done again under a name of its own.
  const name = (id: string): string => (attempt === 1 ? id : `${id}.${attempt}`);
  return [
    ...(attempt === 1 ? [] : [trialRemoved(name('trial.clear'))]),
    once(snapshotTaken(production, copy, name('trial.snapshot'))),
    once(restored(production, copy, name('trial.restore'))),
    once(fenced(copy, { id: name('trial.fence'), title: `Fence ${copy}: only the migrations may write to it` })),
    once(formOfCopy(copy, name('trial.form'))),
    once(migrationsTried(copy, to, attempt)),
    differencesShown(copy, name('trial.form')),
    trialRemoved(),
  ];
}

/** Before the night begins: what failed on a copy would fail on production. */
export function trialPassed(): Step {
  return {
    id: 'trial.passed',
    title: 'Check that the migrations have passed their trial, where one was made',
    estimateSeconds: 1,
    patienceSeconds: 30,
    async observe({ view }) {
      if (passed({ view })) return done();
      return view.begun('stage', 'trial.migrate')
        ? {
            is: 'failed',
            code: 'migrations.untried',
            message: `the migrations have not passed their trial on a copy of production: npm run stage tries them again`,
          }
        : done('no trial was made: npm run stage makes one');
    },
  };
}

const passed = ({ view }: Pick<Context, 'view'>): boolean => view.facts('trial.classified') !== undefined;

/** A step that has nothing left to do once the trial has been passed. */
const once = (step: Step): Step => ({
  ...step,
  observe: async (context) => (passed(context) ? done('passed before in this window') : step.observe(context)),
});

function snapshotTaken(production: string, copy: string, id: string): Step {
  return {
    id,
    title: `Take a snapshot of ${production} for a trial of the migrations`,
    estimateSeconds: 300,
    patienceSeconds: 6 * 3600,
    async observe({ aws }) {
      const status = await aws.databases.snapshotStatus(copy);
      if (status === 'failed') return { is: 'failed', code: 'trial.snapshot.failed', message: `the snapshot ${copy} failed` };
      if (status === undefined) return todo();
      return status === 'available' ? done(copy) : pending(`${copy} is ${status}`);
    },
    async act({ aws }) {
      // one that has failed is there too: it is looked at again, and said.
      if ((await aws.databases.snapshotStatus(copy)) === undefined) await aws.databases.snapshot(production, copy);
    },
  };
}

function restored(production: string, copy: string, id: string): Step {
  return {
    id,
    title: `Restore it as ${copy}, from which nothing can get out`,
    estimateSeconds: 600,
    patienceSeconds: 6 * 3600,
    pollMs: 1000,
    async observe({ aws }) {
      const instance = await aws.databases.describe(copy);
      if (!instance) return todo();
      if (/^(failed|incompatible-|restore-error|inaccessible-)/.test(instance.status))
        return { is: 'failed', code: 'trial.restore.failed', message: `${copy} is ${instance.status}` };
      return instance.status === 'available' ? done() : pending(`${copy} is ${instance.status}`);
    },
    async act({ aws, manifest }) {
      const source = await aws.databases.describe(production);
      const { trial } = manifest.shared;
      if (!trial) throw new Error('the system has no place for a trial');
      if (await aws.databases.describe(copy)) return;
      await aws.databases.restore(copy, copy, { ...trial, parameterGroup: source?.parameterGroups[0] });
    },
  };
}

function formOfCopy(copy: string, id: string): Step {
  return {
    id,
    title: `Note the form of ${copy}'s tables, and where their rows are`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const known = context.view.facts(id);
      if (known) return done('noted before', known);
      const db = await context.database(copy);
      const catalog = await readCatalog(db);
      return done(`${catalog.tables.length} tables`, { catalog, files: await readFiles(db) });
    },
  };
}

/** Each run that a trial has stopped was one; a run that stopped for another reason is gone on with. */
const attemptOf = ({ view }: Pick<Context, 'view'>): number => view.stops.filter((code) => code.startsWith('trial.')).length + 1;

/** The same task as on the night; the secret it reads is pointed at the copy meanwhile, and nobody may migrate production. */
function migrationsTried(copy: string, color: Color, attempt: number): Step {
  let shown: string | undefined;
  const locks = new Locks();
  return {
    id: 'trial.migrate',
    title: `Run ${color}'s migrations on ${copy}`,
    estimateSeconds: 120,
    patienceSeconds: 6 * 3600,
    pollMs: 250,
    async observe(context) {
      const { shared } = context.manifest;
      const task = await context.aws.tasks.findOnce(shared.cluster, onceToken(context, 'trial', attempt));
      if (!task) return todo();
      const page = await context.aws.logs.lines(...streamOf(context, color, task), shown);
      shown = page.token;
      for (const line of page.lines) await context.progress(line);
      const db = await context.database(copy);
      if (task.status !== 'STOPPED') {
        for (const line of locks.seen(await exclusiveLocks(db), context.clock.elapsed())) await context.progress(line);
        return pending(`task ${task.id} is ${task.status}`);
      }
      const lines = await allLines(context, color, task);
      if (task.exitCode !== 0) {
        const how = task.exitCode === undefined ? 'no exit code' : `exit code ${task.exitCode}`;
        return {
          is: 'failed',
          code: 'trial.migrations.failed',
          message: `on a copy of ${context.window.production} the migration task ${task.id} ended with ${how}${task.reason ? ` (${task.reason})` : ''}: ${lines.slice(-5).join(' | ') || 'it printed nothing'}`,
        };
      }
      const { roles } = shared.database;
      if (await migrationsAllowed(db, roles)) await forbidMigrations(db, roles);
      const words = task.seconds === undefined ? '' : ` after ${task.seconds.toFixed(1)} s`;
      return done(`task ${task.id} ended with exit code 0${words}`, {
        task: task.id,
        seconds: task.seconds,
        lines,
        locks: locks.longest(),
      });
    },
    async act(context) {
      const { shared } = context.manifest;
      const { migration } = colorPart(context.manifest, color);
      await pointMigrator(context, copy);
      await allowMigrations(await context.database(copy), shared.database.roles);
      await context.aws.tasks.runOnce({
        cluster: shared.cluster,
        taskDefinition: migration.taskDefinition,
        container: migration.container,
        command: migration.expand,
        // from there production cannot be reached, whatever the secret says by the time the task reads it.
        network: {
          subnets: migration.network.subnets,
          securityGroups: shared.trial?.taskSecurityGroups ?? migration.network.securityGroups,
        },
        token: onceToken(context, 'trial', attempt),
      });
    },
  };
}

/** Only shown here; the cutover refuses to lose anything that nobody has accepted. */
function differencesShown(copy: string, form: string): Step {
  return {
    id: 'trial.classified',
    title: 'Sort what the migrations changed: carried, bridged, to be declared, not lossless',
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const known = context.view.facts('trial.classified');
      if (known) return done('sorted before', known);
      const before = context.facts(form);
      const db = await context.database(copy);
      const now = await readCatalog(db);
      const { differences } = classify(before['catalog'] as Catalog, now, declaredBy(context));
      const written = rewritten(before['files'] as TableFile[], await readFiles(db));
      for (const difference of differences) await context.progress(differenceLine(difference));
      for (const { table, bytes } of written) await context.progress(`rewritten: ${table} (${Math.ceil(bytes / 1024)} kB)`);
      return done(`${count(differences)}; ${written.length} tables rewritten`, { now, differences, rewritten: written });
    },
  };
}

const differenceLine = ({ id, verdict, what, loses }: Difference): string =>
  loses === undefined ? `${verdict}: ${what}` : `${verdict}: ${what}; a rollback would lose ${loses} (cutover --accept-loss ${id})`;

/** Whatever a trial left: its task, its instance, its snapshot; and the migrator's secret names production again. */
export function trialRemoved(id = 'trial.remove'): Step {
  return {
    id,
    title: 'Delete the copy with its snapshot',
    estimateSeconds: 90,
    patienceSeconds: 3600,
    pollMs: 1000,
    async observe(context) {
      const copy = trialName(context.window);
      const snapshot = await context.aws.databases.snapshotStatus(copy);
      const instance = await context.aws.databases.describe(copy);
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
      const instance = await aws.databases.describe(copy);
      if (instance && instance.status !== 'deleting') await aws.databases.delete(copy);
      if ((await aws.databases.snapshotStatus(copy)) !== undefined) await aws.databases.deleteSnapshot(copy);
    },
  };
}

async function pointMigrator(context: Context, instance: string): Promise<void> {
  const { migratorSecret, name } = context.manifest.shared.database;
  const secret = await context.aws.settings.secret(migratorSecret);
  await context.aws.settings.writeSecret(migratorSecret, withHost(secret, await addressOf(context, instance), name));
}

async function migratorAtProduction(context: Context): Promise<boolean> {
  const { host, port } = await context.aws.settings.secret(context.manifest.shared.database.migratorSecret);
  const address = await addressOf(context, context.window.production);
  return host === address.host && port === address.port;
}

async function runningTasks(context: Context): Promise<OneOff[]> {
  const found: OneOff[] = [];
  for (let attempt = 1; attempt <= attemptOf(context); attempt += 1) {
    const task = await context.aws.tasks.findOnce(context.manifest.shared.cluster, onceToken(context, 'trial', attempt));
    if (task && task.status !== 'STOPPED') found.push(task);
  }
  return found;
}

function streamOf(context: Context, color: Color, task: OneOff): [group: string, stream: string] {
  const { migration } = colorPart(context.manifest, color);
  return [migration.logGroup, `${migration.logStreamPrefix}/${migration.container}/${task.id}`];
}

/** The last 200: what a migration tool says of each migration, with the time it took where it tells. */
async function allLines(context: Context, color: Color, task: OneOff): Promise<string[]> {
  const lines: string[] = [];
  for (let token: string | undefined; ; ) {
    const page = await context.aws.logs.lines(...streamOf(context, color, task), token);
    lines.push(...page.lines);
    if (page.lines.length === 0 || page.token === undefined || page.token === token) return lines.slice(-200);
    token = page.token;
  }
}

/** How long tables were closed to readers, as far as looking several times a second can tell. */
class Locks {
  private readonly since = new Map<string, { table: string; from: number; told: boolean }>();
  private readonly seconds = new Map<string, number>();

  /** Answers a line for each lock that has just become longer than a second. */
  seen(locks: readonly { table: string; by: string }[], now: number): string[] {
    const lines: string[] = [];
    const held = new Set(locks.map(({ table, by }) => `${by} ${table}`));
    for (const key of this.since.keys()) if (!held.has(key)) this.since.delete(key);
    for (const { table, by } of locks) {
      const key = `${by} ${table}`;
      const lock = this.since.get(key) ?? { table, from: now, told: false };
      this.since.set(key, lock);
      const seconds = (now - lock.from) / 1000;
      if (seconds < 1) continue;
      this.seconds.set(table, Math.max(this.seconds.get(table) ?? 0, seconds));
      if (!lock.told) lines.push(`locked: nobody can read ${table}`);
      lock.told = true;
    }
    return lines;
  }

  longest(): { table: string; seconds: number }[] {
    return [...this.seconds].map(([table, seconds]) => ({ table, seconds }));
  }
}
