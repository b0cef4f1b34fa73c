/**
 * The parameters of a parameter group, as the server programs themselves describe them, plus RDS's own; and how the
 * values of a group become settings of a server.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Parameter } from '@aws-sdk/client-rds';
import { spawnOptions } from '../../postgres/account';
import type { Binaries } from '../../postgres/binaries';
import type { Settings } from '../../postgres/server';
import { invalidValue } from './errors';

export interface KnownParameter {
  readonly name: string;
  readonly description: string;
  /** A static parameter takes effect at a reboot. */
  readonly type: 'static' | 'dynamic';
  readonly dataType: 'boolean' | 'integer' | 'float' | 'string';
  readonly allowed?: string;
  readonly modifiable: boolean;
  /** What RDS sets where it differs from PostgreSQL. */
  readonly default?: string;
}

/** RDS decides these itself. */
const fixed =
  /^(wal_level|fsync|full_page_writes|port|listen_addresses|unix_socket_.*|data_directory|hba_file|ident_file|config_file|external_pid_file|archive_.*|restore_command|recovery_.*|primary_.*|hot_standby|log_directory|log_filename|log_file_mode|logging_collector|log_line_prefix|log_timezone|ssl.*|max_wal_senders_.*|promote_.*|data_sync_retry|debug_.*|allow_.*|zero_damaged_pages|ignore_.*|wal_consistency_checking|post_auth_delay|pre_auth_delay|password_encryption_.*|krb_.*|bonjour.*|cluster_name|event_source|syslog_.*|dynamic_library_path|local_preload_libraries|jit_(debugging|dump|profiling).*|trace_.*|lc_messages)$/;

const ours: readonly KnownParameter[] = [
  {
    name: 'rds.logical_replication',
    description: 'Enables logical decoding.',
    type: 'static',
    dataType: 'boolean',
    allowed: '0,1',
    modifiable: true,
    default: '0',
  },
  {
    name: 'rds.force_ssl',
    description: 'Force SSL connections.',
    type: 'dynamic',
    dataType: 'boolean',
    allowed: '0,1',
    modifiable: true,
    default: '1',
  },
  {
    name: 'rds.log_retention_period',
    description: 'Amazon RDS will delete PostgreSQL log that are older than N minutes.',
    type: 'dynamic',
    dataType: 'integer',
    allowed: '1440-10080',
    modifiable: true,
    default: '4320',
  },
];

const catalogs = new Map<string, ReadonlyMap<string, KnownParameter>>();

/** Every parameter of a major, by name. */
export function catalogOf(binaries: Binaries): ReadonlyMap<string, KnownParameter> {
  let catalog = catalogs.get(binaries.folder);
  if (!catalog) {
    catalog = new Map([...describe(binaries), ...ours].map((parameter) => [parameter.name, parameter]));
    catalogs.set(binaries.folder, catalog);
  }
  return catalog;
}

function describe(binaries: Binaries): KnownParameter[] {
  const run = spawnSync(join(binaries.folder, 'postgres'), ['--describe-config'], { ...spawnOptions(), encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`postgres --describe-config failed: ${run.error?.message ?? run.stderr}`);
  return run.stdout.split('\n').flatMap((line) => {
    const [name, context, , type, , least, most, description] = line.split('\t');
    if (!name || !context) return [];
    const dataType = type === 'BOOLEAN' ? 'boolean' : type === 'INTEGER' ? 'integer' : type === 'REAL' ? 'float' : 'string';
    const range = dataType === 'boolean' ? '0,1' : least && most ? `${least}-${most}` : undefined;
    const applies = context === 'postmaster' ? 'static' : 'dynamic';
    return [
      { name, description: description ?? '', type: applies, dataType, modifiable: !fixed.test(name), ...(range && { allowed: range }) },
    ];
  });
}

/** Throws what RDS throws when a value cannot be set. */
export function checkValue(catalog: ReadonlyMap<string, KnownParameter>, name: string, value: string): void {
  const parameter = catalog.get(name);
  if (!parameter) throw invalidValue(`Could not find parameter with name: ${name}`);
  if (!parameter.modifiable) throw invalidValue(`The parameter ${name} cannot be modified.`);
  const { allowed, dataType } = parameter;
  const bad = () => invalidValue(`Invalid parameter value: ${value} for: ${name} allowed values are: ${allowed ?? dataType}`);
  if (dataType === 'boolean' && value !== '0' && value !== '1') throw bad();
  // a formula over the memory of the instance class is kept, not applied: see settingsFor.
  if ((dataType === 'integer' || dataType === 'float') && !isFormula(value)) {
    const [least, most] =
      (allowed ?? '')
        .match(/^(-?[\d.e+]+)-(-?[\d.e+]+)$/)
        ?.slice(1)
        .map(Number) ?? [];
    const number = Number(value);
    if (value.trim() === '' || Number.isNaN(number) || (dataType === 'integer' && !Number.isInteger(number))) throw bad();
    if (least !== undefined && most !== undefined && (number < least || number > most)) throw bad();
  }
}

const isFormula = (value: string): boolean => /[{}]|^(GREATEST|LEAST|SUM)\(/.test(value);

/** What RDS sets, as far as it fits a laptop. */
function base(folder: string): Settings {
  return {
    wal_level: 'replica',
    hot_standby: 'on',
    max_connections: 100,
    shared_buffers: '32MB',
    max_wal_senders: 20,
    max_replication_slots: 20,
    max_wal_size: '256MB',
    min_wal_size: '16MB',
    wal_sender_timeout: '30s',
    wal_receiver_timeout: '30s',
    // a standby of ours has no archive to turn to: it asks its source again at once.
    wal_retrieve_retry_interval: '200ms',
    password_encryption: 'scram-sha-256',
    timezone: 'UTC',
    logging_collector: 'on',
    log_directory: join(folder, 'log'),
    log_filename: 'postgresql.log.%Y-%m-%d-%H',
    log_rotation_age: 60,
    log_line_prefix: '%t:%r:%u@%d:[%p]:',
    log_timezone: 'UTC',
    fsync: process.env['SWITCHBACK_POSTGRES_FSYNC'] ?? 'on',
  };
}

/** The settings of a server in `folder` with these values of its parameter group. */
export function settingsFor(folder: string, values: Readonly<Record<string, string>>): Settings {
  const settings: Record<string, string | number> = { ...base(folder) };
  for (const [name, value] of Object.entries(values)) {
    if (!name.startsWith('rds.') && !isFormula(value)) settings[name] = value;
  }
  if (values['rds.logical_replication'] === '1') settings['wal_level'] = 'logical';
  return settings;
}

export function shownParameter(
  parameter: KnownParameter,
  user: { value: string; method: 'immediate' | 'pending-reboot' } | undefined,
): Parameter {
  const value = user?.value ?? parameter.default;
  return {
    ParameterName: parameter.name,
    ...(value !== undefined && { ParameterValue: value }),
    Description: parameter.description,
    Source: user ? 'user' : parameter.default !== undefined ? 'system' : 'engine-default',
    ApplyType: parameter.type,
    DataType: parameter.dataType,
    ...(parameter.allowed !== undefined && { AllowedValues: parameter.allowed }),
    IsModifiable: parameter.modifiable,
    ApplyMethod: user?.method ?? 'pending-reboot',
  };
}
