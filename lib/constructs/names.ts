/** Names inside PostgreSQL, made from the system's. */
import type { Color, SharedPart } from '../manifest/schema';

const sql = (system: string) => system.replaceAll('-', '_');

export const databaseName = (system: string): string => sql(system);

export const roleNames = (system: string): SharedPart['database']['roles'] => ({
  owner: `${sql(system)}_owner`,
  write: `${sql(system)}_write`,
  rights: `${sql(system)}_rights`,
  read: `${sql(system)}_read`,
  migrator: `${sql(system)}_migrator`,
  reader: `${sql(system)}_reader`,
});

export const colorUser = (system: string, color: Color): string => `${sql(system)}_${color}`;
/** The user the fallback databases are fed as. */
export const feedUser = (system: string): string => `${sql(system)}_feed`;

export const readerUser = (system: string, color: Color): string => `${sql(system)}_${color}_reader`;
export const masterUser = 'switchback';

/** The identifier of a window's fallback database. */
export const fallbackInstance = (system: string, window: number): string => `${system}-fallback-w${window}`;
