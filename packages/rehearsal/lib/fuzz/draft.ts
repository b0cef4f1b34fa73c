/** A window while it is drawn up: kinds of change plant what they need into the old schema, and say what they do to it. */
import type { Random } from '../soak/random';
import { common, type Domain, keys, text } from './domains';
import type { Migration } from './migration';
import type { Cell, Column, Face, Part, Phase, Reference, Table } from './world';

export interface Change {
  readonly id: string;
  readonly kind: string;
  /** Of one planting: a special write goes with its changes. */
  readonly planting: number;
  /** Without one of these there is no change. */
  readonly needs: readonly (Table | Column)[];
  readonly apply: (migration: Migration) => void;
}

/** A write that a change brings with it. `dba`: as the superuser, in the hold. */
export interface Special {
  readonly id: string;
  readonly kind: string;
  readonly planting: number;
  readonly needs: readonly (Table | Column)[];
  readonly phase: 'meanwhile' | 'new' | 'dba' | 'back';
  readonly write: (say: (sql: string) => void, insert: Insert) => void;
}

/** A row with that key, in the new form. */
export type Insert = (table: Table, key: string) => void;

export interface Op {
  readonly id: string;
  readonly at: 'seed' | 'meanwhile' | 'new' | 'back';
  readonly phase: Phase;
  readonly does: 'insert' | 'update' | 'delete' | 'move' | 'aborted';
  readonly table: Table;
  /** Which row and which values. */
  readonly draw: number;
  /** No two have the same: values that must be unique are made of it. */
  readonly serial: number;
}

export interface ColumnOptions {
  readonly name?: string;
  readonly notNull?: boolean;
  readonly unique?: boolean;
  readonly extra?: string;
  readonly drawn?: boolean;
  readonly references?: Reference;
  readonly computed?: Face['computed'];
  readonly busy?: boolean;
  /** The new form's only: a change adds it. */
  readonly later?: boolean;
}

export interface TableOptions {
  readonly key?: Domain;
  readonly name?: string;
  readonly later?: boolean;
  readonly full?: boolean;
  /** Columns beside the key. */
  readonly plain?: number;
  /** By ranges of its key. */
  readonly partitioned?: boolean;
}

const tableNames = [
  'users',
  'orders',
  'items',
  'events',
  'notes',
  'Order',
  'invoices',
  'jobs',
  'user',
  'tags',
  'my.app',
  'files',
  'visits',
];
const columnNames = [
  'name',
  'amount',
  'title',
  'state',
  'r',
  'note',
  'email',
  'group',
  'Total',
  'na.me',
  'body',
  'size',
  'flag',
  'new',
  'old',
];

export class Draft {
  readonly tables: Table[] = [];
  readonly changes: Change[] = [];
  readonly specials: Special[] = [];
  /** Before the tables: types, functions. */
  readonly preamble: string[] = [];
  readonly extensions = new Set<string>();
  /** Before the colors have users, and after it. */
  readonly bySuperuserAfter: string[] = [];
  private readonly taken = new Set<string>();
  private count = 0;
  private kind = '';
  private planting = 0;

  constructor(readonly random: Random) {}

  plant({ name, plant }: { readonly name: string; readonly plant: (draft: Draft) => void }): void {
    this.kind = name;
    this.planting += 1;
    plant(this);
  }

  /** Unused so far in this window. */
  name(hints: readonly string[]): string {
    const hint = this.random.pick(hints);
    this.count += 1;
    const name = this.taken.has(hint) ? `${hint}_${this.count}` : hint;
    this.taken.add(name);
    return name;
  }

  columnName(table: Table): string {
    const hint = this.random.pick(columnNames);
    const used = table.columns.map(({ old }) => old?.name);
    return used.includes(hint) ? this.freshName() : hint;
  }

  /** Of a column, in any table. */
  freshName(): string {
    this.count += 1;
    const hint = this.random.chance(0.04) ? 'a_name_that_is_so_long_that_nothing_can_be_put_behind_it_' : this.random.pick(columnNames);
    return `${hint}${this.count}`;
  }

