/** Verbs, options and exit codes of the command (docs/commands.md). */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import { Command, CommanderError, Option } from 'commander';
import { explain, makeAws } from '../aws';
import { makeOutput, type Output } from '../report';
import { wallClock } from '../runbook/clock';
import { exit, Stop } from '../runbook/errors';
import type { Verb } from '../runbook/events';
import type { Reply, Request } from '../runbook/verbs';
import { type Answer, drive } from './drive';
import { showPlan, showStatus } from './look';
import { whichSystem, whoIsThis } from './system';

interface Flags {
  readonly system?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly here?: boolean;
  readonly by?: string;
  readonly acceptLoss?: boolean;
  readonly now?: boolean;
  readonly keepStandby?: boolean;
  readonly answer?: 'go' | 'no-go';
  readonly reason?: string;
  readonly detailedExitcode?: boolean;
  readonly verb?: 'cutover' | 'rollback' | 'teardown' | 'stage';
  readonly color?: boolean;
}

/** Runs one command line; answers its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  let code: number = exit.done;
  const program = commandLine((action) => async (flags: Flags) => {
    const output = makeOutput({ json: flags.json ?? false, color: flags.color ?? true, stdout: process.stdout, stderr: process.stderr });
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
      .option('--by <name>', 'who you are, for the journal (default: your AWS principal)');

  running('stage', 'days or hours before: check everything the night needs; nothing is down').action(
    run((flags, output) => take('stage', flags, output)),
  );
  verb('plan', 'the plan on the wall: every step, who does it, how long it takes')
    .addOption(new Option('--verb <verb>', 'which runbook').choices(['stage', 'cutover', 'rollback', 'teardown']).default('cutover'))
    .option('--detailed-exitcode', 'exit 3 when there is something to do')
    .action(run((flags, output) => plan(flags, output)));
  running('cutover', 'the night: maintenance, workers, fence, migrations, checks, traffic, watching')
    .addOption(new Option('--answer <answer>', 'answer the gate: go or no-go').choices(['go', 'no-go']))
    .option('--reason <text>', 'why, for the journal')
    .action(run((flags, output) => take('cutover', flags, output)));
  running('rollback', 'take everything back, from wherever the window is')
    .option('--accept-loss', 'accept that writes since opening stay behind')
    .action(run((flags, output) => take('rollback', flags, output)));
  running('teardown', 'the end of the hold: remove what a rollback would have needed')
    .option('--now', 'before the hold has ended')
    .option('--keep-standby', "leave the standby color's stack for the next window")
    .action(run((flags, output) => take('teardown', flags, output)));
  verb('status', 'which color is live, which window is open, what to type next').action(
    run(async (flags, output) => {
      const aws = makeAws();
      await aws.whoAmI();
      return showStatus(aws, await whichSystem(aws, flags.system), output, wallClock);
    }),
  );
  return program;
}

async function plan(flags: Flags, output: Output): Promise<number> {
  const aws = makeAws();
  await aws.whoAmI();
  const steps = await showPlan(aws, await whichSystem(aws, flags.system), flags.verb ?? 'cutover', output, wallClock);
  return flags.detailedExitcode && steps > 0 ? exit.changes : exit.done;
}

async function take(verb: Verb, flags: Flags, output: Output): Promise<number> {
  const aws = makeAws();
  const by = await whoIsThis(aws, flags.by);
  const system = await whichSystem(aws, flags.system);
  const interactive = process.stdin.isTTY === true && process.stderr.isTTY === true && !flags.json;
  if (verb !== 'stage' && !flags.yes && flags.answer === undefined) {
    if (!interactive)
      throw new Stop('confirm.no-terminal', `${verb} changes what customers see, and there is no terminal to ask`, {
        next: [`npm run ${verb} -- --yes`],
        exit: exit.usage,
      });
    await showPlan(aws, system, verb, output, wallClock);
    if (!(await confirm(`Start the ${verb} of ${system}? Type ${system} to go on: `, system))) {
      throw new Stop('confirm.declined', 'nothing was changed', { exit: exit.aborted });
    }
  }
  const request: Request = {
    system,
    verb,
    run: randomUUID(),
    by,
    ...(flags.acceptLoss ? { acceptLoss: true } : {}),
    ...(flags.now ? { now: true } : {}),
    ...(flags.keepStandby ? { keepStandby: true } : {}),
    ...(flags.answer ? { answer: { answer: flags.answer, reason: flags.reason ?? 'no reason given' } } : {}),
  };
  const interrupted = new AbortController();
  const onInterrupt = () => {
    interrupted.abort();
    output.note('Ctrl-C: the runner finishes the step it is in; press it again to leave at once (the runner goes on by itself)');
    process.once('SIGINT', () => process.exit(exit.interrupted));
  };
  process.once('SIGINT', onInterrupt);
  try {
    const reply = await drive(request, {
      aws,
      clock: wallClock,
      screen: output.screen(verb, request.run),
      here: flags.here ?? false,
      ask: atGate(flags, interactive),
      signal: interrupted.signal,
    });
    output.reply(verb, reply);
    return exitOf(reply);
  } finally {
    process.removeListener('SIGINT', onInterrupt);
  }
}

function exitOf(reply: Reply): number {
  if (reply.state === 'finished') return exit.done;
  if (reply.state === 'stopped') return reply.exit;
  // a gate that nobody has answered: not done, not refused.
  return exit.refused;
}

async function confirm(question: string, expected: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(question)).trim() === expected;
  } finally {
    terminal.close();
  }
}

/** Who answers a gate: the flags, or a person; nobody where there is neither. */
function atGate(flags: Flags, interactive: boolean): ((question: string) => Promise<Answer | undefined>) | undefined {
  const { answer, reason } = flags;
  if (answer) return async () => ({ answer, reason: reason ?? 'no reason given' });
  if (flags.yes) return async () => ({ answer: 'go', reason: reason ?? 'answered by --yes' });
  return interactive ? askGate : undefined;
}

async function askGate(question: string): Promise<Answer | undefined> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    for (;;) {
      const word = (await terminal.question(`${question} (go / no-go) `)).trim();
      if (word === 'go' || word === 'no-go')
        return { answer: word, reason: (await terminal.question('Why, for the journal: ')).trim() || 'no reason given' };
    }
  } finally {
    terminal.close();
  }
}
