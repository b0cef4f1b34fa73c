/** Snapshots as files: real copies of a running server. */
import { mkdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { giveToServer } from '../../postgres/account';
import { backup } from '../../postgres/backup';
import type { Engine } from './engine';
import type { Instance, Records, Snapshot } from './records';

/** Describes a snapshot of the instance as it is now; its files come with `takeBackup`. */
export function newSnapshot(records: Records, instance: Instance, id: string, type: Snapshot['type']): Snapshot {
  const { resourceId, storage, storageType, iops, username, database, version, parameterGroup, retention } = instance;
  const { backupWindow, maintenanceWindow, zone, encrypted, kmsKey, created, subnetGroup } = instance;
  const described = { resourceId, class: instance.class, storage, storageType, username, version, parameterGroup, retention };
  const more = { backupWindow, maintenanceWindow, zone, encrypted };
  return records.snapshots.set(id, {
    id,
    files: `${id.replace(/[^a-z0-9-]/g, '-')}-${resourceId.slice(3, 9).toLowerCase()}`,
    status: 'creating',
    type,
    created: new Date(),
    instance: instance.id,
    of: {
      ...described,
      ...more,
      ...(iops !== undefined && { iops }),
      ...(database !== undefined && { database }),
      ...(kmsKey !== undefined && { kmsKey }),
      ...(created !== undefined && { created }),
      ...(subnetGroup !== undefined && { subnetGroup }),
    },
  });
}

/** The name RDS gives to an automated snapshot. */
export function automatedName(records: Records, instance: Instance): string {
  const stamp = new Date().toISOString().slice(0, 16).replace(/[T:]/g, '-');
  // with a fast clock two fall into one minute.
  for (let n = 0; ; n++) {
    const name = `rds:${instance.id}-${stamp}${n ? `-${n}` : ''}`;
    if (!records.snapshots.has(name)) return name;
  }
}

export async function takeBackup(engine: Engine, instance: Instance, snapshot: Snapshot): Promise<void> {
  const folder = engine.snapshotFolder(snapshot);
  const parent = dirname(folder);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  giveToServer(parent);
  // complete under its name or not at all: a killed sandbox takes it again.
  const unfinished = `${folder}.unfinished`;
  await copyRunning(engine, instance, unfinished);
  await rm(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
}

/** RDS copies the volume, whatever the server on it does; our copy is made with the server's help, and made anew when it restarts. */
async function copyRunning(engine: Engine, instance: Instance, folder: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    await rm(folder, { recursive: true, force: true });
    try {
      return await backup(engine.server(instance), folder);
    } catch (error) {
      if (tries === 10 || !(await engine.runs(instance, 60_000))) throw error;
    }
  }
}

/** The snapshot is available; of automated ones, RDS keeps as many days as the retention says. */
export async function finishBackup(records: Records, engine: Engine, instance: Instance, snapshot: Snapshot): Promise<void> {
  snapshot.status = 'available';
  records.snapshots.set(snapshot.id, snapshot);
  if (snapshot.type !== 'automated') return;
  const automated = automatedOf(records, instance).sort((a, b) => b.created.getTime() - a.created.getTime());
  for (const old of automated.slice(Math.max(1, instance.retention))) await removeSnapshot(records, engine, old);
}

/** RDS removes automated snapshots with their instance, and when backups are switched off. */
export async function removeAutomated(records: Records, engine: Engine, instance: Instance): Promise<void> {
  for (const snapshot of automatedOf(records, instance)) await removeSnapshot(records, engine, snapshot);
}

export function removeSnapshot(records: Records, engine: Engine, snapshot: Snapshot): Promise<void> {
  records.snapshots.delete(snapshot.id);
  return engine.removeSnapshot(snapshot);
}

const automatedOf = (records: Records, instance: Instance): Snapshot[] =>
  records.snapshots.values().filter((snapshot) => snapshot.type === 'automated' && snapshot.of.resourceId === instance.resourceId);
