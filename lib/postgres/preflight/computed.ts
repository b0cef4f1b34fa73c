/**
 * The findings that are worked out in code and not by one query of checks.ts, as docs/errors.md says them: there the words come from
 * here, on the night from the finding itself, with its names and values.
 */
import type { Finding } from './finding';

export const computedFindings: Readonly<Record<string, Omit<Finding, 'code'>>> = {
  version: {
    severity: 'refuse',
    what: 'PostgreSQL is older than 15',
    sql: 'SHOW server_version',
    wayOut: 'upgrade first',
  },
  rights: {
    severity: 'refuse',
    what: 'the master user may not make roles, see or end sessions, or make what a feed needs',
    sql: "SELECT rolcreaterole, rolreplication, pg_has_role('pg_create_subscription', 'USAGE') FROM pg_roles WHERE rolname = current_user",
    wayOut: 'grant it the role that the finding names; or deploy with feed: false, where only the feed needs it',
  },
  'slot-limit-short': {
    severity: 'warn',
    what: 'production writes so much WAL that max_slot_wal_keep_size is used up before the hold is over',
    sql: 'SELECT wal_bytes, stats_reset FROM pg_stat_wal',
    wayOut: 'raise max_slot_wal_keep_size as far as the disk allows, or know that a feed that stops must be mended in that time',
  },
  'slot-limit-over-disk': {
    severity: 'warn',
    what: 'max_slot_wal_keep_size is more than half of the disk, which a feed that hangs would fill',
    sql: 'SHOW max_slot_wal_keep_size',
    wayOut: 'set it to what the disk can spare, for example 30 % of the free space',
  },
  'roles-missing': {
    severity: 'refuse',
    what: 'the roles of Switchback are not in the database',
    sql: 'SELECT rolname FROM pg_roles',
    wayOut: 'deploy the shared stack, which prepares them',
  },
  'user-owns-tables': {
    severity: 'refuse',
    what: 'a role other than the owner owns tables, sequences or views: no grant binds it, so it could not be fenced',
    sql: "SELECT relname, relowner::regrole FROM pg_class WHERE relkind IN ('r','p','v') AND relnamespace = 'public'::regnamespace",
    wayOut: 'hand its objects to the owner: the finding has the statement',
  },
  'writes-past-the-fence': {
    severity: 'refuse',
    what: 'a role may write, could give itself the right, or could make or drop tables, in a way that the fence does not take away',
    sql: "SELECT relname, relacl FROM pg_class WHERE relkind IN ('r','p','v') AND relnamespace = 'public'::regnamespace",
    wayOut: 'revoke it: the finding has the statement',
  },
  'security-definer': {
    severity: 'refuse',
    what: 'a function runs with the rights of its owner whoever calls it, so it could write past the fence; what it is declared says nothing',
    sql: 'SELECT oid::regprocedure, proowner::regrole FROM pg_proc WHERE prosecdef',
    wayOut:
      'make it SECURITY INVOKER, revoke EXECUTE, or put what the finding says into acknowledgedFunctions once somebody has read it: its name and a hash of its text',
  },
  'versions-differ': {
    severity: 'refuse',
    what: 'production and the fallback are of different major versions',
    sql: 'SHOW server_version',
    wayOut: 'make the fallback a replica of production',
  },
  'settings-differ': {
    severity: 'warn',
    what: 'a setting that changes what a statement shows is not the same on both servers; a different TimeZone is refused',
    sql: "SELECT name, setting FROM pg_settings WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle', 'lc_monetary', 'bytea_output')",
    wayOut: 'give both instances the same parameter group',
  },
  'fallback-smaller': {
    severity: 'warn',
    what: 'the fallback has a smaller class, disk or limit than production, or fewer zones; a smaller max_connections is refused',
    sql: "SELECT name, setting FROM pg_settings WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders')",
    wayOut: 'give both instances the same class, disk and parameter group: a rollback makes the fallback production',
  },
  'parameters-differ': {
    severity: 'warn',
    what: 'a parameter is set on one of the two servers and not on the other',
    sql: "SELECT name, setting FROM pg_settings WHERE source = 'configuration file' ORDER BY name",
    wayOut: 'give both instances the same parameter group: a promotion keeps the one that the fallback has',
  },
  'secret-rotation': {
    severity: 'refuse',
    what: 'a secret is rotated by itself, and a password that changes during the hold is not known on the fallback',
    sql: '',
    wayOut: 'aws secretsmanager cancel-rotate-secret --secret-id <the secret>, until the window is closed',
  },
};
