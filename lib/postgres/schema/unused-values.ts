/**
 * Values of enums that the new schema brought. PostgreSQL takes none out of an enum, so after a rollback they stay, and the next try would
 * add them again in vain: those that no row has are put aside under another name.
 */
import { type Db, ident, literal } from '../connection/connect';
import { fittingName } from '../connection/tables';
import type { BridgePlan } from './kinds/plan';

export interface AddedLabel {
  /** Of the enum, `schema.name`. */
  readonly type: string;
  readonly label: string;
  /** A column that has it in some row; undefined where none has. */
  readonly usedIn: string | undefined;
}

/** Those of the plan that are still there under their names. */
export async function addedLabels(db: Db, { enums }: Pick<BridgePlan, 'enums'>): Promise<AddedLabel[]> {
  const found: AddedLabel[] = [];
  for (const { name: type, add } of enums)
    for (const { label } of add) {
      const there = await db.query('SELECT FROM pg_catalog.pg_enum WHERE enumtypid = pg_catalog.to_regtype($1) AND enumlabel = $2', [
        type,
        label,
      ]);
      if (there.length > 0) found.push({ type, label, usedIn: await firstUse(db, type, label) });
    }
  return found;
}

/** Run as the owner of the type. */
export const putLabelAside = ({ type, label }: AddedLabel, window: string): string =>
  `ALTER TYPE ${type} RENAME VALUE ${literal(label)} TO ${literal(fittingName(`switchback_${window}_`, label))}`;

/** Within arrays, domains, composites and ranges the value's text is looked for: one that only contains it counts as used, too. */
async function firstUse(db: Db, type: string, label: string): Promise<string | undefined> {
  const columns = await db.query<{ table: string; column: string; plain: boolean }>(
    `WITH RECURSIVE within(oid) AS (
       SELECT pg_catalog.to_regtype($1)::oid
       UNION
       SELECT x.oid FROM within w CROSS JOIN LATERAL (
         SELECT t.oid FROM pg_catalog.pg_type t WHERE w.oid IN (t.typelem, t.typbasetype)
         UNION ALL SELECT c.reltype FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid WHERE a.atttypid = w.oid AND NOT a.attisdropped AND c.reltype <> 0
         UNION ALL SELECT unnest(ARRAY[r.rngtypid, r.rngmultitypid]) FROM pg_catalog.pg_range r WHERE r.rngsubtype = w.oid) x
     )
     SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS "table", a.attname AS "column", a.atttypid = pg_catalog.to_regtype($1) AS plain
       FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE a.atttypid IN (SELECT oid FROM within) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' ORDER BY 1, 2`,
    [type],
  );
  for (const { table, column, plain } of columns) {
    const has = plain ? `${ident(column)} = ${literal(label)}` : `pg_catalog.strpos(${ident(column)}::text, ${literal(label)}) > 0`;
    const [row] = await db.query<{ used: boolean }>(`SELECT EXISTS (SELECT FROM ${table} WHERE ${has}) AS used`);
    if (row?.used) return `${table}.${column}`;
  }
  return undefined;
}
