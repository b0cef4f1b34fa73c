/** What every kind of schema change has, and what it is told. A kind imports no other kind: what two of them need is in a file beside. */
import type { Catalog, CatalogColumn, CatalogTable } from '../catalog';
import type { Declared } from '../declared';
import type { Difference, Verdict } from '../difference';
import type { BridgePlan, TablePlan } from './plan';
import type { Part, Statement } from './statements';

export interface Kind {
  /** Recognises it in the schemas as wholes; asked once. */
  readonly schema?: (schemas: Schemas, plan: BridgePlan) => void;
  /** Recognises it in a table that is there before and after. `'stays'`: none of its rows can be carried. */
  readonly table?: (change: TableChange) => 'stays' | undefined;
  /** Recognises it in a column of the old table. `'done'`: the kinds after this one are not asked about that column. */
  readonly column?: (change: ColumnChange) => 'done' | undefined;
  /** What no bridge carries, although each part of it for itself would be. */
  readonly refuses?: (change: Pair) => Iterable<Difference>;
  /** The same, of a table that is new. */
  readonly refusesNew?: (table: CatalogTable) => Iterable<Difference>;
  /** Its SQL, for a table that is there before and after. */
  readonly script?: (plan: TablePlan, part: Part, bridge: BridgePlan) => void;
  /** Its SQL, for a table that is new. */
  readonly scriptOfNew?: (table: CatalogTable, part: Part, bridge: BridgePlan) => void;
  /** Its SQL on the fallback about the schema as a whole, while everything there has its old name; what it restores comes last. */
  readonly scriptOnce?: (bridge: BridgePlan, part: Part) => void;
  /** The same after that of all tables. */
  readonly scriptLast?: (bridge: BridgePlan, part: Part) => void;
  /** Its SQL on the fallback that no transaction with others may hold. */
  readonly alone?: (bridge: BridgePlan) => Statement[];
}

/** Two schemas of one lineage. */
export interface Schemas {
  /** Before the migrations, as the fallback has it. */
  readonly old: Catalog;
  /** After them. */
  readonly now: Catalog;
  readonly declared: Declared;
  readonly say: (id: string, verdict: Verdict, what: string, loses?: string, instead?: string) => void;
}

export interface TableChange extends Schemas {
  readonly plan: TablePlan;
}

export interface ColumnChange extends TableChange {
  /** Of its difference: `public.users.name`. */
  readonly id: string;
  readonly column: CatalogColumn;
  /** What became of it; undefined: it is dropped. */
  readonly other: CatalogColumn | undefined;
  /** What was declared that it is. */
  readonly from: string | undefined;
}

/** A table before and after. */
export interface Pair extends Omit<Schemas, 'say'> {
  readonly table: CatalogTable;
  readonly other: CatalogTable;
}
