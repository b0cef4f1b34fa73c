/**
 * Partitions that are made, attached or detached, and tables that are partitioned now or no longer. Rows travel as those of the whole table, so
 * that both sides may lay them out as they like; what counts is that every row finds a place, and that the old release finds its own there.
 */
import { ident, literal } from '../../connection/connect';
import { columnList } from '../../connection/tables';
import { restOf } from '../../replication/new-partitions';
import { attachedTo, type Catalog, type CatalogPartition, type CatalogTable, sameTable } from '../catalog';
import type { Kind, Schemas } from './kind';
import { heldNames } from './names';
import type { BridgePlan, PartitionPlan } from './plan';
import { master, owner } from './statements';

export const partitions: Kind = {
  schema(schemas, { partitions: plan }) {
    const { old, now } = schemas;
    for (const part of old.partitions ?? []) {
      if (now.tables.some(({ oid }) => oid === part.oid)) detached(schemas, plan, part);
      else rebounded(schemas, plan, part);
    }
    for (const table of old.tables) {
      const part = attachedTo(table, old, now);
      if (part) attached(schemas, plan, table, part);
    }
    for (const root of old.tables) made(schemas, plan, root);
  },

  table({ plan: { old, now }, say }) {
    if (old.partitioned !== now.partitioned)
      say(
        `${old.name}:partitioned`,
        'carried',
        `${old.name} is ${now.partitioned ? '' : 'no longer '}partitioned; its rows travel as those of one table`,
      );
    return undefined;
  },

  /** While the bridge is up, a detached partition is a table beside the other: rows of it may lie outside of its bounds, or twice. */
  script({ old, now, shadows }, part, { partitions: { detached: all } }) {
    const detached = all.find((one) => one.part.oid === old.oid);
    if (!detached) return;
    const { parent } = detached;
    // it can only be put back with the same columns.
    for (const { name, type } of shadows)
      part.fallback.push(owner(`ALTER TABLE ${parent.fed} ADD COLUMN IF NOT EXISTS ${ident(name)} ${type}`));
    part.fallback.push(owner(`ALTER TABLE ${parent.fed} DETACH PARTITION ${now.name}`));
  },

  scriptLast({ partitions: plan, tables }, part) {
    for (const one of plan.detached) {
      const old = tables.find((table) => table.old.oid === one.part.oid)?.old;
      if (old) part.restore.push({ ...master(putBack(one, old)), what: `${old.name} as a partition of ${one.from.name}` });
    }
    for (const root of plan.outside)
      part.fallback.push(owner(`CREATE TABLE ${restOf(root)} PARTITION OF ${fedName(root, tables)} DEFAULT`));
    for (const { table, to, parent, bounds } of plan.attached) {
      const of = tables.find(({ old }) => old.oid === to.oid);
      const has = (name: string): boolean => table.columns.some((column) => column.name === name);
      for (const { name, type } of of?.shadows ?? [])
        if (!has(name)) part.fallback.push(owner(`ALTER TABLE ${table.name} ADD COLUMN IF NOT EXISTS ${ident(name)} ${type}`));
      for (const { column, type } of of?.widen ?? [])
        part.fallback.push(owner(`ALTER TABLE ${table.name} ALTER COLUMN ${ident(column)} TYPE ${type}`));
      part.fallback.push(owner(`ALTER TABLE ${parent.fed} ATTACH PARTITION ${table.name} ${bounds}`));
      part.revert.push(owner(`ALTER TABLE ${parent.fed} DETACH PARTITION ${table.name}`));
    }
  },
};

const fedName = (root: CatalogTable, tables: BridgePlan['tables']): string =>
  tables.find(({ old }) => old.oid === root.oid)?.now.name ?? root.name;

/** A parent by its names on the fallback; partitions with partitions are called there what they were. */
function parentOf(oid: number, { old, now }: { old: Catalog; now: Catalog }): { fed: string; old: string } {
  const root = old.tables.find((table) => table.oid === oid);
  if (root) return { fed: sameTable(root, now)?.name ?? root.name, old: root.name };
  const name = (old.partitions?.find((part) => part.oid === oid) ?? now.partitions?.find((part) => part.oid === oid))?.name ?? `${oid}`;
  return { fed: name, old: name };
}

function detached(schemas: Schemas, plan: PartitionPlan, part: CatalogPartition): void {
  const from = schemas.old.tables.find(({ oid }) => oid === part.root);
  if (!from) return;
  const [is, root] = [schemas.now.tables.find(({ oid }) => oid === part.oid)!, sameTable(from, schemas.now)];
  // names that columns of the one have from each other are those of the other, too.
  const held = root ? [...heldNames(from, root).values()][0] : undefined;
  const unlike = is.columns.find(
    ({ name, type }) => name === held || root?.columns.some((column) => column.name === name && column.type !== type),
  );
  if (unlike) {
    schemas.say(
      `${part.name}.${unlike.name}:detached`,
      'lossy',
      `${part.name} is no partition of ${from.name} any more, and its column ${unlike.name} (${unlike.type}) is not what it was`,
      `rows of ${part.name}: it cannot be put back at a rollback`,
      'detach it before the window, or in the contract part',
    );
    return;
  }
  plan.detached.push({ part, from, parent: parentOf(part.parent, schemas), bounds: part.bounds });
  schemas.say(
    `${part.name}:detached`,
    'bridged',
    `${part.name} is no partition of ${from.name} any more; on the fallback it is a table beside it until a rollback, and is put back then`,
  );
}

