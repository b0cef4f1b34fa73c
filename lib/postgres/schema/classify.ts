/**
 * Compares the form of the fallback (before the migrations) with production's (after them) and says of every difference what becomes of
 * rows that travel back. It looks at catalogs only, so any migration tool works.
 */

import { literal } from '../connection/connect';
import { type Catalog, type CatalogColumn, type CatalogTable, sameColumn, sameTable } from './catalog';
import { neutral, typeChange } from './types';

/**
 * `carried`: rows fit as they are. `bridged`: Switchback makes them fit by itself, or with what was declared. `declare`: only the team knows
 * how; until it is declared, what is said in `loses` would be lost. `lossy`: the old schema cannot hold it.
 */
export type Verdict = 'carried' | 'bridged' | 'declare' | 'lossy';

export interface Difference {
  /** Stable: `--accept-loss <id>`. */
  readonly id: string;
  readonly verdict: Verdict;
  readonly what: string;
  /** What a rollback would lose, where something is. */
  readonly loses?: string;
  /** What to do where it cannot be accepted, because the window would not work with it. */
  readonly instead?: string;
}

/** What cannot be guessed, in plain SQL. */
export interface Declared {
  /** The value of a column of the old schema, from the columns of the new row: `{table: 'public.users', column: 'name', from: "NEW.first || ' ' || NEW.last"}`. */
  readonly columns?: readonly { readonly table: string; readonly column: string; readonly from: string }[];
  /** What each new or changed row of a table of the new schema does to the old schema: `{of: 'public.profiles', run: 'UPDATE public.users SET email = NEW.email WHERE id = NEW.user_id'}`. */
  readonly rows?: readonly DeclaredRows[];
  /** What becomes of rows that the migrations themselves delete, by table: `ship` deletes them on the fallback too, `keep` leaves them there. */
  readonly deleted?: Readonly<Record<string, 'keep' | 'ship'>>;
}

export interface DeclaredRows {
  readonly of: string;
  readonly run: string;
  /** What a row that is gone does to it, by `OLD`: `UPDATE public.users SET email = '' WHERE id = OLD.user_id`. */
  readonly onDelete?: string | undefined;
  /** Columns of the old schema that these keep, and what each of them must be, from the new schema: so that it can be compared. */
  readonly sets?: readonly DeclaredSet[] | undefined;
}

/** `{table: 'public.users', column: 'email', is: '(SELECT p.email FROM public.profiles p WHERE p.user_id = NEW.id)'}`; `NEW` is the row of the table in the new schema. */
export interface DeclaredSet {
  readonly table: string;
  readonly column: string;
  readonly is: string;
}

/** How rows of one table of the new schema get into the old one; bridge.ts makes SQL of it. */
export interface TablePlan {
  readonly old: CatalogTable;
  readonly now: CatalogTable;
  /** Columns that travel, by their new names; undefined: all, because no list is allowed. */
  published: string[] | undefined;
  /** Columns added to the fallback. `from`: the old column whose values it starts with. */
  readonly shadows: { name: string; type: string; from?: string }[];
  readonly widen: { column: string; type: string }[];
  readonly dropNotNull: string[];
  readonly dropConstraints: { name: string; definition: string }[];
  readonly dropIndexes: { name: string; definition: string }[];
  /** Computed for each arriving row, in this order. */
  readonly assign: { column: string; expression: string }[];
  /** Value for a column that must have one and has no source any more. */
  readonly fill: { column: string; value: string }[];
  /** New names of columns by which the fallback must find rows, when they are not called what they were. */
  identity: string[] | undefined;
  /** Columns (new names) that production must send as the key, when its own key became another. */
  keepKey: string[] | undefined;
  /** Columns computed on production, for types that cannot travel. */
  readonly sent: { name: string; type: string; expression: string }[];
}

export interface BridgePlan {
  readonly tables: readonly TablePlan[];
  /** Tables of the new schema that the fallback keeps although the old release does not know them. */
  readonly inert: readonly CatalogTable[];
  /** What the columns of those have for a type there. */
  readonly inertTypes: ReadonlyMap<CatalogColumn, string>;
  readonly enums: readonly { readonly name: string; readonly add: readonly AddedValue[] }[];
  readonly rows: readonly { readonly of: CatalogTable; readonly run: string; readonly onDelete?: string | undefined }[];
}

