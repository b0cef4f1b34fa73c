/** What the new schema tells apart and the old one does not: two such rows have one key on the fallback. */
import { sameColumn } from '../catalog';
import { lossy } from '../difference';
import type { Kind } from './kind';

/** Types to which values are the same that others tell apart: by case, by blanks at the end. */
const coarse: readonly (readonly [type: RegExp, by: string])[] = [
  [/^(\w+\.)?citext$/, 'in case'],
  [/^character(\(\d+\))?$/, 'in blanks at the end'],
];

export const finerKeys: Kind = {
  *refuses({ table, other }) {
    // a rule that the new schema has dropped is off on the fallback, too.
    const keys = new Set([
      ...other.primaryKey,
      ...other.indexes.flatMap(({ columns }) => columns),
      ...other.constraints.flatMap(({ type, columns }) => (type === 'u' ? columns : [])),
    ]);
    for (const column of table.columns) {
      const is = coarse.find(([type]) => type.test(column.type));
      const now = sameColumn(column, table, other);
      if (!is || !now || is[0].test(now.type)) continue;
      if (!keys.has(now.number) && !table.identity.includes(column.number)) continue;
      yield lossy(
        `${table.name}.${column.name}:keys-told-apart`,
        `${table.name}.${column.name} becomes ${now.type} (was ${column.type}) and is part of a key`,
        `rows whose keys differ only ${is[1]}: the second of them stops the feed`,
        `keep its type, or drop the key's rule until the teardown`,
      );
    }
  },
};
