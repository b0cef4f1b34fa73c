/** What a team has to say before a window: which differences lose something, which of them may be accepted, and in what words that is said. */
import { shellWord } from '../../base/advice';
import type { Difference } from './difference';

/** Those that would lose something and that nobody has accepted, or could. */
export const refused = (differences: readonly Difference[], accepted: readonly string[]): Difference[] =>
  differences.filter(({ id, loses, instead }) => loses !== undefined && (instead !== undefined || !accepted.includes(id)));

/** With the way out: the declaration is in `loses` where there is one. */
export const refusalWords = ({ id, what, loses, instead }: Difference): string =>
  `${what}: a rollback would lose ${loses} (${instead === undefined ? `--accept-loss ${shellWord(id)}` : `it cannot be accepted, only changed: ${instead}`})`;

/** Ids that somebody has accepted, and that nothing has: a word is wrong, or the migrations have become others. */
export const unknownAccepted = (differences: readonly Difference[], accepted: readonly string[]): string[] =>
  accepted.filter(
    (id) => !differences.some((one) => one.id === id && one.loses !== undefined) && !/:(round-trip|nulls|truncate)$/.test(id),
  );
