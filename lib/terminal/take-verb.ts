/** Takes a verb from a terminal: asks before what customers feel, drives it to its end, and shows what came of it. */
import { randomUUID } from 'node:crypto';
import type { Aws } from '../aws';
import { type Advice, switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { type AskedOf, again, askedOf } from '../engine/again';
import { parseUpBy } from '../engine/decision-time';
import type { Verb } from '../engine/events';
import { decisionStep } from '../engine/step-id';
import { reasonMissing } from '../operations/accept-difference';
import type { Reply, VerbRequest } from '../operations/request';
import type { Output } from '../report';
import { spell } from '../report/advice';
import { foreignNext, foreignReleases, foreignText } from '../steps/foreign-release';
import { followCustomers } from './customers';
import { drive } from './drive';
import { extend, findWindow } from './find-window';
import type { Flags } from './flags';
import { askGate, confirm } from './gate';
import { MutedKeys } from './keys';
import { showPlan } from './show';
import { whichSystem, whoIsThis } from './system';
import { awsFor } from './terminal-aws';

/** Answers the exit code. */
export async function takeVerb(verb: Verb, flags: Flags, output: Output): Promise<number> {
  // lib/terminal/start.ts has taken it elsewhere; a full rollback is not what was asked for.
  if (flags.trafficOnly)
    throw new Stop('usage', '--traffic-only stands right after rollback', {
      next: [switchback('rollback', '--traffic-only')],
      exit: exit.usage,
    });
  refuseHalf(flags);
  const aws = awsFor(output);
  const by = await whoIsThis(aws, flags.by);
  const system = await whichSystem(aws, flags.system);
  const upBy =
    flags.upBy === undefined
      ? undefined
      : { upBy: parseUpBy(flags.upBy, aws.clock.now()), ...(flags.atDecision ? { atDecision: flags.atDecision } : {}) };
  const run = randomUUID();
  if (upBy && !flags.takeOver && flags.answer === undefined && (await extended(aws, system, { upBy, run, by }, output))) return exit.done;
  const interactive = process.stdin.isTTY === true && process.stderr.isTTY === true && !flags.json;
  // the runner refuses a stage and a cutover for it, and no way back.
  if (verb === 'rollback' || verb === 'teardown') await sayForeign(aws, system, output);
  if ((verb !== 'stage' || flags.undo) && !flags.yes && flags.answer === undefined) {
    if (!interactive)
      throw new Stop(
        'confirm.no-terminal',
        `${flags.undo ? 'stage --undo deletes the fallback database' : `${verb} changes what customers see`}, and there is no terminal to ask`,
        {
          next: [again(verb, askedIn(flags), '--yes')],
          exit: exit.usage,
        },
      );
    const { undo, keepStandby } = flags;
    const { production, begun } = await showPlan(aws, system, verb, output, aws.clock, {
      upBy: upBy?.upBy,
      starting: true,
      undo,
      keepStandby,
    });
    const what = startQuestion(verb, system, { begun, undo: undo ?? false });
    const stays = undo || verb === 'teardown' ? ` Production stays ${production}.` : '';
    if (!(await confirm(`${what}${stays} Type ${system} to go on: `, system))) {
      throw new Stop('confirm.declined', 'nothing was changed', { exit: exit.aborted });
    }
  }
  const request: VerbRequest = {
    system,
    verb,
    run,
    by,
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
    ...(flags.takeOver ? { takeOver: true } : {}),
    ...(flags.patience === undefined ? {} : { patienceSeconds: flags.patience }),
    ...(upBy ? { upBy } : {}),
    ...askedIn(flags),
    ...(flags.migrateAgain ? { migrateAgain: true } : {}),
    ...(flags.acceptDifference ? { acceptDifferences: flags.acceptDifference } : {}),
    ...(flags.answer ? { answer: { answer: flags.answer, reason: flags.reason ?? 'no reason given' } } : {}),
    ...(flags.overrule ? { overrule: true } : {}),
    ...(flags.goAtGate ? { ahead: { answer: 'go', reason: flags.reason ?? 'answered by --go-at-gate' } } : {}),
  };
  const interrupt = onInterrupt();
  const customers = followCustomers(aws, system, aws.clock, output);
  const keys = new MutedKeys();
  if (interactive) keys.take();
  const followed = async (now: VerbRequest) => {
    const reply = await drive(now, {
      aws,
      clock: aws.clock,
      screen: (its, run, watching) => output.screen(its, run, watching),
      here: flags.here ?? false,
      ask: async (gate, signal) => (interactive ? keys.lend(() => askGate(gate, signal)) : undefined),
      note: (text) => output.note(text),
      signal: interrupt.signal,
    });
    await customers.now();
    output.reply(now.verb, reply, { undo: now.undo ?? false });
    return reply;
  };
  try {
    const reply = await followed(request);
    if (reply.state !== 'stopped' || reply.code !== 'decision.roll-back' || interrupt.signal.aborted) return exitOf(reply);
    // decided by people or by the window's policy: nobody needs to type it.
    const { upBy: _hour, answer: _answer, takeOver: _over, ...same } = request;
    return exitOf(await followed({ ...same, verb: 'rollback', run: randomUUID() }));
  } catch (error) {
    // what failed is told beside what customers see.
    await customers.now();
    throw error;
  } finally {
    customers.end();
    keys.end();
    interrupt.end();
  }
}

/**
 * The first Ctrl-C asks the run to stop after the step it is in; the second ends this process at once, whatever it
 * waits for: a run in the runner function goes on without it.
 */
function onInterrupt(): { signal: AbortSignal; end(): void } {
  const wish = new AbortController();
  const first = () => {
    wish.abort();
    // without a handler the signal ends the process, and the shell sees 130.
    process.removeListener('SIGINT', first);
  };
  process.on('SIGINT', first);
  return { signal: wish.signal, end: () => process.removeListener('SIGINT', first) };
}

const askedIn = ({ acceptLoss, ...flags }: Flags): AskedOf =>
  askedOf({ ...flags, acceptLoss: acceptLoss === true, acceptedLosses: Array.isArray(acceptLoss) ? acceptLoss : [] });

/** Another hour for a run that is under way needs no second run: a note to it is enough. */
async function extended(
  aws: Aws,
  system: string,
  { upBy, run, by }: Pick<VerbRequest, 'run' | 'by'> & { upBy: NonNullable<VerbRequest['upBy']> },
  output: Output,
): Promise<boolean> {
  const { manifest } = await aws.settings.manifest(system);
  const bucket = manifest.shared.journalBucket;
  const open = await findWindow(aws, system, bucket, await aws.journal(bucket, system).windows(), aws.clock);
  const at = open && (await extend(open, upBy, run, by, aws.clock));
  if (!at) return false;
  output.note(
    `noted: ${open.view.name} must be up by ${upBy.upBy}; the ${at.verb} of ${at.by.who} works out its decision time anew before its next step`,
  );
  if (open.view.asked && open.view.asked.step !== decisionStep)
    output.note(`its question is still open: ${spell(switchback('cutover', '--answer <go or no-go>', '--reason "<why>"'))}`);
  return true;
}

function exitOf(reply: Reply): number {
  if (reply.state === 'finished') return exit.done;
  if (reply.state === 'stopped') return reply.exit;
  // a gate that nobody has answered: not done, not refused.
  return exit.refused;
}

/** A verb that has stopped in the middle is not started a second time, and its question says so. */
export function startQuestion(verb: Verb, system: string, { begun, undo }: { readonly begun: boolean; readonly undo: boolean }): string {
  if (undo) return `Undo the stage of ${system}?`;
  return `${begun ? 'Go on with' : 'Start'} the ${verb} of ${system}?`;
}

/** What belongs together is given together: nobody is overruled in silence, and nobody says go without meaning it. @throws Stop `usage` */
export function refuseHalf({ answer, overrule, reason, goAtGate, yes, acceptDifference, upBy, atDecision }: Flags): void {
  const usage = (message: string, next: Advice) =>
    new Stop('usage', message, { state: 'Nothing was begun.', next: [next], exit: exit.usage });
  if (acceptDifference && reason === undefined) throw reasonMissing(acceptDifference);
  if (overrule && (!answer || !reason))
    throw usage(
      "--overrule takes the place of somebody's answer: it needs --answer and --reason",
      switchback('cutover', `--answer ${answer ?? '<go or no-go>'}`, '--overrule', '--reason "<why>"'),
    );
  if (goAtGate && answer)
    throw usage(
      `--answer ${answer} answers the question that is open, --go-at-gate one that nobody has asked yet: give one of them`,
      switchback('status'),
    );
  if (goAtGate && !yes)
    throw usage('--go-at-gate is for where nobody is there to be asked: it needs --yes', switchback('cutover', '--yes', '--go-at-gate'));
  if (atDecision && upBy === undefined)
    throw usage(
      `--at-decision ${atDecision} says nothing without --up-by`,
      switchback('cutover', '--up-by <hour>', `--at-decision ${atDecision}`),
    );
}

/** Customers may be waiting: what is not known by then is not said. */
const foreignMs = 3000;

async function sayForeign(aws: Aws, system: string, output: Output): Promise<void> {
  const look = async () => {
    const { manifest } = await aws.settings.manifest(system);
    return (await foreignReleases(aws, manifest)).map((each) => `${foreignText(each, manifest)}; ${spell(foreignNext(each, manifest))}`);
  };
  const late = aws.clock.pause(foreignMs).then((): string[] => []);
  for (const text of await Promise.race([look().catch((): string[] => []), late])) output.note(text);
}
