/** Reads both databases by SQL of its own, and compares them with the model. */
import type { Expected } from './migration';
import type { Drawn } from './play';
import { anything, type Cell } from './world';

/** Statements one after the other, as the superuser; rows as lists of their values. */
export type Ask = (sql: string) => Promise<readonly (readonly unknown[])[]>;

const asTexts = [
  'SET TimeZone = UTC',
  "SET DateStyle = 'ISO, YMD'",
  'SET IntervalStyle = postgres',
  'SET bytea_output = hex',
  'SET extra_float_digits = 1',
];

/** Where it is not as it must be, one sentence each. */
export async function differences(ask: Ask, tables: readonly Expected[], where: string): Promise<string[]> {
  for (const setting of asTexts) await ask(setting);
  const found: string[] = [];
  for (const table of tables) found.push(...(await ofTable(ask, table, where)));
  return found;
}

async function ofTable(ask: Ask, { table, columns, finder, rows }: Expected, where: string): Promise<string[]> {
  let there: readonly (readonly unknown[])[];
  try {
    there = await ask(`SELECT ${columns.map((column) => `${column}::text`).join(', ')} FROM ${table}`);
  } catch (error) {
    return [`${where}: ${table} cannot be read: ${(error as Error).message}`];
  }
  const found: string[] = [];
  const left = new Map<unknown, readonly unknown[][]>();
  for (const row of there) left.set(row[finder], [...(left.get(row[finder]) ?? []), row as unknown[]]);
  for (const row of rows) {
    const key = row[finder];
    const candidates = left.get(key) ?? [];
    const [one, ...others] = candidates;
    if (!one) {
      found.push(`${where}: ${table} lacks the row ${shown(key!)}`);
      continue;
    }
    left.set(key, others);
    row.forEach((cell, index) => {
      if (cell !== anything && cell !== one[index])
        found.push(`${where}: ${table} ${shown(key!)}: ${columns[index]} is ${shown(one[index] as Cell)}, right is ${shown(cell)}`);
    });
  }
  for (const [key, others] of left) if (others.length > 0) found.push(`${where}: ${table} has a row too many: ${shown(key as Cell)}`);
  return found;
}

/** Numbers that production has given out and that the fallback has otherwise. The old release may have changed a key since. */
export async function drawnOtherwise(fallback: Ask, production: Ask, all: readonly Drawn[]): Promise<string[]> {
  const found: string[] = [];
  for (const { old, now, keys } of all) {
    const read = async (ask: Ask, { table, finder, column }: Drawn['old']): Promise<Map<unknown, unknown>> =>
      new Map((await ask(`SELECT ${finder}::text, ${column}::text FROM ${table}`)).map(([key, value]) => [key, value] as const));
    const [there, here] = [await read(fallback, old), await read(production, now)];
    for (const [key, other] of keys)
      if (there.has(key) && here.has(other) && there.get(key) !== here.get(other))
        found.push(
          `fallback: ${old.table} ${shown(key)}: ${old.column} is ${shown(there.get(key) as Cell)}, production gave ${shown(here.get(other) as Cell)}`,
        );
  }
  return found;
}

function shown(cell: Cell): string {
  if (cell === anything) return 'anything';
  if (cell === null) return 'NULL';
  return cell.length > 60 ? `'${cell.slice(0, 30)}…' (${cell.length} characters)` : `'${cell}'`;
}
