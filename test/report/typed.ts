/** Advice as a person types it: spelled for both readers, placeholders filled in, taken apart by a shell, read by the command line. */
import type { Advice, Command } from '../../lib/base/advice';
import { Stop } from '../../lib/base/errors';
import { parseUpBy } from '../../lib/engine/decision-time';
import { type Reader, speakTo, spell } from '../../lib/report/advice';
import { commandLine, taken } from '../../lib/terminal/commands';
import { flagsOf } from '../../lib/terminal/emergency';
import type { Flags } from '../../lib/terminal/flags';
import { refuseHalf } from '../../lib/terminal/take-verb';
import { refuseWrongVerb, refuseWrongWords } from '../../lib/terminal/words';

/** What people put where the advice leaves it to them. */
const placeholders: Readonly<Record<string, string>> = {
  '<ids>': 'column.dropped:public.a.b table.dropped:public.c',
  '<id>': 'public.orders:different',
  '<why>': 'because it rains',
  '<hour>': '04:30',
  '<a later hour>': '04:30',
  '<go or no-go>': 'no-go',
};

/** @throws Error for one that nobody knows how to fill in */
export const filled = (line: string): string =>
  line.replace(/<[^>]*>/g, (found) => {
    const value = placeholders[found];
    if (value === undefined) throw new Error(`nobody knows what to type for ${found} in: ${line}`);
    return value;
  });

/** As a shell does; a character that means something to it is no word. */
export function words(line: string): string[] {
  const found: string[] = [];
  for (const [whole] of line.matchAll(/(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\])+/g)) {
    if (/[|<>;&$`()*?]/.test(whole.replace(/'[^']*'|\\./g, '').replace(/"[^"$`]*"/g, '')))
      throw new Error(`the shell takes ${whole} of: ${line}`);
    found.push(whole.replace(/'([^']*)'|"([^"]*)"|\\(.)/g, (_all, one = '', two = '', three = '') => one + two + three));
  }
  return found;
}

/** The words behind `npx switchback` or `npm run`. */
function given(line: string, reader: Reader): string[] {
  const inner = /^eval "\$\((.*)\)"$/.exec(line)?.[1] ?? line;
  const [first, second, ...rest] = words(filled(inner));
  if (reader === 'installed') {
    expect([first, second]).toEqual(['npx', 'switchback']);
    return rest;
  }
  expect([first, second]).toEqual(['npm', 'run']);
  const [verb = '', dashes, ...options] = rest[0] === '--silent' ? rest.slice(1) : rest;
  if (dashes !== undefined) expect(dashes).toBe('--');
  return [verb, ...options];
}

/** Refused with a Stop, or read. */
export function read(args: readonly string[]): { readonly verb: string; readonly flags: Flags } {
  const [verb = '', ...rest] = args;
  // its own command line, of another package: test/report/advice.test.ts holds its words.
  if (verb === 'sandbox') return { verb, flags: {} };
  if (verb === 'rollback' && rest.includes('--traffic-only')) return { verb, flags: { ...flagsOf(rest), trafficOnly: true } as Flags };
  const all = taken();
  refuseWrongVerb(verb, all);
  refuseWrongWords(rest, all.find((each) => each.verb === verb)!, all);
  let flags: Flags = {};
  const program = commandLine(() => async (...its) => {
    flags = its.at(-2) as Flags;
  });
  // nothing in it waits.
  program.parse([...args], { from: 'user' });
  refuseHalf(flags);
  if (flags.upBy !== undefined) parseUpBy(flags.upBy, Date.parse('2026-03-01T02:00:00Z'));
  return { verb, flags };
}

/** What is wrong with a command of ours, for either reader; undefined where it is accepted. */
export function wrongWith(command: Command): string | undefined {
  for (const reader of ['installed', 'repository'] as const) {
    speakTo(reader);
    const line = spell(command);
    speakTo('installed');
    try {
      const args = given(line, reader);
      if (!args.includes('--help')) read(args);
    } catch (error) {
      return `${line}: ${error instanceof Error ? error.message : String(error)}${error instanceof Stop ? ` (${error.code})` : ''}`;
    }
  }
  return undefined;
}

/** The commands in advice, which may be a sentence. */
export const commandsIn = (advice: Advice): Command[] =>
  'say' in advice ? advice.say.filter((part): part is Command => typeof part !== 'string') : [advice];

/** What the command line makes of it. */
export const readAs = (command: Command): { readonly verb: string; readonly flags: Flags } => read(given(spell(command), 'installed'));
