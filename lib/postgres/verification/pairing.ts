/**
 * What equals what, found by the proof itself: tables by their OIDs, columns by their numbers, as recorded at the fork when both databases
 * were one. What was made anew under the same name is paired by it, and said so; what cannot be paired is named.
 */

import { inPattern } from '../../base/plain-text';
import { ident } from '../connection/connect';
import type { Pair } from '../connection/row-pair';
import { fittingName } from '../connection/tables';
import type { ProofRecord, RecordedColumn, RecordedRelation } from './record';
import { byOid, isWithin, type Records, type RowsOf, rowsOf } from './rows-of';
import { columnTexts, declaredTexts, nothingIn, type Texts } from './values';

/** The team's word, as far as the proof needs it: what a column of the old schema must hold, in SQL of the new one. */
export interface Declaration {
  readonly columns?: readonly { readonly table: string; readonly column: string; readonly from: string }[] | undefined;
  readonly rows?:
    | readonly {
        readonly run: string;
        readonly onDelete?: string | undefined;
        readonly sets?: readonly { readonly table: string; readonly column: string; readonly is: string }[] | undefined;
      }[]
    | undefined;
}

export interface PairingOptions {
  /** At the fork. */
  readonly record: ProofRecord;
  readonly declared?: Declaration;
  /** Ids of losses that the operator has accepted: `public.t:…`, `public.t.c:…`. */
  readonly accepted?: readonly string[];
  /** Tables that are no data, as the migration tool's own notes. */
  readonly leftOut?: (relation: { readonly name: string; readonly table: string }) => boolean;
}

/** Something that no comparison can speak of. */
export interface NotProven {
  /** `public.t`, or `public.t.c`. */
  readonly id: string;
  readonly what: string;
  readonly rows?: number;
  /** Somebody has said so: it was declared or accepted by its id, or the table is unlogged. */
  readonly known?: true;
}

/** Named only if rows are found: `sql` counts them. */
export interface Open extends NotProven {
  readonly on: 'production' | 'fallback';
  readonly sql: string;
}

export interface ProofPair extends Pair {
  /** Columns whose texts may fail, to be told which one it was: `a` is its place in both lists. */
  readonly mayFail: readonly { readonly id: string; readonly at: number }[];
  /** Why a difference is none that the proof may claim. */
  readonly excused?: string;
  /** Whether the key keeps rows apart by a constraint. */
  readonly unique: { readonly a: boolean; readonly b: boolean };
  /** Partitions of the fallback that production has dropped since the fork. */
  readonly dropped: readonly DroppedPartition[];
}

export interface DroppedPartition {
  readonly name: string;
  /** On the fallback. */
  readonly oid: number;
  /** Rows of production's table, with the columns called as the partition calls them: some may be within its bounds all the same. */
  readonly rows: string;
}

/** Something of the new schema that the fallback has kept beside the old one. */
export interface Kept {
  readonly relation: string;
  readonly column?: string;
}

export interface Pairing {
  readonly pairs: readonly ProofPair[];
  readonly notProven: readonly NotProven[];
  readonly open: readonly Open[];
  /** Made anew, and paired by name. */
  readonly byName: readonly string[];
  readonly kept: readonly Kept[];
}

/** `production` and `fallback` as they are now. */
export function pair(production: ProofRecord, fallback: ProofRecord, options: PairingOptions, version: number): Pairing {
  return new Pairs(production, fallback, options, version).find();
}

/** A column that is compared, with where it is on both sides. */
interface Column extends Texts {
  readonly id: string;
  readonly mine: RecordedColumn;
  readonly other: RecordedColumn | undefined;
}

class Pairs {
  private readonly pairs: ProofPair[] = [];
  private readonly notProven: NotProven[] = [];
  private readonly open: Open[] = [];
  private readonly byName: string[] = [];
  private readonly kept: Kept[] = [];
  private readonly known: ReadonlySet<number>;
  private readonly records: Records;
  private readonly taken = new Set<RecordedRelation>();

  constructor(
    private readonly production: ProofRecord,
    private readonly fallback: ProofRecord,
    private readonly options: PairingOptions,
    private readonly version: number,
  ) {
    this.records = { record: options.record, production, fallback };
    this.known = new Set(options.record.relations.map(({ oid }) => oid));
  }

