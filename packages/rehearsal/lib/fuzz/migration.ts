/** The migrations of a window, written down as they are applied to the model: SQL, what the team declares, what it accepts. */
import type { Domain } from './domains';
import { type Cell, type Column, type Face, identity, nameOf, type Row, rowsOf, type Table } from './world';

export interface Declaration {
  columns: { table: string; column: string; from: string }[];
  rows: { of: string; run: string; onDelete?: string; sets?: { table: string; column: string; is: string }[] }[];
  deleted: Record<string, 'keep' | 'ship'>;
}

/** What a table must show. */
export interface Expected {
  /** As it stands in SQL. */
  readonly table: string;
  readonly columns: readonly string[];
  /** By which of them rows are told apart. */
  readonly finder: number;
  readonly rows: readonly (readonly Cell[])[];
}

export class Migration {
  readonly statements: string[] = [];
  readonly accepted = new Set<string>();
  /** What the fallback must show beside its tables. */
  readonly beside: Expected[] = [];
  private readonly later: ((declared: Declaration) => void)[] = [];

  constructor(readonly tables: readonly Table[]) {}

  sql(text: string): void {
    this.statements.push(text);
  }

  also(expected: Expected): void {
    this.beside.push(expected);
  }

  alter(table: Table, what: string): void {
    this.sql(`ALTER TABLE ${nameOf(table, 'now')} ${what}`);
  }

  /** Names are those that the migrations end with. */
  declare(say: (declared: Declaration) => void): void {
    this.later.push(say);
  }

  declareColumn(table: Table, column: Column, from: () => string): void {
    const [of, name] = [nameOf(table, 'old'), column.old!.name];
    this.declare(({ columns }) => columns.push({ table: of, column: name, from: from() }));
  }

  get declared(): Partial<Declaration> {
    const all: Declaration = { columns: [], rows: [], deleted: {} };
    for (const say of this.later) say(all);
    return {
      ...(all.columns.length > 0 ? { columns: all.columns } : {}),
      ...(all.rows.length > 0 ? { rows: all.rows } : {}),
      ...(Object.keys(all.deleted).length > 0 ? { deleted: all.deleted } : {}),
    };
  }

  rename(table: Table, column: Column, name: string): void {
    this.alter(table, `RENAME COLUMN ${identity(column.now!.name)} TO ${identity(name)}`);
    column.now!.name = name;
  }

  retype(
    table: Table,
    column: Column,
    domain: Domain,
    how: { readonly using?: string; readonly there?: (text: string) => Cell; readonly back?: (text: string) => Cell } = {},
  ): void {
    this.alter(table, `ALTER COLUMN ${identity(column.now!.name)} TYPE ${domain.sql}${how.using ? ` USING ${how.using}` : ''}`);
    this.means(table, column, domain, how);
  }

  /** The column holds other values now. */
  means(
    table: Table,
    column: Column,
    domain: Domain,
    {
      there = (value) => value,
      back = (value) => value,
    }: { readonly there?: (text: string) => Cell; readonly back?: (text: string) => Cell },
  ): void {
    column.now!.domain = domain;
    for (const row of rowsOf(table, 'now')) {
      const cell = row.now.get(column);
      if (typeof cell === 'string') row.now.set(column, there(cell));
    }
    const before = column.back;
    column.back = (cell) => before(typeof cell === 'string' ? back(cell) : cell);
  }

  add(table: Table, column: Column, face: Omit<Face, 'computed'>, cell: Cell): void {
    this.alter(
      table,
      `ADD COLUMN ${identity(face.name)} ${face.domain.sql}${face.extra ? ` ${face.extra}` : ''}${face.notNull ? ' NOT NULL' : ''}`,
    );
    column.now = { ...face };
    for (const row of rowsOf(table, 'now')) row.now.set(column, cell);
  }

  drop(table: Table, column: Column): void {
    this.alter(table, `DROP COLUMN ${identity(column.now!.name)}`);
    column.now = undefined;
  }

  accept(table: Table, rest: string): void {
    this.accepted.add(`${nameOf(table, 'old')}${rest}`);
  }

  /** An UPDATE of the migration's own, which the old release finds too. */
  backfill(table: Table, column: Column, sql: string, value: (text: string) => string, where: (row: Row) => boolean = () => true): void {
    this.sql(sql);
    for (const row of rowsOf(table, 'now').filter(where)) {
      const cell = row.now.get(column);
      if (typeof cell !== 'string') continue;
      row.now.set(column, value(cell));
      if (column.old && row.inOld) row.old.set(column, column.back(value(cell)));
    }
  }

  /** The new schema's table is there from now on. */
  create(table: Table, name: string, sql: (name: string) => string): void {
    table.now = name;
    this.sql(sql(nameOf(table, 'now')));
  }

  nameOf(table: Table): string {
    return nameOf(table, 'now');
  }
}
