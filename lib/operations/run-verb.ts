/** The four verbs: find or open the window, plan it, advance it. Used by the runner function and by --here. */
import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import { explain } from '../aws';
import type { Clock } from '../base/clock';
import { exit, Stop } from '../base/errors';
import { estimated, learn } from '../engine/estimates';
import type { AtDecision, Durations, Operator, PlannedStep, Verb, Window } from '../engine/events';
import { Journal } from '../engine/journal';
import { advance, type GateAnswer, type RunAnswer, refuseWhileHeld, seriesOf, viewOf } from '../engine/run';
import { planned, type Step } from '../engine/step';
import { decisionStep, fold, hourSet, refuseHour, type WindowView } from '../engine/window-view';
import { type Manifest, otherColor, type SystemState } from '../manifest/schema';
import { whereNow } from '../manifest/traffic';
import { planCutover } from '../plans/cutover';
import { planRollback } from '../plans/rollback';
import { planStage } from '../plans/stage';
import { planTeardown } from '../plans/teardown';
import { planUndo, undoBegun } from '../plans/undo';
import type { World } from '../steps/world';
import { lastSeen, watchHold } from './feed-watch';
import { type CheckReport, checkNow } from './health-check';
import { refuseLoss } from './refuse-loss';

/** What a terminal or a schedule asks the runner for. */
export interface Request {
  readonly system: string;
  readonly verb: Verb;
  /** The same over all invocations of one command; a new command is a new run. */
  readonly run: string;
  readonly by: Operator;
  /** Why, in the operator's words; in the journal, and told to whoever comes second. */
  readonly reason?: string;
  /** Refuse to work on any other window. */
  readonly window?: string;
  readonly acceptLoss?: boolean;
  /** Cutover: ids of differences (`plan` and the stop name them) that a rollback after it may lose. */
  readonly acceptedLosses?: readonly string[];
  /** Teardown before the hold has ended. */
  readonly now?: boolean;
  /** From a schedule: only looks at the feed (hold.ts); the verb is not begun. */
  readonly watch?: boolean;
  /** Looks at everything a night or a rollback counts on (check.ts); the verb is not begun. */
  readonly check?: boolean;
  /** Teardown leaves the standby color's stack. */
  readonly keepStandby?: boolean;
  /** Stage: take it back. */
  readonly undo?: boolean;
  /** Take the window over from a run that has not ended, once its lease has. */
  readonly takeOver?: boolean;
  /** No step may take longer than this; each has its own patience otherwise. */
  readonly patienceSeconds?: number;
  /** The hour by which something must be up, and what happens at the decision time when nobody answers. */
  readonly upBy?: { readonly upBy: string; readonly atDecision?: AtDecision };
  /** Nobody answered at the decision time. */
  readonly unanswered?: boolean;
  /** Answers the gate before going on. */
  readonly answer?: GateAnswer;
  /** Answers every go or no-go when it comes up; the decision time is another question. */
  readonly ahead?: GateAnswer;
}

/** What the runner answers; `window` is where the journal can be read. */
export type Reply = RunAnswer & { readonly window?: string; readonly check?: CheckReport };

export interface Hands {
  readonly aws: Aws;
  readonly clock: Clock;
  /** Where the steps run, for the journal: the function's name, or `terminal`. */
  readonly runner: string;
  /** When this invocation ends (milliseconds since the epoch). */
  readonly deadline: number;
}

