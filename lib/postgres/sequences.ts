/** Sequences are not replicated. Before a database takes over, its sequences are moved ahead of the other's, with a margin. */
import type { Db } from './connect';
import { ofExtension, userSchema } from './server';

/** By how much a rollback moves them ahead. */
export const sequenceMargin = 10_000;

export interface SequenceMove {
  /** `schema.sequence` */
  readonly sequence: string;
  readonly from: string;
  readonly to: string;
}

export interface AdvancedSequences {
  readonly moved: readonly SequenceMove[];
  /** Used on the one side, not there on the other (made by the migrations): nothing to move. */
  readonly missing: readonly string[];
  /** Moved, but with less than the margin left, or not movable at all: the next numbers may run out. */
  readonly nearEnd: readonly string[];
}

interface Sequence {
  readonly sequence: string;
  /** Null when it was never used. */
  readonly last: string | null;
  readonly start: string;
  readonly increment: string;
  readonly min: string;
  readonly max: string;
  readonly cycle: boolean;
}

/**
 * Sets every sequence of `to` to what `from` has used plus `margin` steps; never back. May be run again, and ahead of time: the margin
 * covers what is used in between, and a gap in numbers harms nobody.
 */
export async function advanceSequences(from: Db, to: Db, margin: number): Promise<AdvancedSequences> {
  const [source, target] = [await read(from), new Map((await read(to)).map((row) => [row.sequence, row]))];
  const moved: SequenceMove[] = [];
  const missing: string[] = [];
  const nearEnd: string[] = [];
  for (const used of source) {
    if (used.last === null) continue;
    const there = target.get(used.sequence);
    if (there === undefined) {
      missing.push(used.sequence);
      continue;
    }
    const increment = BigInt(used.increment);
    const [min, max] = [BigInt(there.min), BigInt(there.max)];
    const wanted = BigInt(used.last) + BigInt(margin) * increment;
    const goal = wanted > max ? max : wanted < min ? min : wanted;
    if (goal !== wanted) nearEnd.push(used.sequence);
    const current = there.last === null ? undefined : BigInt(there.last);
    const behind = current === undefined || (increment > 0n ? current < goal : current > goal);
    if (behind) moved.push({ sequence: used.sequence, from: there.last ?? there.start, to: goal.toString() });
  }
  if (moved.length > 0) {
    await to.query('SELECT pg_catalog.setval(s.name::regclass, s.value) FROM unnest($1::text[], $2::bigint[]) AS s(name, value)', [
      moved.map((move) => move.sequence),
      moved.map((move) => move.to),
    ]);
  }
  return { moved, missing, nearEnd };
}

/**
 * Sequences that could not be moved ahead by so many numbers any more, one sentence each: after a rollback, inserts would soon fail.
 * Looks only. Numbers that the new form hands out may be wider than the old form can hold.
 */
export async function endingSequences(from: Db, to: Db, margin: number): Promise<string[]> {
  const [source, target] = [await read(from), new Map((await read(to)).map((row) => [row.sequence, row]))];
  return source.flatMap(({ sequence, last, increment }) => {
    const there = target.get(sequence);
    if (last === null || there === undefined) return [];
    const [step, used] = [BigInt(increment), BigInt(last)];
    const left = step > 0n ? (BigInt(there.max) - used) / step : (used - BigInt(there.min)) / -step;
    // of a short range, a tenth of it.
    const tenth = (BigInt(there.max) - BigInt(there.min)) / 10n;
    return there.cycle || left >= (tenth < BigInt(margin) ? tenth : BigInt(margin))
      ? []
      : [`the sequence ${sequence} has ${left > 0n ? left : 'no'} numbers left on the fallback`];
  });
}

async function read(db: Db): Promise<Sequence[]> {
  return db.query<Sequence>(
    `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS sequence, pg_catalog.pg_sequence_last_value(c.oid)::text AS last,
            q.seqstart::text AS start, q.seqincrement::text AS increment, q.seqmin::text AS min, q.seqmax::text AS max, q.seqcycle AS cycle
       FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE ${userSchema} AND c.relpersistence = 'p' AND NOT ${ofExtension('pg_class', 'c.oid')} ORDER BY 1`,
  );
}
