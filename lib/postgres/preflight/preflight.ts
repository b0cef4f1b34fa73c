/**
 * Everything in the databases that would stop a window, found days before. Reads only. Each finding carries the SQL that shows it, to
 * run by hand, and the way out.
 */

import { type Way, waysToWrite } from '../access/rights';
import { type Roles, rightsHolder } from '../access/roles';
import { DatabaseError, type Db } from '../connection/connect';
import { majorVersion, settings } from '../connection/server';
import { fallbackChecks, identical, productionChecks } from './checks';
import type { Check, Finding } from './finding';

export interface PreflightOptions {
  readonly roles: Roles;
  /**
   * `ahead`: forked hours before and fed by logical replication, which needs more. `window`: forked inside the window.
   * @default window
   */
  readonly fork?: 'ahead' | 'window';
  /** Codes that somebody has looked at: they are reported as warnings. @default none */
  readonly acknowledged?: readonly string[];
  /** SECURITY DEFINER functions that are no way around the fence. @default none */
  readonly acknowledgedFunctions?: readonly string[];
  /** How long the fallback is to be kept: production must be able to keep changes for it if it stands still. @default - not looked at */
  readonly holdSeconds?: number;
  /** Statistics younger than this do not tell how much production writes. @default 3600 */
  readonly rateSeconds?: number;
}

const order = { refuse: 0, warn: 1, note: 2 };

export async function preflight(production: Db, fallback: Db | undefined, options: PreflightOptions): Promise<Finding[]> {
  const findings = [
    ...(await rights(production, options)),
    ...(await run(production, productionChecks(options.roles), options, '')),
    ...(await fencing(production, options)),
    ...(options.fork === 'ahead' && options.holdSeconds !== undefined
      ? await patience(production, options.holdSeconds, options.rateSeconds)
      : []),
    ...(fallback ? await run(fallback, fallbackChecks, options, ' (on the fallback)') : []),
    ...(fallback ? await compared(production, fallback) : []),
  ];
  return findings
    .map(
      (finding): Finding =>
        finding.severity === 'refuse' && options.acknowledged?.includes(finding.code) ? { ...finding, severity: 'warn' } : finding,
    )
    .sort((a, b) => order[a.severity] - order[b.severity]);
}

async function run(db: Db, checks: readonly Check[], options: PreflightOptions, where: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) {
    const severity = options.fork === 'ahead' ? check.ahead : (check.window ?? check.ahead);
    if (severity === 'off') continue;
    const sql = check.sql.replace(/\s+/g, ' ').trim();
    try {
      const rows = await db.query<{ found: string }>(sql);
      if (rows.length === 0) continue;
      const found = rows.map((row) => row.found);
      const some = found.length > 5 ? `${found.slice(0, 5).join(', ')} and ${found.length - 5} more` : found.join(', ');
      findings.push({ code: check.code, severity, what: check.what.replace('{}', some) + where, sql, wayOut: check.wayOut });
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.sqlstate !== '42501') throw error;
      findings.push({
        code: check.code,
        severity: 'warn',
        what: `could not look: ${error.message}${where}`,
        sql,
        wayOut: 'run it as a user who may',
      });
    }
  }
  return findings;
}

