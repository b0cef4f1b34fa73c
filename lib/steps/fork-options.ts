/** What every way to a fed fallback is made with: who reads from production, as whom, and under which name. */

import { switchback } from '../base/advice';
import { Stop } from '../base/errors';
import type { Context } from '../engine/context';
import type { ForkOptions } from '../postgres/replication/fork';
import { ensureFeedUser, type FeedSource, feedName } from '../postgres/replication/subscription';
import { addressOf } from './database-host';
import { deployedAnew } from './deployed-anew';

export async function forkOptions(context: Context, production: string, fallback: string): Promise<Omit<ForkOptions, 'promote'>> {
  const { database } = context.manifest.shared;
  const source = await feedSource(context, production);
  await ensureFeedUser(await context.database(production), {
    user: source.login.username,
    password: source.login.password,
    roles: database.roles,
    database: database.name,
  });
  const { username, password } = await context.aws.settings.secret(database.masterSecret);
  return {
    production: await context.database(production),
    fallback: () => context.database(fallback),
    name: feedName(context.window.name),
    source,
    roles: database.roles,
    login: { username, password },
    onProgress: (what) => context.progress(what),
  };
}

/** How the fallback reaches production. @throws Stop `feed.no-secret` when the system was deployed without a feed */
export async function feedSource(context: Context, production: string): Promise<FeedSource> {
  const { database } = context.manifest.shared;
  if (database.feedSecret === undefined)
    throw new Stop('feed.no-secret', `${context.window.system} was deployed without a feed when ${context.window.name} was opened`, {
      // the window keeps the manifest it was opened with, and what it uses is not deployed while it is open.
      state: 'Nothing was changed. A deploy now is refused, and would change nothing for this window.',
      next: deployedAnew(context, { with: 'no feed: false', parts: ['shared'] }),
    });
  const { username, password } = await context.aws.settings.secret(database.feedSecret);
  return {
    address: await addressOf(context, production),
    login: { username, password },
    unverified: (why) =>
      context.progress(`the fallback's server cannot check the certificate of ${production} (${why}): the feed is encrypted and goes on`),
  };
}

/** Promoting is a step of its own. */
export const notHere = (fallback: string) => async (): Promise<void> => {
  throw new Stop('fork.not-promoted', `${fallback} is a replica again; it was promoted before this step`, { next: [switchback('status')] });
};
