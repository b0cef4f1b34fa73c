/** Go or no-go: asked in the journal, answered there by whoever may, acted on by the run that asked. */
import { answers, say, switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { EventBody, GateAnswer, GivenAnswer, Operator } from './events';
import type { Journal } from './journal';
import { viewOf } from './journal-view';
import type { RunAnswer, RunOptions } from './run-options';
import type { Step } from './step';
import { decisionStep } from './step-id';
import { answerText, type StandingAnswer, type WindowView } from './window-view';

/** Asks, where nobody has answered yet; a no-go stops the run. */
export async function askGate(options: RunOptions, step: Step, question: string, waitedMs: () => number): Promise<RunAnswer | undefined> {
  const { journal } = options;
  const tell = (body: EventBody) => journal.append(options.run, options.by, body);
  if (!viewOf(journal).answers.get(step.id)) {
    const asked = journal.events.some((event) => event.type === 'gate.asked' && event.step === step.id && event.run === options.run);
    if (!asked) await tell({ type: 'gate.asked', step: step.id, question });
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
  await tell({
    type: 'step.done',
    step: step.id,
    seconds: Math.round(waitedMs()) / 1000,
    acted: false,
    detail: `${answerText(answer)}: ${answer.reason}`,
  });
  return undefined;
}

/** How people answer. */
export interface Answering {
  /** Takes the place of the answer that stands. */
  readonly overrule?: boolean;
}

/**
 * An answer only answers: where nobody has asked, or somebody was faster, it is refused, and begins nothing.
 * @throws Stop `gate.not-asked`, `gate.answered`, and `gate.over` for a no-go after a go that has been acted on
 */
export function refuseAnswer(view: WindowView | undefined, given: GivenAnswer, { overrule = false }: Answering = {}): void {
  const { current, question } = view ?? {};
  if (!view || !current || !question || current.verb !== 'cutover') throw notAsked(given);
  const standing = view.answers.get(question.step);
  const over = current.steps.get(question.step);
  if (over?.doneAt !== undefined && given.answer === 'no-go') {
    throw new Stop('gate.over', `no-go comes too late: ${over.detail}, and the cutover went on at ${over.doneAt}`, {
      state: 'Nothing was changed.',
      next: [switchback('rollback'), switchback('status')],
      exit: exit.refused,
    });
  }
  if (current.ended === 'finished') throw notAsked(given);
  if (given.question !== undefined && given.question !== question.step) throw answersAnother(given, question.question);
  if (standing && standing.answer !== given.answer && !overrule) throw comesSecond(standing, given);
}

/**
 * Answers the question that was asked last. The same answer twice is one answer; another one must say that it overrules. Of two
 * that are written at once, the one with the lower number stands.
 */
export async function answerGate(
  journal: Journal,
  { run, by, overrule = false }: { readonly run: string; readonly by: Operator } & Answering,
  { question: to, ...given }: GivenAnswer,
): Promise<void> {
  // another hour is another decision: whoever was asked about the one before has answered nothing, and is asked anew.
  const last = journal.events.findLast((event) => event.type === 'gate.asked' || event.type === 'up-by.set');
  const lastAsked = journal.events.findLast((event) => event.type === 'gate.asked');
  if (last?.type === 'up-by.set' && lastAsked?.type === 'gate.asked' && lastAsked.step === decisionStep) return;
  refuseAnswer(viewOf(journal), { ...given, ...(to === undefined ? {} : { question: to }) }, { overrule });
  const { question, answers } = viewOf(journal);
  if (!question) return;
  const before = answers.get(question.step);
  if (before?.answer === given.answer) return;
  await journal.note(run, by, {
    type: 'gate.answered',
    step: question.step,
    ...given,
    ...(before ? { overrules: { number: before.number, answer: before.answer, who: before.by.who } } : {}),
  });
  const standing = viewOf(journal).answers.get(question.step);
  if (standing && standing.answer !== given.answer) throw comesSecond(standing, given);
}

const overruling = (answer: GateAnswer['answer']) =>
  say`to overrule it: ${switchback('cutover', `--answer ${answer}`, '--overrule', '--reason "<why>"')}`;

const comesSecond = (standing: StandingAnswer, { answer }: GateAnswer): Stop =>
  new Stop(
    'gate.answered',
    `${answer} does not count: ${answerText(standing)} on ${standing.by.where} came first, at ${standing.at}: ${standing.reason}`,
    {
      state: 'The first answer stands; nothing was changed.',
      next: [switchback('status', '--watch'), overruling(answer)],
      exit: exit.refused,
    },
  );

const answersAnother = ({ answer }: GivenAnswer, question: string): Stop =>
  new Stop('gate.not-asked', `${answer} does not count: it was said before another question was asked: ${question}`, {
    state: 'The question is open; nothing was changed.',
    next: [switchback('status'), ...answers],
    exit: exit.refused,
  });

const notAsked = ({ answer }: GateAnswer): Stop =>
  new Stop('gate.not-asked', `no question is open that ${answer} could answer`, {
    state: 'Nothing was begun and nothing was changed. Whoever begins a cutover says go beforehand with --yes --go-at-gate.',
    next: [switchback('status')],
    exit: exit.refused,
  });
