/** What is switched off to see that the fuzz finds it: text of the product, replaced in a copy of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Stands there once. */
  readonly find: string;
  readonly put: string;
  /** Kinds of the fuzz that can show it; undefined: any. */
  readonly by: readonly string[] | undefined;
  /** Why no window can tell the difference. */
  readonly only?: string;
}

const list = 'lib/postgres/schema/kinds/index.ts';

/** By which kinds of the fuzz a kind of schema change can be told to be missing. One that is not here is looked for in every window. */
const shownBy: Readonly<Record<string, readonly string[]>> = {
  addedTable: ['table added'],
  renamedTable: ['table renamed'],
  addedColumn: ['column added', 'long names', 'column renamed'],
  declaredColumns: ['retyped as declared', 'split in two', 'generated now'],
  declaredRows: ['moved to a table of its own'],
  droppedColumn: ['column dropped'],
  generatedColumn: ['generated now, not declared', 'widened under a generated column'],
  nullable: ['NOT NULL dropped'],
  retypedColumn: ['widened', 'key widened', 'array widened'],
  droppedRules: ['check dropped', 'unique dropped'],
  foreignKeys: ['foreign key dropped', 'child table dropped'],
  renamedColumn: ['column renamed', 'key renamed'],
  takenNames: ['columns swapped', 'name taken over', 'tables move up'],
  changedTypes: ['domain loosened', 'citext to text', 'composite grown', 'array widened'],
  enumLabels: ['enum value renamed', 'enum value added', 'enum in an array renamed', 'enum in the key renamed'],
  key: ['key renamed', 'key replaced'],
  largeObjects: ['large objects'],
};
/** Kinds that only say something: rows are the same with them and without them. */
const saying: Readonly<Record<string, string>> = {
  droppedTable: 'the kind only says that the table stays on the fallback',
  partitions: 'the kind only says that rows travel as those of one table',
};

/** What kinds of schema change have beside that list: functions that do nothing any more. */
const functions: readonly { readonly name: string; readonly file: string; readonly does: string; readonly by: readonly string[] }[] = [
  {
    ...{ name: 'dependentsOf', file: 'lib/postgres/schema/dependents.ts', does: 'return { drop: [], create: [] };' },
    by: ['widened under a view', 'widened under a policy', 'widened under a condition'],
  },
  {
    name: 'widening',
    file: 'lib/postgres/schema/widening.ts',
    does: 'return [];',
    by: ['widened', 'key widened', 'widened under an index'],
  },
  {
    ...{ name: 'shipFootprint', file: 'lib/postgres/verification/footprint.ts', does: 'return;' },
    by: ['backfill', 'positions renumbered', 'ids renumbered', 'stricter'],
  },
  {
    ...{ name: 'makePartitions', file: 'lib/postgres/replication/new-partitions.ts', does: 'return { made: [], refused: [] };' },
    by: ['partition made in the hold'],
  },
  { name: 'droppedColumns', file: 'lib/postgres/verification/migration-losses.ts', does: 'return [];', by: ['flag dropped, not declared'] },
  {
    ...{ name: 'retyped', file: 'lib/postgres/verification/migration-losses.ts', does: 'return [];' },
    by: ['fractions dropped', 'retyped, not declared'],
  },
  { name: 'deleted', file: 'lib/postgres/verification/migration-losses.ts', does: 'return [];', by: ['rows deleted, not declared'] },
  { name: 'noted', file: 'lib/postgres/verification/migration-losses.ts', does: 'return [];', by: ['notes of an unknown tool'] },
  {
    name: 'unclaimed',
    file: 'lib/postgres/schema/unclaimed.ts',
    does: 'return [];',
    by: ['unlogged', 'composite grown', 'tables move up'],
  },
  {
    ...{ name: 'advanceSequences', file: 'lib/postgres/replication/sequences.ts' },
    ...{ does: 'return { moved: [], missing: [], nearEnd: [] } as never;', by: ['sequence widened'] },
  },
];

/** Each kind taken out of the list: nothing recognises it, bridges it or refuses it any more. Then the functions beside it. */
export function mutationsOf(root: string): Mutation[] {
  const [, listed = ''] = readFileSync(join(root, list), 'utf8').split('readonly Kind[] = [');
  const kinds = [...listed.matchAll(/^ {2}(\w+),$/gm)].map(([, name]) => ({
    ...{ name: name!, file: list, find: `\n  ${name},\n`, put: '\n', by: shownBy[name!] },
    ...(saying[name!] === undefined ? {} : { only: saying[name!]! }),
  }));
  const empty = functions.map(({ name, file, does, by }) => {
    // from its name to the end of the line that opens its body.
    const [find = `function ${name}(`] =
      new RegExp(`^(export )?(async )?function ${name}\\([\\s\\S]*?\\)(: [^\\n]*)? \\{\\n`, 'm').exec(
        readFileSync(join(root, file), 'utf8'),
      ) ?? [];
    return { name, file, find, put: `${find}  ${does}\n`, by };
  });
  return [...kinds, ...empty];
}

/** Kinds of the fuzz that are named here. */
export const named: readonly string[] = [...Object.values(shownBy), ...functions.map(({ by }) => by)].flat();