  find(): Pairing {
    const { record, leftOut = () => false } = this.options;
    for (const old of record.relations) {
      // rows of a partition are read through its table, for as long as it is one on either side.
      const within = isWithin(old, this.records);
      if (typeof within === 'object') this.taken.add(within);
      if (!leftOut(old) && within === false) this.recorded(old);
    }
    for (const now of this.production.relations) if (now.root === null && !this.taken.has(now) && !leftOut(now)) this.added(now);
    for (const there of this.fallback.relations)
      if (there.root === null && !this.taken.has(there) && !this.known.has(there.oid) && !leftOut(there))
        this.ask('fallback', there.name, `rows of ${there.name} are only on the fallback`, count(there));
    return { pairs: this.pairs, notProven: this.notProven, open: this.open, byName: this.byName, kept: this.kept };
  }

  /** A new thing may have the name of an old one: it has ids of its own. */
  private isAccepted(id: string, isNew = false): boolean {
    return this.options.accepted?.some((one) => one.startsWith(`${id}:`) && one.endsWith(':added') === isNew) ?? false;
  }

  private name(id: string, what: string, known = this.isAccepted(id)): void {
    this.notProven.push({ id, what, ...(known ? { known } : {}) });
  }

  private ask(on: Open['on'], id: string, what: string, sql: string, known = this.isAccepted(id)): void {
    this.open.push({ on, id, what, sql, ...(known ? { known } : {}) });
  }

  /** The relation of a database that a recorded one has become: the same, what it is a partition of now, or one made anew. */
  private same(old: RecordedRelation, there: ProofRecord, where: string): RecordedRelation | undefined {
    const same = there.relations.find(({ oid }) => oid === old.oid);
    if (same && (same.root === null || old.root !== null)) return same;
    const whole = same && byOid(there, same.root!);
    // attached to a table that was there before, it is a part whose rows can be told apart.
    if (whole && this.known.has(whole.oid)) return same;
    if (whole) {
      this.byName.push(`${old.name} has become a part of ${whole.name} on ${where}`);
      return whole;
    }
    const anew = there.relations.find(({ name, oid, root }) => name === old.name && root === null && !this.known.has(oid));
    if (anew) this.byName.push(`${old.name} was made anew on ${where}`);
    return anew;
  }

  private recorded(old: RecordedRelation): void {
    const there = this.same(old, this.fallback, 'the fallback');
    const now = this.same(old, this.production, 'production');
    if (there) this.taken.add(there);
    if (now) this.taken.add(now);
    if (!there) this.name(old.name, `${old.name} is not on the fallback any more`, false);
    else if (!now) {
      const declared = this.options.declared?.rows?.some(({ run, onDelete = '' }) => names(`${run} ${onDelete}`, old.table)) ?? false;
      const why = declared
        ? 'what rows do to it is declared, and nothing says what must be in it'
        : 'production has no such table any more';
      this.ask(
        'fallback',
        old.name,
        `rows of ${there.name} are compared with nothing: ${why}`,
        count(there),
        declared || this.isAccepted(old.name),
      );
    } else this.columns(old, there, now);
  }

  private columns(old: RecordedRelation, there: RecordedRelation, now: RecordedRelation): void {
    const columns: Column[] = [];
    const used = new Set<RecordedColumn>();
    for (const column of old.columns) {
      const id = `${old.name}.${column.name}`;
      const mine = sameColumn(column, old, there);
      const other = sameColumn(column, old, now);
      if (other) used.add(other);
      if (mine?.generated) {
        if (other && !other.generated) this.ungenerated(id, column, other, now);
        continue;
      }
      if (other && old.oid === now.oid && other.number !== column.number) this.byName.push(`${id} was made anew on production`);
      if (!mine) {
        this.name(id, `${id} is not on the fallback any more`, false);
        continue;
      }
      if (this.isAccepted(id)) {
        this.name(id, `values of ${id}: their loss was accepted`);
        continue;
      }
      const found = this.textsOf(id, old, there, { column, mine, now, other });
      if (found) columns.push({ ...found, id, mine, other });
    }
    this.more(old, there, now, used);
    const rows = rowsOf(this.records, { old, there, now });
    for (const one of rows.unlogged)
      this.ask('production', one.name, `rows of the unlogged partition ${one.name} do not travel`, count(one), true);
    this.push(
      old.name,
      { now, there },
      columns,
      there.key.map((number) => columns.find(({ mine }) => mine.number === number)),
      this.dropped(old, there, now),
      rows,
    );
  }

