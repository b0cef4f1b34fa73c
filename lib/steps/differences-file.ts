/** The rows that a proof found different, as SQL beside the journal: for people to read, and to run what belongs there. */
import { messageOf } from '../base/errors';
import type { Context } from '../engine/context';
import { literal } from '../postgres/connection/connect';
import type { Pair } from '../postgres/connection/row-pair';
import type { Difference, TableComparison } from '../postgres/verification/compare';
import type { Since } from '../postgres/verification/equality';
import { mostStatements, putInStatements } from '../postgres/verification/put-in';
import type { SequenceBehind } from '../postgres/verification/sequences-behind';

export interface Differing {
  readonly production: string;
  readonly fallback: string;
  /** By what tables were compared, `a` the side of production. */
  readonly pairs: readonly Pair[];
  readonly different: readonly TableComparison[];
  readonly gone: Since['gone'];
  readonly late: readonly SequenceBehind[];
}

/** Its address; undefined where there is nothing to write. That it could not be written changes nothing about what was found. */
export async function differencesFile(
  context: Context,
  { production, fallback, pairs, different, gone, late }: Differing,
): Promise<string | undefined> {
  if (different.length + gone.length + late.length === 0) return undefined;
  const { window, clock } = context;
  try {
    const [from, to] = [await context.database(production), await context.database(fallback)];
    const blocks: string[] = [];
    const write = async (table: string, differences: readonly Difference[], doubtful: boolean): Promise<void> => {
      const pair = pairs.find(({ name }) => name === table);
      if (pair) blocks.push(await putInStatements(from, to, pair, differences, { doubtful }));
    };
    for (const { table, differences } of different) await write(table, differences, false);
    for (const { table, keys } of gone) {
      const missing = keys.map((key): Difference => ({ key, is: 'only on a' }));
      await write(table, missing, true);
    }
    const text = [
      `-- ${window.name} of ${window.system}, ${new Date(clock.now()).toISOString()}: rows of ${production} that ${fallback} does not have as they are.`,
      `-- Read it first: customers have written on ${fallback} since. Then run it there, as the user that owns the tables. Of a table, at most ${mostStatements} rows are written.`,
      'BEGIN;',
      ...blocks,
      ...late.map(sequenceStatement),
      'COMMIT;',
      '',
    ].join('\n');
    return await context.keep('differences.sql', text);
  } catch (error) {
    await context.progress(`the SQL that puts the rows in could not be written: ${messageOf(error)}`);
    return undefined;
  }
}

/** It may have gone on meanwhile. */
const sequenceStatement = ({ sequence, given, there, up }: SequenceBehind): string =>
  there === null
    ? `SELECT pg_catalog.setval(${literal(sequence).trim()}, ${given});`
    : `SELECT pg_catalog.setval(${literal(sequence).trim()}, ${up ? 'greatest' : 'least'}(${given}, last_value)) FROM ${sequence};`;
