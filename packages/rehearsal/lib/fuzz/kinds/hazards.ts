/** What must be refused before the window, or may be: never wrong is all that is asked of it. */
import { boolean, integer, numeric, text } from '../domains';
import type { Draft } from '../draft';
import { type Cell, identity, nameOf, type Row, rowsOf, type Table } from '../world';
import { generate } from './generated';
import type { Kind } from './kind';

const plainTable = (draft: Draft): Table => draft.anyTable(({ key, parts }) => key.length > 0 && parts.length === 0);

/** No column that cannot be compared. */
function fullTable(draft: Draft): Table {
  const table = draft.table({ full: true, key: integer, plain: 0 });
  table.busy = true;
  table.finder.busy = true;
  return table;
}

const small = { ...text, text: (n: number) => `v${n % 9}` };

export const hazards: readonly Kind[] = [
  {
    name: 'row security forced',
    plant(draft) {
      const table = plainTable(draft);
      draft.change([table], (m) => {
        m.alter(table, 'ENABLE ROW LEVEL SECURITY');
        m.alter(table, 'FORCE ROW LEVEL SECURITY');
        m.sql(`CREATE POLICY all_${table.id}_${m.statements.length} ON ${nameOf(table, 'now')} USING (true)`);
      });
    },
  },
  {
    name: 'unlogged',
    plant(draft) {
      const table = draft.table({ plain: 1 });
      draft.change([table], (m) => m.alter(table, 'SET UNLOGGED'));
    },
  },
  {
    name: 'definer function',
    plant(draft) {
      const table = plainTable(draft);
      draft.change([table], (m) =>
        m.sql(
          `CREATE FUNCTION public.bump_${m.statements.length}() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT count(*) FROM ${nameOf(table, 'now')} $$`,
        ),
      );
    },
  },
  {
    name: 'retyped, not declared',
    plant(draft) {
      const table = plainTable(draft);
      const column = draft.column(
        table,
        { ...text, text: (n) => (n % 2 === 0 ? 'yes' : 'no') },
        { busy: true, notNull: draft.random.chance(0.5) },
      );
      draft.change([table, column], (m) =>
        m.retype(table, column, boolean, {
          ...{
            using: `${identity(column.now!.name)} = 'yes'`,
            there: (value) => `${value === 'yes'}`,
            back: (value) => (value === 'true' ? 'yes' : 'no'),
          },
        }),
      );
    },
  },
  {
    name: 'fractions dropped',
    plant(draft) {
      const table = plainTable(draft);
      const column = draft.column(
        table,
        { ...numeric(10, 2), text: (n) => `${n % 90}.${n % 2 === 0 ? '50' : '00'}` },
        { busy: true, notNull: true },
      );
      draft.change([table, column], (m) => {
        const before = new Map<Row, Cell>(rowsOf(table, 'now').map((row) => [row, row.old.get(column)!]));
        m.retype(
          table,
          column,
          { ...integer, text: (n) => `${n % 90}` },
          { there: (value) => `${Math.round(Number(value))}`, back: (value) => `${value}.00` },
        );
        for (const [row, cell] of before) row.old.set(column, cell);
      });
    },
  },
  {
    name: 'key deferrable',
    plant(draft) {
      const table = draft.table({ plain: 1 });
      table.busy = true;
      draft.change([table], (m) => {
        m.alter(table, `DROP CONSTRAINT ${identity(`${table.old!}_pkey`)}`);
        m.alter(table, `ADD PRIMARY KEY (${identity(table.finder.now!.name)}) DEFERRABLE INITIALLY DEFERRED`);
      });
    },
  },
  {
    name: 'composite grown',
    plant(draft) {
      const name = draft.name(['addr', 'Pair']);
      const sql = `public.${identity(name)}`;
      draft.preamble.push(`CREATE TYPE ${sql} AS (street text, city text)`);
      const table = plainTable(draft);
      const column = draft.column(table, { sql, text: (n) => `(s${n % 9},c)`, noKey: true }, { busy: true });
      draft.change([table, column], (m) => {
        m.sql(`ALTER TYPE ${sql} ADD ATTRIBUTE zip text CASCADE`);
        m.means(
          table,
          column,
          { sql, text: (n) => `(s${n % 9},c,z)`, noKey: true },
          {
            there: (value) => value.replace(')', ',)'),
            back: (value) => value.replace(/,z?\)$/, ')'),
          },
        );
      });
    },
  },
  {
    name: 'column of a table without a key renamed',
    plant(draft) {
      const table = fullTable(draft);
      const column = draft.column(table, small, { busy: true });
      const name = draft.freshName();
      draft.change([table, column], (m) => m.rename(table, column, name));
    },
  },
  {
    name: 'column of a table without a key added',
    plant(draft) {
      const table = fullTable(draft);
      const column = draft.column(table, small, { busy: true, later: true });
      const name = draft.freshName();
      draft.change([table, column], (m) => m.add(table, column, { name, domain: small, notNull: false }, null));
    },
  },
  {
    name: 'column of a table without a key dropped',
    plant(draft) {
      const table = fullTable(draft);
      draft.column(table, small, { busy: true });
      const column = draft.column(table, small, { busy: true });
      draft.change([table, column], (m) => {
        m.accept(table, `.${column.old!.name}:dropped`);
        m.drop(table, column);
      });
    },
  },
  {
    name: 'key gains a column',
    plant(draft) {
      const table = draft.table({ plain: 1 });
      table.finder.busy = true;
      const column = draft.column(table, text, { later: true, busy: true });
      const name = draft.freshName();
      draft.change([table, column], (m) => {
        m.add(table, column, { name, domain: small, notNull: true, extra: "DEFAULT 'd'" }, 'd');
        m.alter(table, `DROP CONSTRAINT ${identity(`${table.old!}_pkey`)}`);
        m.alter(table, `ADD PRIMARY KEY (${identity(name)}, ${identity(table.finder.now!.name)})`);
      });
    },
  },
  {
    name: 'flag dropped, not declared',
    plant(draft) {
      const table = plainTable(draft);
      const column = draft.column(
        table,
        { ...boolean, text: (n) => `${n % 2 === 0}` },
        { busy: true, notNull: true, extra: 'DEFAULT false' },
      );
      column.unfilled = 'false';
      draft.change([table, column], (m) => m.drop(table, column));
    },
  },
  {
    name: 'generated now, not declared',
    plant(draft) {
      const table = plainTable(draft);
      const of = draft.column(table, integer, { busy: true, notNull: true });
      const column = draft.column(table, integer, { busy: true });
      draft.change([table, of, column], (m) => generate(m, table, of, column));
    },
  },
  {
    name: 'large objects',
    plant(draft) {
      const table = plainTable(draft);
      const column = draft.column(table, integer, { busy: true, later: true });
      const name = draft.freshName();
      draft.change([table, column], (m) => {
        m.add(table, column, { name, domain: { ...integer, sql: 'oid', text: () => '0' }, notNull: false }, null);
        const count = '(SELECT count(*)::text AS n FROM pg_largeobject_metadata) x';
        m.also({ table: count, columns: ['n'], finder: 0, rows: [['1']] });
      });
      draft.special('new', [table, column], (say) => say("SELECT lo_from_bytea(0, 'abc')"));
    },
  },
  {
    name: 'rows deleted, not declared',
    plant(draft) {
      const table = draft.table();
      const column = draft.column(table, integer, { busy: true, notNull: true });
      draft.change([table, column], (m) => {
        const own = identity(column.now!.name);
        m.sql(`DELETE FROM ${nameOf(table, 'now')} WHERE ${own} < 0`);
        for (const row of rowsOf(table, 'now').filter((one) => Number(one.now.get(column)) < 0)) row.inNow = false;
      });
    },
  },
  {
    name: 'notes of an unknown tool',
    plant(draft) {
      const notes = draft.table({ key: text, plain: 0, name: draft.name(['applied_changes', 'deploys']) });
      notes.busy = true;
      notes.quiet = true;
      const version = draft.column(notes, text, { name: 'version', busy: true });
      draft.column(notes, text, { name: 'applied_at', busy: true });
      draft.change([notes, version], (m) => {
        m.sql(
          `INSERT INTO ${nameOf(notes, 'now')} (${identity(notes.finder.now!.name)}, version, applied_at) VALUES ('0042', '42', 'now')`,
        );
        const cells = new Map([
          [notes.finder, '0042'],
          ...notes.columns.slice(1).map((column) => [column, column === version ? '42' : 'now'] as const),
        ]);
        notes.rows.push({ serial: 0, old: new Map(), now: cells, inOld: false, inNow: true });
      });
    },
  },
  {
    name: 'tables move up',
    plant(draft) {
      const [gone, stays] = [draft.table({ plain: 1 }), draft.table({ plain: 1 })];
      for (const table of [gone, stays]) Object.assign(table, { busy: true });
      draft.change([gone, stays], (m) => {
        const [name, aside] = [gone.now!, `${gone.now!}_archived`];
        m.alter(gone, `RENAME TO ${identity(aside)}`);
        gone.now = aside;
        m.alter(stays, `RENAME TO ${identity(name)}`);
        stays.now = name;
      });
    },
  },
  {
    name: 'partition dropped in the hold',
    plant(draft) {
      const table = draft.table({ key: integer, partitioned: true });
      Object.assign(table, { busy: true });
      for (const n of [0, 1]) draft.part(table, n * 100_000, (n + 1) * 100_000);
      const part = table.parts[0]!;
      draft.special('dba', [table], (say) => {
        say(`DROP TABLE public.${identity(part.name)}`);
        // retention: on the fallback its rows stay, and it is said.
        for (const row of rowsOf(table, 'now')) if (Number(row.now.get(table.finder)) < part.high) row.inNow = false;
        part.inNow = false;
      });
    },
  },
];
