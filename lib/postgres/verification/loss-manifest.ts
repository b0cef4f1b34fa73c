/** The loss manifest: what the old schema could not hold, said row by row count after a rollback. Empty is the aim. */

import type { Db } from '../connection/connect';
import { ident } from '../connection/connect';
import type { Proof } from './equality';
import { pair } from './pairing';
import { type ProofRecord, readRecord } from './record';

export interface Loss {
  /**
   * `deleted`: the migrations deleted it, and so did the feed. `kept`: nothing is lost: the old release does not see it, or has it again. `lost`: it is only on the former production. `broken`: a rule of the old
   * schema does not hold any more. `not proven`: nothing could be compared with it.
   */
  readonly is: 'kept' | 'deleted' | 'lost' | 'broken' | 'not proven';
  readonly what: string;
  readonly rows?: number;
}

export interface LossOptions {
  /** At the fork. Without one nothing can be told of what is kept. */
  readonly record?: ProofRecord;
  /** What was accepted to be lost before the window opened, one sentence each. */
  readonly announced: readonly string[];
  /** What `unbridge` could not put back. */
  readonly notPutBack: readonly string[];
  readonly proof?: Proof;
  /** What became of rows that the migrations deleted. */
  readonly deleted?: readonly Loss[];
}

export async function lossManifest(
  production: Db,
  fallback: Db,
  { record, announced, notPutBack, proof, deleted = [] }: LossOptions,
): Promise<Loss[]> {
  const losses: Loss[] = [...announced.map((what): Loss => ({ is: 'lost', what })), ...deleted];
  for (const table of proof?.comparison.tables ?? []) {
    if (table.equal) continue;
    const keys = table.differences
      .map(({ key, is }) => `${key} ${is === 'only on a' ? 'is missing' : is === 'only on b' ? 'is too many' : 'differs'}`)
      .join(', ');
    losses.push({
      is: 'lost',
      what: `${table.table} is not equal to the former production: ${keys}`,
      rows: Math.abs(table.rowsA - table.rowsB) || table.differences.length,
    });
  }
  for (const { table, rows } of proof?.since?.gone ?? []) {
    losses.push({
      is: 'broken',
      what: `rows of ${table} are gone: customers have deleted them since the opening, or they never arrived`,
      rows,
    });
  }
  const { changed = 0, tooMany = [] } = proof?.since ?? {};
  if (changed > 0) losses.push({ is: 'not proven', what: 'rows that customers have written since the opening', rows: changed });
  losses.push(
    ...tooMany.map((table): Loss => ({ is: 'not proven', what: `rows of ${table}: too many have been written since the opening` })),
  );
  for (const { what, rows } of proof?.notProven ?? []) losses.push({ is: 'not proven', what, ...(rows === undefined ? {} : { rows }) });
  for (const { partition, rows } of proof?.dropped ?? [])
    losses.push({ is: 'kept', what: `rows of ${partition}, kept on the fallback, dropped with the partition on production`, rows });
  if (record) losses.push(...(await kept(production, fallback, record)));
  losses.push(...notPutBack.map((what): Loss => ({ is: 'broken', what: `could not be put back: ${what}` })));
  if (record) losses.push(...(await orphans(fallback, record)));
  return losses;
}

/** What the fallback holds beside the old schema. */
async function kept(production: Db, fallback: Db, record: ProofRecord): Promise<Loss[]> {
  const found: Loss[] = [];
  const pairing = pair(await readRecord(production), await readRecord(fallback), { record }, 0);
  for (const { relation, column } of pairing.kept) {
    const [row] = await fallback.query<{ rows: number }>(
      `SELECT count(${column === undefined ? '*' : ident(column)})::float8 AS rows FROM ${relation}`,
    );
    if (row!.rows === 0) continue;
    const what = column === undefined ? `rows of the new table ${relation}` : `values of the new column ${relation}.${column}`;
    found.push({ is: 'kept', what, rows: row!.rows });
  }
  return found;
}

/** Rows are applied without a look at foreign keys; so it is looked here. */
async function orphans(fallback: Db, { relations }: ProofRecord): Promise<Loss[]> {
  const keys = await fallback.query<{ name: string; child: string; parent: string; columns: string[]; references: string[] }>(
    `SELECT k.conname AS name, format('%I.%I', cn.nspname, c.relname) AS child, format('%I.%I', pn.nspname, p.relname) AS parent,
            (SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(k.conkey) WITH ORDINALITY u(n, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n) AS columns,
            (SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(k.confkey) WITH ORDINALITY u(n, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n) AS references
       FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
       JOIN pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
      WHERE k.contype = 'f' AND k.conparentid = 0 AND c.oid = ANY ($1::oid[]) ORDER BY 2, 1`,
    [relations.map(({ oid }) => oid)],
  );
  const found: Loss[] = [];
  for (const { name, child, parent, columns, references } of keys) {
    const [row] = await fallback.query<{ rows: number }>(
      `SELECT count(*)::float8 AS rows FROM ${child} c WHERE ${columns.map((column) => `c.${ident(column)} IS NOT NULL`).join(' AND ')}
         AND NOT EXISTS (SELECT FROM ${parent} p WHERE ${columns.map((column, index) => `p.${ident(references[index]!)} = c.${ident(column)}`).join(' AND ')})`,
    );
    if (row!.rows > 0) found.push({ is: 'broken', what: `rows of ${child} that point to nothing in ${parent} (${name})`, rows: row!.rows });
  }
  return found;
}
