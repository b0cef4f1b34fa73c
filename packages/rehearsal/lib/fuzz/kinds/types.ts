/** Columns whose type becomes another, or whose type itself does. */
import {
  bigint,
  boolean,
  citext,
  type Domain,
  date,
  integer,
  integers,
  jsonb,
  numeric,
  smallint,
  text,
  texts,
  timestamp,
  varchar,
} from '../domains';
import type { Draft } from '../draft';
import { type Column, identity, type Table } from '../world';
import type { Kind } from './kind';

const keyed = ({ key }: Table): boolean => key.length > 0;

const long = varchar(60);
const wider: readonly (readonly [Domain, Domain])[] = [
  [smallint, integer],
  [integer, bigint],
  [smallint, bigint],
  [varchar(20), text],
  [varchar(20), { ...long, text: (n) => `${long.text(n)} and more than twenty` }],
  [numeric(6, 2), numeric(12, 4)],
  [{ ...text, sql: 'character(4)', text: (n) => `x${n % 100}` }, text],
];

const arrays: readonly (readonly [Domain, Domain])[] = [
  [integers, { ...integers, sql: 'bigint[]', text: (n) => (n % 2 === 0 ? '{5000000000,NULL}' : integers.text(n)) }],
  [
    { ...texts, sql: 'character varying(9)[]' },
    { ...texts, text: (n) => (n % 2 === 0 ? '{"much longer than nine"}' : texts.text(n)) },
  ],
];

/** What the old column can hold is less than what the new one can; a declared expression says what it means. */
const meanings: readonly {
  readonly old: Domain;
  readonly now: Domain;
  readonly using: (name: string) => string;
  readonly from: (name: string) => string;
  readonly there: (value: string) => string;
  readonly back: (value: string) => string;
}[] = [
  {
    ...{ old: { ...text, text: (n) => (n % 2 === 0 ? 'yes' : 'no') }, now: boolean },
    ...{ using: (name) => `${name} = 'yes'`, from: (name) => `CASE ${name}::text WHEN 'true' THEN 'yes' WHEN 'false' THEN 'no' END` },
    ...{ there: (value) => `${value === 'yes'}`, back: (value) => (value === 'true' ? 'yes' : 'no') },
  },
  {
    ...{
      old: { ...numeric(10, 2), text: (n) => `${(n % 900) + 1}.${`${n % 100}`.padStart(2, '0')}` },
      now: { ...integer, text: (n) => `${(n % 9000) + 100}` },
    },
    ...{ using: (name) => `(${name} * 100)::int`, from: (name) => `${name} / 100.0` },
    ...{ there: (value) => `${Math.round(Number(value) * 100)}`, back: (value) => (Number(value) / 100).toFixed(2) },
  },
  {
    ...{ old: { ...text, text: (n) => `a${n % 9},b` }, now: { ...texts, text: (n) => `{x,y${n % 9}}` } },
    ...{ using: (name) => `string_to_array(${name}, ',')`, from: (name) => `array_to_string(${name}, ',')` },
    ...{ there: (value) => `{${value}}`, back: (value) => value.slice(1, -1) },
  },
  {
    ...{ old: { ...text, text: (n) => `word${n % 9}` }, now: { ...jsonb, text: (n) => `"other${n % 9}"` } },
    ...{ using: (name) => `to_jsonb(${name})`, from: (name) => `${name} #>> '{}'` },
    ...{ there: (value) => `"${value}"`, back: (value) => value.slice(1, -1) },
  },
  {
    ...{ old: { ...text, text: (n) => `${n % 500}` }, now: { ...integer, text: (n) => `${n % 700}` } },
    ...{ using: (name) => `${name}::integer`, from: (name) => `${name}::text` },
    ...{ there: (value) => value, back: (value) => value },
  },
  {
    ...{ old: date, now: { ...timestamp, text: (n) => `${date.text(n)} 10:11:12` } },
    ...{ using: (name) => `${name}::timestamp`, from: (name) => `${name}::date` },
    ...{ there: (value) => `${value} 00:00:00`, back: (value) => value.slice(0, 10) },
  },
];

