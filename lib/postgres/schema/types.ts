/**
 * Do the values of a new type fit into a column of the old one? Values travel as text. What is said here of PostgreSQL's own types is tried
 * on PostgreSQL itself, type by type (types.test.ts).
 */

/** Both types as format_type writes them. */
export type TypeChange =
  /** As they are: each comes back from the old column as the value that it was. */
  | { readonly is: 'fits' }
  /** Once the old column is of `type`, in which the values that it has already read as before. */
  | Widening
  /** Only the team knows how the old release writes them. */
  | { readonly is: 'expression'; readonly why: string }
  /** Some of them cannot be held. */
  | { readonly is: 'loses'; readonly what: string };

export interface Widening {
  readonly is: 'widen';
  readonly type: string;
  /** At a rollback the column gets its old type again, if its rows allow that. */
  readonly back?: true;
  /** No cast leads from the old type to it: values are read from their texts. */
  readonly byText?: true;
}

const fits: TypeChange = { is: 'fits' };
const widen = (type: string, more: Partial<Widening> = {}): Widening => ({ is: 'widen', type, ...more });
const expression = (why: string): TypeChange => ({ is: 'expression', why });
const loses = (what: string): TypeChange => ({ is: 'loses', what });

interface Type {
  readonly name: string;
  /** Without what is in brackets. */
  readonly base: string;
  readonly length: number | undefined;
  readonly scale: number;
}

function parse(name: string): Type {
  const [, base = name, length, scale, rest = ''] = /^(.*?)\((\d+)(?:,(-?\d+))?\)(.*)$/.exec(name) ?? [];
  return { name, base: base + rest, length: length === undefined ? undefined : Number(length), scale: Number(scale ?? 0) };
}

/** What becomes of values of `to` in a column of `from`. */
export function typeChange(from: string, to: string): TypeChange {
  if (from === to) return fits;
  if (from.endsWith('[]') && to.endsWith('[]')) return inArrays(typeChange(from.slice(0, -2), to.slice(0, -2)));
  const [old, now] = [parse(from), parse(to)];
  for (const family of [numbers, texts, bits, times, documents, addresses, ranges]) {
    const change = family(old, now);
    if (change) return change;
  }
  return loses(`values of type ${to} that are no ${from}`);
}

/** An array holds what its elements hold. */
export const inArrays = (change: TypeChange): TypeChange => (change.is === 'widen' ? { ...change, type: `${change.type}[]` } : change);

const most: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 };
const integers = Object.keys(most);
/** How many digits of a number a float gives back. */
const exactIn: Readonly<Record<string, number>> = { real: 6, 'double precision': 15 };

const digits = ({ base, length, scale }: Type): number =>
  most[base] ?? (length === undefined ? Number.POSITIVE_INFINITY : Math.max(length, length - scale));

function numbers(old: Type, now: Type): TypeChange | undefined {
  const isNumber = ({ base }: Type): boolean => base in most || base in exactIn || base === 'numeric';
  if (!isNumber(old) || !isNumber(now)) return undefined;
  if (old.base in most && now.base in most) return most[now.base]! > most[old.base]! ? widen(now.name) : fits;
  // the digits of a number are others in each of them.
  if (old.base in exactIn && now.base in exactIn) return old.base === 'real' ? loses('digits beyond the precision') : fits;
  if (old.base in exactIn) return digits(now) <= exactIn[old.base]! ? fits : loses('digits beyond the precision');
  if (now.base in exactIn) return loses(old.base === 'numeric' ? 'digits beyond the scale' : 'fractions, and numbers out of range');
  if (old.base in most) return loses('fractions, and numbers out of range');
  return decimals(old, now);
}

/** From numeric to numeric, or to a whole number: a column of whole numbers is none where the old release writes fractions. */
function decimals(old: Type, now: Type): TypeChange {
  if (old.length === undefined) return fits;
  const before = (type: Type): number => most[type.base] ?? type.length! - type.scale;
  if (now.base in most) {
    if (old.length - old.scale >= before(now) && old.scale >= 0) return fits;
    return old.scale === 0 ? widen('numeric') : loses('numbers out of range');
  }
  if (now.length === undefined) return widen(now.name);
  if (old.scale >= now.scale && before(old) >= before(now)) return fits;
  // of another scale the values that are there would read otherwise: 1.50 as 1.5000.
  return widen(now.scale === old.scale ? now.name : 'numeric');
}

/** How long the text of a value can be. */
const lengths: Readonly<Record<string, number>> = { smallint: 6, integer: 11, bigint: 20, uuid: 36, name: 63 };
const isText = ({ base }: Type): boolean => /^(text|character varying|character|(\w+\.)?citext|name)$/.test(base);
/** Types that can be written in one way only, so that text in a column of the old schema can mean them. */
const oneWay =
  /^(smallint|integer|bigint|oid|numeric|real|double precision|money|uuid|date|time[a-z ]*|interval|inet|cidr|macaddr8?|bit|bit varying|pg_lsn)$/;

