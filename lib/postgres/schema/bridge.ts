/**
 * Bridges: what is put on the fallback (and, where there is no other way, on production) so that rows of the new schema apply to the old.
 * Made in the window while both databases are fenced; taken off at a rollback, when nothing is fed any more.
 */

import type { Roles } from '../access/roles';
import { wakeTriggers } from '../access/triggers';
import { allInOrder, DatabaseError, type Db, ident } from '../connection/connect';
import { ownSchema } from '../connection/server';
import type { PublishedTable } from '../replication/publication';
import type { CatalogTable } from './catalog';
import { kinds } from './kinds';
import type { BridgePlan, TablePlan } from './kinds/plan';
import { emptyPart, master, type Part, type Statement, trigger } from './kinds/statements';
import { computedOf, type GotBack, putBack, type WidenedTable, widening } from './widening';

export interface BridgeScript {
  /** On production, before the publication is made again. */
  readonly production: readonly Statement[];
  /** Cannot run inside the transaction of the others: new values of enums. */
  readonly enums: readonly Statement[];
  readonly fallback: readonly Statement[];
  readonly widened: readonly WidenedTable[];
  /** At a rollback, before the fallback is opened: names as they were, nothing of the bridge left but the columns and tables that hold new data. */
  readonly revert: readonly Statement[];
  /** At a rollback, after that: columns that get their own type back, where rows of the new release allow it. */
  readonly gotBack: readonly GotBack[];
  /** At a rollback, after that: each may fail where rows of the new release do not allow it. */
  readonly restore: readonly (Statement & { readonly what: string })[];
  /** At a rollback or teardown, on production. */
  readonly productionRevert: readonly Statement[];
  readonly publication: readonly PublishedTable[];
  /** Tables whose rows the fallback does not have yet: published last, and copied. */
  readonly copied: readonly PublishedTable[];
}

export function bridgeScript(plan: BridgePlan): BridgeScript {
  const parts = plan.tables.map((table) => partOf(table, plan));
  const added = plan.inert.map((table) => partOfNew(table, plan));
  const once = emptyPart();
  for (const kind of kinds) kind.scriptOnce?.(plan, once);
  const last = emptyPart();
  for (const kind of kinds) kind.scriptLast?.(plan, last);
  const all = [once, ...parts, ...added, last];
  return {
    production: all.flatMap((part) => part.production),
    enums: kinds.flatMap((kind) => kind.alone?.(plan) ?? []),
    fallback: all.flatMap((part) => [...part.fallback, ...part.views]),
    widened: plan.tables
      // a partition that is detached later has what its table has.
      .filter(({ old, widen }) => widen.length > 0 && !plan.partitions.detached.some(({ part }) => part.oid === old.oid))
      .map((table) => ({ table: table.old.name, columns: table.widen, computed: computedOf(table) })),
    revert: all.flatMap((part) => part.revert).reverse(),
    gotBack: plan.tables.flatMap(({ old, widen }) =>
      widen.flatMap(({ column, back }) =>
        back === undefined ? [] : [{ table: old.name, column, type: back, usual: defaultOf(old, column) }],
      ),
    ),
    // what was made last is undone first.
    restore: [last, ...parts, once].flatMap((part) => part.restore),
    productionRevert: all.flatMap((part) => part.productionRevert),
    publication: parts.flatMap((part) => part.publication),
    copied: added.flatMap((part) => part.publication),
  };
}

const defaultOf = ({ columns }: CatalogTable, column: string): string | null => columns.find(({ name }) => name === column)!.default;

function partOf(plan: TablePlan, bridge: BridgePlan): Part {
  const part = emptyPart();
  for (const kind of kinds) kind.script?.(plan, part, bridge);
  whatArrives(plan, part);
  part.publication.push({ schema: plan.now.schema, table: plan.now.table, ...(plan.published ? { columns: plan.published } : {}) });
  return part;
}

function partOfNew(table: CatalogTable, bridge: BridgePlan): Part {
  const part = emptyPart();
  for (const kind of kinds) kind.scriptOfNew?.(table, part, bridge);
  return part;
}

