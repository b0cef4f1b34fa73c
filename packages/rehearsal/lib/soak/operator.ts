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
  // what nobody could tell is accepted first; where rows are different, the run has failed.
  teardown: ['teardown', 'rollback', 'status'],
};

/**
 * The next command of the advice for somebody who wants `goal`; undefined where none leads there.
 * `typed` is what "the same command again" stands for.
 */
export function nextCommand(goal: Verb, typed: Command, advice: readonly string[]): Command | undefined {
  const commands = advice.flatMap((line) => commandsIn(line, typed));
  for (const verb of leadsTo[goal]) {
    const found = commands.filter(
      (command) => command.verb === verb && (goal !== 'teardown' || verb !== 'rollback' || acceptsUntold(command)),
    );
    // what gives up writes, ends a window, or overrules somebody is not done because a last line names it.
    const [first] = found.filter(({ args }) => !['--accept-loss', 'no-go', '--overrule'].some((word) => args.includes(word)));
    if (first) return first;
  }
  return undefined;
}

/** A runner that was killed in the comparison has lost its moment: what customers have written since can be told by nobody. */
const acceptsUntold = ({ args }: Command): boolean => {
  const ids = args.filter((_, index) => args[index - 1] === '--accept-difference');
  return ids.length > 0 && !ids.some((id) => /:different$|^written-behind:\d|^sequence:/.test(id));
};

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
