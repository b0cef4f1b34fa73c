/**
 * Judges a window by rows alone: every table of the old release, on the fallback after the rollback and on the former production. Imports nothing
 * of the product, and knows nothing of what it did. What both releases know must be equal in every row; what the new one no longer has
 * must be as the old release left it, of every row that is still there.
 */
import type { Client } from 'pg';
import { quoted, type Table } from './catalog';

/** The first column of each row; null where the database does not know what is asked. */
export type Answer = readonly unknown[] | null;

interface Question {
  readonly table: string;
  readonly sql: string;
  /** `both`: production must answer the same. `kept`: what it was before, of keys that are there, or what production answers by the same text. */
  readonly is: 'both' | 'kept' | 'notes';
}

export interface Questions {
  readonly ask: readonly Question[];
  /** Of the old release's data, before the migrations: what `kept` must answer. */
  readonly before: readonly (readonly string[] | undefined)[];
  /** Columns that only the old release has, and tables. */
  readonly onlyOld: readonly string[];
}

/** A row's text sorts and reads the same on every server. */
const hash = (columns: readonly string[], table: string): string =>
  `SELECT count(*) || ' rows, ' || coalesce(md5(string_agg(r, E'\\n' ORDER BY r COLLATE "C")), 'none') FROM (SELECT ROW(${columns.map(quoted).join(', ')})::text AS r FROM ${table}) AS x`;

const separator = ' => ';

/** `notes`: tables in which the migration tool writes down what it has run: on the fallback as the old release left them, but for the hour. */
export async function questionsFor(
  client: Client,
  old: readonly Table[],
  now: readonly Table[],
  notes: readonly string[],
): Promise<Questions> {
  const byName = new Map(now.map((table) => [table.name, table]));
  const ask: Question[] = [];
  const before: (readonly string[] | undefined)[] = [];
  const onlyOld: string[] = [];
  const kept = async (table: string, sql: string, is: Question['is'] = 'kept'): Promise<void> => {
    ask.push({ table, sql, is });
    const { rows } = await client.query<[string]>({ text: sql, rowMode: 'array' });
    before.push(rows.map(([text]) => text));
  };
  for (const table of old) {
    const other = byName.get(table.name);
    if (notes.includes(table.name)) {
      await kept(
        table.name,
        `SELECT 'notes' || '${separator}' || (${hash(
          table.columns.filter(({ type }) => !type.startsWith('timestamp')).map(({ name }) => name),
          table.name,
        )})`,
        'notes',
      );
      continue;
    }
    const same = table.columns.filter(({ name, type }) => other?.columns.some((one) => one.name === name && one.type === type));
    const others = table.columns.filter((column) => !same.includes(column)).map(({ name }) => name);
    const retyped = others.filter((name) => other?.columns.some((one) => one.name === name));
    const gone = others.filter((name) => !retyped.includes(name));
    if (same.length > 0) {
      const names = same.map(({ name }) => name);
      ask.push({ table: table.name, sql: hash(names, table.name), is: 'both' });
      before.push(undefined);
    }
    if (gone.length > 0) onlyOld.push(other ? `${table.name} (${gone.join(', ')})` : table.name);
    const key = table.key.length > 0 ? table.key : table.columns.map(({ name }) => name);
    const row = (columns: readonly string[]): string => `ROW(${columns.map(quoted).join(', ')})::text`;
    for (const columns of [retyped, gone].filter(({ length }) => length > 0))
      await kept(table.name, `SELECT ${row(key)} || '${separator}' || ${row(columns)} FROM ${table.name} ORDER BY 1`);
  }
  return { ask, before, onlyOld };
}

/** What is not as it must be, one sentence each. */
export function judge({ ask, before }: Questions, fallback: readonly Answer[], production: readonly Answer[]): string[] {
  const wrong: string[] = [];
  if (fallback.length !== ask.length) return [`${ask.length} questions, ${fallback.length} answers`];
  for (const [at, { table, is }] of ask.entries()) {
    const answer = fallback[at];
    if (!answer) wrong.push(`${table}: the fallback does not know it`);
    else if (is === 'both') {
      const there = production[at]?.[0];
      if (there !== answer[0]) wrong.push(`${table}: ${String(answer[0])} on the fallback, ${String(there)} on production`);
    } else {
      const now = new Map(answer.map((text) => split(String(text))));
      // of a column that has another type now, the new release's own value is as good.
      const there = new Map((is === 'kept' ? (production[at] ?? []) : []).map((text) => split(String(text))));
      const lost = before[at]!.map(split).filter(
        ([key, value]) => now.has(key) && now.get(key) !== value && now.get(key) !== there.get(key),
      );
      if (lost.length > 0) wrong.push(`${table}: ${lost.length} rows are not as they were, first ${lost[0]![0]}`);
    }
  }
  return wrong;
}

const split = (text: string): [string, string] => {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
};
