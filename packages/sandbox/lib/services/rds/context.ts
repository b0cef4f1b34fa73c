/** What every group of handlers needs. */
import type { DBInstance, Tag } from '@aws-sdk/client-rds';
import type { Sandbox } from '../../service';
import { nameOf, required } from './checks';
import type { Engine } from './engine';
import { instanceNotFound, invalidState, snapshotNotFound } from './errors';
import type { Instance, Records, Snapshot } from './records';
import { shownInstance } from './shape';
import type { Workflows } from './workflows';

export interface Context {
  readonly sandbox: Sandbox;
  readonly records: Records;
  readonly engine: Engine;
  readonly workflows: Workflows;
  /** By resource id: does the replica stream from its source? */
  readonly replicas: Map<string, boolean>;
}

export const show = (context: Context, instance: Instance): DBInstance =>
  shownInstance(context.sandbox, context.records, context.replicas, instance);

export function instanceOf(context: Context, name: string | undefined, parameter = 'DBInstanceIdentifier'): Instance {
  const id = nameOf(required(name, parameter));
  const instance = context.records.instances.get(id);
  if (!instance) throw instanceNotFound(id);
  return instance;
}

export function snapshotOf(context: Context, name: string | undefined): Snapshot {
  // an automated snapshot's name has a colon of its own: rds:video-2026-…
  const id = nameOf(required(name, 'DBSnapshotIdentifier'));
  const snapshot = context.records.snapshots.get(id);
  if (!snapshot) throw snapshotNotFound(id);
  return snapshot;
}

/** Available, and nothing is about to happen that its status does not show yet. */
export function mustBeAvailable(instance: Instance, message: string): void {
  if (instance.status !== 'available' || instance.work.length > 0) throw invalidState(message);
}

export function saveTags(context: Context, arn: string, tags: readonly Tag[] | undefined): void {
  if (tags?.length) context.records.tags.set(arn, { tags: tags.map(({ Key, Value }) => ({ Key: Key ?? '', Value: Value ?? '' })) });
}
