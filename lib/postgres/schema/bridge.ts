/**
 * Bridges: what is put on the fallback (and, where there is no other way, on production) so that rows of the new schema apply to the old.
 * Made in the window while both databases are fenced; taken off at a rollback, when nothing is fed any more.
 */

import type { Roles } from '../access/roles';
import { wakeTriggers } from '../access/triggers';
import { DatabaseError, type Db, ident, literal } from '../connection/connect';
import { ownSchema } from '../connection/server';
import { columnList } from '../connection/tables';
import { probe } from '../replication/marker';
import type { PublishedTable } from '../replication/publication';
import type { CatalogTable } from './catalog';
import type { BridgePlan, TablePlan } from './classify';

/** One statement, and who runs it: what belongs to the owner is made as the owner, so that everybody's rights on it are as always. */
export interface Statement {
  readonly sql: string;
  readonly as: 'owner' | 'master';
}

export interface BridgeScript {
  /** On production, before the publication is made again. */
  readonly production: readonly Statement[];
  /** Cannot run inside the transaction of the others: new values of enums. */
  readonly enums: readonly Statement[];
  readonly fallback: readonly Statement[];
  /** Tables with a column that is widened, by their old names. */
  readonly widened: readonly string[];
  /** At a rollback, before the fallback is opened: names as they were, nothing of the bridge left but the columns and tables that hold new data. */
  readonly revert: readonly Statement[];
  /** At a rollback, after that: each may fail where rows of the new release do not allow it. */
  readonly restore: readonly (Statement & { readonly what: string })[];
  /** At a rollback or teardown, on production. */
  readonly productionRevert: readonly Statement[];
  readonly publication: readonly PublishedTable[];
  /** Tables whose rows the fallback does not have yet: published last, and copied. */
  readonly copied: readonly PublishedTable[];
}

const owner = (sql: string): Statement => ({ sql, as: 'owner' });
const master = (sql: string): Statement => ({ sql, as: 'master' });

export function bridgeScript(plan: BridgePlan): BridgeScript {
  const parts = plan.tables.map((table) => tableScript(table, plan));
  const inert = plan.inert.map((table) => inertScript(table, plan));
  const all = [...parts, ...inert];
  return {
    production: all.flatMap((part) => part.production),
    enums: plan.enums.flatMap(({ name, add }) =>
      add.map(({ label, before }) =>
        owner(`ALTER TYPE ${name} ADD VALUE IF NOT EXISTS ${literal(label)}${before === undefined ? '' : ` BEFORE ${literal(before)}`}`),
      ),
    ),
    fallback: all.flatMap((part) => [...part.fallback, ...part.views]),
    widened: plan.tables.filter(({ widen }) => widen.length > 0).map(({ old }) => old.name),
    revert: all.flatMap((part) => part.revert).reverse(),
    restore: parts.flatMap((part) => part.restore),
    productionRevert: all.flatMap((part) => part.productionRevert),
    publication: parts.flatMap((part) => part.publication),
    copied: inert.flatMap((part) => part.publication),
  };
}

interface Part {
  readonly production: Statement[];
  readonly fallback: Statement[];
  readonly views: Statement[];
  readonly revert: Statement[];
  readonly restore: (Statement & { what: string })[];
  readonly productionRevert: Statement[];
  readonly publication: PublishedTable[];
}

const emptyPart = (): Part => ({ production: [], fallback: [], views: [], revert: [], restore: [], productionRevert: [], publication: [] });

