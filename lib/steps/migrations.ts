/** Migrations run once, from the release that needs them, as a one-off task with its log in view. */

import type { OneOff } from '../aws/tasks';
import { type Context, colorPart } from '../engine/context';
import { done, type Observation, pending, type Step, todo } from '../engine/step';
import type { Color } from '../manifest/schema';
import { allowMigrations, forbidMigrations, migrationsAllowed } from '../postgres/access/fence';
import { endTransactionsOfColors, migratorWaits, waitWords } from '../postgres/access/lock-waits';
import { addressOf, withHost } from './database-host';
import { onceToken } from './once';
import { failureOf, failureText, logOf, streamOf } from './task-log';

export function migrationsRun(instance: string, color: Color, part: 'expand' | 'contract' = 'expand'): Step {
  let logToken: string | undefined;
  let asked = 0;
  let told = '';
  return {
    id: part === 'expand' ? 'migrations' : 'migrations.contract',
    title:
      part === 'expand'
        ? `Run ${color}'s migrations on ${instance}, once`
        : `Run the contract part of ${color}'s migrations on ${instance}`,
    estimateSeconds: 120,
    patienceSeconds: 6 * 3600,
    pollMs: 250,
    async observe(context) {
      const newest = await newestAttempt(context, part);
      // ECS lists a task a moment after it has taken it: until then an attempt before it is not the last word.
      if ((newest?.attempt ?? 0) < asked) return pending(`attempt ${asked} is not listed yet`);
      if (!newest) return todo();
      logToken = await showLog(context, color, newest.task, logToken);
      if (newest.task.status !== 'STOPPED') {
        const words = (await migratorWaits(await context.database(instance), context.manifest.shared.database.roles, 2)).map(waitWords);
        // in the log once for each that keeps it waiting, with the seconds of that look; on the screen with those of now.
        const blockers = words.map((each) => /pid \d+/.exec(each)![0]).join(', ');
        if (words.length > 0 && blockers !== told) await context.progress(`the migration ${words.join('; and ')}`);
        told = blockers;
        return pending([`task ${newest.task.id} is ${newest.task.status}`, ...words].join('; it '));
      }
      // once more: the last lines arrive after the task has stopped.
      logToken = await showLog(context, color, newest.task, logToken);
      if (newest.task.exitCode !== 0) return failedTask(newest.task, await logOf(context, color, newest.task));
      const db = await context.database(instance);
      const { roles } = context.manifest.shared.database;
      if (await migrationsAllowed(db, roles)) await forbidMigrations(db, roles);
      return done(`task ${newest.task.id} ended with exit code 0`, { task: newest.task.id, attempt: newest.attempt });
    },
    async act(context) {
      const { shared } = context.manifest;
      const { migration } = colorPart(context.manifest, color);
      const db = await context.database(instance);
      const address = await addressOf(context, instance);
      const secret = await context.aws.settings.secret(shared.database.migratorSecret);
      await context.aws.settings.writeSecret(shared.database.migratorSecret, withHost(secret, address, shared.database.certificates));
      if (part === 'expand') {
        const ended = await endTransactionsOfColors(db, shared.database.roles, { graceMs: 2000 });
        for (const { user, pid, application, query } of ended)
          await context.progress(`ended a transaction of '${user}' that was left open (pid ${pid}, ${application}): ${query}`);
      }
      await allowMigrations(db, shared.database.roles);
      const attempt = ((await newestAttempt(context, part))?.attempt ?? 0) + 1;
      await context.aws.tasks.runOnce({
        cluster: shared.cluster,
        taskDefinition: migration.taskDefinition,
        container: migration.container,
        command: part === 'expand' ? migration.expand : (migration.contract ?? []),
        network: migration.network,
        // the same token answers the same task: a lost answer cannot start the migrations twice.
        token: onceToken(context, part, attempt),
      });
      asked = attempt;
    },
  };
}

/**
 * The last attempt of this window. ECS forgets stopped tasks after about an hour; an attempt that old and not in the
 * journal is started again, and the migration tool skips what it has applied.
 */
async function newestAttempt(context: Context, part: 'expand' | 'contract'): Promise<{ attempt: number; task: OneOff } | undefined> {
  let newest: { attempt: number; task: OneOff } | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const task = await context.aws.tasks.findOnce(context.manifest.shared.cluster, onceToken(context, part, attempt));
    if (!task) return newest;
    newest = { attempt, task };
    // only after one that failed can there be another.
    if (task.status !== 'STOPPED' || task.exitCode === 0) return newest;
  }
}

async function showLog(context: Context, color: Color, task: OneOff, token: string | undefined): Promise<string | undefined> {
  const { lines, token: next } = await context.aws.logs.lines(...streamOf(context, color, task), token);
  // one event for a look: customers wait, and each event is a call.
  if (lines.length > 0) await context.progress(lines.join('\n'));
  return next;
}

const failedTask = (task: OneOff, log: readonly string[]): Observation => ({
  is: 'failed',
  code: 'migrations.failed',
  message: `the migration task ${task.id} ${failureText(failureOf(task, log))}`,
});
