/** A table that has another name, or is in another schema. */
import { ident } from '../../connection/connect';
import { columnList } from '../../connection/tables';
import { lossy } from '../difference';
import type { Kind } from './kind';
import { heldAs } from './names';
import { owner } from './statements';

export const renamedTable: Kind = {
  table({ plan: { old, now }, say }) {
    if (old.name !== now.name)
      say(`${old.name}:renamed`, 'bridged', `${old.name} becomes ${now.name}; the old release finds it under its old name`);
    return undefined;
  },

  /** The fallback keeps both names beside each other while it is fed: two things cannot have one. */
  *refuses({ table, other, old }) {
    if (other.name !== table.name && old.tables.some(({ name }) => name === other.name))
      yield lossy(
        `${table.name}:name-taken`,
        `${table.name} becomes ${other.name}, which was another table before`,
        `rows of both: it cannot be told which of the two the old release means`,
        `take a name that nothing had`,
      );
  },

  /** The table goes by its new name, so that rows find it; a view answers to the old one until the rollback. */
  script({ old, now, held }, part) {
    if (old.name === now.name) return;
    const steps: [string, string][] = [];
    if (old.schema !== now.schema) {
      part.fallback.push(owner(`CREATE SCHEMA IF NOT EXISTS ${ident(now.schema)}`));
      steps.push([
        `ALTER TABLE ${old.name} SET SCHEMA ${ident(now.schema)}`,
        `ALTER TABLE ${ident(now.schema)}.${ident(old.table)} SET SCHEMA ${ident(old.schema)}`,
      ]);
    }
    if (old.table !== now.table) {
      steps.push([
        `ALTER TABLE ${ident(now.schema)}.${ident(old.table)} RENAME TO ${ident(now.table)}`,
        `ALTER TABLE ${now.name} RENAME TO ${ident(old.table)}`,
      ]);
    }
    const names = old.columns.map((column) => column.name);
    const view = `CREATE VIEW ${old.name} (${columnList(names)}) AS SELECT ${columnList(names.map((name) => heldAs({ held }, name)))} FROM ${now.name}`;
    part.fallback.push(...steps.map(([there]) => owner(there)));
    // last: its columns have the names that they keep by then.
    part.views.push(owner(view));
    // revert is run from its end: first the view goes, then the names come back, last step first.
    part.revert.push(...steps.map(([, back]) => owner(back)), owner(`DROP VIEW ${old.name}`));
  },
};
