/** The open window of a system; stage and cutover open the next one, where nothing speaks against it. */

import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import { deploy, say, switchback, typed } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { learn } from '../engine/estimates';
import type { Durations, Window } from '../engine/events';
import { refuseAnswer } from '../engine/gate';
import { Journal } from '../engine/journal';
import { fold, refuseHour, type WindowView } from '../engine/window-view';
import { type Manifest, otherColor, type SystemState } from '../manifest/schema';
import { stackName } from '../manifest/stack-names';
import { whereNow } from '../manifest/traffic';
import { undoBegun } from '../plans/undo';
import { refuseForeign } from '../steps/foreign-release';
import type { Runtime, VerbRequest } from './request';

/** The open window of a system; stage and cutover open the next one where there is none. */
export async function findOrOpen(request: VerbRequest, runtime: Runtime): Promise<{ journal: Journal; view: WindowView }> {
  const { manifest, state } = await runtime.aws.settings.manifest(request.system);
  const store = runtime.aws.journal(manifest.shared.journalBucket, request.system);
  const names = await store.windows();
  const last = names.at(-1);
  let durations: Durations | undefined;
  const journal = (name: string) => new Journal(store, name, runtime.clock, randomUUID);
  const found = last === undefined ? undefined : journal(last);
  if (found) {
    await found.refresh();
    const view = fold(found.events);
    if (view && isLeftUnsaid(request, view)) return { journal: found, view };
    if (view && view.closed === undefined) {
      refuseAfterRollback(request, view);
      return { journal: found, view };
    }
    durations = learn(found.events);
  }
  if (request.answer) refuseAnswer(undefined, request.answer);
  if (request.verb === 'rollback' || request.verb === 'teardown' || request.undo) {
    const what = request.undo ? 'undo' : request.verb === 'rollback' ? 'roll back' : 'tear down';
    throw new Stop('window.none', `no window of ${request.system} is open: there is nothing to ${what}`, {
      next: [switchback('status')],
      exit: exit.usage,
    });
  }
  const window = await nextWindow(request.system, manifest, state, names, runtime.aws);
  if (request.upBy) refuseHour(window);
  await refuseWhileDeploying(window, manifest, runtime.aws);
  await refuseForeign(runtime.aws, manifest);
  // the next try of a first opening goes on in its journal.
  const made = found?.window === window.name ? found : journal(window.name);
  await made.append(request.run, request.by, {
    type: 'window.opened',
    window,
    manifest,
    state: state ?? { production: manifest.shared.database.instance, opened: false },
    ...(durations ? { durations } : {}),
  });
  const view = fold(made.events);
  if (!view) throw new Error('a window that was just opened cannot be read');
  return { journal: made, view };
}

/**
 * A run that closed its window and died before its last word: the same command says it. Without this a cutover typed again would
 * begin the next window, which nobody asked for.
 */
const isLeftUnsaid = ({ verb, undo }: Pick<VerbRequest, 'verb' | 'undo'>, view: WindowView): boolean =>
  view.closed !== undefined && view.current?.verb === verb && view.current.ended === undefined && undoBegun({ view }) === (undo ?? false);

/**
 * The window that would be opened now.
 * @throws Stop `window.no-standby`, `window.no-fallback`, `window.wrong-source`, `window.no-live`, `window.same-release`
 */
