/**
 * What a window's two schemas have, and which rows each of them must show: the old form is computed here, by the meaning of each change and
 * of each acknowledged write. It shares no code with what it judges (test/architecture.test.ts).
 */
import type { Domain } from './domains';

/** A value that nobody has promised: of a column whose loss was accepted, or that the server has drawn. */
export const anything = Symbol('anything');
export type Cell = string | null | typeof anything;

/** What one form calls a column, and what it holds. */
export interface Face {
  name: string;
  domain: Domain;
  notNull: boolean;
  unique?: boolean;
  /** `DEFAULT 7`, `GENERATED ALWAYS AS IDENTITY` */
  extra?: string;
  /** Computed by PostgreSQL from another column of the form. */
  computed?: { readonly of: Column; readonly sql: (name: string) => string; readonly text: (cell: Cell) => Cell };
}

export interface Column {
  readonly id: string;
  old: Face | undefined;
  now: Face | undefined;
  /** By the server: a sequence. */
  readonly drawn: boolean;
  readonly references: Reference | undefined;
  /** What the old release must find for a value of the new one. */
  back: (now: Cell) => Cell;
  /** The same from the whole row of the new form. */
  backOfRow: ((row: Row) => Cell) | undefined;
  /** In rows of the new release, where it has no such column. */
  unfilled: Cell;
  /** Something else changes it already. */
  busy: boolean;
}

export interface Reference {
  readonly table: Table;
  readonly cascade: boolean;
  /** The name of the constraint. */
  readonly name: string;
}

export interface Part {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  inOld: boolean;
  inNow: boolean;
}

export interface Table {
  readonly id: string;
  old: string | undefined;
  now: string | undefined;
  readonly schema: string;
  readonly columns: Column[];
  /** Of the primary key; none: REPLICA IDENTITY FULL. */
  readonly key: readonly Column[];
  /** Tells rows apart, in both forms. */
  readonly finder: Column;
  /** By ranges of the finder. */
  readonly parts: Part[];
  rows: Row[];
  /** Statements that belong to it and come after it: constraints, triggers, views. */
  readonly extras: { readonly id: string; readonly sql: string }[];
  /** Nothing is to be written to it in the hold but what a change itself writes. */
  quiet: boolean;
  busy: boolean;
  /** What rows written by the new release mean elsewhere. */
  wrote: ((row: Row, what: 'insert' | 'update' | 'delete') => void) | undefined;
}

export interface Row {
  readonly serial: number;
  old: Map<Column, Cell>;
  now: Map<Column, Cell>;
  inOld: boolean;
  inNow: boolean;
}

export type Form = 'old' | 'now';
/** Who writes: the old release before the migrations, the new one, the old one on the fallback. */
export type Phase = 'before' | 'new' | 'back';
export const formOf = (phase: Phase): Form => (phase === 'new' ? 'now' : 'old');

export const identity = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) && !reserved.has(name) ? name : `"${name.replaceAll('"', '""')}"`;
const reserved = new Set(['user', 'order', 'group', 'table', 'select', 'from', 'to', 'check']);
export const literal = (cell: Cell): string => {
  if (cell === anything) throw new Error('nobody writes what nobody knows');
  return cell === null ? 'NULL' : `'${cell.replaceAll("'", "''")}'`;
};

export const nameOf = (table: Table, form: Form): string => {
  const name = table[form];
  if (name === undefined) throw new Error(`${table.id} is no table of that form`);
  return `${identity(table.schema)}.${identity(name)}`;
};
export const columnsOf = (table: Table, form: Form): Column[] => table.columns.filter((column) => column[form] !== undefined);
export const rowsOf = (table: Table, form: Form): Row[] =>
  table[form] === undefined ? [] : table.rows.filter((row) => (form === 'old' ? row.inOld : row.inNow));

/** Of the constraint that keeps a column's values apart. */
export const uniqueName = ({ id }: Column): string => `uq_${id.replace('.', '_')}`;

/** Everything that both forms have so far is the same: the migrations begin. */
export function beginMigrations(tables: readonly Table[]): void {
  for (const table of tables) {
    table.now = table.old;
    for (const part of table.parts) part.inNow = part.inOld;
    for (const column of table.columns) column.now = column.old && { ...column.old };
    for (const row of table.rows) {
      row.inNow = row.inOld;
      row.now = new Map(row.old);
    }
  }
}

function compute(table: Table, row: Row, form: Form): void {
  for (const column of columnsOf(table, form)) {
    const { computed } = column[form]!;
    if (computed) row[form].set(column, computed.text(row[form].get(computed.of) ?? null));
  }
}

/** What the old release must find of a row that the new one has written. */
function deriveOld(table: Table, row: Row, isNew: boolean): void {
  if (table.old === undefined) return;
  for (const column of columnsOf(table, 'old')) {
    if (column.old!.computed) continue;
    if (column.backOfRow) row.old.set(column, column.backOfRow(row));
    else if (column.now) row.old.set(column, back(column, row.now.get(column) ?? null));
    else if (isNew) row.old.set(column, column.unfilled);
  }
  compute(table, row, 'old');
}
const back = (column: Column, cell: Cell): Cell => (cell === anything ? anything : column.back(cell));

export function insertRow(table: Table, serial: number, cells: ReadonlyMap<Column, Cell>, phase: Phase): Row {
  const row: Row = { serial, old: new Map(), now: new Map(), inOld: true, inNow: phase !== 'back' };
  if (phase === 'new') {
    row.now = new Map(cells);
    row.inOld = table.old !== undefined;
    compute(table, row, 'now');
    deriveOld(table, row, true);
  } else {
    row.old = new Map(cells);
    compute(table, row, 'old');
  }
  table.rows.push(row);
  if (phase === 'new') table.wrote?.(row, 'insert');
  return row;
}

export function updateRow(table: Table, row: Row, cells: ReadonlyMap<Column, Cell>, phase: Phase): void {
  const form = formOf(phase);
  for (const [column, cell] of cells) row[form].set(column, cell);
  compute(table, row, form);
  if (phase !== 'new') return;
  deriveOld(table, row, false);
  table.wrote?.(row, 'update');
}

export function deleteRow(table: Table, row: Row, phase: Phase): void {
  row.inOld = false;
  if (phase !== 'back') row.inNow = false;
  if (phase === 'new') table.wrote?.(row, 'delete');
}

/** Rows of others that point to it, with the table that they are in. */
export function childrenOf(tables: readonly Table[], parent: Table, row: Row, form: Form): { table: Table; column: Column; row: Row }[] {
  const key = row[form].get(parent.finder);
  return tables.flatMap((table) =>
    columnsOf(table, form)
      .filter(({ references }) => references?.table === parent)
      .flatMap((column) =>
        rowsOf(table, form)
          .filter((child) => child[form].get(column) === key)
          .map((child) => ({ table, column, row: child })),
      ),
  );
}
