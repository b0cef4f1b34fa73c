/**
 * Partitions that are made by migrations, or while a feed runs (pg_partman): rows of them would find no place on the fallback, and the feed would
 * stand. A feed carries rows and not statements, so the fallback gets the same partition here; where that would overlap with one that it has (a
 * partition was split by hand), a default one takes what finds no place.
 */
import { DatabaseError, type Db, ident } from '../connection/connect';
import { userSchema } from '../connection/server';
import type { FeedName } from './subscription';

interface Partition {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly parent: string;
  /** The same on both servers where it was there at the fork. */
  readonly parentOid: number;
  /** `FOR VALUES FROM (…) TO (…)`. */
  readonly bounds: string;
  /** `RANGE (d)`, of one that has partitions of its own. */
  readonly key: string | null;
}

interface Places {
  readonly partitions: readonly Partition[];
  readonly roots: readonly {
    readonly oid: number;
    readonly schema: string;
    readonly name: string;
    readonly owner: string;
    readonly identity: 'd' | 'n' | 'f' | 'i';
  }[];
}

/** Tables whose partitions are asked about: those that a feed carries, or by OID. */
export type Which = FeedName | readonly number[];

export interface NewPartitions {
  /** `public.ev_12`. */
  readonly made: readonly string[];
  /** One sentence each: their rows find a place all the same, in the default partition that the fallback has. */
  readonly elsewhere: readonly string[];
  /** One sentence each. */
  readonly refused: readonly string[];
}

export const madeWords = (name: string): string => `the partition ${name} was made on the fallback, too`;

/** Bounds are written the same on both servers, whatever is set there. */
const read = <T>(db: Db, action: (inside: Db) => Promise<T>): Promise<T> =>
  db.transaction(async (inside) => {
    await inside.query(
      "SET LOCAL search_path = ''; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'",
    );
    return action(inside);
  });

const columns = `c.oid::int8::float8 AS oid, n.nspname AS schema, p.oid::int8::float8 AS "parentOid", pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, pg_catalog.format('%I.%I', pn.nspname, p.relname) AS parent,
            pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bounds, CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS key`;
const joined = `JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid AND NOT i.inhdetachpending
       JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace`;

/** Those of production, parents first. */
const ofProduction = (production: Db, which: Which): Promise<Partition[]> =>
  read(production, (inside) =>
    inside.query<Partition>(
      `SELECT ${columns} FROM ${
        typeof which === 'string'
          ? '(SELECT r.prrelid FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication b ON b.oid = r.prpubid WHERE b.pubname = $1) AS r(oid)'
          : 'pg_catalog.unnest($1::oid[]) AS r(oid)'
      } CROSS JOIN LATERAL pg_catalog.pg_partition_tree(r.oid) t JOIN pg_catalog.pg_class c ON c.oid = t.relid AND c.relispartition ${joined} ORDER BY t.level, 4`,
      [which],
    ),
  );

async function there(inside: Db): Promise<Places> {
  const partitions = await inside.query<Partition>(
    `SELECT ${columns} FROM pg_catalog.pg_class c ${joined} WHERE c.relispartition AND c.relkind IN ('r','p') AND ${userSchema}`,
  );
  const roots = await inside.query<Places['roots'][number]>(
    `SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, pg_catalog.pg_get_userbyid(c.relowner) AS owner, c.relreplident AS identity
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND ${userSchema}`,
  );
  return { partitions, roots };
}

/** Where the new partition belongs: a table keeps its OID whatever it is called, and one that came since has its name. */
const rootOf = ({ roots }: Places, { parentOid, parent }: Partition): Places['roots'][number] | undefined =>
  roots.find(({ oid }) => oid === parentOid) ?? roots.find(({ name }) => name === parent);

/** What the fallback keeps rows of a table in that find no place in a partition of the old schema. */
export const restOf = ({ schema, oid }: Pick<Places['roots'][number], 'schema' | 'oid'>): string =>
  `${ident(schema)}.switchback_rest_${oid}`;

/** Whether a partition has a name that was made up here. */
export const isNamedHere = (name: string): boolean => /\.switchback_(part|rest)_\d+$/.test(name);

/** Where the fallback has a partition with the same bounds, whatever its name is, rows find their place; beside one for the rest, too. */
const missingIn = (places: Places, wanted: readonly Partition[]): Partition[] =>
  wanted.filter((one) => {
    const root = rootOf(places, one);
    const has = places.partitions.filter(({ parentOid }) => parentOid === root?.oid);
    return root && !has.some(({ bounds, name }) => bounds === one.bounds || name === restOf(root));
  });

/** Of tables that the fallback has partitioned, too. A parent that is missing itself is there as soon as it was made. */
export async function missingPartitions(production: Db, fallback: Db, which: Which): Promise<string[]> {
  const wanted = await ofProduction(production, which);
  if (wanted.length === 0) return [];
  return missingIn(await read(fallback, there), wanted).map((one) => one.name);
}

