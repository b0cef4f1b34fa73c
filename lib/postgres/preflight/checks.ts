/** The list of preflight.ts: what is looked for, in SQL that can be run by hand. */

import type { Roles } from '../access/roles';
import { literal } from '../connection/connect';
import { ofExtension, ownSession, userSchema } from '../connection/server';
import type { Check } from './finding';

/** Settings that change what the same statement does or shows. */
export const identical = [
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'lc_monetary',
  'default_text_search_config',
  'bytea_output',
  'synchronous_commit',
] as const;

const tables = (condition: string): string =>
  `SELECT format('%I.%I', n.nspname, c.relname) AS found FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ${userSchema} AND NOT ${ofExtension('pg_class', 'c.oid')} AND ${condition} ORDER BY 1`;

const setting = (name: string, bad: string): string => `SELECT current_setting('${name}') AS found WHERE current_setting('${name}') ${bad}`;

export const productionChecks = (roles: Roles): readonly Check[] => [
  {
    code: 'replica',
    ahead: 'refuse',
    sql: "SELECT 'it' AS found WHERE pg_is_in_recovery()",
    what: 'the production database is itself a replica',
    wayOut: 'point the manifest at the instance that takes the writes',
  },
  {
    code: 'wal-level',
    ahead: 'refuse',
    window: 'note',
    sql: setting('wal_level', "<> 'logical'"),
    what: "wal_level is '{}': without 'logical' there is no feed, and a rollback after opening loses what was written since",
    wayOut: 'set rds.logical_replication = 1 in the parameter group and reboot the instance',
  },
  {
    code: 'no-free-slot',
    ahead: 'refuse',
    window: 'off',
    sql: "SELECT count(*) || ' of ' || current_setting('max_replication_slots') AS found FROM pg_replication_slots HAVING count(*) >= current_setting('max_replication_slots')::int",
    what: '{} replication slots are in use',
    wayOut: 'raise max_replication_slots, or drop a slot that nobody needs',
  },
  {
    code: 'no-free-sender',
    ahead: 'refuse',
    window: 'off',
    sql: "SELECT count(*) || ' of ' || current_setting('max_wal_senders') AS found FROM pg_stat_replication HAVING count(*) + 1 > current_setting('max_wal_senders')::int - 1",
    what: '{} WAL senders are in use',
    wayOut: 'raise max_wal_senders',
  },
  {
    code: 'no-slot-limit',
    ahead: 'refuse',
    window: 'off',
    sql: setting('max_slot_wal_keep_size', "= '-1'"),
    what: "max_slot_wal_keep_size is {}: a feed that hangs would fill production's disk",
    wayOut: 'set it to what the disk can spare, for example 30 % of the free space',
  },
  {
    code: 'origin-right',
    ahead: 'note',
    window: 'off',
    sql: "SELECT current_user AS found WHERE NOT has_function_privilege('pg_catalog.pg_replication_origin_advance(text,pg_lsn)', 'EXECUTE')",
    what: "'{}' may not place a replication origin: the slot is moved to where the fallback left production instead, which is as exact",
    wayOut: 'nothing to do; GRANT EXECUTE ON FUNCTION pg_replication_origin_advance spares a checkpoint',
  },
  {
    code: 'prepared-transactions',
    ahead: 'refuse',
    sql: "SELECT gid || ' of ' || owner FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared".replace(
      ' FROM',
      ' AS found FROM',
    ),
    what: 'prepared transactions are waiting: {}; one can be committed behind a fence, and making a slot waits for it for ever',
    wayOut: 'COMMIT PREPARED or ROLLBACK PREPARED each, and find out who uses two-phase commit',
  },
  {
    code: 'long-write-transaction',
    ahead: 'refuse',
    window: 'warn',
    sql: `SELECT format('pid %s of %s, open for %s s', s.pid, s.usename, extract(epoch FROM now() - s.xact_start)::int) AS found FROM pg_stat_activity s
           WHERE s.backend_xid IS NOT NULL AND s.pid <> pg_backend_pid() AND s.datname = current_database() AND s.xact_start < now() - interval '60 s'`,
    what: 'a write transaction has been open for more than a minute: {}; the drain and the making of a slot would wait for it',
    wayOut: 'let it end, or end it with pg_terminate_backend(pid)',
  },
  {
    code: 'tables-without-identity',
    ahead: 'refuse',
    window: 'off',
    sql: tables(
      // partitions too: each needs its own, whatever its parent has. A deferrable key is none.
      "c.relkind IN ('r','p') AND c.relpersistence = 'p' AND c.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indimmediate AND i.indisvalid AND ((c.relreplident = 'd' AND i.indisprimary) OR (c.relreplident = 'i' AND i.indisreplident)))",
    ),
    what: 'tables without a primary key or replica identity: {}; once published, every UPDATE and DELETE of them would fail on production',
    wayOut:
      'ALTER TABLE … REPLICA IDENTITY USING INDEX a unique index over NOT NULL columns (not deferrable); or REPLICA IDENTITY FULL for a small table; for a partition, on itself',
  },
  {
    code: 'identity-full',
    ahead: 'warn',
    window: 'off',
    sql: tables("c.relkind IN ('r','p') AND c.relreplident = 'f'"),
    what: 'tables with REPLICA IDENTITY FULL: {}; the fallback finds their rows by all columns, so no bridge may add one',
    wayOut: 'give them a primary key if migrations will change them',
  },
  {
    code: 'identity-full-without-equality',
    ahead: 'refuse',
    window: 'off',
    sql: `SELECT format('%I.%I.%I (%s)', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)) AS found
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           WHERE ${userSchema} AND c.relkind IN ('r','p') AND c.relreplident = 'f' AND NOT ${ofExtension('pg_class', 'c.oid')}
             AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
             AND NOT EXISTS (SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod JOIN pg_type t ON t.oid = a.atttypid
                              WHERE m.amname IN ('btree','hash') AND o.opcdefault
                                AND (o.opcintype IN (a.atttypid, t.typbasetype) OR (t.typtype = 'e' AND o.opcintype = 'anyenum'::regtype)
                                  OR (t.typcategory = 'A' AND o.opcintype = 'anyarray'::regtype) OR (t.typtype = 'r' AND o.opcintype = 'anyrange'::regtype)
                                  OR (t.typtype = 'm' AND o.opcintype = 'anymultirange'::regtype) OR (t.typtype = 'c' AND o.opcintype = 'record'::regtype)
                                  OR (a.atttypid = 'varchar'::regtype AND o.opcintype = 'text'::regtype)))
           ORDER BY 1`,
    what: 'tables with REPLICA IDENTITY FULL and a column that has no equality: {}; their rows could not be found, and the first update would stop the feed',
    wayOut: 'give the table a primary key',
  },
  {
    code: 'inheritance',
    ahead: 'refuse',
    window: 'off',
    sql: `SELECT format('%I.%I', n.nspname, c.relname) AS found FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE NOT c.relispartition AND c.relkind = 'r' AND ${userSchema} ORDER BY 1`,
    what: 'tables that inherit from another: {}; a feed cannot tell rows of the one from rows of the other',
    wayOut: 'make them partitions, or tables of their own (ALTER TABLE … NO INHERIT …)',
  },
  {
    code: 'unlogged-tables',
    ahead: 'warn',
    sql: tables("c.relkind IN ('r','p') AND c.relpersistence = 'u'"),
    what: 'unlogged tables: {}; they are empty on the fallback',
    wayOut: 'ALTER TABLE … SET LOGGED if a rollback needs their rows',
  },
  {
    code: 'large-objects',
    ahead: 'refuse',
    window: 'off',
    sql: 'SELECT count(*)::text AS found FROM pg_largeobject_metadata HAVING count(*) > 0',
    what: '{} large objects: a feed does not carry them, so those written after the fork would be missing after a rollback',
    wayOut:
      'move them into bytea columns or to S3, or, where nothing writes them during a hold, acknowledgedFindings: large-objects (in your CDK app)',
  },
  {
    code: 'materialized-views',
    ahead: 'note',
    window: 'off',
    sql: tables("c.relkind = 'm'"),
    what: 'materialized views: {}; on the fallback they are as old as the fork',
    wayOut: 'refresh them after a rollback',
  },
  {
    code: 'foreign-tables',
    ahead: 'note',
    sql: tables("c.relkind = 'f'"),
    what: 'foreign tables: {}; both databases write to the same place through them',
    wayOut: 'make sure that is meant',
  },
  {
    code: 'triggers-on-apply',
    ahead: 'warn',
    window: 'off',
    sql: "SELECT format('%s on %s', tgname, tgrelid::regclass) AS found FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('A','R') AND tgname NOT LIKE 'switchback%' ORDER BY 1",
    what: 'triggers that fire on applied rows too: {}; what they do would happen twice',
    wayOut: 'ALTER TABLE … ENABLE TRIGGER for the time of the hold, unless that is meant',
  },
  {
    code: 'forced-row-security',
    ahead: 'refuse',
    window: 'warn',
    sql: tables("c.relkind IN ('r','p') AND c.relforcerowsecurity"),
    what: 'row security that binds the owner too: {}; the feed cannot apply to them and a comparison may not see every row',
    wayOut: 'ALTER TABLE … NO FORCE ROW LEVEL SECURITY; nobody logs in as the owner',
  },
  {
    code: 'other-subscriptions',
    ahead: 'refuse',
    sql: "SELECT s.subname::text AS found FROM pg_stat_subscription s WHERE s.subname NOT LIKE 'switchback%' AND s.pid IS NOT NULL GROUP BY 1",
    what: 'subscriptions write to this database: {}; a fence does not bind them',
    wayOut: 'disable them for the window: ALTER SUBSCRIPTION … DISABLE',
  },
  {
    code: 'other-slots',
    ahead: 'warn',
    sql: "SELECT format('%s (%s)', slot_name, coalesce(plugin, 'physical')) AS found FROM pg_replication_slots WHERE slot_type = 'logical' AND slot_name NOT LIKE 'switchback%'",
    what: 'others read changes from logical slots: {}; after a rollback they would still read from the old production',
    wayOut: 'plan how they move to the fallback, or stop them for the window',
  },
  {
    code: 'cron-jobs',
    ahead: 'warn',
    sql: "SELECT 'pg_cron ' || extversion AS found FROM pg_extension WHERE extname = 'pg_cron'",
    what: '{} runs jobs inside the database: they are workers that nobody stops, and would run on the promoted fallback too',
    wayOut:
      "set cron.job.active = false for the window, and leave pg_cron out of the fallback's shared_preload_libraries until it is production",
  },
  {
    code: 'asynchronous-commit',
    ahead: 'warn',
    sql: `SELECT coalesce(r.rolname, 'every user') || coalesce(' in ' || d.datname, '') AS found FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
           WHERE EXISTS (SELECT FROM unnest(s.setconfig) c WHERE c ~ '^synchronous_commit=(off|0|false|no)')
          UNION ALL SELECT 'the server' WHERE (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') = 'off'`,
    what: 'synchronous_commit is off for {}: a crash of the database loses acknowledged writes by itself',
    wayOut: 'leave it on unless that loss is accepted',
  },
  {
    code: 'statement-texts',
    ahead: 'warn',
    window: 'off',
    sql: `SELECT name || ' = ' || setting AS found FROM pg_settings
           WHERE name = 'pgaudit.log' AND setting ~* '(^|,) *(all|ddl|misc)' OR name = 'log_min_messages' AND setting LIKE 'debug%'
              OR name = 'pg_stat_statements.track' AND setting = 'all' AND NOT EXISTS (
                   SELECT FROM pg_extension e JOIN pg_proc p ON p.pronamespace = e.extnamespace AND p.proname = 'pg_stat_statements_reset' AND has_function_privilege(p.oid, 'EXECUTE')
                    WHERE e.extname = 'pg_stat_statements')`,
    what: "{}: PostgreSQL writes down what a subscription is made with, also the password of the feed's user, which can read every table",
    wayOut:
      'set pg_stat_statements.track = top (or make the extension in this database and GRANT EXECUTE ON FUNCTION pg_stat_statements_reset), leave ddl and misc out of pgaudit.log and debug out of log_min_messages until the window is closed',
  },
  {
    code: 'counts-off',
    ahead: 'note',
    window: 'warn',
    sql: setting('track_counts', "= 'off'"),
    what: 'track_counts is {}: it cannot be said how many writes a rollback would lose',
    wayOut: 'set track_counts = on',
  },
  {
    code: 'sequence-near-end',
    ahead: 'warn',
    sql: `SELECT format('%I.%I at %s of %s', schemaname, sequencename, last_value, max_value) AS found FROM pg_sequences
           WHERE increment_by > 0 AND NOT cycle AND last_value > max_value - max_value / 10`,
    what: 'sequences have used more than nine tenths of their numbers: {}; moving them ahead takes a few more',
    wayOut: 'widen the column and the sequence to bigint first',
  },
  {
    code: 'user-does-not-inherit',
    ahead: 'refuse',
    sql: `SELECT m.rolname AS found FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member WHERE NOT m.rolinherit AND m.rolcanlogin AND a.roleid IN (SELECT oid FROM pg_roles WHERE rolname IN (${literal(roles.read)}, ${literal(roles.write)}))`,
    what: 'users that do not inherit the rights of their roles: {}',
    wayOut: 'ALTER ROLE … INHERIT',
  },
  {
    code: 'migrator-unlocked',
    ahead: 'warn',
    sql: `SELECT m.rolname AS found FROM pg_roles m, pg_roles o WHERE m.rolname = ${literal(roles.migrator)} AND o.rolname = ${literal(roles.owner)} AND pg_has_role(m.oid, o.oid, 'MEMBER')`,
    what: "the migrator '{}' may act as the owner although no migration runs",
    wayOut: `REVOKE "${roles.owner}" FROM "${roles.migrator}"; the cutover does it too`,
  },
  {
    code: 'owner-not-ours',
    ahead: 'refuse',
    window: 'warn',
    sql: tables(
      `c.relkind IN ('r','p') AND c.relowner NOT IN (SELECT oid FROM pg_roles WHERE rolname = ${literal(roles.owner)} OR (rolcanlogin AND NOT rolsuper AND rolname <> current_user))`,
    ).replace('AS found', "|| ' of ' || c.relowner::regrole AS found"),
    what: `tables that do not belong to '${roles.owner}': {}; the colors' users were not granted anything on them, and migrations cannot change them`,
    wayOut: `ALTER TABLE … OWNER TO "${roles.owner}"; what belongs to the master user is handed over when the shared stack is deployed again`,
  },
  {
    code: 'sessions-no-grant-binds',
    ahead: 'warn',
    sql: `SELECT format('%s (%s, pid %s)', s.usename, s.application_name, s.pid) AS found FROM pg_stat_activity s JOIN pg_roles r ON r.oid = s.usesysid
           WHERE s.datname = current_database() AND s.backend_type = 'client backend' AND s.pid <> pg_backend_pid() AND NOT ${ownSession} AND r.rolname NOT LIKE 'rds%' AND (r.rolsuper OR s.usename = current_user)`,
    what: 'sessions of the master user or a superuser are open: {}; the fence is not proven while they are',
    wayOut: 'close them before the window',
  },
  {
    code: 'event-triggers',
    ahead: 'refuse',
    window: 'note',
    sql: `SELECT evtname::text AS found FROM pg_event_trigger e WHERE evtenabled <> 'D' AND evtname NOT LIKE 'switchback%' AND NOT ${ofExtension('pg_event_trigger', 'e.oid')}`,
    what: 'event triggers: {}; on the fallback they fire for what the bridge does there, and rows that they write are not those of production',
    wayOut: 'disable them for the window (ALTER EVENT TRIGGER … DISABLE), or acknowledge them when they write nothing',
  },
];