export async function nextWindow(
  system: string,
  manifest: Manifest,
  state: SystemState | undefined,
  names: readonly string[],
  aws: Aws,
): Promise<Window> {
  const production = state?.production ?? manifest.shared.database.instance;
  if (!state?.opened) {
    const to = manifest.blue ? 'blue' : manifest.green ? 'green' : undefined;
    if (!to)
      throw new Stop('window.no-standby', `no color of ${system} has been deployed`, {
        next: [deploy(stackName(manifest, 'blue'))],
        exit: exit.usage,
      });
    return { name: 'w0', system, from: undefined, to, production, fallback: undefined };
  }
  const { live } = whereNow(manifest, await aws.traffic.order(manifest));
  if (!live) {
    throw new Stop('window.no-live', `which color of ${system} is live cannot be told: some of its rules have moved, others have not`, {
      next: [typed(`aws elbv2 describe-rules --listener-arn ${manifest.shared.listeners[0]?.arn}`)],
      exit: exit.refused,
    });
  }
  const to = otherColor(live);
  const standby = manifest[to];
  if (!standby)
    throw new Stop('window.no-standby', `${live} is live and ${to} has not been deployed`, {
      next: [deploy(stackName(manifest, to))],
      exit: exit.usage,
    });
  if (standby.release.version === manifest[live]?.release.version && standby.release.commit === manifest[live]?.release.commit) {
    throw new Stop('window.same-release', `${to} runs ${standby.release.version} (${standby.release.commit}), and so does ${live}`, {
      next: [say`set another release for ${to} in your CDK app, then ${deploy(stackName(manifest, to))}`],
      exit: exit.usage,
    });
  }
  const number = (name: string) => Number(name.slice(1));
  const unused = Object.keys(manifest.fallbacks)
    .filter((name) => !names.includes(name))
    .sort((a, b) => number(a) - number(b))
    .at(-1);
  const nextName = `w${Math.max(0, ...names.map(number)) + 1}`;
  const fallback = unused === undefined ? undefined : manifest.fallbacks[unused];
  if (!fallback || unused === undefined || names.some((name) => number(name) >= number(unused))) {
    throw new Stop('window.no-fallback', `the next window of ${system} has no fallback database`, {
      next: [say`set window: ${number(nextName)} in your CDK app, then ${deploy(stackName(manifest, `fallback-${nextName}`))}`],
      exit: exit.usage,
    });
  }
  if (fallback.source !== production) {
    throw new Stop('window.wrong-source', `${fallback.instance} is a replica of ${fallback.source}, but production is ${production}`, {
      next: [
        say`set window: ${number(nextName)} in your CDK app, then ${deploy(stackName(manifest, `fallback-${nextName}`))}`,
        say`delete ${fallback.stack} when nobody needs it`,
      ],
      exit: exit.usage,
    });
  }
  return { name: unused, system, from: live, to, production, fallback: fallback.instance };
}

/**
 * The guard asks whether a window is open when a deploy begins: one that began before would change under the window what it has
 * read by now.
 * @throws Stop `window.deploying`
 */
async function refuseWhileDeploying({ name, from, to }: Window, manifest: Manifest, aws: Aws): Promise<void> {
  const stacks = [manifest[to], from && manifest[from], manifest.fallbacks[name]].flatMap((part) => part?.stack ?? []);
  const found = await Promise.all(stacks.map(async (stack) => ({ stack, status: (await aws.stacks.status(stack))?.status ?? '' })));
  // cleaning up removes what the new template of the stack does not have any more.
  const busy = found.find(({ status }) => /(?<!_CLEANUP)_IN_PROGRESS$/.test(status));
  if (!busy) return;
  throw new Stop('window.deploying', `${busy.stack} is being deployed (${busy.status}), and the window would be about what it was before`, {
    state: 'No window was opened and nothing was changed.',
    next: [typed(`aws cloudformation describe-stacks --stack-name ${busy.stack}`), say`the same command again, when that is over`],
    exit: exit.refused,
  });
}

/** A window that has been rolled back can only be torn down: its fallback has become production. */
export function refuseAfterRollback(request: Pick<VerbRequest, 'verb'>, view: WindowView): void {
  if ((request.verb === 'stage' || request.verb === 'cutover') && view.series.rollback) {
    throw new Stop('window.rolled-back', `${view.name} has been rolled back; the next try is another window`, {
      next: view.series.rollback.ended === 'finished' ? [switchback('teardown', '--now'), switchback('status')] : [switchback('rollback')],
      exit: exit.usage,
    });
  }
}
