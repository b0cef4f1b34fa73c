/** What the kinds have planned: how rows of the new schema get into the old one. Their own SQL, and bridge.ts, are made of it. */
import type { CatalogColumn, CatalogPartition, CatalogTable } from '../catalog';
import { heldNames } from './names';

/** How rows of one table of the new schema get into the old one. */
export interface TablePlan {
  readonly old: CatalogTable;
  readonly now: CatalogTable;
  /** Names by which old columns go on the fallback meanwhile, where theirs are others' now. */
  readonly held: ReadonlyMap<string, string>;
  /** Columns that travel, by their new names; undefined: all, because no list is allowed. */
  published: string[] | undefined;
  /** Columns added to the fallback. `from`: the old column whose values it starts with. */
  readonly shadows: { name: string; type: string; from?: string }[];
  readonly widen: WidenedColumn[];
  /** Columns of the old schema whose values come from one of the new: both types, as they are through their domains. */
  readonly fits: Map<CatalogColumn, { readonly was: string; readonly is: string }>;
  readonly dropNotNull: string[];
  readonly dropConstraints: { name: string; definition: string }[];
  readonly dropIndexes: { name: string; definition: string }[];
  /** Computed for each arriving row; of two for one column, the last. Columns by the names they have meanwhile, here and in `fill`. */
  readonly assign: { column: string; expression: string }[];
  /** Value for a column that must have one and has no source any more. */
  readonly fill: { column: string; value: string }[];
  /** New names of columns by which the fallback must find rows, when they are not called what they were. */
  identity: string[] | undefined;
  /** Columns (new names) that production must send as the key, when its own key became another. */
  keepKey: string[] | undefined;
  /** Columns computed on production, for types that cannot travel. */
  readonly sent: { name: string; type: string; expression: string }[];
}

export interface WidenedColumn {
  readonly column: string;
  readonly type: string;
  /** No cast leads there: values are read from their texts. */
  readonly byText?: true;
  /** What its type was, where it gets that again at a rollback. */
  readonly back?: string;
}

export interface BridgePlan {
  readonly tables: TablePlan[];
  /** Tables of the new schema that the fallback keeps although the old release does not know them. */
  readonly inert: CatalogTable[];
  /** What the columns of those have for a type there. */
  readonly inertTypes: Map<CatalogColumn, string>;
  readonly enums: { readonly name: string; readonly add: readonly AddedValue[]; readonly rename: readonly Renamed[] }[];
  /** Types that become those of the new schema for as long as the fallback is fed. */
  readonly types: ChangedType[];
  readonly foreignKeys: ForeignKey[];
  readonly rows: { readonly of: CatalogTable; readonly run: string; readonly onDelete?: string | undefined }[];
  readonly partitions: PartitionPlan;
}

/** Where rows find their place on the fallback. */
export interface PartitionPlan {
  /** Tables of their own now, which the old schema has as a partition. */
  readonly detached: (Attachment & { readonly part: CatalogPartition; readonly from: CatalogTable })[];
  /** The other way round. */
  readonly attached: (Attachment & { readonly table: CatalogTable; readonly to: CatalogTable })[];
  /** Tables that got new partitions, by OID. */
  readonly made: { readonly root: number; readonly names: readonly string[] }[];
  /** Partitioned tables of the old schema whose rows may lie outside of all partitions that it has. */
  readonly outside: CatalogTable[];
}

/** Of a partition on the fallback. */
interface Attachment {
  /** What it is a partition of, by its name while the bridge is up, and before. */
  readonly parent: { readonly fed: string; readonly old: string };
  readonly bounds: string;
}

/** What a value was called, and what it is called now. */
export interface Renamed {
  readonly from: string;
  readonly to: string;
}

export interface ChangedType {
  readonly name: string;
  /** Rules of a domain that the new schema does not have. */
  readonly checks: readonly { readonly name: string; readonly definition: string }[];
  readonly nullable: boolean;
  /** Columns in which the domain is only a part of the type: PostgreSQL does not look at their rows by itself. */
  readonly within: readonly { readonly table: string; readonly column: string; readonly type: string }[];
  /** Parts that a composite type has got. */
  readonly parts: readonly { readonly name: string; readonly type: string }[];
}

/** Of the old schema. */
export interface ForeignKey {
  readonly table: CatalogTable;
  readonly name: string;
  readonly definition: string;
  /** Production has it, too. */
  readonly stays: boolean;
}

/** `before`: the value of the old schema that it sorts before; none: after all of them. */
export interface AddedValue {
  readonly label: string;
  readonly before?: string;
}

export const emptyPlan = (): BridgePlan => ({
  ...{ tables: [], inert: [], inertTypes: new Map(), enums: [], types: [], foreignKeys: [], rows: [] },
  partitions: { detached: [], attached: [], made: [], outside: [] },
});

export const emptyTablePlan = (old: CatalogTable, now: CatalogTable): TablePlan => ({
  old,
  now,
  held: heldNames(old, now),
  published: now.identityFull ? undefined : [],
  shadows: [],
  widen: [],
  fits: new Map(),
  dropNotNull: [],
  dropConstraints: [],
  dropIndexes: [],
  assign: [],
  fill: [],
  identity: undefined,
  keepKey: undefined,
  sent: [],
});
