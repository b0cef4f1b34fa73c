/** Which rows of production are those of a table of the old schema, wherever partitions lie by now. */
import { ident } from '../connection/connect';
import type { ProofRecord, RecordedRelation } from './record';

export interface RowsOf {
  /** In SQL. */
  readonly relation: string;
  /** Whether it is one table, whose key keeps all of them apart. */
  readonly isOne: boolean;
  /** Partitions of it that are left out. */
  readonly unlogged: readonly RecordedRelation[];
}

export interface Records {
  /** At the fork. */
  readonly record: ProofRecord;
  readonly production: ProofRecord;
  readonly fallback: ProofRecord;
}

export const byOid = ({ relations }: ProofRecord, oid: number): RecordedRelation | undefined => relations.find((one) => one.oid === oid);

/**
 * Whether rows of a recorded relation are compared with those of another: as one of its partitions on both sides, or as one that only production
 * has detached; that is answered.
 */
export function isWithin({ oid, root }: RecordedRelation, { production, fallback }: Records): RecordedRelation | boolean {
  const [now, there] = [byOid(production, oid), byOid(fallback, oid)];
  if (root === null) return now !== undefined && now.root !== null && now.root === there?.root;
  if (now === undefined || now.root !== null) return true;
  return there?.root === root ? now : false;
}

/** Those of partitions that only production has detached, too; and none of tables that only production has attached. */
export function rowsOf(
  { record, production, fallback }: Records,
  { old, there, now }: { readonly old: RecordedRelation; readonly there: RecordedRelation; readonly now: RecordedRelation },
): RowsOf {
  const asItIs = { relation: now.name, isOne: true, unlogged: [] };
  if (old.oid !== now.oid || old.oid !== there.oid || !old.partitioned) return asItIs;
  const isApart = ({ oid, root }: RecordedRelation): boolean => root === null && byOid(record, oid) !== undefined;
  const attached = fallback.relations.filter((one) => isApart(one) && byOid(production, one.oid)?.root === now.oid);
  const detached = record.relations.flatMap(({ oid, root, columns }) => {
    const [is, was] = [byOid(production, oid), byOid(fallback, oid)];
    return root === old.oid && is?.root === null && was?.root === there.oid ? [{ is, columns }] : [];
  });
  const unlogged = production.relations.filter((one) => one.root === now.oid && one.unlogged);
  if (attached.length + detached.length + unlogged.length === 0) return asItIs;
  const named = now.columns.filter(({ generated }) => !generated);
  const parts = detached.map(({ is, columns }) => {
    const values = named.map((column) => {
      // at the fork it had the names of what it was a part of.
      const name = old.columns.find(({ number }) => number === column.number)?.name;
      const mine = is.columns.find(({ number }) => number === columns.find((one) => one.name === name)?.number);
      return `${mine ? ident(mine.name) : 'NULL'} AS ${ident(column.name)}`;
    });
    return `SELECT ${values.join(', ')} FROM ${is.name}`;
  });
  const out = [...attached, ...unlogged].map(({ oid }) => `SELECT relid FROM pg_catalog.pg_partition_tree(${oid})`).join(' UNION ALL ');
  const whole = `SELECT ${named.map(({ name }) => ident(name)).join(', ')} FROM ${now.name}${out === '' ? '' : ` WHERE tableoid NOT IN (${out})`}`;
  return { relation: `(${[whole, ...parts].join(' UNION ALL ')})`, isOne: detached.length === 0, unlogged };
}
