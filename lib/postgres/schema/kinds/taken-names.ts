/** Columns whose names change hands: one is dropped and another takes its name, two or more swap theirs, a new one gets the name of one that is renamed. */
import { inPattern } from '../../../base/plain-text';
import { ident } from '../../connection/connect';
import { lossy } from '../difference';
import type { Kind } from './kind';
import { heldNames, restingName } from './names';
import { owner } from './statements';

export const takenNames: Kind = {
  /** What is declared to be done to the old schema is written in its names. */
  *refuses({ table, other, declared }) {
    const says = (text: string, name: string): boolean => new RegExp(`\\b${inPattern(name)}\\b`).test(text);
    const statements = (declared.rows ?? []).flatMap(({ run, onDelete }) => [run, onDelete ?? '']);
    for (const [name] of heldNames(table, other)) {
      if (!statements.some((sql) => says(sql, table.table) && says(sql, name))) continue;
      yield lossy(
        `${table.name}.${name}:name-taken`,
        `the name of ${table.name}.${name} is another column's now, and a declared statement uses it`,
        `what that statement does: during the hold it would mean the other column`,
        `declare columns: {table: '${table.name}', column: '${name}', from: …}, or take a name that nothing had`,
      );
    }
  },

  /** In two rounds: in one, a name would still be another's. */
  script({ old, now, held, shadows }, part) {
    const rename = (from: string, to: string) => owner(`ALTER TABLE ${now.name} RENAME COLUMN ${ident(from)} TO ${ident(to)}`);
    const between = new Map([...held].map(([name], index) => [name, `switchback_between_${index}`]));
    part.fallback.push(
      ...[...held].map(([name]) => rename(name, between.get(name)!)),
      ...[...held].map(([name, as]) => rename(between.get(name)!, as)),
    );
    // run from its end: what arrived under an old name makes room first.
    part.revert.push(
      ...[...held].map(([name]) => rename(between.get(name)!, name)),
      ...[...held].map(([name, as]) => rename(as, between.get(name)!)),
      ...shadows.flatMap(({ name }) => (restingName({ old }, name) === name ? [] : [rename(name, restingName({ old }, name))])),
    );
  },
};