interface Enum {
  readonly name: string;
  labels: string[];
  readonly domain: Domain;
}

/** An enum of its own, with the labels that it has at the moment. */
function enumType(draft: Draft, labels: readonly string[]): Enum {
  const name = draft.name(['mood', 'state_kind', 'OrderStatus', 'role']);
  const type: Enum = {
    ...{ name, labels: [...labels] },
    domain: { sql: `public.${identity(name)}`, text: (n) => type.labels[n % type.labels.length]! },
  };
  draft.preamble.push(`CREATE TYPE public.${identity(name)} AS ENUM (${labels.map((label) => `'${label}'`).join(', ')})`);
  return type;
}

/** The labels that the old form goes on with stay what they are. */
const asItIs = (type: Enum): Domain => {
  const labels = [...type.labels];
  return { ...type.domain, text: (n) => labels[n % labels.length]! };
};
const arrayOf = (domain: Domain): Domain => ({
  sql: `${domain.sql}[]`,
  text: (n) => (n % 4 === 0 ? '{}' : `{${domain.text(n)},${domain.text(n + 1)}}`),
});
const inArray = (change: (label: string) => string) => (value: string) =>
  value === '{}' ? '{}' : `{${value.slice(1, -1).split(',').map(change).join(',')}}`;
const replaced = (from: string, to: string) => (label: string) => (label === from ? to : label);

function enumRenamed(name: string, column: (draft: Draft, table: Table, domain: Domain) => Column, array: boolean): Kind {
  return {
    name,
    plant(draft) {
      const type = enumType(draft, ['ok', 'sad', array ? 'two_words' : 'two words']);
      const table = draft.anyTable(keyed);
      const old = array ? arrayOf(asItIs(type)) : asItIs(type);
      const of = column(draft, table, old);
      const [from, to] = ['ok', draft.random.pick(['fine', 'OK'])];
      draft.change([table, of], (m) => {
        m.sql(`ALTER TYPE ${type.domain.sql} RENAME VALUE '${from}' TO '${to}'`);
        type.labels = type.labels.map(replaced(from, to));
        const each = (change: (label: string) => string) => (array ? inArray(change) : change);
        m.means(table, of, array ? arrayOf(type.domain) : type.domain, { there: each(replaced(from, to)), back: each(replaced(to, from)) });
      });
    },
  };
}