function tableScript(plan: TablePlan, bridge: BridgePlan): Part {
  const part = emptyPart();
  const { old, now } = plan;
  renameTable(plan, part);
  const table = now.name;
  const alter = (what: string): Statement => owner(`ALTER TABLE ${table} ${what}`);
  for (const { name, type } of plan.shadows) part.fallback.push(alter(`ADD COLUMN IF NOT EXISTS ${ident(name)} ${type}`));
  for (const { column, type } of plan.widen) part.fallback.push(alter(`ALTER COLUMN ${ident(column)} TYPE ${type}`));
  for (const column of plan.dropNotNull) {
    part.fallback.push(alter(`ALTER COLUMN ${ident(column)} DROP NOT NULL`));
    part.restore.push({
      ...owner(`ALTER TABLE ${old.name} ALTER COLUMN ${ident(column)} SET NOT NULL`),
      what: `${old.name}.${column} NOT NULL`,
    });
  }
  for (const { name, definition } of plan.dropConstraints) {
    part.fallback.push(alter(`DROP CONSTRAINT IF EXISTS ${ident(name)}`));
    part.restore.push({ ...owner(`ALTER TABLE ${old.name} ADD CONSTRAINT ${ident(name)} ${definition}`), what: `${name} on ${old.name}` });
  }
  for (const { name, definition } of plan.dropIndexes) {
    part.fallback.push(owner(`DROP INDEX IF EXISTS ${ident(now.schema)}.${ident(name)}`));
    part.restore.push({ ...owner(definition), what: `unique index ${name} on ${old.name}` });
  }
  seed(plan, part);
  identity(plan, part);
  replicaTrigger(plan, part);
  rowTriggers(now, bridge, part);
  onProduction(plan, part);
  part.publication.push({ schema: now.schema, table: now.table, ...(plan.published ? { columns: plan.published } : {}) });
  return part;
}

/** The table goes by its new name, so that rows find it; a view answers to the old one until the rollback. */
function renameTable({ old, now }: TablePlan, part: Part): void {
  if (old.name === now.name) return;
  const steps: [string, string][] = [];
  if (old.schema !== now.schema) {
    part.fallback.push(owner(`CREATE SCHEMA IF NOT EXISTS ${ident(now.schema)}`));
    steps.push([
      `ALTER TABLE ${old.name} SET SCHEMA ${ident(now.schema)}`,
      `ALTER TABLE ${ident(now.schema)}.${ident(old.table)} SET SCHEMA ${ident(old.schema)}`,
    ]);
  }
  if (old.table !== now.table) {
    steps.push([
      `ALTER TABLE ${ident(now.schema)}.${ident(old.table)} RENAME TO ${ident(now.table)}`,
      `ALTER TABLE ${now.name} RENAME TO ${ident(old.table)}`,
    ]);
  }
  const view = `CREATE VIEW ${old.name} AS SELECT ${columnList(old.columns.map((column) => column.name))} FROM ${now.name}`;
  part.fallback.push(...steps.map(([there]) => owner(there)));
  // last, because no column under a view can be widened.
  part.views.push(owner(view));
  // revert is run from its end: first the view goes, then the names come back, last step first.
  part.revert.push(...steps.map(([, back]) => owner(back)), owner(`DROP VIEW ${old.name}`));
}

/**
 * A renamed column starts with the values of the old one, where an update could leave it out (large values that did not change are not
 * sent) or where rows are found by it. The user's triggers stay silent: nothing has happened.
 */
function seed({ now, shadows, old, identity: key }: TablePlan, part: Part): void {
  const seeded = shadows.filter(
    ({ name, from }) => from !== undefined && (key?.includes(name) || old.columns.find((column) => column.name === from)?.aside),
  );
  if (seeded.length === 0) return;
  const text = (sql: string): string => `'${sql.replaceAll("'", "''")}'`;
  const alter = text(`ALTER TABLE ${now.name.replaceAll('%', '%%')} %s TRIGGER %I`);
  part.fallback.push(
    master(
      `DO $seed$ DECLARE t record; quiet jsonb := '[]'; BEGIN
         SET CONSTRAINTS ALL IMMEDIATE;
         FOR t IN SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = ${text(now.name)}::regclass AND NOT tgisinternal AND tgenabled IN ('O','A') LOOP
           quiet := quiet || jsonb_build_object('name', t.tgname, 'mode', CASE t.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END);
           EXECUTE format(${alter}, 'DISABLE', t.tgname);
         END LOOP;
         UPDATE ${now.name} SET ${seeded.map(({ name, from }) => `${ident(name)} = ${ident(from!)}`).join(', ')};
         FOR t IN SELECT q->>'name' AS name, q->>'mode' AS mode FROM jsonb_array_elements(quiet) q LOOP EXECUTE format(${alter}, t.mode, t.name); END LOOP;
       END $seed$`,
    ),
  );
}

