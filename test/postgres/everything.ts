import { type Db, ident } from '../../lib/postgres/connection/connect';
import { plainColumns, readTables } from '../../lib/postgres/connection/tables';
import { fingerprint } from '../../lib/postgres/verification/compare';

/** Every row of every table of ours and the user's, the marker aside, and where every sequence stands. */
export async function everything(db: Db): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const table of await readTables(db)) {
    // what a bridge computes for a row is written with it, and nothing that the user wrote.
    const columns = plainColumns(table).filter(({ name: column }) => !column.startsWith('switchback_'));
    found[table.name] = await fingerprint(
      db,
      table.name,
      columns.map((column) => ident(column.name)),
    );
  }
  found['sequences'] = await db.query('SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2');
  found['probe'] = await db.query("SELECT id FROM switchback.marker WHERE id = 'probe'");
  found['triggers'] = await db.query('SELECT tgrelid::regclass::text AS t, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2');
  return found;
}
