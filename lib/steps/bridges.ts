/** Between the migrations and opening: what they changed is sorted, bridged, and brought over; then the feed runs again. */

import { switchback } from '../base/advice';
import { Stop } from '../base/errors';
import { type Context, colorPart } from '../engine/context';
import { trialFound } from '../engine/milestones';
import { done, kept, type Observation, type Step, todo } from '../engine/step';
import { DatabaseError, type Db, ident } from '../postgres/connection/connect';
import { fittingName } from '../postgres/connection/tables';
import { copyTables, resumeFeed } from '../postgres/replication/feed';
import { makePartitions, missingPartitions } from '../postgres/replication/new-partitions';
import { readPublication } from '../postgres/replication/publication';
import { feedName, readSubscription, silentTables, unknownTables } from '../postgres/replication/subscription';
import { withoutBookkeeping } from '../postgres/schema/bookkeeping';
import { type BridgeScript, bridge, bridgeIsUp, bridgeScript, restoreRules, runStatements, unbridge } from '../postgres/schema/bridge';
import { type Catalog, type CatalogTable, readCatalog } from '../postgres/schema/catalog';
import { type Classification, classify } from '../postgres/schema/classify';
import type { Difference } from '../postgres/schema/difference';
import { restingName } from '../postgres/schema/kinds/names';
import { mapping } from '../postgres/schema/mapping';
import { refusalWords, refused } from '../postgres/schema/refusals';
import { addedLabels, putLabelAside } from '../postgres/schema/unused-values';
import { type Footprint, footprint, shipFootprint } from '../postgres/verification/footprint';
import { type Known, lookAhead, migrationLosses, readOtherwise, withLosses } from '../postgres/verification/migration-losses';
import { type ProofRecord, readRecord } from '../postgres/verification/record';
import { compareShare, compareWords, rowEstimates } from './comparison-words';
import { emptyPartitions } from './empty-partitions';
import { feedSource } from './fork-options';

/** The form of the data before the change, as the fallback has it: what everything after is compared with. */
export function schemaRecorded(fallback: string): Step {
  return kept({
    id: 'form.before',
    title: `Record the schema of ${fallback}: a rollback goes back to it`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const db = await context.database(fallback);
      const catalog = schemaOf(context, await readCatalog(db));
      // the proof has its own: it must not be told by what it proves.
      return done(`${catalog.tables.length} tables`, { catalog, record: await readRecord(db) });
    },
  });
}

/** Refuses what a rollback after opening would lose and nobody has accepted by its id. */
export function notLossless(
  differences: readonly Difference[],
  accepted: readonly string[],
): Extract<Observation, { is: 'failed' }> | undefined {
  const open = refused(differences, accepted);
  if (open.length === 0) return undefined;
  return { is: 'failed', code: 'form.not-lossless', message: open.map(refusalWords).join('; ') };
}

/** Every difference of the two schemas, sorted. What would be lost must have been accepted by its id. */
export function schemaClassified(production: string, fallback: string): Step {
  return {
    id: 'form.classified',
    title: 'Classify schema changes: compatible, bridged, needs declaration, lossy',
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const now = schemaOf(context, await readCatalog(await context.database(production)));
      const [old, declared] = [catalogBefore(context), declaredBy(context)];
      const before = await context.database(fallback);
      const known = looked.get(before);
      const losses = await migrationLosses(before, await context.database(production), {
        ...{ old, now, declared },
        // the footprint will: it is not looked at twice while customers wait.
        compared: false,
        accepted: acceptedAndFound(context),
        ...(known ? { known } : {}),
      });
      const differences = withLosses(classify(old, now, declared).differences, losses);
      const open = notLossless(differences, context.acceptedLosses);
      if (open) return open;
      if (differences.length > 0) await context.progress(differences.map(({ verdict, what }) => `${verdict}: ${what}`).join('\n'));
      return done(count(differences), { now, differences });
    },
  };
}

const looked = new WeakMap<Db, Known>();

/**
 * While the migrations run, and nobody writes to the fallback: what the classification will ask of it. The trial has told which columns and
 * tables go.
 */
export const classificationReady =
  (fallback: string) =>
  async (context: Context): Promise<void> => {
    const db = await context.database(fallback);
    const expected = ((trialFound(context.view)?.['differences'] ?? []) as readonly Difference[]).map(({ id }) => id);
    looked.set(db, await lookAhead(db, { old: catalogBefore(context), expected, accepted: acceptedAndFound(context) }));
  };

/** What the trial has counted and somebody has accepted: nobody waits for it to be counted again. */
function acceptedAndFound({ view, acceptedLosses }: Context): string[] {
  const found = (trialFound(view)?.['differences'] ?? []) as readonly Difference[];
  return found.filter(({ id, loses }) => loses !== undefined && acceptedLosses.includes(id)).map(({ id }) => id);
}

