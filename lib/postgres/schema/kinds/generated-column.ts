/** A column that is generated now, or no longer. Generated values do not travel. */
import { unfilled } from './fit';
import type { Kind } from './kind';

export const generatedColumn: Kind = {
  column({ column, other, plan, id, old, now, say }) {
    if (!other) return undefined;
    if (column.generated !== '') {
      if (other.generated === '') say(`${id}:not-generated`, 'carried', `${id} is no longer generated; the fallback computes its own`);
      return 'done';
    }
    if (other.generated === '') return undefined;
    say(
      `${id}:generated`,
      'declare',
      `${id} is generated now, and generated values do not travel`,
      `values of ${id} of rows written after opening`,
      unfilled({ old, now }, plan, column),
    );
    return 'done';
  },
};
