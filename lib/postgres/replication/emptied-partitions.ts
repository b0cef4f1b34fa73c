/**
 * A TRUNCATE of a partition. Rows travel as those of the table that it is a part of, whatever partitions each side has; a TRUNCATE of one
 * partition does not travel at all. So production notes it in its marker, in the same transaction, and the fallback empties what lies within
 * the same bounds when the note arrives: in order with the rows before and after it. A note is gone at the commit: no copy brings an old one.
 */
import { DatabaseError, type Db } from '../connection/connect';
import { pollEvery } from '../connection/lsn';
import { ownSchema } from '../connection/server';
import { markerThere } from './marker';

const trigger = 'switchback_emptied';
const noting = `${ownSchema}.note_emptied()`;
const emptying = `${ownSchema}.empty_partition()`;
/** Bounds are written the same on both servers, whatever is set there. */
const settings = "SET search_path = '' SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'";

/** By hand: SELECT oid::regprocedure FROM pg_proc WHERE proname = 'note_emptied'. Nobody but the marker's owner may call it. */
const makeNoting = `CREATE OR REPLACE FUNCTION ${noting} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER ${settings} AS $emptied$ BEGIN
  IF (SELECT relispartition FROM pg_catalog.pg_class WHERE oid = TG_RELID) THEN
    INSERT INTO ${ownSchema}.marker SELECT 'emptied ' || TG_RELID, pg_catalog.json_build_object('table', pg_catalog.format('%I.%I', n.nspname, c.relname),
        'within', coalesce(pg_catalog.pg_get_partition_constraintdef(TG_RELID), 'true'))::text, pg_catalog.clock_timestamp()
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.pg_partition_root(TG_RELID);
    DELETE FROM ${ownSchema}.marker WHERE id = 'emptied ' || TG_RELID;
  END IF;
  RETURN NULL;
END $emptied$; REVOKE EXECUTE ON FUNCTION ${noting} FROM PUBLIC`;

/** Where the fallback has no partition with these bounds, or a key of the old schema forbids TRUNCATE, rows go one by one. */
const makeEmptying = `CREATE OR REPLACE FUNCTION ${emptying} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER ${settings} AS $emptied$
DECLARE
  root regclass := pg_catalog.to_regclass(NEW.value::json ->> 'table');
  within text := NEW.value::json ->> 'within';
  leaf regclass;
BEGIN
  IF root IS NULL THEN RETURN NULL; END IF;
  SELECT t.relid INTO leaf FROM pg_catalog.pg_partition_tree(root) t WHERE t.isleaf AND t.parentrelid IS NOT NULL AND coalesce(pg_catalog.pg_get_partition_constraintdef(t.relid), 'true') = within;
  IF leaf IS NOT NULL THEN
    BEGIN
      EXECUTE pg_catalog.format('TRUNCATE %s', leaf);
      RETURN NULL;
    EXCEPTION WHEN feature_not_supported THEN NULL;
    END;
  END IF;
  EXECUTE pg_catalog.format('DELETE FROM %s WHERE %s', coalesce(leaf, root), CASE WHEN leaf IS NULL THEN within ELSE 'true' END);
  RETURN NULL;
END $emptied$; REVOKE EXECUTE ON FUNCTION ${emptying} FROM PUBLIC`;

interface Watched {
  readonly name: string;
  readonly watched: boolean;
}

const leaves = (db: Db): Promise<Watched[]> =>
  db.query<Watched>(
    `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, t.oid IS NOT NULL AS watched
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND t.tgname = $1
      WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND (c.relispartition OR t.oid IS NOT NULL) ORDER BY 1`,
    [trigger],
  );

/** Partitions that nobody may be asked to watch, one sentence each: whoever owns them does not let the master user. */
export async function watchPartitions(production: Db): Promise<string[]> {
  const found = (await leaves(production)).filter(({ watched }) => !watched);
  if (found.length === 0) return [];
  await production.transaction(async (inside) => {
    await inside.query(`SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('switchback partitions')); ${makeNoting}`);
  });
  const unwatched: string[] = [];
  for (const { name } of found)
    await insistently(
      production,
      `CREATE OR REPLACE TRIGGER ${trigger} AFTER TRUNCATE ON ${name} EXECUTE FUNCTION ${noting}; ALTER TABLE ${name} ENABLE ALWAYS TRIGGER ${trigger}`,
    ).catch((error: unknown) => {
      if (!(error instanceof DatabaseError) || error.sqlstate !== '42501') throw error;
      unwatched.push(`a TRUNCATE of the partition ${name} would not reach the fallback: ${error.message}`);
    });
  return unwatched;
}

/** Nothing of it is left; also on a copy of production. */
export async function unwatchPartitions(db: Db): Promise<void> {
  for (const { name, watched } of await leaves(db)) if (watched) await insistently(db, `DROP TRIGGER IF EXISTS ${trigger} ON ${name}`);
  await db.query(`DROP FUNCTION IF EXISTS ${noting}`);
}

/** Customers are being served: nobody of them waits longer than this behind a lock. */
async function insistently(db: Db, sql: string): Promise<void> {
  const poll = pollEvery(200, 60_000, `a lock for: ${sql}`);
  for (;;)
    try {
      return await db.transaction(async (inside) => {
        await inside.query(`SET LOCAL lock_timeout = '1s'; ${sql}`);
      });
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.sqlstate !== '55P03') throw error;
      await poll();
    }
}

/** The fallback does what the notes say. Before a feed begins; may run inside a transaction. */
export async function obeyNotes(fallback: Db): Promise<void> {
  if (!(await markerThere(fallback))) return;
  await fallback.query(
    `${makeEmptying}; CREATE OR REPLACE TRIGGER ${trigger} AFTER INSERT ON ${ownSchema}.marker FOR EACH ROW WHEN (NEW.id LIKE 'emptied %') EXECUTE FUNCTION ${emptying};
     ALTER TABLE ${ownSchema}.marker ENABLE REPLICA TRIGGER ${trigger}`,
  );
}

export const forgetNotes = (fallback: Db): Promise<unknown> => fallback.query(`DROP FUNCTION IF EXISTS ${emptying} CASCADE`);
