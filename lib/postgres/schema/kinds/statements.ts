/** The SQL of a bridge: who runs which of it where. */
import { ownSchema } from '../../connection/server';
import type { PublishedTable } from '../../replication/publication';

/** One statement, and who runs it: what belongs to the owner is made as the owner, so that everybody's rights on it are as always. */
export interface Statement {
  readonly sql: string;
  readonly as: 'owner' | 'master';
}

export const owner = (sql: string): Statement => ({ sql, as: 'owner' });
export const master = (sql: string): Statement => ({ sql, as: 'master' });

/** What one table needs. */
export interface Part {
  /** On production, before the publication is made again. */
  readonly production: Statement[];
  /** On the fallback, in one transaction with those of all tables. */
  readonly fallback: Statement[];
  /** After all of `fallback`. */
  readonly views: Statement[];
  /** At a rollback, run from its end: what was made last goes first. */
  readonly revert: Statement[];
  /** At a rollback, after that: each may fail where rows of the new release do not allow it. */
  readonly restore: (Statement & { what: string })[];
  /** On production, when nothing is fed any more. */
  readonly productionRevert: Statement[];
  readonly publication: PublishedTable[];
}

export const emptyPart = (): Part => ({
  production: [],
  fallback: [],
  views: [],
  revert: [],
  restore: [],
  productionRevert: [],
  publication: [],
});

/** Fires for rows that arrive, and only for them. The worker that applies rows has an empty search path, so the function has its own. */
export function trigger(part: Part, table: string, name: string, when: 'BEFORE' | 'AFTER', body: string, on = 'INSERT OR UPDATE'): void {
  part.fallback.push(
    master(
      `CREATE OR REPLACE FUNCTION ${ownSchema}.${name}() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $bridge$ BEGIN\n${body}\nEND $bridge$`,
    ),
    master(`CREATE TRIGGER ${name} ${when} ${on} ON ${table} FOR EACH ROW EXECUTE FUNCTION ${ownSchema}.${name}()`),
    master(`ALTER TABLE ${table} ENABLE REPLICA TRIGGER ${name}`),
  );
  part.revert.push(master(`DROP FUNCTION ${ownSchema}.${name}()`), master(`DROP TRIGGER ${name} ON ${table}`));
}
