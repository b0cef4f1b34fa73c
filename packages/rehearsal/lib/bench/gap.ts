/**
 * The time around a switch in which no write was acknowledged to anybody, taken apart by the journal: a step's part goes
 * from the end of the one before it to its own end, so that the parts add up to the whole.
 */
import type { JournalEvent } from '../../../../lib/engine/events';

/** Milliseconds since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** An AWS call of the runner. */
export interface RunnerCall extends Span {
  readonly service: string;
}

export interface GapPart {
  readonly step: string;
  readonly title: string;
  readonly ms: number;
  /** Of it, between two looks: for tasks, targets, databases. */
  readonly waitedMs: number;
  /** Of it, while AWS had a call to answer. The rest is SQL and our own work. */
  readonly awsMs: number;
  /** AWS calls begun in it, and of them those to the journal. */
  readonly calls: number;
  readonly journalCalls: number;
}

export interface Gap extends Span {
  readonly ms: number;
  readonly parts: readonly GapPart[];
}

/** The longest time without an acknowledged write that touches `around`. @throws Error when there are not two writes to measure from */
export function longestWithout(acknowledged: readonly number[], around: Span): Span {
  const times = [...acknowledged].sort((a, b) => a - b);
  let longest: Span | undefined;
  for (let i = 1; i < times.length; i += 1) {
    const [from = 0, to = 0] = [times[i - 1], times[i]];
    if (to < around.from || from > around.to) continue;
    if (!longest || to - from > longest.to - longest.from) longest = { from, to };
  }
  if (!longest) throw new Error('no write was acknowledged before and after the switch: nothing can be measured');
  return longest;
}

/** The gap by steps of the run's events. What comes before its first step and after its last belongs to those two. */
export function takeApart(gap: Span, events: readonly JournalEvent[], calls: readonly RunnerCall[]): Gap {
  const titles = new Map(
    events.flatMap((event) => (event.type === 'run.started' ? event.plan.map(({ id, title }) => [id, title] as const) : [])),
  );
  const ends = events.flatMap((event) =>
    event.type === 'step.done' ? [{ step: event.step, at: Date.parse(event.at), waitedMs: (event.waited ?? 0) * 1000 }] : [],
  );
  const parts: GapPart[] = [];
  let from = gap.from;
  for (const [i, end] of ends.entries()) {
    const to = i === ends.length - 1 ? gap.to : Math.min(end.at, gap.to);
    if (to <= from) continue;
    const inside = calls.filter((call) => call.from >= from && call.from < to);
    parts.push({
      step: end.step,
      title: titles.get(end.step) ?? end.step,
      ms: Math.round(to - from),
      // a step that the gap cuts has waited no longer than its part.
      waitedMs: Math.round(Math.min(end.waitedMs, to - from)),
      awsMs: Math.round(covered(calls, { from, to })),
      calls: inside.length,
      journalCalls: inside.filter(({ service }) => service === 's3').length,
    });
    from = to;
  }
  return { ...gap, ms: Math.round(gap.to - gap.from), parts };
}

/** How much of `span` lies within any of the calls, which may overlap. */
function covered(calls: readonly Span[], span: Span): number {
  let sum = 0;
  let until = span.from;
  for (const { from, to } of [...calls].sort((a, b) => a.from - b.from)) {
    const [begin, end] = [Math.max(from, until), Math.min(to, span.to)];
    if (end <= begin) continue;
    sum += end - begin;
    until = end;
  }
  return sum;
}
