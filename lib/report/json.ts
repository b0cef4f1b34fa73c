/** JSON lines: one object per line, `event` names it. The words of it are an interface: programs read them. */
import { type Advice, answers } from '../base/advice';
import { Stop } from '../base/errors';
import type { JournalEvent, Verb } from '../engine/events';
import { siteIsOpening } from '../engine/milestones';
import { openWords, type Verdict } from '../engine/verdict';
import type { UpBy, WindowView } from '../engine/window-view';
import type { CheckReport } from '../operations/check-report';
import type { Reply } from '../operations/request';
import { wayBackOf } from '../operations/way-back';
import { spell } from './advice';
import { type Customers, customersOf } from './customers';
import type { Ending } from './messages';
import { pictureOf } from './status';
import type { PlanScreen, StatusScreen } from './types';

/** A journal event; the manifest a window froze stays in the journal, which is where to read it. */
export function jsonEvent(event: JournalEvent): object {
  if (event.type === 'run.stopped') return { event: event.type, ...event, next: event.next.map(spell) };
  if (event.type !== 'window.opened') return { event: event.type, ...event };
  const { manifest: _manifest, state: _state, ...shown } = event;
  return { event: event.type, ...shown };
}

export const jsonPlan = (plan: PlanScreen): object => ({
  event: 'plan',
  ...plan,
  estimateSeconds: plan.steps.reduce((sum, step) => sum + (step.done ? 0 : step.estimateSeconds), 0),
});

export function jsonStatus(screen: StatusScreen, next: readonly { readonly command: Advice }[]): object {
  const { window, now, stackPath: _path, seen: _seen, feed, ...status } = screen;
  const picture = pictureOf(screen);
  return {
    event: 'status',
    ...status,
    ...(picture ? { customers: customersOf(picture, now) } : {}),
    at: new Date(now).toISOString(),
    window: window?.name,
    ...(feed ? { feed: feedOf(feed) } : {}),
    ...(window?.verdict ? { proof: proofOf(window.verdict, openWords(window)) } : {}),
    ...(window?.current ? { run: runOf(window) } : {}),
    ...(window?.upBy && !siteIsOpening(window) ? { upBy: hourOf(window.upBy) } : {}),
    ...(window?.asked && window.current?.ended === undefined ? { asked: window.asked } : {}),
    next: next.map(({ command }) => spell(command)),
  };
}

/** As it was noted, without an hour that says more than it should. */
function feedOf(feed: NonNullable<StatusScreen['feed']>): object {
  const { rollbackPossibleUntil: _until, mendBy: _by, ...seen } = feed;
  const { possibleUntil, mendBy } = wayBackOf(feed);
  return {
    ...seen,
    ...(possibleUntil === undefined ? {} : { rollbackPossibleUntil: possibleUntil }),
    ...(mendBy === undefined ? {} : { mendBy }),
  };
}

/** `open`: what nobody has accepted, in a sentence; left out where nothing is. */
const proofOf = ({ findings, files }: Verdict, open: string | undefined): object => ({
  findings,
  ...(files.length > 0 ? { files } : {}),
  ...(open === undefined ? {} : { open }),
});

function runOf({ current }: WindowView): object | undefined {
  if (!current) return undefined;
  const running = current.plan.find(({ id }) => {
    const step = current.steps.get(id);
    return step?.startedAt !== undefined && step.doneAt === undefined;
  });
  return {
    ...{ verb: current.verb, by: current.by, startedAt: current.startedAt, ended: current.ended, leaseUntil: current.leaseUntil },
    step: running?.id,
    stepsDone: current.plan.filter(({ id }) => current.steps.get(id)?.doneAt !== undefined).length,
    steps: current.plan.length,
  };
}

function hourOf({ upBy, atDecision, decision, unanswered }: UpBy): object {
  const { decideBy, rollbackSeconds, steps, measuredSteps } = decision ?? {};
  return { upBy, atDecision, decideBy, rollbackSeconds, steps, measuredSteps, unanswered };
}

export const jsonReply = (
  verb: Verb,
  reply: Reply,
  { customers, undone = false, deleted = [] }: Ending & { readonly customers?: Customers | undefined } = {},
): object => ({
  event: `${verb}.${reply.state}`,
  ...reply,
  ...(reply.state === 'stopped' ? { next: reply.next.map(spell) } : {}),
  ...(reply.state === 'gate' ? { next: answers.map(spell) } : {}),
  ...(undone && reply.state === 'finished' ? { undone } : {}),
  ...(deleted.length > 0 ? { deleted } : {}),
  ...(customers ? { customers } : {}),
  ...(reply.closing ? { closing: { ...reply.closing, ...(reply.closing.next ? { next: reply.closing.next.map(spell) } : {}) } } : {}),
});

export const jsonCheck = (report: CheckReport): object => ({
  event: 'check',
  ok: report.checks.every(({ ok }) => ok),
  ...report,
  checks: report.checks.map((each) => ({ ...each, next: each.next.map(spell) })),
});

export function jsonFailure(error: unknown, customers?: Customers): object {
  const seen = customers ? { customers } : {};
  if (error instanceof Stop) {
    const { code, message, state, next, exit } = error;
    return { event: 'error', code, message, state, next: next.map(spell), exit, ...seen };
  }
  return {
    event: 'error',
    code: 'switchback.bug',
    message: error instanceof Error ? error.message : String(error),
    next: [],
    exit: 1,
    ...seen,
  };
}
