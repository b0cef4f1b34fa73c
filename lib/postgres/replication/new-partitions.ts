/**
 * Partitions that are made while a feed runs (pg_partman): rows of them would find no place on the fallback, and the feed would stand. A feed
 * carries rows and not statements, so the fallback gets the same partition here.
 */
import { DatabaseError, type Db, ident } from '../connection/connect';
import { userSchema } from '../connection/server';
import type { FeedName } from './subscription';

interface Partition {
  readonly name: string;
  readonly parent: string;
  /** `FOR VALUES FROM (…) TO (…)`. */
  readonly bounds: string;
  /** `RANGE (d)`, of one that has partitions of its own. */
  readonly key: string | null;
}

interface Places {
  readonly partitions: readonly Partition[];
  readonly roots: readonly { readonly name: string; readonly owner: string; readonly identity: 'd' | 'n' | 'f' | 'i' }[];
}

export interface NewPartitions {
  /** `public.ev_12`. */
  readonly made: readonly string[];
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

const columns = `pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, pg_catalog.format('%I.%I', pn.nspname, p.relname) AS parent,
            pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bounds, CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS key`;
const joined = `JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid AND NOT i.inhdetachpending
       JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace`;

/** Those that production publishes, parents first. */
const published = (production: Db, name: FeedName): Promise<Partition[]> =>
  read(production, (inside) =>
    inside.query<Partition>(
      `SELECT ${columns} FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication b ON b.oid = r.prpubid CROSS JOIN LATERAL pg_catalog.pg_partition_tree(r.prrelid) t
         JOIN pg_catalog.pg_class c ON c.oid = t.relid AND c.relispartition ${joined} WHERE b.pubname = $1 ORDER BY t.level, 1`,
      [name],
    ),
  );

async function there(inside: Db): Promise<Places> {
  const partitions = await inside.query<Partition>(
    `SELECT ${columns} FROM pg_catalog.pg_class c ${joined} WHERE c.relispartition AND c.relkind IN ('r','p') AND ${userSchema}`,
  );
  const roots = await inside.query<Places['roots'][number]>(
    `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, pg_catalog.pg_get_userbyid(c.relowner) AS owner, c.relreplident AS identity
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND ${userSchema}`,
  );
  return { partitions, roots };
}

/** Where the fallback has a partition with the same bounds, whatever its name is, rows find their place. */
const missingIn = ({ partitions }: Places, wanted: readonly Partition[]): Partition[] =>
  wanted.filter(({ parent, bounds }) => !partitions.some((one) => one.parent === parent && one.bounds === bounds));

/** Of tables that the fallback has partitioned, too. */
export async function missingPartitions(production: Db, fallback: Db, name: FeedName): Promise<string[]> {
  const wanted = await published(production, name);
  if (wanted.length === 0) return [];
  const places = await read(fallback, there);
  return missingIn(places, wanted)
    .filter(({ parent }) => places.roots.some((root) => root.name === parent))
    .map((one) => one.name);
}

/**
 * Makes what the fallback lacks, with the owner of the table there. What is refused there is said: rows that a default partition has taken
 * stay in it. The feed tries again by itself. Two that do it at once make each partition once.
 */
export async function makePartitions(production: Db, fallback: Db, name: FeedName): Promise<NewPartitions> {
  const [made, refused]: [string[], string[]] = [[], []];
  if ((await missingPartitions(production, fallback, name)).length === 0) return { made, refused };
  for (const wanted of await published(production, name)) {
    try {
      if (await read(fallback, (inside) => make(inside, wanted))) made.push(wanted.name);
    } catch (error) {
      if (!(error instanceof DatabaseError) || !error.sqlstate) throw error;
      refused.push(`the partition ${wanted.name} (${wanted.bounds}) is new, and the fallback does not take it: ${error.message}`);
    }
  }
  return { made, refused };
}

async function make(inside: Db, wanted: Partition): Promise<boolean> {
  await inside.query(
    "SET LOCAL lock_timeout = '5s'; SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('switchback partitions'))",
  );
  const places = await there(inside);
  const root = places.roots.find((one) => one.name === wanted.parent);
  if (!root || missingIn(places, [wanted]).length === 0) return false;
  await inside.query(`SET LOCAL ROLE ${ident(root.owner)}`);
  await inside.query(
    `CREATE TABLE ${wanted.name} PARTITION OF ${wanted.parent} ${wanted.bounds}${wanted.key === null ? '' : ` PARTITION BY ${wanted.key}`}`,
  );
  // rows are found by what the partition itself is told apart by: only a primary key comes by itself.
  if (root.identity === 'f') await inside.query(`ALTER TABLE ${wanted.name} REPLICA IDENTITY FULL`);
  if (root.identity === 'i') {
    const [index] = await inside.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_catalog.pg_index i JOIN pg_catalog.pg_inherits h ON h.inhparent = i.indexrelid JOIN pg_catalog.pg_index o ON o.indexrelid = h.inhrelid
         JOIN pg_catalog.pg_class c ON c.oid = o.indexrelid WHERE i.indrelid = $1::pg_catalog.regclass AND i.indisreplident AND o.indrelid = $2::pg_catalog.regclass`,
      [wanted.parent, wanted.name],
    );
    if (index) await inside.query(`ALTER TABLE ${wanted.name} REPLICA IDENTITY USING INDEX ${ident(index.name)}`);
  }
  await inside.query('RESET ROLE');
  return true;
}
