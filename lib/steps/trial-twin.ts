/** The trial's fallback: a second database on the copy, made from the first before the migrations. It goes with the copy. */

import type { Context } from '../engine/context';
import { databaseOn, placeOf } from '../engine/place';
import { done, type Step, todo } from '../engine/step';
import { connect, type Db } from '../postgres/connection/connect';
import { ensureMarker } from '../postgres/replication/marker';
import { ensureFeedUser } from '../postgres/replication/subscription';
import { makeTwin, type TwinOptions, twinState } from '../postgres/replication/twin';
import { addressOf } from './database-host';
import type { TrialPair } from './trial-pair';

export function twinMade(pair: TrialPair): Step {
  const { copy, production, name } = pair;
  return {
    id: name('trial.fork'),
    title: `Make a second database on ${copy} from the first: the fallback of the trial`,
    estimateSeconds: 30,
    patienceSeconds: 6 * 3600,
    async observe(context) {
      const state = await onServer(context, pair, twinState);
      return state === 'whole' ? done() : todo(state === 'begun' ? 'an earlier run has not finished it' : undefined);
    },
    async act(context) {
      // before it is copied, so that both have it.
      const db = await context.database(production);
      await ensureMarker(db);
      const { feedSecret, roles, name: systems } = context.manifest.shared.database;
      if (feedSecret !== undefined) {
        // on the copy only: the stage makes that of production later.
        const { username, password } = await context.aws.settings.secret(feedSecret);
        await ensureFeedUser(db, { user: username, password, roles, database: placeOf(production, systems).database });
      }
      await context.leave(production);
      await onServer(context, pair, makeTwin);
    },
  };
}

/** From a third database: whoever is connected to the first is in the way. */
async function onServer<T>(context: Context, pair: TrialPair, action: (db: Db, options: TwinOptions) => Promise<T>): Promise<T> {
  const { database } = context.manifest.shared;
  const named = (place: string): string => placeOf(place, database.name).database;
  const address = await addressOf(context, databaseOn(placeOf(pair.production, database.name).instance, 'postgres'));
  const { username, password } = await context.aws.settings.secret(database.masterSecret);
  const db = await connect(address, { username, password }, { applicationName: 'switchback' });
  try {
    return await action(db, { from: named(pair.production), to: named(pair.fallback) });
  } finally {
    await db.close();
  }
}
