/** Sequences after a rollback: one that is behind the former production's would hand out numbers again that rows have already. */
import type { Db } from '../connection/connect';
import { ofExtension, userSchema } from '../connection/server';

export interface SequenceBehind {
  /** `schema.sequence` */
  readonly sequence: string;
  /** The last number that production has given out, and the fallback; null where none was. */
  readonly given: string;
  readonly there: string | null;
  /** Whether it counts up. */
  readonly up: boolean;
}

/** Looked at by one statement: each sequence is a table of one row. */
const atOnce = 500;

interface Last {
  readonly sequence: string;
  readonly last: string | null;
  readonly up: boolean;
}

/** Of sequences that both have under the same name. Those of the fallback may have gone on since; they never go back. */
export async function sequencesBehind(production: Db, fallback: Db): Promise<SequenceBehind[]> {
  const [here, there] = [await read(production), new Map((await read(fallback)).map((one) => [one.sequence, one]))];
  return here.flatMap(({ sequence, last: given, up }) => {
    const other = there.get(sequence);
    if (given === null || !other || other.up !== up) return [];
    const reached = other.last !== null && (up ? BigInt(other.last) >= BigInt(given) : BigInt(other.last) <= BigInt(given));
    return reached ? [] : [{ sequence, given, there: other.last, up }];
  });
}

/**
 * One that goes round hands out numbers again by itself. Read from each sequence itself: of one that was placed (`setval(…, false)`, `RESTART
 * WITH`) and has given out nothing since, the views say as little as of one that was never used.
 */
async function read(db: Db): Promise<Last[]> {
  const found = await db.query<{ sequence: string; start: string; increment: string }>(
    `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS sequence, q.seqstart::text AS start, q.seqincrement::text AS increment
       FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE ${userSchema} AND NOT q.seqcycle AND NOT ${ofExtension('pg_class', 'c.oid')} ORDER BY 1`,
  );
  const states = new Map<string, { readonly value: string; readonly called: boolean }>();
  for (let from = 0; from < found.length; from += atOnce) {
    const some = found.slice(from, from + atOnce).map(({ sequence }) => sequence);
    const each = some.map((sequence, at) => `SELECT ${at} AS at, last_value::text AS value, is_called AS called FROM ${sequence}`);
    for (const { at, ...state } of await db.query<{ at: number; value: string; called: boolean }>(each.join(' UNION ALL ')))
      states.set(some[at]!, state);
  }
  return found.map(({ sequence, start, increment }) => {
    const { value, called } = states.get(sequence)!;
    const placed = value === start ? null : (BigInt(value) - BigInt(increment)).toString();
    return { sequence, last: called ? value : placed, up: BigInt(increment) > 0n };
  });
}
