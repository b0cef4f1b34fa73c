/** Makes a window that fails smaller: whatever can go without the fault going with it is struck out. */
import type { Plan } from './generate';

/** Bigger things first: with a table go its columns, its rows and what is done to it. */
function strikable(plan: Plan): string[][] {
  const columns = plan.tables.flatMap((table) => table.columns.filter((column) => column !== table.finder).map(({ id }) => id));
  return [
    plan.changes.map(({ id }) => id),
    plan.tables.map(({ id }) => id),
    plan.specials.map(({ id }) => id),
    plan.ops.map(({ id }) => id),
    [...plan.tables.flatMap(({ extras }) => extras.map(({ id }) => id)), ...columns],
  ];
}

/** The same in two halves, four quarters and so on, down to one at a time. */
function* chunks(ids: readonly string[]): Generator<string[][]> {
  for (let size = Math.ceil(ids.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    const some: string[][] = [];
    for (let at = 0; at < ids.length; at += size) some.push(ids.slice(at, at + size));
    yield some;
  }
}

/**
 * `fails`: of so many candidates, each with what is struck out, whether it fails as the first one did. They are asked together, because
 * servers are started for all of them at once.
 */
export async function shrink(
  plan: Plan,
  fails: (candidates: readonly ReadonlySet<string>[]) => Promise<readonly boolean[]>,
): Promise<ReadonlySet<string>> {
  let without: ReadonlySet<string> = new Set();
  for (const ids of strikable(plan)) {
    for (const some of chunks(ids)) {
      const left = some.map((chunk) => chunk.filter((id) => !without.has(id))).filter((chunk) => chunk.length > 0);
      if (left.length === 0) continue;
      const each = left.map((chunk) => new Set([...without, ...chunk]));
      const failed = await fails(each);
      const able = left.filter((_, index) => failed[index]);
      if (able.length === 0) continue;
      // what can go by itself can mostly go together; where it cannot, the first of it goes.
      const together = new Set([...without, ...able.flat()]);
      const [all] = able.length === 1 ? [true] : await fails([together]);
      without = all ? together : new Set([...without, ...able[0]!]);
    }
  }
  return without;
}
