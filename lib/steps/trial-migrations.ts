/** The migrations of a trial: the same task as on the night, with its secret pointed at the copy and no way to another database. */

import type { OnceNamed, OneOff } from '../aws/tasks';
import { say, switchback } from '../base/advice';
import { type Context, colorPart } from '../engine/context';
import { done, pending, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import type { Color } from '../manifest/schema';
import { allowMigrations, forbidMigrations, migrationsAllowed } from '../postgres/access/fence';
import { locksHeld, noteLocks, prepareLocks } from '../postgres/schema/rewrites';
import { addressOf, withHost } from './database-host';
import { releaseMended } from './deployed-anew';
import { onceToken } from './once';
import { failureOf, failureText, logOf, streamOf } from './task-log';

const failing = { expand: { code: 'trial.migrations.failed' }, again: { code: 'trial.next.failed' } } as const;

export interface TrialRun {
  readonly id: StepId;
  /** Of the copy. */
  readonly place: string;
  readonly color: Color;
  /** `again`: the first part once more, on the database that was rolled back to. */
  readonly part: 'expand' | 'again' | 'contract';
  readonly attempt: number;
}

/** What a part of the migrations did, as the step leaves it. */
export interface TrialFacts {
  readonly task: string;
  /** From the task's start to its end. */
  readonly seconds: number | undefined;
  /** From asking for the task to its end: what the night waits for. */
  readonly takes: number | undefined;
  readonly lines: readonly string[];
  readonly locks: readonly { readonly table: string; readonly seconds: number }[];
  /** How the contract part ended, where it did not end well. */
  readonly failed?: string;
}

/** Each run that a trial has stopped was one; a run that stopped for another reason is gone on with. */
export const attemptOf = ({ view }: Pick<Context, 'view'>): number => view.stops.filter((code) => code.startsWith('trial.')).length + 1;

/** Nobody may migrate production meanwhile; what is seen while it runs is kept on the copy, so that any invocation may go on. */
export function migrationsTried({ id, place, color, part, attempt }: TrialRun): Step {
  let shown: string | undefined;
  return {
    id,
    title: {
      expand: `Run ${color}'s migrations on ${place}`,
      again: `Run them once more on ${place}, as the next window will`,
      contract: `Run the contract part of ${color}'s migrations on ${place}, as the teardown will`,
    }[part],
    estimateSeconds: 120,
    patienceSeconds: 6 * 3600,
    pollMs: 250,
    async observe(context) {
      const { shared } = context.manifest;
      const task = await context.aws.tasks.findOnce(shared.cluster, named(context, color, part, attempt));
      if (!task) return todo();
      const page = await context.aws.logs.lines(...streamOf(context, color, task), shown);
      shown = page.token;
      for (const line of page.lines) await context.progress(line);
      const db = await context.database(place);
      if (task.status !== 'STOPPED') {
        for (const table of await noteLocks(db, part)) await context.progress(`locked: nobody can read ${table}`);
        return pending(`task ${task.id} is ${task.status}`);
      }
      const lines = await logOf(context, color, task);
      const failed = task.exitCode === 0 ? undefined : failureOf(task, lines);
      // the contract part may count on what the new release writes during the hold: on a copy of today it is not there.
      if (failed !== undefined && part !== 'contract')
        return {
          is: 'failed',
          ...failing[part],
          next: [...releaseMended(context), say`where the reason was in the data, and is mended: ${switchback('stage')}`],
          message: `on a copy of ${context.window.production}${part === 'again' ? ' that was rolled back' : ''} the migration task ${task.id} ${failureText(failed)}`,
        };
      const { roles } = shared.database;
      if (await migrationsAllowed(db, roles)) await forbidMigrations(db, roles);
      const words = task.seconds === undefined ? '' : ` after ${task.seconds.toFixed(1)} s`;
      const facts: TrialFacts = {
        ...{ task: task.id, seconds: task.seconds, takes: task.takes, lines, locks: await locksHeld(db, part) },
        ...(failed === undefined ? {} : { failed: failed.what }),
      };
      return done(`task ${task.id} ${failed?.what ?? `ended with exit code 0${words}`}`, { ...facts });
    },
    async act(context) {
      const { shared } = context.manifest;
      const { migration } = colorPart(context.manifest, color);
      await pointMigrator(context, place);
      const db = await context.database(place);
      await prepareLocks(db);
      await allowMigrations(db, shared.database.roles);
      await context.aws.tasks.runOnce({
        cluster: shared.cluster,
        taskDefinition: migration.taskDefinition,
        container: migration.container,
        command: part === 'contract' ? (migration.contract ?? []) : migration.expand,
        // from there production cannot be reached, whatever the secret says by the time the task reads it.
        network: {
          subnets: migration.network.subnets,
          securityGroups: shared.trial?.taskSecurityGroups ?? migration.network.securityGroups,
        },
        token: tokenOf(context, part, attempt),
      });
    },
  };
}

export async function pointMigrator(context: Context, instance: string): Promise<void> {
  const { migratorSecret, certificates } = context.manifest.shared.database;
  const secret = await context.aws.settings.secret(migratorSecret);
  await context.aws.settings.writeSecret(migratorSecret, withHost(secret, await addressOf(context, instance), certificates));
}

const tokenOf = (context: Pick<Context, 'window' | 'view'>, part: TrialRun['part'], attempt: number): string =>
  onceToken(context, part === 'expand' ? 'trial' : `trial-${part}`, attempt);

const named = (context: Context, color: Color, part: TrialRun['part'], attempt: number): OnceNamed => ({
  token: tokenOf(context, part, attempt),
  taskDefinition: colorPart(context.manifest, color).migration.taskDefinition,
});

/** Tasks of any attempt that have not ended. */
export async function runningTasks(context: Context): Promise<OneOff[]> {
  const found: OneOff[] = [];
  for (let attempt = 1; attempt <= attemptOf(context); attempt += 1)
    for (const part of ['expand', 'again', 'contract'] as const) {
      const task = await context.aws.tasks.findOnce(context.manifest.shared.cluster, named(context, context.window.to, part, attempt));
      if (task && task.status !== 'STOPPED') found.push(task);
    }
  return found;
}
