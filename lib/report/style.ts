/** How screens look: colors if they are wanted, columns, and how durations and times are written. */
import { stripVTControlCharacters, styleText } from 'node:util';

export type Format = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

export interface Style {
  readonly paint: (format: Format, text: string) => string;
  readonly columns: number;
  /** Lines of the terminal; a live view must fit in. */
  readonly rows: number;
  /** @default the operator's own */
  readonly timeZone?: string;
}

export const defaultColumns = 80;

/** Colors where the stream is a terminal that has them; NO_COLOR, FORCE_COLOR and TERM=dumb are honoured by Node. */
export function styleFor(stream: NodeJS.WriteStream, color: boolean): Style {
  return {
    paint: (format, text) => (color ? styleText(format, text, { stream }) : text),
    columns: Math.min(stream.columns ?? defaultColumns, 100),
    rows: stream.rows ?? 24,
  };
}

/** `0.4 s`, `48 s`, `4:12 min`, `1:05 h`: never to be mistaken for one another. */
export function duration(seconds: number): string {
  const left = Math.max(0, seconds);
  if (left < 9.95) return `${Number.isInteger(left) ? left : left.toFixed(1)} s`;
  const whole = Math.round(left);
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)} h`;
}

/** Seconds between two moments; clocks of two machines may disagree, so never below zero. */
export const seconds = (from: string | number, to: string | number): number =>
  Math.max(0, (new Date(to).getTime() - new Date(from).getTime()) / 1000);

/** `02:41:07` */
export function clockTime(at: string | number, { timeZone }: Style): string {
  return new Date(at).toLocaleTimeString('en-GB', { timeZone, hour12: false });
}

/** `02:41:07 GMT+1`: an hour that somebody typed, said back with the zone that it was taken in. */
export function zonedTime(at: string | number, style: Style): string {
  return `${clockTime(at, style)} ${dateTime(at, style).split(' ').at(-1)}`;
}

/** `2026-03-02 02:41 GMT+1`: a time that may be read on another day or in another place names its day and zone. */
export function dateTime(at: string | number, { timeZone }: Style, withSeconds = false): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hour12: false, timeZoneName: 'short' },
    ...(withSeconds ? { second: '2-digit' } : {}),
  }).formatToParts(new Date(at));
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((each) => each.type === type)?.value ?? '';
  const time = [part('hour'), part('minute'), ...(withSeconds ? [part('second')] : [])].join(':');
  return `${part('year')}-${part('month')}-${part('day')} ${time} ${part('timeZoneName')}`;
}

/** A runner writes its sentences with times of UTC, for whoever reads them wherever: a screen shows those of the person before it. */
export const localTimes = (text: string, style: Style): string =>
  text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:(\d\d)(?:\.\d+)?Z/g, (at, second: string) => dateTime(at, style, second !== '00'));

/** Cut to a width, with a mark that it was. */
export const cut = (text: string, width: number): string => (text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`);

/** Broken between words into lines of a width, set in as it begins; a word that is longer stands alone. Colors take no room. */
export function wrap(text: string, width: number): string[] {
  const wide = (part: string) => stripVTControlCharacters(part).length;
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    const indent = /^ */.exec(paragraph)?.[0] ?? '';
    let line = '';
    for (const word of paragraph.slice(indent.length).split(' ')) {
      if (line && wide(indent + line) + 1 + wide(word) > width) {
        lines.push(indent + line);
        line = word;
      } else line = line ? `${line} ${word}` : word;
    }
    lines.push(indent + line);
  }
  return lines;
}

/** Left and right on one line. */
export const spread = (left: string, right: string, width: number): string =>
  `${cut(left, width - right.length - 1).padEnd(width - right.length)}${right}`;
