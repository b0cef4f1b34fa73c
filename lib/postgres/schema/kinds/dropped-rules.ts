/** A constraint or a unique index that the new schema does not have. */
import { ident } from '../../connection/connect';
import type { Kind } from './kind';
import { owner } from './statements';

export const droppedRules: Kind = {
  table({ plan, say }) {
    const { old, now } = plan;
    const there = (oid: number, definition: string, list: readonly { oid: number; definition: string }[]): boolean =>
      list.some(
        (other) =>
          (old.oid === now.oid && other.oid === oid) ||
          other.definition === definition ||
          (old.oid !== now.oid && sameShape(other.definition, definition)),
      );
    for (const { type, oid, definition, name } of old.constraints) {
      if (type === 'p' || there(oid, definition, now.constraints)) continue;
      const id = `${old.name}:${name}`;
      if (type === 'f')
        say(id, 'carried', `the foreign key ${name} is dropped; rows that point nowhere are applied, and looked for at a rollback`);
      else {
        plan.dropConstraints.push({ name, definition });
        say(
          id,
          'bridged',
          `${name} (${definition}) is dropped; on the fallback it is off until a rollback, and put back if the rows allow it`,
        );
      }
    }
    for (const { ofConstraint, oid, definition, name } of old.indexes) {
      if (ofConstraint || there(oid, definition, now.indexes)) continue;
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

/** Definitions of a table that was made anew differ in the names of constraint and table only. */
const sameShape = (a: string, b: string): boolean => shape(a) === shape(b);
const shape = (definition: string): string => definition.replace(/INDEX \S+ ON (ONLY )?\S+/, 'INDEX ON');
