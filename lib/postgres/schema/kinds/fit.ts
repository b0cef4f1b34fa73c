/** How values of the new schema fit into columns of the old one, and what is put where none comes. */
import { literal } from '../../connection/connect';
import type { Catalog, CatalogColumn, CatalogTable, CatalogType } from '../catalog';
import { inArrays, neutral, type TypeChange, typeChange } from '../types';
import type { Schemas } from './kind';
import { heldAs } from './names';
import type { TablePlan } from './plan';

type Both = Pick<Schemas, 'old' | 'now'>;

/** A type where it is used: with its length, which the type itself does not have. */
interface Used {
  readonly text: string;
  readonly oid: number;
}

const used = ({ type, of }: CatalogColumn): Used => ({ text: type, oid: of });
// a window that was opened by a version before has none.
const typeIn = (catalog: Catalog, oid: number): CatalogType | undefined => catalog.types?.find((type) => type.oid === oid);
const insideOf = ({ of, ofOid }: CatalogType): Used => ({ text: of, oid: ofOid });
const element = ({ text }: Used, type: CatalogType | undefined): Used => ({ text: text.slice(0, -2), oid: type?.ofOid ?? 0 });

/** What becomes of values of a column in what it was before. `table` is the one of the old schema. */
export function fitOf(both: Both, table: CatalogTable, column: CatalogColumn, now: CatalogColumn): TypeChange {
  const change = fitWithin(both, used(column), used(now));
  if (!['fits', 'widen'].includes(change.is) || !isFiner(table, column, now)) return change;
  const type = change.is === 'widen' ? change.type : plainText(both.old, used(column)).replace(/^(\w+\.)?citext/, 'text');
  return { is: 'widen', type: `${type}${column.coarse === '' ? '' : ' COLLATE pg_catalog."default"'}`, back: true };
}

/** To which values are the same that others tell apart: by case. */
const isCitext = ({ type }: CatalogColumn): boolean => /^(\w+\.)?citext(\[\])*$/.test(type);

/** What the new schema tells apart and the old one does not: two such rows would have one key on the fallback. */
function isFiner(table: CatalogTable, column: CatalogColumn, now: CatalogColumn): boolean {
  const finer = (column.coarse !== '' && now.coarse !== column.coarse) || (isCitext(column) && !isCitext(now));
  if (!finer) return false;
  // what an index computes may be of any column.
  const keys = new Set([...table.primaryKey, ...table.identity, ...table.indexes.flatMap(({ columns }) => columns)]);
  return table.identityFull || keys.has(column.number) || keys.has(0);
}

/** Types within types: what they are made of decides. The types themselves become those of the new schema on the fallback (changed-types.ts). */
function fitWithin(both: Both, from: Used, to: Used): TypeChange {
  const [old, now] = [typeIn(both.old, from.oid), typeIn(both.now, to.oid)];
  if (from.text === to.text && from.oid === to.oid) return { is: 'fits' };
  if (old?.kind === 'd') return fromDomain(both, from, old, to, now);
  if (now?.kind === 'd') return fitWithin(both, from, insideOf(now));
  if (from.text.endsWith('[]') && to.text.endsWith('[]')) {
    return inArrays(fitWithin(both, element(from, old), element(to, now)));
  }
  if (old?.kind === 'e') return fromEnum(both, from, to, now);
  if (old?.kind === 'c') return composite(both, old, from, now, to);
  if (old && /[rm]/.test(old.kind)) return now?.kind === old.kind && now.of === old.of ? { is: 'fits' } : lost(from, to);
  // labels are texts.
  if (now?.kind === 'e') return typeChange(from.text, labelType(both.now, now));
  return typeChange(from.text, to.text);
}

/** A value of one domain is one of another that has the same rules; otherwise the column gets what the domain is made of. */
function fromDomain(both: Both, from: Used, old: CatalogType, to: Used, now: CatalogType | undefined): TypeChange {
  const rules = old.checks.map(({ definition }) => definition);
  const has = (rule: string): boolean => now?.checks.some(({ definition }) => definition === rule) ?? false;
  if (now?.kind === 'd' && now.of === old.of && (now.notNull || !old.notNull) && rules.every(has)) return { is: 'fits' };
  const base = fitWithin(both, insideOf(old), to);
  if (base.is === 'fits') return { is: 'widen', type: plainText(both.old, from), back: true };
  return base.is === 'widen' ? { ...base, back: true } : base;
}