function identity({ now, old, identity: columns }: TablePlan, part: Part): void {
  if (!columns) return;
  const index = `switchback_key_${old.oid}`;
  part.fallback.push(
    ...columns.map((column) => owner(`ALTER TABLE ${now.name} ALTER COLUMN ${ident(column)} SET NOT NULL`)),
    owner(`CREATE UNIQUE INDEX ${index} ON ${now.name} (${columnList(columns)})`),
    owner(`ALTER TABLE ${now.name} REPLICA IDENTITY USING INDEX ${index}`),
  );
  // The old release does not know the column: it may stay empty again.
  part.revert.push(
    ...columns
      .filter((column) => !old.columns.some(({ name }) => name === column))
      .map((column) => owner(`ALTER TABLE ${now.name} ALTER COLUMN ${ident(column)} DROP NOT NULL`)),
    owner(`DROP INDEX ${ident(now.schema)}.${index}`),
    owner(`ALTER TABLE ${now.name} REPLICA IDENTITY DEFAULT`),
  );
}

/** Fires for rows that arrive, and only for them. The worker that applies rows has an empty search path, so the function has its own. */
function replicaTrigger({ old, now, assign, fill }: TablePlan, part: Part): void {
  if (assign.length === 0 && fill.length === 0) return;
  const name = `switchback_bridge_${old.oid}`;
  const body = [
    ...assign.map(({ column, expression }) => `NEW.${ident(column)} := ${expression};`),
    ...fill.map(({ column, value }) => `IF NEW.${ident(column)} IS NULL THEN NEW.${ident(column)} := ${value}; END IF;`),
  ];
  trigger(part, now.name, name, 'BEFORE', `${body.join('\n')}\nRETURN NEW;`);
}

function rowTriggers(table: CatalogTable, bridge: BridgePlan, part: Part): void {
  bridge.rows
    .filter(({ of }) => of === table)
    .forEach(({ run, onDelete }, index) => {
      trigger(part, table.name, `switchback_rows_${table.oid}_${index}`, 'AFTER', `${takenBackInProbe(run)}\nRETURN NULL;`);
      if (onDelete)
        trigger(
          part,
          table.name,
          `switchback_gone_${table.oid}_${index}`,
          'AFTER',
          `${takenBackInProbe(onDelete)}\nRETURN NULL;`,
          'DELETE',
        );
    });
}

/** For a row that only tries the way (round-trip.ts), what it does to other tables is done and taken back. */
function takenBackInProbe(run: string): string {
  const body = `${run.replace(/;\s*$/, '')};`;
  return `IF ${probe.isOn} THEN BEGIN\n${body}\nRAISE EXCEPTION 'taken back' USING ERRCODE = 'SB002'; EXCEPTION WHEN SQLSTATE 'SB002' THEN NULL; END;\nELSE\n${body}\nEND IF;`;
}

function trigger(part: Part, table: string, name: string, when: 'BEFORE' | 'AFTER', body: string, on = 'INSERT OR UPDATE'): void {
  part.fallback.push(
    master(
      `CREATE OR REPLACE FUNCTION ${ownSchema}.${name}() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $bridge$ BEGIN\n${body}\nEND $bridge$`,
    ),
    master(`CREATE TRIGGER ${name} ${when} ${on} ON ${table} FOR EACH ROW EXECUTE FUNCTION ${ownSchema}.${name}()`),
    master(`ALTER TABLE ${table} ENABLE REPLICA TRIGGER ${name}`),
  );
  part.revert.push(master(`DROP FUNCTION ${ownSchema}.${name}()`), master(`DROP TRIGGER ${name} ON ${table}`));
}

