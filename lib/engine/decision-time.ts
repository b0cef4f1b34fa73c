/**
 * The decision time: the last moment at which a rollback from here is done by the hour the window was given. Pure
 * functions; the runner works it out again before every step, because the way back gets longer as the night goes on.
 */
import { say } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { PlannedStep } from './events';
import type { Decision, UpBy } from './window-view';

/** Minutes before the decision time at which people are warned. */
export const warnings = [10, 2] as const;
/** How long people have to answer at the decision time before the window's policy is applied. */
export const answerSeconds = 60;

/** The hour less what nine of ten rollbacks from here take; a step never measured counts with its own estimate. */
export function decide(upBy: string, rollback: readonly Pick<PlannedStep, 'estimateSeconds' | 'measured'>[]): Decision {
  const rollbackSeconds = rollback.reduce((sum, { estimateSeconds, measured }) => sum + (measured?.p90Seconds ?? estimateSeconds), 0);
  return {
    decideBy: new Date(Date.parse(upBy) - rollbackSeconds * 1000).toISOString(),
    rollbackSeconds,
    steps: rollback.length,
    measuredSteps: rollback.filter(({ measured }) => measured !== undefined).length,
  };
}

/** The warning that is due now: the nearest one, once. */
export function warningDue({ decideBy }: Pick<Decision, 'decideBy'>, { warned }: Pick<UpBy, 'warned'>, now: number): number | undefined {
  const nearest = warnings.findLast((minutes) => now >= Date.parse(decideBy) - minutes * 60_000);
  return nearest !== undefined && now < Date.parse(decideBy) && !warned.some((given) => given <= nearest) ? nearest : undefined;
}

/** Whether the time said last is too far off to be left standing. */
export const hasMoved = (before: Decision | undefined, now: Decision): boolean =>
  before === undefined || Math.abs(Date.parse(before.decideBy) - Date.parse(now.decideBy)) > 10_000;

/** Whole: what Date.parse makes of `4`, or of a 31st of February, nobody meant. Without a zone it is the time of whoever types it. */
const isoTime = /^\d{4}-(\d\d)-(\d\d)[T ]([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d)?$/;

/**
 * `--up-by`: `04:30` is the next time a clock here shows it; anything else is an ISO time.
 * @throws Stop `up-by.invalid`, `up-by.past`
 */
export function parseUpBy(text: string, now: number): string {
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text);
  const at = clock ? nextTime(Number(clock[1]), Number(clock[2]), now) : timeOf(text);
  const next = [say`--up-by 04:30`, say`--up-by ${new Date(now + 7_200_000).toISOString().slice(0, 16)}Z`];
  if (Number.isNaN(at)) throw new Stop('up-by.invalid', `--up-by ${text} is neither HH:MM nor an ISO time`, { next, exit: exit.usage });
  if (at <= now) throw new Stop('up-by.past', `--up-by ${new Date(at).toISOString()} is over`, { next, exit: exit.usage });
  return new Date(at).toISOString();
}

function timeOf(text: string): number {
  const [, month, day] = isoTime.exec(text) ?? [];
  if (month === undefined || day === undefined) return Number.NaN;
  const inMonth = new Date(Date.UTC(Number(text.slice(0, 4)), Number(month), 0)).getUTCDate();
  return Number(day) > inMonth ? Number.NaN : Date.parse(text.replace(' ', 'T'));
}

function nextTime(hours: number, minutes: number, now: number): number {
  const at = new Date(now);
  at.setHours(hours, minutes, 0, 0);
  if (at.getTime() <= now) at.setDate(at.getDate() + 1);
  return at.getTime();
}
