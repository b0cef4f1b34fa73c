/** Partitions of the new schema that a rollback puts aside. */
import type { Db } from '../postgres/connection/connect';
import { isNamedHere, restOf } from '../postgres/replication/new-partitions';
import type { Catalog } from '../postgres/schema/catalog';
import type { PartitionPlan } from '../postgres/schema/kinds/plan';

/** Partitions of the new schema in which no row of the old release is: they would be in the way of the migration that makes them. */
export async function emptyPartitions(
  { made, outside }: PartitionPlan,
  db: Db,
  there: Catalog,
  schema: string,
): Promise<{ what: string; sql: string; schema: string }[]> {
  const names = new Set([...made.flatMap((one) => one.names), ...outside.map(restOf)]);
  const found: { what: string; sql: string; schema: string }[] = [];
  const moved = new Set<number>();
  const all = there.partitions ?? [];
  const below = (oid: number): typeof all => all.filter(({ parent }) => parent === oid).flatMap((one) => [one, ...below(one.oid)]);
  for (const { oid, name, parent, root } of all) {
    const isOfThem = names.has(name) || (made.some((one) => one.root === root) && isNamedHere(name));
    if (!isOfThem || moved.has(oid) || (await db.query(`SELECT FROM ${name} LIMIT 1`)).length > 0) continue;
    const inside = below(oid);
    for (const one of inside) moved.add(one.oid);
    const of = [...there.tables, ...all].find((one) => one.oid === parent)!.name;
    const away = [name, ...inside.map((one) => one.name)].map((one) => `ALTER TABLE ${one} SET SCHEMA ${schema};`).join(' ');
    found.push({
      what: name,
      schema,
      // somebody may have written to it since.
      sql: `DO $aside$ BEGIN LOCK TABLE ${name} IN ACCESS EXCLUSIVE MODE; IF NOT EXISTS (SELECT FROM ${name}) THEN ALTER TABLE ${of} DETACH PARTITION ${name}; ${away} END IF; END $aside$`,
    });
  }
  return found;
}
