/** Asking a person at a gate, until they answer, somebody else does, or the time for an answer is over. */
import { createInterface, type Interface } from 'node:readline/promises';
import { answers, switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { oneLine } from '../base/plain-text';
import type { GateAnswer as Answer, Verb } from '../engine/events';

export type { Answer };

export interface Gate {
  readonly verb: Verb;
  /** The step that asks. */
  readonly step: string;
  readonly question: string;
}

let open: Interface | undefined;

/** The line on which a person is being asked; undefined while nobody is. */
export const question = (): Interface | undefined => open;

/** The screen shows the question. Answers undefined when `signal` is aborted first. @throws Stop `terminal.interrupted` at Ctrl-C and Ctrl-D */
export async function askGate(signal: AbortSignal): Promise<Answer | undefined> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  open = terminal;
  try {
    for (;;) {
      const word = (await line(terminal, 'Type go or no-go: ', signal)).trim();
      if (word === 'go' || word === 'no-go')
        return { answer: word, reason: oneLine(await line(terminal, 'Why, for the journal: ', signal)) || 'no reason given' };
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

/** One line; in raw mode Ctrl-C reaches only readline, and would otherwise leave the question open for ever. */
function line(terminal: Interface, text: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    terminal.once('SIGINT', () => reject(interrupted()));
    // Ctrl-D, or a terminal that went away.
    terminal.once('close', () => reject(interrupted()));
    terminal.question(text, { signal }).then(resolve, reject);
  });
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
    return (await Promise.race([terminal.question(`${oneLine(text)} `), no])).trim() === expected;
  } finally {
    terminal.close();
  }
}