function texts(old: Type, now: Type): TypeChange | undefined {
  if (!isText(old)) return undefined;
  const room = old.base === 'name' ? 0 : old.base === 'character' ? 0 : (old.length ?? Number.POSITIVE_INFINITY);
  const needs = isText(now) && now.base !== 'name' ? (now.length ?? Number.POSITIVE_INFINITY) : lengths[now.base];
  if (isText(now)) {
    if (needs! <= room) return fits;
    // blanks at the end count in all of them but in this one.
    if (old.base === 'character')
      return now.base === 'character' && old.length! >= now.length! ? fits : widen(withRoom(old, now), { back: true });
    return old.base === 'name' ? loses('values that are longer than a name') : widen(withRoom(old, now));
  }
  if (!oneWay.test(now.base)) return expression(`the old release may write ${now.name} in another way`);
  if (room === Number.POSITIVE_INFINITY || (needs ?? Number.POSITIVE_INFINITY) <= room) return fits;
  return loses(`values whose text is longer than ${old.length ?? 1}`);
}

/** A type that holds what both of them do. */
function withRoom(old: Type, now: Type): string {
  if (now.base === 'character' && old.base === 'character') return now.name;
  if (now.base !== 'character varying') return 'text';
  return (now.length ?? Number.POSITIVE_INFINITY) >= (old.length ?? 1) ? now.name : 'text';
}

function bits(old: Type, now: Type): TypeChange | undefined {
  if (!/^bit( varying)?$/.test(old.base) || !/^bit( varying)?$/.test(now.base)) return undefined;
  const [had, has] = [old, now].map(({ base, length }) => length ?? (base === 'bit' ? 1 : Number.POSITIVE_INFINITY)) as [number, number];
  if (old.base === 'bit varying' && has <= had) return fits;
  return now.base === 'bit varying' && has >= had ? widen(now.name) : loses('values of another length');
}

function times(old: Type, now: Type): TypeChange | undefined {
  const finest = 6;
  if (old.base === now.base && /^(time|interval)/.test(old.base))
    return (now.length ?? finest) > (old.length ?? finest) ? widen(now.name) : fits;
  switch (`${old.base} <- ${now.base}`) {
    case 'timestamp without time zone <- date':
      return fits;
    // the feed's user reads in UTC, so the moment arrives as its time in UTC.
    case 'timestamp without time zone <- timestamp with time zone':
      return (now.length ?? finest) > (old.length ?? finest) ? loses('fractions of a second') : fits;
    case 'timestamp with time zone <- timestamp without time zone':
    case 'timestamp with time zone <- date':
    case 'time with time zone <- time without time zone':
      return expression('a time without zone is read in the zone of the fallback server');
    case 'date <- timestamp without time zone':
    case 'date <- timestamp with time zone':
      return loses('the time of day');
  }
  return undefined;
}

function documents(old: Type, now: Type): TypeChange | undefined {
  if (old.base === 'json' && now.base === 'jsonb') return fits;
  if (old.base === 'jsonb' && now.base === 'json') return expression('json keeps the order of keys, blanks, and keys that come twice');
  if (old.base === 'boolean' && integers.includes(now.base)) return expression('only 0 and 1 would be understood as boolean');
  return undefined;
}

const addresses = (old: Type, now: Type): TypeChange | undefined => (old.base === 'inet' && now.base === 'cidr' ? fits : undefined);

const ofIntegers: Readonly<Record<string, string>> = { int4range: 'int8range', int4multirange: 'int8multirange' };

function ranges(old: Type, now: Type): TypeChange | undefined {
  if (ofIntegers[old.base] === now.base) return widen(now.name, { byText: true });
  return ofIntegers[now.base] === old.base ? fits : undefined;
}

/** A value of a type that says nothing, for a column that must have one; undefined where none is known. */
export function neutral(type: string): string | undefined {
  const base = type.replace(/\(.*\)/, '');
  if (/\[\]$/.test(type)) return "'{}'";
  if (/^(smallint|integer|bigint|numeric|real|double precision|money)$/.test(base)) return '0';
  if (/^(text|character varying|character|citext|public\.citext|bytea)$/.test(base)) return "''";
  if (base === 'boolean') return 'false';
  if (/^(date|timestamp with)/.test(base)) return "'epoch'";
  if (base === 'interval') return "'0'";
  if (/^jsonb?$/.test(base)) return "'null'";
  if (base === 'uuid') return "'00000000-0000-0000-0000-000000000000'";
  return undefined;
}
