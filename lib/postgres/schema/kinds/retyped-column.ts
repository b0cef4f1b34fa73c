/** A column that has another type. */
import { fitOf, unfilled } from './fit';
import type { Kind } from './kind';

export const retypedColumn: Kind = {
  column({ column, other, plan, id, old, say }) {
    if (!other) return undefined;
    const change = fitOf(column, other);
    const what = `${id} becomes ${other.type} (was ${column.type})`;
    if (change.is === 'widen') {
      plan.widen.push({ column: column.name, type: other.type });
      say(`${id}:widened`, 'bridged', `${what}; the fallback's column is widened too`);
      return undefined;
    }
    if (change.is === 'fits') {
      if (column.type !== other.type) say(`${id}:type`, 'carried', `${what}; its values fit`);
      return undefined;
    }
    const instead = unfilled(old, plan, column);
    if (change.is === 'expression')
      say(`${id}:type`, 'declare', `${what}: ${change.why}`, `values of ${id} of rows written after opening`, instead);
    else
      say(`${id}:type`, 'lossy', what, `${change.what}; without a declared expression, ${id} of every row written after opening`, instead);
    return 'done';
  },
};
