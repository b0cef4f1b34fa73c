/** A constraint or a unique index that the new schema does not have. */
import { ident } from '../../connection/connect';
import type { Kind } from './kind';
import { isThere } from './rules';
import { owner } from './statements';

export const droppedRules: Kind = {
  table({ plan, say }) {
    const { old, now } = plan;
    const pair = { table: old, other: now };
    for (const constraint of old.constraints) {
      const { type, definition, name } = constraint;
      if (type === 'p' || type === 'f' || isThere(constraint, pair, now.constraints)) continue;
      plan.dropConstraints.push({ name, definition });
      say(
        `${old.name}:${name}`,
        'bridged',
        `${name} (${definition}) is dropped; on the fallback it is off until a rollback, and put back if the rows allow it`,
      );
    }
    for (const index of old.indexes) {
      const { definition, name } = index;
      if (index.ofConstraint || isThere(index, pair, now.indexes)) continue;
      plan.dropIndexes.push({ name, definition });
      say(
        `${old.name}:${name}`,
        'bridged',
        `the unique index ${name} is dropped; on the fallback it is off until a rollback, and put back if the rows allow it`,
      );
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
