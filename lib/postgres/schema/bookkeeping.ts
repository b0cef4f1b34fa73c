/**
 * Tables in which migration tools note what they have applied. They belong to the form, not to the data: a fallback that
 * got production's rows would claim, after a rollback, that the migrations it never had were done, and the next window's
 * would not run.
 */
import type { Catalog, CatalogTable } from './catalog';

/** As the tools name them when nobody says otherwise. */
const wellKnown = new Set([
  'pgmigrations', // node-pg-migrate
  'schema_migrations', // Rails, golang-migrate, dbmate
  'ar_internal_metadata', // Rails
  'flyway_schema_history',
  'databasechangelog', // Liquibase
  'databasechangeloglock',
  'knex_migrations',
  'knex_migrations_lock',
  '_prisma_migrations',
  'django_migrations',
  'alembic_version',
  'goose_db_version',
  'atlas_schema_revisions',
  'SequelizeMeta',
  '__EFMigrationsHistory',
  '__drizzle_migrations',
  'directus_migrations',
  'strapi_migrations',
  'strapi_migrations_internal',
  'strapi_database_schema',
  'pgboss.version',
  'graphile_worker.migrations',
  'mikro_orm_migrations',
  'doctrine_migration_versions',
  '_sqlx_migrations',
  '__diesel_schema_migrations',
]);

const called = /(^|_)(migrations?|schema_(versions?|info|history|changes)|db_versions?|changelog)$|^version$/i;
const columns =
  /^(version|version_num|checksum|migration|migration_name|applied_at|executed_at|executed_on|installed_on|run_on|batch|dirty)$/i;

/** A table that may be one which nobody has named: by what it or two of its columns are called. TypeORM and Laravel call theirs `migrations`. */
export const looksLikeBookkeeping = ({ table, columns: all }: Pick<CatalogTable, 'table' | 'columns'>): boolean =>
  called.test(table) || all.filter(({ name }) => columns.test(name)).length >= 2;

/** `more` names further ones, `schema.table` each. */
export const isBookkeeping = ({ name, table }: { readonly name: string; readonly table: string }, more: readonly string[] = []): boolean =>
  wellKnown.has(table) || wellKnown.has(name) || more.includes(name);

/** The catalog without them. */
export const withoutBookkeeping = (catalog: Catalog, more?: readonly string[]): Catalog => ({
  ...catalog,
  tables: catalog.tables.filter((table) => !isBookkeeping(table, more)),
});
