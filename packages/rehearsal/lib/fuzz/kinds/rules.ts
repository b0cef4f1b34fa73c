/** Rules of the old form that the new one no longer has, and columns that go on as something else. */
import { integer, text } from '../domains';
import { deleteRow, identity, nameOf, rowsOf } from '../world';
import type { Kind } from './kind';

const letters = (n: number): string => `${'abcdef'[n % 6]}${n % 100}`;

export const ruleKinds: readonly Kind[] = [
  {
    name: 'foreign key dropped',
    plant(draft) {
      const parent = draft.table({ key: integer, plain: 1 });
      const child = draft.table({ plain: 1 });
      const name = `fk_${child.id}_gone`;
      const column = draft.column(child, integer, { busy: true, references: { table: parent, cascade: false, name } });
      parent.finder.busy = true;
      draft.change([parent, child, column], (m) => m.alter(child, `DROP CONSTRAINT ${name}`));
      draft.special('new', [parent, child, column], (say) => {
        say(`TRUNCATE ${nameOf(parent, 'now')}`);
        for (const row of rowsOf(parent, 'now')) deleteRow(parent, row, 'new');
      });
    },
  },
  {
    name: 'child table dropped',
    plant(draft) {
      const parent = draft.table({ key: integer, plain: 1 });
      const child = draft.table({ plain: 0 });
      child.busy = true;
      const column = draft.column(child, integer, {
        busy: true,
        references: { table: parent, cascade: false, name: `fk_${child.id}_gone` },
      });
      parent.finder.busy = true;
      draft.change([parent, child, column], (m) => {
        m.accept(child, ':dropped');
        m.sql(`DROP TABLE ${nameOf(child, 'now')}`);
        child.now = undefined;
        for (const row of child.rows) row.inNow = false;
      });
      draft.special('new', [parent, child, column], (say) => {
        say(`TRUNCATE ${nameOf(parent, 'now')}`);
        for (const row of rowsOf(parent, 'now')) deleteRow(parent, row, 'new');
      });
    },
  },
  {
    name: 'split in two',
    plant(draft) {
      const table = draft.anyTable(({ key }) => key.length > 0);
      const column = draft.column(
        table,
        { ...text, text: (n) => `${letters(n)} ${letters(n + 1)}` },
        { busy: true, notNull: true, name: draft.freshName() },
      );
      const parts = ['first_', 'last_'].map((start) => ({
        name: `${start}${column.old!.name.replaceAll('.', '_')}`,
        column: draft.column(table, text, { later: true, busy: true }),
      }));
      const [one, two] = parts as [(typeof parts)[0], (typeof parts)[0]];
      draft.change([table, column, one.column, two.column], (m) => {
        const own = identity(column.now!.name);
        for (const part of parts) m.add(table, part.column, { name: part.name, domain: { ...text, text: letters }, notNull: false }, null);
        m.sql(
          `UPDATE ${nameOf(table, 'now')} SET ${identity(one.name)} = split_part(${own}, ' ', 1), ${identity(two.name)} = split_part(${own}, ' ', 2)`,
        );
        for (const row of rowsOf(table, 'now')) {
          const words = `${row.now.get(column) as string}`.split(' ');
          for (const [index, part] of parts.entries()) row.now.set(part.column, words[index]!);
        }
        m.drop(table, column);
        const there = (cell: unknown): string[] => (typeof cell === 'string' ? [cell] : []);
        column.backOfRow = (row) => [...there(row.now.get(one.column)), ...there(row.now.get(two.column))].join(' ');
        m.declareColumn(
          table,
          column,
          () => `concat_ws(' ', NEW.${identity(one.column.now!.name)}, NEW.${identity(two.column.now!.name)})`,
        );
      });
    },
  },
  {
    name: 'moved to a table of its own',
    plant(draft) {
      const table = draft.table({ key: integer, plain: 1 });
      table.finder.busy = true;
      const flag = draft.column(
        table,
        { sql: 'boolean', text: (n) => `${n % 2 === 0}` },
        { busy: true, notNull: true, extra: 'DEFAULT false' },
      );
      flag.unfilled = 'false';
      const blocks = draft.table({ key: integer, later: true, plain: 0 });
      blocks.quiet = true;
      const name = draft.name(['blocks', 'Blocked']);
      draft.change([table, flag, blocks], (m) => {
        const [id, own, of] = [identity(table.finder.now!.name), identity(flag.now!.name), nameOf(table, 'old')];
        m.create(blocks, name, (sql) => `CREATE TABLE ${sql} (role_id integer PRIMARY KEY)`);
        blocks.finder.now = { name: 'role_id', domain: integer, notNull: true, unique: true };
        m.sql(`INSERT INTO ${nameOf(blocks, 'now')} SELECT ${id} FROM ${nameOf(table, 'now')} WHERE ${own}`);
        for (const row of rowsOf(table, 'now'))
          if (row.now.get(flag) === 'true')
            blocks.rows.push({
              serial: 0,
              old: new Map(),
              now: new Map([[blocks.finder, row.now.get(table.finder)!]]),
              inOld: false,
              inNow: true,
            });
        m.drop(table, flag);
        const oldFlag = identity(flag.old!.name);
        const oldId = identity(table.finder.old!.name);
        m.declare(({ rows }) =>
          rows.push({
            of: nameOf(blocks, 'now'),
            run: `UPDATE ${of} SET ${oldFlag} = true WHERE ${oldId} = NEW.role_id`,
            onDelete: `UPDATE ${of} SET ${oldFlag} = false WHERE ${oldId} = OLD.role_id`,
            sets: [
              {
                table: of,
                column: flag.old!.name,
                is: `EXISTS (SELECT 1 FROM ${nameOf(blocks, 'now')} b WHERE b.role_id = NEW.${identity(table.finder.now!.name)})`,
              },
            ],
          }),
        );
      });
      draft.special('new', [table, flag, blocks], (say) => {
        const [first] = rowsOf(blocks, 'now');
        if (first) {
          const key = first.now.get(blocks.finder) as string;
          say(`DELETE FROM ${nameOf(blocks, 'now')} WHERE role_id = ${key}`);
          first.inNow = false;
          for (const row of rowsOf(table, 'old')) if (row.old.get(table.finder) === key) row.old.set(flag, 'false');
        }
        for (const row of rowsOf(table, 'now').slice(-2)) {
          const key = row.now.get(table.finder)!;
          if (rowsOf(blocks, 'now').some((one) => one.now.get(blocks.finder) === key)) continue;
          say(`INSERT INTO ${nameOf(blocks, 'now')} VALUES (${key as string})`);
          blocks.rows.push({ serial: 0, old: new Map(), now: new Map([[blocks.finder, key]]), inOld: false, inNow: true });
          row.old.set(flag, 'true');
        }
      });
    },
  },
  {
    name: 'row security enabled',
    plant(draft) {
      const table = draft.anyTable(({ key, parts }) => key.length > 0 && parts.length === 0);
      draft.change([table], (m) => {
        m.alter(table, 'ENABLE ROW LEVEL SECURITY');
        m.sql(`CREATE POLICY everybody_${table.id}_${m.statements.length} ON ${nameOf(table, 'now')} USING (true)`);
      });
    },
  },
];
