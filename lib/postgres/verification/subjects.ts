/** What is rehearsed of each published table: the columns that travel, and the key by which the fallback looks its rows up, as its own catalog says. */
import type { Db } from '../connection/connect';
import { readPublication } from '../replication/publication';
import type { FeedName } from '../replication/subscription';
import { type CatalogTable, columnAt, findsBy, readCatalog } from '../schema/catalog';
import type { Declared } from '../schema/declared';
import { heldAs } from '../schema/kinds/names';
import type { BridgePlan } from '../schema/kinds/plan';
import { mapping } from '../schema/mapping';
import { uniqueSets } from '../schema/sample-rows';
import type { Subject } from './apply-dry-run';

interface Feeding {
  readonly name: FeedName;
  readonly plan: BridgePlan;
  readonly declared?: Declared;
}

export async function subjectsOf(production: Db, fallback: Db, { name, plan, declared }: Feeding): Promise<Subject[]> {
  const published = new Map((await readPublication(production, name)).map((one) => [`${one.schema}.${one.table}`, one.columns]));
  const { pairs } = mapping(plan, { names: 'new', ...(declared ? { declared } : {}) });
  const [here, there] = [await readCatalog(production), await readCatalog(fallback)];
  const all = [
    ...plan.tables.map((table) => ({
      table: table.now,
      fixed: table.old.columns
        .filter((column) => column.identity === 'a' || column.generated !== '')
        .map((column) => heldAs(table, column.name)),
      fills: table.shadows.filter(({ from }) => from === undefined).map((column) => column.name),
    })),
    ...plan.inert.map((table) => ({ table, fixed: [], fills: [] })),
  ];
  return all.flatMap((one, index) => {
    const columns = published.get(`${one.table.schema}.${one.table.table}`);
    const [sent, found] = [here, there].map(({ tables }) => tables.find((table) => table.name === one.table.name));
    if (!columns || !sent || !found) return [];
    const named = (table: CatalogTable, numbers: readonly number[]): string[] => numbers.map((number) => columnAt(table, number).name);
    const key = named(found, findsBy(found));
    const sentKey = sent.identityFull ? columns : named(sent, sent.identity);
    const isUniqueHere = (names: readonly string[]): boolean =>
      uniqueSets(sent).some((set) => set.every((column) => names.includes(column)));
    return [
      {
        ...one,
        ...{ key, columns, pair: pairs[index]! },
        unsent: key.length === 0 && !sent.identityFull ? ['whole rows'] : key.filter((column) => !sentKey.includes(column)),
        besides: found.columns.filter((column) => column.generated === '' && !columns.includes(column.name)).map((column) => column.name),
        alsoUnique: key.length > 0 ? [key] : [],
        uniqueThere: uniqueSets(found).filter((set) => set.every((column) => columns.includes(column)) && !isUniqueHere(set)),
      },
    ];
  });
}
