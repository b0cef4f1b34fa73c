/**
 * The other way to a fed fallback, where the position at which it left production cannot be told, or production kept nothing for it from
 * there on: it is emptied, and every row is copied again. It needs no right but to subscribe, and takes as long as the data is big.
 * Until it is done the fallback is no way back. Not with a bridge up.
 */

import { endWriters, fence } from '../access/fence';
import { quietTriggers } from '../access/triggers';
import { type Db, ident } from '../connection/connect';
import { pollEvery } from '../connection/lsn';
import { ownSchema } from '../connection/server';
import { readTables } from '../connection/tables';
import { endCopiedPrepared, type ForkOptions, forkLsn, forkState, PositionUnknown, preparePublisher, promoted } from './fork';
import { ensureMarker, markerRoundTrip, markerTable } from './marker';
import { dropPublication, publishable } from './publication';
import { createSubscription, dropSlot, dropSubscription, type FeedName, refuseSlotAhead, SlotAhead, stopFeed } from './subscription';

/** Why a promoted fallback can only be fed by a copy; undefined where it goes on from where it left production, or is fed already. */
export async function copyNeeded(
  { production, name, login }: Pick<ForkOptions, 'production' | 'name' | 'login'>,
  fallback: Db,
): Promise<string | undefined> {
  const state = await forkState(production, fallback, name);
  if (state.slot === 'lost') return 'production gave up what it kept for it';
  if (state.feeding && state.slot === 'there') return undefined;
  // a slot that was made since says nothing about what came before.
  if (await wasEmptied(fallback)) return 'it has been emptied for that';
  if (state.subscribed && state.slot === 'there') return undefined;
  if (state.slot === 'none' || !state.publication) return 'it was promoted before production kept anything for it';
  try {
    await refuseSlotAhead(production, name, (await forkLsn(login, production, fallback, name)).lsn);
    return undefined;
  } catch (error) {
    if (error instanceof PositionUnknown || error instanceof SlotAhead) return error.message;
    throw error;
  }
}

/** Noted before anything is made on production: whoever goes on from here knows that rows are missing. */
const emptied = `${ownSchema}.emptied`;

/** Its rows are those of a copy, and not yet all there as far as is known. */
export async function wasEmptied(fallback: Db): Promise<boolean> {
  const [row] = await fallback.query<{ there: boolean }>(`SELECT to_regclass('${emptied}') IS NOT NULL AS there`);
  return row!.there;
}

/** Empties the fallback and has it copy everything; answers when it has begun. Taken up again at any point, and found begun. */
export async function beginCopy(options: ForkOptions): Promise<void> {
  const { production, name, roles, source } = options;
  const poll = options.poll ?? pollEvery(50, 3_600_000, 'the promotion');
  const before = await forkState(production, await options.fallback(), name);
  if (before.feeding && before.slot === 'there') return;
  if (!before.promoted) {
    await options.onProgress?.('promotion');
    await options.promote();
  }
  const fallback = await promoted(options.fallback, poll);
  await options.onProgress?.('fence of the fallback');
  await fence(fallback, roles);
  await endWriters(fallback, { graceMs: 0 });
  await endCopiedPrepared(fallback);
  await dropPublication(fallback, name);
  await ensureMarker(fallback);
  await quietTriggers(fallback);
  await stopFeed(fallback, name);
  const tables = await publishable(production);
  await options.onProgress?.(`emptying of ${tables.length} tables`);
  await dropSubscription(fallback, name);
  await fallback.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'");
    await inside.query(`CREATE TABLE IF NOT EXISTS ${emptied} (at timestamptz DEFAULT clock_timestamp())`);
    await inside.query(`TRUNCATE ${[...tables, markerTable].map(({ schema, table }) => `${ident(schema)}.${ident(table)}`).join(', ')}`);
  });
  if (before.slot === 'lost') await dropSlot(production, name);
  await preparePublisher(options);
  await options.onProgress?.(`copy of ${tables.length} tables`);
  await dropSubscription(fallback, name);
  await fallback.transaction(async (inside) => {
    await createSubscription(inside, name, source, true);
    await inside.query(`ALTER SUBSCRIPTION ${ident(name)} ENABLE`);
  });
}

/** How far a copy is. */
export interface Copying {
  /** Published tables that have been copied and have caught up, and all of them. */
  readonly tables: number;
  readonly ofTables: number;
  /** Of production's size of them, about. */
  readonly bytes: number;
  readonly ofBytes: number;
  /** Those under way, with the rows they have. */
  readonly now: readonly { readonly table: string; readonly rows: number }[];
  /** Tries that failed; the fallback tries again by itself, and its log says why. */
  readonly errors: number;
  /** Published and not known to the subscription: nothing of them would ever arrive. */
  readonly unknown: readonly string[];
}

export async function copying(production: Db, fallback: Db, name: FeedName): Promise<Copying> {
  const published = await production.query<{ name: string }>(
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_catalog.pg_publication_tables WHERE pubname = $1 ORDER BY 1",
    [name],
  );
  const sizes = new Map((await readTables(production)).map((table) => [table.name, table.bytes]));
  const states = await fallback.query<{ name: string; state: string; rows: number | null; bytes: number | null }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name, r.srsubstate AS state, p.tuples_processed::float8 AS rows, p.bytes_processed::float8 AS bytes
       FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_stat_progress_copy p ON p.relid = c.oid AND p.type = 'CALLBACK' WHERE s.subname = $1`,
    [name],
  );
  const known = new Map(states.map((row) => [row.name, row]));
  const [errors] = await fallback.query<{ count: number }>(
    'SELECT sync_error_count::float8 AS count FROM pg_catalog.pg_stat_subscription_stats WHERE subname = $1',
    [name],
  );
  const bytesOf = (table: string): number => {
    const [row, size] = [known.get(table), sizes.get(table) ?? 0];
    if (row === undefined || row.state === 'i') return 0;
    return row.state === 'd' ? Math.min(size, row.bytes ?? 0) : size;
  };
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
  return {
    tables: published.filter((table) => known.get(table.name)?.state === 'r').length,
    ofTables: published.length,
    bytes: sum(published.map((table) => bytesOf(table.name))),
    ofBytes: sum(published.map((table) => sizes.get(table.name) ?? 0)),
    now: states.flatMap(({ name: table, rows }) => (rows === null ? [] : [{ table, rows }])),
    errors: errors?.count ?? 0,
    unknown: published.map((table) => table.name).filter((table) => !known.has(table)),
  };
}

export const isCopied = ({ tables, ofTables }: Copying): boolean => tables === ofTables;

/** Every row has arrived: the fallback is as good as one that never was empty. */
export async function endCopy(fallback: Db): Promise<void> {
  await fallback.query(`DROP TABLE IF EXISTS ${emptied}`);
}

/** From beginning to end, for those who can wait for it. */
export async function copyAhead(options: ForkOptions): Promise<void> {
  const poll = options.poll ?? pollEvery(50, 24 * 3_600_000, 'the copy of every table');
  await beginCopy(options);
  const fallback = await options.fallback();
  while (!isCopied(await copying(options.production, fallback, options.name))) await poll();
  await markerRoundTrip(options.production, fallback);
  await endCopy(fallback);
}
