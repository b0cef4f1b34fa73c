/** What is said beside "done" at the end of a verb. */
import { type Advice, switchback } from '../base/advice';
import type { Verb } from '../engine/events';
import { finalSnapshotOf, holdEndsAt } from '../engine/milestones';
import { nextWhileOpen, openWords } from '../engine/verdict';
import type { WindowView } from '../engine/window-view';
import { type WayBack, wayBackWords } from './way-back';

export interface Closing {
  /** One sentence; times in it are ISO 8601. */
  readonly words: string;
  /** Whether it is as it should be. */
  readonly ok: boolean;
  /** What to type instead of what usually comes next. */
  readonly next?: readonly Advice[];
}

/** @param way back, as it was looked at just now; a fork that is not fed has none to look at */
export function closingOf(verb: Verb, view: WindowView, way?: WayBack): Closing | undefined {
  switch (verb) {
    case 'cutover': {
      if (!view.window.from) return undefined;
      if (way)
        return {
          words: wayBackWords(way),
          ok: way.state === 'alive',
          ...(way.state === 'alive' ? {} : { next: [switchback('status', '--check')] }),
        };
      const ends = holdEndsAt(view);
      return ends && { words: `the hold ends at ${ends.toISOString()}`, ok: true };
    }
    case 'rollback': {
      const words = openWords(view);
      return words === undefined ? undefined : { words, ok: false, next: nextWhileOpen(view) };
    }
    case 'teardown': {
      const snapshot = finalSnapshotOf(view);
      return snapshot === undefined ? undefined : { words: `the final snapshot is ${snapshot}`, ok: true };
    }
    case 'stage':
      return undefined;
  }
}
