/**
 * Tables in which migration tools note what they have applied. They belong to the form, not to the data: a fallback that
 * got production's rows would claim, after a rollback, that the migrations it never had were done, and the next window's
 * would not run.
 */
import type { Catalog } from './catalog';

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
]);

/** `more` names further ones, `schema.table` each. */
export const isBookkeeping = ({ name, table }: { readonly name: string; readonly table: string }, more: readonly string[] = []): boolean =>
  wellKnown.has(table) || more.includes(name);

/** The catalog without them. */
export const withoutBookkeeping = (catalog: Catalog, more?: readonly string[]): Catalog => ({
  ...catalog,
  tables: catalog.tables.filter((table) => !isBookkeeping(table, more)),
});
