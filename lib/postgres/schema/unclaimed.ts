/**
 * Two databases of one lineage compared whole, kind by kind (looks/). What a migration has changed is claimed by something that carries it,
 * or said to be carried, or refused with the SQL that shows it. From then on nothing is silent.
 */
import { createHash } from 'node:crypto';
import { inPattern } from '../../base/plain-text';
import { allInOrder, type Db, keepPlan } from '../connection/connect';
import { type Catalog, sameColumn, sameTable } from './catalog';
import type { Difference } from './difference';
import { type Found, type Look, looks, type World } from './looks';

export type Inventory = readonly Found[];

/** @param known of another database of the same lineage: what is stored as there is defined as there */
export async function readInventory(db: Db, known: Inventory = []): Promise<Inventory> {
  const idOf = ({ kind, key, stored }: Found): string => createHash('md5').update(`${kind} ${key} ${stored}`).digest('hex');
  const same = new Map(known.flatMap((one) => (one.stored === null ? [] : [[idOf(one), one.definition] as const])));
  const found = await db.transaction(async (inside) => {
    const [, , rows] = await allInOrder<unknown[]>([
      // compiling it would take longer than it does.
      inside.query("SET LOCAL search_path = ''; SET LOCAL jit = off"),
      inside.query('SELECT pg_catalog.set_config($1, $2, true)', [knownSetting, [...same.keys()].join()]),
      inside.query(keepPlan(everything)),
    ]);
    return rows as (Omit<Found, 'definition'> & { definition: string | null })[];
  });
  return found.map((one) => ({ ...one, definition: one.definition ?? same.get(idOf({ ...one, definition: '' })) ?? '' }));
}

const knownSetting = 'switchback.known';
const everything = `WITH known AS MATERIALIZED (SELECT unnest(pg_catalog.string_to_array(pg_catalog.current_setting('${knownSetting}', true), ',')) AS same)
${looks.map(({ sql }) => sql).join('\nUNION ALL\n')}`;

export interface Schemas {
  readonly old: Catalog;
  readonly now: Catalog;
}

/** Both of one lineage: a copy of a database, and the same after its migrations. */
export function unclaimed(before: Inventory, after: Inventory, schemas?: Schemas): Difference[] {
  const world = worldOf(before, after);
  const renamed = schemas ? renames(schemas) : (text: string) => text;
  return looks.flatMap((look) => {
    const [old, now] = [before, after].map((all) => all.filter(({ kind }) => kind === look.kind));
    return ofKind(look, old!, now!, world, renamed);
  });
}

function ofKind(look: Look, before: Inventory, after: Inventory, world: World, renamed: (text: string) => string): Difference[] {
  const differences: Difference[] = [];
  const left = new Set(after);
  const [byKey, byName] = [new Map(after.map((one) => [one.key, one])), new Map(after.map((one) => [one.name, one]))];
  const kept = new Set(before.map(({ key }) => key));
  const judge = (event: 'isNew' | 'isGone' | 'isChanged', old: Found, now: Found, what: string): void => {
    const rule = look[event];
    const fate = typeof rule === 'function' ? rule(world, old, now) : rule;
    if (fate === 'claimed') return;
    const id = `${old.name}:${look.kind.replaceAll(' ', '-')}`;
    if (fate === 'carried') differences.push({ id, verdict: 'carried', what: `the ${look.kind} ${old.name} ${what}` });
    else {
      const { loses, instead } = fate;
      const shown = `the ${look.kind} ${old.name} ${what} (${old.shows || now.shows})`;
      differences.push({ id, verdict: 'lossy', what: shown, loses, ...(instead === undefined ? {} : { instead }) });
    }
  };
  for (const old of before) {
    const another = byName.get(renamed(old.name)) ?? byName.get(old.name);
    // made anew under its name; not one that only got the name of this.
    const now = byKey.get(old.key) ?? (another && !kept.has(another.key) ? another : undefined);
    if (!now) {
      judge('isGone', old, old, `is gone${told(old)}`);
      continue;
    }
    left.delete(now);
    const same =
      now.definition === old.definition || now.definition === renamed(old.definition) || (old.stored !== null && now.stored === old.stored);
    if (!same) judge('isChanged', old, now, short(now) && short(old) ? `becomes ${now.definition} (was ${old.definition})` : 'is another');
  }
  for (const now of left) judge('isNew', now, now, `is new${told(now)}`);
  return differences;
}

const short = ({ definition }: Found): boolean => definition.length < 160 && !/[\n{]/.test(definition);
const told = (found: Found): string => (short(found) && found.definition !== '' ? `: ${found.definition}` : '');

function worldOf(before: Inventory, after: Inventory): World {
  const tablesOf = (all: Inventory): Set<number> => new Set(all.filter(({ kind }) => kind === 'persistence').map(({ of }) => of));
  const [was, is] = [tablesOf(before), tablesOf(after)];
  const functions = before.filter(({ kind }) => kind === 'function');
  // plpgsql calls by name, of which the catalog knows nothing.
  const uses = new Map(functions.map((one) => [one.key, new Set(one.facts.split(' ').filter(Boolean))]));
  for (let more = true; more; ) {
    more = false;
    for (const caller of functions.filter(({ key }) => uses.get(key)!.size > 0))
      for (const called of functions) {
        if (called === caller || !names(caller.definition, called)) continue;
        for (const use of uses.get(caller.key)!)
          if (!uses.get(called.key)!.has(use)) {
            uses.get(called.key)!.add(use);
            more = true;
          }
      }
  }
  return {
    stays: (table) => was.has(table) && is.has(table),
    there: (table) => is.has(table),
    uses: ({ key }) => uses.get(key) ?? new Set(),
  };
}

const names = (text: string, { name }: Found): boolean => {
  const called = name.slice(0, name.indexOf('(')).split('.').at(-1)!;
  return new RegExp(`(^|[^\\w])${inPattern(called)}\\s*\\(`).test(text);
};

/** A definition as it reads when tables and columns got other names: something made anew is the same when it says the same. */
function renames({ old, now }: Schemas): (text: string) => string {
  const to = new Map<string, string>();
  for (const table of old.tables) {
    const other = sameTable(table, now);
    if (!other) continue;
    if (other.table !== table.table) to.set(table.table, other.table);
    for (const column of table.columns) {
      const renamed = sameColumn(column, table, other);
      if (renamed && renamed.name !== column.name) to.set(column.name, renamed.name);
    }
  }
  if (to.size === 0) return (text) => text;
  const all = new RegExp(`(?<![\\w$])(${[...to.keys()].map(inPattern).join('|')})(?![\\w$])`, 'g');
  return (text) => text.replace(all, (name) => to.get(name)!);
}
