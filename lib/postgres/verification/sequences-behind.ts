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

/** One that goes round hands out numbers again by itself. */
const read = (db: Db): Promise<Last[]> =>
  db.query<Last>(
    `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS sequence, pg_catalog.pg_sequence_last_value(c.oid)::text AS last, q.seqincrement > 0 AS up
       FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE ${userSchema} AND NOT q.seqcycle AND NOT ${ofExtension('pg_class', 'c.oid')} ORDER BY 1`,
  );
