/** The table of verbs. A new verb is one entry here, one list in lib/plans, and one page of help (docs/reference is made from this). */
import { Argument, Command, Option } from 'commander';
import type { CommandName } from '../base/advice';
import { exit } from '../base/errors';
import { parseUpBy } from '../engine/decision-time';
import type { Verb } from '../engine/events';
import type { Output } from '../report';
import { completion, type Shell, shells } from './completion';
import { type Flags, named, positive, said } from './flags';
import { showCheck, showPlan, showStatus, watchStatus } from './show';
import { whichSystem, whoIsThis } from './system';
import { takeVerb } from './take-verb';
import { awsFor } from './terminal-aws';
import type { Tools } from './tools';
import { tryOptions, tryVerb } from './try';

export interface VerbEntry {
  readonly name: CommandName;
  /** Its line in the list of verbs. */
  readonly description: string;
  /** The rest of its page of help: what it changes, and what comes after it. */
  readonly details: string;
  readonly options: (command: Command) => Command;
  /** Answers the exit code. */
  readonly run: (flags: Flags, output: Output, tools: Tools) => Promise<number>;
}

/** What every verb takes. */
const common = (command: Command): Command =>
  command
    .option('--system <name>', 'the system (default: the only one there is)')
    .option('--json', 'JSON lines on standard output')
    .option('--no-color', 'no colors (NO_COLOR works too)');

/** What a verb takes that runs a list of steps. */
const running = (command: Command): Command =>
  common(command)
    .option('--yes', 'begin without asking; needed where there is no terminal')
    .option('--here', 'run the steps in this process instead of the runner function')
    .option('--take-over', 'take the window over from a run that has not ended, once its lease has')
    .option('--patience <seconds>', 'stop at a step that takes longer (default: each step has its own patience)', positive)
    .option('--by <name>', 'who you are, for the journal (default: your AWS principal)', said)
    .option('--reason <text>', 'why, for the journal and for whoever comes second; with --answer: why that answer', said);

const taken =
  (verb: Verb): VerbEntry['run'] =>
  (flags, output) =>
    takeVerb(verb, flags, output);

