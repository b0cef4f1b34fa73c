/** The command line: the table of verbs as commander reads it, and exit codes (docs/reference/commands.md). */
import { Command, CommanderError } from 'commander';
import { explain } from '../aws';
import { exit, Stop } from '../base/errors';
import { makeOutput } from '../report';
import { wrap } from '../report/style';
import type { Flags } from './flags';
import { question } from './gate';
import type { Tools } from './tools';
import { type VerbEntry, verbs } from './verbs';

/** Runs one command line; answers its exit code. */
export async function main(args: readonly string[], tools: Tools): Promise<number> {
  let code: number = exit.done;
  const program = commandLine((action) => async (flags: Flags) => {
    const output = makeOutput({
      ...{ json: flags.json ?? false, color: flags.color ?? true, stdout: process.stdout, stderr: process.stderr, question },
    });
    try {
      code = await action(flags, output, tools);
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

const helpColumns = 80;

type Action = VerbEntry['run'];

/** Also read by whoever documents it: `run` is what an action is wrapped in. */
export function commandLine(run: (action: Action) => (flags: Flags) => Promise<void>): Command {
  const program = new Command('switchback')
    .description('the blue/green release window that can be taken back without losing a write')
    .exitOverride();
  program.showSuggestionAfterError().configureHelp({ sortSubcommands: false });
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
