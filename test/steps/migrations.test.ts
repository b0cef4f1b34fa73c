/** Migrations whose last attempt failed, tried again, in a cluster that lists its tasks late. */

import type { Context } from '../../lib/engine/context';
import { migrationsRun } from '../../lib/steps/migrations';
import { manifest, window } from '../_helpers/runbook';

jest.mock('../../lib/postgres/access/fence', () => ({ allowMigrations: async () => undefined, migrationsAllowed: async () => false }));
jest.mock('../../lib/postgres/access/lock-waits', () => ({ endTransactionsOfColors: async () => [], migratorWaits: async () => [] }));

test('an attempt that ECS has taken and does not list yet is waited for: the failure of the one before is not the last word', async () => {
  const listed = [{ arn: '1', id: '1', status: 'STOPPED', exitCode: 1, reason: undefined, seconds: 1, takes: 1 }];
  const tasks = {
    findOnce: async (_: string, token: string) => listed[Number(token.split('-').at(-1)) - 1],
    runOnce: async () => ({}),
  };
  const aws = {
    tasks,
    logs: { lines: async () => ({ lines: [], token: undefined }) },
    databases: { describe: async () => ({ address: { host: 'db', port: 5432 } }) },
    settings: { secret: async () => ({ username: 'm', password: 'p' }), writeSecret: async () => undefined },
  };
  const context = { aws, manifest, window, view: { openedAt: 'then' }, database: async () => ({}), progress: async () => undefined };
  const step = migrationsRun('video-db', 'green');
  const look = () => step.observe(context as unknown as Context);
  expect(await look()).toMatchObject({ is: 'failed', code: 'migrations.failed' });
  await step.act?.(context as unknown as Context);
  expect(await look()).toEqual({ is: 'pending', detail: 'attempt 2 is not listed yet' });
  listed.push({ ...listed[0]!, arn: '2', id: '2', exitCode: 0 });
  expect(await look()).toMatchObject({ is: 'done', facts: { task: '2', attempt: 2 } });
});
