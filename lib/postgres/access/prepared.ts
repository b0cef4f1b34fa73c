/**
 * Two-phase commit: a prepared transaction belongs to no session, so no session that is ended ends it. Whoever prepared it can commit it behind
 * a fence, and it keeps its locks until then. A physical copy has those of its origin, which decides on them by itself.
 */
import { DatabaseError, type Db, literal } from '../connection/connect';

export interface Prepared {
  /** The name that it was given. */
  readonly gid: string;
  /** Only this user, or a superuser, can end it. */
  readonly owner: string;
}

/** Of this database; one of another database of the server harms nothing here. Asked for after those in the middle have ended: what they prepared is there before they are gone. */
export const preparedSql = 'SELECT gid, owner FROM pg_catalog.pg_prepared_xacts WHERE database = current_database() ORDER BY prepared';

export const preparedTransactions = (db: Db): Promise<Prepared[]> => db.query<Prepared>(preparedSql);

export const preparedWords = ({ gid, owner }: Prepared): string =>
  `the prepared transaction '${gid}' of '${owner}' can still be committed; run COMMIT PREPARED or ROLLBACK PREPARED '${gid}'`;

/**
 * On a copy that has just become a server of its own: what was prepared on production came along, and production decides on it. What it
 * commits is brought by the feed, which would wait for the copy's locks for ever, or bring a row that is there already.
 * @returns those that are not ours to end
 */
export async function rollBackCopied(copy: Db): Promise<Prepared[]> {
  const left: Prepared[] = [];
  for (const one of await preparedTransactions(copy)) {
    try {
      await copy.query(`ROLLBACK PREPARED ${literal(one.gid).trim()}`);
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      // 42704: it is gone.
      if (error.sqlstate === '42501') left.push(one);
      else if (error.sqlstate !== '42704') throw error;
    }
  }
  return left;
}
