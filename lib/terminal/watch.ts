/** Following somebody else's run, event by event, until it ends. */

import { switchback } from '../base/advice';
import type { Clock } from '../base/clock';
import type { ErrorCode } from '../base/error-codes';
import { exit } from '../base/errors';
import { again } from '../engine/again';
import type { Verb } from '../engine/events';
import type { Journal } from '../engine/journal';
import { fold, type WindowView } from '../engine/window-view';
import { closingOf } from '../operations/closing';
import type { Reply } from '../operations/request';
import type { Screen } from '../report';

export interface WatchOptions {
  readonly clock: Clock;
  readonly screen: (verb: Verb, run: string) => Screen;
  /** Aborted by Ctrl-C: the run goes on, only the watching ends. */
  readonly signal: AbortSignal;
  /** Events of runs up to this number are history. @default 0 */
  readonly after?: number;
}

/** After the end of its lease, so that a writer that is only slow is not called dead. */
const silenceMs = 15_000;

/** How the run ended, and which verb it was; undefined after Ctrl-C and when the window was closed meanwhile. */
export async function watch(journal: Journal, options: WatchOptions): Promise<{ verb: Verb; reply: Reply } | undefined> {
  let screen: Screen | undefined;
  let run: string | undefined;
  let shown = options.after ?? 0;
  try {
    while (!options.signal.aborted) {
      // a look that fails is nobody's trouble: the next one shows what this one missed.
      await journal.refresh().catch(() => []);
      const view = fold(journal.events);
      const started = journal.events.findLast((event) => event.type === 'run.started');
      if (view?.current && started && started.number > (options.after ?? 0)) {
        if (started.run !== run) {
          screen?.close();
          run = started.run;
          screen = options.screen(view.current.verb, run);
          shown = started.number - 1;
        }
        const added = journal.events.slice(shown);
        shown = journal.events.length;
        if (added.length > 0) screen?.events(view, added);
        else screen?.tick(options.clock.now());
        const reply = endOf(journal, view, options.clock.now());
        if (reply) return { verb: view.current.verb, reply: { ...reply, window: view.name } };
      }
      // its last word comes after the window's: the last frame shows it.
      if (view?.closed !== undefined && view.current?.ended !== undefined) return undefined;
      await options.clock.pause(500);
    }
    return undefined;
  } finally {
    screen?.close();
  }
}

/** How the run ended; undefined while it goes on, or waits for people. */
export function endOf(journal: Journal, view: WindowView, now: number): Reply | undefined {
  const { current, asked } = view;
  if (!current) return undefined;
  const last = journal.events.findLast(({ type, run }) => run === current.run && (type === 'run.stopped' || type === 'run.finished'));
  if (current.ended === 'finished') {
    const closing = closingOf(current.verb, view);
    return { state: 'finished', ...(closing ? { closing } : {}) };
  }
  if (current.ended === 'stopped' && last?.type === 'run.stopped') {
    const { code, message, state: world, next, exit: code_ } = last;
    return { state: 'stopped', code, message, ...(world === undefined ? {} : { world }), next, exit: code_ };
  }
  // people may take as long as they like to answer.
  if (asked || now < Date.parse(current.leaseUntil) + silenceMs) return undefined;
  return {
    state: 'stopped',
    code: 'run.silent' satisfies ErrorCode,
    message: `nothing has been heard of the ${current.verb} of ${current.by.who} on ${current.by.where} since its lease ended at ${current.leaseUntil}`,
    world: 'What it had done is in the journal.',
    next: [again(current.verb, current), switchback('status')],
    exit: exit.failed,
  };
}
