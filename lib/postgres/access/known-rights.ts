/**
 * Rights on relations, looked at before the gap. Ten thousand tables take a fifth of a second to look at, and while that is done nobody
 * may write. So every holder of a right is noted beforehand, and in the gap only rows of the catalog that are newer: whatever has been
 * committed since has a transaction number that was not over at that look. A row keeps the number it was written with, frozen or not.
 */
import { type Db, literal } from '../connection/connect';
import { userSchema } from '../connection/server';

export interface KnownRights {
  /** The oldest transaction that was not over right before the look. */
  readonly since: string;
  /** Owners, and whoever was granted a right to write, by oid; trusted or not, because who is trusted is asked anew. 0 is everybody. */
  readonly holders: readonly number[];
  /** Those of them that were roles then. */
  readonly names: readonly string[];
}

/** Of a connection: another one may lead to another server. */
const looks = new WeakMap<Db, KnownRights>();

export const knownRights = (db: Db): KnownRights | undefined => looks.get(db);

const relations = (from: string, schemas: string): string =>
  `SELECT c.relowner, c.relacl, c.relkind FROM ${from} c WHERE c.relkind IN ('r','p','v','m','f','S') AND c.relnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE ${schemas})`;

/** Who has a right by `relations` (owner, grants) and `columns` (grants). The distinct lists of grants are looked at: ten thousand tables have three. */
const holders = (from: string, columns: string): string =>
  `SELECT relowner AS role FROM (SELECT DISTINCT relowner FROM ${from} o) o
   UNION SELECT x.grantee FROM (SELECT DISTINCT relacl, relkind = 'S' AS sequence FROM ${from} l WHERE relacl IS NOT NULL) l, pg_catalog.aclexplode(l.relacl) x
    WHERE x.privilege_type = ANY (CASE WHEN l.sequence THEN ARRAY['USAGE','UPDATE'] ELSE ARRAY['INSERT','UPDATE','DELETE','TRUNCATE','TRIGGER','MAINTAIN'] END)
   UNION SELECT x.grantee FROM (SELECT DISTINCT attacl FROM ${columns} a WHERE attacl IS NOT NULL) a, pg_catalog.aclexplode(a.attacl) x WHERE x.privilege_type IN ('INSERT','UPDATE')`;

/** Looks at everything, and notes it for this connection. */
export async function lookAtRights(db: Db): Promise<KnownRights> {
  // before the look: what is not over now may be committed at any time after it.
  const [snapshot] = await db.query<{ since: string }>(
    'SELECT greatest(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint % 4294967296, 3)::text AS since',
  );
  const rows = await db.query<{ role: number; name: string | null }>(
    `WITH relations AS MATERIALIZED (${relations('pg_catalog.pg_class', userSchema)})
     SELECT role::int8::float8 AS role, r.rolname AS name FROM (${holders('relations', 'pg_catalog.pg_attribute')}) held LEFT JOIN pg_catalog.pg_roles r ON r.oid = held.role ORDER BY 1`,
  );
  const known = {
    since: snapshot!.since,
    holders: rows.map(({ role }) => role),
    names: rows.flatMap(({ name }) => name ?? []),
  };
  looks.set(db, known);
  return known;
}

/** SQL for a row of a catalog that was written since; it reads nothing of the row. */
export const newerThan = (since: string): string => `age(xmin) <= (SELECT age(${literal(since)}::xid))`;

/** SQL for holders of now that are not among `allowed`, a name of the statement's own; by what is known and what is newer. */
export const othersSince = ({ since, holders: known }: KnownRights): string => {
  // the age is asked for first, alone: it reads nothing of a row.
  const newer = (catalog: string, of: string): string => `(SELECT ${of} FROM pg_catalog.${catalog} WHERE ${newerThan(since)} OFFSET 0)`;
  return `newer AS MATERIALIZED (${relations(newer('pg_class', 'relowner, relacl, relkind, relnamespace'), userSchema)}),
       columns AS MATERIALIZED (SELECT a.attacl FROM ${newer('pg_attribute', 'attacl')} a),
       others AS (SELECT role FROM (SELECT unnest(ARRAY[${known.join(', ')}]::oid[]) AS role UNION ${holders('newer', 'columns')}) held WHERE role NOT IN (SELECT oid FROM allowed))`;
};

/** False where nobody need look for rights of that role itself: it had none, and what it was granted since the proof finds. */
export const mayHaveRights = (db: Db, role: string): boolean => knownRights(db)?.names.includes(role) ?? true;