/** An index that keeps the old key, and columns for values whose new type the old column does not take. */
function onProduction({ old, now, keepKey, sent }: TablePlan, part: Part): void {
  if (keepKey) {
    const numbers = keepKey.map((name) => now.columns.find((column) => column.name === name)!.number);
    const existing = now.indexes.find(
      (index) => index.plain && index.columns.length === numbers.length && numbers.every((number) => index.columns.includes(number)),
    );
    const index = existing?.name ?? `switchback_key_${old.oid}`;
    if (!existing) part.production.push(owner(`CREATE UNIQUE INDEX IF NOT EXISTS ${index} ON ${now.name} (${columnList(keepKey)})`));
    part.production.push(owner(`ALTER TABLE ${now.name} REPLICA IDENTITY USING INDEX ${ident(index)}`));
    part.productionRevert.push(owner(`ALTER TABLE ${now.name} REPLICA IDENTITY DEFAULT`));
    if (!existing) part.productionRevert.push(owner(`DROP INDEX IF EXISTS ${ident(now.schema)}.${index}`));
  }
  if (sent.length === 0) return;
  const name = `switchback_sent_${old.oid}`;
  const body = sent.map(
    ({ name: column, expression }) =>
      `BEGIN NEW.${ident(column)} := ${expression}; EXCEPTION WHEN others THEN NEW.${ident(column)} := NULL; END;`,
  );
  part.production.push(
    ...sent.map(({ name: column, type }) => owner(`ALTER TABLE ${now.name} ADD COLUMN IF NOT EXISTS ${ident(column)} ${type}`)),
    // A value that the old schema cannot hold must never stop a customer's write.
    master(
      `CREATE OR REPLACE FUNCTION ${ownSchema}.${name}() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $bridge$ BEGIN\n${body.join('\n')}\nRETURN NEW;\nEND $bridge$`,
    ),
    master(
      `CREATE OR REPLACE TRIGGER zz_${name} BEFORE INSERT OR UPDATE ON ${now.name} FOR EACH ROW EXECUTE FUNCTION ${ownSchema}.${name}()`,
    ),
    // also for the writes of a session that has the user's triggers silenced.
    owner(`ALTER TABLE ${now.name} ENABLE ALWAYS TRIGGER zz_${name}`),
  );
  part.productionRevert.push(
    master(`DROP TRIGGER IF EXISTS zz_${name} ON ${now.name}`),
    master(`DROP FUNCTION IF EXISTS ${ownSchema}.${name}()`),
    ...sent.map(({ name: column }) => owner(`ALTER TABLE ${now.name} DROP COLUMN IF EXISTS ${ident(column)}`)),
  );
}

/** A new table: the same columns and key, nothing that could refuse a row. */
function inertScript(table: CatalogTable, bridge: BridgePlan): Part {
  const part = emptyPart();
  const columns = table.columns.filter(({ generated }) => generated === '');
  const key = table.primaryKey.map((number) => table.columns.find((column) => column.number === number)!.name);
  const whole = key.length === 0;
  part.fallback.push(
    owner(`CREATE SCHEMA IF NOT EXISTS ${ident(table.schema)}`),
    owner(
      `CREATE TABLE ${table.name} (${[...columns.map((column) => `${ident(column.name)} ${bridge.inertTypes.get(column)}`), ...(whole ? [] : [`PRIMARY KEY (${columnList(key)})`])].join(', ')})`,
    ),
  );
  // Rows without a key are found as a whole.
  if (whole) {
    part.fallback.push(owner(`ALTER TABLE ${table.name} REPLICA IDENTITY FULL`));
    if (!table.identityFull) {
      part.production.push(owner(`ALTER TABLE ${table.name} REPLICA IDENTITY FULL`));
      part.productionRevert.push(owner(`ALTER TABLE ${table.name} REPLICA IDENTITY DEFAULT`));
    }
  }
  rowTriggers(table, bridge, part);
  part.publication.push({
    schema: table.schema,
    table: table.table,
    ...(whole || table.identityFull ? {} : { columns: columns.map(({ name }) => name) }),
  });
  return part;
}

/** Runs statements in one transaction, each as the one it says. */
export async function runStatements(db: Db, roles: Roles, statements: readonly Statement[]): Promise<void> {
  await db.transaction(async (inside) => {
    await inside.query("SET LOCAL lock_timeout = '5s'");
    for (const { sql, as } of statements) {
      await inside.query(as === 'owner' ? `SET LOCAL ROLE ${ident(roles.owner)}` : 'RESET ROLE');
      await inside.query(sql).catch((error: unknown) => {
        throw error instanceof DatabaseError && error.sqlstate
          ? new DatabaseError(`${error.message}, in: ${sql}`, error.sqlstate, error.detail, error.hint)
          : error;
      });
    }
    await inside.query('RESET ROLE');
  });
}

/**
 * Puts the bridge up. Both databases are fenced, the feed is paused. Running it again finds it done: the fallback notes it in the same
 * transaction, and production's part may be repeated.
 */
