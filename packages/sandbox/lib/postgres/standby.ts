/** Streaming replicas: make one of a running server, point it at its source, promote it. */
import { existsSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { giveToServer } from './account';
import { backup } from './backup';
import { waitFor } from './process';
import type { PostgresServer, Settings } from './server';

export interface ReplicationLogin {
  readonly user: string;
  readonly password: string;
}

/** Copies `source` into the data folder of `replica`, ready to start as its streaming standby. */
export async function makeStandby(source: PostgresServer, replica: PostgresServer, slot: string): Promise<void> {
  replica.makeFolder();
  await rm(replica.data, { recursive: true, force: true });
  // left behind by an attempt that was killed; a slot in use belongs to somebody else and is refused by the server.
  await dropSlot(source, slot);
  await backup(source, replica.data, slot);
  const file = join(replica.data, 'standby.signal');
  writeFileSync(file, '', { mode: 0o600 });
  giveToServer(file);
}

/** The settings by which a standby finds its source. The password is in a file of its own: settings can be read with SHOW. */
export function standbySettings(replica: PostgresServer, source: PostgresServer, slot: string, login: ReplicationLogin): Settings {
  const passfile = join(replica.folder, 'source-password');
  const escaped = login.password.replace(/[\\:]/g, '\\$&');
  writeFileSync(passfile, `${source.host}:${source.port}:*:${login.user}:${escaped}\n`, { mode: 0o600 });
  giveToServer(passfile);
  const name = replica.folder.split('/').pop();
  return {
    primary_conninfo: `host=${source.host} port=${source.port} user=${login.user} passfile='${passfile}' application_name='${name}'`,
    primary_slot_name: slot,
  };
}

export const isStandby = (server: PostgresServer): boolean => existsSync(join(server.data, 'standby.signal'));

/** Makes a running standby a primary; resolves once it takes writes. Does nothing to a primary. */
export async function promote(server: PostgresServer): Promise<void> {
  await server.connect('postgres', async (client) => {
    const inRecovery = async (): Promise<boolean> =>
      (await client.query<{ r: boolean }>('SELECT pg_is_in_recovery() AS r')).rows[0]?.r ?? true;
    if (!(await inRecovery())) return;
    // asked without waiting and looked at more often: the server's own wait looks every 100 ms only.
    await client.query('SELECT pg_promote(false)');
    if (!(await waitFor(async () => !(await inRecovery()), 60_000)))
      throw new Error(`the standby in ${server.folder} is not promoted after 60 seconds`);
  });
}

/** Removes a slot that no standby uses any more; fine when there is none. */
export async function dropSlot(source: PostgresServer, slot: string): Promise<void> {
  await source.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active', [slot]);
}
