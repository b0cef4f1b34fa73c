/** The names of tasks that must run once: whoever asks again, with the same name, gets the same task. */
import { createHash } from 'node:crypto';
import type { Context } from '../engine/context';

/**
 * At most 36 characters, which `startedBy` and `clientToken` both take. Systems with names that begin alike, and a
 * system that was removed and made again, have windows of the same name: the moment it was opened tells them apart.
 */
export function onceToken(
  { window, view }: Pick<Context, 'window' | 'view'>,
  what: 'expand' | 'contract' | 'trial' | 'trial-again' | 'trial-contract',
  attempt: number,
): string {
  const which = createHash('sha256').update(`${window.system}/${window.name}/${view.openedAt}`).digest('hex').slice(0, 8);
  return `${window.system.slice(0, 9)}-${which}-${window.name}-${what}-${attempt}`.slice(-36);
}
