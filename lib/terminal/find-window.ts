/** The open window of a system, for terminals: to look at it, to watch it, and to leave a note in its journal. */
import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import type { Clock } from '../base/clock';
import type { Operator } from '../engine/events';
import { Journal } from '../engine/journal';
import { holderOf } from '../engine/lease';
import { fold, hourSet, type Series, type WindowView } from '../engine/window-view';
import type { VerbRequest } from '../operations/request';

export interface FoundWindow {
  readonly journal: Journal;
  readonly view: WindowView;
}

export async function findWindow(
  aws: Aws,
  system: string,
  bucket: string,
  names: readonly string[],
  clock: Clock,
): Promise<FoundWindow | undefined> {
  const last = names.at(-1);
  if (last === undefined) return undefined;
  const journal = new Journal(aws.journal(bucket, system), last, clock, randomUUID);
  await journal.refresh();
  const view = fold(journal.events);
  return view && view.closed === undefined ? { journal, view } : undefined;
}

/**
 * Notes another hour while somebody's run is under way or waits for an answer: it works out its decision time anew before its
 * next step. Answers whose run that is; undefined where nobody is at it, and the verb itself brings the hour along.
 */
export async function extend(
  { journal, view }: FoundWindow,
  upBy: NonNullable<VerbRequest['upBy']>,
  run: string,
  by: Operator,
  clock: Clock,
): Promise<Series | undefined> {
  const { current, asked } = view;
  const at = holderOf(current, run, clock.now()) ?? (asked && current?.ended === undefined ? current : undefined);
  if (at) await journal.note(run, by, hourSet(view, upBy));
  return at;
}
