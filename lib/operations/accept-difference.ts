/** People accept by name what a proof has found: the only way past it. */
import { switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { Journal } from '../engine/journal';
import { viewOf } from '../engine/journal-view';
import { refuseWhileHeld } from '../engine/run';
import { acceptCommand, findingWords, nextWhileOpen, openFindings } from '../engine/verdict';
import type { Runtime, VerbRequest } from './request';

/**
 * Notes who accepts what and why; what somebody has accepted before is not noted again.
 * @throws Stop `usage` without a reason, `difference.unknown`, and what a run says that comes second
 */
export async function acceptDifferences(request: VerbRequest, journal: Journal, { clock }: Pick<Runtime, 'clock'>): Promise<void> {
  const { acceptDifferences: ids = [], reason, run, by, verb } = request;
  if (ids.length === 0) return;
  if (reason === undefined) throw reasonMissing(ids);
  refuseWhileHeld(journal, { verb, run, clock });
  const view = viewOf(journal);
  const found = view.verdict?.findings ?? [];
  const unknown = ids.filter((id) => !found.some((one) => one.id === id));
  if (unknown.length > 0) {
    const open = openFindings(view);
    throw new Stop(
      'difference.unknown',
      `${view.name} has no difference ${unknown.join(', ')}: ${found.length === 0 ? 'nothing was found different' : `there is ${findingWords(found)}`}`,
      {
        state: 'Nothing was accepted and nothing was begun.',
        next: open.length > 0 ? nextWhileOpen(view) : [switchback('status')],
        exit: exit.usage,
      },
    );
  }
  const left = ids.filter((id) => openFindings(view).some((one) => one.id === id));
  if (left.length > 0) await journal.note(run, by, { type: 'difference.accepted', ids: left, reason });
}

/** A journal that does not say why answers nothing. */
export const reasonMissing = (ids: readonly string[]): Stop =>
  new Stop('usage', `--accept-difference ${ids.join(' ')} needs a reason`, {
    next: [acceptCommand(ids.map((id) => ({ id })))],
    exit: exit.usage,
  });
