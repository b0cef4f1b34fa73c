/** The loss manifest: what the old schema could not hold, said row by row count after a rollback. Empty is the aim. */

import type { Db } from '../connection/connect';
import { ident } from '../connection/connect';
import type { Catalog } from '../schema/catalog';
import type { Classification } from '../schema/classify';
import type { Proof } from './equality';

export interface Loss {
  /** `kept`: nothing is lost, but the old release does not see it. `lost`: it is only on the former production. `broken`: a rule of the old schema does not hold any more. */
  readonly is: 'kept' | 'lost' | 'broken';
  readonly what: string;
  readonly rows?: number;
}

export interface LossOptions {
  /** The fallback's catalog before the bridge. */
  readonly old: Catalog;
  readonly classification: Classification;
  /** What `unbridge` could not put back. */
  readonly notPutBack: readonly string[];
  readonly proof?: Proof;
}

export async function lossManifest(fallback: Db, { old, classification, notPutBack, proof }: LossOptions): Promise<Loss[]> {
  const losses: Loss[] = classification.differences
    .filter(({ loses }) => loses !== undefined)
    .map(({ loses }) => ({ is: 'lost', what: loses! }));
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
  for (const table of classification.plan.inert) {
    const [row] = await fallback.query<{ rows: number }>(`SELECT count(*)::float8 AS rows FROM ${table.name}`);
    if (row!.rows > 0) losses.push({ is: 'kept', what: `rows of the new table ${table.name}`, rows: row!.rows });
  }
  for (const { old: table, now, shadows } of classification.plan.tables) {
    const added = shadows.filter(({ name, from }) => from === undefined && now.columns.some((column) => column.name === name));
    for (const { name } of added) {
      const [row] = await fallback.query<{ rows: number }>(`SELECT count(${ident(name)})::float8 AS rows FROM ${table.name}`);
      if (row!.rows > 0) losses.push({ is: 'kept', what: `values of the new column ${table.name}.${name}`, rows: row!.rows });
    }
  }
  losses.push(...notPutBack.map((what): Loss => ({ is: 'broken', what: `could not be put back: ${what}` })));
  losses.push(...(await orphans(fallback, old)));
  return losses;
}

/** Rows are applied without a look at foreign keys; so it is looked here. */
async function orphans(fallback: Db, old: Catalog): Promise<Loss[]> {
  const keys = await fallback.query<{ name: string; child: string; parent: string; columns: string[]; references: string[] }>(
    `SELECT k.conname AS name, format('%I.%I', cn.nspname, c.relname) AS child, format('%I.%I', pn.nspname, p.relname) AS parent,
            (SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(k.conkey) WITH ORDINALITY u(n, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n) AS columns,
            (SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(k.confkey) WITH ORDINALITY u(n, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n) AS references
       FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
       JOIN pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
      WHERE k.contype = 'f' AND k.conparentid = 0 AND c.oid = ANY ($1::oid[]) ORDER BY 2, 1`,
    [old.tables.map(({ oid }) => oid)],
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
