/**
 * The append-only log of a run, for where there is no terminal: one line per event, and a line after half a minute of
 * silence that names what is in progress, so that nobody takes a long step for a hung one.
 */
import type { JournalEvent } from '../engine/events';
import type { WindowView } from '../engine/window-view';
import { eventText } from './messages';
import { isLate, lastSaid, sinceText } from './stuck';
import { clockTime, duration, type Style, seconds } from './style';

const silenceMs = 30_000;

export class PlainLog {
  private view: WindowView | undefined;
  /** When the last line was written, as `tick` knows time; undefined: since the last tick. */
  private spokeAt: number | undefined;

  constructor(private readonly style: Style) {}

  /** The lines for what was added to the journal. */
  events(view: WindowView, added: readonly JournalEvent[]): string[] {
    this.view = view;
    const lines = added.flatMap((event) => {
      const text = eventText(event, view.current?.plan ?? [], this.style, view.uncounted);
      return text === undefined ? [] : text.split('\n').map((line) => `${clockTime(event.at, this.style)}  ${line}`);
    });
    if (lines.length > 0) this.spokeAt = undefined;
    return lines;
  }

  /** What customers see has changed. */
  customers(lines: readonly string[], now: number): string[] {
    return lines.map((line) => `${clockTime(now, this.style)}  ${line}`);
  }

  /** The line that breaks a silence, once it has lasted. */
  tick(now: number): string[] {
    this.spokeAt ??= now;
    if (now - this.spokeAt < silenceMs) return [];
    this.spokeAt = now;
    const series = this.view?.current;
    const step = series?.plan.find(({ id }) => {
      const record = series.steps.get(id);
      return record?.startedAt !== undefined && record.doneAt === undefined;
    });
    const time = clockTime(now, this.style);
    if (!series || !step) return [`${time}  … waiting for the runner`];
    const record = series.steps.get(step.id);
    const took = seconds(record?.startedAt ?? now, now);
    const said = lastSaid(record);
    const since = isLate(step, took) ? sinceText(step, record, this.style) : '';
    const why = [...(said === undefined ? [] : [said]), ...(since ? [since] : [])].join('; ');
    return [`${time}  … ${step.title} (${duration(took)} of ${duration(step.estimateSeconds)})${why ? `: ${why}` : ''}`];
  }
}
