/** Rows that the migrations themselves change, renumber or delete. */
import { integer, text } from '../domains';
import { type Cell, identity, nameOf, rowsOf } from '../world';
import type { Kind } from './kind';

export const rowKinds: readonly Kind[] = [
  {
    name: 'backfill',
    plant(draft) {
      const table = draft.anyTable();
      const full = table.key.length === 0;
      const column = draft.column(table, full ? { ...text, text: (n) => `v${n % 9}` } : text, { busy: true });
      draft.change([table, column], (m) => {
        const own = identity(column.now!.name);
        m.backfill(table, column, `UPDATE ${nameOf(table, 'now')} SET ${own} = 'v2:' || ${own}`, (value) => `v2:${value}`);
      });
    },
  },
  {
    name: 'positions renumbered',
    plant(draft) {
      const table = draft.anyTable(({ key }) => key.length > 0);
      const column = draft.column(table, { ...integer, unique: (n) => `${n}` }, { busy: true, unique: true, notNull: true });
      draft.change([table, column], (m) => {
        const [name, own] = [nameOf(table, 'now'), identity(column.now!.name)];
        m.sql(`UPDATE ${name} SET ${own} = -${own}`);
        m.sql(`UPDATE ${name} SET ${own} = (SELECT max(-x.${own}) + min(-x.${own}) FROM ${name} x) + ${own}`);
        const rows = rowsOf(table, 'now');
        const numbers = rows.map((row) => Number(row.now.get(column)));
        const sum = Math.max(...numbers) + Math.min(...numbers);
        for (const row of rows) {
          const cell: Cell = `${sum - Number(row.now.get(column))}`;
          row.now.set(column, cell);
          row.old.set(column, cell);
        }
        // what comes next is beyond all of them.
        column.now!.domain = { ...integer, unique: (n) => `${1_000_000 + n}` };
        column.old!.domain = { ...integer, unique: (n) => `${2_000_000 + n}` };
      });
    },
  },
  {
    name: 'ids renumbered',
    plant(draft) {
      const table = draft.table({ key: integer, plain: 1 });
      table.finder.busy = true;
      draft.change([table], (m) => {
        const own = identity(table.finder.now!.name);
        m.sql(`UPDATE ${nameOf(table, 'now')} SET ${own} = ${own} + 1000000`);
        for (const row of rowsOf(table, 'now')) {
          const cell = `${Number(row.now.get(table.finder)) + 1_000_000}`;
          row.now.set(table.finder, cell);
          row.old.set(table.finder, cell);
        }
        const of = nameOf(table, 'old');
        m.declare(({ deleted }) => {
          deleted[of] = 'ship';
        });
      });
    },
  },
  {
    name: 'rows deleted',
    plant(draft) {
      const fate = draft.random.pick(['keep', 'ship'] as const);
      const table = draft.table();
      const column = draft.column(table, integer, { busy: true, notNull: true });
      draft.change([table, column], (m) => {
        const own = identity(column.now!.name);
        m.sql(`DELETE FROM ${nameOf(table, 'now')} WHERE ${own} < 0`);
        for (const row of rowsOf(table, 'now').filter((one) => Number(one.now.get(column)) < 0)) {
          row.inNow = false;
          if (fate === 'ship') row.inOld = false;
        }
        const of = nameOf(table, 'old');
        m.declare(({ deleted }) => {
          deleted[of] = fate;
        });
      });
    },
  },
];
