/**
 * A person at the terminal, who knows what they want and otherwise does what the last lines say. So the advice itself is
 * tested: where it leads nowhere, the run has failed.
 */
import type { Verb } from './scenario';

/** What is typed next: a verb, or a look at the status. */
export interface Command {
  readonly verb: Verb | 'status';
  readonly args: readonly string[];
}

/** Whoever wants this may also be led there by these, in this order. */
const leadsTo: Readonly<Record<Verb, readonly (Verb | 'status')[]>> = {
  stage: ['stage', 'status'],
  // what was staged may have to be staged anew; a night that cannot go on is taken back.
  cutover: ['cutover', 'stage', 'status', 'rollback'],
  rollback: ['rollback', 'status'],
  teardown: ['teardown', 'status'],
};

/**
 * The next command of the advice for somebody who wants `goal`; undefined where none leads there.
 * `typed` is what "the same command again" stands for.
 */
export function nextCommand(goal: Verb, typed: Command, advice: readonly string[]): Command | undefined {
  const commands = advice.flatMap((line) => commandsIn(line, typed));
  for (const verb of leadsTo[goal]) {
    const found = commands.filter((command) => command.verb === verb);
    // what gives up writes, ends a window, or overrules somebody is not done because a last line names it.
    const [first] = found.filter(({ args }) => !['--accept-loss', 'no-go', '--overrule'].some((word) => args.includes(word)));
    if (first) return first;
  }
  return undefined;
}

/** As the installed command is typed: flags, each with a value or without one; what comes after them is the sentence that it stands in. */
const installed = /npx switchback (stage|cutover|rollback|teardown|status)((?: --[a-z-]+(?: (?:"[^"]*"|<[^>]*>|(?!-)[^\s,;()]+))?)*)/;

function commandsIn(line: string, typed: Command): Command[] {
  if (/\bsame command\b/.test(line)) return [typed];
  const words = /npm run (stage|cutover|rollback|teardown|status)(?: --((?: [^,;()]+)?))?/.exec(line) ?? installed.exec(line);
  if (!words) return [];
  const verb = words[1] as Command['verb'];
  const args = (words[2] ?? '').trim();
  // a reason in quotes is one word.
  return [{ verb, args: (args.match(/"[^"]*"|<[^>]*>|\S+/g) ?? []).map((word) => word.replaceAll('"', '')) }];
}
