/**
 * Does every published table's row arrive, in the old schema, before customers write any? For each table a row is made on production,
 * changed and deleted again in one transaction, so that nothing of it stays. Before that is committed, the fallback rehearses the same
 * changes as its apply worker would, in a transaction that is rolled back: a bridge that cannot take them says so in PostgreSQL's own
 * words, and nothing has been sent. Then it travels. A row that is there already is written over with itself, and must arrive too.
 */

import { quietFor, readTriggerState, type TriggerState } from '../access/triggers';
import { DatabaseError, type Db, ident } from '../connection/connect';
import { majorVersion } from '../connection/server';
import { feedHealth } from '../replication/feed';
import { markerRoundTrip, probe } from '../replication/marker';
import type { FeedName } from '../replication/subscription';
import type { Catalog } from '../schema/catalog';
import type { Declared } from '../schema/declared';
import type { BridgePlan } from '../schema/kinds/plan';
import { sampleRows, uniqueSets } from '../schema/sample-rows';
import {
  type Attempt,
  asText,
  atRow,
  type Change,
  directly,
  insert,
  isRefusal,
  place,
  type Refusal,
  type Rehearsed,
  type Row,
  rehearse,
  returning,
  type Sides,
  type Subject,
  texts,
  Undo,
  versionOf,
  whereKey,
} from './apply-dry-run';
import { subjectsOf } from './subjects';

export interface RoundTripOptions {
  readonly name: FeedName;
  /** Production's catalog, and what the classifier made of it. */
  readonly now: Catalog;
  readonly plan: BridgePlan;
  readonly declared?: Declared;
  /** Customers write meanwhile: no table is locked, no row waited for. @default false */
  readonly live?: boolean;
  /** Ids of failures that the operator accepts: such a table is not sent. @default none */
  readonly accepted?: readonly string[];
  readonly onProgress?: (tables: number, of: number) => void;
}

/** What was proven of one table. */
export interface TableRoundTrip {
  readonly table: string;
  /** `made`: a row was inserted, changed and deleted. `written`: one that is there was updated, and a new version of it is on the fallback. */
  readonly made: boolean;
  readonly written: boolean;
  /** Why not both. */
  readonly why: readonly string[];
}

export interface RoundTrip {
  readonly tables: readonly TableRoundTrip[];
  readonly refused: readonly Refusal[];
  /** What went wrong on the way although it had been rehearsed. */
  readonly lost: readonly string[];
  readonly milliseconds: number;
}

export async function roundTrip(production: Db, fallback: Db, options: RoundTripOptions): Promise<RoundTrip> {
  const began = performance.now();
  const { name, accepted = [] } = options;
  const subjects = await subjectsOf(production, fallback, options);
  const sides: Sides = {
    production,
    fallback,
    here: await readTriggerState(production),
    there: await readTriggerState(fallback),
    owners: (await majorVersion(fallback)) >= 16 ? await ownersOf(fallback) : new Map(),
  };
  const before = await feedHealth(production, fallback, name);
  const results: (TableResult & { subject: Subject })[] = [];
  for (const subject of subjects) {
    results.push({ subject, ...(await tableTrip(sides, subject, options)) });
    options.onProgress?.(results.length, subjects.length);
  }
  const lost = await arrived(production, fallback, name, before.applyErrors);
  if (lost.length === 0) {
    for (const { subject, made, written } of results) {
      // without a key there may be others like it, which were there before: whether none too many is left, the proof counts.
      for (const values of subject.key.length > 0 ? made : [])
        if ((await versionOf(fallback, subject, values)) !== undefined)
          lost.push(`${subject.table.name}: a row that was deleted is still on the fallback`);
      if (written) lost.push(...(await newVersion(sides, subject, written, options)));
    }
    const after = await feedHealth(production, fallback, name);
    for (const [kind, count] of Object.entries(after.conflicts ?? {}))
      if (count > (before.conflicts?.[kind] ?? 0)) lost.push(`the fallback counts ${count} conflicts of the kind ${kind}`);
  }
  // what was counted for rows that are gone again is not taken for customers' work later on.
  await production.query('SELECT pg_catalog.pg_stat_force_next_flush()').catch(() => undefined);
  return {
    tables: results.map(({ subject, made, written, why }) => ({
      table: subject.table.name,
      made: made.length > 0,
      written: written !== undefined,
      why,
    })),
    refused: results.flatMap(({ refused }) => refused).filter(({ id }) => !accepted.includes(id)),
    lost,
    milliseconds: performance.now() - began,
  };
}

