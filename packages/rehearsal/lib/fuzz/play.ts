/** A window played on the model: its SQL, and what each form must show at the end. What a shrinker has struck out is left out. */
import type { Change, Op, Special } from './draft';
import type { Plan } from './generate';
import { type Declaration, type Expected, Migration } from './migration';
import {
  anything,
  beginMigrations,
  type Cell,
  type Column,
  childrenOf,
  columnsOf,
  deleteRow,
  type Face,
  type Form,
  formOf,
  identity,
  insertRow,
  literal,
  nameOf,
  type Phase,
  type Row,
  rowsOf,
  type Table,
  uniqueName,
  updateRow,
} from './world';

/** Of one column, in rows that both databases have. */
export interface Drawn {
  readonly old: { readonly table: string; readonly finder: string; readonly column: string };
  readonly now: { readonly table: string; readonly finder: string; readonly column: string };
  /** How such a row is found on the fallback, and on production. */
  readonly keys: readonly (readonly [Cell, Cell])[];
}

export interface Played {
  readonly superuserBefore: readonly string[];
  readonly before: readonly string[];
  readonly superuserAfter: readonly string[];
  readonly meanwhile: readonly string[];
  readonly migrate: readonly string[];
  readonly declared: Partial<Declaration>;
  readonly accepted: readonly string[];
  readonly writes: readonly string[];
  readonly superuserInHold: readonly string[];
  readonly backWrites: readonly string[];
  /** Of the fallback, after the rollback. */
  readonly old: readonly Expected[];
  /** Of production: all that was written there is still there. */
  readonly now: readonly Expected[];
  /** Values that production's sequences have given: the same on the fallback. */
  readonly drawn: readonly Drawn[];
  /** Kinds of change that are left. */
  readonly kinds: readonly string[];
}

export function play(plan: Plan, without: ReadonlySet<string> = new Set()): Played {
  const isIn = ({ id }: { readonly id: string }): boolean => !without.has(id);
  const tables = plan.tables.filter(isIn);
  const gone = new Set<Table | Column>(plan.tables.filter((table) => !isIn(table)));
  for (const table of tables) for (const column of table.columns) if (!isIn(column) || pointsTo(column, gone)) gone.add(column);
  for (const table of tables)
    for (const column of table.columns) if (column.old?.computed && gone.has(column.old.computed.of)) gone.add(column);
  for (const table of tables) table.columns.splice(0, table.columns.length, ...table.columns.filter((column) => !gone.has(column)));
  const stays = (one: Change | Special): boolean => isIn(one) && !one.needs.some((need) => gone.has(need));
  const changes = plan.changes.filter(stays);
  // a write that comes with changes stays with all of them.
  const whole = ({ planting }: Special): boolean =>
    plan.changes.every((change) => change.planting !== planting || changes.includes(change));
  const specials = plan.specials.filter((special) => stays(special) && whole(special));
  const kinds = new Set([...changes, ...specials].map(({ kind }) => kind));
  const ops = plan.ops.filter((op) => isIn(op) && !gone.has(op.table));
  const run = (at: Op['at']): string[] => ops.filter((op) => op.at === at).flatMap((op) => statementsOf(op, tables));
  const extra = (phase: Special['phase']): string[] => {
    const said: string[] = [];
    for (const special of specials)
      if (special.phase === phase)
        special.write(
          (sql) => said.push(sql),
          (table, key) => said.push(insertOf(table, key)),
        );
    return said;
  };

  const before = [
    ...plan.preamble,
    ...tables.filter(({ old }) => old !== undefined).flatMap((table) => createTable(table)),
    ...run('seed'),
  ];
  before.push(...tables.flatMap(({ extras }) => extras.filter(isIn).map(({ sql }) => sql)));
  const meanwhile = [...run('meanwhile'), ...extra('meanwhile')];
  beginMigrations(tables);
  const migration = new Migration(tables);
  for (const change of changes) change.apply(migration);
  const writes = [...run('new'), ...extra('new')];
  const superuserInHold = extra('dba');
  const backWrites = [...run('back'), ...extra('back')];
  return {
    superuserBefore: [...plan.extensions].map((name) => `CREATE EXTENSION ${name} SCHEMA public`),
    ...{ before, superuserAfter: plan.bySuperuserAfter, meanwhile, migrate: migration.statements, declared: migration.declared },
    ...{ accepted: [...migration.accepted], writes, superuserInHold, backWrites },
    ...{ old: [...expected(tables, 'old'), ...migration.beside], now: expected(tables, 'now'), drawn: drawnOf(tables), kinds: [...kinds] },
  };
}

