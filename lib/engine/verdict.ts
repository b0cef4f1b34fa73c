/**
 * What the proof of a rollback has found stays found: a second look would see another world, and call it equal. Only people take a finding
 * away, by its name and with a reason.
 */
import { type Advice, type Command, shellWord, switchback } from '../base/advice';
import type { Facts, Finding, JournalEvent, Operator, ProofFound } from './events';
import { proofStep } from './step-id';

export interface Acceptance {
  readonly by: Operator;
  readonly at: string;
  readonly reason: string;
}

export type Found = Finding & { readonly accepted?: Acceptance };

export interface Verdict {
  readonly findings: readonly Found[];
  /** The comparison of the rollback; undefined while only something else was found. */
  readonly proof: Facts | undefined;
  /** Where the SQL is that puts in the rows that differ. */
  readonly files: readonly string[];
}

/** Of a window's view. */
type Judged = { readonly verdict?: Verdict | undefined };

/** The verdict after one more look. */
export function foundMore(verdict: Verdict | undefined, { findings, proof, file }: Omit<ProofFound, 'type'>): Verdict {
  const fresh = findings.filter(({ id }) => !verdict?.findings.some((known) => known.id === id));
  return {
    findings: [...(verdict?.findings ?? []), ...fresh],
    proof: proof ?? verdict?.proof,
    files: [...(verdict?.files ?? []), ...(file === undefined ? [] : [file])],
  };
}

/** The verdict after one more event. */
export function judged(verdict: Verdict | undefined, event: JournalEvent): Verdict | undefined {
  switch (event.type) {
    case 'proof.found':
      return foundMore(verdict, event);
    case 'difference.accepted': {
      const { by, at, reason, ids } = event;
      // of two who accept at the same moment the first has done it.
      const findings = verdict?.findings.map((one) =>
        ids.includes(one.id) && !one.accepted ? { ...one, accepted: { by, at, reason } } : one,
      );
      return verdict && { ...verdict, findings: findings ?? [] };
    }
    // of earlier versions, which kept only what the step said.
    case 'run.stopped':
      return verdict || !(event.code === 'proof.different' || event.code === 'proof.written-behind')
        ? verdict
        : earlier('different', event.message, { equal: false });
    case 'step.done':
      return verdict || event.step !== proofStep || event.facts?.['proven'] !== false
        ? verdict
        : earlier('unproven', event.detail ?? '', event.facts['proof'] as Facts | undefined);
    default:
      return verdict;
  }
}

const earlier = (is: 'different' | 'unproven', what: string, proof: Facts | undefined): Verdict => ({
  findings: [{ id: `proof:${is}`, is, what }],
  proof: proof ?? {},
  files: [],
});

/** What nobody has accepted yet. */
export const openFindings = ({ verdict }: Judged): readonly Found[] => verdict?.findings.filter(({ accepted }) => !accepted) ?? [];

/** Rows are known to be on the former production only; the others could not be told. */
export const isLoss = ({ is }: Finding): boolean => is !== 'unproven';

/** Its sentence, with its name. */
export const findingText = ({ id, is, what }: Finding): string => `${is === 'unproven' ? 'not proven: ' : ''}${what} [${id}]`;

/** All of them, and where the SQL is. */
export function findingWords(findings: readonly Finding[], files: readonly string[] = []): string {
  return [...findings.map(findingText), ...(files.length > 0 ? [`the SQL that puts the rows in is in ${files.join(', ')}`] : [])].join(
    '; ',
  );
}

/** All of it in one sentence; undefined where nothing is open. */
export function openWords(view: Judged): string | undefined {
  const open = openFindings(view);
  if (open.length === 0) return undefined;
  return `${open.some(isLoss) ? 'not equal: ' : ''}${findingWords(open, view.verdict?.files)}`;
}

/** As it is typed, for these findings. */
export const acceptCommand = (findings: readonly Pick<Finding, 'id'>[]): Command =>
  switchback('rollback', ...findings.map(({ id }) => `--accept-difference ${shellWord(id)}` as const), '--reason "<why>"');

/** What to type while something is open. */
export const nextWhileOpen = (view: Judged): Advice[] => [acceptCommand(openFindings(view)), switchback('status')];
