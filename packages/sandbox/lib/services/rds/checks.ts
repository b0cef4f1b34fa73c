/** RDS's rules for names and values, and its way of paging. */
import type { Filter } from '@aws-sdk/client-rds';
import { AwsError } from '../../service';
import { invalidValue } from './errors';

/** Instances, snapshots and groups: lower-cased letters, digits, hyphens. */
export function identifier(value: string | undefined, parameter: string, longest: number): string {
  const text = required(value, parameter);
  if (text.length > longest || !/^[A-Za-z](-?[A-Za-z0-9])*$/.test(text)) {
    throw invalidValue(
      `The parameter ${parameter} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; ` +
        `must not end with a hyphen or contain two consecutive hyphens; and must have at most ${longest} characters: '${text}'`,
    );
  }
  return text.toLowerCase();
}

export function required<T>(value: T | undefined, parameter: string): T {
  if (value === undefined || value === '') throw invalidValue(`The parameter ${parameter} must be provided and must not be blank.`);
  return value;
}

/** A name, or the name at the end of an ARN. */
export const nameOf = (value: string): string => (value.startsWith('arn:') ? value.split(':').slice(6).join(':') : value).toLowerCase();

const reserved = new Set([
  'admin',
  'rdsadmin',
  'rdsrepladmin',
  'rds_superuser',
  'rds_replication',
  'rds_password',
  'public',
  'user',
  'none',
]);

export function masterUsername(value: string | undefined): string {
  const name = required(value, 'MasterUsername');
  if (reserved.has(name.toLowerCase()) || /^pg_/i.test(name)) {
    throw invalidValue(`MasterUsername ${name} cannot be used as it is a reserved word used by the engine`);
  }
  if (!/^[A-Za-z][A-Za-z0-9_]{0,62}$/.test(name)) throw invalidValue(`The parameter MasterUsername is not a valid identifier: ${name}`);
  return name;
}

export function masterPassword(value: string | undefined): string {
  const password = required(value, 'MasterUserPassword');
  if (password.length < 8 || password.length > 128) {
    throw invalidValue('The parameter MasterUserPassword is not a valid password because it is not between 8 and 128 characters long.');
  }
  if (!/^[!-~]+$/.test(password) || /[/@"]/.test(password)) {
    throw invalidValue(
      "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.",
    );
  }
  return password;
}

export function databaseName(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(value) || ['template0', 'template1', 'rdsadmin'].includes(value)) {
    throw invalidValue(`DBName must begin with a letter and contain only alphanumeric characters: ${value}`);
  }
  return value;
}

export function retentionDays(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 35) {
    throw invalidValue(`Invalid backup retention period: ${value}. The retention period must be between 0 and 35.`);
  }
  return value;
}

export function storageGigabytes(value: number | undefined, type: string): number {
  const size = required(value, 'AllocatedStorage');
  if (size < (type.startsWith('io') ? 100 : type === 'standard' ? 5 : 20) || size > 65_536) {
    throw invalidValue(`Invalid storage size for engine name postgres and storage type ${type}: ${size}`);
  }
  return size;
}

export function instanceClass(value: string | undefined): string {
  const name = required(value, 'DBInstanceClass');
  if (!/^db\.[a-z0-9]+\.[a-z0-9-]+$/.test(name)) throw invalidValue(`Invalid DB Instance class: ${name}`);
  return name;
}

/** One page of `all`, which is sorted by `key`. */
export function page<T>(
  all: readonly T[],
  key: (item: T) => string,
  input: { Marker?: string; MaxRecords?: number },
): { items: T[]; Marker?: string } {
  const size = input.MaxRecords ?? 100;
  if (size < 20 || size > 100) throw invalidValue(`Invalid value ${size} for MaxRecords. Must be between 20 and 100`);
  const sorted = [...all].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  // the marker names the last item of the page before, so that items that come or go meanwhile do not shift the others.
  const after = input.Marker === undefined ? undefined : Buffer.from(input.Marker, 'base64url').toString('utf8');
  if (after !== undefined && Buffer.from(after).toString('base64url') !== input.Marker)
    throw new AwsError('InvalidParameterValue', `Invalid Marker: ${input.Marker}`);
  const rest = after === undefined ? sorted : sorted.filter((item) => key(item) > after);
  const items = rest.slice(0, size);
  const last = items.at(-1);
  return rest.length > size && last ? { items, Marker: Buffer.from(key(last)).toString('base64url') } : { items };
}

/** Keeps the items of which, for every filter, one of its values is the item's. */
export function filtered<T>(
  all: readonly T[],
  filters: readonly Filter[] | undefined,
  known: Readonly<Record<string, (item: T) => (string | undefined)[]>>,
): T[] {
  let kept = [...all];
  for (const { Name, Values } of filters ?? []) {
    const values = known[required(Name, 'Filter.Name')];
    if (!values) throw invalidValue(`Unrecognized filter name: ${Name}`);
    if (!Values?.length) throw invalidValue(`The filter ${Name} must have at least one value.`);
    kept = kept.filter((item) => values(item).some((value) => value !== undefined && Values.includes(value)));
  }
  return kept;
}
