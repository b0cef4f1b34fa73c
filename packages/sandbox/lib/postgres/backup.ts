/**
 * A copy of a running server's files, as pg_basebackup makes it: first a slot that keeps the WAL, then the data between
 * pg_backup_start and pg_backup_stop, then the WAL that was written meanwhile. The copy starts by itself, as a new
 * server or as a standby.
 */
import { constants } from 'node:fs';
import { chown, copyFile, mkdir, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { giveToServer, serverAccount } from './account';
import type { PostgresServer } from './server';

/** Folders of which a copy needs the folder only (what pg_basebackup leaves out too). */
const emptied = new Set(['pg_wal', 'pg_replslot', 'pg_dynshmem', 'pg_notify', 'pg_serial', 'pg_snapshots', 'pg_stat_tmp', 'pg_subtrans']);
const leftOut =
  /^(postmaster\.(pid|opts)|pg_internal\.init.*|pgsql_tmp.*|.*\.signal|backup_label.*|tablespace_map.*|current_logfiles.*|postgresql\.auto\.conf\.tmp)$/;

/**
 * Copies the running server's data to `target`, a folder that does not exist yet.
 * @param slot a physical slot to make and leave in place, for a standby to stream from; without it the WAL is kept by a temporary one.
 */
export async function backup(server: PostgresServer, target: string, slot?: string): Promise<void> {
  // one connection throughout: a backup, and a temporary slot, live and die with it.
  await server.connect('postgres', async (client) => {
    // a temporary slot must not collide with that of another copy of the same moment.
    const name = slot ?? `backup_${process.pid}_${Date.now()}_${Math.floor(Math.random() * 1e6)}`;
    await client.query('SELECT pg_create_physical_replication_slot($1, true, $2)', [name, slot === undefined]);
    try {
      await client.query("SELECT pg_backup_start('switchback', true)");
      await copyFolder(server.data, target, true);
      // pg_control last: a copy of a standby is consistent from the point it names.
      await copyOne(join(server.data, 'global', 'pg_control'), join(target, 'global', 'pg_control'));
      const { rows } = await client.query<{ labelfile: string; spcmapfile: string }>(
        'SELECT labelfile, spcmapfile FROM pg_backup_stop(false)',
      );
      await writeFor(join(target, 'backup_label'), rows[0]?.labelfile ?? '');
      if (rows[0]?.spcmapfile) await writeFor(join(target, 'tablespace_map'), rows[0].spcmapfile);
      await copyFolder(join(server.data, 'pg_wal'), join(target, 'pg_wal'), false);
    } catch (error) {
      if (slot !== undefined) await client.query('SELECT pg_drop_replication_slot($1)', [slot]).catch(() => {});
      await rm(target, { recursive: true, force: true });
      throw error;
    }
  });
}

/** Copies the data folder of a server that does not run, for example of a kept copy. */
export async function copyStopped(source: string, target: string): Promise<void> {
  await copyFolder(source, target, false);
}

async function copyFolder(source: string, target: string, top: boolean): Promise<void> {
  await mkdir(target, { mode: 0o700, recursive: true });
  giveToServer(target);
  const entries = await readdir(source, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory());
  const files = entries.filter((entry) => !entry.isDirectory() && !(top && leftOut.test(entry.name)));
  // four at a time is what Node's file threads do at once anyway; more would only hold more handles open.
  const queue = [...files];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let file = queue.pop(); file; file = queue.pop()) {
        const to = join(target, file.name);
        if (file.isSymbolicLink()) await symlink(await readlink(join(source, file.name)), to);
        else await copyOne(join(source, file.name), to);
      }
    }),
  );
  for (const folder of folders) {
    const to = join(target, folder.name);
    if (top && emptied.has(folder.name)) {
      await mkdir(to, { mode: 0o700 });
      giveToServer(to);
      // the server expects it there and does not make it everywhere.
      if (folder.name === 'pg_wal') {
        await mkdir(join(to, 'archive_status'), { mode: 0o700 });
        giveToServer(join(to, 'archive_status'));
      }
    } else await copyFolder(join(source, folder.name), to, false);
  }
}

async function copyOne(from: string, to: string): Promise<void> {
  try {
    // shares the blocks where the file system can; elsewhere it copies. The mode comes with it, the owner does not.
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    const account = serverAccount();
    if (account) await chown(to, account.uid, account.gid);
  } catch (error) {
    // a running server drops tables and recycles WAL while we copy; its WAL says so to whoever replays it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function writeFor(file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  giveToServer(file);
}