/** Other bounds, or another parent. */
function rebounded({ old, now, say }: Schemas, plan: PartitionPlan, part: CatalogPartition): void {
  const is = now.partitions?.find(({ oid }) => oid === part.oid);
  const root = old.tables.find(({ oid }) => oid === part.root);
  if (!is || !root || (is.parent === part.parent && is.bounds === part.bounds)) return;
  if (is.root !== part.root) {
    const becomes = now.tables.find(({ oid }) => oid === is.root);
    // a table that was made anew under the name of the old one has the same rows.
    if (becomes && sameTable(root, now) === becomes) return;
    say(
      `${part.name}:moved`,
      'lossy',
      `${part.name} is a partition of ${becomes?.name ?? 'another table'} (was one of ${root.name})`,
      `rows of it: on the fallback they belong to ${root.name}`,
      'move it before the window, or in the contract part',
    );
    return;
  }
  say(`${part.name}:bounds`, 'bridged', `${part.name} is ${is.bounds} (was ${part.bounds}); on the fallback it keeps its bounds`);
  outside(old, plan, root);
}

/** Rows outside of all partitions get one; not beside a default one, which takes them, nor beside hashes, which leave nothing out. */
function outside({ partitions = [] }: Catalog, plan: PartitionPlan, root: CatalogTable): void {
  const parts = partitions.filter(({ parent }) => parent === root.oid);
  const isHash = parts.some(({ bounds }) => /^FOR VALUES WITH/.test(bounds));
  if (!isHash && !parts.some(({ bounds }) => bounds === 'DEFAULT') && !plan.outside.includes(root)) plan.outside.push(root);
}

function attached(schemas: Schemas, plan: PartitionPlan, table: CatalogTable, part: CatalogPartition): void {
  const { old, now, say } = schemas;
  const to = old.tables.find(({ oid }) => oid === part.root)!;
  const is = now.tables.find(({ oid }) => oid === part.root);
  const other = table.columns.find(
    ({ name, type }) =>
      !to.columns.some((column) => column.name === name && column.type === type) && !is?.columns.some((column) => column.name === name),
  );
  const missing = to.columns.find(({ name }) => !table.columns.some((column) => column.name === name));
  if (!to.persistent || !table.persistent || other || missing) {
    say(
      `${table.name}:attached`,
      'lossy',
      `${table.name} becomes a partition of ${to.name}, and was not alike before (${(other ?? missing)?.name ?? 'unlogged'})`,
      `rows of ${table.name} written after opening`,
      'attach it before the window, or give it the same columns before',
    );
    return;
  }
  plan.attached.push({ table, to, parent: parentOf(part.parent, schemas), bounds: part.bounds });
  say(
    `${table.name}:attached`,
    'bridged',
    `${table.name} becomes a partition of ${to.name}; on the fallback too until a rollback, and is a table beside it again then`,
  );
}

function made({ old, now, say }: Schemas, plan: PartitionPlan, root: CatalogTable): void {
  if (!root.partitioned) return;
  const is = sameTable(root, now);
  if (is && (!is.partitioned || is.oid !== root.oid)) outside(old, plan, root);
  const known = new Set([...(old.partitions ?? []), ...old.tables].map(({ oid }) => oid));
  const parts = (now.partitions ?? []).filter((part) => part.root === is?.oid && !known.has(part.oid));
  if (!is || parts.length === 0) return;
  plan.made.push({ root: is.oid, names: parts.map(({ name }) => name) });
  for (const { name, bounds } of parts)
    say(`${name}:partition`, 'bridged', `${name} is a new partition of ${is.name} (${bounds}); the fallback gets a place for its rows too`);
}

/**
 * Rows of the other table that lie within the bounds by now belong into it; rows of it that do not, into the other. Where one finds no place,
 * it stays in a table beside, and the comparison says so.
 */
function putBack({ part, parent, bounds }: PartitionPlan['detached'][number], { columns, name }: CatalogTable): string {
  const list = columnList(columns.filter(({ generated }) => generated === '').map((column) => column.name));
  const attach = `ALTER TABLE ${parent.old} ATTACH PARTITION ${name} ${bounds}`;
  const within = `(${part.within ?? 'true'})`;
  const beside = `switchback.outside_${part.oid}`;
  return `DO $put$ DECLARE one record; BEGIN
    PERFORM pg_catalog.set_config('search_path', '', true);
    IF (SELECT relispartition FROM pg_catalog.pg_class WHERE oid = ${literal(name)}::pg_catalog.regclass) THEN RETURN; END IF;
    BEGIN ${attach}; RETURN; EXCEPTION WHEN check_violation THEN NULL; END;
    PERFORM pg_catalog.set_config('session_replication_role', 'replica', true);
    CREATE TABLE IF NOT EXISTS ${beside} (LIKE ${name});
    WITH moved AS (DELETE FROM ${name} WHERE ${within} IS NOT TRUE RETURNING ${list}) INSERT INTO ${beside} (${list}) SELECT ${list} FROM moved;
    WITH moved AS (DELETE FROM ${parent.old} WHERE ${within} RETURNING ${list}) INSERT INTO ${name} (${list}) OVERRIDING SYSTEM VALUE SELECT ${list} FROM moved;
    ${attach};
    FOR one IN SELECT ctid FROM ${beside} LOOP
      BEGIN
        INSERT INTO ${parent.old} (${list}) OVERRIDING SYSTEM VALUE SELECT ${list} FROM ${beside} WHERE ctid = one.ctid;
        DELETE FROM ${beside} WHERE ctid = one.ctid;
      EXCEPTION WHEN check_violation OR unique_violation THEN NULL;
      END;
    END LOOP;
    IF NOT EXISTS (SELECT FROM ${beside}) THEN DROP TABLE ${beside}; END IF;
  END $put$`;
}