/** Of new ones, those with rows of before they were attached: they came into a table that was not fed from. One sentence each. */
export async function unfedRows(production: Db, which: Which, made: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const { oid, name, key } of made.length > 0 ? await ofProduction(production, which) : []) {
    if (key !== null || !made.includes(name)) continue;
    const [row] = await production.query<{ since: string }>(
      'SELECT xmin::text AS since FROM pg_catalog.pg_inherits WHERE inhrelid = $1::oid',
      [oid],
    );
    if (!row) continue;
    const older = await production.query(`SELECT FROM ${name} WHERE pg_catalog.age(xmin) > pg_catalog.age($1::text::xid) LIMIT 1`, [
      row.since,
    ]);
    if (older.length > 0) found.push(`the partition ${name} was attached with rows: a rollback would not have them`);
  }
  return found;
}

/**
 * Makes what the fallback lacks, with the owner of the table there. What is refused there is said: rows that a default partition has taken
 * stay in it. The feed tries again by itself. Two that do it at once make each partition once.
 */
export async function makePartitions(production: Db, fallback: Db, which: Which): Promise<NewPartitions> {
  const [made, elsewhere, refused]: [string[], string[], string[]] = [[], [], []];
  if ((await missingPartitions(production, fallback, which)).length === 0) return { made, elsewhere, refused };
  for (const wanted of await ofProduction(production, which)) {
    const says = (error: DatabaseError): string =>
      `the partition ${wanted.name} (${wanted.bounds}) is new, and the fallback does not take it: ${error.message}`;
    try {
      if (await read(fallback, (inside) => make(inside, wanted))) made.push(wanted.name);
    } catch (error) {
      if (!(error instanceof DatabaseError) || !error.sqlstate) throw error;
      // 23514: the default partition has rows of it; 42P17: it overlaps with another.
      if (error.sqlstate === '23514') elsewhere.push(says(error));
      else if (error.sqlstate !== '42P17') refused.push(says(error));
      else {
        const rest = await read(fallback, (inside) => makeRest(inside, wanted)).catch((reason: unknown) => {
          if (!(reason instanceof DatabaseError) || !reason.sqlstate) throw reason;
          return reason;
        });
        if (rest instanceof DatabaseError) refused.push(says(error));
        else if (rest) made.push(rest);
      }
    }
  }
  return { made, elsewhere, refused };
}

/** One for what finds no place; undefined where there is a default partition, or hashes leave nothing out. */
async function makeRest(inside: Db, wanted: Partition): Promise<string | undefined> {
  const places = await locked(inside);
  const root = rootOf(places, wanted)!;
  const has = places.partitions.filter(({ parentOid }) => parentOid === root.oid).map(({ bounds }) => bounds);
  const modulus = has.map((bounds) => Number(/modulus (\d+)/.exec(bounds)?.[1] ?? 0));
  const isWhole = modulus.length > 0 && !modulus.includes(0) && Math.abs(modulus.reduce((sum, one) => sum + 1 / one, 0) - 1) < 1e-9;
  if (has.includes('DEFAULT') || isWhole) return undefined;
  await inside.query(`SET LOCAL ROLE ${ident(root.owner)}`);
  await inside.query(`CREATE TABLE ${restOf(root)} PARTITION OF ${root.name} DEFAULT`);
  await identified(inside, root, restOf(root));
  await inside.query('RESET ROLE');
  return restOf(root);
}

async function locked(inside: Db): Promise<Places> {
  await inside.query(
    "SET LOCAL lock_timeout = '5s'; SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('switchback partitions'))",
  );
  return there(inside);
}

async function make(inside: Db, wanted: Partition): Promise<boolean> {
  const places = await locked(inside);
  const root = rootOf(places, wanted);
  if (!root || missingIn(places, [wanted]).length === 0) return false;
  // another may have its name, as the old schema's of one that was detached; or its schema is new.
  const [taken] = await inside.query<{ is: boolean }>(
    'SELECT pg_catalog.to_regclass($1) IS NOT NULL OR NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $2) AS "is"',
    [wanted.name, wanted.schema],
  );
  const name = taken!.is ? `${ident(root.schema)}.switchback_part_${wanted.oid}` : wanted.name;
  await inside.query(`SET LOCAL ROLE ${ident(root.owner)}`);
  await inside.query(
    `CREATE TABLE ${name} PARTITION OF ${root.name} ${wanted.bounds}${wanted.key === null ? '' : ` PARTITION BY ${wanted.key}`}`,
  );
  await identified(inside, root, name);
  await inside.query('RESET ROLE');
  return true;
}

/** Rows are found by what the partition itself is told apart by: only a primary key comes by itself. */
async function identified(inside: Db, root: Places['roots'][number], name: string): Promise<void> {
  if (root.identity === 'f') await inside.query(`ALTER TABLE ${name} REPLICA IDENTITY FULL`);
  if (root.identity !== 'i') return;
  const [index] = await inside.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_catalog.pg_index i JOIN pg_catalog.pg_inherits h ON h.inhparent = i.indexrelid JOIN pg_catalog.pg_index o ON o.indexrelid = h.inhrelid
       JOIN pg_catalog.pg_class c ON c.oid = o.indexrelid WHERE i.indrelid = $1::pg_catalog.regclass AND i.indisreplident AND o.indrelid = $2::pg_catalog.regclass`,
    [root.name, name],
  );
  if (index) await inside.query(`ALTER TABLE ${name} REPLICA IDENTITY USING INDEX ${ident(index.name)}`);
}
