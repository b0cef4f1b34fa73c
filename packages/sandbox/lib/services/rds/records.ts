/** What the service remembers: one table per kind of thing, in words of the RDS API. */
import type { Tag } from '@aws-sdk/client-rds';
import type { Sandbox } from '../../service';
import type { Table } from '../../state';

/** One thing that is being done to an instance; what is left of it is done again when the sandbox was killed. */
export type Workflow = Task & {
  /** By so much longer than usual it takes (a fault). */
  factor?: number;
};

type Task =
  | { readonly kind: 'create'; readonly verifier: string }
  | { readonly kind: 'replicate' }
  | { readonly kind: 'restore'; readonly snapshot: string }
  | { readonly kind: 'promote' }
  | { readonly kind: 'modify'; readonly changes: Changes; readonly offline: boolean; readonly seconds: number; readonly verifier?: string }
  /** Without a name it is an automated one, named when it begins. */
  | { readonly kind: 'backup'; snapshot?: string }
  | { readonly kind: 'reboot' }
  | { readonly kind: 'delete' };

/** What ModifyDBInstance may leave pending. */
export interface Changes {
  class?: string;
  storage?: number;
  storageType?: string;
  iops?: number;
  multiAZ?: boolean;
  retention?: number;
}

export interface Instance extends Required<Pick<Changes, 'class' | 'storage' | 'storageType' | 'multiAZ' | 'retention'>> {
  id: string;
  /** `db-…`: stays when names are used again, so files and slots carry it. */
  resourceId: string;
  status: string;
  created?: Date;
  iops?: number;
  username: string;
  database?: string;
  /** As it was asked for; the programs of its major run it. */
  version: string;
  parameterGroup: string;
  /** Values of the group that the server runs with, and of which group they were. */
  applied: { group: string; values: Record<string, string> };
  backupWindow: string;
  maintenanceWindow: string;
  zone: string;
  deletionProtection: boolean;
  publiclyAccessible: boolean;
  encrypted: boolean;
  kmsKey?: string;
  copyTags: boolean;
  minorUpgrades: boolean;
  iamAuthentication: boolean;
  logExports: string[];
  subnetGroup?: string;
  securityGroups: string[];
  /** The instance it replicates, until it is promoted. */
  source?: string;
  /** Its slot on the source. */
  slot?: string;
  /** The secret with the master password, when RDS manages it. */
  secret?: string;
  port?: number;
  /** It has data and its server is to run. */
  ready: boolean;
  /** The endpoint is shown from the end of its creation on. */
  shown: boolean;
  pending: Changes & { password?: boolean };
  /** In order; the first one is under way. The name is in the state of folders that exist. */
  work: Workflow[];
}

export interface Snapshot {
  id: string;
  /** The name of its folder. */
  files: string;
  status: 'creating' | 'available';
  type: 'manual' | 'automated';
  created: Date;
  /** Of what it is a snapshot, as it was then. */
  instance: string;
  of: Pick<
    Instance,
    | 'resourceId'
    | 'class'
    | 'storage'
    | 'storageType'
    | 'iops'
    | 'username'
    | 'database'
    | 'version'
    | 'parameterGroup'
    | 'retention'
    | 'backupWindow'
    | 'maintenanceWindow'
    | 'zone'
    | 'encrypted'
    | 'kmsKey'
    | 'created'
    | 'subnetGroup'
  >;
}

export interface ParameterGroup {
  name: string;
  family: string;
  description: string;
  /** What users have set. */
  values: Record<string, { value: string; method: 'immediate' | 'pending-reboot' }>;
}

export interface SubnetGroup {
  name: string;
  description: string;
  vpc: string;
  subnets: { id: string; zone: string }[];
}

export interface Records {
  readonly instances: Table<Instance>;
  readonly snapshots: Table<Snapshot>;
  readonly parameterGroups: Table<ParameterGroup>;
  readonly subnetGroups: Table<SubnetGroup>;
  /** By ARN. */
  readonly tags: Table<{ tags: Tag[] }>;
}

export const recordsOf = (sandbox: Sandbox): Records => ({
  instances: sandbox.table('rds.instances'),
  snapshots: sandbox.table('rds.snapshots'),
  parameterGroups: sandbox.table('rds.parameter-groups'),
  subnetGroups: sandbox.table('rds.subnet-groups'),
  tags: sandbox.table('rds.tags'),
});
