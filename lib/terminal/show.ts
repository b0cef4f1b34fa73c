/** Verbs that only look: the plan and the status. */

import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import { deploy, switchback } from '../base/advice';
import type { Clock } from '../base/clock';
import type { ErrorCode } from '../base/error-codes';
import { exit, Stop } from '../base/errors';
import type { JournalStore } from '../base/journal-store';
import { decide } from '../engine/decision-time';
import { estimated, learn } from '../engine/estimates';
import type { Durations, Operator, Verb } from '../engine/events';
import { lastHoldSeen } from '../engine/events';
import { Journal } from '../engine/journal';
import { holdEndsAt, trialFound } from '../engine/milestones';
import { planned } from '../engine/step';
import { fold, refuseHour, type WindowView } from '../engine/window-view';
import { type Manifest, otherColor } from '../manifest/schema';
import { stackName } from '../manifest/stack-names';
import { whereNow } from '../manifest/traffic';
import { lookAsCustomer } from '../operations/customers-look';
import { handleRequest } from '../operations/handle-request';
import { watchPhase } from '../operations/look-now';
import { nextWindow, refuseAfterRollback } from '../operations/open-window';
import type { CheckRequest } from '../operations/request';
import { planOf, rollbackFrom } from '../plans';
import type { Output, PlanScreen, StatusScreen } from '../report';
import type { TrialFound } from '../steps/trial';
import type { World } from '../steps/world';
import { observeWorld } from '../steps/world';
import { askRunner } from './ask-runner';
import { followCustomers } from './customers';
import { findWindow } from './find-window';
import { MutedKeys } from './keys';
import { watch } from './watch';

/** Shows the plan of a verb for the open window, or for the one that would be opened; answers how many steps are left. */
export async function showPlan(
  aws: Aws,
  system: string,
  verb: Verb,
  output: Output,
  clock: Clock,
  options: {
    /** Shows the decision time for this hour instead of the window's own. */
    readonly upBy?: string | undefined;
    /** The verb itself shows it, before it asks. */
    readonly starting?: boolean;
    readonly undo?: boolean | undefined;
    readonly keepStandby?: boolean | undefined;
  } = {},
): Promise<{ left: number; production: string; begun: boolean }> {
  const { manifest, state } = await aws.settings.manifest(system);
  const store = aws.journal(manifest.shared.journalBucket, system);
  const names = await store.windows();
  const open = await findWindow(aws, system, manifest.shared.journalBucket, names, clock);
  let view = open?.view;
  // what the verb would refuse has no plan.
  if (view) refuseAfterRollback({ verb }, view);
  else {
    if (verb === 'rollback' || verb === 'teardown' || options.undo)
      throw new Stop('window.none', `no window of ${system} is open`, { next: [switchback('status')], exit: exit.usage });
    view = preview(await nextWindow(system, manifest, state, names, aws), manifest, state, clock, await learnt(store, names, clock));
  }
  if (options.upBy !== undefined) refuseHour(view.window);
  const world = await observeWorld(aws, view);
  const { undo = false, keepStandby = false } = options;
  const steps = estimated(planOf({ verb, undo, keepStandby }, world), view, verb);
  const done = view.current?.verb === verb ? view.current.steps : new Map();
  const left = steps.filter(({ id }) => done.get(id)?.doneAt === undefined);
  output.plan({
    verb,
    window: view.window,
    steps: steps.map((step) => ({ ...planned(step), done: !left.includes(step) })),
    production: world.production,
    ...(options.starting ? { starting: true } : {}),
    ...(undo ? { undo } : {}),
    ...(verb === 'cutover' ? { ...decisionsFor(world, options.upBy ?? view.upBy?.upBy), ...trialOf(view) } : {}),
    now: clock.now(),
  });
  return { left: left.length, production: world.production, begun: done.size > 0 && left.length > 0 };
}

/** What the trial found, once it has passed. */
function trialOf(view: WindowView): Pick<PlanScreen, 'trial'> {
  const found = trialFound(view) as unknown as TrialFound | undefined;
  if (!found) return {};
  // the form itself stays in the journal, which is where to read it.
  const { now: _form, ...trial } = found;
  return { trial };
}

/** The decision time from where the world is, and the one that counts once the migrations have begun: the longer way back. */
function decisionsFor(world: World, upBy: string | undefined): Pick<PlanScreen, 'decision'> {
  if (upBy === undefined || !world.window.from) return {};
  return { decision: { upBy, now: decide(upBy, rollbackFrom(world)), migrated: decide(upBy, rollbackFrom(world, 'migrations')) } };
}

/** What the newest window has taught about durations. */
async function learnt(store: JournalStore, names: readonly string[], clock: Clock): Promise<Durations> {
  const last = names.at(-1);
  if (last === undefined) return {};
  const journal = new Journal(store, last, clock, () => '');
  await journal.refresh();
  return learn(journal.events);
}

