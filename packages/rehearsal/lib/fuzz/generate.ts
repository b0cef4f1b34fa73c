/** Draws up a window: a pure function of its seed. */
import { Random } from '../soak/random';
import { integer } from './domains';
import { Draft, type Op } from './draft';
import { hazards, type Kind, kinds } from './kinds';
import { identity, type Table } from './world';

export interface Plan extends Pick<Draft, 'tables' | 'changes' | 'specials' | 'preamble' | 'extensions' | 'bySuperuserAfter'> {
  readonly seed: number;
  readonly ops: readonly Op[];
}

export interface GenerateOptions {
  /** One of the changes is of this kind. */
  readonly kind?: string | undefined;
}

export function generate(seed: number, { kind }: GenerateOptions = {}): Plan {
  const random = new Random(`fuzz ${seed}`);
  const draft = new Draft(random);
  for (let n = random.between(1, 3); n > 0; n -= 1) baseTable(draft);
  for (const one of chosen(random, kind)) draft.plant(one);
  const { tables, changes, specials, preamble, extensions, bySuperuserAfter } = draft;
  return { ...{ seed, tables, changes, specials, preamble, extensions, bySuperuserAfter }, ops: opsOf(random, tables) };
}

/** One to six, mostly few: a window in which one is refused says nothing of the others. */
function chosen(random: Random, name: string | undefined): Kind[] {
  const all = [...kinds, ...hazards];
  const wanted = name === undefined ? undefined : all.find((kind) => kind.name === name);
  if (name !== undefined && !wanted) throw new Error(`there is no kind '${name}': ${all.map((kind) => kind.name).join(', ')}`);
  const count = random.pick([1, 1, 1, 2, 2, 2, 3, 3, 4, 6]);
  const others = Array.from({ length: wanted ? count - 1 : count }, () => random.pick(kinds));
  const hazard = !wanted && random.chance(0.2) ? [random.pick(hazards)] : [];
  return [...(wanted ? [wanted] : []), ...others, ...hazard];
}

function baseTable(draft: Draft): void {
  const { random } = draft;
  const parents = draft.tables.filter(({ key, parts }) => key.length > 0 && parts.length === 0);
  const full = random.chance(0.06);
  const partitioned = !full && random.chance(0.12);
  const table = draft.table({ full, partitioned, ...(partitioned ? { key: integer } : {}) });
  if (partitioned) for (let n = 0; n < random.between(2, 3); n += 1) draft.part(table, n * 100_000, (n + 1) * 100_000);
  if (partitioned || full) table.busy = true;
  if (random.chance(0.15) && !partitioned && !full)
    draft.column(
      table,
      { ...integer, sql: 'bigint' },
      {
        unique: true,
        drawn: true,
        busy: true,
        notNull: true,
        extra: 'GENERATED ALWAYS AS IDENTITY',
      },
    );
  if (!full && parents.length > 0 && random.chance(0.4)) {
    const parent = random.pick(parents);
    references(draft, table, parent, { notNull: random.chance(0.4), cascade: random.chance(0.3) });
  }
  if (!full && random.chance(0.1)) computed(draft, table);
  const [first] = table.columns.slice(1);
  if (
    first?.old &&
    !first.old.domain.noKey &&
    first.old.domain.sql !== 'text' &&
    !first.old.domain.sql.includes('[') &&
    random.chance(0.15)
  )
    draft.extra(table, `CREATE INDEX ON public.${identity(table.old!)} (${identity(first.old.name)})`);
}

export function references(
  draft: Draft,
  table: Table,
  parent: Table,
  options: { readonly notNull: boolean; readonly cascade: boolean },
): ReturnType<Draft['column']> {
  const column = draft.column(table, parent.finder.old!.domain, {
    ...{ notNull: options.notNull, busy: true, name: draft.columnName(table) },
    references: { table: parent, cascade: options.cascade, name: `fk_${table.id}_${table.columns.length}` },
  });
  parent.finder.busy = true;
  return column;
}

function computed(draft: Draft, table: Table): void {
  const of = draft.column(table, integer, { busy: true });
  draft.column(
    table,
    { ...integer },
    {
      busy: true,
      computed: { of, sql: (name) => `${name} + 1`, text: (cell) => (typeof cell === 'string' ? `${Number(cell) + 1}` : cell) },
    },
  );
}

function opsOf(random: Random, tables: readonly Table[]): Op[] {
  const ops: Op[] = [];
  const add = (at: Op['at'], does: Op['does'], table: Table): void => {
    const serial = ops.length + 1;
    ops.push({
      id: `o${serial}`,
      at,
      phase: at === 'new' ? 'new' : at === 'back' ? 'back' : 'before',
      does,
      table,
      serial,
      draw: random.between(0, 1_000_000_000),
    });
  };
  // parents first: children find something to point to.
  for (const table of tables) for (let n = random.between(2, 5); n > 0; n -= 1) add('seed', 'insert', table);
  const some = (at: Op['at'], low: number, high: number): void => {
    for (let n = random.between(low, high); n > 0; n -= 1)
      add(
        at,
        random.pick(['insert', 'insert', 'insert', 'update', 'update', 'update', 'delete', 'move', 'aborted'] as const),
        random.pick(tables),
      );
  };
  some('meanwhile', 0, 4);
  some('new', tables.length, 4 * tables.length + 3);
  some('back', 0, 5);
  return ops;
}
