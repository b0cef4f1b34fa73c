/** Whose the window is: who, since when, why, from where, said alike wherever somebody comes second. */
import { switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { type AskedOf, again } from './again';
import type { JournalEvent, Verb } from './events';
import { answerText, type Series, type WindowView } from './window-view';

/** Somebody else's run that has the window: it has not ended, and its lease has not. */
export function holderOf(current: Series | undefined, run: string, now: number): Series | undefined {
  return current && current.ended === undefined && current.run !== run && Date.parse(current.leaseUntil) > now ? current : undefined;
}

/** Whoever said no-go and comes to roll back learns why the window is in other hands. */
const overruled = (answers: WindowView['answers']): string =>
  [...answers.values()]
    .filter((answer) => answer.overruled)
    .map((answer) => `${answerText(answer)}: ${answer.reason}. `)
    .join('');

export const windowHeld = (
  { name: window, answers }: Pick<WindowView, 'name' | 'answers'>,
  held: Series,
  { verb, ...asked }: { readonly verb: Verb } & AskedOf,
): Stop =>
  new Stop(
    'window.held',
    `${window} is in the hands of ${held.by.who} on ${held.by.where}: ${held.verb} since ${held.runSince}, ${held.reason === undefined ? 'no reason given' : `because: ${held.reason}`}`,
    {
      state: `${overruled(answers)}Its lease ends at ${held.leaseUntil} unless it writes again.`,
      // what was asked of theirs is in the journal, and is carried; what is asked of ours is repeated.
      next: [switchback('status', '--watch'), again(verb, asked, '--take-over')],
      exit: exit.locked,
    },
  );

/** What ends the run that was there before: its operator types nothing by mistake, and knows whom to call. */
export const windowTakenOver = (window: string, { by, at }: Pick<JournalEvent, 'by' | 'at'>): Stop =>
  new Stop('window.taken-over', `${window} was taken over by ${by.who} on ${by.where} at ${at}`, {
    state: 'What had been asked of AWS goes on by itself; this run changes nothing more.',
    next: [switchback('status', '--watch'), switchback('status')],
    exit: exit.locked,
  });

/** The beginning of the run that took the window over from this one, and said so. */
export const takenFrom = (run: string, events: readonly JournalEvent[]): JournalEvent | undefined =>
  events.findLast((event) => event.type === 'run.started' && event.takeOver?.run === run);

/** Somebody's wish that a run stops after its step. */
export const stopAskedOf = (run: string, events: readonly JournalEvent[]) =>
  events.find((event): event is Extract<JournalEvent, { type: 'stop.asked' }> => event.type === 'stop.asked' && event.of === run);

/** The beginning of a run of somebody else after this run's own: a terminal that wakes up does not go on from there. */
export function followedBy(run: string, events: readonly JournalEvent[]): JournalEvent | undefined {
  const mine = events.findLast((event) => event.type === 'run.started' && event.run === run)?.number ?? Number.POSITIVE_INFINITY;
  return events.findLast((event) => event.type === 'run.started' && event.run !== run && event.number > mine);
}