/** Advances a verb. What goes wrong is an answer, never an exception. */
export async function runVerb(request: Request, hands: Hands): Promise<Reply> {
  let name: string | undefined;
  try {
    if (request.watch) return await watchHold(request, hands);
    if (request.check) return await checkNow(request, hands);
    const opened = await findOrOpen(request, hands);
    const { journal, view } = opened;
    name = view.name;
    if (request.window !== undefined && request.window !== name) {
      throw new Stop('window.other', `${request.window} was asked for, ${name} is open`, { next: ['npm run status'], exit: exit.usage });
    }
    if (view.closed !== undefined) {
      await sayFinished(request, journal, hands.clock);
      return { state: 'finished', window: name };
    }
    if (view.series[request.verb]?.ended === 'finished' && isFinished(request.verb, await observeWorld(hands.aws, view)))
      return { state: 'finished', window: name };
    await answerGate(request, journal);
    await noteUpBy(request, journal);
    if (request.verb === 'teardown') refuseDuringHold(request, view, hands.clock);
    if (request.verb === 'rollback' && !request.acceptLoss)
      await refuseLoss(view, { aws: hands.aws, now: hands.clock.now(), knownErrors: lastSeen(journal.events)?.applyErrors });
    const answer = await advance({
      aws: hands.aws,
      clock: hands.clock,
      journal,
      verb: request.verb,
      ...(request.undo ? { undo: true } : {}),
      run: request.run,
      by: request.by,
      runner: hands.runner,
      deadline: hands.deadline,
      ...(request.reason === undefined ? {} : { reason: request.reason }),
      ...(request.acceptLoss === undefined ? {} : { acceptLoss: request.acceptLoss }),
      ...(request.acceptedLosses === undefined ? {} : { acceptedLosses: request.acceptedLosses }),
      ...(request.takeOver ? { takeOver: true } : {}),
      ...(request.patienceSeconds === undefined ? {} : { patienceSeconds: request.patienceSeconds }),
      ...(request.unanswered ? { unanswered: true } : {}),
      ...(request.ahead ? { ahead: request.ahead } : {}),
      plan: async (now) => estimated(planOf(request, await observeWorld(hands.aws, now)), now, request.verb),
      outside: {
        emergencySince: async (since) => {
          const used = (await hands.aws.emergency.read(request.system))?.used;
          if (!used || Date.parse(used.at) <= since) return undefined;
          return `${used.by} moved traffic back with --traffic-only at ${used.at}${used.reason === undefined ? '' : `, because: ${used.reason}`}`;
        },
        rollback: async (now, next) => rollbackFrom(await observeWorld(hands.aws, now), next),
      },
    });
    return { ...answer, window: name };
  } catch (error) {
    const explained = explain(error);
    if (!(explained instanceof Stop)) throw explained;
    const { code, message, state, next, exit: exitCode } = explained;
    return {
      state: 'stopped',
      code,
      message,
      ...(state === undefined ? {} : { world: state }),
      next,
      exit: exitCode,
      ...(name === undefined ? {} : { window: name }),
    };
  }
}

/**
 * A cutover or rollback that is done, with customers where it brought them: whoever lost sight of its end and types it
 * again must not take the site down a second time. Where traffic was moved since, there is something to do again.
 */
export function isFinished(verb: Verb, { window, view, live, maintenance }: World): boolean {
  if ((verb !== 'cutover' && verb !== 'rollback') || view.series[verb]?.ended !== 'finished') return false;
  // a rollback that was begun after it has the last word.
  if (verb === 'cutover' && view.series.rollback) return false;
  return live === (verb === 'cutover' ? window.to : window.from) && maintenance === false;
}

/**
 * Whoever closed a window and died before the last word of their run: the same command says it for them. Without it a
 * cutover typed again would begin the next window, which nobody asked for.
 */
const isLeftUnsaid = ({ verb, undo }: Pick<Request, 'verb' | 'undo'>, view: WindowView): boolean =>
  view.closed !== undefined && view.current?.verb === verb && view.current.ended === undefined && undoBegun({ view }) === (undo ?? false);

async function sayFinished({ verb, undo = false, run, by }: Request, journal: Journal, clock: Clock): Promise<void> {
  const series = seriesOf(journal);
  refuseWhileHeld(journal, { verb, undo, run, clock });
  await journal.append(run, by, { type: 'run.finished', verb, seconds: Math.max(0, clock.now() - Date.parse(series.startedAt)) / 1000 });
}

