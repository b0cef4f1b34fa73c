/** A column that may be NULL now. */
import { ident } from '../../connection/connect';
import type { Kind } from './kind';
import { heldAs } from './names';
import { owner } from './statements';

export const nullable: Kind = {
  column({ column, other, plan, id, say }) {
    if (!column.notNull || !other || other.notNull) return undefined;
    plan.dropNotNull.push(column.name);
    say(`${id}:nullable`, 'bridged', `${id} may be NULL now; the fallback allows it too`);
    return undefined;
  },

  script({ old, now, held, dropNotNull }, part) {
    for (const column of dropNotNull) {
      part.fallback.push(owner(`ALTER TABLE ${now.name} ALTER COLUMN ${ident(heldAs({ held }, column))} DROP NOT NULL`));
      part.restore.push({
        ...owner(`ALTER TABLE ${old.name} ALTER COLUMN ${ident(column)} SET NOT NULL`),
        what: `${old.name}.${column} NOT NULL`,
      });
    }
  },
};