export const verbs: readonly VerbEntry[] = [
  {
    name: 'stage',
    description: 'days or hours before: check everything the cutover needs; nothing is down',
    details:
      'Tries the migrations on a copy of production, forks the database while customers use it and keeps the fork fed, and brings the standby color up out of traffic. Run it again after a stop: it goes on from there.',
    options: (command) =>
      running(command)
        .option('--accept-loss <ids...>', 'schema differences that a rollback may lose, by the ids the trial named', named)
        .option('--undo', 'take it back: the trial, the feed and the fallback go, and the window is closed'),
    run: taken('stage'),
  },
  {
    name: 'plan',
    description: 'the plan on the wall: every step, who does it, how long it takes',
    details: 'Changes nothing. What the trial found is shown with it: what the migrations change, and what a rollback would lose.',
    options: (command) =>
      common(command)
        .addOption(new Option('--verb <verb>', 'which runbook').choices(['stage', 'cutover', 'rollback', 'teardown']).default('cutover'))
        .option('--up-by <time>', 'show the decision time for this hour: HH:MM or ISO 8601')
        .option('--detailed-exitcode', 'exit 3 when there is something to do'),
    async run(flags, output) {
      const aws = awsFor(output);
      await aws.whoAmI();
      const upBy = flags.upBy === undefined ? undefined : parseUpBy(flags.upBy, aws.clock.now());
      const { left } = await showPlan(aws, await whichSystem(aws, flags.system), flags.verb ?? 'cutover', output, aws.clock, { upBy });
      return flags.detailedExitcode && left > 0 ? exit.changes : exit.done;
    },
  },
  {
    name: 'cutover',
    description: 'the release itself: maintenance, workers, fence, migrations, checks, traffic, watching',
    details:
      'Asks for go or no-go before customers see the new release. Stops where something is not as it should be, says what customers see then, and goes on from there when it is typed again.',
    options: (command) =>
      running(command)
        .addOption(
          new Option('--answer <answer>', 'answer the question that is open: go or no-go; it begins nothing').choices(['go', 'no-go']),
        )
        .option('--overrule', 'with --answer and --reason: take the place of the answer that somebody gave before')
        .option('--go-at-gate', 'with --yes: say go beforehand, for where nobody is there to be asked at the gate')
        .option('--up-by <time>', 'something must be up by then: HH:MM or ISO 8601; given again, it extends the window')
        .addOption(
          new Option(
            '--at-decision <policy>',
            'what happens when nobody answers at the decision time (default: as before, else hold)',
          ).choices(['rollback', 'hold']),
        )
        .option('--accept-loss <ids...>', 'schema differences that a rollback may lose, by the ids the run named', named)
        .option('--migrate-again', 'start the migrations again where ECS has forgotten the task that ran them, and a person has looked'),
    run: taken('cutover'),
  },
  {
    name: 'rollback',
    description: 'take everything back, from wherever the window is',
    details:
      'Before the opening it reopens what was there; after it, what customers have written in the new schema goes with it. Compares every row, and prints what the old schema could not hold. Deletes nothing. What the comparison has found different, or could not tell, stays so until it is accepted by name: typed again it says the same, and no teardown goes on (docs/operations.md).',
    options: (command) =>
      running(command)
        .option('--accept-loss', 'accept that writes since opening stay behind')
        .option('--accept-difference <ids...>', 'accept what the proof has found, by the ids it named; needs --reason', named)
        .option('--traffic-only', 'emergency: only the rules move, from this process, with nothing but ELBv2 and one SSM parameter'),
    run: taken('rollback'),
  },
  {
    name: 'teardown',
    description: 'the end of the hold: remove what a rollback would have needed',
    details: 'A schedule does it at the end of the hold. A final snapshot of the database that goes is kept.',
    options: (command) =>
      running(command)
        .option('--now', 'before the hold has ended')
        .option('--keep-standby', "leave the standby color's stack for the next window")
        .option('--migrate-again', 'start the migrations again where ECS has forgotten the task that ran them, and a person has looked'),
    run: taken('teardown'),
  },
  {
    name: 'status',
    description: 'which color is live, which window is open, what to type next',
    details: 'Changes nothing.',
    options: (command) =>
      common(command)
        .option('--watch', 'follow the run that is under way, or the next one')
        .option('--check', 'look now at everything a cutover or a rollback counts on; exit 1 when it is not as it should be')
        .option('--here', 'with --check: look from this process instead of the runner function'),
    async run(flags, output) {
      const aws = awsFor(output);
      const by = await whoIsThis(aws, undefined);
      const system = await whichSystem(aws, flags.system);
      if (flags.check) return showCheck(aws, system, flags.here ?? false, output, aws.clock, by);
      return flags.watch ? watchStatus(aws, system, output, aws.clock) : showStatus(aws, system, output, aws.clock);
    },
  },
  {
    name: 'try',
    description: "the database's part of a window on two local servers, in seconds and without AWS",
    details:
      'Preflight, trial, fork, fence, migrations, bridge, feed, rollback, comparison and loss manifest, as a window does them. Exit 0: lossless. Exit 6: refused, with what would be lost and what to declare or to accept. Exit 1: something is wrong. For your CI, beside your migrations (docs/try.md).',
    options: tryOptions,
    run: tryVerb,
  },
  {
    name: 'completion',
    description: 'a script for your shell, which offers verbs, options and their values',
    details:
      'For bash: eval "$(switchback completion bash)". For zsh the same, after compinit. For fish: switchback completion fish | source.',
    options: (command) => command.addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(shells)),
    async run({ words: [shell] = [] }) {
      const commands = verbs.map((verb) => verb.options(new Command(verb.name).description(verb.description)));
      process.stdout.write(completion(shell as Shell, commands, [...verbs.map(({ name }) => name), 'sandbox']));
      return exit.done;
    },
  },
];
