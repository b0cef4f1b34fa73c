/**
 * Tables in which migration tools note what they have applied. They belong to the form, not to the data: a fallback that
 * got production's rows would claim, after a rollback, that the migrations it never had were done, and the next window's
 * would not run.
 */
import type { Catalog, CatalogTable } from './catalog';

/** As the tools name them when nobody says otherwise. With a schema where the table's own name could be anybody's. */
const wellKnown = new Set([
  'pgmigrations', // node-pg-migrate
  'schema_migrations', // Rails, Ecto, golang-migrate, dbmate, Supabase
  'ar_internal_metadata', // Rails
  'schema_migration_details', // Discourse
  'flyway_schema_history',
  'databasechangelog', // Liquibase
  'databasechangeloglock',
  'knex_migrations',
  'knex_migrations_lock',
  'kysely_migration',
  'kysely_migration_lock',
  '_prisma_migrations',
  'django_migrations',
  'alembic_version',
  '_yoyo_migration',
  '_yoyo_log',
  '_yoyo_version',
  'yoyo_lock',
  'goose_db_version',
  'atlas_schema_revisions',
  'bun_migrations',
  'bun_migration_locks',
  'SequelizeMeta',
  'SequelizeData',
  '__EFMigrationsHistory',
  '__drizzle_migrations',
  'directus_migrations',
  'strapi_migrations',
  'strapi_migrations_internal',
  'strapi_database_schema',
  'payload_migrations',
  'pgboss.version',
  'graphile_worker.migrations',
  'graphile_migrate.migrations',
  'graphile_migrate.current',
  'river_migration',
  'mikro_orm_migrations',
  'doctrine_migration_versions',
  'migration_versions', // Doctrine before 3
  'phinxlog',
  '_sqlx_migrations',
  '__diesel_schema_migrations',
  'refinery_schema_history',
  'seaql_migrations',
  'pgroll.migrations',
  'reshape.migrations',
  ...['changes', 'dependencies', 'events', 'projects', 'releases', 'tags'].map((table) => `sqitch.${table}`),
]);

const called =
  /(^|_)(migrations?(_(versions?|logs?|history|details|locks?))?|(schema|db|database)_?(versions?|info|history|changes|log|migrations?)|version_?info|change_?log)$|^version$/i;
const columns =
  /^(version|version_?num|checksum|migration|migration_?name|script_?name|applied_?(at|on)|executed_?(at|on)|installed_?(at|on|by)|migrated_?(at|on)|run_?on|batch|dirty)$/i;

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