export async function bridge(production: Db, fallback: Db, roles: Roles, script: BridgeScript): Promise<void> {
  if (!(await bridgeIsUp(fallback))) {
    for (const statement of script.enums) await runStatements(fallback, roles, [statement]);
    const views = await viewsOver(fallback, script.widened);
    await runStatements(fallback, roles, [
      master(`CREATE TABLE IF NOT EXISTS ${ownSchema}.bridge (up timestamptz)`),
      master(`INSERT INTO ${ownSchema}.bridge VALUES (clock_timestamp())`),
      // rows are applied by the owner, whose triggers look whether they only try the way.
      master(`GRANT USAGE ON SCHEMA ${ownSchema} TO ${ident(roles.owner)}`),
      master(`GRANT SELECT ON ${ownSchema}.marker TO ${ident(roles.owner)}`),
      ...views.map(({ drop }) => owner(drop)),
      ...script.fallback,
      ...[...views].reverse().flatMap(({ create }) => create.map(owner)),
    ]);
  }
  await runStatements(production, roles, script.production);
}

/** True while the bridge is up on the fallback. */
export async function bridgeIsUp(fallback: Db): Promise<boolean> {
  const [there] = await fallback.query<{ there: boolean }>(`SELECT to_regclass('${ownSchema}.bridge') IS NOT NULL AS there`);
  return there!.there && (await fallback.query(`SELECT FROM ${ownSchema}.bridge`)).length > 0;
}

/** Takes it down for a rollback: quick, changes of the catalog only. Running it again finds it done. */
export async function unbridge(fallback: Db, roles: Roles, script: BridgeScript): Promise<void> {
  if (await bridgeIsUp(fallback)) await runStatements(fallback, roles, [...script.revert, master(`DELETE FROM ${ownSchema}.bridge`)]);
  await wakeTriggers(fallback);
}

/**
 * Puts back the rules of the old schema that the bridge had to take off; answers those that rows of the new release do not allow. Builds
 * indexes, and so may take a while: in the gap, where nobody writes, or later.
 */
export async function restoreRules(fallback: Db, roles: Roles, script: BridgeScript): Promise<string[]> {
  const failed: string[] = [];
  for (const { what, ...statement } of script.restore) {
    await runStatements(fallback, roles, [statement]).catch((error: unknown) => {
      if (!(error instanceof DatabaseError) || !error.sqlstate) throw error;
      failed.push(`${what}: ${error.message}`);
    });
  }
  return failed;
}

/** A column under a view cannot be widened: such views are dropped, outermost first, and made again as they were. */
async function viewsOver(db: Db, tables: readonly string[]): Promise<{ drop: string; create: string[] }[]> {
  if (tables.length === 0) return [];
  const views = await db.transaction(async (inside) => {
    await inside.query("SET LOCAL search_path = ''");
    return inside.query<{ name: string; kind: string; odd: boolean; options: string | null; definition: string; grants: string[] }>(
      `WITH RECURSIVE above(oid, depth) AS (
         SELECT unnest($1::text[])::pg_catalog.regclass::oid, 0
         UNION ALL
         SELECT r.ev_class, a.depth + 1 FROM above a JOIN pg_depend d ON d.refclassid = 'pg_class'::pg_catalog.regclass AND d.refobjid = a.oid AND d.classid = 'pg_rewrite'::pg_catalog.regclass
           JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> a.oid WHERE a.depth < 50)
       SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind AS kind, array_to_string(c.reloptions, ', ') AS options, pg_get_viewdef(c.oid) AS definition,
              EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid) OR (SELECT count(*) FROM pg_rewrite r WHERE r.ev_class = c.oid) > 1 AS odd,
              coalesce((SELECT json_agg(format('GRANT %s ON %I.%I TO %s', x.privilege_type, n.nspname, c.relname, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END))
                 FROM aclexplode(c.relacl) x WHERE x.grantee <> c.relowner), '[]') AS grants
         FROM (SELECT oid, max(depth) AS depth FROM above GROUP BY oid) a JOIN pg_class c ON c.oid = a.oid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v','m') ORDER BY a.depth DESC, 1`,
      [tables],
    );
  });
  return views.map(({ name, kind, odd, options, definition, grants }) => {
    if (kind === 'm' || odd) {
      throw new DatabaseError(
        `${name} is ${kind === 'm' ? 'a materialized view' : 'a view with triggers or rules'} over a table whose column must be widened on the fallback; drop it there before the window`,
        undefined,
      );
    }
    return { drop: `DROP VIEW ${name}`, create: [`CREATE VIEW ${name}${options ? ` WITH (${options})` : ''} AS ${definition}`, ...grants] };
  });
}