/** `before`: the value of the old schema that it sorts before; none: after all of them. */
export interface AddedValue {
  readonly label: string;
  readonly before?: string;
}

export interface Classification {
  readonly differences: readonly Difference[];
  readonly plan: BridgePlan;
}

export function classify(old: Catalog, now: Catalog, declared: Declared = {}): Classification {
  return new Classifier(old, now, declared).run();
}

class Classifier {
  private readonly differences: Difference[] = [];

  constructor(
    private readonly old: Catalog,
    private readonly now: Catalog,
    private readonly declared: Declared,
  ) {}

  run(): Classification {
    const tables: TablePlan[] = [];
    const matched = new Set<CatalogTable>();
    for (const old of this.old.tables) {
      const now = sameTable(old, this.now);
      if (now === undefined) {
        this.say(`${old.name}:dropped`, 'carried', `${old.name} is dropped; on the fallback it stays as it was at the fork`);
        continue;
      }
      matched.add(now);
      if (!old.persistent || !now.persistent) continue;
      const plan = this.table(old, now);
      if (plan) tables.push(plan);
    }
    const inert = this.now.tables.filter((table) => !matched.has(table) && table.persistent).filter((table) => this.added(table));
    const inertTypes = new Map(inert.flatMap(({ columns }) => columns.map((column) => [column, this.knownType(column)] as const)));
    return { differences: this.differences, plan: { tables, inert, inertTypes, enums: this.enums(), rows: this.rows() } };
  }

  private say(id: string, verdict: Verdict, what: string, loses?: string, instead?: string): void {
    this.differences.push({ id, verdict, what, ...(loses === undefined ? {} : { loses }), ...(instead === undefined ? {} : { instead }) });
  }

  private added(table: CatalogTable): boolean {
    if (this.old.tables.some((old) => old.name === table.name)) {
      this.say(
        `${table.name}:added`,
        'lossy',
        `${table.name} is a new table under the name of one that was renamed`,
        `rows of the new ${table.name} stay on production`,
      );
      return false;
    }
    this.say(`${table.name}:added`, 'bridged', `${table.name} is new; its rows are kept in a table that the old release does not know`);
    return true;
  }

  private rows(): BridgePlan['rows'] {
    return (this.declared.rows ?? []).map(({ of, run, onDelete, sets }) => {
      for (const set of sets ?? []) {
        const old = this.old.tables.find(({ name }) => name === set.table);
        if (!old?.columns.some(({ name }) => name === set.column))
          throw new Error(`a bridge is declared to set '${set.table}.${set.column}', which is no column before the migrations`);
      }
      const table = this.now.tables.find(({ name }) => name === of);
      if (!table) throw new Error(`a bridge is declared for the rows of '${of}', which is no table after the migrations`);
      return { of: table, run, onDelete };
    });
  }

  private enums(): BridgePlan['enums'] {
    return this.old.enums.flatMap((old) => {
      const now = this.now.enums.find(({ oid }) => oid === old.oid) ?? this.now.enums.find(({ name }) => name === old.name);
      const add = (now?.labels ?? []).filter(({ label }) => !old.labels.some((known) => known.label === label)).map(({ label }) => label);
      if (now === undefined || add.length === 0) return [];
      const renamed = now.labels.filter(({ oid, label }) => old.labels.some((known) => known.oid === oid && known.label !== label));
      const added = add.filter((label) => !renamed.some((known) => known.label === label));
      if (renamed.length > 0)
        this.say(
          `${old.name}:renamed-values`,
          'bridged',
          `values of ${old.name} are renamed: ${renamed.map(({ label }) => label).join(', ')}; they arrive under their old names`,
        );
      if (added.length > 0)
        this.say(
          `${old.name}:new-values`,
          'bridged',
          `values are added to ${old.name}: ${added.join(', ')}; the fallback gets them too, and the old release meets values it does not know`,
        );
      return [{ name: old.name, add: add.map((label) => placed(label, old, now)) }];
    });
  }

