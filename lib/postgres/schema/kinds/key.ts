/** The key by which rows are found. Production must send, and the fallback look for, the same one. */
import { ident } from '../../connection/connect';
import { columnList } from '../../connection/tables';
import { type CatalogTable, columnAt, findsBy, sameColumn } from '../catalog';
import { type Difference, lossy } from '../difference';
import { neutral } from '../types';
import { fitOf, knownType } from './fit';
import type { Kind, Pair } from './kind';
import { heldAs } from './names';
import type { TablePlan } from './plan';
import { owner, type Part } from './statements';

export const key: Kind = {
  table(change) {
    const { plan, say } = change;
    const { old, now } = plan;
    const finds = findsBy(old);
    if (old.identityFull && finds.length === 0) {
      if (now.identityFull) return undefined;
      say(
        `${old.name}:key`,
        'lossy',
        `${old.name} has no key on the fallback, and production no longer sends whole rows`,
        `updates and deletes of ${old.name}; give it a primary key before the window`,
      );
      return 'stays';
    }
    const columns = finds.map((number) => columnAt(old, number));
    const others = columns.map((column) => sameColumn(column, old, now));
    const usable = others.every(
      (other, index) => other && other.generated === '' && ['fits', 'widen'].includes(fitOf(change, old, columns[index]!, other).is),
    );
    const lost = (why: string): 'stays' => {
      say(
        `${old.name}:key`,
        'lossy',
        `${old.name}: ${why}`,
        `every change of ${old.name} after opening; keep the old key as a NOT NULL column with a unique index`,
      );
      return 'stays';
    };
    if (columns.length === 0) return lost('it has no key by which rows could be found');
    if (!usable) return lost('its key is gone or of another kind');
    const names = others.map((other) => other!.name);
    if (names.some((name, index) => name !== heldAs(plan, columns[index]!.name))) {
      plan.identity = names;
      say(`${old.name}:key`, 'bridged', `the key of ${old.name} is renamed; the fallback finds rows by the new names too`);
    }
    const grown = grownKey({ ...change, table: old, other: now });
    if (grown) {
      grow(plan, grown);
      say(
        `${old.name}:key-grown`,
        'bridged',
        `the key of ${old.name} gains columns (${grown.names.join(', ')}); the fallback finds rows by them too, its own key is off until a rollback, and put back if the rows allow it`,
      );
      return undefined;
    }
    const numbers = others.map((other) => other!.number);
    if (now.identityFull || numbers.every((number) => now.identity.includes(number))) return undefined;
    if (others.some((other) => !other!.notNull)) return lost('production has another key, and the old one may be NULL');
    plan.keepKey = names;
    say(
      `${old.name}:other-key`,
      'bridged',
      `${now.name} has another key now; production sends the old one (${names.join(', ')}), by a unique index`,
    );
    return undefined;
  },

  *refuses(change) {
    yield* withoutKey(change);
    yield* widerKey(change);
  },

  script(plan, part) {
    onFallback(plan, part);
    onProduction(plan, part);
  },
};

/** What its replica identity is, in SQL. */
function identityOf(table: CatalogTable): string {
  if (table.identityFull) return 'FULL';
  if (table.identity.length === 0) return table.primaryKey.length === 0 ? 'DEFAULT' : 'NOTHING';
  const isIt = (numbers: readonly number[]): boolean => numbers.join() === table.identity.join();
  const index = isIt(table.primaryKey) ? undefined : table.indexes.find(({ plain, columns }) => plain && isIt(columns));
  return index ? `USING INDEX ${ident(index.name)}` : 'DEFAULT';
}

/** Rows without a key are found by all columns, so that none may be without its value. */
function* withoutKey({ table, other, declared }: Pair): Generator<Difference> {
  if (!table.identityFull || table.primaryKey.length > 0) return;
  for (const column of table.columns) {
    const now = sameColumn(column, table, other);
    const isDeclared = declared.columns?.some((one) => one.table === table.name && one.column === column.name);
    if (now && now.name === column.name && now.type === column.type && !isDeclared) continue;
    yield lossy(
      `${table.name}.${column.name}:no-key`,
      `${table.name}.${column.name} ${now ? `becomes ${now.name} ${now.type}` : 'is dropped'}, and the fallback finds rows of ${table.name} by all columns`,
      `updates and deletes of ${table.name}: the first of them stops the feed`,
      `give it a primary key before the window`,
    );
  }
}

/** Two rows of the new schema may have the same old key. */
function* widerKey(change: Pair): Generator<Difference> {
  const { table, other } = change;
  const columns = keyInNew(table, other);
  if (columns.length === 0 || columns.includes(undefined) || isUnique(other, columns) || grownKey(change)) return;
  yield lossy(
    `${table.name}:key-wider`,
    `the key of ${table.name} no longer keeps its rows apart: ${other.primaryKey.length} columns are the key now`,
    `rows that share an old key: the second of them stops the feed`,
    `keep a unique index on the old key until the teardown`,
  );
}

const keyInNew = (table: CatalogTable, other: CatalogTable): (number | undefined)[] =>
  findsBy(table).map((number) => sameColumn(columnAt(table, number), table, other)?.number);

