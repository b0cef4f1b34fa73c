/** What the tests of RDS share: instances of their own, statuses as they come, and connections. */
import type { DBInstance } from '@aws-sdk/client-rds';
import { Client, type QueryResultRow } from 'pg';
import { cloudwatch } from '../lib/services/cloudwatch';
import { ec2 } from '../lib/services/ec2';
import { rds, removeDatabaseFiles } from '../lib/services/rds';
import { secretsmanager } from '../lib/services/secretsmanager';
import { eventually, type TinySandbox, tinySandbox } from './tiny';

// what these tests show does not depend on it, and the machine's disk is the slowest part of them.
process.env['SWITCHBACK_POSTGRES_FSYNC'] = 'off';

export const password = 'correct-horse';

/** An in-process sandbox with RDS and what it calls. */
export const rdsSandbox = (folder?: string): Promise<TinySandbox> =>
  tinySandbox({ secretsmanager, cloudwatch, ec2, rds }, { speed: 3000, ...(folder !== undefined && { folder }) });

export async function stopSandbox(sandbox: TinySandbox): Promise<void> {
  await sandbox.stopServices();
  await removeDatabaseFiles(sandbox.folder);
  await sandbox.stop();
}

export const create = (sandbox: TinySandbox, id: string, more: object = {}) =>
  sandbox.call('rds', 'CreateDBInstance', {
    DBInstanceIdentifier: id,
    DBInstanceClass: 'db.t4g.micro',
    Engine: 'postgres',
    AllocatedStorage: 20,
    MasterUsername: 'master',
    MasterUserPassword: password,
    DBName: 'video',
    ...more,
  });

export async function describe(sandbox: TinySandbox, id: string): Promise<DBInstance> {
  const { DBInstances } = (await sandbox.call('rds', 'DescribeDBInstances', { DBInstanceIdentifier: id })) as { DBInstances: [DBInstance] };
  return DBInstances[0];
}

export const available = (sandbox: TinySandbox, id: string): Promise<DBInstance> => {
  // settled: the status also says `available` before a change has begun.
  const settled = () => (sandbox.table<{ work: unknown[] }>('rds.instances').get(id)?.work.length ?? 1) === 0;
  return eventually(async () => {
    const instance = await describe(sandbox, id);
    if (/failed|incompatible/.test(instance.DBInstanceStatus ?? '')) throw new Error(`${id}: ${sandbox.lines.join('\n')}`);
    return instance.DBInstanceStatus === 'available' && settled() && instance;
  }, 25);
};

/** The statuses an instance goes through from the answer to `action` until it is settled or gone; `meanwhile` runs beside it. */
export async function statuses(
  sandbox: TinySandbox,
  id: string,
  action: () => Promise<unknown>,
  meanwhile?: () => Promise<unknown>,
): Promise<string[]> {
  const from = sandbox.lines.length;
  await action();
  const instances = sandbox.table<{ status: string; work: unknown[] }>('rds.instances');
  const first = instances.get(id)?.status;
  await meanwhile?.();
  await eventually(() => (instances.get(id)?.work.length ?? 0) === 0, 25);
  // the log has every one of them, however short: asking now and then would miss some.
  const later = sandbox.lines.slice(from).flatMap((line) => new RegExp(`^rds: ${id} is ([a-z-]+)$`).exec(line)?.[1] ?? []);
  return [first ?? 'deleted', ...later].filter((status, n, all) => status !== all[n - 1]);
}

/** Statements as the master user. */
export async function asMaster<Row extends QueryResultRow>(
  sandbox: TinySandbox,
  id: string,
  text: string,
  login: { user?: string; password?: string; database?: string } = {},
): Promise<Row[]> {
  const { Endpoint } = await describe(sandbox, id);
  const client = new Client({ host: Endpoint?.Address, port: Endpoint?.Port, user: 'master', password, database: 'video', ...login });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

export const gone = (sandbox: TinySandbox, id: string): Promise<true> =>
  eventually(() => !sandbox.table('rds.instances').has(id) && (true as const), 25);