  private table(old: CatalogTable, now: CatalogTable): TablePlan | undefined {
    const plan: TablePlan = {
      old,
      now,
      published: now.identityFull ? undefined : [],
      shadows: [],
      widen: [],
      dropNotNull: [],
      dropConstraints: [],
      dropIndexes: [],
      assign: [],
      fill: [],
      identity: undefined,
      keepKey: undefined,
      sent: [],
    };
    if (old.name !== now.name)
      this.say(`${old.name}:renamed`, 'bridged', `${old.name} becomes ${now.name}; the old release finds it under its old name`);
    if (old.partitioned !== now.partitioned)
      this.say(
        `${old.name}:partitioned`,
        'carried',
        `${old.name} is ${now.partitioned ? '' : 'no longer '}partitioned; its rows travel as those of one table`,
      );
    const kept = new Set<CatalogColumn>();
    for (const column of old.columns) {
      const other = sameColumn(column, old, now);
      if (other) kept.add(other);
      this.column(plan, column, other);
    }
    for (const column of now.columns) if (!kept.has(column)) this.newColumn(plan, column);
    this.constraints(plan);
    return this.key(plan) ? plan : undefined;
  }

  private column(plan: TablePlan, old: CatalogColumn, now: CatalogColumn | undefined): void {
    const id = `${plan.old.name}.${old.name}`;
    const from = this.declared.columns?.find(({ table, column }) => table === plan.old.name && column === old.name)?.from;
    if (now === undefined) {
      this.droppedColumn(plan, id, old, from);
      return;
    }
    if (old.generated !== '') {
      if (now.generated === '') this.say(`${id}:not-generated`, 'carried', `${id} is no longer generated; the fallback computes its own`);
      return;
    }
    if (now.generated !== '') {
      if (from) this.fromNew(plan, old, from);
      this.say(
        `${id}:generated`,
        from ? 'bridged' : 'declare',
        `${id} is generated now, and generated values do not travel`,
        from ? undefined : `values of ${id} of rows written after opening`,
        from ? undefined : this.unfilled(plan, id, old),
      );
      return;
    }
    if (old.notNull && !now.notNull && !from) {
      plan.dropNotNull.push(old.name);
      this.say(`${id}:nullable`, 'bridged', `${id} may be NULL now; the fallback allows it too`);
    }
    const change = this.typeOf(old, now);
    const renamed = old.name !== now.name;
    if (from) {
      this.computed(plan, id, old, now, from);
      return;
    }
    if (change.is === 'fits' || change.is === 'widen') {
      if (change.is === 'widen') {
        plan.widen.push({ column: old.name, type: now.type });
        this.say(`${id}:widened`, 'bridged', `${id} becomes ${now.type} (was ${old.type}); the fallback's column is widened too`);
      } else if (old.type !== now.type) this.say(`${id}:type`, 'carried', `${id} becomes ${now.type} (was ${old.type}); its values fit`);
      if (renamed) {
        plan.shadows.push({ name: now.name, type: change.is === 'widen' ? now.type : old.type, from: old.name });
        plan.assign.push({ column: old.name, expression: `NEW.${quoted(now.name)}` });
        this.say(`${id}:renamed`, 'bridged', `${id} is renamed to ${now.name}; the fallback keeps both`);
      }
      this.labels(plan, old, now);
      plan.published?.push(now.name);
      return;
    }
    const instead = this.unfilled(plan, id, old);
    const what = `${id} becomes ${now.type} (was ${old.type})`;
    if (change.is === 'expression')
      this.say(`${id}:type`, 'declare', `${what}: ${change.why}`, `values of ${id} of rows written after opening`, instead);
    else {
      const loses = `${change.what}; without a declared expression, ${id} of every row written after opening`;
      this.say(`${id}:type`, 'lossy', what, loses, instead);
    }
  }

