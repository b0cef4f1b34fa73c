/** A constraint or a unique index that the new schema does not have. */
import { ident } from '../../connection/connect';
import { findsBy } from '../catalog';
import type { Kind } from './kind';
import { isThere } from './rules';
import { owner } from './statements';

export const droppedRules: Kind = {
  table({ plan, say }) {
    const { old, now } = plan;
    const pair = { table: old, other: now };
    // the new schema must keep its columns apart, too (key.ts).
    const findsRows = (id: string, what: string, columns: readonly number[]): boolean => {
      if (columns.join() !== findsBy(old).join()) return false;
      say(id, 'carried', `${what} is dropped; the fallback keeps it: it finds rows by it`);
      return true;
    };
    for (const constraint of old.constraints) {
      const { type, definition, name, columns } = constraint;
      if (type === 'p' || type === 'f' || isThere(constraint, pair, now.constraints)) continue;
      const [id, what] = [`${old.name}:${name}`, `${name} (${definition})`];
      if (type === 'u' && findsRows(id, what, columns)) continue;
      plan.dropConstraints.push({ name, definition });
      say(id, 'bridged', `${what} is dropped; on the fallback it is off until a rollback, and put back if the rows allow it`);
    }
    for (const index of old.indexes) {
      const { definition, name, columns } = index;
      if (index.ofConstraint || isThere(index, pair, now.indexes)) continue;
      const [id, what] = [`${old.name}:${name}`, `the unique index ${name}`];
      if (findsRows(id, what, columns)) continue;
      plan.dropIndexes.push({ name, definition });
      say(id, 'bridged', `${what} is dropped; on the fallback it is off until a rollback, and put back if the rows allow it`);
    }
    return undefined;
  },

  script({ old, now, dropConstraints, dropIndexes }, part) {
    for (const { name, definition } of dropConstraints) {
      part.fallback.push(owner(`ALTER TABLE ${now.name} DROP CONSTRAINT IF EXISTS ${ident(name)}`));
      part.restore.push({
        ...owner(`ALTER TABLE ${old.name} ADD CONSTRAINT ${ident(name)} ${definition}`),
        what: `${name} on ${old.name}`,
      });
    }
    for (const { name, definition } of dropIndexes) {
      part.fallback.push(owner(`DROP INDEX IF EXISTS ${ident(now.schema)}.${ident(name)}`));
      part.restore.push({ ...owner(definition), what: `unique index ${name} on ${old.name}` });
    }
  },
};
