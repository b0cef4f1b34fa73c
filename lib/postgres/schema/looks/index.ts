/** Everything that a database consists of, each kind looked at once, or the reason why not. */
import { besideLooks } from './beside';
import type { Look } from './look';
import { rowLooks } from './rows';
import { valueLooks } from './values';

export type { Found, Look, World } from './look';

export const looks: readonly Look[] = [...rowLooks, ...valueLooks, ...besideLooks];

/** Tables of pg_catalog at which nothing looks here, and why. A new one of a new major turns catalogs.test.ts red until it is here or has a look. */
export const notLookedAt: Readonly<Record<string, string>> = {
  pg_enum: 'the classifier compares the values of every enum (catalog.ts)',
  pg_statistic: 'what ANALYZE has counted',
  pg_statistic_ext_data: 'what ANALYZE has counted',
  pg_depend: 'follows from what is looked at',
  pg_shdepend: 'follows from what is looked at',
  pg_init_privs: 'rights that extensions came with',
  pg_description: 'comments',
  pg_shdescription: 'comments',
  pg_seclabel: 'labels for a module that no RDS has',
  pg_shseclabel: 'labels for a module that no RDS has',
  pg_amop: 'what an operator family consists of: looked at with the index that uses it',
  pg_amproc: 'what an operator family consists of: looked at with the index that uses it',
  pg_ts_config_map: 'what a text search configuration consists of: what it makes travels, or is computed on each side',
  pg_database: 'of the server: a migration is inside one database',
  pg_tablespace: 'of the server; RDS has one',
  pg_authid: 'of the server: roles and their rights are the fence’s and the preflight’s',
  pg_auth_members: 'of the server: roles and their rights are the fence’s and the preflight’s',
  pg_parameter_acl: 'of the server: who may change a setting changes no row',
  pg_replication_origin: 'of the server: a physical copy has its own',
};
