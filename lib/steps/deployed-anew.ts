/** What stands under "Next" when the reason is in what was deployed. An open window keeps what it was opened with, and the guard refuses a deploy. */
import { type Advice, deploy, say, switchback } from '../base/advice';
import type { Context } from '../engine/context';
import { stackName } from '../manifest/stack-names';

/** `with`: what is other in the app then. Stacks by their parts: `shared`, `green`. */
export function deployedAnew(
  { manifest, window }: Pick<Context, 'manifest' | 'window'>,
  { with: what, parts }: { readonly with: string; readonly parts: readonly string[] },
): Advice[] {
  // the undo closes this window, and its number is not given again.
  const next = Number(window.name.slice(1)) + 1;
  const stacks = [...parts, `fallback-w${next}`].map((part) => stackName(manifest, part));
  return [
    switchback('stage', '--undo'),
    say`then, with ${what} and window: ${next} in your CDK app: ${deploy(...stacks)}`,
    switchback('stage'),
  ];
}

/** The release itself is to be mended. */
export const releaseMended = (context: Pick<Context, 'manifest' | 'window'>): Advice[] =>
  deployedAnew(context, { with: 'a mended release', parts: [context.window.to] });
