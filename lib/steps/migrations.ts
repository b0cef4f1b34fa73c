/** Migrations run once, from the release that needs them, as a one-off task with its log in view. */

import type { OneOff } from '../aws/tasks';
import { say, switchback, typed } from '../base/advice';
import { Stop } from '../base/errors';
import { type Context, colorPart } from '../engine/context';
import { done, type Observation, pending, type Step, todo } from '../engine/step';
import type { AskedTask } from '../engine/window-view';
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
    // cut off before ECS was asked, it has asked for nothing; and asked again, the same token answers the same task.
    wholeOrNot: true,
    async observe(context) {
      const newest = await newestAttempt(context, color, part, instance);
      // ECS lists a task a moment after it has taken it: until then an attempt before it is not the last word.
      if ((newest?.attempt ?? 0) < asked) return pending(`attempt ${asked} is not listed yet`);
      if (!newest || newest.task === 'forgotten') return todo();
      if (newest.task === undefined) return newest.answered || asked > 0 ? pending(`attempt ${newest.attempt} is not listed yet`) : todo();
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
      const newest = await newestAttempt(context, color, part, instance);
      // one that was asked for and is not there yet is asked for again, by the same token: it answers the same task.
      const attempt = newest ? newest.attempt + (newest.task === undefined ? 0 : 1) : 1;
      const token = onceToken(context, part, attempt);
      await context.asked(token);
      const { arn } = await context.aws.tasks.runOnce({
        cluster: shared.cluster,
        taskDefinition: migration.taskDefinition,
        container: migration.container,
        command: part === 'expand' ? migration.expand : (migration.contract ?? []),
        network: migration.network,
        // the same token answers the same task: a lost answer cannot start the migrations twice.
        token,
      });
      await context.asked(token, arn);
      asked = attempt;
    },
  };
}

/**
 * ECS tells of a stopped task for at least an hour, and a token answers the same task for a day at most. Within this long a task that is
 * not listed was never started; after it nobody can tell. Source: DescribeTasks and "Ensuring idempotency" in the ECS API reference.
 */
const rememberedMs = 45 * 60_000;

interface Attempt {
  readonly attempt: number;
  /** None: asked for a short while ago, and not listed. `forgotten`: started anew by a person who has looked. */
  readonly task: OneOff | 'forgotten' | undefined;
  /** ECS has said which task it is. */
  readonly answered: boolean;
}

/** The last attempt of this window. @throws Stop `migrations.unknown` when ECS has forgotten it, and nobody saw how it ended */
async function newestAttempt(context: Context, color: Color, part: 'expand' | 'contract', instance: string): Promise<Attempt | undefined> {
  const { cluster } = context.manifest.shared;
  const { taskDefinition } = colorPart(context.manifest, color).migration;
  const { tasks } = context.view;
  let newest: Attempt | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const token = onceToken(context, part, attempt);
    if (tasks.has(onceToken(context, part, attempt + 1))) continue;
    const asked = tasks.get(token);
    const task = await (asked?.arn
      ? context.aws.tasks.describeOnce(cluster, asked.arn)
      : context.aws.tasks.findOnce(cluster, { token, taskDefinition }));
    if (!task && !asked) return newest;
    if (!task && asked && context.clock.now() - Date.parse(asked.at) < rememberedMs)
      return { attempt, task, answered: asked.arn !== undefined };
    if (!task && asked && !context.migrateAgain) throw forgotten(context, color, instance, asked);
    newest = { attempt, task: task ?? 'forgotten', answered: true };
    // only after one that failed, or that a person starts anew, can there be another.
    if (task && (task.status !== 'STOPPED' || task.exitCode === 0)) return newest;
  }
}

function forgotten(context: Context, color: Color, instance: string, { at, arn }: AskedTask): Stop {
  const id = arn?.split('/').at(-1);
  const { logGroup } = colorPart(context.manifest, color).migration;
  const verb = context.view.current?.verb === 'teardown' ? 'teardown' : 'cutover';
  return new Stop(
    'migrations.unknown',
    `ECS no longer knows the migration task${id ? ` ${id}` : ''} that was asked for at ${at}, and nobody saw how it ended`,
    {
      state: `Whether ${instance} has been migrated is not known; nothing was started again.`,
      next: [
        typed(
          id
            ? `aws logs tail ${logGroup} --since 7d --log-stream-name-prefix ${streamOf(context, color, { id })[1]}`
            : `aws logs tail ${logGroup} --since 7d`,
        ),
        say`look at the notes of the migration tool in ${instance}`,
        say`where it skips what it has applied, or has applied nothing: ${switchback(verb, '--migrate-again')}`,
        ...(verb === 'cutover' ? [switchback('rollback')] : []),
      ],
    },
  );
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
