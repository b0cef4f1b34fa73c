import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { placeFor } from '../lib/postgres/place';
import { postmasterOf } from '../lib/postgres/process';
import { removeDatabaseFiles } from '../lib/services/rds';
import { asMaster, available, create, gone, describe as instance, password, rdsSandbox, stopSandbox } from './rds-support';
import { eventually, type TinySandbox } from './tiny';

const named = (id: string, more: object = {}) => ({ DBInstanceIdentifier: id, ...more });
const postmasters = (folder: string): number[] => {
  const place = placeFor(join(folder, 'rds'));
  return readdirSync(place).flatMap((name) => postmasterOf(join(place, name, 'data')) ?? []);
};

test('a sandbox that is stopped leaves no server running, and starts them again with their data and ports', async () => {
  let sandbox = await rdsSandbox();
  try {
    await create(sandbox, 'video');
    await available(sandbox, 'video');
    await sandbox.call('rds', 'CreateDBInstanceReadReplica', named('replica', { SourceDBInstanceIdentifier: 'video' }));
    await available(sandbox, 'replica');
    await asMaster(sandbox, 'video', 'CREATE TABLE t AS SELECT 1 AS n');
    const { Endpoint } = await instance(sandbox, 'video');
    // in the middle of a promotion, too: what is left of it is done afterwards.
    await sandbox.call('rds', 'PromoteReadReplica', named('replica'));
    await sandbox.stopServices();
    expect(postmasters(sandbox.folder)).toEqual([]);
    sandbox = await sandbox.restart();
    expect((await instance(sandbox, 'video')).Endpoint).toEqual(Endpoint);
    expect(await available(sandbox, 'replica')).not.toHaveProperty('ReadReplicaSourceDBInstanceIdentifier');
    expect(await asMaster(sandbox, 'replica', 'SELECT n, pg_is_in_recovery() AS standby FROM t')).toEqual([{ n: 1, standby: false }]);
  } finally {
    await stopSandbox(sandbox);
  }
});

test('a sandbox without instances keeps nothing anywhere', async () => {
  const sandbox = await rdsSandbox();
  expect(existsSync(join(sandbox.folder, 'rds'))).toBe(false);
  await stopSandbox(sandbox);
});

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A sandbox in a process of its own, at real speed but for the waiting. */
async function killable(folder: string, body: string): Promise<ChildProcess> {
  const support = JSON.stringify(require.resolve('./tiny'));
  const rds = JSON.stringify(require.resolve('../lib/services/rds'));
  const script = `
    (async () => {
      const { tinySandbox } = require(${support});
      const { rds } = require(${rds});
      const sandbox = await tinySandbox({ rds }, { folder: ${JSON.stringify(folder)}, speed: 100 });
      const call = (operation, input) => sandbox.call('rds', operation, input);
      const { existsSync } = require('node:fs');
      // should the test end before it, it ends by itself.
      setTimeout(() => process.exit(3), 25_000);
      ${body}
    })();`;
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the sandbox ended with ${code}`)));
  });
  return child;
}

test('a sandbox that is killed while it makes and deletes instances finishes both when it starts again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchback-killed-'));
  chmodSync(folder, 0o711);
  let sandbox: TinySandbox | undefined;
  const input = {
    DBInstanceClass: 'db.t4g.micro',
    Engine: 'postgres',
    AllocatedStorage: 20,
    MasterUsername: 'master',
    MasterUserPassword: password,
  };
  try {
    const child = await killable(
      folder,
      `const input = ${JSON.stringify({ ...input, DBName: 'video', BackupRetentionPeriod: 0 })};
       await call('CreateDBInstance', { ...input, DBInstanceIdentifier: 'first' });
       while (!sandbox.table('rds.instances').get('first').ready) await new Promise((done) => setTimeout(done, 5));
       await call('CreateDBInstance', { ...input, DBInstanceIdentifier: 'second' });
       await call('DeleteDBInstance', { DBInstanceIdentifier: 'first', SkipFinalSnapshot: true });
       // its server runs, but its roles and database are not all there.
       const { resourceId } = sandbox.table('rds.instances').get('second');
       while (!existsSync(sandbox.folder + '/rds/' + resourceId + '/data/postmaster.pid')) await new Promise((done) => setTimeout(done, 5));
       console.log('now');`,
    );
    child.kill('SIGKILL');
    await eventually(() => child.signalCode !== null);
    expect(readFileSync(join(folder, 'state', 'rds.instances.json'), 'utf8')).toContain('deleting');
    sandbox = await rdsSandbox(folder);
    await gone(sandbox, 'first');
    await available(sandbox, 'second');
    expect(await asMaster(sandbox, 'second', 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  } finally {
    if (sandbox) await stopSandbox(sandbox);
    await removeDatabaseFiles(folder);
    rmSync(folder, { recursive: true, force: true });
  }
});
