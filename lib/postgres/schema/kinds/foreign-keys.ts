/**
 * A foreign key that production does not have, or whose table is not fed. Rows are applied without a look at it, but PostgreSQL refuses a
 * TRUNCATE of the table that it points to, which production took. So it is off while the fallback is fed.
 */
import { ident } from '../../connection/connect';
import { sameTable } from '../catalog';
import type { Kind } from './kind';
import type { ForeignKey } from './plan';
import { isThere } from './rules';
import { owner } from './statements';

export const foreignKeys: Kind = {
  schema({ old, now, say }, plan) {
    for (const table of old.tables) {
      const other = sameTable(table, now);
      for (const constraint of table.constraints.filter(({ type }) => type === 'f')) {
        const { name, definition } = constraint;
        const stays = other !== undefined && isThere(constraint, { table, other }, other.constraints);
        plan.foreignKeys.push({ table, name, definition, stays });
        if (other && !stays)
          say(
            `${table.name}:${name}`,
            'bridged',
            `the foreign key ${name} of ${table.name} is dropped; on the fallback it is off until a rollback, and holds for new rows from then on; rows that point nowhere are told`,
          );
      }
    }
  },

  scriptOnce({ foreignKeys: keys, tables }, part) {
    const isFed = ({ table }: ForeignKey): boolean => tables.some(({ old }) => old === table);
    for (const key of keys.filter((one) => !one.stays || !isFed(one))) {
      const { table, name, definition } = key;
      const alter = (what: string) => owner(`ALTER TABLE ${table.name} ${what} CONSTRAINT ${ident(name)}`);
      part.fallback.push(alter('DROP'));
      const what = `${name} on ${table.name}`;
      const add = `${alter('ADD').sql} ${definition}`;
      // PostgreSQL before 18 knows no such key of a partitioned table that old rows need not obey.
      if (table.partitioned || definition.endsWith(' NOT VALID')) part.restore.push({ ...owner(add), what });
      else
        part.restore.push({ ...owner(`${add} NOT VALID`), what }, { ...alter('VALIDATE'), what: `${what}, which holds for new rows only` });
    }
  },
};
