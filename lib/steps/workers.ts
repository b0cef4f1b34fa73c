/** Background processes: to zero and proven stopped, or back one by one. */

import { type Advice, sameAgain, switchback, typed } from '../base/advice';
import { Stop } from '../base/errors';
import { type Context, colorPart } from '../engine/context';
import { done, pending, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import type { Color, Worker } from '../manifest/schema';
import { together } from './together';

/** No task of a worker is left that has not STOPPED: `runningCount` alone leaves out those still shutting down. */
export function workersStopped(color: Color, options: { id?: StepId; holdsUntil?: StepId | 'end' } = {}): Step {
  return {
    id: options.id ?? 'workers.stop',
    title: `Stop ${color}'s workers and prove them stopped`,
    estimateSeconds: 40,
    // a task that ignores SIGTERM is killed after its stopTimeout, at most 120 s on Fargate.
    patienceSeconds: 240,
    ...(options.holdsUntil ? { holdsUntil: options.holdsUntil } : {}),
    again: true,
    async observe(context) {
      const { shared } = context.manifest;
      const workers = context.manifest[color]?.workers ?? [];
      if (workers.length === 0) return done('there are none');
      const states = await context.aws.tasks.workers(
        shared.cluster,
        workers.map(({ service }) => service),
      );
      const wanted = states.filter((state) => state.wanted > 0);
      if (wanted.length > 0) return todo(`${wanted.map(({ name, wanted: count }) => `${name} wants ${count}`).join(', ')}`);
      const left = states.filter((state) => state.notStopped > 0);
      if (left.length > 0) return pending(`${left.map(({ name, notStopped }) => `${name}: ${notStopped} not stopped yet`).join(', ')}`);
      return done(`${states.length} services, no task left`);
    },
    async act(context) {
      const { cluster } = context.manifest.shared;
      // all at once: customers wait for the slowest, not for the sum.
      await together(
        colorPart(context.manifest, color).workers.map(async (worker) => {
          // scaling first: it would raise the count again behind our back.
          if (worker.scaling) await context.aws.tasks.setScaling(cluster, worker.service, false);
          await context.aws.tasks.setCount(cluster, worker.service, 0);
        }),
      );
    },
  };
}

/** Back one at a time, each watched until it runs; a worker that may only run once never while the other color's still does. */
export function workersStarted(color: Color): Step {
  return {
    id: 'workers.start',
    title: `Start ${color}'s workers, one by one`,
    estimateSeconds: 60,
    patienceSeconds: 600,
    holdsUntil: 'end',
    again: true,
    async observe(context) {
      const { cluster } = context.manifest.shared;
      const workers = colorPart(context.manifest, color).workers;
      const left = await notYet(context, color);
      // one whose task has ended and comes back by itself is not ours to start again.
      const unwanted = left.filter(({ wanted, worker }) => wanted < worker.count);
      if (unwanted.length > 0) return todo(`not running yet: ${unwanted.map(({ worker }) => worker.name).join(', ')}`);
      for (const { name, service, scaling } of workers)
        if (scaling && (await context.aws.tasks.scalingSuspended(cluster, service))) return todo(`scaling of ${name} is suspended`);
      return left.length === 0 ? done() : pending(`coming up: ${left.map(({ worker }) => worker.name).join(', ')}`);
    },
    async act(context) {
      const { shared } = context.manifest;
      await refuseTwoOfOnce(context, color);
      const left = new Set((await notYet(context, color)).map(({ worker }) => worker.name));
      for (const worker of colorPart(context.manifest, color).workers) {
        // a run that died here has started it, and not yet let it scale again.
        if (!left.has(worker.name)) {
          if (worker.scaling) await context.aws.tasks.setScaling(shared.cluster, worker.service, true);
          continue;
        }
        await context.aws.tasks.setCount(shared.cluster, worker.service, worker.count);
        const deadline = context.clock.elapsed() + 180_000;
        while ((await notYet(context, color, [worker])).length > 0) {
          if (context.clock.elapsed() > deadline) {
            throw new Stop('workers.start.slow', `${color}'s worker ${worker.name} does not run ${worker.count} tasks after 180 s`, {
              state: 'The maintenance answer is in front; workers before it in the list are running.',
              next: [typed(`aws ecs describe-services --cluster ${shared.cluster} --services ${worker.service}`), ...againOrBack(context)],
            });
          }
          await context.clock.pause(250);
        }
        if (worker.scaling) await context.aws.tasks.setScaling(shared.cluster, worker.service, true);
        await context.progress(`${worker.name}: ${worker.count} running`);
      }
    },
  };
}

/** The verb under way, and out of a cutover the way back. */
const againOrBack = ({ view: { current } }: Context): Advice[] =>
  current?.verb === 'rollback' ? [switchback('rollback')] : [switchback('cutover'), switchback('rollback')];

async function notYet(
  context: Context,
  color: Color,
  workers = colorPart(context.manifest, color).workers,
): Promise<readonly { readonly worker: Worker; readonly wanted: number }[]> {
  if (workers.length === 0) return [];
  const states = new Map(
    (
      await context.aws.tasks.services(
        context.manifest.shared.cluster,
        workers.map(({ service }) => service),
      )
    ).map((state) => [state.name, state]),
  );
  // with scaling on, more than `count` is fine.
  return workers
    .map((worker) => ({ worker, wanted: states.get(worker.service)?.wanted ?? 0, running: states.get(worker.service)?.running ?? 0 }))
    .filter(({ worker, wanted, running }) => wanted < worker.count || running < worker.count);
}

async function refuseTwoOfOnce(context: Context, color: Color): Promise<void> {
  const other = context.manifest[color === 'blue' ? 'green' : 'blue'];
  const once = (other?.workers ?? []).filter((worker) => worker.once);
  if (!other || once.length === 0) return;
  const states = await context.aws.tasks.workers(
    context.manifest.shared.cluster,
    once.map(({ service }) => service),
  );
  const alive = states.find((state) => state.wanted > 0 || state.notStopped > 0);
  if (alive) {
    throw new Stop(
      'workers.once.twice',
      `${alive.name} of ${other.part} still runs (${alive.notStopped} tasks); only one color may run it`,
      {
        state: `None of ${color}'s workers was started by this step.`,
        next: [
          typed(`aws ecs update-service --cluster ${context.manifest.shared.cluster} --service ${alive.name} --desired-count 0`),
          sameAgain,
        ],
      },
    );
  }
}
