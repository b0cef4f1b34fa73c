/**
 * Triggers that are ENABLE ALWAYS fire on rows that arrive, too: what they did on production would be done a second time. While a database
 * is fed they fire for its own writes only; which they were is noted in it, so that a rollback can put them back.
 */
import { DatabaseError, type Db, ident } from '../connection/connect';
import { ownSchema, userSchema } from '../connection/server';

/** Answers the triggers it changed, as `name on schema.table`. */
export async function quietTriggers(fallback: Db): Promise<string[]> {
  return fallback.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'");
    await inside.query(`CREATE TABLE IF NOT EXISTS ${ownSchema}.quieted (relation oid, name name, PRIMARY KEY (relation, name))`);
    const triggers = await inside.query<{ relation: string; table: string; name: string }>(
      `SELECT t.tgrelid::text AS relation, pg_catalog.format('%I.%I', n.nspname, c.relname) AS "table", t.tgname AS name
         FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled = 'A' AND ${userSchema} ORDER BY 2, 3`,
    );
    for (const { relation, table, name } of triggers) {
      await inside.query(`INSERT INTO ${ownSchema}.quieted VALUES ($1, $2) ON CONFLICT DO NOTHING`, [relation, name]);
      await inside.query(`ALTER TABLE ${table} ENABLE TRIGGER ${ident(name)}`);
    }
    return triggers.map(({ table, name }) => `${name} on ${table}`);
  });
}

/** Puts them back as they were. */
export async function wakeTriggers(fallback: Db): Promise<void> {
  const [there] = await fallback.query<{ there: boolean }>(`SELECT to_regclass('${ownSchema}.quieted') IS NOT NULL AS there`);
  if (!there!.there) return;
  await fallback.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'");
    const triggers = await inside.query<{ table: string; name: string }>(
      `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS "table", q.name FROM ${ownSchema}.quieted q JOIN pg_catalog.pg_trigger t ON t.tgrelid = q.relation AND t.tgname = q.name
         JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`,
    );
    for (const { table, name } of triggers) await inside.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${ident(name)}`);
    await inside.query(`DROP TABLE ${ownSchema}.quieted`);
  });
}

interface Trigger {
  readonly name: string;
  /** As pg_trigger.tgenabled. */
  readonly mode: 'O' | 'A' | 'R';
}

/** How changes can be made on a database without setting off the user's triggers. */
export interface TriggerState {
  /** A transaction may act as the apply worker does; on RDS, rds_superuser may. */
  readonly byRole: boolean;
  /** The user's enabled triggers, by table. */
  readonly triggers: ReadonlyMap<string, readonly Trigger[]>;
  /** Those of them that fire for rows that arrive. */
  readonly replicas: ReadonlyMap<string, readonly Trigger[]>;
  /** Names of the triggers of bridges, by table. */
  readonly ours: ReadonlyMap<string, readonly string[]>;
}

export async function readTriggerState(db: Db): Promise<TriggerState> {
  const rows = await db.query<Trigger & { table: string; ours: boolean }>(
    `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS "table", t.tgname AS name, t.tgenabled AS mode, p.pronamespace IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = '${ownSchema}') AS ours
       FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
      WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D' AND ${userSchema} ORDER BY 1, 2`,
  );
  const by = <T>(of: (row: (typeof rows)[number]) => T | undefined): Map<string, T[]> => {
    const map = new Map<string, T[]>();
    for (const row of rows) {
      const one = of(row);
      if (one !== undefined) map.set(row.table, [...(map.get(row.table) ?? []), one]);
    }
    return map;
  };
  return {
    byRole: await mayActAsReplica(db),
    triggers: by(({ ours, name, mode }) => (ours ? undefined : { name, mode })),
    replicas: by(({ ours, name, mode }) => (ours || mode === 'O' ? undefined : { name, mode })),
    ours: by(({ ours, name }) => (ours ? name : undefined)),
  };
}

/** The triggers of a table that would fire all the same. */
export const quietFor = ({ byRole, triggers }: TriggerState, table: string): readonly Trigger[] =>
  (triggers.get(table) ?? []).filter(({ mode }) => (byRole ? mode !== 'O' : mode !== 'R'));

async function mayActAsReplica(db: Db): Promise<boolean> {
  try {
    await db.transaction((inside) => inside.query('SET LOCAL session_replication_role = replica'));
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.sqlstate === '42501') return false;
    throw error;
  }
}
