/**
 * By which names the fallback's columns go while the bridge is up. Rows find columns by name: where a name means another column now, the
 * columns of the fallback change names as production's did, and have their own again at a rollback.
 */
import { fittingName } from '../../connection/tables';
import { type CatalogTable, sameColumn } from '../catalog';

/** Only those that go by another name. */
export function heldNames(old: CatalogTable, now: CatalogTable): Map<string, string> {
  const held = new Map<string, string>();
  for (const column of old.columns) {
    const other = sameColumn(column, old, now);
    const isTaken = now.columns.some((one) => one.name === column.name && one !== other);
    if (other && other.name !== column.name && (isTaken || old.columns.some(({ name }) => name === other.name)))
      held.set(column.name, other.name);
    else if (isTaken) held.set(column.name, fittingName('switchback_was_', column.name));
  }
  return held;
}

/** The name of a column of the old schema on the fallback, while the bridge is up. */
export const heldAs = ({ held }: { readonly held: ReadonlyMap<string, string> }, column: string): string => held.get(column) ?? column;

/** The name of a column beside, when the bridge is down: its own may be that of a column of the old schema. */
export const restingName = ({ old }: { readonly old: CatalogTable }, shadow: string): string =>
  old.columns.some(({ name }) => name === shadow) ? fittingName('switchback_new_', shadow) : shadow;