/** The fallback takes rows of the new schema from here on. Its own part is one transaction: it is up or it is not. */
export function bridged(production: string, fallback: string): Step {
  let up = false;
  return {
    id: 'feed.bridge',
    title: `Put the bridge on ${fallback}: rows of the new schema become rows of the old`,
    estimateSeconds: 2,
    patienceSeconds: 120,
    async observe(context) {
      const { script } = planned(context);
      const [from, to] = [await context.database(production), await context.database(fallback)];
      // production's part leaves no mark, and may be run again; so may the making of partitions.
      const rest = async () => script.production.length === 0 && (await missingPartitions(from, to, newIn(context))).length === 0;
      const complete = (await bridgeIsUp(to)) && (up || (await rest()));
      return complete ? done(`${script.fallback.length + script.production.length} statements`) : todo();
    },
    async act(context) {
      const { roles } = context.manifest.shared.database;
      const [from, to] = [await context.database(production), await context.database(fallback)];
      await bridge(from, to, roles, planned(context).script);
      const { refused } = await makePartitions(from, to, newIn(context));
      if (refused.length > 0) throw new DatabaseError(refused.join('; '), '42P17');
      up = true;
    },
  };
}

/** Tables that got partitions from the migrations. */
const newIn = (context: Pick<Context, 'facts' | 'manifest' | 'window'>): number[] =>
  planned(context).classification.plan.partitions.made.map(({ root }) => root);

/** Which rows of the old schema the migrations changed, brought over; backfills of columns it does not have are not shipped. */
export function footprintShipped(production: string, fallback: string): Step {
  let found: Footprint | undefined;
  let brought = false;
  return {
    id: 'feed.footprint',
    title: `Find the rows that the migrations changed, and bring them to ${fallback}`,
    estimateSeconds: 10,
    patienceSeconds: 3600,
    wholeOrNot: true,
    async observe(context) {
      found = await find(context, production, fallback);
      const rows = found.tables.reduce((sum, table) => sum + table.rows, 0);
      if (rows === 0) return done('both databases hold the same in the old schema');
      const words = found.tables.map(({ table, rows: n }) => `${table}: ${n} rows`).join(', ');
      // nobody writes to either: what differs now differs at every later look, and customers wait.
      return brought
        ? {
            is: 'failed',
            code: 'feed.footprint.differs',
            message: `rows that were brought to ${fallback} differ there: ${found.tables.map(({ table, rows: n, keys }) => `${table}: ${n} rows, as ${keys.join(', ')}`).join('; ')}; the bridge does not make of them what production has`,
          }
        : todo(words);
    },
    async act(context) {
      // as it was seen a moment ago: both databases are fenced, and looking again costs as much as the first time.
      found ??= await find(context, production, fallback);
      await readAsBefore(context, { production, fallback, found });
      await context.progress(found.tables.map(({ table, rows }) => `${table}: ${rows} rows`).join(', '));
      await shipFootprint(
        await context.database(production),
        await context.database(fallback),
        planned(context).classification.plan,
        found,
        { window: context.window.name, deleted: declaredBy(context).deleted },
      );
      brought = true;
    },
  };
}

/** Rows of a retyped column that have come since the trial: what they were is not written over with what the new type made of it. */
async function readAsBefore(
  context: Context,
  { production, fallback, found }: { production: string; fallback: string; found: Footprint },
): Promise<void> {
  const [from, to] = [await context.database(production), await context.database(fallback)];
  const schemas = { old: catalogBefore(context), now: context.facts('form.classified')['now'] as Catalog, declared: declaredBy(context) };
  const tables = new Set(found.tables.map(({ table }) => table));
  const open = notLossless(await readOtherwise(to, from, schemas, tables), context.acceptedLosses);
  if (open) throw new Stop(open.code, open.message, { state: 'nothing has been brought over', next: [switchback('rollback')] });
}

async function find(context: Context, production: string, fallback: string): Promise<Footprint> {
  const { plan } = planned(context).classification;
  const [from, to] = [await context.database(production), await context.database(fallback)];
  let shownAt = context.clock.elapsed();
  return footprint(
    from,
    to,
    plan,
    mapping(plan, { names: 'new', declared: declaredBy(context), copied: false, rows: await rowEstimates(from, to) }),
    (progress) => {
      if (context.clock.elapsed() - shownAt < 2000) return;
      shownAt = context.clock.elapsed();
      void context.progress(compareWords(progress), compareShare(progress)).catch(() => undefined);
    },
  );
}

