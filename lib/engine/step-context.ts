/** What a run hands to the step that it takes. */
import type { Clock } from '../base/clock';
import type { Connections } from './connections';
import { type Context, everyAccepted } from './context';
import type { EventBody } from './events';
import type { Journal } from './journal';
import { viewOf } from './journal-view';
import { keepLease } from './keep-lease';
import type { RunOptions } from './run-options';
import type { Step } from './step';

/** How long a step is under way: before this invocation by the journal's times, from here on by a clock that nobody sets. */
export function waiting(clock: Clock, startedAt: number): () => number {
  const before = Math.max(0, clock.now() - startedAt) || 0;
  const from = clock.elapsed();
  return () => before + clock.elapsed() - from;
}

export function contextOf(options: RunOptions, step: Step, connections: Connections, waitedMs?: () => number): Context {
  const { journal, clock, aws } = options;
  const view = viewOf(journal);
  return {
    window: view.window,
    manifest: view.manifest,
    view,
    aws,
    clock,
    acceptLoss: options.acceptLoss ?? view.current?.acceptLoss ?? false,
    acceptedLosses: everyAccepted(view, options.acceptedLosses ?? view.current?.acceptedLosses),
    connection: (instance) => connections.another(instance),
    leave: (instance) => connections.leave(instance),
    waitedMs: waitedMs ?? waiting(clock, Date.parse(view.current?.steps.get(step.id)?.startedAt ?? '')),
    database: async (instance) => {
      // nobody's clock is asked before an SQL change but ours: a writer that slept must look at the journal first.
      await keepLease(options);
      return connections.to(instance);
    },
    facts(id) {
      const facts = view.facts(id);
      if (!facts) throw new Error(`the step ${id} has left no facts in ${view.name}`);
      return facts;
    },
    progress: async (text, share) => {
      await journal.append(options.run, options.by, progressed(step, text, share));
    },
    found: async (what) => {
      await journal.append(options.run, options.by, { type: 'proof.found', ...what });
    },
    migrateAgain: options.migrateAgain ?? false,
    asked: async (token, arn) => {
      await journal.append(options.run, options.by, { type: 'task.asked', step: step.id, token, ...(arn === undefined ? {} : { arn }) });
    },
    keep: (name, text) => aws.journal(view.manifest.shared.journalBucket, view.window.system).keep(view.window.name, name, text),
    closeWindow: async (outcome) => {
      await journal.append(options.run, options.by, { type: 'window.closed', outcome });
    },
  };
}

const lastProgress = new WeakMap<Journal, number>();

const progressed = ({ id }: Step, text: string, share: number | undefined): EventBody => ({
  type: 'step.progress',
  step: id,
  text,
  ...(share === undefined ? {} : { share }),
});

/** At most one line a second into the journal, so that a fast poll does not fill it. */
export async function sayProgress({ journal, clock, run, by }: RunOptions, step: Step, text: string, share?: number): Promise<boolean> {
  if (clock.elapsed() - (lastProgress.get(journal) ?? Number.NEGATIVE_INFINITY) < 1000) return false;
  lastProgress.set(journal, clock.elapsed());
  await journal.append(run, by, progressed(step, text, share));
  return true;
}
