/** The command line: the table of verbs as commander reads it, and exit codes (docs/reference/commands.md). */
import { Command, CommanderError } from 'commander';
import { explain } from '../aws';
import type { CommandName } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { makeOutput } from '../report';
import { wrap } from '../report/style';
import { type Flags, more } from './flags';
import { question } from './gate';
import type { Tools } from './tools';
import { type VerbEntry, verbs } from './verbs';
import { helpOf, refuseWrongVerb, refuseWrongWords, type VerbTaken } from './words';

/** Runs one command line; answers its exit code. */
export async function main(args: readonly string[], tools: Tools): Promise<number> {
  const output = makeOutput({
    ...{ json: args.includes('--json'), color: !args.includes('--no-color'), stdout: process.stdout, stderr: process.stderr, question },
  });
  let code: number = exit.done;
  try {
    const program = commandLine((action) => async (...given) => {
      // commander's own command comes last, what was typed before the options first.
      const flags = given.at(-2) as Flags;
      code = await action({ ...flags, words: given.slice(0, -2) as string[] }, output, tools);
    });
    refuse(args, program);
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    // help is no error.
    if (error instanceof CommanderError && error.exitCode === 0) return exit.done;
    const explained = error instanceof CommanderError ? ofCommander(error, args) : explain(error);
    output.failure(explained);
    return explained instanceof Stop ? explained.exit : exit.failed;
  }
}

/** @throws Stop `usage` for what commander would take, or say in its own way */
function refuse(args: readonly string[], program: Command): void {
  const [word, ...rest] = args;
  if (word === undefined || ['help', '-h', '--help'].includes(word)) return;
  const all = taken(program);
  refuseWrongVerb(word, all);
  const verb = all.find((each) => each.verb === word);
  if (verb) refuseWrongWords(rest, verb, all);
}

/** Every verb with what it takes. */
export const taken = (program = commandLine(() => async () => undefined)): VerbTaken[] => program.commands.map(takenBy);

const takenBy = (command: Command): VerbTaken => ({
  verb: command.name() as CommandName,
  options: command.options.map(({ long, flags, parseArg, variadic }) => {
    const value = /<.*>/.exec(flags)?.[0];
    return { long: long ?? flags, ...(value === undefined ? {} : { value }), ...(variadic || parseArg === more ? { again: true } : {}) };
  }),
  words: command.registeredArguments.map((argument) => argument.name()),
});

/** What is left to it: a value that an option does not take, a word that is missing. */
function ofCommander({ message }: CommanderError, [verb]: readonly string[]): Stop {
  const words = message.replace(/^error: /, '').replace(/\.$/, '');
  return new Stop('usage', words, { next: verbs.some(({ name }) => name === verb) ? [helpOf(verb as CommandName)] : [], exit: exit.usage });
}

const helpColumns = 80;

type Action = VerbEntry['run'];

/** Also read by whoever documents it: `run` is what an action is wrapped in. */
export function commandLine(run: (action: Action) => (...given: readonly unknown[]) => Promise<void>): Command {
  const program = new Command('switchback')
    .description('the blue/green release window that can be taken back without losing a write')
    .exitOverride()
    // said by whoever catches it, as every other error.
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ sortSubcommands: false });
  for (const verb of verbs)
    verb
      .options(program.command(verb.name).description(verb.description))
      .addHelpText('after', `\n${wrap(verb.details, helpColumns).join('\n')}`)
      .action(run(verb.run));
  // lib/terminal/start.ts takes both before this is loaded: here they are only listed.
  program.command('sandbox').description('AWS on this machine, to go through a window first (package cdk-switchback-sandbox)');
  program.option('-V, --version', 'the version of this command');
  return program;
}