/** What a stage makes ready is in use once the night has begun: it would stop the workers of the color that customers are on. */
function refuseDuringNight({ view }: World): void {
  if (!view.begun('cutover', 'traffic.maintenance')) return;
  const isOver = view.series.cutover?.ended === 'finished';
  throw new Stop('stage.over', `the cutover of ${view.name} ${isOver ? 'is done' : 'has begun'}: there is nothing left to stage`, {
    next: isOver ? ['npm run status', 'npm run rollback'] : ['npm run cutover', 'npm run rollback', 'npm run status'],
    exit: exit.usage,
  });
}

/** The plan of a verb for a world: a pure function. */
export function planOf(request: Pick<Request, 'verb' | 'keepStandby' | 'acceptLoss' | 'undo'>, world: World): Step[] {
  if (request.verb === 'stage' && request.undo) return planUndo(world);
  if (undoBegun(world))
    throw new Stop('window.undoing', `the stage of ${world.window.name} is being undone`, {
      next: ['npm run stage -- --undo'],
      exit: exit.refused,
    });
  switch (request.verb) {
    case 'stage':
      refuseDuringNight(world);
      return planStage(world);
    case 'cutover':
      return planCutover(world);
    case 'rollback':
      return planRollback(world, request.acceptLoss ? { acceptLoss: true } : {});
    case 'teardown':
      return planTeardown(world, request.keepStandby ? { keepStandby: true } : {});
  }
}

/** The way back as it would be once a step of the cutover has begun, with what its steps took in earlier windows. */
export function rollbackFrom(world: World, next?: string): PlannedStep[] {
  const { view } = world;
  const begun = (verb: Verb, step: string) => view.begun(verb, step) || (verb === 'cutover' && step === next);
  return estimated(planRollback({ ...world, view: { ...view, begun } }), view, 'rollback').map(planned);
}

export async function observeWorld(aws: Aws, view: WindowView): Promise<World> {
  const [order, state] = await Promise.all([aws.traffic.order(view.manifest), aws.settings.state(view.window.system)]);
  const { live, maintenance } = whereNow(view.manifest, order);
  return { window: view.window, manifest: view.manifest, view, live, maintenance, production: state?.production ?? view.window.production };
}

