/**
 * What was typed after a verb, held against what the verb takes. An option that is not known, one of another verb, a value that is an
 * option, a word too many: each is refused before anything is asked of AWS, with the nearest right one.
 */
import type { Advice, CommandName } from '../base/advice';
import { exit, Stop } from '../base/errors';

export interface OptionTaken {
  /** `--accept-loss` */
  readonly long: string;
  /** As its help has it: `<ids...>`; left out where it takes no value. */
  readonly value?: string;
  /** May be given again. */
  readonly again?: boolean;
}

export interface VerbTaken {
  readonly verb: CommandName;
  readonly options: readonly OptionTaken[];
  /** Words that stand by themselves: `<shell>`. */
  readonly words?: readonly string[];
}

/** A value may begin with a hyphen ("- because"), an option is a hyphen and a letter. */
const isOption = (text: string): boolean => /^--?[a-z]/i.test(text);

/** @throws Stop `usage` */
export function refuseWrongWords(args: readonly string[], { verb, options, words = [] }: VerbTaken, all: readonly VerbTaken[]): void {
  const refuse = (message: string): Stop => new Stop('usage', message, { next: [helpOf(verb)], exit: exit.usage });
  if (args.includes('-h') || args.includes('--help')) return;
  const given = new Set<string>();
  let standing = 0;
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? '';
    if (arg === '--') throw refuse(`'--' belongs to npm run; leave it out`);
    if (!isOption(arg)) {
      standing += 1;
      if (standing > words.length) throw refuse(tooMany(arg, { verb, options, words }));
      continue;
    }
    const [long = '', joined] = splitOnce(arg);
    const option = options.find((each) => each.long === long);
    if (!option) throw refuse(unknown(long, verb, options, all));
    if (given.has(long) && !option.again) throw refuse(`${long} was given twice`);
    given.add(long);
    if (option.value === undefined) {
      if (joined !== undefined) throw refuse(`${long} takes no value, got '${joined}'`);
      continue;
    }
    if (joined !== undefined) continue;
    const next = args[i + 1];
    if (next === undefined || isOption(next)) {
      const got = next === undefined ? '' : `, and is followed by the option ${next}`;
      throw refuse(`${long} takes a value, ${option.value}${got}`);
    }
    i += 1;
    while (option.value.includes('...') && args[i + 1] !== undefined && !isOption(args[i + 1]!)) i += 1;
  }
}

/** @throws Stop `usage` for a first word that is no verb */
export function refuseWrongVerb(word: string, all: readonly VerbTaken[]): void {
  if (all.some(({ verb }) => verb === word)) return;
  const verbs = all.map(({ verb }) => verb);
  const near = nearest(word, verbs);
  const message = isOption(word)
    ? `the verb stands first, got '${word}'`
    : `there is no verb '${word}'${near ? `; did you mean ${near}?` : `: there is ${verbs.join(', ')}`}`;
  throw new Stop('usage', message, { next: [helpOf(near ?? 'status')], exit: exit.usage });
}

export const helpOf = (verb: CommandName): Advice => ({ verb, words: ['--help'] });

const splitOnce = (text: string): [string, string | undefined] => {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
};

function tooMany(word: string, { verb, options, words = [] }: VerbTaken): string {
  const long = options.map((option) => option.long);
  const near =
    word === 'go' || word === 'no-go' ? (long.includes('--answer') ? `--answer ${word}` : undefined) : nearest(`--${word}`, long);
  return `${verb} takes ${words.length > 0 ? `one word, ${words.join(' ')}, and` : 'options only,'} got the word '${word}'${near ? `; did you mean ${near}?` : ''}`;
}

function unknown(long: string, verb: CommandName, options: readonly OptionTaken[], all: readonly VerbTaken[]): string {
  const owners = all.filter((each) => each.options.some((option) => option.long === long)).map((each) => each.verb);
  const near = nearest(
    long,
    options.map((option) => option.long),
  );
  const did = near ? `; did you mean ${near}?` : '';
  return owners.length > 0
    ? `${long} is an option of ${owners.join(', ')}, and not of ${verb}${did}`
    : `${verb} has no option ${long}${did}`;
}

/** The one that is typed most alike: a letter that is missing, too much, another, or two that changed places. */
function nearest<T extends string>(word: string, all: readonly T[]): T | undefined {
  const most = Math.max(1, Math.floor(word.replace(/^-+/, '').length * 0.4));
  const ranked = all.map((each) => ({ each, far: each.startsWith(word) && word.length > 3 ? 0 : distance(word, each) }));
  const best = ranked.sort((a, b) => a.far - b.far)[0];
  return best && best.far <= most ? best.each : undefined;
}

function distance(a: string, b: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const changed = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(changed, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, swapped));
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