  /** By their OIDs: what was made anew under the name is another partition, and one that was only detached is still a table. */
  private dropped(old: RecordedRelation, there: RecordedRelation, now: RecordedRelation): DroppedPartition[] {
    if (!old.partitioned || old.oid !== there.oid || old.oid !== now.oid) return [];
    const named = there.columns.flatMap(({ number, name }) => {
      const other = now.columns.find((column) => column.number === number);
      return other ? [`${ident(other.name)} AS ${ident(name)}`] : [];
    });
    const rows = `(SELECT ${named.join(', ')} FROM ${now.name}) AS rows`;
    const isGone = (oid: number): boolean => !this.production.relations.some((one) => one.oid === oid);
    return this.options.record.relations
      .filter(({ root, partitioned, oid }) => root === old.oid && !partitioned && isGone(oid))
      .flatMap(({ oid }) => this.fallback.relations.filter((one) => one.oid === oid && one.root === there.oid))
      .map(({ name, oid }) => ({ name, oid, rows }));
  }

  /** Texts of one column; undefined where it is asked whether it holds anything. */
  private textsOf(
    id: string,
    old: RecordedRelation,
    there: RecordedRelation,
    {
      column,
      mine,
      now,
      other,
    }: { column: RecordedColumn; mine: RecordedColumn; now: RecordedRelation; other: RecordedColumn | undefined },
  ): Texts | undefined {
    const { declared, record } = this.options;
    const fallback = { column: mine, record: this.fallback };
    const isThis = (one: { table: string; column: string }): boolean => one.table === old.name && one.column === column.name;
    const from = declared?.columns?.find(isThis)?.from;
    if (from !== undefined) return declaredTexts(from, fallback, false);
    if (other) return columnTexts({ column: other, record: this.production }, fallback, { column, record }, this.version);
    const set = declared?.rows?.flatMap(({ sets }) => sets ?? []).find(isThis)?.is;
    if (set !== undefined) return declaredTexts(set, fallback, true);
    const value = `old.${ident(mine.name)}`;
    const nothing = nothingIn({ column, record });
    const usual = nothing === undefined ? '' : ` AND ${value}::text IS DISTINCT FROM (${nothing})::${column.type}::text`;
    this.ask(
      'fallback',
      id,
      `values of ${id} are compared with nothing: ${now.name} has no such column any more`,
      `SELECT count(*)::float8 AS rows FROM ${there.name} AS old WHERE ${value} IS DISTINCT FROM NULL${usual}`,
    );
    return undefined;
  }

  /** The fallback computes what production only keeps now. */
  private ungenerated(id: string, column: RecordedColumn, other: RecordedColumn, now: RecordedRelation): void {
    this.ask(
      'production',
      id,
      `values of ${id} are only on production: the fallback computes its own`,
      `SELECT count(*)::float8 AS rows FROM ${now.name} WHERE ${ident(other.name)}::text IS DISTINCT FROM (${column.default})::text`,
    );
  }

  /** Columns of the new schema: the fallback keeps their values beside the old ones, or they are only on production. */
  private more(old: RecordedRelation, there: RecordedRelation, now: RecordedRelation, used: ReadonlySet<RecordedColumn>): void {
    for (const column of now.columns) {
      if (used.has(column) || column.generated || column.name.startsWith('switchback_')) continue;
      // under a name of its own where its name is that of an old column.
      const names = [column.name, fittingName('switchback_new_', column.name)];
      const beside = there.columns.find(({ name, number }) => names.includes(name) && !old.columns.some((one) => one.number === number));
      if (beside) this.kept.push({ relation: there.name, column: beside.name });
      else
        this.ask(
          'production',
          `${old.name}.${column.name}`,
          `values of the new column ${now.name}.${column.name} are only on production`,
          `SELECT count(${ident(column.name)})::float8 AS rows FROM ${now.name}`,
          this.isAccepted(`${old.name}.${column.name}`, true),
        );
    }
  }

