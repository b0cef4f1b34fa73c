/** The copy of production that a trial is made on: an instance of its own, restored from a snapshot, and gone with everything on it. */

import type { Instance } from '../aws/databases';
import type { Advice } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { Context } from '../engine/context';
import type { Window } from '../engine/events';
import { done, type Observation, pending, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import { bytesOnServer } from '../postgres/replication/twin';
import { addressOf } from './database-host';
import { deployedAnew } from './deployed-anew';
import { pointMigrator, runningTasks } from './trial-migrations';
import { madeFor } from './world';

/** Of the snapshot and of the instance. */
export const trialName = ({ system, name }: Window): string => `${system}-${name}-trial`;

export function snapshotTaken(production: string, copy: string, id: StepId): Step {
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

export function restored(production: string, copy: string, id: StepId): Step {
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
    async act({ aws, manifest, window, view, database, progress }) {
      const source = await aws.databases.describe(production);
      const { trial } = manifest.shared;
      if (!trial) throw new Error('the system has no place for a trial');
      if (await aws.databases.describe(copy)) return;
      const storageGb = storageFor(
        await bytesOnServer(await database(production)),
        source?.storageGb ?? 0,
        deployedAnew({ manifest, window }, { with: 'trial: false', parts: ['shared'] }),
      );
      if (storageGb !== undefined) await progress(`${copy} gets ${storageGb} GB: two databases, and what the migrations write`);
      await aws.databases.restore(copy, copy, { ...trial, parameterGroup: source?.parameterGroups[0], storageGb, madeFor: madeFor(view) });
    },
  };
}

/** What RDS gives at most, for PostgreSQL. */
const mostGb = 65_536;

/**
 * Gigabytes that a copy needs beyond production's: its databases, the second one made from the first, and once more as much for tables that
 * the migrations write anew and the WAL of what is brought over; a tenth is left free. Undefined where production's are enough.
 * @throws Stop `trial.storage.too-large`
 */
export function storageFor(
  { all, own }: { readonly all: number; readonly own: number },
  allocatedGb: number,
  next: readonly Advice[],
): number | undefined {
  const needed = Math.ceil((((all + 2 * own) / 2 ** 30) * 11) / 10) + 1;
  if (needed <= allocatedGb) return undefined;
  if (needed > mostGb)
    throw new Stop(
      'trial.storage.too-large',
      `a trial needs ${needed} GB on its copy, and RDS gives at most ${mostGb} GB: two databases of ${Math.ceil(own / 2 ** 30)} GB each, and as much again for what the migrations write`,
      {
        state: 'Nothing was restored.',
        next,
        exit: exit.refused,
      },
    );
  // RDS takes no smaller step.
  return Math.max(needed, Math.ceil((allocatedGb * 11) / 10));
}

/** Neither used nor deleted: whoever gave it this name may need it. */
const nameTaken = (kind: 'snapshot' | 'db-instance', name: string): Observation => ({
  is: 'failed',
  code: 'trial.name.taken',
  message: `${name} exists and was not made by this window, so it is left alone; when nobody needs it: aws rds delete-db-${kind === 'snapshot' ? 'snapshot --db-snapshot-identifier' : 'instance --db-instance-identifier'} ${name}`,
});

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
