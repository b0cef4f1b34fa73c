/** A column that the old schema does not have: its values are kept beside, where the old release does not look. */
import { ident } from '../../connection/connect';
import { sameColumn } from '../catalog';
import { knownType } from './fit';
import type { Kind } from './kind';
import { owner } from './statements';

export const addedColumn: Kind = {
  table(change) {
    const { plan, say } = change;
    const kept = new Set(plan.old.columns.map((column) => sameColumn(column, plan.old, plan.now)));
    for (const column of plan.now.columns) {
      if (kept.has(column)) continue;
      const id = `${plan.old.name}.${column.name}`;
      if (column.generated !== '') {
        say(`${id}:added`, 'carried', `${id} is new and generated; it can be computed again`);
      } else if (plan.old.identityFull && plan.old.primaryKey.length === 0) {
        say(
          `${id}:added`,
          'lossy',
          `${id} is new, and ${plan.old.name} has no key: the fallback finds its rows by all columns, so none may be added`,
          `changes of ${plan.old.name}: the first of them stops the feed`,
          'give it a primary key before the window',
        );
      } else {
        plan.shadows.push({ name: column.name, type: knownType(change, column) });
        plan.published?.push(column.name);
        say(`${id}:added`, 'bridged', `${id} is new; its values are kept in a column that the old release does not know`);
      }
    }
    return undefined;
  },

  /** Every column beside, whichever kind asked for it. */
  script({ now, shadows }, part) {
    for (const { name, type } of shadows)
      part.fallback.push(owner(`ALTER TABLE ${now.name} ADD COLUMN IF NOT EXISTS ${ident(name)} ${type}`));
  },
};
