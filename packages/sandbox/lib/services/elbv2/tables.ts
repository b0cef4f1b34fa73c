/** What the load balancer service remembers. */
import type { Action, Listener, LoadBalancer, RuleCondition, Tag, TargetGroup } from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError, type Sandbox } from '../../service';
import type { Table } from '../../state';

export interface LoadBalancerRow {
  arn: string;
  loadBalancer: LoadBalancer;
  /** When it becomes `active`, in real milliseconds. */
  activeAt: number;
  attributes: Record<string, string>;
  tags: Tag[];
}

export interface ListenerRow {
  arn: string;
  loadBalancerArn: string;
  /** Port is the one that really listens. */
  listener: Listener;
  /** The port asked for: two listeners of one load balancer cannot ask for the same. */
  askedPort: number;
  attributes: Record<string, string>;
  tags: Tag[];
}

export interface RuleRow {
  arn: string;
  listenerArn: string;
  priority: number | 'default';
  conditions: RuleCondition[];
  actions: Action[];
  tags: Tag[];
}

export interface TargetGroupRow {
  arn: string;
  targetGroup: TargetGroup;
  attributes: Record<string, string>;
  tags: Tag[];
}

export interface TargetRow {
  targetGroupArn: string;
  id: string;
  port: number;
  /** When a draining target is gone, in real milliseconds. */
  drainedAt?: number;
}

export interface Elbv2Tables {
  readonly sandbox: Sandbox;
  readonly loadBalancers: Table<LoadBalancerRow>;
  readonly listeners: Table<ListenerRow>;
  readonly rules: Table<RuleRow>;
  readonly targetGroups: Table<TargetGroupRow>;
  readonly targets: Table<TargetRow>;
}

export const targetKey = (targetGroupArn: string, id: string, port: number): string => `${targetGroupArn} ${id}:${port}`;

export function loadBalancerOf(elbv2: Elbv2Tables, arn: string | undefined): LoadBalancerRow {
  const row = elbv2.loadBalancers.get(arn ?? '');
  if (!row) throw new AwsError('LoadBalancerNotFound', `One or more load balancers not found: '${arn}'`);
  return row;
}

export function listenerOf(elbv2: Elbv2Tables, arn: string | undefined): ListenerRow {
  const row = elbv2.listeners.get(arn ?? '');
  if (!row) throw new AwsError('ListenerNotFound', `One or more listeners not found: '${arn}'`);
  return row;
}

export function ruleOf(elbv2: Elbv2Tables, arn: string | undefined): RuleRow {
  const row = elbv2.rules.get(arn ?? '');
  if (!row) throw new AwsError('RuleNotFound', `One or more rules not found: '${arn}'`);
  return row;
}

export function targetGroupOf(elbv2: Elbv2Tables, arn: string | undefined): TargetGroupRow {
  const row = elbv2.targetGroups.get(arn ?? '');
  if (!row) throw new AwsError('TargetGroupNotFound', `One or more target groups not found: '${arn}'`);
  return row;
}

export function rulesOf(elbv2: Elbv2Tables, listenerArn: string): RuleRow[] {
  const rank = (rule: RuleRow): number => (rule.priority === 'default' ? Number.POSITIVE_INFINITY : rule.priority);
  return elbv2.rules
    .values()
    .filter((rule) => rule.listenerArn === listenerArn)
    .sort((one, other) => rank(one) - rank(other));
}

/** The names asked for, all of which must exist, or everything. */
export function chosen<T>(
  all: T[],
  wanted: string[] | undefined,
  nameOf: (row: T) => string | undefined,
  missing: (name: string) => AwsError,
): T[] {
  if (!wanted?.length) return all;
  return wanted.map((name) => {
    const row = all.find((candidate) => nameOf(candidate) === name);
    if (!row) throw missing(name);
    return row;
  });
}

/** One page of a list; the marker is the place in the list. */
export function page<T>(
  all: T[],
  input: { Marker?: string | undefined; PageSize?: number | undefined },
): { rows: T[]; NextMarker?: string } {
  const size = input.PageSize ?? 100;
  if (size < 1 || size > 400) throw new AwsError('ValidationError', `Page size '${size}' must be between 1 and 400`);
  const start = input.Marker === undefined ? 0 : Number(Buffer.from(input.Marker, 'base64').toString());
  if (!Number.isInteger(start) || start < 0) throw new AwsError('ValidationError', `Marker '${input.Marker}' is not valid`);
  const end = start + size;
  const rows = all.slice(start, end);
  return end < all.length ? { rows, NextMarker: Buffer.from(String(end)).toString('base64') } : { rows };
}

export function attributeList(attributes: Record<string, string>): { Key: string; Value: string }[] {
  return Object.entries(attributes).map(([Key, Value]) => ({ Key, Value }));
}

/** Changes known attributes; AWS refuses a key it does not know. */
export function setAttributes(
  attributes: Record<string, string>,
  changes: { Key?: string | undefined; Value?: string | undefined }[] | undefined,
): void {
  for (const { Key, Value } of changes ?? []) {
    if (Key === undefined || !(Key in attributes)) throw new AwsError('ValidationError', `Attribute key '${Key}' is not recognized`);
    attributes[Key] = Value ?? '';
  }
}
