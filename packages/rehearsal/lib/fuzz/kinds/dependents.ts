/** What hangs on a column that changes: it goes before and comes back after it, as PostgreSQL asks. */
import { bigint, integer, text } from '../domains';
import type { Draft } from '../draft';
import type { Migration } from '../migration';
import { type Column, identity, nameOf, type Table } from '../world';
import type { Kind } from './kind';

interface Dependent {
  /** Both are given names as SQL. */
  readonly make: (table: string, column: string, name: string) => string;
  readonly drop: (table: string, name: string) => string;
  readonly first?: (table: string, name: string) => string;
}

/** An integer column becomes bigint under something that depends on it. */
function under(name: string, { make, drop, first }: Dependent): Kind {
  return {
    name,
    plant(draft) {
      const table = draft.anyTable(({ key, parts }) => key.length > 0 && parts.length === 0);
      const column = draft.column(table, integer, { busy: true, notNull: draft.random.chance(0.5) });
      const own = `dep_${column.id.replace('.', '_')}`;
      const says = (form: 'old' | 'now'): string =>
        make(`public.${identity(form === 'old' ? table.old! : table.now!)}`, identity(column[form]!.name), own);
      if (first) draft.extra(table, first(`public.${identity(table.old!)}`, own));
      draft.extra(table, says('old'));
      draft.change([table, column], (m) => {
        m.sql(drop(nameOf(table, 'now'), own));
        m.retype(table, column, bigint);
        m.sql(says('now'));
      });
    },
  };
}

/** A generated column that must widen with the one that it is computed from. */
function generated(m: Migration, table: Table, of: Column, column: Column): void {
  const { name, computed } = column.now!;
  m.drop(table, column);
  m.retype(table, of, bigint);
  m.alter(table, `ADD COLUMN ${identity(name)} bigint GENERATED ALWAYS AS (${computed!.sql(identity(of.now!.name))}) STORED`);
  column.now = { name, domain: bigint, notNull: false, computed: computed! };
  for (const row of table.rows) if (row.inNow) row.now.set(column, computed!.text(row.now.get(of) ?? null));
}

function computedColumn(draft: Draft, table: Table, of: Column): Column {
  const computed = {
    of,
    sql: (name: string) => `${name} + 1`,
    text: (cell: unknown) => (typeof cell === 'string' ? `${Number(cell) + 1}` : null),
  };
  return draft.column(table, integer, { busy: true, computed });
}

export const dependentKinds: readonly Kind[] = [
  under('widened under a view', {
    make: (table, column, name) => `CREATE VIEW public.${name} AS SELECT ${column} AS c FROM ${table} WHERE ${column} > 0`,
    drop: (_, name) => `DROP VIEW public.${name}`,
  }),
  under('widened under a policy', {
    first: (table) => `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`,
    make: (table, column, name) => `CREATE POLICY ${name} ON ${table} USING (${column} IS NULL OR ${column} > -100000)`,
    drop: (table, name) => `DROP POLICY ${name} ON ${table}`,
  }),
  under('widened under a condition', {
    first: (_, name) => `CREATE FUNCTION public.${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$`,
    make: (table, column, name) =>
      `CREATE TRIGGER ${name} BEFORE UPDATE ON ${table} FOR EACH ROW WHEN (OLD.${column} IS DISTINCT FROM NEW.${column}) EXECUTE FUNCTION public.${name}()`,
    drop: (table, name) => `DROP TRIGGER ${name} ON ${table}`,
  }),
  {
    name: 'widened under an index',
    plant(draft) {
      const table = draft.anyTable(({ key, parts }) => key.length > 0 && parts.length === 0);
      const column = draft.column(table, integer, { busy: true, unique: draft.random.chance(0.5) });
      draft.extra(
        table,
        `CREATE INDEX ON public.${identity(table.old!)} (${identity(column.old!.name)}) WHERE ${identity(column.old!.name)} > 0`,
      );
      draft.change([table, column], (m) => m.retype(table, column, bigint));
    },
  },
  {
    name: 'widened under a generated column',
    plant(draft) {
      const table = draft.anyTable(({ key, parts }) => key.length > 0 && parts.length === 0);
      const of = draft.column(table, integer, { busy: true });
      const column = computedColumn(draft, table, of);
      draft.change([table, of, column], (m) => generated(m, table, of, column));
    },
  },
  {
    name: 'sequence widened',
    plant(draft) {
      const table = draft.table({ key: text, plain: 1 });
      const column = draft.column(table, { ...integer, sql: 'serial' }, { busy: true, drawn: true, unique: true, name: 'number' });
      const sequence = `public.${identity(`${table.old!}_number_seq`)}`;
      draft.extra(table, `SELECT setval('${sequence}', 2147483645)`);
      draft.change([table, column], (m) => {
        m.alter(table, 'ALTER COLUMN number TYPE bigint');
        m.sql(`ALTER SEQUENCE ${sequence} AS bigint`);
      });
    },
  },
];
