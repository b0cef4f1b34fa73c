/** Types of columns and values of theirs, written as PostgreSQL writes them (in UTC): what is read is compared as text. */

export interface Domain {
  readonly sql: string;
  /** Some value: the same number, the same value. */
  text(n: number): string;
  /** No two numbers have the same. Types with few values have none. */
  readonly unique?: (n: number) => string;
  readonly extension?: string;
  /** Of a type that has no equality, or that is long. */
  readonly noKey?: true;
}

const from =
  (values: readonly string[]) =>
  (n: number): string =>
    values[n % values.length]!;

const words = [
  'a',
  'Bob',
  "it's",
  'two words',
  'Zoë ☃',
  'back\\slash',
  'a,b',
  '"quoted"',
  '{x}',
  '',
  ' blank ',
  'line\nbreak',
  'NULL',
  '$1',
];
/** Too long to stay in the row, and not to be compressed away. */
const large = (n: number): string => {
  let [text, state] = ['', n + 1];
  while (text.length < 9_000) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    text += state.toString(36);
  }
  return text;
};
const day = (n: number): string => `2026-${`${(n % 12) + 1}`.padStart(2, '0')}-${`${(n % 28) + 1}`.padStart(2, '0')}`;
const time = (n: number): string => `${`${n % 24}`.padStart(2, '0')}:${`${n % 60}`.padStart(2, '0')}:07`;
const plainText = (n: number): string => (n % 17 === 3 ? large(n) : `${from(words)(n)}${n % 3 === 0 ? n : ''}`);

const make = (sql: string, text: (n: number) => string, unique?: (n: number) => string): Domain => ({
  sql,
  text,
  ...(unique ? { unique } : {}),
});

export const smallint = make('smallint', (n) => `${(n % 400) - 200}`);
export const integer = make(
  'integer',
  (n) => `${(n % 4001) - 2000}`,
  (n) => `${n}`,
);
/** Half of them are no integer. */
export const bigint = make(
  'bigint',
  (n) => (n % 2 === 0 ? `${3_000_000_000 + n}` : `${n}`),
  (n) => `${n % 2 === 0 ? 3_000_000_000 + n : n}`,
);
export const text = make('text', plainText, (n) => `${from(words)(n)} ${n}`);
export const varchar = (length: number): Domain =>
  make(`character varying(${length})`, (n) => `${from(words)(n)}${n}`.slice(0, length), length < 12 ? undefined : (n) => `v${n}`);
export const boolean = make('boolean', from(['true', 'false']));
export const uuid = make(
  'uuid',
  (n) => uuidOf(n % 1000),
  (n) => uuidOf(n),
);
const uuidOf = (n: number): string => `a0eebc99-9c0b-4ef8-bb6d-${n.toString(16).padStart(12, '0')}`;
export const numeric = (precision: number, scale: number): Domain =>
  make(`numeric(${precision},${scale})`, (n) => (n % 29 === 5 ? 'NaN' : (((n % 8001) - 4000) / 10 ** scale).toFixed(scale)));
export const date = make('date', day);
export const timestamptz = make('timestamp with time zone', (n) => from([`${day(n)} ${time(n)}+00`, 'infinity', '-infinity'])(n % 9));
export const timestamp = make('timestamp without time zone', (n) => `${day(n)} ${time(n)}`);
export const jsonb = make('jsonb', from(['{"a": 1}', 'null', '[1, "x"]', '"word"', '{"r": {"v": [null]}}', '42', 'true']));
export const json: Domain = { ...make('json', from(['{ "a" :1, "a":2 }', 'null', '[1 ]'])), noKey: true };
export const bytea = make('bytea', (n) => `\\x${n.toString(16).padStart(8, '0')}`);
export const double = make('double precision', from(['1.5', 'NaN', '-0', '-Infinity', '0.1', '1e+300']));
export const real = make('real', from(['1.5', 'NaN', '0.1', '-Infinity']));
export const interval = make('interval', from(['1 day', '02:00:00', '1 year 2 mons', '-1 mons +3 days']));
export const range = make('int4range', from(['[1,5)', 'empty', '(,3)', '[7,)']));
export const point: Domain = { ...make('point', from(['(1,2)', '(0.5,-3)'])), noKey: true };
export const inet = make('inet', (n) => `10.0.${n % 200}.1/32`);
export const bits = make('bit(4)', from(['0000', '1010', '1111']));
export const integers = make('integer[]', from(['{}', '{1,2}', '{NULL,-3}', '{{1,2},{3,4}}', '[0:1]={5,6}']));
export const texts = make('text[]', from(['{}', '{a,"b c"}', '{"x\\"y",NULL}', '{"",z}']));
export const citext: Domain = {
  ...make(
    'public.citext',
    (n) => from(['Bob', 'al', 'ZOE'])(n),
    (n) => `Word${n}`,
  ),
  extension: 'citext',
};
export const hstore: Domain = { ...make('public.hstore', from(['"a"=>"1"', '"a"=>NULL, "b"=>"2"', ''])), extension: 'hstore', noKey: true };

/** What a column has that nobody changes. */
export const common: readonly Domain[] = [
  ...[smallint, integer, bigint, text, text, varchar(20), boolean, uuid, numeric(10, 2), date, timestamptz, timestamp, jsonb, json],
  ...[bytea, double, real, interval, range, point, inet, bits, integers, texts, citext, hstore],
];
/** What a key is. */
export const keys: readonly Domain[] = [integer, integer, bigint, uuid, text, varchar(40)];