/** The window as it would stand right after being opened: nothing is written. */
function preview(
  window: WindowView['window'],
  manifest: WindowView['manifest'],
  state: WindowView['state'] | undefined,
  clock: Clock,
  durations: Durations,
): WindowView {
  const at = new Date(clock.now()).toISOString();
  const by = { who: '', where: '' };
  const view = fold([
    {
      type: 'window.opened',
      window,
      manifest,
      state: state ?? { production: window.production, opened: false },
      durations,
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

/** Exit code 0 when the system is in a known state, 1 when it is not. */
export async function showStatus(aws: Aws, system: string, output: Output, clock: Clock): Promise<number> {
  const { manifest, state } = await aws.settings.manifest(system);
  const names = await aws.journal(manifest.shared.journalBucket, system).windows();
  const open = await findWindow(aws, system, manifest.shared.journalBucket, names, clock);
  const view = open?.view;
  const feed = open && watchPhase(open.view) !== 'over' ? lastHoldSeen(open.journal.events) : undefined;
  const production = state?.production ?? manifest.shared.database.instance;
  const [order, instance, doors, seen] = await Promise.all([
    aws.traffic.order(manifest),
    aws.databases.describe(production),
    aws.traffic.frontDoors(manifest),
    state?.opened ? lookAsCustomer(aws, view?.manifest ?? manifest, clock.now()).catch(() => undefined) : undefined,
  ]);
  const { live, maintenance } = whereNow(manifest, order);
  const { routingKey } = manifest.shared;
  const standby = live && manifest[otherColor(live)] ? otherColor(live) : undefined;
  const releaseOf = (color: 'blue' | 'green') => manifest[color]?.release;
  const ends = view && holdEndsAt(view);
  const screen: StatusScreen = {
    system,
    ...(manifest.shared.stackPath === undefined ? {} : { stackPath: manifest.shared.stackPath }),
    opened: state?.opened ?? false,
    live: state?.opened ? live : undefined,
    maintenance,
    releases: { blue: releaseOf('blue'), green: releaseOf('green') },
    production,
    productionStatus: instance?.status ?? 'missing',
    addresses: doors.map(({ host, port, tls }) => `${tls ? 'https' : 'http'}://${host}:${port}`),
    ...(standby && state?.opened ? { backDoor: { header: routingKey.header, value: routingKey[standby] } } : {}),
    ...(seen ? { seen } : {}),
    window: view,
    holdEndsAt: ends?.toISOString(),
    ...(feed ? { feed } : {}),
    lastWindow: names.at(-1),
    ...readyFor(manifest, names, production),
    now: clock.now(),
  };
  output.status(screen);
  return (state?.opened && live === undefined) || maintenance === undefined ? exit.failed : exit.done;
}

/** The next window whose fallback has been deployed as a replica of what is production now. */
function readyFor({ fallbacks }: Manifest, opened: readonly string[], production: string): Pick<StatusScreen, 'readyFor'> {
  const number = (name: string) => Number(name.slice(1));
  const last = Math.max(0, ...opened.map(number));
  const ready = Object.keys(fallbacks).find((name) => number(name) > last && fallbacks[name]?.source === production);
  return ready ? { readyFor: ready } : {};
}

/** Looks now, where the databases can be reached: in the runner, or here. Exit code 0 when everything is as it should be, 1 when not. */
export async function showCheck(aws: Aws, system: string, here: boolean, output: Output, clock: Clock, by: Operator): Promise<number> {
  const { shared } = (await aws.settings.manifest(system)).manifest;
  const request: CheckRequest = { system, check: true, run: randomUUID(), by };
  const reply = here
    ? await handleRequest(request, { aws, clock, runner: 'terminal', deadline: Number.POSITIVE_INFINITY })
    : await askRunner(aws, shared, request);
  if (reply.state === 'stopped')
    // of the runner's version, which may know another code.
    throw new Stop(reply.code as ErrorCode, reply.message, { next: reply.next, exit: reply.exit });
  if (!reply.check)
    throw new Stop('runner.old', `the runner ${shared.runner} cannot check: an older Switchback deployed it`, {
      next: [deploy(stackName({ shared }, 'shared'))],
      exit: exit.usage,
    });
  output.check(reply.check);
  return reply.check.checks.every(({ ok }) => ok) ? exit.done : exit.failed;
}

/** Follows the run that is under way, or waits for the next one, in a window that may not be open yet, until it ends; answers as that run does. */
export async function watchStatus(aws: Aws, system: string, output: Output, clock: Clock): Promise<number> {
  await showStatus(aws, system, output, clock);
  const { manifest } = await aws.settings.manifest(system);
  const bucket = manifest.shared.journalBucket;
  const find = async () => findWindow(aws, system, bucket, await aws.journal(bucket, system).windows(), clock);
  const leave = new AbortController();
  const onInterrupt = () => leave.abort();
  process.once('SIGINT', onInterrupt);
  const keys = new MutedKeys().take();
  const customers = followCustomers(aws, system, clock, output);
  try {
    let open = await find();
    const isOver = open && (open.view.current === undefined || open.view.current.ended !== undefined);
    let after = isOver ? open?.journal.events.length : 0;
    if (!open || isOver)
      output.note(
        `${open ? `nothing runs in ${open.view.name}` : 'no window is open'}; waiting for the next run (Ctrl-C ends the watching)`,
      );
    while (!leave.signal.aborted) {
      if (open) {
        const { journal } = open;
        const screen = (verb: Verb, run: string) => output.screen(verb, run, true);
        const ended = await watch(journal, { clock, screen, signal: leave.signal, ...(after ? { after } : {}) });
        if (ended) {
          await customers.now();
          output.reply(ended.verb, ended.reply);
          return ended.reply.state === 'stopped' ? ended.reply.exit : exit.done;
        }
        // closed without a run of its own: the next window is waited for.
        after = 0;
      }
      if (!leave.signal.aborted) await clock.pause(nextWindowMs);
      open = await find();
    }
    const at = (await find().catch(() => undefined))?.view.current;
    if (at && at.ended === undefined)
      output.note(`the watching ended; the ${at.verb} of ${at.by.who} on ${at.by.where} goes on without it`);
    return exit.interrupted;
  } finally {
    customers.end();
    keys.end();
    process.removeListener('SIGINT', onInterrupt);
  }
}

/** Between two looks whether somebody has opened a window. */
const nextWindowMs = 2000;
