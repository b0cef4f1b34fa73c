import { isBookkeeping, looksLikeBookkeeping } from '../../../lib/postgres/schema/bookkeeping';

const named = (name: string): boolean => isBookkeeping({ name, table: name.split('.').at(-1)! });
const like = (table: string, ...columns: string[]): boolean =>
  looksLikeBookkeeping({ table, columns: columns.map((name) => ({ name })) as never });

test('notes of tools that are known, also those that only their schema tells from data', () => {
  const notes = [
    ...['public.schema_migrations', 'app._sqlx_migrations', 'public.alembic_version', 'public.__diesel_schema_migrations'],
    ...['public.mikro_orm_migrations', 'public.doctrine_migration_versions', 'public.directus_migrations', 'public.strapi_migrations'],
    ...['pgboss.version', 'graphile_worker.migrations', 'graphile_migrate.migrations', 'sqitch.changes', 'pgroll.migrations'],
  ];
  expect(notes.filter((name) => !named(name))).toEqual([]);
  // TypeORM, Laravel and Gitea call theirs as anybody might.
  const others = ['public.version', 'public.migrations', 'public.changes', 'public.users'];
  expect(others.filter(named)).toEqual([]);
});

test('a table that may be one is told by its name or by two of its columns', () => {
  expect([like('migrations', 'id', 'name'), like('x', 'Version', 'checksum'), like('schema_info', 'v')]).toEqual([true, true, true]);
  expect([
    like('VersionInfo', 'v'),
    like('schemaversions', 'v'),
    like('act_ge_schema_log', 'v'),
    like('migration_log', 'v'),
    like('x', 'executedAt', 'migrationName'),
  ]).toEqual([true, true, true, true, true]);
  expect([
    like('documents', 'id', 'version', 'body'),
    like('conversions', 'id'),
    like('bird_migrations_2026', 'id'),
    like('rooms', 'id', 'migrated_at'),
  ]).toEqual([false, false, false, false]);
});
