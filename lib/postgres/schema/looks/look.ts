/** What one kind of thing in a database is compared by, and what becomes of a change of it. One entry per kind; a new kind is one more. */

/** As a database has it. */
export interface Found {
  readonly kind: string;
  /** By OID: the same in two databases of one lineage, whatever it is called. */
  readonly key: string;
  /** What it is found by where it was made anew. */
  readonly name: string;
  readonly definition: string;
  /** The same as PostgreSQL keeps it, by OIDs: it stays when something that it refers to gets another name. */
  readonly stored: string | null;
  /** The table or type that it is about; 0 for none. */
  readonly of: number;
  /** What a judge asks for beside the definition. */
  readonly facts: string;
  /** The SQL that shows it. */
  readonly shows: string;
}

/**
 * `claimed`: something else has said what becomes of it. `carried`: rows fit as they are, and it is said. Otherwise what would be lost, and,
 * where it can only be changed and not be accepted, because the window would not work, what to do instead.
 */
export type Fate = 'claimed' | 'carried' | { readonly loses: string; readonly instead?: string };

/** What a judge may ask. */
export interface World {
  /** A table that was there before and is there now, by its OID. */
  stays(table: number): boolean;
  /** A table that is there now. */
  there(table: number): boolean;
  /** What a function of the old schema is called for, whether by itself or by another: `trigger`, `check`, `unique`. */
  uses(of: Found): ReadonlySet<string>;
}

type Judge = Fate | ((world: World, before: Found, after: Found) => Fate);

export interface Look {
  readonly kind: string;
  /** Tables of pg_catalog that are looked at here. */
  readonly catalogs: readonly string[];
  readonly sql: string;
  /** Why each of the three is judged so. */
  readonly reason: string;
  readonly isNew: Judge;
  readonly isGone: Judge;
  readonly isChanged: Judge;
}

interface Columns {
  readonly from: string;
  readonly where: string;
  readonly key: string;
  readonly name: string;
  readonly definition: string;
  readonly stored?: string;
  readonly of?: string;
  readonly facts?: string;
  readonly shows?: string;
}

/**
 * All looks have the same columns, so that one statement asks for everything. What is stored as it was known (`known`, of the statement around
 * it) has no definition: to put it together takes the most time.
 */
export const select = (kind: string, { from, where, key, name, definition, stored, of, facts, shows }: Columns): string =>
  `SELECT '${kind}'::text AS kind, (${key})::text AS key, (${name})::text AS name,
          ${stored === undefined ? '' : `CASE WHEN pg_catalog.md5('${kind} ' || (${key})::text || ' ' || (${stored})::text) IN (SELECT same FROM known) THEN NULL ELSE `}coalesce((${definition})::text, '')${stored === undefined ? '' : ' END'} AS definition, (${stored ?? 'NULL'})::text AS stored,
          (${of ?? '0'})::int8::float8 AS "of", coalesce((${facts ?? "''"})::text, '') AS facts, coalesce((${shows ?? "''"})::text, '') AS shows
     FROM ${from} WHERE ${where}`;

/** Of a table that is new or gone, the classifier speaks. */
export const ofOldTable =
  (fate: Fate) =>
  (world: World, { of }: Found): Fate =>
    world.stays(of) ? fate : 'claimed';

/** SQL that is true for what PostgreSQL made itself along with a type. */
export const ofType = (catalog: string, oid: string): string =>
  `EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'i')`;
