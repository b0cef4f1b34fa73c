/** Asking a person at a gate, until they answer, somebody else does, or the time for an answer is over. */
import { createInterface, type Interface } from 'node:readline/promises';
import { answers, switchback } from '../base/advice';
import { exit, messageOf, Stop } from '../base/errors';
import { oneLine } from '../base/plain-text';
import type { GateAnswer as Answer, Verb } from '../engine/events';
import type { Question } from '../report';
import { wrap } from '../report/style';

export type { Answer };

export interface Gate {
  readonly verb: Verb;
  /** The step that asks. */
  readonly step: string;
  readonly question: string;
  /** Names of the landing tests that people do here, in order. */
  readonly tests: readonly string[];
  /** Notes what somebody says of one of them. */
  tell(landing: LandingWord): Promise<void>;
}

export interface LandingWord {
  readonly test: string;
  readonly passed: boolean;
  readonly what?: string;
}

/** What a person may have meant by a line. */
export type Word = Answer['answer'] | LandingWord | { readonly wrong: string };

/** `go`, `no-go`, `2 passed`, `2 failed the invoices are wrong`; anything else is said to be wrong. */
export function wordOf(text: string, tests: readonly string[]): Word {
  const typed = oneLine(text);
  if (typed === 'go' || typed === 'no-go') return typed;
  const [, number, outcome, what] = /^(\d+)[ :]+(passed|failed)\b[ :,]*(.*)$/.exec(typed) ?? [];
  const test = tests[Number(number) - 1];
  if (test !== undefined && outcome) return { test, passed: outcome === 'passed', ...(what ? { what } : {}) };
  const ways = `type go or no-go${tests.length > 0 ? `, or the number of a landing test: 1 passed, 1 failed and what is wrong` : ''}`;
  if (number !== undefined && outcome) return { wrong: `there is no landing test ${number}: ${ways}` };
  return { wrong: typed === '' ? `nothing was typed: ${ways}` : `"${typed}" is neither go nor no-go: ${ways}` };
}

let open: { readonly terminal: Interface; line: number; still: boolean } | undefined;

/** The line on which a person is being asked; undefined while nobody is. */
export const question = (): Question | undefined =>
  open && {
    prompt: (preserveCursor) => open?.terminal.prompt(preserveCursor),
    line: open.line,
    // an answer that is longer than its row moves the view away from it.
    still: open.still || open.terminal.getCursorPos().rows > 0,
  };

/** The screen shows the question. Answers undefined when `signal` is aborted first. @throws Stop `terminal.interrupted` at Ctrl-C and Ctrl-D */
export async function askGate({ tests, tell }: Pick<Gate, 'tests' | 'tell'>, signal: AbortSignal): Promise<Answer | undefined> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  open = { terminal, line: 0, still: true };
  try {
    for (;;) {
      const word = wordOf(await line(terminal, 'Type go or no-go: ', signal, false), tests);
      if (word === 'go' || word === 'no-go')
        return { answer: word, reason: oneLine(await line(terminal, 'Why, for the journal: ', signal, true)) || 'no reason given' };
      if ('wrong' in word) process.stderr.write(`${onScreen(word.wrong)}\n`);
      else await tell(word).catch((error: unknown) => process.stderr.write(`${onScreen(`it could not be noted: ${messageOf(error)}`)}\n`));
    }
  } catch (error) {
    if (signal.aborted) {
      process.stderr.write('\n');
      return undefined;
    }
    throw error;
  } finally {
    open = undefined;
    terminal.close();
  }
}

/** A sentence in as many rows as it takes. */
export const onScreen = (text: string, columns = process.stderr.columns ?? 80): string => wrap(text, columns).join('\n');

/** One line; in raw mode Ctrl-C reaches only readline, and would otherwise leave the question open for ever. */
async function line(terminal: Interface, text: string, signal: AbortSignal, still: boolean): Promise<string> {
  if (open) open = { terminal, line: open.line + 1, still };
  let leave: () => void = () => undefined;
  try {
    return await new Promise((resolve, reject) => {
      leave = () => reject(interrupted());
      terminal.once('SIGINT', leave);
      // Ctrl-D, or a terminal that went away.
      terminal.once('close', leave);
      terminal.question(text, { signal }).then(resolve, reject);
    });
  } finally {
    terminal.removeListener('SIGINT', leave);
    terminal.removeListener('close', leave);
    // until the next line is read, nothing stands right below the view.
    if (open) open.still = true;
  }
}

const interrupted = (): Stop =>
  new Stop('terminal.interrupted', 'interrupted: the question stays open; nothing runs and nothing has been answered', {
    next: [...answers, switchback('rollback')],
    exit: exit.interrupted,
  });

export async function confirm(text: string, expected: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-C and Ctrl-D here are a no.
    const no = new Promise<string>((resolve) => {
      terminal.once('SIGINT', () => resolve(''));
      terminal.once('close', () => resolve(''));
    });
    return (await Promise.race([terminal.question(`${onScreen(oneLine(text))} `), no])).trim() === expected;
  } finally {
    terminal.close();
  }
}
