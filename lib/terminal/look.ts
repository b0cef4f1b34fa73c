/** Verbs that only look: the plan and the status. */
import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import { whereNow } from '../manifest/traffic';
import type { Output, StatusScreen } from '../report';
import type { Clock } from '../runbook/clock';
import { exit, Stop } from '../runbook/errors';
import type { Verb } from '../runbook/events';
import { Journal } from '../runbook/journal';
import { holdEndsAt, nextWindow, observeWorld, planOf } from '../runbook/verbs';
import { fold, type WindowView } from '../runbook/window';

/** Shows the plan of a verb for the open window, or for the one that would be opened; answers how many steps are left. */
export async function showPlan(aws: Aws, system: string, verb: Verb, output: Output, clock: Clock): Promise<number> {
  const { manifest, state } = await aws.settings.manifest(system);
  const store = aws.journal(manifest.shared.journalBucket, system);
  const names = await store.windows();
  const open = await openWindow(aws, system, manifest.shared.journalBucket, names, clock);
  let view = open;
  if (!view) {
    if (verb === 'rollback' || verb === 'teardown')
      throw new Stop('window.none', `no window of ${system} is open`, { next: ['npm run status'], exit: exit.usage });
    view = preview(await nextWindow(system, manifest, state, names, aws), manifest, state, clock);
  }
  const steps = planOf({ verb }, await observeWorld(aws, view));
  const done = view.current?.verb === verb ? view.current.steps : new Map();
  const left = steps.filter(({ id }) => done.get(id)?.doneAt === undefined);
  output.plan({
    verb,
    window: view.window,
    steps: steps.map((step) => ({
      id: step.id,
      title: step.title,
      estimateSeconds: step.estimateSeconds,
      ...(step.pointOfLoss ? { pointOfLoss: true } : {}),
      done: !left.includes(step),
    })),
  });
  return left.length;
}

/** The window as it would stand right after being opened: nothing is written. */
function preview(
  window: WindowView['window'],
  manifest: WindowView['manifest'],
  state: WindowView['state'] | undefined,
  clock: Clock,
): WindowView {
  const at = new Date(clock.now()).toISOString();
  const by = { who: '', where: '' };
  const view = fold([
    {
      type: 'window.opened',
      window,
      manifest,
      state: state ?? { production: window.production, opened: false },
      number: 1,
      at,
      run: '',
      by,
      nonce: '',
    },
  ]);
  if (!view) throw new Error('a preview of a window cannot be folded');
  return view;
}

async function openWindow(
  aws: Aws,
  system: string,
  bucket: string,
  names: readonly string[],
  clock: Clock,
): Promise<WindowView | undefined> {
  const last = names.at(-1);
  if (last === undefined) return undefined;
  const journal = new Journal(aws.journal(bucket, system), last, clock, randomUUID);
  await journal.refresh();
  const view = fold(journal.events);
  return view && view.closed === undefined ? view : undefined;
}

/** Exit code 0 when the system is in a known state, 1 when it is not. */
export async function showStatus(aws: Aws, system: string, output: Output, clock: Clock): Promise<number> {
  const { manifest, state } = await aws.settings.manifest(system);
  const names = await aws.journal(manifest.shared.journalBucket, system).windows();
  const view = await openWindow(aws, system, manifest.shared.journalBucket, names, clock);
  const { live, maintenance } = whereNow(manifest, await aws.traffic.order(manifest));
  const production = state?.production ?? manifest.shared.database.instance;
  const instance = await aws.databases.describe(production);
  const releaseOf = (color: 'blue' | 'green') => manifest[color]?.release;
  const ends = view && holdEndsAt(view);
  const screen: StatusScreen = {
    system,
    opened: state?.opened ?? false,
    live: state?.opened ? live : undefined,
    maintenance,
    releases: { blue: releaseOf('blue'), green: releaseOf('green') },
    production,
    productionStatus: instance?.status ?? 'missing',
    window: view,
    holdEndsAt: ends?.toISOString(),
    lastWindow: names.at(-1),
    now: clock.now(),
  };
  output.status(screen);
  return (state?.opened && live === undefined) || maintenance === undefined ? exit.failed : exit.done;
}
