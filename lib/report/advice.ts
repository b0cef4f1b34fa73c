/** The one place that spells advice. Which spelling is decided once, by the entry point (scripts/verb.ts, bin/switchback.ts). */
import type { Advice, Command } from '../base/advice';

/** Who reads: somebody who installed the package, or somebody in this repository. */
export type Reader = 'installed' | 'repository';

// one per process: every screen, note and JSON line is for the same reader.
let reader: Reader = 'installed';

/** Called by the entry point, before anything is shown. */
export function speakTo(who: Reader): void {
  reader = who;
}

/** As it is typed by whom it is shown to. */
export const spell = (advice: Advice): string =>
  'say' in advice ? advice.say.map((part) => (typeof part === 'string' ? part : spellCommand(part))).join('') : spellCommand(advice);

function spellCommand(command: Command): string {
  if ('deploy' in command) return `npx cdk deploy ${command.deploy.join(' ')}`;
  if ('type' in command) return command.type;
  const { verb, words = [], evaluated } = command;
  const line =
    reader === 'installed'
      ? ['npx switchback', verb, ...words]
      : [evaluated ? 'npm run --silent' : 'npm run', verb, ...(words.length > 0 ? ['--', ...words] : [])];
  return evaluated ? `eval "$(${line.join(' ')})"` : line.join(' ');
}