/** One trigger for what all kinds compute of a row. `NEW` stays as it arrived: one column's value is made of what another's was. */
function whatArrives({ old, now, assign, fill }: TablePlan, part: Part): void {
  if (assign.length === 0 && fill.length === 0) return;
  const body = [
    ...assign.map(({ column, expression }) => `made.${ident(column)} := ${expression};`),
    ...fill.map(({ column, value }) => `IF made.${ident(column)} IS NULL THEN made.${ident(column)} := ${value}; END IF;`),
  ];
  // no row type of the table: a partition may have its columns in another order.
  const whole = `DECLARE made record := NEW; BEGIN\n${body.join('\n')}\nRETURN made;\nEND;`;
  trigger(part, now.name, `switchback_bridge_${old.oid}`, 'BEFORE', whole);
}

/** Runs statements in one transaction, each as the one it says; sent at once, because customers wait. */
export async function runStatements(db: Db, roles: Roles, statements: readonly Statement[]): Promise<void> {
  if (statements.length === 0) return;
  const named = (sql: string) => (error: unknown) => {
    throw error instanceof DatabaseError && error.sqlstate
      ? new DatabaseError(`${error.message}, in: ${sql}`, error.sqlstate, error.detail, error.hint)
      : error;
  };
  const become = (as: Statement['as']): string => (as === 'owner' ? `SET LOCAL ROLE ${ident(roles.owner)}` : 'RESET ROLE');
  await db.transaction(async (inside) => {
    const sent = [inside.query("SET LOCAL lock_timeout = '5s'")];
    let now: Statement['as'] = 'master';
    for (const { sql, as } of [...statements, { sql: '', as: 'master' } as const]) {
      if (as !== now) sent.push(inside.query(become(as)));
      if (sql !== '') sent.push(inside.query(sql).catch(named(sql)));
      now = as;
    }
    await allInOrder(sent);
  });
}

/**
 * Puts the bridge up. Both databases are fenced, the feed is paused. Running it again finds it done: the fallback notes it in the same
 * transaction, and production's part may be repeated.
 */
export async function bridge(production: Db, fallback: Db, roles: Roles, script: BridgeScript): Promise<void> {
  if (!(await bridgeIsUp(fallback))) {
    for (const statement of script.enums) await runStatements(fallback, roles, [statement]);
    const widened = await widening(production, fallback, roles.owner, script.widened);
    await runStatements(fallback, roles, [
      master(`CREATE TABLE IF NOT EXISTS ${ownSchema}.bridge (up timestamptz)`),
      master(`INSERT INTO ${ownSchema}.bridge VALUES (clock_timestamp())`),
      // rows are applied by the owner, whose triggers look whether they only try the way.
      master(`GRANT USAGE ON SCHEMA ${ownSchema} TO ${ident(roles.owner)}`),
      master(`GRANT SELECT ON ${ownSchema}.marker TO ${ident(roles.owner)}`),
      ...widened,
      ...script.fallback,
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

/** SQLSTATE of a constraint, of an index and of a primary key that is there already. */
const isThere: ReadonlySet<string> = new Set(['42710', '42P07', '42P16']);

/**
 * Puts back the rules of the old schema that the bridge had to take off; answers those that rows of the new release do not allow. Builds
 * indexes, and so may take a while: in the gap, where nobody writes, or later.
 */
export async function restoreRules(fallback: Db, roles: Roles, script: BridgeScript): Promise<string[]> {
  const failed: string[] = [];
  const unlessRefused = (what: string, action: () => Promise<void>): Promise<void> =>
    action().catch((error: unknown) => {
      if (!(error instanceof DatabaseError) || !error.sqlstate) throw error;
      // by a run that died.
      if (isThere.has(error.sqlstate)) return;
      failed.push(`${what}: ${error.message}`);
    });
  for (const column of script.gotBack)
    await unlessRefused(`${column.table}.${column.column} as ${column.type}`, async () =>
      runStatements(fallback, roles, await putBack(fallback, roles.owner, column)),
    );
  for (const { what, ...statement } of script.restore) await unlessRefused(what, () => runStatements(fallback, roles, [statement]));
  return failed;
}
