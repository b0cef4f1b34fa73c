/** What can be typed after a verb. */
import { InvalidArgumentError } from 'commander';
import { oneLine } from '../base/plain-text';
import type { AtDecision } from '../engine/events';

/** What a command line may say; which of it a verb takes is in verbs.ts. */
export interface Flags {
  /** Words that are no options. */
  readonly words?: readonly string[];
  readonly system?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly here?: boolean;
  readonly by?: string;
  /** True at a rollback; ids of differences at a cutover. */
  readonly acceptLoss?: boolean | readonly string[];
  /** Ids of what the proof of a rollback has found. */
  readonly acceptDifference?: readonly string[];
  readonly now?: boolean;
  readonly keepStandby?: boolean;
  readonly undo?: boolean;
  readonly migrateAgain?: boolean;
  readonly answer?: 'go' | 'no-go';
  readonly overrule?: boolean;
  readonly goAtGate?: boolean;
  readonly reason?: string;
  readonly takeOver?: boolean;
  readonly trafficOnly?: boolean;
  readonly patience?: number;
  readonly upBy?: string;
  readonly atDecision?: AtDecision;
  readonly watch?: boolean;
  readonly check?: boolean;
  readonly detailedExitcode?: boolean;
  readonly verb?: 'cutover' | 'rollback' | 'teardown' | 'stage';
  readonly color?: boolean;
  readonly before?: string;
  readonly dump?: string;
  readonly migrate?: string;
  readonly migrateCommand?: string;
  readonly bridges?: string;
  readonly writes?: string;
  readonly backWrites?: string;
  readonly ask?: readonly string[];
  readonly bookkeeping?: readonly string[];
  readonly case?: string;
  readonly id?: readonly string[];
  readonly postgres?: number;
}

/** `--reason ""`, from a script whose variable was empty, would leave a journal that answers nothing. */
export function said(text: string): string {
  const words = oneLine(text);
  if (words === '') throw new InvalidArgumentError('it is empty.');
  refuseOption(words);
  return words;
}

/** Of an option that may be given again. */
export const more = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** One of several ids. `--accept-difference --yes`: the next option is none, whatever was forgotten before it. */
export function named(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), said(text)];
}

function refuseOption(text: string): void {
  if (text.startsWith('-')) throw new InvalidArgumentError('it is the next option: a value is missing before it.');
}

export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('it is a number of seconds above 0.');
  return value;
}