async function ownersOf(db: Db): Promise<Map<string, string>> {
  const rows = await db.query<{ table: string; owner: string }>(
    `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS "table", c.relowner::pg_catalog.regrole::text AS owner FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p')`,
  );
  return new Map(rows.map(({ table, owner }) => [table, owner]));
}

interface TableResult {
  /** The rows that were made, as they were when they were deleted. */
  readonly made: readonly Change['values'][];
  /** The values of the row that was written over with itself, and its version on the fallback before. */
  readonly written: { values: readonly (string | null)[]; form: readonly (string | null)[]; version: string } | undefined;
  readonly why: readonly string[];
  readonly refused: readonly Refusal[];
}

async function tableTrip(sides: Sides, subject: Subject, options: RoundTripOptions): Promise<TableResult> {
  const noisy = quietFor(sides.here, subject.table.name);
  // others' work would wait for the lock that silencing a trigger takes.
  if (options.live && noisy.length > 0) return nothing([`its triggers would fire: ${noisy.map(({ name }) => name).join(', ')}`]);
  try {
    return await trip(sides, subject, options);
  } catch (error) {
    if (error instanceof Dangling) return trip(sides, subject, options, { made: false });
    if (!isRefusal(error)) throw error;
  }
  // production does not take it as it is: once more, step by step.
  try {
    return await trip(sides, subject, options, { careful: true });
  } catch (error) {
    if (error instanceof Dangling) return trip(sides, subject, options, { careful: true, made: false });
    if (!isRefusal(error)) throw error;
    return nothing([`production refused: ${error.message}`]);
  }
}

const nothing = (why: readonly string[], refused: readonly Refusal[] = []): TableResult => ({
  made: [],
  written: undefined,
  why,
  refused,
});

/** A row that points nowhere was made, for want of another; what the fallback says of it proves nothing. */
class Dangling extends Error {}

interface Way {
  /** A statement that production refuses does not end the transaction; takes three times as long. @default false */
  readonly careful?: boolean;
  /** @default true */
  readonly made?: boolean;
}