export const fallbackChecks: readonly Check[] = [
  {
    code: 'wal-level',
    ahead: 'refuse',
    window: 'note',
    sql: setting('wal_level', "<> 'logical'"),
    what: "wal_level is '{}'",
    wayOut: "set rds.logical_replication = 1 in the fallback's own parameter group and reboot it: a promotion keeps that group",
  },
  {
    code: 'no-free-worker',
    ahead: 'refuse',
    window: 'off',
    // origins are counted against max_replication_slots, from PostgreSQL 18 on against a setting of their own.
    sql: `SELECT format('%s of %s workers, %s of %s origins', used.workers, most.workers, used.origins, most.origins) AS found
            FROM (SELECT (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL) AS workers, (SELECT count(*) FROM pg_replication_origin) AS origins) used,
                 (SELECT least(current_setting('max_logical_replication_workers')::int, current_setting('max_worker_processes')::int - 1) AS workers,
                         coalesce(current_setting('max_active_replication_origins', true), current_setting('max_replication_slots'))::int AS origins) most
           WHERE used.workers >= most.workers OR used.origins >= most.origins`,
    what: 'no worker or no origin is left for the feed: {} are in use',
    wayOut:
      'raise max_logical_replication_workers and max_worker_processes, and max_replication_slots (max_active_replication_origins from 18 on)',
  },
  {
    code: 'collation-version',
    ahead: 'refuse',
    window: 'refuse',
    sql: 'SELECT datcollversion AS found FROM pg_database WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid)',
    what: 'its operating system sorts text differently ({} was recorded): text indexes of a physical copy are wrong there',
    wayOut: 'run both instances on the same engine version and maintenance level, or REINDEX after the promotion',
  },
  {
    code: 'fallback-slots',
    ahead: 'note',
    sql: "SELECT slot_name::text AS found FROM pg_replication_slots WHERE slot_type = 'logical' AND slot_name NOT LIKE 'switchback%'",
    what: 'logical slots exist on it: {}',
    wayOut: 'know who reads from them',
  },
];
