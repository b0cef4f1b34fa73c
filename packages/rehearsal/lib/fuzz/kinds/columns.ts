/** Columns that come, go, are called otherwise, or follow other rules. */
import { boolean, common, type Domain, integer, integers, numeric, text, uuid, varchar } from '../domains';
import { anything, identity, literal, nameOf, uniqueName } from '../world';
import { generate } from './generated';
import type { Kind } from './kind';

const plain = common.filter(({ extension }) => !extension);

export const columnKinds: readonly Kind[] = [
  {
    name: 'column added',
    plant(draft) {
      const { random } = draft;
      const table = draft.anyTable(({ key }) => key.length > 0);
      const domain = random.pick(plain);
      const column = draft.column(table, domain, { later: true, busy: true });
      const [name, filled, value] = [draft.freshName(), random.chance(0.5), domain.text(random.between(0, 99))];
      draft.change([table, column], (m) => {
        m.add(
          table,
          column,
          { name, domain, notNull: filled, ...(filled ? { extra: `DEFAULT ${literal(value)}` } : {}) },
          filled ? value : null,
        );
      });
    },
  },
  {
    name: 'column renamed',
    plant(draft) {
      const [table, column] = draft.anyColumn(undefined, () => draft.random.pick(common));
      const name = draft.freshName();
      draft.change([table, column], (m) => m.rename(table, column, name));
    },
  },
  {
    name: 'column dropped',
    plant(draft) {
      const { random } = draft;
      const table = draft.anyTable(({ key }) => key.length > 0);
      const [notNull, filled] = [random.chance(0.4), random.chance(0.4)];
      // a value that says nothing is known of these.
      const domain = random.pick(notNull ? [integer, text, boolean, uuid, numeric(10, 2), integers] : plain);
      const value = domain.text(random.between(0, 99));
      const column = draft.column(table, domain, { notNull, busy: true, ...(filled ? { extra: `DEFAULT ${literal(value)}` } : {}) });
      column.unfilled = filled ? value : notNull ? anything : null;
      draft.change([table, column], (m) => {
        m.accept(table, `.${column.old!.name}:dropped`);
        m.drop(table, column);
      });
    },
  },
  {
    name: 'NOT NULL dropped',
    plant(draft) {
      const [table, column] = draft.anyColumn(
        ({ old }) => old!.notNull,
        () => draft.random.pick(plain),
      );
      column.old!.notNull = true;
      draft.change([table, column], (m) => {
        m.alter(table, `ALTER COLUMN ${identity(column.now!.name)} DROP NOT NULL`);
        column.now!.notNull = false;
      });
    },
  },
  {
    name: 'check dropped',
    plant(draft) {
      const table = draft.anyTable(({ key }) => key.length > 0);
      const column = draft.column(table, integer, { busy: true });
      const name = `ck_${column.id.replace('.', '_')}`;
      draft.extra(table, `ALTER TABLE public.${identity(table.old!)} ADD CONSTRAINT ${name} CHECK (${identity(column.old!.name)} < 5000)`);
      const more: Domain = { ...integer, text: (n) => `${5000 + (n % 100)}` };
      draft.change([table, column], (m) => {
        m.alter(table, `DROP CONSTRAINT ${name}`);
        column.now!.domain = more;
      });
    },
  },
  {
    name: 'unique dropped',
    plant(draft) {
      const table = draft.anyTable(({ key }) => key.length > 0);
      const domain = draft.random.pick([integer, text, varchar(30)]);
      const column = draft.column(table, domain, { busy: true, unique: true });
      const few: Domain = { ...domain, text: (n) => domain.unique!(n % 3) };
      draft.change([table, column], (m) => {
        m.alter(table, `DROP CONSTRAINT ${uniqueName(column)}`);
        Object.assign(column.now!, { unique: false, domain: few });
      });
    },
  },
  {
    name: 'stricter',
    plant(draft) {
      const table = draft.anyTable(({ key }) => key.length > 0);
      const column = draft.column(table, integer, { busy: true, notNull: true });
      const strict: Domain = { ...integer, text: (n) => `${n % 1000}` };
      const name = `ck_${column.id.replace('.', '_')}`;
      draft.change([table, column], (m) => {
        const own = identity(column.now!.name);
        m.backfill(table, column, `UPDATE ${nameOf(table, 'now')} SET ${own} = -${own} WHERE ${own} < 0`, (value) =>
          value.replace('-', ''),
        );
        m.alter(table, `ADD CONSTRAINT ${name} CHECK (${own} >= 0)`);
        m.alter(table, `ALTER COLUMN ${identity(column.now!.name)} SET DEFAULT 7`);
        column.now!.domain = strict;
      });
    },
  },
  {
    name: 'generated now',
    plant(draft) {
      const table = draft.anyTable(({ key }) => key.length > 0);
      const of = draft.column(table, integer, { busy: true, notNull: true });
      const column = draft.column(table, integer, { busy: true });
      draft.change([table, of, column], (m) => {
        generate(m, table, of, column);
        m.declareColumn(table, column, () => `NEW.${identity(of.now!.name)} * 2`);
      });
    },
  },
];
