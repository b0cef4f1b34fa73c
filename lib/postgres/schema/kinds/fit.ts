/** How values of the new schema fit into columns of the old one, and what is put where none comes. */
import { literal } from '../../connection/connect';
import type { Catalog, CatalogColumn, CatalogTable } from '../catalog';
import { neutral, type TypeChange, typeChange } from '../types';
import { heldAs } from './names';
import type { TablePlan } from './plan';

/** What becomes of values of a column in what it was before. */
export function fitOf(old: CatalogColumn, now: CatalogColumn): TypeChange {
  if (old.enum === 0 || old.enum === now.enum || old.type === now.type)
    return typeChange(old.type, old.enum !== 0 && old.enum === now.enum ? old.type : now.type);
  return { is: 'expression', why: `only values that ${old.type} has would be understood` };
}

/** A type that the fallback has: its own, or text for one that the migrations made. */
export function knownType(old: Catalog, column: CatalogColumn): string {
  if (column.enum !== 0) return old.enums.find(({ oid }) => oid === column.enum)?.name ?? 'text';
  return column.type.includes('.') && !old.tables.some((table) => table.columns.some(({ type }) => type === column.type))
    ? 'text'
    : column.type;
}

const isFree = ({ notNull, default: value, identity }: CatalogColumn): boolean => !notNull || value !== null || identity !== '';

/** Plans a value that says nothing, for a column that must have one and gets none; undefined where it needs none, or none is known. */
export function fill(old: Catalog, plan: TablePlan, column: CatalogColumn): string | undefined {
  if (isFree(column)) return undefined;
  const labels = old.enums.find(({ oid }) => oid === column.enum)?.labels;
  const value = labels?.[0] ? literal(labels[0].label) : neutral(column.type);
  if (value === undefined) return undefined;
  const typed = `${value}::${column.type}`;
  plan.fill.push({ column: heldAs(plan, column.name), value: typed });
  return typed;
}

/** What to do where nothing fills a column that may not be NULL: the first row would stop the feed. */
export function unfilled(old: Catalog, plan: TablePlan, column: CatalogColumn): string | undefined {
  if (fill(old, plan, column) !== undefined || isFree(column)) return undefined;
  return declareColumn(plan.old, column);
}

export const declareColumn = ({ name }: CatalogTable, column: CatalogColumn): string =>
  `declare columns: {table: '${name}', column: '${column.name}', from: …}`;