/** From behind the migrations on; new tables are copied whole. Before anybody may write. */
export function feedResumed(production: string, fallback: string): Step {
  return {
    id: 'feed.resume',
    title: `Resume replication to ${fallback}, skipping the migrations`,
    estimateSeconds: 5,
    patienceSeconds: 3600,
    async observe(context) {
      const [from, to, name] = [await context.database(production), await context.database(fallback), feedName(context.window.name)];
      const subscription = await readSubscription(to, name);
      if (!subscription?.enabled) return todo();
      const { script } = planned(context);
      const known = new Set((await readPublication(from, name)).map(({ schema, table }) => `${schema}.${table}`));
      const unpublished = [...script.publication, ...script.copied].filter(({ schema, table }) => !known.has(`${schema}.${table}`));
      if (unpublished.length > 0) return todo(`not published yet: ${unpublished.map(({ table }) => table).join(', ')}`);
      // a run that died in between has published them and told nobody.
      const unknown = await unknownTables(from, to, name);
      if (unknown.length > 0) return todo(`not subscribed to yet: ${unknown.join(', ')}`);
      const silent = await silentTables(from, to, name);
      return silent.length === 0 ? done(`${known.size} tables`) : { is: 'pending', detail: `being copied: ${silent.join(', ')}` };
    },
    async act(context) {
      const [from, to, name] = [await context.database(production), await context.database(fallback), feedName(context.window.name)];
      const { script } = planned(context);
      await resumeFeed(from, to, name, await feedSource(context, production), script.publication);
      await copyTables(from, to, name, script.copied);
    },
  };
}

/** At a rollback, the feed stopped: names as they were, nothing of the bridge left but what holds new data. */
export function unbridged(fallback: string): Step {
  let notPutBack: string[] | undefined;
  return {
    id: 'feed.unbridge',
    title: `Remove the bridge from ${fallback} and restore the constraints of the old schema`,
    estimateSeconds: 1,
    patienceSeconds: 600,
    async observe(context) {
      if (await bridgeIsUp(await context.database(fallback))) return todo();
      if (notPutBack) return done(notPutBack.length === 0 ? undefined : `not put back: ${notPutBack.join('; ')}`, { notPutBack });
      // never put up: the migrations may have stopped before it. Taken off by a run that died: its rules are put back again.
      return context.view.begun('cutover', 'feed.bridge') ? todo() : done('there was none', { notPutBack: [] });
    },
    async act(context) {
      const [to, { roles }, { script }] = [await context.database(fallback), context.manifest.shared.database, planned(context)];
      await unbridge(to, roles, script);
      notPutBack = await restoreRules(to, roles, script);
    },
  };
}

/**
 * After a rollback the next try migrates this database again: what the bridge kept for the new schema must not be in its
 * way. Nothing is deleted: tables move to a schema named after the window, columns get its name in front.
 */
export function newObjectsMovedAside(fallback: string): Step {
  return {
    id: 'form.aside',
    title: `Move aside on ${fallback} what only the new schema has: the next window migrates again`,
    estimateSeconds: 1,
    patienceSeconds: 300,
    async observe(context) {
      if (!context.view.begun('cutover', 'feed.bridge')) return done('there is nothing');
      const { left, used } = await inTheWay(context, fallback);
      if (left.length > 0) return todo(left.map(({ what }) => what).join(', '));
      return done(used.length === 0 ? undefined : used.join('; '));
    },
    async act(context) {
      const [db, { roles }] = [await context.database(fallback), context.manifest.shared.database];
      const { left } = await inTheWay(context, fallback);
      for (const schema of new Set(left.flatMap(({ schema }) => schema ?? []))) {
        await db.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
        await db.query(`GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${ident(roles.owner)}`);
      }
      for (const { sql } of left) await insistently(context, () => runStatements(db, roles, [{ sql, as: 'owner' }]));
    },
  };
}

/** Tables of one name have a schema each, as where they come from: their indexes are called alike, too. */
function asideSchema({ window }: Pick<Context, 'window'>, { schema, table, name }: CatalogTable, all: readonly CatalogTable[]): string {
  const own = `switchback_${window.name}`;
  return ident(all.some((one) => one.table === table && one.name < name) ? fittingName(`${own}_`, schema) : own);
}

interface InTheWay {
  /** Tables, columns and values of enums of the new schema that the fallback has kept, each with the statement that puts it aside. */
  readonly left: readonly { readonly what: string; readonly sql: string; readonly schema?: string }[];
  /** Values of enums that rows have, and that therefore stay: one sentence each. */
  readonly used: readonly string[];
}

