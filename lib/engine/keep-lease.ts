/** A run keeps its lease while it waits, and says who it is to the databases that it changes. */
import type { HoldingRun } from './connections';
import { isNote } from './events';
import { stopAskedOf } from './lease';
import type { RunOptions } from './run-options';
import { finishMs } from './run-options';
import { leaseSeconds } from './window-view';

/** A run that waits long says that it is alive, before its lease is half gone. */
export async function keepLease({ journal, clock, run, by }: RunOptions): Promise<void> {
  const last = Date.parse(journal.events.findLast((event) => event.run === run && !isNote(event))?.at ?? '') || 0;
  const age = clock.now() - last;
  // a clock that says less than nothing, or that was set meanwhile, says nothing: the journal is looked at.
  if (age >= 0 && age < (leaseSeconds / 3) * 1000 && !clock.doubtful()) return;
  await journal.append(run, by, { type: 'run.alive' });
}

/** While a step is long at one thing, a statement or a task that comes up slowly, its run says that it is alive. */
export async function alive<T>(options: RunOptions, work: () => Promise<T>): Promise<T> {
  const { journal, clock, run } = options;
  const say = async () => {
    await journal.glance();
    const asked = stopAskedOf(run, journal.events);
    // a step that never ends must not keep the window from whoever asked for it.
    if (!asked || clock.now() - Date.parse(asked.at) < finishMs) await keepLease(options);
  };
  // a journal that no longer takes its word stops the run, as at any other event.
  let lost: unknown;
  const failed = (error: unknown) => {
    lost ??= error;
  };
  const stop = clock.every((leaseSeconds / 6) * 1000, () => void say().catch(failed));
  try {
    const answer = await work();
    if (lost) throw lost;
    return answer;
  } finally {
    stop();
  }
}

/** This run as the databases know it: later runs of the journal have higher numbers. */
export function holdingRun({ journal, run, verb, by }: RunOptions): HoldingRun {
  const started = journal.events.findLast((event) => event.type === 'run.started' && event.run === run);
  if (!started) throw new Error('a run that has not begun has no business with a database');
  return { number: started.number, window: journal.window, verb, by };
}
