/**
 * What to type now, as errors and screens carry it. lib/report/advice.ts spells it, for somebody who installed the package or for
 * somebody in this repository.
 */

/** What is advised with each command; the command line has all of it (test/report/advice.test.ts). */
export const advisedWords = {
  stage: ['--accept-loss', '--undo', '--take-over', '--yes'],
  plan: ['--verb'],
  cutover: [
    '--answer',
    '--overrule',
    '--go-at-gate',
    '--reason',
    '--up-by',
    '--at-decision',
    '--accept-loss',
    '--migrate-again',
    '--take-over',
    '--yes',
  ],
  rollback: ['--accept-loss', '--accept-difference', '--reason', '--traffic-only', '--system', '--take-over', '--yes'],
  teardown: ['--now', '--keep-standby', '--migrate-again', '--take-over', '--yes'],
  status: ['--watch', '--check'],
  try: [],
  sandbox: ['--detach', 'env'],
  completion: [],
} as const;

export type CommandName = keyof typeof advisedWords;

/** What can be typed. */
export type Command =
  /** A command of ours; `words` as typed: `['--answer go', '--reason "<why>"']`. `evaluated`: by the shell, which takes what it prints. */
  | { readonly verb: CommandName; readonly words?: readonly string[]; readonly evaluated?: true }
  /** `cdk deploy` of these stacks, by the names that this app gives them (lib/manifest/stack-names.ts). */
  | { readonly deploy: readonly string[] }
  /** Somebody else's command: `aws elbv2 describe-rules …`. */
  | { readonly type: string };

/** A command, or a sentence with or without commands in it. */
export type Advice = Command | { readonly say: readonly (string | Command)[] };

type Words<V extends CommandName> = (typeof advisedWords)[V][number];
/** Of a verb that is only known at run time: what every one that it may be has. */
type Common<V extends CommandName> = (V extends CommandName ? (words: Words<V>) => void : never) extends (words: infer W) => void
  ? W
  : never;
type Word<V extends CommandName> = Common<V> extends string ? Common<V> | `${Common<V>} ${string}` : never;

/** `switchback('cutover', '--answer go')` */
export const switchback = <V extends CommandName>(verb: V, ...words: readonly Word<V>[]): Command => ({
  verb,
  ...(words.length > 0 ? { words } : {}),
});
/** For the shell to take over what it prints: `eval "$(…)"`. */
export const evaluate = <V extends CommandName>(verb: V, ...words: readonly Word<V>[]): Command => ({
  ...switchback(verb, ...words),
  evaluated: true,
});
export const deploy = (...stacks: readonly string[]): Command => ({ deploy: stacks });
export const typed = (command: string): Command => ({ type: command });

/** One word to a shell, whatever is in it: ids of schema differences have blanks and brackets. */
export const shellWord = (text: string): string => (/^[\w.:/@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** A sentence, with commands where they stand in it: say`mend that, then ${switchback('rollback')}`. */
export function say(texts: TemplateStringsArray, ...values: readonly (string | number | Command)[]): Advice {
  const parts: (string | Command)[] = [];
  const add = (part: string | Command) => {
    const last = parts.at(-1);
    if (typeof part === 'string' && typeof last === 'string') parts[parts.length - 1] = last + part;
    else if (part !== '') parts.push(part);
  };
  for (const [i, text] of texts.entries()) {
    add(text);
    const value = values[i];
    if (value !== undefined) add(typeof value === 'number' ? String(value) : value);
  }
  return { say: parts };
}

export const sameAgain: Advice = say`the same command again`;

/** Nothing is deployed yet that could say how the app names its stacks. */
export const firstDeploy: readonly Advice[] = [
  say`${deploy('shared', 'blue')}, by the names that your app gives them (in a Stage: ${deploy('Prod/shared', 'Prod/blue')})`,
];

/** To a question for people: only a cutover asks one. */
export const answers = [
  switchback('cutover', '--answer go', '--reason "<why>"'),
  switchback('cutover', '--answer no-go', '--reason "<why>"'),
] as const;

/** Of a journal or a runner: earlier versions wrote strings, which are shown as they stand. */
export const readAdvice = (next: readonly (Advice | string)[]): Advice[] =>
  next.map((one) => (typeof one === 'string' ? { say: [one] } : one));
