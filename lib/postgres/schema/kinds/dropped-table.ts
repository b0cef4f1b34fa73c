/** A table that the new schema does not have. */
import { attachedTo, sameTable } from '../catalog';
import type { Kind } from './kind';

export const droppedTable: Kind = {
  schema({ old, now, say }) {
    for (const table of old.tables)
      if (!sameTable(table, now) && !attachedTo(table, old, now))
        say(`${table.name}:dropped`, 'carried', `${table.name} is dropped; on the fallback it stays as it was at the fork`);
  },
};
