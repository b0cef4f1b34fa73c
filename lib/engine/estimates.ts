/** How long steps take: learned from the journals of this system's earlier windows, and guessed only where there are none. */

import type { Durations, JournalEvent, Measured, Verb } from './events';
import { migrationPart, trialFound } from './milestones';
import type { WindowView } from './window-view';

/** The newest are kept: a database that has grown says more than one of two years ago. */
const kept = 20;
/** What a look takes where none has been measured. */
const lookSeconds = 1;
/** Lasts as long as the stacks say, so no earlier window knows better. */
const configured = new Set(['watch']);

/** What is known after a window: what was known before it, and what its own steps took. */
export function learn(events: readonly JournalEvent[]): Durations {
  const [first] = events;
  const known: Record<string, { acted: number[]; seen: number[] }> = {};
  if (first?.type === 'window.opened')
    for (const [id, { acted, seen }] of Object.entries(first.durations ?? {})) known[id] = { acted: [...acted], seen: [...seen] };
  const asked = new Map<string, { readonly from: number; seconds?: number }>();
  for (const event of events) {
    if (event.type === 'gate.asked' && !asked.has(event.step)) asked.set(event.step, { from: Date.parse(event.at) });
    const question = 'step' in event && event.step !== undefined ? asked.get(event.step) : undefined;
    if (event.type === 'gate.answered' && question) question.seconds = (Date.parse(event.at) - question.from) / 1000;
    if (event.type !== 'step.done' || configured.has(event.step)) continue;
    // people take from the question to their answer, whichever run noted it; an answer given before the start was nobody's work.
    const seconds = question ? question.seconds : event.seconds;
    if (seconds === undefined || (question && seconds < 1)) continue;
    const step = known[event.step] ?? { acted: [], seen: [] };
    (event.acted ? step.acted : step.seen).push(seconds);
    known[event.step] = step;
  }
  return Object.fromEntries(
    Object.entries(known).map(([id, { acted, seen }]) => [id, { acted: acted.slice(-kept), seen: seen.slice(-kept) }]),
  );
}

/** The nearest-rank percentile: of few values the 90th is the largest, which errs on the safe side. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** Steps with the median of earlier windows as their estimate, where there were any. */
export function withEstimates<S extends { readonly id: string; readonly estimateSeconds: number; readonly act?: unknown }>(
  steps: readonly S[],
  durations: Durations,
  /** Whether it is so already, so that looking is all there is to do. */
  isSo: (step: string) => boolean = () => false,
): (S & { readonly measured?: Measured })[] {
  return steps.map((step) => {
    const known = durations[step.id];
    // one that found it so already did not do the work; only where nobody can act, or need not, looking is the work.
    const looks = isSo(step.id);
    const worked = (step.act !== undefined || (known?.acted.length ?? 0) > 0) && !looks;
    const values = (worked ? known?.acted : known?.seen) ?? [];
    if (values.length === 0) return looks ? { ...step, estimateSeconds: Math.min(step.estimateSeconds, lookSeconds) } : step;
    return {
      ...step,
      estimateSeconds: tenths(percentile(values, 0.5)),
      measured: { runs: values.length, p90Seconds: tenths(percentile(values, 0.9)) },
    };
  });
}

/** What the trial of a part of the migrations took (lib/steps/trial.ts). */
const tried = {
  expand: (found: Tried): Tried | undefined => found,
  contract: ({ contract }: Tried): Tried | undefined => (contract?.failed === undefined ? contract : undefined),
};

interface Tried {
  /** From asking for the task to its end. */
  readonly takes?: number;
  readonly seconds?: number;
  readonly failed?: string;
  readonly contract?: Tried;
}

/** The same with what is known in a window: its own trial says more about its migrations than what others took in other windows. */
export function estimated<S extends { readonly id: string; readonly estimateSeconds: number; readonly act?: unknown }>(
  steps: readonly S[],
  view: Pick<WindowView, 'durations' | 'name' | 'facts' | 'series'>,
  verb: Verb,
): (S & { readonly measured?: Measured })[] {
  const { durations, name, series } = view;
  // the night looks at what the stage has done, and takes no hours for its copy.
  const staged = (step: string) => verb === 'cutover' && series.stage?.steps.get(step)?.doneAt !== undefined;
  const found = trialFound(view) as Tried | undefined;
  return withEstimates(steps, durations, staged).map((step) => {
    const which = migrationPart(step.id);
    const part = found && which && tried[which](found);
    const seconds = part?.takes ?? part?.seconds;
    if (seconds === undefined) return step;
    return { ...step, estimateSeconds: tenths(seconds), measured: { runs: 1, p90Seconds: tenths(seconds), trial: name } };
  });
}

/** No finer than it is shown, and never nothing: every step asks somebody over a network. */
const tenths = (seconds: number): number => Math.max(0.1, Math.round(seconds * 10) / 10);
