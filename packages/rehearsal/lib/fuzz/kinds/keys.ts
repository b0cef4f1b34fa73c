/** What tells rows apart becomes something else. */
import { bigint, integer, text, uuid } from '../domains';
import type { Draft } from '../draft';
import { type Column, identity, nameOf, type Table } from '../world';
import type { Kind } from './kind';

/** A table with a key that nobody else changes. */
function keyTable(draft: Draft, domain = integer): Table {
  const table = draft.table({ key: domain, plain: draft.random.between(1, 2) });
  table.finder.busy = true;
  return table;
}

export const keyKinds: readonly Kind[] = [
  {
    name: 'key renamed',
    plant(draft) {
      const table = keyTable(draft, draft.random.pick([integer, bigint, uuid, text]));
      const name = draft.freshName();
      draft.change([table], (m) => m.rename(table, table.finder, name));
    },
  },
  {
    name: 'key widened',
    plant(draft) {
      const table = keyTable(draft);
      const child = draft.random.chance(0.5) ? draft.table({ plain: 1 }) : undefined;
      const column =
        child &&
        draft.column(child, integer, {
          busy: true,
          name: draft.columnName(child),
          references: { table, cascade: false, name: `fk_${child.id}_wide` },
        });
      draft.change([table], (m) => {
        m.retype(table, table.finder, bigint);
        if (child && column && m.tables.includes(child) && child.columns.includes(column)) m.retype(child, column, bigint);
      });
    },
  },
  {
    name: 'key replaced',
    plant(draft) {
      const table = keyTable(draft);
      const column = draft.column(table, uuid, { busy: true, notNull: true, unique: true });
      draft.change([table, column], (m) => {
        const [old, now] = [identity(table.finder.now!.name), identity(column.now!.name)];
        m.alter(table, `DROP CONSTRAINT ${identity(`${table.old!}_pkey`)}`);
        m.alter(table, `ADD CONSTRAINT ${identity(`${table.old!}_pk2`)} PRIMARY KEY (${now})`);
        m.sql(`CREATE UNIQUE INDEX ON ${nameOf(table, 'now')} (${old})`);
      });
    },
  },
  {
    name: 'enum in the key renamed',
    plant(draft) {
      const name = draft.name(['role', 'grade']);
      const sql = `public.${name}`;
      draft.preamble.push(`CREATE TYPE ${sql} AS ENUM ('member', 'admin')`);
      const table = keyTable(draft);
      const labels = (second: string) => ({ sql, text: (n: number) => (n % 2 === 0 ? 'member' : second) });
      const column: Column = draft.column(table, labels('admin'), { busy: true, notNull: true });
      Object.assign(table, { key: [table.finder, column] });
      draft.change([table, column], (m) => {
        m.sql(`ALTER TYPE ${sql} RENAME VALUE 'admin' TO 'owner'`);
        m.means(table, column, labels('owner'), {
          there: (label) => (label === 'admin' ? 'owner' : label),
          back: (label) => (label === 'owner' ? 'admin' : label),
        });
      });
    },
  },
];
