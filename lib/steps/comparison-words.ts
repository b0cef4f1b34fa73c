/** A comparison in words: how far it is, and which keys differ. */

import type { Db } from '../postgres/connection/connect';
import { readTables } from '../postgres/connection/tables';
import type { Comparison, Progress } from '../postgres/verification/compare';

export function compareWords({ tables, ofTables, rows, ofRows, table }: Progress): string {
  return `${tables} of ${ofTables} tables, ${rows} of about ${ofRows} rows${table === '' ? '' : `: ${table}`}`;
}

/** PostgreSQL's estimates of rows, for `mapping`: none for a table before its first ANALYZE. */
export async function rowEstimates(...dbs: readonly Db[]): Promise<(table: string) => number> {
  const rows = new Map((await Promise.all(dbs.map(readTables))).flat().map((table) => [table.name, table.rows]));
  return (table) => rows.get(table) ?? 0;
}

/** Where the estimate has been passed, or there is none, tables are counted. */
export const compareShare = ({ tables, ofTables, rows, ofRows }: Progress): number =>
  rows < ofRows ? rows / ofRows : ofTables > 0 ? tables / ofTables : 1;

/** The first differing keys of each table; `a` and `b` are what was compared. */
export function differenceWords({ tables }: Pick<Comparison, 'tables'>, a: string, b: string): string {
  const is = { 'only on a': `only on ${a}`, 'only on b': `only on ${b}`, different: 'different' } as const;
  return tables
    .filter(({ equal }) => !equal)
    .map(({ table, differences, rowsA, rowsB }) => {
      const keys = differences.slice(0, 5).map((difference) => `${difference.key} ${is[difference.is]}`);
      const count = rowsA === rowsB ? '' : ` (${rowsA} rows on ${a}, ${rowsB} on ${b})`;
      return `${table} differs${count}: ${keys.join(', ')}${differences.length > 5 ? ', …' : ''}`;
    })
    .join('; ');
}
