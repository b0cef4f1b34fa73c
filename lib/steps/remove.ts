/** What a teardown removes. Each step says what it will destroy and looks that nobody uses it. */

import { say, switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { again } from '../engine/again';
import { type Context, colorPart } from '../engine/context';
import { done, pending, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import type { Color } from '../manifest/schema';
import { whereNow } from '../manifest/traffic';
import { writersAllowed } from '../postgres/access/fence';
import { madeFor } from './world';

/** The color behind serves nobody: its rules stand behind, no worker of it runs, its user may not write to production. */
export function standbyIdle(color: Color, production: string): Step {
  return {
    id: 'standby.idle',
    title: `Check that ${color} serves nobody`,
    estimateSeconds: 3,
    patienceSeconds: 60,
    async observe(context) {
      const { manifest, aws, view } = context;
      const stack = await aws.stacks.status(colorPart(manifest, color).stack);
      if (!stack || stack.status.startsWith('DELETE')) return done('its stack is being removed already');
      const refuse = (message: string): never => {
        throw new Stop('teardown.standby-in-use', message, {
          state: 'Nothing has been removed.',
          next: [
            switchback('status'),
            say`${switchback('rollback')}, if ${color} is to serve again`,
            say`when the reason is gone: ${again('teardown', view.current ?? {})}`,
          ],
          exit: exit.refused,
        });
      };
      const { live } = whereNow(manifest, await aws.traffic.order(manifest));
      if (live === color || live === undefined)
        return refuse(
          live ? `${color} is live: its rules are in front` : 'which color is live cannot be told: some rules have moved, others have not',
        );
      const workers = await aws.tasks.workers(
        manifest.shared.cluster,
        colorPart(manifest, color).workers.map(({ service }) => service),
      );
      const alive = workers.find(({ wanted, notStopped }) => wanted > 0 || notStopped > 0);
      if (alive) return refuse(`${color}'s worker ${alive.name} still runs`);
      const writers = await writersAllowed(await context.database(production), manifest.shared.database.roles);
      const { user } = colorPart(manifest, color).database;
      return writers.includes(user) ? refuse(`${user} may still write to ${production}`) : done();
    },
  };
}

export const finalSnapshotName = (instance: string, { system, name }: { system: string; name: string }): string =>
  `${system}-${name}-final-${instance}`.slice(0, 255);

export function finalSnapshot(instance: string, window: { system: string; name: string }): Step {
  const name = finalSnapshotName(instance, window);
  return {
    id: 'final.snapshot',
    title: `Take the final snapshot of ${instance}`,
    estimateSeconds: 300,
    patienceSeconds: 6 * 3600,
    async observe(context) {
      const found = await context.aws.databases.describeSnapshot(name);
      if (found && found.madeFor !== madeFor(context.view))
        return {
          is: 'failed',
          code: 'teardown.snapshot.taken',
          message: `the snapshot ${name} was not made by this window, so it is no final snapshot of ${instance}: rename it (copy-db-snapshot) or delete it`,
        };
      const status = found?.status;
      if (status === 'available') return done(name, { snapshot: name });
      if (status !== undefined)
        return status === 'failed'
          ? { is: 'failed', code: 'teardown.snapshot.failed', message: `the snapshot ${name} failed` }
          : pending(`${name} is ${status}`);
      return (await context.aws.databases.describe(instance))
        ? todo()
        : { is: 'failed', code: 'teardown.instance.missing', message: `${instance} is gone and there is no snapshot ${name}` };
    },
    async act(context) {
      await context.aws.databases.snapshot(instance, name, madeFor(context.view));
    },
  };
}

/** Deletes a stack; where it holds a database, deletion protection goes off first, after the final snapshot. */
export function stackDeleted(id: StepId, title: string, stack: string, instance?: string): Step {
  return {
    id,
    title,
    deletes: `the stack ${stack}${instance ? ` with the database ${instance}` : ''}`,
    estimateSeconds: 300,
    patienceSeconds: 3600,
    pollMs: 1000,
    async observe(context) {
      const found = await context.aws.stacks.status(stack);
      if (!found) return done(`${stack} is gone`);
      if (found.status === 'DELETE_IN_PROGRESS') return pending(`${stack} is ${found.status}`);
      if (found.status === 'DELETE_FAILED')
        return {
          is: 'failed',
          code: 'teardown.stack.stuck',
          message: `${stack} could not be deleted: ${found.reason ?? 'CloudFormation gives no reason'}`,
        };
      // a promotion that was asked for by a run that ended goes on.
      const status = instance && (await context.aws.databases.describe(instance))?.status;
      return status && busy.test(status) ? pending(`${instance} is ${status}`) : todo(`${stack} is ${found.status}`);
    },
    async act(context) {
      if (instance) await unprotected(context, instance);
      await context.aws.stacks.delete(stack);
    },
  };
}

/** Passes by itself, and no change is taken meanwhile. */
const busy = /^(creating|modifying|rebooting|backing-up|upgrading|maintenance|starting|configuring-.*)$/;

/**
 * The stack's deletion takes a snapshot, and RDS makes none of an instance that is still being modified. An instance that
 * has only just been asked for something is still called available.
 */
async function unprotected(context: Context, instance: string): Promise<void> {
  for (const deadline = context.clock.elapsed() + 300_000; context.clock.elapsed() < deadline; await context.clock.pause(500)) {
    const found = await context.aws.databases.describe(instance);
    if (!found || (!found.deletionProtection && !busy.test(found.status))) return;
    if (found.deletionProtection && !busy.test(found.status)) await context.aws.databases.allowDeletion(instance);
  }
}
