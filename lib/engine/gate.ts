/** Go or no-go: asked in the journal, answered there by whoever may, acted on by the run that asked. */
import { switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { EventBody, GateAnswer, Operator } from './events';
import type { Journal } from './journal';
import { viewOf } from './journal-view';
import type { RunAnswer, RunOptions } from './run-options';
import type { Step } from './step';
import { decisionStep } from './step-id';

/** Asks, where nobody has answered yet; a no-go stops the run. */
export async function askGate(options: RunOptions, step: Step, question: string, waitedMs: () => number): Promise<RunAnswer | undefined> {
  const { journal } = options;
  const say = (body: EventBody) => journal.append(options.run, options.by, body);
  if (!viewOf(journal).answers.get(step.id)) {
    const asked = journal.events.some((event) => event.type === 'gate.asked' && event.step === step.id && event.run === options.run);
    if (!asked) await say({ type: 'gate.asked', step: step.id, question });
    if (options.ahead) await journal.note(options.run, options.by, { type: 'gate.answered', step: step.id, ...options.ahead });
  }
  const answer = viewOf(journal).answers.get(step.id);
  if (!answer) return { state: 'gate', step: step.id, question };
  if (answer.answer === 'no-go') {
    throw new Stop('gate.no-go', `no-go by ${answer.by.who}: ${answer.reason}`, {
      state: 'The maintenance answer is in front; the standby color has not been shown to customers.',
      next: [switchback('rollback')],
      exit: exit.refused,
    });
  }
  await say({
    type: 'step.done',
    step: step.id,
    seconds: Math.round(waitedMs()) / 1000,
    acted: false,
    detail: `go by ${answer.by.who}: ${answer.reason}`,
  });
  return undefined;
}

/**
 * Answers the question that was asked last. The same answer twice is one answer.
 * @throws Stop `gate.over` for a no-go after a go that has been acted on
 */
export async function answerGate(
  journal: Journal,
  { run, by }: { readonly run: string; readonly by: Operator },
  given: GateAnswer,
): Promise<void> {
  const asked = journal.events.findLast((event) => event.type === 'gate.asked');
  const answered = journal.events.findLast((event) => event.type === 'gate.answered');
  if (asked?.type !== 'gate.asked') return;
  const later = journal.events.slice(asked.number);
  // another hour is another decision.
  if (asked.step === decisionStep && later.some(({ type }) => type === 'up-by.set')) return;
  const over = later.find((event) => event.type === 'step.done' && event.step === asked.step);
  if (over?.type === 'step.done') {
    if (given.answer === 'go') return;
    throw new Stop('gate.over', `no-go comes too late: ${over.detail}, and the cutover went on at ${over.at}`, {
      state: 'Nothing was changed.',
      next: [switchback('rollback'), switchback('status')],
      exit: exit.refused,
    });
  }
  // the same answer twice is one answer; people may change their minds until it has been acted on.
  if (answered?.type === 'gate.answered' && answered.number > asked.number && answered.answer === given.answer) return;
  await journal.note(run, by, { type: 'gate.answered', step: asked.step, ...given });
}