function fromEnum(both: Both, from: Used, to: Used, now: CatalogType | undefined): TypeChange {
  if (now?.kind !== 'e') {
    const change = typeChange(to.text, labelType(both.old, { oid: from.oid }));
    // every label is a text of that type, and is read as it was.
    return change.is === 'fits' ? { is: 'widen', type: to.text, back: true } : only(from);
  }
  const [was, is] = [both.old, both.now].map(({ enums }, at) => enums.find(({ oid }) => oid === [from.oid, to.oid][at])?.labels ?? []);
  const isThere = (label: string): boolean => was!.some((one) => one.label === label);
  // made anew under its name, it gets the values that are new (enum-labels.ts).
  return from.text === to.text || is!.every(({ label }) => isThere(label)) ? { is: 'fits' } : only(from);
}

const only = ({ text }: Used): TypeChange => ({ is: 'expression', why: `only values that ${text} has would be understood` });

/** A type in which every label of an enum is. */
function labelType({ enums }: Catalog, { oid }: { readonly oid: number }): string {
  const lengths = enums.find((one) => one.oid === oid)?.labels.map(({ label }) => label.length) ?? [];
  return `character varying(${Math.max(1, ...lengths)})`;
}

const lost = (from: Used, to: Used): TypeChange => ({ is: 'loses', what: `values of type ${to.text} that are no ${from.text}` });

/** A composite value is the texts of its parts, without their names. */
function composite(both: Both, old: CatalogType, from: Used, now: CatalogType | undefined, to: Used): TypeChange {
  if (now?.kind !== 'c' || now.parts.length !== old.parts.length) return lost(from, to);
  const part = ({ type, oid }: CatalogType['parts'][number]): Used => ({ text: type, oid });
  return now.parts.every((one, at) => fitWithin(both, part(old.parts[at]!), part(one)).is === 'fits') ? { is: 'fits' } : lost(from, to);
}

/** What a type is when it is looked through its domains. */
export function plainText(catalog: Catalog, { text, oid }: Used): string {
  const type = typeIn(catalog, oid);
  if (type?.kind === 'd') return plainText(catalog, insideOf(type));
  if (!text.endsWith('[]')) return text;
  return `${plainText(catalog, element({ text, oid }, type))}[]`;
}

export const plainType = (catalog: Catalog, column: CatalogColumn): string => plainText(catalog, used(column));

/** A domain that refuses NULL or gives a value, with those that it is made of; undefined where a column is of none. */
export function domainOf(
  catalog: Catalog,
  { of }: Pick<CatalogColumn, 'of'>,
): { readonly notNull: boolean; readonly default: string | null } | undefined {
  const type = typeIn(catalog, of);
  if (type?.kind !== 'd') return undefined;
  const base = domainOf(catalog, { of: type.ofOid });
  return { notNull: type.notNull || (base?.notNull ?? false), default: type.default ?? base?.default ?? null };
}

/** A type that the fallback has: its own, or text for one that the migrations made. A domain would refuse that there is no value yet. */
export function knownType({ old, now }: Both, column: CatalogColumn): string {
  const plain = plainText(now, used(column));
  if (column.enum !== 0) return old.enums.find(({ oid }) => oid === column.enum)?.name ?? 'text';
  if (!plain.includes('.')) return plain;
  return old.tables.some((table) => table.columns.some(({ type }) => type === plain)) ? plain : 'text';
}

const isFree = ({ notNull, default: value, identity }: CatalogColumn): boolean => !notNull || value !== null || identity !== '';

/** Plans a value that says nothing, for a column that must have one and gets none; undefined where it needs none, or none is known. */
export function fill(both: Both, plan: TablePlan, column: CatalogColumn): string | undefined {
  if (isFree(column)) return undefined;
  const first = both.old.enums.find(({ oid }) => oid === column.enum)?.labels[0];
  // while it is fed, the fallback has the labels of the new schema.
  const label = both.now.enums.find(({ oid }) => oid === column.enum)?.labels.find(({ oid }) => oid === first?.oid) ?? first;
  const type = plainText(both.old, used(column));
  const value = label ? literal(label.label) : neutral(type);
  if (value === undefined) return undefined;
  const typed = `${value}::${type}`;
  plan.fill.push({ column: heldAs(plan, column.name), value: typed });
  return typed;
}

/** What to do where nothing fills a column that may not be NULL: the first row would stop the feed. */
export function unfilled(both: Both, plan: TablePlan, column: CatalogColumn): string | undefined {
  if (fill(both, plan, column) !== undefined || isFree(column)) return undefined;
  return declareColumn(plan.old, column);
}

export const declareColumn = ({ name }: CatalogTable, column: CatalogColumn): string =>
  `declare columns: {table: '${name}', column: '${column.name}', from: …}`;
