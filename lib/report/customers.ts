/**
 * What customers see now, in one line that every screen has: what an address of the load balancer answered and how long ago that is,
 * how long they have seen the maintenance answer, and until when one can go back. Not what a step intended.
 */
import type { HoldSeen } from '../engine/events';
import {
  databaseOpened,
  databaseOpenedAt,
  downtimesOf,
  feedStarted,
  fencedAgain,
  holdEndsAt,
  openedAgain,
  productionFenced,
  siteIsDown,
} from '../engine/milestones';
import type { WindowView } from '../engine/window-view';
import type { Color, Release } from '../manifest/schema';
import type { CustomersSeen } from '../operations/customers-look';
import { wayBackOf, wayBackWords } from '../operations/way-back';
import { clockTime, dateTime, duration, type Style, seconds, wrap } from './style';

export interface CustomersPicture {
  readonly seen: CustomersSeen;
  readonly releases: { readonly blue?: Release | undefined; readonly green?: Release | undefined };
  /** The open window. */
  readonly view?: WindowView | undefined;
  /** The last look at the feed. */
  readonly feed?: HoldSeen | undefined;
}

/** As JSON lines have it. */
export interface Customers {
  /** A color, the maintenance answer, an answer that is neither, or nothing that could be asked from here. */
  readonly see: Color | 'maintenance' | 'error' | 'not-asked';
  readonly release?: string;
  /** The HTTP status, or why there was none. */
  readonly answer: string;
  readonly where: string;
  /** ISO time of the look. */
  readonly at: string;
  readonly ageSeconds: number;
  /** The color that answers may not write to its database. */
  readonly readOnly?: { readonly since?: string; readonly by?: string };
  /** With the maintenance answer in front: so far, or in total. */
  readonly downSeconds?: number;
  /** Whether and until when one can go back, as a sentence. Times in it are UTC. */
  readonly back?: string;
  /** By the order of the rules, where nothing could be asked. */
  readonly byTheRules?: Color | 'maintenance';
}

export function customersOf({ seen, releases, view, feed }: CustomersPicture, now: number): Customers {
  const { answer, failed, live, maintenance, emergency } = seen;
  const color = (['blue', 'green'] as const).find(
    (each) => answer?.release !== undefined && releases[each]?.version === answer.release && sameCommit(releases[each], answer.commit),
  );
  // the maintenance answer names no release; one of a load balancer without targets does not either, but then its rules are parked.
  const inMaintenance = answer !== undefined && answer.release === undefined && maintenance !== false;
  const see = answer === undefined ? 'not-asked' : (color ?? (inMaintenance ? 'maintenance' : 'error'));
  const rules = maintenance ? 'maintenance' : live;
  const at = see === 'not-asked' ? rules : see;
  const readOnly = view && (at === 'blue' || at === 'green') ? readOnlyOf(view, at, emergency) : undefined;
  const down = view ? downSeconds(view, emergency?.at, at === 'maintenance' ? now : undefined) : undefined;
  const back = view && backText(view, feed);
  const release = color ? releases[color]?.version : answer?.release;
  return {
    see,
    ...(release === undefined ? {} : { release }),
    answer: answer ? `HTTP ${answer.status}` : (failed ?? 'no answer'),
    where: seen.where,
    at: new Date(seen.at).toISOString(),
    ageSeconds: Math.round(seconds(seen.at, now)),
    ...(readOnly ? { readOnly } : {}),
    ...(down === undefined ? {} : { downSeconds: down }),
    ...(back === undefined ? {} : { back }),
    ...(see === 'not-asked' && rules ? { byTheRules: rules } : {}),
  };
}

const sameCommit = (release: Release | undefined, commit: string | undefined): boolean =>
  commit === undefined || release?.commit === commit;

/** The old color behind a fence reads and cannot write; so does the new one before its database is opened, and behind a rollback's fence. */
function readOnlyOf(view: WindowView, color: Color, emergency: CustomersSeen['emergency']): Customers['readOnly'] {
  const { from, to } = view.window;
  if (!from || !productionFenced(view)) return undefined;
  const writes = color === from ? openedAgain(view) : color === to && databaseOpened(view) && !fencedAgain(view);
  if (writes) return undefined;
  return color === from && emergency ? { since: emergency.at, by: emergency.by } : {};
}

/** `now`: the maintenance answer is in front; undefined: it is not, whatever the journal has not heard of yet. */
function downSeconds(view: WindowView, emergency: string | undefined, now: number | undefined): number | undefined {
  const times = downtimesOf(view, emergency);
  if (times.length === 0 || (now === undefined && times.some(({ to }) => to === undefined))) return undefined;
  return Math.round(times.reduce((sum, { from, to }) => sum + seconds(from, to ?? now ?? from), 0));
}

function backText(view: WindowView, feed: HoldSeen | undefined): string | undefined {
  const { window, series } = view;
  if (!window.from || !siteIsDown(view) || series.rollback) return undefined;
  if (series.teardown) return 'no way back: the teardown has begun';
  if (!databaseOpened(view)) return 'a rollback loses nothing';
  if (!feedStarted(view) || feed?.state === 'dead') {
    const since = databaseOpenedAt(view);
    return `a rollback loses what was written${since && !feedStarted(view) ? ` since ${since}` : feed?.heartbeatSeconds === undefined ? '' : ' since the feed died'}`;
  }
  const way = feed && wayBackOf(feed);
  if (way && way.state !== 'alive') return wayBackWords(way);
  const until = way?.possibleUntil ?? holdEndsAt(view)?.toISOString();
  return until === undefined ? 'a rollback loses nothing' : `a rollback loses nothing until ${until}`;
}

/** The line, without its name. */
export function customersText(picture: CustomersPicture, now: number, style: Style): string {
  const customers = customersOf(picture, now);
  const { see, readOnly, downSeconds: down, ageSeconds, back, answer, byTheRules } = customers;
  const { paint } = style;
  const named = (color: Color) => `${color} ${picture.releases[color]?.version ?? ''}`.trim();
  const at = see === 'not-asked' ? byTheRules : see;
  const age = ageSeconds < 2 ? 'asked now' : `asked ${duration(ageSeconds)} ago`;
  const parts: string[] = [];
  if (at === 'maintenance') parts.push(paint('yellow', `maintenance${down === undefined ? '' : ` ${duration(down)}`}`));
  else if (at === 'blue' || at === 'green') {
    const since = readOnly?.since === undefined ? '' : ` since ${clockTime(readOnly.since, style).slice(0, 5)}`;
    const by = readOnly?.by === undefined ? '' : ` (emergency by ${readOnly.by})`;
    parts.push(readOnly ? paint('red', `${named(at)} READ-ONLY${since}${by}`) : paint('green', named(at)));
  } else
    parts.push(
      paint(
        'red',
        see === 'error' ? `${answer}${customers.release ? ` by release ${customers.release}` : ' without a release'}` : 'unknown',
      ),
    );
  parts[0] += see === 'not-asked' ? `, by the rules (not asked from here: ${answer})` : `, ${age}`;
  if (at !== 'maintenance' && down !== undefined) parts.push(`down ${duration(down)} in total`);
  if (back !== undefined) parts.push(back.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, (time) => dateTime(time, style)));
  return parts.join('; ');
}

/** As it stands on every screen but the status, which has a column for names. */
export const customersLines = (picture: CustomersPicture | undefined, now: number, style: Style): string[] =>
  picture ? wrap(`customers: ${customersText(picture, now, style)}`, style.columns - 2).map((line, i) => (i ? `  ${line}` : line)) : [];