async function inTheWay(context: Context, fallback: string): Promise<InTheWay> {
  const { plan } = planned(context).classification;
  const db = await context.database(fallback);
  const there = await readCatalog(db);
  const tables = plan.inert
    .filter(({ name }) => there.tables.some((table) => table.name === name))
    .map((table) => ({ table, schema: asideSchema(context, table, plan.inert) }))
    .map(({ table: { name }, schema }) => ({ what: name, schema, sql: `ALTER TABLE ${name} SET SCHEMA ${schema}` }));
  // a detached partition has its columns from the table that it is put back into; one that was attached was given that table's.
  const shadowsOf = (oid: number) => plan.tables.find(({ old }) => old.oid === oid)?.shadows ?? [];
  const given = [
    ...plan.partitions.detached.map(({ part, from }) => ({ old: from, shadows: shadowsOf(part.oid) })),
    ...plan.partitions.attached.map(({ table, to }) => ({
      old: table,
      shadows: shadowsOf(to.oid).filter(({ name }) => !table.columns.some((column) => column.name === name)),
    })),
  ];
  const columns = [...plan.tables, ...given].flatMap(({ old, shadows }) =>
    shadows
      .map(({ name }) => ({ name, rests: restingName({ old }, name) }))
      .filter(({ rests }) => there.tables.find((table) => table.name === old.name)?.columns.some((column) => column.name === rests))
      .map(({ name, rests }) => ({
        what: `${old.name}.${name}`,
        sql: `ALTER TABLE ${old.name} RENAME COLUMN ${ident(rests)} TO ${ident(fittingName(`switchback_${context.window.name}_`, name))}`,
      })),
  );
  const once = columns.filter(({ what }, at) => columns.findIndex((one) => one.what === what) === at);
  const added = await addedLabels(db, plan);
  const labels = added
    .filter(({ usedIn }) => usedIn === undefined)
    .map((one) => ({ what: `'${one.label}' of ${one.type}`, sql: putLabelAside(one, context.window.name) }));
  const partitions = await emptyPartitions(plan.partitions, db, there, ident(`switchback_${context.window.name}`));
  return {
    left: [...tables, ...once, ...labels, ...partitions],
    used: added.flatMap(({ type, label, usedIn }) =>
      usedIn === undefined
        ? []
        : [`${usedIn} has rows with '${label}' of ${type}, which stays: a migration adds it again with IF NOT EXISTS`],
    ),
  };
}

/** Customers are being served: a lock that is not to be had at once is asked for again, never waited for with them in the queue. */
async function insistently(context: Context, action: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.sqlstate !== '55P03' || tries === 30) throw error;
      await context.clock.pause(200 * tries);
    }
  }
}

/** What the classifier and the bridge made of the two schemas; the same on every invocation. */
export function planned(context: Pick<Context, 'facts' | 'manifest' | 'window'>): { classification: Classification; script: BridgeScript } {
  const classification = classify(catalogBefore(context), context.facts('form.classified')['now'] as Catalog, declaredBy(context));
  return { classification, script: bridgeScript(classification.plan) };
}

/** What counts as form: everything but the migration tool's own notes. */
export const schemaOf = (context: Pick<Context, 'manifest' | 'window'>, catalog: Catalog): Catalog =>
  withoutBookkeeping(catalog, colorPart(context.manifest, context.window.to).migration.bookkeeping);

/** What the proof recorded of the schema at the fork; a window that was opened by a version before has none. */
export const recordBefore = ({ view }: Pick<Context, 'view'>): ProofRecord | undefined =>
  view.facts('form.before')?.['record'] as ProofRecord | undefined;

export const catalogBefore = (context: Pick<Context, 'facts'>): Catalog => context.facts('form.before')['catalog'] as Catalog;

export const declaredBy = ({ manifest, window }: Pick<Context, 'manifest' | 'window'>) =>
  colorPart(manifest, window.to).migration.bridges ?? {};

export function count(differences: readonly Difference[]): string {
  const of = (verdict: Difference['verdict']) => differences.filter((difference) => difference.verdict === verdict).length;
  return `${of('carried')} carried as they are, ${of('bridged')} bridged, ${of('declare')} to be declared, ${of('lossy')} not lossless`;
}

/** At the teardown: what the bridge put on production for the old schema's sake goes. Every statement may be run again. */
export function productionUnbridged(production: string): Step {
  let off = false;
  return {
    id: 'bridge.remove',
    title: `Remove from ${production} what only the bridge needed`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      return off || planned(context).script.productionRevert.length === 0 ? done() : todo();
    },
    async act(context) {
      await runStatements(
        await context.database(production),
        context.manifest.shared.database.roles,
        planned(context).script.productionRevert,
      );
      off = true;
    },
  };
}
