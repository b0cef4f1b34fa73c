/** A journal as the fold of its events: made anew when events have come, not at every look. */
import { switchback } from '../base/advice';
import { Stop } from '../base/errors';
import type { Journal } from './journal';
import { fold, type Series, type WindowView } from './window-view';

const views = new WeakMap<Journal, { readonly events: number; readonly view: WindowView | undefined }>();

/** Folded once for each event, not for each look: a night has thousands of both. */
export function viewOf(journal: Journal): WindowView {
  const known = views.get(journal);
  const view = known?.events === journal.events.length ? known.view : fold(journal.events);
  views.set(journal, { events: journal.events.length, view });
  if (!view) throw new Stop('journal.empty', `the journal of ${journal.window} has no first event`, { next: [switchback('status')] });
  return view;
}

export function seriesOf(journal: Journal): Series {
  const { current } = viewOf(journal);
  if (!current) throw new Error('no run has been started');
  return current;
}