export const typeKinds: readonly Kind[] = [
  {
    name: 'widened',
    plant(draft) {
      const [old, now] = draft.random.pick(wider);
      const table = draft.anyTable(keyed);
      const column = draft.column(table, old, { busy: true, notNull: draft.random.chance(0.4) });
      const scaled = now.sql === 'numeric(12,4)';
      draft.change([table, column], (m) =>
        m.retype(
          table,
          column,
          now,
          scaled ? { there: (value) => (value === 'NaN' ? value : Number(value).toFixed(4)), back: (value) => value } : {},
        ),
      );
    },
  },
  {
    name: 'array widened',
    plant(draft) {
      const [old, now] = draft.random.pick(arrays);
      const table = draft.anyTable(keyed);
      const column = draft.column(table, old, { busy: true });
      draft.change([table, column], (m) => m.retype(table, column, now));
    },
  },
  {
    name: 'retyped as declared',
    plant(draft) {
      const meaning = draft.random.pick(meanings);
      const table = draft.anyTable(keyed);
      const column = draft.column(table, meaning.old, { busy: true, notNull: draft.random.chance(0.5) });
      const name = draft.random.chance(0.3) ? draft.freshName() : undefined;
      draft.change([table, column], (m) => {
        m.retype(table, column, meaning.now, { ...meaning, using: meaning.using(identity(column.now!.name)) });
        if (name !== undefined) m.rename(table, column, name);
        m.declareColumn(table, column, () => meaning.from(`NEW.${identity(column.now!.name)}`));
      });
    },
  },
  {
    name: 'enum value added',
    plant(draft) {
      const type = enumType(draft, ['Open', 'Paid']);
      const table = draft.anyTable(keyed);
      const column = draft.column(table, asItIs(type), { busy: true });
      const before = draft.random.chance(0.5);
      draft.change([table, column], (m) => {
        m.sql(`ALTER TYPE ${type.domain.sql} ADD VALUE 'Held'${before ? " BEFORE 'Paid'" : ''}`);
        type.labels = ['Open', 'Held', 'Paid'];
        m.means(table, column, type.domain, {});
      });
    },
  },
  enumRenamed(
    'enum value renamed',
    (draft, table, domain) => draft.column(table, domain, { busy: true, notNull: draft.random.chance(0.5) }),
    false,
  ),
  enumRenamed('enum in an array renamed', (draft, table, domain) => draft.column(table, domain, { busy: true }), true),
  {
    name: 'enum made anew',
    plant(draft) {
      const type = enumType(draft, ['Open', 'Paid', 'Void']);
      const table = draft.anyTable(keyed);
      const column = draft.column(table, asItIs(type), { busy: true, notNull: true });
      const [, name] = type.domain.sql.split('public.') as [string, string];
      const plain = type.name;
      draft.change([table, column], (m) => {
        const own = identity(column.now!.name);
        m.backfill(table, column, `UPDATE ${m.nameOf(table)} SET ${own} = 'Paid' WHERE ${own} = 'Void'`, replaced('Void', 'Paid'));
        m.sql(`CREATE TYPE public.${identity(`${plain}_new`)} AS ENUM ('Open', 'Paid', 'Held')`);
        m.alter(
          table,
          `ALTER COLUMN ${own} TYPE public.${identity(`${plain}_new`)} USING (${own}::text::public.${identity(`${plain}_new`)})`,
        );
        m.sql(`ALTER TYPE public.${name} RENAME TO ${identity(`${plain}_old`)}`);
        m.sql(`ALTER TYPE public.${identity(`${plain}_new`)} RENAME TO ${name}`);
        m.sql(`DROP TYPE public.${identity(`${plain}_old`)}`);
        type.labels = ['Open', 'Paid', 'Held'];
        m.means(table, column, type.domain, {});
      });
    },
  },
  {
    name: 'domain loosened',
    plant(draft) {
      const name = draft.name(['short', 'Currency', 'code']);
      const sql = `public.${identity(name)}`;
      draft.preamble.push(`CREATE DOMAIN ${sql} AS text CONSTRAINT ${identity(`${name}_len`)} CHECK (length(VALUE) <= 5)`);
      const table = draft.anyTable(keyed);
      const column = draft.column(table, { ...text, sql, text: (n) => `v${n % 100}` }, { busy: true, notNull: draft.random.chance(0.4) });
      draft.change([table, column], (m) => {
        m.sql(`ALTER DOMAIN ${sql} DROP CONSTRAINT ${identity(`${name}_len`)}`);
        m.sql(`ALTER DOMAIN ${sql} ADD CONSTRAINT ${identity(`${name}_len`)} CHECK (length(VALUE) <= 50)`);
        m.means(table, column, { ...text, sql, text: (n) => `much longer than five ${n % 100}` }, {});
      });
    },
  },
  {
    name: 'citext to text',
    plant(draft) {
      const table = draft.anyTable(keyed);
      const column = draft.column(table, citext, { busy: true, notNull: true, unique: draft.random.chance(0.7) });
      // values that citext does not tell apart, in the rows of the new release.
      const twins: Domain = {
        ...text,
        text: (n) => (n % 2 === 0 ? 'Bob' : 'bob'),
        unique: (n) => (n % 2 === 0 ? `word${n - 1}` : `WORD${n}`),
      };
      draft.change([table, column], (m) => m.retype(table, column, twins));
    },
  },
];
