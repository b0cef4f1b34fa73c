/** Sequences are not replicated. Before a database takes over, its sequences are moved ahead of the other's, with a margin. */
import { type Db, keepPlan, literal } from '../connection/connect';
import { placesOf } from '../connection/sequence-places';
import { ofExtension, userSchema } from '../connection/server';

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
  /** Used on the one side, not there on the other (made or renamed by the migrations). */
  readonly missing: readonly string[];
  /** Moved, but with less than the margin left, or not movable at all: the next numbers may run out. */
  readonly nearEnd: readonly string[];
}

interface Sequence {
  readonly sequence: string;
  /** Null when it was never used, nor placed. One that was placed (`setval(…, false)`, `RESTART`) has given out all numbers before that. */
  readonly last: string | null;
  /** False of one that has given out nothing since it was made or placed: what it gave out before that is only in its columns. */
  readonly called: boolean;
  readonly start: string;
  readonly increment: string;
  readonly min: string;
  readonly max: string;
  readonly cycle: boolean;
  /** Columns that get their numbers from it. */
  readonly fills: readonly string[];
}

/**
 * Sets every sequence of `to` to what `from` has used plus `margin` steps; never back, and a gap in numbers harms nobody. One that `from`
 * does not have under that name (a migration has renamed or dropped it), or that was placed anew or fills other columns there, goes past
 * what its columns hold. May be run again.
 */
export async function advanceSequences(from: Db, to: Db, margin: number): Promise<AdvancedSequences> {
  // at once: in a rollback nobody can write while they are read.
  const [source, there] = await Promise.all([read(from), read(to)]);
  const target = new Map(there.map((row) => [row.sequence, row]));
  const moves = new Map<string, SequenceMove>();
  const missing: string[] = [];
  const nearEnd: string[] = [];
  const past = (there: Sequence, used: { readonly last: string; readonly increment: string }) => {
    const increment = BigInt(used.increment);
    const [min, max] = [BigInt(there.min), BigInt(there.max)];
    const wanted = BigInt(used.last) + BigInt(margin) * increment;
    const goal = wanted > max ? max : wanted < min ? min : wanted;
    if (goal !== wanted) nearEnd.push(there.sequence);
    const last = moves.get(there.sequence)?.to ?? there.last;
    const current = last === null ? undefined : BigInt(last);
    const behind = current === undefined || (increment > 0n ? current < goal : current > goal);
    if (behind) moves.set(there.sequence, { sequence: there.sequence, from: there.last ?? there.start, to: goal.toString() });
  };
  for (const { sequence, last, increment } of source) {
    if (last === null) continue;
    const there = target.get(sequence);
    if (there) past(there, { last, increment });
    else missing.push(sequence);
  }
  const named = new Map(source.map((one) => [one.sequence, one]));
  for (const there of target.values()) {
    const same = named.get(there.sequence);
    // what it fills here has got its numbers elsewhere there: from an identity, from another sequence, or before that was placed anew.
    const isKnown = same !== undefined && (same.called || there.last === null);
    if (isKnown && there.fills.every((column) => same.fills.includes(column))) continue;
    const last = await furthest(to, there);
    if (last !== null) past(there, { last, increment: there.increment });
  }
  const moved = [...moves.values()];
  if (moved.length > 0) {
    // without parameters it is one message, also where the run's lock is looked at with it.
    const each = moved.map(({ sequence, to: value }) => `(${literal(sequence)}, ${value})`);
    await to.query(`SELECT pg_catalog.setval(s.name::regclass, s.value::bigint) FROM (VALUES ${each.join(', ')}) AS s(name, value)`);
  }
  return { moved, missing, nearEnd };
}

/**
 * Sequences that could not be moved ahead by so many numbers any more, one sentence each: after a rollback, inserts would soon fail.
 * Looks only. Numbers that the new schema hands out may be wider than the old schema can hold.
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

/** The largest number in the columns that a sequence fills, or the smallest of one that counts down; null where there is none. */
async function furthest(db: Db, { sequence, increment }: Sequence): Promise<string | null> {
  const columns = await db.query<{ in: string; column: string }>(
    `SELECT DISTINCT pg_catalog.format('%I.%I', n.nspname, t.relname) AS in, pg_catalog.quote_ident(a.attname) AS column
       FROM (SELECT refobjid, refobjsubid FROM pg_catalog.pg_depend
              WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = $1::regclass AND deptype IN ('a', 'i')
              UNION
             SELECT d.adrelid, d.adnum FROM pg_catalog.pg_depend u JOIN pg_catalog.pg_attrdef d ON d.oid = u.objid
              WHERE u.classid = 'pg_catalog.pg_attrdef'::regclass AND u.refobjid = $1::regclass) AS filled (oid, attnum)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = filled.oid AND a.attnum = filled.attnum
       JOIN pg_catalog.pg_class t ON t.oid = filled.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
      WHERE a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) ORDER BY 1, 2`,
    [sequence],
  );
  const [aggregate, best] = BigInt(increment) > 0n ? ['max', 'greatest'] : ['min', 'least'];
  if (columns.length === 0) return null;
  const each = columns.map((one) => `(SELECT ${aggregate}(${one.column}) FROM ${one.in})`);
  const [row] = await db.query<{ last: string | null }>(`SELECT ${best}(${each.join(', ')})::text AS last`);
  return row?.last ?? null;
}

/** Before the gap: both are asked once, so that the plan is made. */
export async function prepareSequences(from: Db, to: Db): Promise<void> {
  await Promise.all([read(from), read(to)]);
}

async function read(db: Db): Promise<Sequence[]> {
  const sequences = await db.query<Omit<Sequence, 'called'>>(keepPlan(readSql));
  const placed = await placesOf(db, sequences);
  return sequences.map((one) => ({ ...one, called: one.last !== null, last: one.last ?? placed.get(one.sequence) ?? null }));
}

const readSql = `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS sequence, pg_catalog.pg_sequence_last_value(c.oid)::text AS last,
            q.seqstart::text AS start, q.seqincrement::text AS increment, q.seqmin::text AS min, q.seqmax::text AS max, q.seqcycle AS cycle,
            coalesce((SELECT pg_catalog.json_agg(DISTINCT f.oid::regclass || '.' || a.attname) FROM (
               SELECT d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i' AND d.refobjsubid > 0
                UNION ALL
               SELECT d.adrelid, d.adnum FROM pg_catalog.pg_depend u JOIN pg_catalog.pg_attrdef d ON d.oid = u.objid
                WHERE u.classid = 'pg_catalog.pg_attrdef'::regclass AND u.refclassid = 'pg_catalog.pg_class'::regclass AND u.refobjid = c.oid) AS f (oid, attnum) JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attnum = f.attnum), '[]') AS fills
       FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE ${userSchema} AND c.relpersistence = 'p' AND NOT ${ofExtension('pg_class', 'c.oid')} ORDER BY 1`;
