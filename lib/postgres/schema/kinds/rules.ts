/** Whether a rule of a table is there after the migrations: the same one, or one that says the same. */
import type { CatalogTable } from '../catalog';

interface Rule {
  readonly oid: number;
  readonly definition: string;
}

export const isThere = (
  { oid, definition }: Rule,
  { table, other }: { readonly table: CatalogTable; readonly other: CatalogTable },
  rules: readonly Rule[],
): boolean =>
  rules.some(
    (rule) =>
      (table.oid === other.oid && rule.oid === oid) ||
      rule.definition === definition ||
      (table.oid !== other.oid && shape(rule.definition) === shape(definition)),
  );

/** Definitions of a table that was made anew differ in the names of constraint and table only. */
const shape = (definition: string): string => definition.replace(/INDEX \S+ ON (ONLY )?\S+/, 'INDEX ON');