const pointsTo = ({ references }: Column, gone: ReadonlySet<Table | Column>): boolean =>
  references !== undefined && gone.has(references.table);

function createTable(table: Table): string[] {
  const { key, finder, parts } = table;
  const name = nameOf(table, 'old');
  const lines = columnsOf(table, 'old').map((column) => columnSql(table, column));
  if (key.length > 0) lines.push(`PRIMARY KEY (${key.map((column) => identity(column.old!.name)).join(', ')})`);
  const partitioned = parts.length > 0 ? ` PARTITION BY RANGE (${identity(finder.old!.name)})` : '';
  return [
    `CREATE TABLE ${name} (${lines.join(', ')})${partitioned}`,
    ...parts
      .filter(({ inOld }) => inOld)
      .map((part) => `CREATE TABLE ${identity(part.name)} PARTITION OF ${name} FOR VALUES FROM (${part.low}) TO (${part.high})`),
    ...(key.length === 0 ? [`ALTER TABLE ${name} REPLICA IDENTITY FULL`] : []),
  ];
}

function columnSql({ finder }: Table, column: Column): string {
  const { references } = column;
  const { name, domain, notNull, unique, extra, computed } = column.old!;
  return [
    `${identity(name)} ${domain.sql}`,
    computed ? `GENERATED ALWAYS AS (${computed.sql(identity(computed.of.old!.name))}) STORED` : '',
    extra ?? '',
    notNull ? 'NOT NULL' : '',
    unique && column !== finder ? `CONSTRAINT ${uniqueName(column)} UNIQUE` : '',
    references
      ? `CONSTRAINT ${references.name} REFERENCES ${nameOf(references.table, 'old')} (${identity(references.table.finder.old!.name)})${references.cascade ? ' ON DELETE CASCADE' : ''}`
      : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
}

/** The acknowledged write, in both ways: on the model and in SQL; nothing where it would not be allowed. */
function statementsOf(op: Op, tables: readonly Table[]): string[] {
  const { table, phase } = op;
  const form = formOf(phase);
  if (table[form] === undefined || (phase === 'new' && table.quiet)) return [];
  const name = nameOf(table, form);
  const rows = rowsOf(table, form);
  const row = rows[op.draw % Math.max(1, rows.length)];
  const { finder } = table;
  const found = (one: Row): string => `${identity(finder[form]!.name)} = ${literal(one[form].get(finder) ?? null)}`;
  switch (op.does) {
    case 'aborted':
    case 'insert': {
      const cells = cellsOf(op, columnsOf(table, form), form);
      if (!cells) return [];
      const sql = insertSql(name, cells, form);
      if (op.does === 'aborted') return ['BEGIN', sql, 'ROLLBACK'];
      for (const column of columnsOf(table, form)) if (column.drawn) cells.set(column, anything);
      insertRow(table, op.serial, cells, phase);
      return [sql];
    }
    case 'update':
    case 'move': {
      if (!row) return [];
      const columns = columnsOf(table, form).filter((column) =>
        op.does === 'move'
          ? table.key.includes(column) || column === finder
          : !table.key.includes(column) && column !== finder && hash(op.draw, `in ${column.id}`) % 2 === 0,
      );
      if (op.does === 'move' && (columns.some(({ drawn }) => drawn) || childrenOf(tables, table, row, form).length > 0)) return [];
      const cells = cellsOf(op, columns, form);
      if (!cells || cells.size === 0) return [];
      const sql = `UPDATE ${name} SET ${[...cells].map(([column, cell]) => `${identity(column[form]!.name)} = ${literal(cell)}`).join(', ')} WHERE ${found(row)}`;
      updateRow(table, row, cells, phase);
      return [sql];
    }
    case 'delete': {
      if (!row || !mayGo(tables, table, row, form)) return [];
      const sql = `DELETE FROM ${name} WHERE ${found(row)}`;
      remove(tables, table, row, phase);
      return [sql];
    }
  }
}

/** A row of the new release's with that key. */
function insertOf(table: Table, key: string): string {
  const op: Op = { id: '', at: 'new', phase: 'new', does: 'insert', table, draw: Number(key), serial: Number(key) };
  const cells = cellsOf(op, columnsOf(table, 'now'), 'now') ?? new Map<Column, Cell>();
  cells.set(table.finder, key);
  const sql = insertSql(nameOf(table, 'now'), cells, 'now');
  insertRow(table, op.serial, cells, 'new');
  return sql;
}

/** Nothing points to it that would keep it. */
function mayGo(tables: readonly Table[], table: Table, row: Row, form: Form): boolean {
  return childrenOf(tables, table, row, form).every(
    (child) => child.column.references!.cascade && mayGo(tables, child.table, child.row, form),
  );
}

function remove(tables: readonly Table[], table: Table, row: Row, phase: Phase): void {
  for (const child of childrenOf(tables, table, row, formOf(phase))) remove(tables, child.table, child.row, phase);
  deleteRow(table, row, phase);
}

function insertSql(name: string, cells: ReadonlyMap<Column, Cell>, form: Form): string {
  const columns = [...cells.keys()];
  if (columns.length === 0) return `INSERT INTO ${name} DEFAULT VALUES`;
  return `INSERT INTO ${name} (${columns.map((column) => identity(column[form]!.name)).join(', ')}) VALUES (${[...cells.values()].map(literal).join(', ')})`;
}

/** Undefined where one that must be there has nothing to point to. */
function cellsOf(op: Op, columns: readonly Column[], form: Form): Map<Column, Cell> | undefined {
  const cells = new Map<Column, Cell>();
  for (const column of columns) {
    const face = column[form]!;
    if (column.drawn || face.computed) continue;
    const cell = cellOf(op, column, face, form);
    if (cell === undefined) return undefined;
    cells.set(column, cell);
  }
  return cells;
}

function cellOf(op: Op, column: Column, face: Face, form: Form): Cell | undefined {
  const n = hash(op.draw, column.id);
  const { table } = op;
  if (column === table.finder && table.parts.length > 0) {
    const parts = table.parts.filter((part) => (form === 'old' ? part.inOld : part.inNow));
    const part = parts[n % Math.max(1, parts.length)];
    return part && `${part.low + op.serial}`;
  }
  if (column.references) {
    const parents = rowsOf(column.references.table, form);
    if (!face.notNull && (parents.length === 0 || n % 4 === 0)) return null;
    const { finder } = column.references.table;
    return parents[n % Math.max(1, parents.length)]?.[form].get(finder);
  }
  if (!face.notNull && n % 5 === 0) return null;
  return face.unique ? face.domain.unique!(op.serial) : face.domain.text(Math.floor(n / 5));
}

/** The same on every machine; shrinking one thing leaves the others' values alone. */
export function hash(draw: number, text: string): number {
  let value = (draw ^ 0x811c9dc5) >>> 0;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193) >>> 0;
  value ^= value >>> 15;
  return Math.imul(value, 0x2c1b3c6d) >>> 1;
}

function expected(tables: readonly Table[], form: Form): Expected[] {
  return tables
    .filter((table) => table[form] !== undefined)
    .map((table) => {
      const columns = columnsOf(table, form);
      return {
        table: nameOf(table, form),
        columns: columns.map((column) => identity(column[form]!.name)),
        finder: columns.indexOf(table.finder),
        rows: rowsOf(table, form).map((row) => columns.map((column) => row[form].get(column) ?? null)),
      };
    });
}

function drawnOf(tables: readonly Table[]): Drawn[] {
  return tables.flatMap((table) =>
    table.columns
      .filter(({ drawn, old, now }) => drawn && old && now && table.old !== undefined && table.now !== undefined)
      .map((column) => {
        const on = (form: Form) => ({
          ...{ table: nameOf(table, form), finder: identity(table.finder[form]!.name), column: identity(column[form]!.name) },
        });
        const both = table.rows.filter(({ inOld, inNow }) => inOld && inNow);
        return {
          old: on('old'),
          now: on('now'),
          keys: both.map(({ old, now }) => [old.get(table.finder)!, now.get(table.finder)!] as const),
        };
      }),
  );
}
