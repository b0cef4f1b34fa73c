/**
 * Two ways to a fed fallback: it goes on from exactly where it left production, or, where that cannot be told, it is emptied and every
 * table is copied into it. Which one is told by the servers; it is said before the promotion, which cannot be taken back.
 */

import { switchback } from '../base/advice';
import { Stop } from '../base/errors';
import type { Context } from '../engine/context';
import { forkMethodOf } from '../engine/milestones';
import { done, type Observation, pending, type Step, todo } from '../engine/step';
import type { WindowView } from '../engine/window-view';
import { readTables } from '../postgres/connection/tables';
import { beginCopy, type Copying, copying, copyNeeded, endCopy, isCopied, wasEmptied } from '../postgres/replication/copy';
import { type ForkOptions, forkState, positionSources } from '../postgres/replication/fork';
import { feedName } from '../postgres/replication/subscription';
import { forkOptions, notHere } from './fork-options';

/** Of production's size, copied in a second; only a first guess, with indexes to be made on the way. */
const bytesPerSecond = 20e6;

/** What `fork.way` has found out, as plans and screens show it. */
export interface ForkMethod {
  readonly way: 'exact' | 'copy';
  /** Of a copy. */
  readonly why?: string;
  readonly bytes: number;
}

export const forkMethod = ({ facts }: Pick<WindowView, 'facts'>): ForkMethod | undefined =>
  forkMethodOf({ facts }) as unknown as ForkMethod | undefined;

export const sizeWords = (bytes: number): string =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

/** `night`: the cutover goes over the stage's steps again; a copy is not for the night. */
export function forkMethodChosen(production: string, fallback: string, night: boolean): Step {
  return {
    id: 'fork.way',
    title: `Check whether ${fallback} can be fed from where it leaves ${production}, or needs a copy`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      if (pausedSince(context)) return done('it was fed before the migrations', context.view.facts('fork.way'));
      const [from, to] = [await context.database(production), await context.database(fallback)];
      const why = await reason(context, production, fallback);
      if (why !== undefined && night) return notInTheNight(fallback, why);
      const bytes = (await readTables(from)).reduce((sum, table) => sum + table.bytes, 0);
      if (why !== undefined) return done(`by a copy of every table (${sizeWords(bytes)}), because ${why}`, { way: 'copy', why, bytes });
      const { promoted } = await forkState(from, to, feedName(context.window.name));
      return done(promoted ? 'it goes on from where it left' : 'from where it leaves', { way: 'exact', bytes });
    },
  };
}

const notInTheNight = (fallback: string, why: string): Observation => ({
  is: 'failed',
  code: 'fork.copy-needed',
  message: `${fallback} must be filled by a copy of every table, because ${why}; a cutover does not wait for that. A stage copies them, while customers are served`,
  next: [switchback('stage'), switchback('rollback')],
});

/** Looked up when nothing arrives. @throws Stop where production has given the feed up since `fork.copy` was done: a stage does that again */
export async function refuseGivenUp(context: Context, production: string, fallback: string): Promise<void> {
  const why = await copyNeeded(await looking(context, production), await context.database(fallback));
  if (why === undefined) return;
  throw new Stop('step.no-longer-holds', `${fallback} must be filled by a copy of every table, because ${why}`, {
    state: 'Customers are served as before; nothing is down.',
    next: [switchback('stage'), switchback('status')],
    step: 'fork.copy',
  });
}

/** Enough to look: nothing is made or granted for it. */
async function looking(context: Context, production: string): Promise<Pick<ForkOptions, 'production' | 'name' | 'login'>> {
  const { username, password } = await context.aws.settings.secret(context.manifest.shared.database.masterSecret);
  return { production: await context.database(production), name: feedName(context.window.name), login: { username, password } };
}

/** What speaks for a copy, as far as it can be known now. */
async function reason(context: Context, production: string, fallback: string): Promise<string | undefined> {
  const options = await looking(context, production);
  const to = await context.database(fallback);
  if ((await forkState(options.production, to, options.name)).promoted) return copyNeeded(options, to);
  const sources = await positionSources(options.login, options.production, to);
  return sources.length > 0
    ? undefined
    : 'nothing will tell where it leaves production: the master user may not replicate, so not read its timeline, and pg_walinspect is not to be had either';
}

const pausedSince = ({ view }: Pick<Context, 'view'>): boolean => view.begun('cutover', 'feed.pause');

/** After the promotion, when the servers tell for certain. Nothing to do where the position is known. */
export function copied(production: string, fallback: string, known: ForkMethod | undefined, night: boolean): Step {
  const copy = known?.way === 'copy' ? known : undefined;
  let why: string | undefined;
  return {
    id: 'fork.copy',
    title: copy
      ? `Empty ${fallback} and copy every table of ${production} into it (${sizeWords(copy.bytes)})`
      : `Copy every table to ${fallback} if its position on ${production} is not known`,
    estimateSeconds: copy ? Math.ceil(5 + copy.bytes / bytesPerSecond) : 1,
    patienceSeconds: 48 * 3600,
    pollMs: 2000,
    again: true,
    async observe(context) {
      if (pausedSince(context)) return done('it was fed before the migrations', context.view.facts('fork.copy'));
      const [from, to, name] = [await context.database(production), await context.database(fallback), feedName(context.window.name)];
      const needed = await copyNeeded(await looking(context, production), to);
      if (needed !== undefined) {
        if (night) return notInTheNight(fallback, needed);
        why ??= needed;
        return todo(needed);
      }
      if (!(await forkState(from, to, name)).feeding) return done('not needed', { ...context.view.facts('fork.way'), way: 'exact' });
      const seen = await copying(from, to, name);
      if (seen.unknown.length > 0) {
        return {
          is: 'failed',
          code: 'feed.silent-tables',
          message: `published but unknown to the subscription, so changes would be lost without a word: ${seen.unknown.join(', ')}`,
        };
      }
      if (!isCopied(seen)) return pending(progressWords(seen), seen.ofBytes > 0 ? seen.bytes / seen.ofBytes : undefined);
      const before = forkMethod(context.view);
      const copy = why !== undefined || before?.way === 'copy' || (await wasEmptied(to));
      // that it is alive is proven by the next step.
      if (!copy) return done('it is fed from where it left', { ...before, way: 'exact' });
      await endCopy(to);
      const because = why ?? before?.why ?? 'nothing else was possible';
      return done(`${seen.ofTables} tables copied, ${sizeWords(seen.ofBytes)}`, { way: 'copy', why: because, bytes: seen.ofBytes });
    },
    async act(context) {
      if (why) await context.progress(`every table is copied, because ${why}`);
      await beginCopy({ ...(await forkOptions(context, production, fallback)), promote: notHere(fallback) });
    },
  };
}

function progressWords({ tables, ofTables, bytes, ofBytes, now, errors }: Copying): string {
  const running = now.map(({ table, rows }) => `${table}: ${rows} rows`).join(', ');
  const failed = errors > 0 ? `; ${errors} tries have failed, the log of the fallback says why` : '';
  return `${tables} of ${ofTables} tables, ${sizeWords(bytes)} of ${sizeWords(ofBytes)}${running ? `; ${running}` : ''}${failed}`;
}
