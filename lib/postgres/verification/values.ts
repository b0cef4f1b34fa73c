/** Values of two schemas as texts that are equal when nothing is lost, by the proof's own judgement; each text is made where the value is. */

import { ident, literal } from '../connection/connect';
import type { ProofRecord, RecordedColumn, RecordedType } from './record';

/** Both sides in SQL: `new` is the row on production, `old` the one on the fallback. */
export interface Texts {
  readonly a: string;
  readonly b: string;
  /** It reads or computes: it may fail where the rows are. */
  readonly mayFail?: true;
}

export interface Typed {
  readonly column: RecordedColumn;
  readonly record: ProofRecord;
}

const typeOf = ({ column, record }: Typed): RecordedType => record.types.find(({ oid }) => oid === column.of)!;
/** What a domain is made of. */
function plainType(typed: Typed): RecordedType {
  let type = typeOf(typed);
  while (type.kind === 'd') {
    const { of } = type;
    type = typed.record.types.find(({ oid }) => oid === of)!;
  }
  return type;
}

/** As it travels. `x::text` pads or strips some, and writes others in another way. */
const sent = (x: string): string => `CASE WHEN ${x} IS NOT DISTINCT FROM NULL THEN NULL ELSE pg_catalog.format('%s', ${x}) END`;
const number = /^(smallint|integer|bigint|numeric)$/;
const isAnyNumber = ({ name }: RecordedType): boolean => number.test(name) || /^(real|double precision)$/.test(name);
const words = /^(text|character varying|(public\.)?citext)$/;
const exact = (x: string): string => `pg_catalog.trim_scale((${x})::numeric)`;

/** The values of a column that both sides have. `old` as recorded at the fork. */
export function columnTexts(now: Typed, fallback: Typed, old: Typed, version: number): Texts {
  const [x, y] = [`new.${ident(now.column.name)}`, `old.${ident(fallback.column.name)}`];
  const [from, to] = [plainType(now), plainType(fallback)];
  const inside: Inside = { now, fallback, labels: renamedLabels(now.record, old.record) };
  if (now.column.type === fallback.column.type && !isChanged(from, to, inside)) return { a: x, b: y };
  if (isMade(from) && isMade(to)) return { a: written(x, from, 'a', inside), b: written(y, to, 'b', inside) };
  if (from.kind === 'e') return { a: written(x, from, 'a', inside), b: `${y}::text` };
  if (number.test(from.name) && number.test(to.name)) return { a: exact(x), b: exact(y) };
  if (isAnyNumber(from) && isAnyNumber(to)) return { a: exact(`${x}::text`), b: exact(`${y}::text`) };
  if (from.name === to.name) return { a: x, b: y };
  if (/^jsonb?$/.test(from.name) && /^jsonb?$/.test(to.name)) return { a: `${x}::jsonb`, b: `${y}::jsonb`, mayFail: true };
  if (from.name === 'bpchar' || to.name === 'bpchar')
    return { a: `pg_catalog.rtrim(${sent(x)}, ' ')`, b: `pg_catalog.rtrim(${sent(y)}, ' ')` };
  if (words.test(to.name) || !to.builtin) return { a: sent(x), b: sent(y) };
  return { a: readAs(sent(x), from.name, to.name, version), b: sent(y), mayFail: true };
}

/** A text of the new type as the old one says it; itself where the old type cannot hold it, or not without a loss. */
function readAs(text: string, from: string, to: string, version: number): string {
  const old = `pg_catalog.format('%s', v::${to})`;
  const back = `pg_catalog.format('%s', ${old}::${from}) = v`;
  const cases =
    version >= 16
      ? `WHEN NOT pg_catalog.pg_input_is_valid(v, ${literal(to)}) THEN v WHEN NOT pg_catalog.pg_input_is_valid(${old}, ${literal(from)}) THEN v WHEN ${back} THEN ${old}`
      : `WHEN ${back} THEN ${old}`;
  return `(SELECT CASE WHEN v IS NULL THEN v ${cases} ELSE v END FROM (SELECT ${text}) AS s(v))`;
}

/** What types within types are looked up by. */
interface Inside {
  readonly now: Typed;
  readonly fallback: Typed;
  /** By the OID of an enum: labels that it has now, and the names that they had. */
  readonly labels: ReadonlyMap<number, readonly { readonly label: string; readonly was: string }[]>;
}

const isMade = ({ array, kind, builtin }: RecordedType): boolean => array || kind === 'c' || (kind === 'r' && !builtin);
const typeBy = (record: ProofRecord, oid: number): RecordedType => {
  const type = record.types.find((one) => one.oid === oid)!;
  return type.kind === 'd' ? typeBy(record, type.of) : type;
};

/** Parts of a composite that both sides have. */
const partsOfBoth = (type: RecordedType, { now, fallback }: Inside): NonNullable<RecordedType['parts']> => {
  const [mine, other] = [now, fallback].map(({ record }) => record.types.find(({ oid }) => oid === type.oid)?.parts ?? []);
  return (type.parts ?? []).filter(({ number }) =>
    [mine, other].every((parts) => !parts?.length || parts.some((one) => one.number === number)),
  );
};

