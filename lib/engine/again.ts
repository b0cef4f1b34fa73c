/** What was asked of a verb beside its name: journaled with its run, carried by whoever takes it up, and repeated by every advice. */
import { type Command, shellWord } from '../base/advice';
import type { Verb } from './events';

/** What changes what is deleted or accepted. */
export interface AskedOf {
  readonly acceptLoss?: boolean;
  readonly acceptedLosses?: readonly string[];
  readonly now?: boolean;
  readonly keepStandby?: boolean;
  readonly undo?: boolean;
}

/** Only what was said: an option that is left out is not taken back. */
export const askedOf = ({ acceptLoss, acceptedLosses, now, keepStandby, undo }: AskedOf): AskedOf => ({
  ...(acceptLoss ? { acceptLoss } : {}),
  ...(acceptedLosses && acceptedLosses.length > 0 ? { acceptedLosses } : {}),
  ...(now ? { now } : {}),
  ...(keepStandby ? { keepStandby } : {}),
  ...(undo ? { undo } : {}),
});

/** The same command, with all that was asked of it. */
export function again(
  verb: Verb,
  { acceptLoss, acceptedLosses = [], now, keepStandby, undo }: AskedOf,
  ...more: readonly string[]
): Command {
  const words = [
    ...(undo && verb === 'stage' ? ['--undo'] : []),
    ...(now && verb === 'teardown' ? ['--now'] : []),
    ...(keepStandby && verb === 'teardown' ? ['--keep-standby'] : []),
    ...(acceptLoss && verb === 'rollback' ? ['--accept-loss'] : []),
    ...(acceptedLosses.length > 0 && (verb === 'cutover' || (verb === 'stage' && !undo))
      ? [`--accept-loss ${acceptedLosses.map(shellWord).join(' ')}`]
      : []),
    ...more,
  ];
  return { verb, ...(words.length > 0 ? { words } : {}) };
}