  /** The old value is what was declared. */
  private computed(plan: TablePlan, id: string, old: CatalogColumn, now: CatalogColumn, from: string): void {
    const renamed = old.name !== now.name;
    const change = this.typeOf(old, now).is;
    const arrives = change === 'widen' || old.type === now.type;
    if (renamed) {
      plan.shadows.push({ name: now.name, type: this.knownType(now), ...(old.type === now.type ? { from: old.name } : {}) });
      plan.published?.push(now.name);
    } else if (change === 'widen' && arrives) plan.widen.push({ column: old.name, type: now.type });
    // a large value that an update leaves alone is not sent, and would be taken for its own result.
    const here = (renamed || (arrives && !old.aside && !now.aside) || plan.old.identity.includes(old.number)) && this.seesNew(plan, from);
    if (here) {
      plan.assign.push({ column: old.name, expression: from });
      if (!renamed) plan.published?.push(now.name);
    } else this.sent(plan, old, from);
    const words = {
      renamed: `${id} is renamed to ${now.name}; the declared expression computes it`,
      type: `${id} becomes ${now.type} (was ${old.type}); the declared expression computes the old value`,
      meaning: `${id} is computed by the declared expression`,
    };
    const kind = old.type !== now.type ? 'type' : renamed ? 'renamed' : 'meaning';
    this.say(`${id}:${kind}`, 'bridged', words[kind]);
  }

  private fromNew(plan: TablePlan, old: CatalogColumn, from: string): void {
    if (this.seesNew(plan, from)) plan.assign.push({ column: old.name, expression: from });
    else this.sent(plan, old, from);
  }

  /** Production computes it, where `NEW` is a row of the new schema. */
  private sent(plan: TablePlan, old: CatalogColumn, from: string): void {
    const name = `switchback_${old.name}`;
    plan.sent.push({ name, type: old.type, expression: from });
    plan.shadows.push({ name, type: old.type });
    plan.assign.push({ column: old.name, expression: `NEW.${quoted(name)}` });
    plan.published?.push(name);
  }

