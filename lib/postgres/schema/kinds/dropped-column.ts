/** A column that the new schema does not have: rows written after opening bring nothing for it. */
import { domainOf, fill, plainType, unfilled } from './fit';
import type { Kind } from './kind';

export const droppedColumn: Kind = {
  column({ column, other, plan, id, old, now, say }) {
    if (other) return undefined;
    const domain = domainOf(old, column);
    const refusesNull = column.notNull || (domain?.notNull ?? false);
    if (
      column.generated !== '' ||
      !refusesNull ||
      column.default !== null ||
      (domain?.default ?? null) !== null ||
      column.identity !== ''
    ) {
      if (column.generated !== '' && column.notNull && !plan.old.primaryKey.includes(column.number)) plan.dropNotNull.push(column.name);
      const byDefault = column.default ?? domain?.default ?? null;
      const have = column.generated !== '' ? 'it computed' : byDefault === null ? 'NULL' : 'its default';
      say(`${id}:dropped`, 'carried', `${id} is dropped; rows written after opening have ${have} on the fallback`);
      return 'done';
    }
    // a domain may refuse what says nothing: the column is of what it is made of until a rollback.
    if (domain) plan.widen.push({ column: column.name, type: plainType(old, column), back: column.type });
    const value = fill({ old, now }, plan, column);
    if (value !== undefined || !column.notNull)
      say(
        `${id}:dropped`,
        'bridged',
        `${id} is dropped and may not be NULL; rows written after opening have ${value ?? 'NULL'} on the fallback`,
      );
    else
      say(
        `${id}:dropped`,
        'declare',
        `${id} is dropped and may not be NULL, and no neutral value of ${column.type} is known`,
        `rows written after opening to ${plan.old.name}: the first of them stops the feed`,
        unfilled({ old, now }, plan, column),
      );
    return 'done';
  },
};
