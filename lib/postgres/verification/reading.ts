/** How a proof reads: each side in a transaction of its own, the fallback as it was at the moment that another connection keeps. */
import { ConnectionLost, DatabaseError, type Db } from '../connection/connect';
import { importSnapshot, type Snapshot } from './compare';
import { settle } from './record';

/** The moment is gone with the connection that kept it: what is compared now has been written to since. */
export class MomentLost extends ConnectionLost {
  override name = 'MomentLost';
}

/** Makes connections of the comparison's own, each time it is asked; closed by it. */
export interface Sides {
  readonly production: () => Promise<Db>;
  readonly fallback: () => Promise<Db>;
}

/** Reads one side in a transaction of its own, which an error ends; the moment of the fallback is held by another connection. */
export class Reader {
  constructor(
    readonly db: Db,
    private readonly moment?: Snapshot,
  ) {}

  async begin(): Promise<void> {
    if (!this.moment) await this.db.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    else
      await importSnapshot(this.db, this.moment.id).catch((error: unknown) => {
        if (!(error instanceof DatabaseError) || error instanceof ConnectionLost) throw error;
        throw new MomentLost(`the moment that was kept is gone: ${error.message}`, error.sqlstate);
      });
    await this.db.query(settle);
  }

  async again(): Promise<void> {
    await this.db.query('ROLLBACK');
    await this.begin();
  }
}

export async function reading<T>(sides: Sides, moment: Snapshot, action: (production: Reader, fallback: Reader) => Promise<T>): Promise<T> {
  const open: Db[] = [];
  const connected = async (make: () => Promise<Db>): Promise<Db> => {
    const db = await make();
    open.push(db);
    return db;
  };
  try {
    const fallback = new Reader(await connected(sides.fallback), moment);
    await fallback.begin();
    const production = new Reader(await connected(sides.production));
    await production.begin();
    return await action(production, fallback);
  } finally {
    await Promise.all(open.map((db) => db.close().catch(() => undefined)));
  }
}

/** An answer about what was asked, and none about the connection. */
export const isOfValues = (error: unknown): error is DatabaseError => error instanceof DatabaseError && !(error instanceof ConnectionLost);

/** What it answers, or the server's reason why not. */
export const unlessRefused = <T>(action: () => Promise<T>): Promise<T | DatabaseError> =>
  action().catch((error: unknown) => {
    if (isOfValues(error)) return error;
    throw error;
  });

/** One number; undefined where the server refuses it. */
export async function ask(reader: Reader, sql: string): Promise<number | undefined> {
  const found = await unlessRefused(() => reader.db.query<{ rows: number }>(sql));
  if (!isOfValues(found)) return found[0]!.rows;
  await reader.again();
  return undefined;
}
