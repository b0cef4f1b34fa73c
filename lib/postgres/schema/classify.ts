/**
 * Compares the form of the fallback (before the migrations) with production's (after them) and says of every difference what becomes of
 * rows that travel back. It looks at catalogs only, so any migration tool works. Each kind of change has a file in kinds/.
 */
import { type Catalog, sameColumn, sameTable, withDetached } from './catalog';
import type { Declared } from './declared';
import type { Difference } from './difference';
import { kinds } from './kinds';
import type { ColumnChange, Schemas, TableChange } from './kinds/kind';
import { type BridgePlan, emptyPlan, emptyTablePlan } from './kinds/plan';

export interface Classification {
  readonly differences: readonly Difference[];
  readonly plan: BridgePlan;
}

export function classify(before: Catalog, now: Catalog, declared: Declared = {}): Classification {
  const old = withDetached(before, now);
  const differences: Difference[] = [];
  const plan = emptyPlan();
  const say: Schemas['say'] = (id, verdict, what, loses, instead) =>
    differences.push({ id, verdict, what, ...(loses === undefined ? {} : { loses }), ...(instead === undefined ? {} : { instead }) });
  const schemas: Schemas = { old, now, declared, say };
  for (const kind of kinds) kind.schema?.(schemas, plan);
  for (const table of old.tables) {
    const other = sameTable(table, now);
    if (!other?.persistent || !table.persistent) continue;
    const change: TableChange = { ...schemas, plan: emptyTablePlan(table, other) };
    const stays = kinds.filter((kind) => kind.table?.(change) === 'stays').length > 0;
    for (const column of table.columns) classifyColumn(columnChange(change, column));
    if (!stays) plan.tables.push(change.plan);
  }
  return { differences, plan };
}

function columnChange(change: TableChange, column: ColumnChange['column']): ColumnChange {
  const { old, now } = change.plan;
  return {
    ...change,
    id: `${old.name}.${column.name}`,
    column,
    other: sameColumn(column, old, now),
    from: change.declared.columns?.find((one) => one.table === old.name && one.column === column.name)?.from,
  };
}

/** It travels where no kind says otherwise. */
function classifyColumn(change: ColumnChange): void {
  if (kinds.some((kind) => kind.column?.(change) === 'done')) return;
  change.plan.published?.push(change.other!.name);
}

/** What two catalogs show and no bridge carries, although each part of it for itself would be. */
export function structuralLosses(before: Catalog, now: Catalog, declared: Declared = {}): Difference[] {
  const old = withDetached(before, now);
  const pairs = old.tables.map((table) => ({ table, other: sameTable(table, now) }));
  const known = new Set(pairs.map(({ other }) => other));
  return [
    ...pairs.flatMap(({ table, other }) =>
      other?.persistent && table.persistent
        ? kinds.flatMap((kind) => [...(kind.refuses?.({ old, now, declared, table, other }) ?? [])])
        : [],
    ),
    ...now.tables.filter((table) => !known.has(table)).flatMap((table) => kinds.flatMap((kind) => [...(kind.refusesNew?.(table) ?? [])])),
  ];
}