async function rights(db: Db, options: PreflightOptions): Promise<Finding[]> {
  const version = await majorVersion(db);
  const findings: Finding[] = [];
  if (version < 15) {
    findings.push({
      code: 'version',
      severity: 'refuse',
      what: `PostgreSQL ${version} is older than 15, the oldest that column lists and this tool work with`,
      sql: 'SHOW server_version',
      wayOut: 'upgrade first',
    });
  }
  const wanted: { test: string; what: string; grant: string; ahead?: boolean }[] = [
    { test: 'rolcreaterole OR rolsuper', what: 'make and grant roles', grant: 'CREATEROLE' },
    { test: "pg_has_role('pg_read_all_stats', 'USAGE')", what: "see other users' transactions", grant: 'pg_monitor' },
    { test: "pg_has_role('pg_signal_backend', 'USAGE') OR rolsuper", what: "end other users' sessions", grant: 'pg_signal_backend' },
    {
      test: "rolreplication OR rolsuper OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'rds_replication' AND pg_has_role(r.oid, 'USAGE'))",
      what: 'make replication slots',
      grant: 'REPLICATION (on RDS: rds_replication)',
      ahead: true,
    },
    {
      test:
        version >= 16
          ? "pg_has_role('pg_create_subscription', 'USAGE') OR rolsuper"
          : "rolsuper OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'rds_superuser' AND pg_has_role(r.oid, 'USAGE'))",
      what: 'make subscriptions',
      grant: version >= 16 ? 'pg_create_subscription' : 'rds_superuser',
      ahead: true,
    },
    {
      test: "has_database_privilege(current_database(), 'CREATE')",
      what: 'make a publication in this database',
      grant: 'CREATE ON DATABASE',
      ahead: true,
    },
  ];
  for (const { test, what, grant, ahead } of wanted) {
    if (ahead && options.fork !== 'ahead') continue;
    const sql = `SELECT rolname, (${test}) AS can FROM pg_catalog.pg_roles WHERE rolname = current_user`;
    const [row] = await db.query<{ rolname: string; can: boolean }>(sql);
    if (!row!.can)
      findings.push({
        code: 'rights',
        severity: 'refuse',
        what: `the master user '${row!.rolname}' may not ${what}`,
        sql,
        wayOut: `grant it ${grant}${ahead ? '; or deploy with feed: false, which forks inside the window and leaves what customers write after it behind at a rollback' : ''}`,
      });
  }
  return findings;
}

/** For how long production can keep what it writes for a fallback that takes nothing, at the rate since its statistics began. */
async function patience(db: Db, holdSeconds: number, rateSeconds = 3600): Promise<Finding[]> {
  const since = 'extract(epoch FROM now() - w.stats_reset)::float8';
  const sql = `SELECT s.setting::float8 * 1048576 AS "limit", w.wal_bytes::float8 / ${since} AS rate FROM pg_settings s, pg_stat_wal w WHERE s.name = 'max_slot_wal_keep_size' AND s.setting::int > 0 AND ${since} > ${rateSeconds}`;
  const [row] = await db.query<{ limit: number; rate: number | null }>(sql);
  if (!row?.rate || row.limit / row.rate >= holdSeconds) return [];
  const hours = (seconds: number): string =>
    seconds < 5400 ? `${Math.max(1, Math.round(seconds / 60))} min` : `${Math.round(seconds / 3600)} h`;
  return [
    {
      code: 'slot-limit-short',
      severity: 'warn',
      what: `production writes ${(row.rate / 1e6).toFixed(1)} MB of WAL a second on average, and max_slot_wal_keep_size is ${Math.round(row.limit / 1e6)} MB: a feed that stands still is given up after ${hours(row.limit / row.rate)}, and the hold lasts ${hours(holdSeconds)}`,
      sql,
      wayOut: 'raise max_slot_wal_keep_size as far as the disk allows, or know that a feed that stops must be mended in that time',
    },
  ];
}

/** What proveFenced would find on the night. */
async function fencing(db: Db, { roles, acknowledgedFunctions = [] }: PreflightOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  const [there] = await db.query<{ there: boolean }>('SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1) AS there', [
    roles.write,
  ]);
  if (!there!.there) {
    return [
      {
        code: 'roles-missing',
        severity: 'refuse',
        what: `there is no role '${roles.write}'; roles and users have not been prepared`,
        sql: `SELECT rolname FROM pg_roles WHERE rolname = '${roles.write}'`,
        wayOut: 'deploy the shared stack, which prepares them',
      },
    ];
  }
  const holder = await rightsHolder(db, roles);
  for (const way of await waysToWrite(db, roles)) {
    // what the fence itself takes away.
    if (way.kind === 'member' && (way.of === holder || (way.of === roles.owner && way.role === roles.migrator))) continue;
    if (way.acknowledgedBy !== undefined && acknowledgedFunctions.includes(way.acknowledgedBy)) continue;
    const acknowledge =
      way.acknowledgedBy === undefined
        ? ''
        : `; or, once somebody has read it and found that it writes nothing, acknowledgedFunctions: ['${way.acknowledgedBy}'] (in your CDK app)`;
    findings.push({
      ...{ ...found[way.kind], severity: 'refuse', what: `${way.what}: the fence does not take that away` },
      wayOut: `${way.sql}${acknowledge}`,
    });
  }
  return findings;
}

const relations =
  "SELECT oid::regclass, relowner::regrole, relacl FROM pg_class WHERE relkind IN ('r','p','v','m','f','S') AND relnamespace = 'public'::regnamespace";
