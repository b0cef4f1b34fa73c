/** A window as a case that `npm run try -- --case FILE` takes, and that a test of its kind can keep. */
import type { Expected } from './migration';
import type { Played } from './play';
import { anything, type Cell } from './world';

export interface CaseFile {
  readonly id: string;
  readonly name: string;
  readonly [part: string]: unknown;
}

export function caseOf(id: string, played: Played): CaseFile {
  const questions = played.old.map(question);
  return {
    ...{ id, name: played.kinds.join(', '), must: 'right' },
    ...{
      su: played.superuserBefore,
      old: played.before,
      suAfter: played.superuserAfter,
      meanwhile: played.meanwhile,
      change: played.migrate,
    },
    ...{
      declared: played.declared,
      accepted: played.accepted,
      write: played.writes,
      dba: played.superuserInHold,
      after: played.backWrites,
    },
    ...{ ask: questions.map(({ ask }) => ask), expect: questions.map(({ expect }) => expect) },
  };
}

/** Columns of which nobody knows every value are not asked for. */
function question({ table, columns, rows }: Expected): { ask: string; expect: string[] } {
  const known = columns.map((_, index) => index).filter((index) => rows.every((row) => row[index] !== anything));
  const asked = known.map((index) => `${columns[index]}::text`).join(', ');
  return {
    ask: `SELECT r FROM (SELECT jsonb_build_array(${asked})::text AS r FROM ${table}) x ORDER BY r COLLATE "C"`,
    expect: rows.map((row) => `[${known.map((index) => JSON.stringify(row[index] as Cell)).join(', ')}]`).sort(),
  };
}