async function trip(
  sides: Sides,
  subject: Subject,
  options: RoundTripOptions,
  { careful = false, made = true }: Way = {},
): Promise<TableResult> {
  const why: string[] = made ? [] : ['a row could only be made that points nowhere, and the fallback did not take that'];
  const cannotSend = (sides.there.replicas.get(subject.table.name) ?? []).map(({ name }) => name);
  if (cannotSend.length > 0) why.push(`only rehearsed: on the fallback it would set off ${cannotSend.join(', ')}`);
  let changes: Change[] = [];
  let rehearsed: Rehearsed | undefined;
  try {
    await sides.production.transaction(async (inside) => {
      const { quiet, loud } = silence(sides.here, subject.table.name);
      await inside.query(["SET LOCAL lock_timeout = '2s'", 'SET LOCAL synchronous_commit = off', ...quiet, probe.begin].join('; '));
      const there = await someRow(inside, subject);
      const attempt = careful ? carefully(inside) : directly(inside);
      if (made) changes = await make(inside, attempt, subject, options, there, why);
      changes = [...changes, ...(await writeOver(attempt, subject, there, why))];
      rehearsed = await rehearse(sides, subject, changes, options.live === true);
      if (rehearsed.refused.length > 0 && changes.some(({ dangling }) => dangling)) throw new Dangling();
      if (rehearsed.refused.length > 0 || cannotSend.length > 0) throw new Undo();
      await inside.query([probe.end, ...loud].join('; '));
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
    return nothing([...why, ...(rehearsed?.why ?? [])], rehearsed?.refused);
  }
  const write = changes.find(({ kind }) => kind === 'write');
  return {
    made: changes.flatMap(({ kind, values }) => (kind === 'delete' ? [values] : [])),
    written: write && rehearsed?.version !== undefined ? { values: write.values, form: write.form, version: rehearsed.version } : undefined,
    why: [...why, ...(rehearsed?.why ?? [])],
    refused: [],
  };
}

/** Statements after which the user's triggers have no say, and those that wake them again. */
function silence(quieting: TriggerState, table: string): { quiet: string[]; loud: string[] } {
  const triggers = quietFor(quieting, table);
  const enable = { O: 'ENABLE', A: 'ENABLE ALWAYS', R: 'ENABLE REPLICA' };
  return {
    quiet: [
      quieting.byRole ? 'SET LOCAL session_replication_role = replica' : 'SET CONSTRAINTS ALL IMMEDIATE',
      ...triggers.map(({ name }) => `ALTER TABLE ${table} DISABLE TRIGGER ${ident(name)}`),
    ],
    loud: triggers.map(({ name, mode }) => `ALTER TABLE ${table} ${enable[mode]} TRIGGER ${ident(name)}`),
  };
}

/** A row that is there and that nobody holds; nobody changes it until this transaction ends. */
async function someRow(inside: Db, { table, pair }: Subject): Promise<Pick<Row, 'part' | 'at' | 'values'> | undefined> {
  const columns = table.columns.filter(({ generated }) => generated === '').map(({ name }) => asText(name));
  const [row] = await inside.query<Row>(
    `SELECT ${place}, ${texts(columns)} AS "values" FROM ${pair.a.relation} LIMIT 1 FOR UPDATE SKIP LOCKED`,
  );
  return row;
}

/** Inserts a row, changes it, deletes it. Nothing where production would not take one. */
async function make(
  inside: Db,
  attempt: Attempt,
  subject: Subject,
  { now }: RoundTripOptions,
  there: Pick<Row, 'values'> | undefined,
  why: string[],
): Promise<Change[]> {
  const { table, pair, columns } = subject;
  const plain = table.columns.filter(({ generated }) => generated === '');
  const template = there && Object.fromEntries(plain.map(({ name }, index) => [name, there.values[index] ?? null]));
  let reason = 'no value is known for a column that must have one';
  const parents = there ? {} : await someParents(inside, table.name);
  for (const { values, dangling } of sampleRows({ table, enums: now.enums, template, alsoUnique: subject.alsoUnique, parents })) {
    const made = await attempt(insert(pair.a.relation, values, returning(columns, pair.a.columns)));
    if (made instanceof DatabaseError) {
      reason = made.message;
      continue;
    }
    const changes: Change[] = [{ id: 'round-trip', kind: 'insert', dangling, ...made }];
    const twins = await twinsOf(inside, subject, now, made.values, dangling);
    let row = made;
    const keys = new Set([...uniqueSets(table), ...subject.alsoUnique].flat());
    const empty = plain.filter(({ name, notNull }) => !notNull && !keys.has(name) && !table.identityFull).map(({ name }) => name);
    const settable = plain.find(({ identity }) => identity !== 'a')?.name;
    for (const [id, set] of [
      ['nulls', empty.map((name) => `${ident(name)} = NULL`).join(', ')],
      ['round-trip', settable ? `${ident(settable)} = ${ident(settable)}` : ''],
    ] as const) {
      if (set === '') continue;
      const updated = await attempt(`UPDATE ${pair.a.relation} SET ${set} WHERE ${atRow(row)} ${returning(columns, pair.a.columns)}`);
      if (updated instanceof DatabaseError) continue;
      changes.push({ id, kind: 'update', was: row.values, ...updated });
      row = updated;
      break;
    }
    for (const { part, at, values: last, form } of [row, ...twins.rows]) {
      await inside.query(`DELETE FROM ${pair.a.relation} WHERE ${atRow({ part, at })}`);
      twins.changes.push({ id: 'round-trip', kind: 'delete', values: last, form });
    }
    return [...changes, ...twins.changes];
  }
  why.push(`no row could be made: ${reason}`);
  return [];
}

/** Rows beside the one that was made, with the same values in what is unique on the fallback alone: production takes them, and it must, too. */
async function twinsOf(
  inside: Db,
  { table, pair, columns, uniqueThere, alsoUnique }: Subject,
  { enums }: Catalog,
  values: Row['values'],
  dangling: boolean,
): Promise<{ rows: Row[]; changes: Change[] }> {
  const template = Object.fromEntries(columns.map((name, index) => [name, values[index] ?? null]));
  const twins: { rows: Row[]; changes: Change[] } = { rows: [], changes: [] };
  for (const same of uniqueThere) {
    // NULL is like nothing, and does not tell rows apart either.
    if (same.some((name) => template[name] === null)) continue;
    const others = alsoUnique.filter((set) => set.some((name) => !same.includes(name)));
    const [row] = sampleRows({ table, enums, template, alsoUnique: others, same });
    const made = row && (await carefully(inside)(insert(pair.a.relation, row.values, returning(columns, pair.a.columns))));
    if (!made || made instanceof DatabaseError) continue;
    twins.rows.push(made);
    twins.changes.push({ id: 'round-trip', kind: 'insert', dangling, ...made });
  }
  return twins;
}

/** A row of each table that this one points to, as values of this one's columns. */
async function someParents(inside: Db, table: string): Promise<Record<string, string>> {
  const keys = await inside.query<{ parent: string; columns: string[]; references: string[] }>(
    `SELECT k.confrelid::regclass::text AS parent,
            (SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(k.conkey) WITH ORDINALITY u(n, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n) AS columns,
            (SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(k.confkey) WITH ORDINALITY u(n, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n) AS references
       FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.conrelid = $1::regclass AND k.conparentid = 0`,
    [table],
  );
  const values: Record<string, string> = {};
  for (const { parent, columns, references } of keys) {
    const [row] = await inside.query<Row>(`SELECT ${texts(references.map(asText))} AS "values" FROM ${parent} LIMIT 1`);
    columns.forEach((column, index) => {
      const value = row?.values[index];
      if (value !== null && value !== undefined) values[column] = value;
    });
  }
  return values;
}

const carefully =
  (inside: Db): Attempt =>
  async (sql) => {
    try {
      return await inside.transaction((deeper) => directly(deeper)(sql));
    } catch (error) {
      if (isRefusal(error)) return error;
      throw error;
    }
  };

/** Writes over a row that is there with what is in it. */
async function writeOver(
  attempt: Attempt,
  subject: Subject,
  there: Pick<Row, 'part' | 'at' | 'values'> | undefined,
  why: string[],
): Promise<Change[]> {
  const { table, pair, columns, key } = subject;
  const settable = table.columns.find(({ identity, generated }) => identity !== 'a' && generated === '')?.name;
  if (!there) why.push('it is empty');
  else if (key.length === 0) why.push('its rows have no key by which one could be looked for');
  else if (subject.fills.length > 0) why.push(`an update of a row that is there would fill ${subject.fills.join(', ')} on the fallback`);
  else if (settable) {
    const written = await attempt(
      `UPDATE ${pair.a.relation} SET ${ident(settable)} = ${ident(settable)} WHERE ${atRow(there)} ${returning(columns, pair.a.columns)}`,
    );
    if (written instanceof DatabaseError) why.push(`production refused to write a row over: ${written.message}`);
    else return [{ id: 'round-trip', kind: 'write', ...written }];
  }
  return [];
}

/** Waits for a marker that was written after everything. */
async function arrived(production: Db, fallback: Db, name: FeedName, knownErrors: number): Promise<string[]> {
  const began = performance.now();
  for (;;) {
    try {
      await markerRoundTrip(production, fallback, { timeoutMs: 2_000 });
      return [];
    } catch (error) {
      if (error instanceof DatabaseError) throw error;
      const health = await feedHealth(production, fallback, name, { knownErrors });
      const [errors, waited] = [health.applyErrors - knownErrors, performance.now() - began];
      // a connection that breaks is counted as one error too, and the next try arrives.
      if (errors >= 3 || (errors > 0 && waited > 15_000))
        return [
          `the apply worker of ${name} stops with an error that the rehearsal did not have; the log of ${fallback.address.host} says which`,
        ];
      if (waited > 60_000) return [`nothing arrives any more: ${health.reasons.join('; ') || (error as Error).message}`];
    }
  }
}

/** The row that was written over with itself is there, in a version of its own and in the right form. */
async function newVersion(
  sides: Sides,
  subject: Subject,
  was: NonNullable<TableResult['written']>,
  { live }: RoundTripOptions,
): Promise<string[]> {
  const { pair, table } = subject;
  const [row] = await sides.fallback.query<{ version: string; form: (string | null)[] }>(
    `SELECT xmin::text AS version, ${texts(pair.b.columns.map((expression) => `(${expression})::text`))} AS form FROM ${pair.b.relation} WHERE ${whereKey(subject, was.values)}`,
  );
  // a customer may have deleted or changed it since.
  if (!row) return live ? [] : [`${table.name}: a row that was updated is gone from the fallback`];
  if (row.version === was.version) return [`${table.name}: an update did not reach the fallback, and no error was raised`];
  return live || row.form.every((value, index) => value === was.form[index])
    ? []
    : [`${table.name}: a row that was updated has other values on the fallback`];
}
