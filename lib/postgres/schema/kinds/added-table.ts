/** A table that the old schema does not have: its rows are kept where the old release does not look. */
import { ident } from '../../connection/connect';
import { columnList } from '../../connection/tables';
import { columnAt, sameTable } from '../catalog';
import { knownType } from './fit';
import type { Kind } from './kind';
import { owner } from './statements';

export const addedTable: Kind = {
  schema(schemas, plan) {
    const { old, now, say } = schemas;
    const known = new Set(old.tables.map((table) => sameTable(table, now)));
    for (const table of now.tables) {
      if (known.has(table) || !table.persistent) continue;
      const { name, columns } = table;
      if (old.tables.some((one) => one.name === name)) {
        say(
          `${name}:added`,
          'lossy',
          `${name} is a new table under the name of one that was renamed`,
          `rows of the new ${name} stay on production`,
        );
        continue;
      }
      say(`${name}:added`, 'bridged', `${name} is new; its rows are kept in a table that the old release does not know`);
      plan.inert.push(table);
      for (const column of columns) plan.inertTypes.set(column, knownType(schemas, column));
    }
  },

  /** The same columns and key, nothing that could refuse a row. */
  scriptOfNew(table, part, bridge) {
    const columns = table.columns.filter(({ generated }) => generated === '');
    const key = table.primaryKey.map((number) => columnAt(table, number).name);
    const whole = key.length === 0;
    part.fallback.push(
      owner(`CREATE SCHEMA IF NOT EXISTS ${ident(table.schema)}`),
      owner(
        `CREATE TABLE ${table.name} (${[...columns.map((column) => `${ident(column.name)} ${bridge.inertTypes.get(column)}`), ...(whole ? [] : [`PRIMARY KEY (${columnList(key)})`])].join(', ')})`,
      ),
    );
    // Rows without a key are found as a whole.
    if (whole) {
      part.fallback.push(owner(`ALTER TABLE ${table.name} REPLICA IDENTITY FULL`));
      if (!table.identityFull) {
        part.production.push(owner(`ALTER TABLE ${table.name} REPLICA IDENTITY FULL`));
        part.productionRevert.push(owner(`ALTER TABLE ${table.name} REPLICA IDENTITY DEFAULT`));
      }
    }
    part.publication.push({
      schema: table.schema,
      table: table.table,
      ...(whole || table.identityFull ? {} : { columns: columns.map(({ name }) => name) }),
    });
  },
};