  /** A table of the new schema. */
  private added(now: RecordedRelation): void {
    const there = this.fallback.relations.find(({ name, oid, root }) => name === now.name && root === null && !this.known.has(oid));
    if (!there) {
      const known = now.unlogged || this.isAccepted(now.name, true);
      this.ask('production', now.name, `rows of the new table ${now.name} are only on production`, count(now), known);
      return;
    }
    this.taken.add(there);
    this.kept.push({ relation: there.name });
    const columns: Column[] = [];
    for (const column of now.columns) {
      const id = `${now.name}.${column.name}`;
      const mine = there.columns.find(({ name }) => name === column.name);
      if (column.generated || mine?.generated) continue;
      if (mine) {
        const typed = { column, record: this.production };
        const found = columnTexts(typed, { column: mine, record: this.fallback }, typed, this.version);
        columns.push({ ...found, id, mine, other: column });
      } else
        this.ask(
          'production',
          id,
          `values of ${id} are only on production`,
          `SELECT count(${ident(column.name)})::float8 AS rows FROM ${now.name}`,
          this.isAccepted(`${now.name}.${column.name}`, true),
        );
    }
    this.push(
      now.name,
      { now, there },
      columns,
      now.key.map((number) => columns.find(({ other }) => other?.number === number)),
    );
  }

  private push(
    name: string,
    { now, there }: { now: RecordedRelation; there: RecordedRelation },
    columns: readonly Column[],
    wanted: readonly (Column | undefined)[],
    dropped: readonly DroppedPartition[] = [],
    { relation, isOne }: Pick<RowsOf, 'relation' | 'isOne'> = { relation: now.name, isOne: true },
  ): void {
    const unlogged = now.unlogged || there.unlogged;
    const excused = unlogged ? 'rows of an unlogged table do not travel' : this.isAccepted(name) ? 'their loss was accepted' : undefined;
    const usable = wanted.filter((column) => column?.other !== undefined && !column.mayFail) as (Column & { other: RecordedColumn })[];
    const key = usable.length === wanted.length ? usable : [];
    const keeps = (relation: RecordedRelation, numbers: readonly number[]): boolean =>
      relation.key.length > 0 && relation.key.every((number) => numbers.includes(number));
    const unique = {
      a:
        isOne &&
        keeps(
          now,
          key.map(({ other }) => other.number),
        ),
      b: keeps(
        there,
        key.map(({ mine }) => mine.number),
      ),
    };
    // their order is the same on both servers, whatever collations they have; and an index finds them.
    const isPlain = ({ a, mine, other }: (typeof key)[number]): boolean =>
      ordered.test(mine.type) && mine.type === other.type && a === `new.${ident(other.name)}`;
    this.pairs.push({
      name,
      a: {
        relation: `${relation} AS new`,
        key: key.map(({ a }) => a),
        keyTypes: key.map(({ other }) => other.type),
        columns: columns.map(({ a }) => a),
      },
      b: {
        relation: `${there.name} AS old`,
        key: key.map(({ b }) => b),
        keyTypes: key.map(({ mine }) => mine.type),
        columns: columns.map(({ b }) => b),
      },
      ranges: key.length > 0 && unique.a && unique.b && key.every(isPlain),
      rows: Math.max(now.rows, there.rows),
      mayFail: columns.flatMap(({ id, mayFail }, at) => (mayFail ? [{ id, at }] : [])),
      unique,
      dropped,
      ...(excused === undefined ? {} : { excused }),
    });
  }
}

const ordered = /^(smallint|integer|bigint|uuid|date|timestamp.*)$/;

const count = ({ name }: RecordedRelation): string => `SELECT count(*)::float8 AS rows FROM ${name}`;

/** Whether SQL speaks of a table. */
const names = (sql: string, table: string): boolean => new RegExp(`\\b${inPattern(table)}\\b`).test(sql);

/** By its number where the table is the same; where it is not, or the column was made anew under its name, by that. */
function sameColumn(column: RecordedColumn, old: RecordedRelation, there: RecordedRelation): RecordedColumn | undefined {
  const byName = there.columns.find(({ name }) => name === column.name);
  if (old.oid !== there.oid) return byName;
  const byNumber = there.columns.find(({ number }) => number === column.number);
  if (byNumber) return byNumber;
  return byName && !old.columns.some(({ number }) => number === byName.number) ? byName : undefined;
}