/** As what a way to write is found, and the SQL that shows it. */
const found: Readonly<Record<Way['kind'], { readonly code: string; readonly sql: string }>> = {
  owner: { code: 'user-owns-tables', sql: relations },
  grant: { code: 'writes-past-the-fence', sql: relations },
  member: { code: 'writes-past-the-fence', sql: 'SELECT roleid::regrole, member::regrole FROM pg_auth_members' },
  create: {
    code: 'writes-past-the-fence',
    sql: 'SELECT nspname, nspowner::regrole, nspacl FROM pg_namespace; SELECT datdba::regrole, datacl FROM pg_database WHERE datname = current_database()',
  },
  createrole: { code: 'writes-past-the-fence', sql: 'SELECT rolname FROM pg_roles WHERE rolcreaterole' },
  subscription: { code: 'writes-past-the-fence', sql: 'SELECT subname, subowner::regrole FROM pg_subscription' },
  function: { code: 'security-definer', sql: 'SELECT oid::regprocedure, proowner::regrole FROM pg_proc WHERE prosecdef' },
};

/** Settings in which the two servers must agree, and those in which the fallback must not be smaller. */
async function compared(production: Db, fallback: Db): Promise<Finding[]> {
  const names = [...identical, ...notSmaller];
  const [here, there] = [await settings(production, names), await settings(fallback, names)];
  const findings: Finding[] = [];
  const [mine, theirs] = [await majorVersion(production), await majorVersion(fallback)];
  if (mine !== theirs)
    findings.push({
      code: 'versions-differ',
      severity: 'refuse',
      what: `production is PostgreSQL ${mine}, the fallback ${theirs}`,
      sql: 'SHOW server_version',
      wayOut: 'make the fallback a replica of production',
    });
  for (const name of identical) {
    if (here[name] !== there[name]) {
      findings.push({
        code: 'settings-differ',
        severity: name === 'TimeZone' ? 'refuse' : 'warn',
        what: `${name} is '${here[name]}' on production and '${there[name]}' on the fallback: the old release would see other values after a rollback`,
        sql: `SHOW ${name}`,
        wayOut: 'give both instances the same parameter group',
      });
    }
  }
  for (const name of notSmaller) {
    if (Number(there[name]) < Number(here[name])) {
      findings.push({
        code: 'fallback-smaller',
        severity: name === 'max_connections' ? 'refuse' : 'warn',
        what: `${name} is ${there[name]} on the fallback and ${here[name]} on production`,
        sql: `SHOW ${name}`,
        wayOut: 'give both instances the same class and parameter group',
      });
    }
  }
  return [...findings, ...(await parameters(production, fallback))];
}

/** What somebody has set on one of the two servers and not on the other, beyond what is said by itself. */
async function parameters(production: Db, fallback: Db): Promise<Finding[]> {
  const sql = `SELECT name, setting FROM pg_settings WHERE source = 'configuration file' AND context <> 'internal' ORDER BY name`;
  const read = async (db: Db) =>
    new Map((await db.query<{ name: string; setting: string }>(sql)).map(({ name, setting }) => [name, setting]));
  const [here, there] = [await read(production), await read(fallback)];
  const said = new Set<string>([...identical, ...notSmaller, 'wal_level']);
  const differing = [...new Set([...here.keys(), ...there.keys()])].filter(
    (name) => here.get(name) !== there.get(name) && !said.has(name) && !ofTheInstance.test(name),
  );
  if (differing.length === 0) return [];
  const texts = differing.slice(0, 8).map((name) => `${name} (${here.get(name) ?? 'not set'}, ${there.get(name) ?? 'not set'})`);
  return [
    {
      code: 'parameters-differ',
      severity: 'warn',
      what: `set otherwise on production and on the fallback: ${texts.join(', ')}${differing.length > 8 ? ` and ${differing.length - 8} more` : ''}`,
      sql,
      wayOut: 'give both instances the same parameter group: a promotion keeps the one the fallback has',
    },
  ];
}

/** Where a server is, how it replicates and what it logs is its own. */
const ofTheInstance =
  /^(port|listen_addresses|data_directory|(config|hba|ident|external_pid)_file|unix_socket_.*|cluster_name|primary_.*|recovery_.*|restore_command|archive_.*|promote_.*|hot_standby.*|log_.*|logging_.*|ssl_.*|rds\..*)$/;

const notSmaller = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_transactions',
  'max_locks_per_transaction',
] as const;
