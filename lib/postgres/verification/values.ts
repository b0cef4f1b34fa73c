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
const words = /^(text|character varying|(public\.)?citext)$/;
const exact = (x: string): string => `pg_catalog.trim_scale((${x})::numeric)`;

/** The values of a column that both sides have; a sentence where its texts say nothing. `old` as recorded at the fork. */
export function columnTexts(now: Typed, fallback: Typed, old: Typed, version: number): Texts | string {
  const [x, y] = [`new.${ident(now.column.name)}`, `old.${ident(fallback.column.name)}`];
  const renamed = renamedLabels(now, old);
  if (typeof renamed === 'string') return renamed;
  if (renamed.length > 0) {
    const cases = renamed.map(({ label, was }) => `WHEN ${literal(label)} THEN ${literal(was)}`).join(' ');
    return { a: `CASE ${x}::text ${cases} ELSE ${x}::text END`, b: `${y}::text` };
  }
  if (now.column.type === fallback.column.type) return { a: x, b: y };
  const [from, to] = [plainType(now), plainType(fallback)];
  if (number.test(from.name) && number.test(to.name)) return { a: exact(x), b: exact(y) };
  if (from.name === to.name) return { a: x, b: y };
  if (/^jsonb?$/.test(from.name) && /^jsonb?$/.test(to.name)) return { a: `${x}::jsonb`, b: `${y}::jsonb`, mayFail: true };
  if (to.name === 'bpchar') return { a: `pg_catalog.rtrim(${sent(x)}, ' ')`, b: `${y}::text` };
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

/** Labels of an enum that is the same one, under the names that they had. */
function renamedLabels(now: Typed, old: Typed): { label: string; was: string }[] | string {
  const inner = (typed: Typed): RecordedType => {
    let type = plainType(typed);
    while (type.array) {
      const { of } = type;
      type = typed.record.types.find(({ oid }) => oid === of)!;
    }
    return type;
  };
  const [is, was] = [inner(now), inner(old)];
  if (is.oid !== was.oid || is.kind !== 'e') return [];
  const before = new Map(was.labels.map(({ oid, label }) => [oid, label]));
  const renamed = is.labels.flatMap(({ oid, label }) => {
    const known = before.get(oid);
    return known === undefined || known === label ? [] : [{ label, was: known }];
  });
  return renamed.length > 0 && plainType(now).kind !== 'e'
    ? `values of ${was.name} were renamed, and it is only a part of ${now.column.type}`
    : renamed;
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
