/** What is switched off to see that the fuzz finds it: text of the product, replaced in a copy of it. */

export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Stands there once. */
  readonly find: string;
  readonly put: string;
  /** Kinds of the fuzz that can show it. */
  readonly by: readonly string[];
  /** Why no window can tell the difference. */
  readonly only?: string;
}

const schema = 'lib/postgres/schema';

/** Taken out of the list of kinds: nothing recognises it, bridges it or refuses it any more. */
const kind = (name: string, by: readonly string[], only?: string): Mutation => ({
  ...{ name, file: `${schema}/kinds/index.ts`, find: `\n  ${name},\n`, put: '\n', by },
  ...(only === undefined ? {} : { only }),
});

export const mutations: readonly Mutation[] = [
  kind('droppedTable', [], 'the kind only says that the table stays on the fallback'),
  kind('partitions', [], 'the kind only says that rows travel as those of one table'),
  kind('addedTable', ['table added']),
  kind('renamedTable', ['table renamed']),
  kind('addedColumn', ['column added', 'long names', 'column renamed']),
  kind('declaredColumns', ['retyped as declared', 'split in two']),
  kind('declaredRows', ['moved to a table of its own']),
  kind('droppedColumn', ['column dropped']),
  kind('generatedColumn', ['generated now, not declared']),
  kind('nullable', ['NOT NULL dropped']),
  kind('retypedColumn', ['widened', 'key widened']),
  kind('droppedRules', ['check dropped', 'unique dropped']),
  kind('renamedColumn', ['column renamed', 'key renamed']),
  kind('enumLabels', ['enum value renamed', 'enum value added']),
  kind('key', ['key renamed', 'key replaced']),
  kind('finerKeys', ['citext to text']),
  kind('largeObjects', ['large objects']),
];
