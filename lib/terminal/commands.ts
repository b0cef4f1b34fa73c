/** Verbs, options and exit codes of the command (docs/commands.md). */
import { randomUUID } from 'node:crypto';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type Aws, explain, makeAws } from '../aws';
import { exit, Stop } from '../base/errors';
import { parseUpBy } from '../engine/decision-time';
import type { AtDecision, Verb } from '../engine/events';
import { decisionStep } from '../engine/step-id';

import type { Reply, VerbRequest } from '../operations/request';
import { makeOutput, type Output } from '../report';
import { drive } from './drive';
import { askGate, confirm, question } from './gate';
import { extend, openWindow } from './open-window';
import { showCheck, showPlan, showStatus, watchStatus } from './show';
import { whichSystem, whoIsThis } from './system';

interface Flags {
  readonly system?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly here?: boolean;
  readonly by?: string;
  /** True at a rollback; ids of differences at a cutover. */
  readonly acceptLoss?: boolean | readonly string[];
  readonly now?: boolean;
  readonly keepStandby?: boolean;
  readonly undo?: boolean;
  readonly answer?: 'go' | 'no-go';
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
}

/** Runs one command line; answers its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  let code: number = exit.done;
  const program = commandLine((action) => async (flags: Flags) => {
    const output = makeOutput({
      ...{ json: flags.json ?? false, color: flags.color ?? true, stdout: process.stdout, stderr: process.stderr, question },
    });
    try {
      code = await action(flags, output);
    } catch (error) {
      const explained = explain(error);
      output.failure(explained);
      code = explained instanceof Stop ? explained.exit : exit.failed;
    }
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    // commander has said what is wrong with the words; help is no error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exit.done : exit.usage;
    throw error;
  }
  return code;
}

type Action = (flags: Flags, output: Output) => Promise<number>;

function commandLine(run: (action: Action) => (flags: Flags) => Promise<void>): Command {
  const program = new Command('switchback')
    .description('the blue/green release window that can be taken back without losing a write')
    .exitOverride();
  program.showSuggestionAfterError().configureHelp({ sortSubcommands: false });
  const verb = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .option('--system <name>', 'the system (default: the only one there is)')
      .option('--json', 'JSON lines on standard output')
      .option('--no-color', 'no colors (NO_COLOR works too)');
  const running = (name: Verb, description: string) =>
    verb(name, description)
      .option('--yes', 'answer every question with yes; needed where there is no terminal')
      .option('--here', 'run the steps in this process instead of the runner function')
      .option('--take-over', 'take the window over from a run that has not ended, once its lease has')
      .option('--patience <seconds>', 'stop at a step that takes longer (default: each step has its own patience)', positive)
      .option('--by <name>', 'who you are, for the journal (default: your AWS principal)', said)
      .option('--reason <text>', 'why, for the journal and for whoever comes second; with --answer: why that answer', said);

  running('stage', 'days or hours before: check everything the night needs; nothing is down')
    .option('--undo', 'take it back: the trial, the feed and the fallback go, and the window is closed')
    .action(run((flags, output) => take('stage', flags, output)));
  verb('plan', 'the plan on the wall: every step, who does it, how long it takes')
    .addOption(new Option('--verb <verb>', 'which runbook').choices(['stage', 'cutover', 'rollback', 'teardown']).default('cutover'))
    .option('--up-by <time>', 'show the decision time for this hour: HH:MM or ISO 8601')
    .option('--detailed-exitcode', 'exit 3 when there is something to do')
    .action(run((flags, output) => plan(flags, output)));
  running('cutover', 'the night: maintenance, workers, fence, migrations, checks, traffic, watching')
    .addOption(new Option('--answer <answer>', 'answer the gate: go or no-go').choices(['go', 'no-go']))
    .option('--up-by <time>', 'something must be up by then: HH:MM or ISO 8601; given again, it extends the window')
    .addOption(
      new Option('--at-decision <policy>', 'what happens when nobody answers at the decision time (default: as before, else hold)').choices(
        ['rollback', 'hold'],
      ),
    )
    .option('--accept-loss <ids...>', 'differences of the two forms that a rollback may lose, by the ids the run named')
    .action(run((flags, output) => take('cutover', flags, output)));
  running('rollback', 'take everything back, from wherever the window is')
    .option('--accept-loss', 'accept that writes since opening stay behind')
    .option('--traffic-only', 'emergency: only the rules move, from this process, with nothing but ELBv2 and one SSM parameter')
    .action(run((flags, output) => take('rollback', flags, output)));
  running('teardown', 'the end of the hold: remove what a rollback would have needed')
    .option('--now', 'before the hold has ended')
    .option('--keep-standby', "leave the standby color's stack for the next window")
    .action(run((flags, output) => take('teardown', flags, output)));
  verb('status', 'which color is live, which window is open, what to type next')
    .option('--watch', 'follow the run that is under way, or the next one')
    .option('--check', 'look now at everything a night or a rollback counts on; exit 1 when it is not as it should be')
    .option('--here', 'with --check: look from this process instead of the runner function')
    .action(
      run(async (flags, output) => {
        const aws = awsFor(output);
        const by = await whoIsThis(aws, undefined);
        const system = await whichSystem(aws, flags.system);
        if (flags.check) return showCheck(aws, system, flags.here ?? false, output, aws.clock, by);
        return flags.watch ? watchStatus(aws, system, output, aws.clock) : showStatus(aws, system, output, aws.clock);
      }),
    );
  return program;
}

async function plan(flags: Flags, output: Output): Promise<number> {
  const aws = awsFor(output);
  await aws.whoAmI();
  const upBy = flags.upBy === undefined ? undefined : parseUpBy(flags.upBy, aws.clock.now());
  const steps = await showPlan(aws, await whichSystem(aws, flags.system), flags.verb ?? 'cutover', output, aws.clock, { upBy });
  return flags.detailedExitcode && steps > 0 ? exit.changes : exit.done;
}

async function take(verb: Verb, flags: Flags, output: Output): Promise<number> {
  // lib/terminal/start.ts has taken it elsewhere; a full rollback is not what was asked for.
  if (flags.trafficOnly)
    throw new Stop('usage', '--traffic-only stands right after rollback', {
      next: ['npm run rollback -- --traffic-only'],
      exit: exit.usage,
    });
  const aws = awsFor(output);
  const by = await whoIsThis(aws, flags.by);
  const system = await whichSystem(aws, flags.system);
  const upBy =
    flags.upBy === undefined
      ? undefined
      : { upBy: parseUpBy(flags.upBy, aws.clock.now()), ...(flags.atDecision ? { atDecision: flags.atDecision } : {}) };
  if (flags.atDecision && !upBy)
    throw new Stop('usage', `--at-decision ${flags.atDecision} says nothing without --up-by`, {
      next: [`npm run cutover -- --up-by <hour> --at-decision ${flags.atDecision}`],
      exit: exit.usage,
    });
  const run = randomUUID();
  if (upBy && !flags.takeOver && flags.answer === undefined && (await extended(aws, system, { upBy, run, by }, output))) return exit.done;
  const interactive = process.stdin.isTTY === true && process.stderr.isTTY === true && !flags.json;
  if ((verb !== 'stage' || flags.undo) && !flags.yes && flags.answer === undefined) {
    if (!interactive)
      throw new Stop(
        'confirm.no-terminal',
        `${flags.undo ? 'stage --undo deletes the fallback database' : `${verb} changes what customers see`}, and there is no terminal to ask`,
        {
          next: [`npm run ${verb} -- ${flags.undo ? '--undo ' : ''}--yes`],
          exit: exit.usage,
        },
      );
    if (!flags.undo) await showPlan(aws, system, verb, output, aws.clock, { upBy: upBy?.upBy, starting: true });
    const what = flags.undo ? 'Undo the stage of' : `Start the ${verb} of`;
    if (!(await confirm(`${what} ${system}? Type ${system} to go on: `, system))) {
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
    ...(flags.acceptLoss === true ? { acceptLoss: true } : {}),
    ...(Array.isArray(flags.acceptLoss) ? { acceptedLosses: flags.acceptLoss } : {}),
    ...(flags.now ? { now: true } : {}),
    ...(flags.keepStandby ? { keepStandby: true } : {}),
    ...(flags.undo ? { undo: true } : {}),
    ...(flags.answer ? { answer: { answer: flags.answer, reason: flags.reason ?? 'no reason given' } } : {}),
    ...ahead(flags),
  };
  const interrupt = onInterrupt();
  const followed = async (now: VerbRequest) => {
    const reply = await drive(now, {
      aws,
      clock: aws.clock,
      screen: (its, run) => output.screen(its, run),
      here: flags.here ?? false,
      ask: async (gate, signal) => (interactive ? askGate(gate, signal) : undefined),
      note: (text) => output.note(text),
      signal: interrupt.signal,
    });
    output.reply(now.verb, reply);
    return reply;
  };
  try {
    const reply = await followed(request);
    if (reply.state !== 'stopped' || reply.code !== 'decision.roll-back' || interrupt.signal.aborted) return exitOf(reply);
    // decided by people or by the window's policy: nobody needs to type it.
    const { upBy: _hour, answer: _answer, takeOver: _over, ...same } = request;
    return exitOf(await followed({ ...same, verb: 'rollback', run: randomUUID() }));
  } finally {
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

/** Another hour for a run that is under way needs no second run: a note to it is enough. */
async function extended(
  aws: Aws,
  system: string,
  { upBy, run, by }: Pick<VerbRequest, 'run' | 'by'> & { upBy: NonNullable<VerbRequest['upBy']> },
  output: Output,
): Promise<boolean> {
  const { manifest } = await aws.settings.manifest(system);
  const bucket = manifest.shared.journalBucket;
  const open = await openWindow(aws, system, bucket, await aws.journal(bucket, system).windows(), aws.clock);
  const at = open && (await extend(open, upBy, run, by, aws.clock));
  if (!at) return false;
  output.note(
    `noted: ${open.view.name} must be up by ${upBy.upBy}; the ${at.verb} of ${at.by.who} works out its decision time anew before its next step`,
  );
  if (open.view.asked && open.view.asked.step !== decisionStep)
    output.note(`its question is still open: npm run ${at.verb} -- --answer go|no-go --reason "<why>"`);
  return true;
}

function exitOf(reply: Reply): number {
  if (reply.state === 'finished') return exit.done;
  if (reply.state === 'stopped') return reply.exit;
  // a gate that nobody has answered: not done, not refused.
  return exit.refused;
}

/** The runner answers by it and goes on: an invocation less while the site is down. */
function ahead({ answer, reason, yes }: Flags): Pick<VerbRequest, 'ahead'> {
  if (answer) return { ahead: { answer, reason: reason ?? 'no reason given' } };
  return yes ? { ahead: { answer: 'go', reason: reason ?? 'answered by --yes' } } : {};
}

/** What keeps a command waiting is said where its messages go. */
function awsFor(output: Output): Aws {
  const aws = makeAws();
  aws.say = (text) => output.note(text);
  return aws;
}

/** `--reason ""`, from a script whose variable was empty, would leave a journal that answers nothing. */
function said(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('it is empty.');
  return text.trim();
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('it is a number of seconds above 0.');
  return value;
}
