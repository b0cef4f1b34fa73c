/**
 * Changes that two catalogs show and no bridge carries, although each part of them for itself would be: a name that two things have had,
 * an enum inside of another type, a table whose rows are found by all of their columns, a key that lets in what the old one did not.
 */
import { type Catalog, type CatalogColumn, type CatalogTable, sameColumn, sameTable } from './catalog';
import type { Declared, Difference } from './classify';

export function structuralLosses(old: Catalog, now: Catalog, declared: Declared = {}): Difference[] {
  const found: Difference[] = [];
  for (const table of old.tables) {
    const other = sameTable(table, now);
    if (!other?.persistent || !table.persistent) continue;
    found.push(
      ...nameTaken(table, other, old),
      ...withoutKey(table, other, declared),
      ...widerKey(table, other),
      ...finerKeys(table, other),
      ...enumsInside(table, other, old, now),
      ...largeObjects(table, other),
    );
  }
  for (const table of now.tables)
    if (!old.tables.some((one) => sameTable(one, now) === table))
      found.push(...table.columns.filter(pointsOutside).map((column) => large(table, column)));
  return found;
}

/** `instead`: where the window would not work with it. */
const lossy = (id: string, what: string, loses: string, instead?: string): Difference => ({
  ...{ id, verdict: 'lossy', what, loses },
  ...(instead === undefined ? {} : { instead }),
});

/** The fallback keeps both names beside each other while it is fed: two things cannot have one. */
function* nameTaken(table: CatalogTable, other: CatalogTable, old: Catalog): Generator<Difference> {
  if (other.name !== table.name && old.tables.some(({ name }) => name === other.name))
    yield lossy(
      `${table.name}:name-taken`,
      `${table.name} becomes ${other.name}, which was another table before`,
      `rows of both: it cannot be told which of the two the old release means`,
      `take a name that nothing had`,
    );
  for (const column of table.columns) {
    const renamed = sameColumn(column, table, other);
    if (!renamed || renamed.name === column.name) continue;
    if (table.columns.some(({ name }) => name === renamed.name))
      yield lossy(
        `${table.name}.${column.name}:name-taken`,
        `${table.name}.${column.name} becomes ${renamed.name}, which was another column before`,
        `values of both columns of rows written after opening`,
        `take a name that nothing had, or do it in two windows`,
      );
  }
}

/** Rows without a key are found by all columns, so that none may be without its value. */
function* withoutKey(table: CatalogTable, other: CatalogTable, declared: Declared): Generator<Difference> {
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
function* widerKey(table: CatalogTable, other: CatalogTable): Generator<Difference> {
  if (table.identityFull || table.identity.length === 0) return;
  const key = table.identity.map((number) => sameColumn(table.columns.find((column) => column.number === number)!, table, other)?.number);
  if (key.some((number) => number === undefined)) return;
  const isWithin = (columns: readonly number[]): boolean => columns.length > 0 && columns.every((number) => key.includes(number));
  const unique = isWithin(other.primaryKey) || other.indexes.some(({ columns, plain }) => plain && isWithin(columns));
  if (unique) return;
  yield lossy(
    `${table.name}:key-wider`,
    `the key of ${table.name} no longer keeps its rows apart: ${other.primaryKey.length} columns are the key now`,
    `rows that share an old key: the second of them stops the feed`,
    `keep a unique index on the old key until the teardown`,
  );
}

/** Types to which values are the same that others tell apart: by case, by blanks at the end. */
const coarse: readonly (readonly [type: RegExp, by: string])[] = [
  [/^(\w+\.)?citext$/, 'in case'],
  [/^character(\(\d+\))?$/, 'in blanks at the end'],
];

/** What the new schema tells apart and the old one does not: two such rows have one key on the fallback. */
function* finerKeys(table: CatalogTable, other: CatalogTable): Generator<Difference> {
  // a rule that the new schema has dropped is off on the fallback, too.
  const keys = new Set([
    ...other.primaryKey,
    ...other.indexes.flatMap(({ columns }) => columns),
    ...other.constraints.flatMap(({ type, columns }) => (type === 'u' ? columns : [])),
  ]);
  for (const column of table.columns) {
    const is = coarse.find(([type]) => type.test(column.type));
    const now = sameColumn(column, table, other);
    if (!is || !now || is[0].test(now.type)) continue;
    if (!keys.has(now.number) && !table.identity.includes(column.number)) continue;
    yield lossy(
      `${table.name}.${column.name}:keys-told-apart`,
      `${table.name}.${column.name} becomes ${now.type} (was ${column.type}) and is part of a key`,
      `rows whose keys differ only ${is[1]}: the second of them stops the feed`,
      `keep its type, or drop the key's rule until the teardown`,
    );
  }
}

/** A value that is renamed arrives under its new name where the enum is only a part of the column's type, or tells rows apart. */
function* enumsInside(table: CatalogTable, other: CatalogTable, old: Catalog, now: Catalog): Generator<Difference> {
  const renamed = old.enums.flatMap((one) => {
    const is = now.enums.find(({ oid }) => oid === one.oid);
    const labels = one.labels.filter(({ oid, label }) => is?.labels.some((other) => other.oid === oid && other.label !== label));
    return labels.length > 0 ? [{ ...one, labels }] : [];
  });
  for (const column of table.columns)
    for (const one of renamed) {
      const isKey = one.oid === column.enum && table.identity.includes(column.number);
      if (!isKey && column.type !== `${one.name}[]`) continue;
      if (!sameColumn(column, table, other)) continue;
      yield lossy(
        `${table.name}.${column.name}:renamed-values`,
        `${table.name}.${column.name} (${column.type}) has renamed values: ${one.labels.map(({ label }) => label).join(', ')} before`,
        isKey
          ? `updates and deletes of rows with them: they are found by that column`
          : `the old names of ${table.name}.${column.name} in rows written after opening`,
      );
    }
}

const pointsOutside = ({ type }: CatalogColumn): boolean => /^(oid|lo|public\.lo)$/.test(type);

const large = (table: CatalogTable, column: CatalogColumn): Difference =>
  lossy(
    `${table.name}.${column.name}:large-objects`,
    `${table.name}.${column.name} is new and may name large objects (${column.type})`,
    `large objects written after opening: they do not travel; use bytea, or accept it where the numbers name none`,
  );

function* largeObjects(table: CatalogTable, other: CatalogTable): Generator<Difference> {
  for (const column of other.columns)
    if (pointsOutside(column) && !table.columns.some((one) => sameColumn(one, table, other) === column)) yield large(table, column);
}
