import { isBookkeeping, looksLikeBookkeeping } from '../../../lib/postgres/schema/bookkeeping';

const named = (name: string): boolean => isBookkeeping({ name, table: name.split('.').at(-1)! });
const like = (table: string, ...columns: string[]): boolean =>
  looksLikeBookkeeping({ table, columns: columns.map((name) => ({ name })) as never });

test('notes of tools that are known, also those that only their schema tells from data', () => {
  expect(
    ['public.schema_migrations', 'app._sqlx_migrations', 'pgboss.version', 'graphile_worker.migrations', 'public.directus_migrations'].map(
      named,
    ),
  ).toEqual(Array.from({ length: 5 }, () => true));
  expect(['public.version', 'public.migrations', 'public.users'].map(named)).toEqual([false, false, false]);
});

test('a table that may be one is told by its name or by two of its columns', () => {
  expect([like('migrations', 'id', 'name'), like('x', 'Version', 'checksum'), like('schema_info', 'v')]).toEqual([true, true, true]);
  expect([like('documents', 'id', 'version', 'body'), like('conversions', 'id'), like('bird_migrations_2026', 'id')]).toEqual([
    false,
    false,
    false,
  ]);
});
