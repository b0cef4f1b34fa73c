/** A plain column is computed by PostgreSQL from now on. */
import type { Migration } from '../migration';
import { type Cell, type Column, identity, nameOf, rowsOf, type Table } from '../world';

const twice = (name: string): string => `${name} * 2`;

export function generate(m: Migration, table: Table, of: Column, column: Column): void {
  const [name, from] = [identity(column.now!.name), identity(of.now!.name)];
  const computed = { of, sql: twice, text: (cell: Cell): Cell => (typeof cell === 'string' ? `${Number(cell) * 2}` : null) };
  m.sql(`UPDATE ${nameOf(table, 'now')} SET ${name} = ${twice(from)}`);
  m.alter(table, `DROP COLUMN ${name}`);
  m.alter(table, `ADD COLUMN ${name} integer GENERATED ALWAYS AS (${twice(from)}) STORED`);
  column.now!.computed = computed;
  for (const row of rowsOf(table, 'now')) {
    const cell = computed.text(row.now.get(of)!);
    row.now.set(column, cell);
    row.old.set(column, cell);
  }
}
