/** Do the values of a new type fit into a column of the old one? Values travel as text. */

/** `fits`: as they are. `widen`: once the old column gets the new type. `text`: in another way of writing; needs an expression. `loses`: some values cannot be held. */
export type TypeChange =
  | { readonly is: 'fits' }
  | { readonly is: 'widen' }
  | { readonly is: 'expression'; readonly why: string }
  | { readonly is: 'loses'; readonly what: string };

const integers = ['smallint', 'integer', 'bigint'];
const digits = [5, 10, 19];
const floats = ['real', 'double precision'];

interface Type {
  readonly base: string;
  readonly length: number | undefined;
  readonly scale: number;
}

function parse(type: string): Type {
  const [, base = type, length, scale, rest = ''] = /^(.*?)\((\d+)(?:,(-?\d+))?\)(.*)$/.exec(type) ?? [];
  return { base: base + rest, length: length === undefined ? undefined : Number(length), scale: scale === undefined ? 0 : Number(scale) };
}

const fits: TypeChange = { is: 'fits' };
const widen: TypeChange = { is: 'widen' };
const expression = (why: string): TypeChange => ({ is: 'expression', why });
const loses = (what: string): TypeChange => ({ is: 'loses', what });

/** What becomes of values of `to` in a column of `from`; both as format_type writes them. */
export function typeChange(from: string, to: string): TypeChange {
  if (from === to) return fits;
  const [old, now] = [parse(from), parse(to)];
  const numbers = numberChange(old, now);
  if (numbers) return numbers;
  const texts = textChange(old, now);
  if (texts) return texts;
  const pair = `${old.base} -> ${now.base}`;
  if (old.base === now.base) return (now.length ?? 99) > (old.length ?? 99) ? widen : fits;
  switch (pair) {
    case 'json -> jsonb':
    case 'jsonb -> json':
    case 'date -> timestamp without time zone':
    case 'date -> timestamp with time zone':
      return pair.startsWith('date') ? loses('the time of day') : fits;
    case 'timestamp without time zone -> date':
    case 'timestamp with time zone -> date':
    case 'inet -> cidr':
      return fits;
    // The feed's user reads in UTC, so the moment arrives as its time in UTC.
    case 'timestamp without time zone -> timestamp with time zone':
      return fits;
    case 'timestamp with time zone -> timestamp without time zone':
      return expression('a time without zone is read in the zone of the fallback server');
  }
  if (old.base === 'boolean' && integers.includes(now.base)) return expression('only 0 and 1 would be understood as boolean');
  return loses(`values of type ${to} that are no ${from}`);
}

function numberChange(old: Type, now: Type): TypeChange | undefined {
  const [oldInt, nowInt] = [integers.indexOf(old.base), integers.indexOf(now.base)];
  if (oldInt >= 0 && nowInt >= 0) return nowInt > oldInt ? widen : fits;
  if (floats.includes(old.base) && floats.includes(now.base)) return floats.indexOf(now.base) > floats.indexOf(old.base) ? widen : fits;
  if (old.base === 'numeric' && now.base === 'numeric') {
    if (old.length === undefined) return fits;
    if (now.length === undefined) return widen;
    return now.scale > old.scale || now.length - now.scale > old.length - old.scale ? widen : fits;
  }
  if (old.base === 'numeric' && nowInt >= 0) {
    if (old.length === undefined) return fits;
    // a column of whole numbers is none where the old release writes fractions.
    if (old.scale === 0) return widen;
    return old.length - old.scale >= digits[nowInt]! ? fits : loses('numbers out of range');
  }
  if (oldInt >= 0 && (now.base === 'numeric' || floats.includes(now.base))) return loses('fractions, and numbers out of range');
  if (floats.includes(old.base) && (nowInt >= 0 || now.base === 'numeric')) return loses('digits beyond the precision');
  if (old.base === 'numeric' && floats.includes(now.base)) return old.length === undefined ? fits : loses('digits beyond the scale');
  return undefined;
}

const texts = ['text', 'character varying', 'character', 'citext', 'public.citext', 'name'];

function textChange(old: Type, now: Type): TypeChange | undefined {
  if (!texts.includes(old.base)) return undefined;
  const roomy = old.base.endsWith('text') || (old.base === 'character varying' && old.length === undefined);
  // Every type can be written as text.
  if (roomy) return fits;
  if (!texts.includes(now.base)) return loses(`values whose text is longer than ${old.length ?? 1}`);
  if (now.base === old.base && now.length !== undefined && old.length !== undefined) return now.length > old.length ? widen : fits;
  if (now.length !== undefined && old.length !== undefined && now.length <= old.length) return fits;
  return widen;
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