/** Whether a rule of the new schema keeps rows apart by these columns. */
function isUnique({ primaryKey, indexes }: CatalogTable, columns: readonly (number | undefined)[]): boolean {
  const isWithin = (numbers: readonly number[]): boolean => numbers.length > 0 && numbers.every((number) => columns.includes(number));
  return isWithin(primaryKey) || indexes.some(({ columns: numbers, plain }) => plain && isWithin(numbers));
}

interface Grown {
  /** The new key. */
  readonly names: readonly string[];
  /** What of it is new altogether, and what rows have in it until they are brought over (footprint.ts). */
  readonly added: readonly { readonly name: string; readonly value: string }[];
  /** The old one's constraint. */
  readonly constraint: CatalogTable['constraints'][number];
}

/** A primary key that is the old one and more columns; undefined where it is none, or where the fallback cannot do without its own. */
function grownKey(change: Pair): Grown | undefined {
  const { table, other, old } = change;
  const columns = keyInNew(table, other);
  const constraint = table.constraints.find(({ type }) => type === 'p');
  if (!constraint || other.primaryKey.length === 0 || isUnique(other, columns)) return undefined;
  if (columns.includes(undefined) || findsBy(table).join() !== table.primaryKey.join()) return undefined;
  if (!columns.every((number) => other.primaryKey.includes(number!))) return undefined;
  if (!other.identityFull && other.identity.join() !== other.primaryKey.join()) return undefined;
  const isReferred = ({ type, definition }: Grown['constraint']): boolean =>
    type === 'f' && definition.includes(` REFERENCES ${table.name}(`);
  if (old.tables.some(({ constraints }) => constraints.some(isReferred))) return undefined;
  const key = other.primaryKey.map((number) => columnAt(other, number));
  const added = key.flatMap((column) => (table.columns.some((one) => sameColumn(one, table, other) === column) ? [] : [column]));
  // rows may have NULL in it until the migrations' own changes are brought over.
  const mayBeNull = table.columns.some((one) => !one.notNull && key.includes(sameColumn(one, table, other)!));
  if (
    mayBeNull ||
    key.some(({ generated }) => generated !== '') ||
    added.some(({ name }) => table.columns.some((one) => one.name === name))
  )
    return undefined;
  const values = added.flatMap((column) => {
    const value = isPlain(column.default) ? column.default : neutral(knownType(change, column));
    return value === undefined ? [] : [{ name: column.name, value }];
  });
  return values.length === added.length ? { names: key.map(({ name }) => name), added: values, constraint } : undefined;
}

const isPlain = (expression: string | null): expression is string =>
  expression !== null && /^('([^']|'')*'(::[\w ."(),]+)?|-?\d+(\.\d+)?|true|false)$/.test(expression) && !/\\/.test(expression);

function grow(plan: TablePlan, { names, added, constraint: { name, definition } }: Grown): void {
  plan.identity = [...names];
  for (const { name: column, value } of added) {
    const shadow = plan.shadows.find((one) => one.name === column)!;
    shadow.type += ` DEFAULT ${value}`;
  }
  plan.dropConstraints.push({ name, definition });
}

/** Rows are found by the new names. */
function onFallback({ now, old, shadows, identity: columns }: TablePlan, part: Part): void {
  if (!columns) return;
  const index = `switchback_key_${old.oid}`;
  part.fallback.push(
    ...columns.map((column) => owner(`ALTER TABLE ${now.name} ALTER COLUMN ${ident(column)} SET NOT NULL`)),
    owner(`CREATE UNIQUE INDEX ${index} ON ${now.name} (${columnList(columns)})`),
    owner(`ALTER TABLE ${now.name} REPLICA IDENTITY USING INDEX ${index}`),
  );
  // The old release does not know the column: it may stay empty again.
  part.revert.push(
    ...columns
      .filter((column) => shadows.some(({ name }) => name === column))
      .map((column) => owner(`ALTER TABLE ${now.name} ALTER COLUMN ${ident(column)} DROP NOT NULL`)),
    owner(`DROP INDEX ${ident(now.schema)}.${index}`),
    owner(`ALTER TABLE ${now.name} REPLICA IDENTITY ${identityOf(old)}`),
  );
}

/** An index that keeps the old key. */
function onProduction({ old, now, keepKey }: TablePlan, part: Part): void {
  if (!keepKey) return;
  const numbers = keepKey.map((name) => now.columns.find((column) => column.name === name)!.number);
  const existing = now.indexes.find(
    (index) => index.plain && index.columns.length === numbers.length && numbers.every((number) => index.columns.includes(number)),
  );
  const index = existing?.name ?? `switchback_key_${old.oid}`;
  if (!existing) part.production.push(owner(`CREATE UNIQUE INDEX IF NOT EXISTS ${index} ON ${now.name} (${columnList(keepKey)})`));
  part.production.push(owner(`ALTER TABLE ${now.name} REPLICA IDENTITY USING INDEX ${ident(index)}`));
  part.productionRevert.push(owner(`ALTER TABLE ${now.name} REPLICA IDENTITY ${identityOf(now)}`));
  if (!existing) part.productionRevert.push(owner(`DROP INDEX IF EXISTS ${ident(now.schema)}.${index}`));
}