/** The open window of a system; stage and cutover open the next one where there is none. */
async function findOrOpen(request: Request, hands: Hands): Promise<{ journal: Journal; view: WindowView }> {
  const { manifest, state } = await hands.aws.settings.manifest(request.system);
  const store = hands.aws.journal(manifest.shared.journalBucket, request.system);
  const names = await store.windows();
  const last = names.at(-1);
  let durations: Durations | undefined;
  const journal = (name: string) => new Journal(store, name, hands.clock, randomUUID);
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
  if (request.verb === 'rollback' || request.verb === 'teardown' || request.undo) {
    const what = request.undo ? 'undo' : request.verb === 'rollback' ? 'roll back' : 'tear down';
    throw new Stop('window.none', `no window of ${request.system} is open: there is nothing to ${what}`, {
      next: ['npm run status'],
      exit: exit.usage,
    });
  }
  const window = await nextWindow(request.system, manifest, state, names, hands.aws);
  if (request.upBy) refuseHour(window);
  await refuseWhileDeploying(window, manifest, hands.aws);
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
      throw new Stop('window.no-standby', `no color of ${system} has been deployed`, { next: ['npx cdk deploy blue'], exit: exit.usage });
    return { name: 'w0', system, from: undefined, to, production, fallback: undefined };
  }
  const { live } = whereNow(manifest, await aws.traffic.order(manifest));
  if (!live) {
    throw new Stop('window.no-live', `which color of ${system} is live cannot be told: some of its rules have moved, others have not`, {
      next: [`aws elbv2 describe-rules --listener-arn ${manifest.shared.listeners[0]?.arn}`],
      exit: exit.refused,
    });
  }
  const to = otherColor(live);
  const standby = manifest[to];
  if (!standby)
    throw new Stop('window.no-standby', `${live} is live and ${to} has not been deployed`, {
      next: [`npx cdk deploy ${to}`],
      exit: exit.usage,
    });
  if (standby.release.version === manifest[live]?.release.version && standby.release.commit === manifest[live]?.release.commit) {
    throw new Stop('window.same-release', `${to} runs ${standby.release.version} (${standby.release.commit}), and so does ${live}`, {
      next: [`set another release for ${to} in bin/app.ts, then npx cdk deploy ${to}`],
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
      next: [`set window: ${number(nextName)} in bin/app.ts, then npx cdk deploy fallback-${nextName}`],
      exit: exit.usage,
    });
  }
  if (fallback.source !== production) {
    throw new Stop('window.wrong-source', `${fallback.instance} is a replica of ${fallback.source}, but production is ${production}`, {
      next: [
        `set the next window number in bin/app.ts, then npx cdk deploy its fallback stack; delete ${fallback.stack} when nobody needs it`,
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
  // cleaning up removes what the new form of the stack does not have any more.
  const busy = found.find(({ status }) => /(?<!_CLEANUP)_IN_PROGRESS$/.test(status));
  if (!busy) return;
  throw new Stop('window.deploying', `${busy.stack} is being deployed (${busy.status}), and the window would be about what it was before`, {
    state: 'No window was opened and nothing was changed.',
    next: [`aws cloudformation describe-stacks --stack-name ${busy.stack}`, 'the same command again, when that is over'],
    exit: exit.refused,
  });
}

/** A window that has been rolled back can only be torn down: its fallback has become production. */
export function refuseAfterRollback(request: Pick<Request, 'verb'>, view: WindowView): void {
  if ((request.verb === 'stage' || request.verb === 'cutover') && view.series.rollback) {
    throw new Stop('window.rolled-back', `${view.name} has been rolled back; the next try is another window`, {
      next: view.series.rollback.ended === 'finished' ? ['npm run teardown -- --now', 'npm run status'] : ['npm run rollback'],
      exit: exit.usage,
    });
  }
}

/** When the hold ends, if the window has got that far. */
export function holdEndsAt(view: WindowView): Date | undefined {
  const at = view.facts('hold.schedule')?.['holdEndsAt'];
  return typeof at === 'string' ? new Date(at) : undefined;
}

function refuseDuringHold(request: Request, view: WindowView, clock: Clock): void {
  const ends = holdEndsAt(view);
  if (!request.now && ends && ends.getTime() > clock.now()) {
    throw new Stop('teardown.hold', `the hold of ${view.name} ends at ${ends.toISOString()}; until then a rollback is possible`, {
      next: ['wait: the schedule does it', 'npm run teardown -- --now'],
      exit: exit.refused,
    });
  }
}

/** @throws Stop `gate.over` for a no-go after a go that has been acted on */
export async function answerGate(request: Request, journal: Journal): Promise<void> {
  if (!request.answer) return;
  const asked = journal.events.findLast((event) => event.type === 'gate.asked');
  const answered = journal.events.findLast((event) => event.type === 'gate.answered');
  if (asked?.type !== 'gate.asked') return;
  const later = journal.events.slice(asked.number);
  // another hour is another decision.
  if (asked.step === decisionStep && later.some(({ type }) => type === 'up-by.set')) return;
  const over = later.find((event) => event.type === 'step.done' && event.step === asked.step);
  if (over?.type === 'step.done') {
    if (request.answer.answer === 'go') return;
    throw new Stop('gate.over', `no-go comes too late: ${over.detail}, and the cutover went on at ${over.at}`, {
      state: 'Nothing was changed.',
      next: ['npm run rollback', 'npm run status'],
      exit: exit.refused,
    });
  }
  // the same answer twice is one answer; people may change their minds until it has been acted on.
  if (answered?.type === 'gate.answered' && answered.number > asked.number && answered.answer === request.answer.answer) return;
  await journal.note(request.run, request.by, { type: 'gate.answered', step: asked.step, ...request.answer });
}

/** The hour is noted once, however often the same run asks to go on. */
async function noteUpBy({ upBy, run, by }: Request, journal: Journal): Promise<void> {
  if (!upBy || journal.events.some((event) => event.type === 'up-by.set' && event.run === run)) return;
  await journal.note(run, by, hourSet(viewOf(journal), upBy));
}
