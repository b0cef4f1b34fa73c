/** What the flags of the verbs take, and what they leave alone. */
import { CommanderError } from 'commander';
import { makeOutput } from '../../lib/report';
import { commandLine } from '../../lib/terminal/commands';
import type { Flags } from '../../lib/terminal/flags';
import { takeVerb } from '../../lib/terminal/take-verb';

/** The flags as a verb is given them, or what commander says. */
async function flagsOf(...args: string[]): Promise<Flags | string> {
  let seen: Flags | undefined;
  const program = commandLine(() => async (...given) => {
    seen = given[0] as Flags;
  });
  for (const command of [program, ...program.commands]) command.exitOverride();
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
  return seen!;
}

test('several differences are accepted at once, or one after the other', async () => {
  const reason = ['--reason', 'put in by hand'];
  expect(await flagsOf('rollback', '--accept-difference', 'public.a:different', 'sequence:public.s', ...reason, '--yes')).toMatchObject({
    ...{ acceptDifference: ['public.a:different', 'sequence:public.s'], reason: 'put in by hand', yes: true },
  });
  expect(await flagsOf('rollback', '--accept-difference', 'a', '--accept-difference', 'b', ...reason)).toMatchObject({
    acceptDifference: ['a', 'b'],
  });
});

test.each([
  ['rollback', '--accept-difference', '--yes'],
  ['rollback', '--accept-difference', ''],
  ['rollback', '--accept-difference'],
  ['rollback', '--reason', '--yes'],
  ['cutover', '--accept-loss', '--yes'],
])('an option is no value of the one before it: %s %s %s', async (...args) => {
  expect(await flagsOf(...args)).toMatch(/argument/);
});

test('a difference is not accepted without a reason, and nobody is asked before that is said', async () => {
  const stderr = { write: () => true } as unknown as NodeJS.WriteStream;
  const output = makeOutput({ json: true, color: false, stdout: stderr, stderr, env: {} });
  await expect(takeVerb('rollback', { acceptDifference: ['public.a:different'] }, output)).rejects.toMatchObject({
    ...{ code: 'usage', exit: 2, message: '--accept-difference public.a:different needs a reason' },
  });
});
