/** A new column that may name large objects, which do not travel. */
import { type CatalogColumn, type CatalogTable, sameColumn } from '../catalog';
import { type Difference, lossy } from '../difference';
import type { Kind } from './kind';

export const largeObjects: Kind = {
  *refuses({ table, other }) {
    const known = new Set(table.columns.map((column) => sameColumn(column, table, other)));
    for (const column of other.columns) if (pointsOutside(column) && !known.has(column)) yield large(table, column);
  },
  *refusesNew(table) {
    for (const column of table.columns) if (pointsOutside(column)) yield large(table, column);
  },
};

const pointsOutside = ({ type }: CatalogColumn): boolean => /^(oid|lo|public\.lo)$/.test(type);

const large = (table: CatalogTable, column: CatalogColumn): Difference =>
  lossy(
    `${table.name}.${column.name}:large-objects`,
    `${table.name}.${column.name} is new and may name large objects (${column.type})`,
    `large objects written after opening: they do not travel; use bytea, or accept it where the numbers name none`,
  );
