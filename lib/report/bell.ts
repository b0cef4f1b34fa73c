/** A bell, and a notification where the terminal has them (OSC 9): people look elsewhere until a question or a failure comes. */
import { exit } from '../base/errors';
import { oneLine } from '../base/plain-text';
import type { JournalEvent } from '../engine/events';
import type { WindowView } from '../engine/window-view';

interface Bell {
  readonly json: boolean;
  readonly stderr: { readonly isTTY: boolean; write(text: string): unknown };
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Rings on a terminal that somebody sits at, and nowhere else. */
export function bellOf({ json, stderr, env = process.env }: Bell): (news: string | undefined) => void {
  const attended = !json && stderr.isTTY === true && !env['CI'] && env['TERM'] !== 'dumb';
  return (news) => {
    if (attended && news !== undefined) stderr.write(`\u0007\u001b]9;${oneLine(`switchback: ${news}`)}\u0007`);
  };
}

/** A question that is open, or a warning before the decision time. */
export function newsOf({ window, current, asked }: WindowView, added: readonly JournalEvent[]): string | undefined {
  const what = `${current?.verb ?? 'window'} of ${window.system} ${window.name}`;
  if (asked && added.some((event) => event.type === 'gate.asked' && event.step === asked.step)) return `the ${what} waits for go or no-go`;
  const warned = added.findLast((event) => event.type === 'decision.time' && event.warning !== undefined);
  return warned?.type === 'decision.time' ? `${warned.warning} min to the decision time of the ${what}` : undefined;
}

/** What somebody has just typed, or has just declined, they know. */
export function failureNews({ code, exit: exitCode }: { readonly code: string; readonly exit: number }, what?: string): string | undefined {
  const known: readonly number[] = [exit.usage, exit.aborted, exit.interrupted];
  return known.includes(exitCode) ? undefined : `${what ? `the ${what} stopped: ` : ''}${code}`;
}