  table(options: TableOptions = {}): Table {
    const { random } = this;
    const id = `t${this.tables.length + 1}`;
    const name = options.name ?? this.name(tableNames);
    const columns: Column[] = [];
    const table: Table = {
      ...{ id, old: options.later ? undefined : name, now: undefined, schema: 'public', columns, key: [], parts: [], rows: [], extras: [] },
      ...{ quiet: false, busy: false, wrote: undefined },
      finder: undefined as unknown as Column,
    };
    const finder = this.column(table, options.key ?? random.pick(keys), {
      name: options.later ? 'id' : random.pick(['id', 'id', 'ID', 'key']),
      ...{ notNull: true, unique: true, later: options.later ?? false },
    });
    Object.assign(table, { finder, key: options.full ? [] : [finder] });
    for (let n = 0; n < (options.plain ?? random.between(1, 4)); n += 1) this.plainColumn(table, options);
    this.tables.push(table);
    return table;
  }

  private plainColumn(table: Table, { later, full, partitioned }: TableOptions): Column {
    const { random } = this;
    const domain = random.pick(full ? common.filter(({ noKey }) => !noKey) : common);
    const unique = domain.unique !== undefined && !partitioned && !full && random.chance(0.08);
    const extra = random.chance(0.2) && !unique ? `DEFAULT '${domain.text(random.between(0, 99)).replaceAll("'", "''")}'` : undefined;
    return this.column(table, domain, { notNull: random.chance(0.4), unique, later: later ?? false, ...(extra ? { extra } : {}) });
  }

  column(table: Table, domain: Domain, options: ColumnOptions = {}): Column {
    const { notNull = false, unique = false, extra, drawn = false, references, computed, busy = false, later = false } = options;
    if (domain.extension) this.extensions.add(domain.extension);
    if (unique && !domain.unique) throw new Error(`${domain.sql} has no values that differ`);
    const face: Face = {
      ...{ name: options.name ?? this.columnName(table), domain, notNull, unique },
      ...(extra === undefined ? {} : { extra }),
      ...(computed === undefined ? {} : { computed }),
    };
    const column: Column = {
      ...{ id: `${table.id}.c${table.columns.length + 1}`, old: later ? undefined : face, now: undefined, drawn, references, busy },
      ...{ back: (cell: Cell) => cell, backOfRow: undefined, unfilled: null },
    };
    table.columns.push(column);
    return column;
  }

  /** Of the old schema, one that is there or a new one. */
  anyTable(fits: (table: Table) => boolean = () => true): Table {
    const found = this.tables.filter((table) => table.old !== undefined && !table.busy && fits(table));
    return found.length > 0 && this.random.chance(0.75) ? this.random.pick(found) : this.table();
  }

  /** One that nothing changes yet, with its table; a new one where there is none. */
  anyColumn(fits: (column: Column, table: Table) => boolean = () => true, domain: () => Domain = () => text): [Table, Column] {
    const { random } = this;
    const table = this.anyTable(({ key }) => key.length > 0);
    const free = table.columns.filter(
      (column) =>
        column.old &&
        !column.busy &&
        !table.key.includes(column) &&
        !column.drawn &&
        !column.old.computed &&
        !column.references &&
        fits(column, table),
    );
    const column =
      free.length > 0 && random.chance(0.6) ? random.pick(free) : this.column(table, domain(), { notNull: random.chance(0.4) });
    column.busy = true;
    return [table, column];
  }

  part(table: Table, low: number, high: number, options: { readonly later?: boolean } = {}): Part {
    const part: Part = { name: `${table.id}_part_${table.parts.length + 1}`, low, high, inOld: !options.later, inNow: false };
    table.parts.push(part);
    return part;
  }

  change(needs: readonly (Table | Column)[], apply: (migration: Migration) => void): void {
    this.changes.push({ id: `m${this.changes.length + 1}`, kind: this.kind, planting: this.planting, needs, apply });
  }

  special(phase: Special['phase'], needs: readonly (Table | Column)[], write: Special['write']): void {
    this.specials.push({ id: `s${this.specials.length + 1}`, kind: this.kind, planting: this.planting, needs, phase, write });
  }

  extra(table: Table, sql: string): void {
    table.extras.push({ id: `${table.id}.x${table.extras.length + 1}`, sql });
  }
}
