/**
 * The database's part of a window on two local servers, in seconds and without AWS: the real plans, run by the real runner, without the
 * steps that are about tasks and traffic. Every try is a window of its own over a database of its own; all of them share one pair of
 * servers and one fork, so the roles of one are the roles of all and they take their turns.
 */
import { Attempt } from './try/attempt';
import { Logins } from './try/system';
import type { Tried, Trying, TryOptions } from './try/trying';

export type { Outcome, Place, Tried, Trying, TryOptions } from './try/trying';

/** Tries them one after the other, and tells each as it ends. */
export async function tryAll(tryings: readonly Trying[], options: TryOptions): Promise<Tried[]> {
  const { servers } = options;
  const logins = new Logins(servers.master);
  const open: Attempt[] = [];
  const all: Tried[] = [];
  const attempts = tryings.map((trying, index) => new Attempt(trying, index + 1, logins, options));
  /** Answers those that go on. */
  const each = async (attempts: readonly Attempt[], action: (attempt: Attempt) => Promise<void>): Promise<Attempt[]> => {
    const goingOn: Attempt[] = [];
    for (const attempt of attempts) {
      const ended = await attempt.take(action);
      if (!ended) goingOn.push(attempt);
      else {
        all.push(ended);
        options.onTried?.(ended);
      }
    }
    return goingOn;
  };
  open.push(...(await each(attempts, (attempt) => attempt.prepare())));
  if (open.length === 0) return all;
  await servers.replicate();
  const checked = await each(open, (attempt) => attempt.preflight());
  // before the first slot: what comes after one is read by it.
  const tried = await each(checked, (attempt) => attempt.trial());
  const kept = await each(tried, (attempt) => attempt.slot());
  await each(kept, (attempt) => attempt.window());
  return all;
}