/** Whether a type of the same name is another within. */
function isChanged(from: RecordedType, to: RecordedType, inside: Inside): boolean {
  if (inside.labels.has(from.oid)) return true;
  if (isMade(from) && isMade(to) && from.of !== 0 && to.of !== 0)
    return isChanged(typeBy(inside.now.record, from.of), typeBy(inside.fallback.record, to.of), inside);
  const [mine, other] = [from.parts ?? [], to.parts ?? []];
  if (mine.length !== other.length) return true;
  return mine.some(({ of }, at) => isChanged(typeBy(inside.now.record, of), typeBy(inside.fallback.record, other[at]!.of), inside));
}

/** A value with everything in it, so that two are equal when nothing is lost; enums under the names that they had at the fork. */
function written(x: string, type: RecordedType, side: 'a' | 'b', inside: Inside, depth = 0): string {
  const { record } = side === 'a' ? inside.now : inside.fallback;
  const within = (value: string, of: number): string => written(value, typeBy(record, of), side, inside, depth + 1);
  if (type.array) {
    const list = `l${depth}`;
    // its dimensions tell {{1,2}} from {1,2}; in FROM a list of composites would come apart.
    const all = `SELECT pg_catalog.json_agg(${within(`${list}.e`, type.of)} ORDER BY ${list}.n)::text FROM (SELECT pg_catalog.unnest(${x}) AS e, pg_catalog.generate_series(1, pg_catalog.cardinality(${x})) AS n) AS ${list}`;
    return `CASE WHEN ${x} IS NULL THEN NULL ELSE pg_catalog.concat(pg_catalog.array_dims(${x}), (${all})) END`;
  }
  if (type.kind === 'c') {
    const parts = partsOfBoth(type, inside).map(({ name, of }) => within(`(${x}).${ident(name)}`, of));
    return `CASE WHEN ${x} IS NOT DISTINCT FROM NULL THEN NULL ELSE pg_catalog.json_build_array(${parts.join(', ')})::text END`;
  }
  if (type.kind === 'r' && !type.builtin) {
    const ends = ['lower', 'upper'].map((end) => within(`pg_catalog.${end}(${x})`, type.of));
    const how = ['isempty', 'lower_inc', 'upper_inc', 'lower_inf', 'upper_inf'].map((is) => `pg_catalog.${is}(${x})`);
    return `CASE WHEN ${x} IS NULL THEN NULL ELSE pg_catalog.json_build_array(${[...how, ...ends].join(', ')})::text END`;
  }
  if (type.kind === 'e') {
    const renamed = side === 'a' ? (inside.labels.get(type.oid) ?? []) : [];
    if (renamed.length === 0) return `${x}::text`;
    return `CASE ${x}::text ${renamed.map(({ label, was }) => `WHEN ${literal(label)} THEN ${literal(was)}`).join(' ')} ELSE ${x}::text END`;
  }
  if (number.test(type.name)) return `${exact(x)}::text`;
  if (/^jsonb?$/.test(type.name)) return `${x}::jsonb::text`;
  return type.name === 'bpchar' ? `pg_catalog.rtrim(${sent(x)}, ' ')` : sent(x);
}

function renamedLabels(now: ProofRecord, old: ProofRecord): Inside['labels'] {
  const all = new Map<number, { label: string; was: string }[]>();
  for (const { oid, labels } of now.types) {
    const before = new Map(old.types.find((type) => type.oid === oid)?.labels.map((one) => [one.oid, one.label]));
    const renamed = labels.flatMap((one) => {
      const was = before.get(one.oid);
      return was === undefined || was === one.label ? [] : [{ label: one.label, was }];
    });
    if (renamed.length > 0) all.set(oid, renamed);
  }
  return all;
}

/** What the team has declared that a column of the old schema holds; `NEW` in it is the row on production. */
export function declaredTexts(expression: string, fallback: Typed, orEmpty: boolean): Texts {
  const { column } = fallback;
  const y = `old.${ident(column.name)}`;
  const to = plainType(fallback);
  // a cast to a length would cut values off without a word; one to a scale rounds, as storing does.
  const type =
    !to.builtin || words.test(to.name) ? 'text' : to.name === 'bpchar' ? 'bpchar' : lengthless.test(to.name) ? to.name : column.type;
  const cast = (x: string): string => `(${x})::${/^jsonb?$/.test(type) ? 'jsonb' : type}`;
  const empty = orEmpty ? nothingIn(fallback) : undefined;
  const value = empty === undefined ? cast(expression) : `coalesce(${cast(expression)}, ${cast(empty)})`;
  if (number.test(to.name)) return { a: exact(value), b: exact(y), mayFail: true };
  return type === 'bpchar' ? { a: `(${value})::text`, b: `${y}::text`, mayFail: true } : { a: value, b: cast(y), mayFail: true };
}

const lengthless = /^(bit|bit varying)$/;

/** What a column holds, beside NULL, when nobody has put anything into it: its default, or a value that says nothing where it must have one. */
export function nothingIn(typed: Typed): string | undefined {
  return typed.column.default ?? (typed.column.notNull ? emptyOf(plainType(typed)) : undefined);
}

function emptyOf({ name, kind, array, labels }: RecordedType): string | undefined {
  if (kind === 'e') return labels[0] && literal(labels[0].label);
  if (array) return "'{}'";
  if (number.test(name) || /^(real|double precision|money|interval)$/.test(name)) return "'0'";
  if (name === 'boolean') return "'false'";
  if (/^jsonb?$/.test(name)) return "'null'";
  if (/^(date|timestamp)/.test(name)) return "'epoch'";
  if (name === 'uuid') return "'00000000-0000-0000-0000-000000000000'";
  return words.test(name) || name === 'bpchar' || name === 'bytea' ? "''" : undefined;
}
