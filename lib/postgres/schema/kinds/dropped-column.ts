/** A column that the new schema does not have: rows written after opening bring nothing for it. */
import { fill, unfilled } from './fit';
import type { Kind } from './kind';

export const droppedColumn: Kind = {
  column({ column, other, plan, id, old, say }) {
    if (other) return undefined;
    if (column.generated !== '' || !column.notNull || column.default !== null || column.identity !== '') {
      const have = column.generated !== '' ? 'it computed' : column.default === null ? 'NULL' : 'its default';
      say(`${id}:dropped`, 'carried', `${id} is dropped; rows written after opening have ${have} on the fallback`);
      return 'done';
    }
    const value = fill(old, plan, column);
    if (value !== undefined)
      say(`${id}:dropped`, 'bridged', `${id} is dropped and may not be NULL; rows written after opening have ${value} on the fallback`);
    else
      say(
        `${id}:dropped`,
        'declare',
        `${id} is dropped and may not be NULL, and no neutral value of ${column.type} is known`,
        `rows written after opening to ${plan.old.name}: the first of them stops the feed`,
        unfilled(old, plan, column),
      );
    return 'done';
  },
};