  /** On the fallback, every column that the expression names has the type of the new schema. */
  private seesNew(plan: TablePlan, from: string): boolean {
    const named = [...from.matchAll(/\bNEW\s*\.\s*(?:"((?:[^"]|"")+)"|(\w+))/gi)].map(
      ([, exact, plain]) => exact?.replaceAll('""', '"') ?? plain!.toLowerCase(),
    );
    if (named.length !== [...from.matchAll(/\bNEW\b/gi)].length) return false;
    return named.every((name) => {
      const column = plan.now.columns.find((one) => one.name === name);
      return column !== undefined && this.typeOnFallback(plan, column) === column.type;
    });
  }

  private typeOnFallback({ old: table, now }: TablePlan, column: CatalogColumn): string | undefined {
    if (column.generated !== '') return undefined;
    const old = table.columns.find((one) => sameColumn(one, table, now) === column);
    if (old === undefined) return table.columns.some(({ name }) => name === column.name) ? undefined : this.knownType(column);
    if (old.generated !== '') return undefined;
    const change = this.typeOf(old, column).is;
    if (this.declared.columns?.some((one) => one.table === table.name && one.column === old.name)) {
      if (old.name !== column.name) return this.knownType(column);
      return change === 'widen' || old.type === column.type ? column.type : undefined;
    }
    return change === 'widen' ? column.type : change === 'fits' ? old.type : undefined;
  }

  private droppedColumn(plan: TablePlan, id: string, old: CatalogColumn, from: string | undefined): void {
    const set = this.declared.rows?.find(({ sets }) => sets?.some(({ table, column }) => table === plan.old.name && column === old.name));
    if (from) {
      this.fromNew(plan, old, from);
      this.say(`${id}:dropped`, 'bridged', `${id} is dropped; the declared expression computes it`);
    } else if (set && (!old.notNull || old.default !== null || this.fill(plan, id, old))) {
      this.say(`${id}:dropped`, 'bridged', `${id} is dropped; the rows of ${set.of} set it, as declared`);
    } else if (old.generated !== '' || !old.notNull || old.default !== null || old.identity !== '') {
      this.say(
        `${id}:dropped`,
        'carried',
        `${id} is dropped; rows written after opening have ${old.generated !== '' ? 'it computed' : old.default === null ? 'NULL' : 'its default'} on the fallback`,
      );
    } else if (this.fill(plan, id, old)) {
      this.say(
        `${id}:dropped`,
        'bridged',
        `${id} is dropped and may not be NULL; rows written after opening have ${plan.fill.at(-1)!.value} on the fallback`,
      );
    } else
      this.say(
        `${id}:dropped`,
        'declare',
        `${id} is dropped and may not be NULL, and no neutral value of ${old.type} is known`,
        `rows written after opening to ${plan.old.name}: the first of them stops the feed`,
        this.unfilled(plan, id, old),
      );
  }

  /** What to do where nothing fills a column that may not be NULL: the first row would stop the feed. */
  private unfilled(plan: TablePlan, id: string, old: CatalogColumn): string | undefined {
    if (this.fill(plan, id, old) || !old.notNull || old.default !== null || old.identity !== '') return undefined;
    return `declare columns: {table: '${plan.old.name}', column: '${old.name}', from: …}`;
  }

  /** A value that says nothing, for a column that must have one. */
  private fill(plan: TablePlan, _id: string, old: CatalogColumn): boolean {
    if (!old.notNull || old.default !== null || old.identity !== '') return false;
    const labels = this.old.enums.find(({ oid }) => oid === old.enum)?.labels;
    const value = labels?.[0] ? literal(labels[0].label) : neutral(old.type);
    if (value === undefined) return false;
    plan.fill.push({ column: old.name, value: `${value}::${old.type}` });
    return true;
  }

  private typeOf(old: CatalogColumn, now: CatalogColumn): ReturnType<typeof typeChange> {
    if (old.enum === 0 || old.enum === now.enum || old.type === now.type)
      return typeChange(old.type, old.enum !== 0 && old.enum === now.enum ? old.type : now.type);
    return { is: 'expression', why: `only values that ${old.type} has would be understood` };
  }

  private labels(plan: TablePlan, old: CatalogColumn, now: CatalogColumn): void {
    const [was, is] = [this.old.enums.find(({ oid }) => oid === old.enum), this.now.enums.find(({ oid }) => oid === now.enum)];
    if (!was || !is) return;
    const renamed = is.labels.flatMap(({ oid, label }) => {
      const before = was.labels.find((known) => known.oid === oid);
      return before && before.label !== label ? [{ from: label, to: before.label }] : [];
    });
    if (renamed.length === 0) return;
    const cases = renamed.map(({ from, to }) => `WHEN ${literal(from)} THEN ${literal(to)}`).join(' ');
    plan.assign.push({
      column: old.name,
      expression: `(CASE NEW.${quoted(old.name)}::text ${cases} ELSE NEW.${quoted(old.name)}::text END)::${old.type}`,
    });
  }

  private newColumn(plan: TablePlan, column: CatalogColumn): void {
    const id = `${plan.old.name}.${column.name}`;
    if (column.generated !== '') {
      this.say(`${id}:added`, 'carried', `${id} is new and generated; it can be computed again`);
    } else if (plan.old.columns.some(({ name }) => name === column.name)) {
      this.say(`${id}:added`, 'lossy', `${id} is a new column under the name of an old one`, `values of the new ${id} stay on production`);
    } else if (plan.old.identityFull && plan.old.primaryKey.length === 0) {
      this.say(
        `${id}:added`,
        'lossy',
        `${id} is new, and ${plan.old.name} has no key: the fallback finds its rows by all columns, so none may be added`,
        `changes of ${plan.old.name}: the first of them stops the feed`,
        'give it a primary key before the window',
      );
    } else {
      plan.shadows.push({ name: column.name, type: this.knownType(column) });
      plan.published?.push(column.name);
      this.say(`${id}:added`, 'bridged', `${id} is new; its values are kept in a column that the old release does not know`);
    }
  }

  /** A type that the fallback has: its own, or text for one that the migrations made. */
  knownType(column: CatalogColumn): string {
    if (column.enum !== 0) return this.old.enums.find(({ oid }) => oid === column.enum)?.name ?? 'text';
    return column.type.includes('.') && !this.old.tables.some((table) => table.columns.some(({ type }) => type === column.type))
      ? 'text'
      : column.type;
  }

  private constraints(plan: TablePlan): void {
    const [old, now] = [plan.old, plan.now];
    const there = (oid: number, definition: string, list: readonly { oid: number; definition: string }[]): boolean =>
      list.some(
        (other) =>
          (old.oid === now.oid && other.oid === oid) ||
          other.definition === definition ||
          (old.oid !== now.oid && sameShape(other.definition, definition)),
      );
    for (const constraint of old.constraints) {
      if (constraint.type === 'p' || there(constraint.oid, constraint.definition, now.constraints)) continue;
      const id = `${old.name}:${constraint.name}`;
      if (constraint.type === 'f')
        this.say(
          id,
          'carried',
          `the foreign key ${constraint.name} is dropped; rows that point nowhere are applied, and looked for at a rollback`,
        );
      else {
        plan.dropConstraints.push({ name: constraint.name, definition: constraint.definition });
        this.say(
          id,
          'bridged',
          `${constraint.name} (${constraint.definition}) is dropped; on the fallback it is off until a rollback, and put back if the rows allow it`,
        );
      }
    }
    for (const index of old.indexes) {
      if (index.ofConstraint || there(index.oid, index.definition, now.indexes)) continue;
      plan.dropIndexes.push({ name: index.name, definition: index.definition });
      this.say(
        `${old.name}:${index.name}`,
        'bridged',
        `the unique index ${index.name} is dropped; on the fallback it is off until a rollback, and put back if the rows allow it`,
      );
    }
  }

  /** Production must send, and the fallback look for, the same key. */
  private key(plan: TablePlan): boolean {
    const { old, now } = plan;
    if (old.identityFull) {
      if (now.identityFull || old.primaryKey.length > 0) return true;
      this.say(
        `${old.name}:key`,
        'lossy',
        `${old.name} has no key on the fallback, and production no longer sends whole rows`,
        `updates and deletes of ${old.name}; give it a primary key before the window`,
      );
      return false;
    }
    const columns = old.identity.map((number) => old.columns.find((column) => column.number === number)!);
    const others = columns.map((column) => sameColumn(column, old, now));
    const usable = others.every(
      (other, index) => other && other.generated === '' && ['fits', 'widen'].includes(this.typeOf(columns[index]!, other).is),
    );
    const lost = (why: string): false => {
      this.say(
        `${old.name}:key`,
        'lossy',
        `${old.name}: ${why}`,
        `every change of ${old.name} after opening; keep the old key as a NOT NULL column with a unique index`,
      );
      return false;
    };
    if (columns.length === 0) return lost('it has no key by which rows could be found');
    if (!usable) return lost('its key is gone or of another kind');
    const names = others.map((other) => other!.name);
    if (names.some((name, index) => name !== columns[index]!.name)) {
      plan.identity = names;
      this.say(`${old.name}:key`, 'bridged', `the key of ${old.name} is renamed; the fallback finds rows by the new names too`);
    }
    const numbers = others.map((other) => other!.number);
    if (now.identityFull || numbers.every((number) => now.identity.includes(number))) return true;
    if (others.some((other) => !other!.notNull)) return lost('production has another key, and the old one may be NULL');
    plan.keepKey = names;
    this.say(
      `${old.name}:other-key`,
      'bridged',
      `${now.name} has another key now; production sends the old one (${names.join(', ')}), by a unique index`,
    );
    return true;
  }
}

function placed(label: string, old: Catalog['enums'][number], now: Catalog['enums'][number]): AddedValue {
  for (const next of now.labels.slice(now.labels.findIndex((one) => one.label === label) + 1)) {
    const before = old.labels.find((one) => one.oid === next.oid || one.label === next.label);
    if (before) return { label, before: before.label };
  }
  return { label };
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Definitions of a table that was made anew differ in the names of constraint and table only. */
const sameShape = (a: string, b: string): boolean => shape(a) === shape(b);
const shape = (definition: string): string => definition.replace(/INDEX \S+ ON (ONLY )?\S+/, 'INDEX ON');
