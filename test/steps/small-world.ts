/** The smallest world that real steps can work in: a sandbox with a journal, production and its replica, and two workers. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Aws, makeAws } from '../../lib/aws';
import type { JournalEvent } from '../../lib/engine/events';
import { Journal } from '../../lib/engine/journal';
import { advance } from '../../lib/engine/run';
import type { RunAnswer, RunOptions } from '../../lib/engine/run-options';
import type { Step } from '../../lib/engine/step';
import type { Manifest } from '../../lib/manifest/schema';
import { connect, type Db, type Login } from '../../lib/postgres/connection/connect';
import { askFaults } from '../../packages/sandbox/lib/faults/ask';
import type { WireCall } from '../../packages/sandbox/lib/server';
import { sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';
import { eventually } from '../../packages/sandbox/test/tiny';
import { manifest as plain, window } from '../_helpers/runbook';
import { blue, database, master, prepareUsers, roles } from '../postgres/servers';

export const [production, fallback] = ['video-db', 'video-fallback-w1'];
export const workers = [
  { name: 'clock', service: 'blue-clock', once: true, count: 1 },
  { name: 'billing', service: 'blue-billing', once: false, count: 1 },
];

export interface SmallWorld {
  readonly sandbox: TestSandbox;
  readonly aws: Aws;
  readonly manifest: Manifest;
  /** Operations that were called from outside, in order. */
  readonly calls: readonly string[];
  /** One command: the steps to their end, by a run of its own. */
  command(steps: readonly Step[], options?: Partial<RunOptions>): Promise<RunAnswer>;
  events(): Promise<readonly JournalEvent[]>;
  /** What the run said while it waited in a step. */
  progressOf(step: string): Promise<string[]>;
  rules(...rules: object[]): Promise<void>;
  strike(kind: string, target: string, seconds?: number): Promise<void>;
  as(instance: string, login: Login): Promise<Db>;
  end(): Promise<void>;
}

/** Rules that strike when the journal is told that a step begins, or is done. */
export const at = (what: 'step.started' | 'step.done', step: string, kind: string, target: string, more: object = {}) => ({
  ...{ service: 's3', operation: 'PutObject', containing: `"type":"${what}","step":"${step}"`, kind, target },
  ...more,
});

export async function smallWorld(): Promise<SmallWorld> {
  const images = mkdtempSync(join(tmpdir(), 'switchback-images-'));
  mkdirSync(join(images, 'app/v1'), { recursive: true });
  writeFileSync(join(images, 'app/v1/worker.js'), "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)");
  const calls: string[] = [];
  const onCall = ({ operation }: WireCall) => void calls.push(operation);
  const sandbox = await sandboxForTest({ images, speed: 600, onCall });
  const before = { ...process.env };
  Object.assign(process.env, sandbox.env);
  const open: Db[] = [];

  await sandbox.call('s3', 'CreateBucket', { Bucket: 'journal' });
  for (const [Name, secret] of [
    ['master', master],
    ['feed', { username: 'switchback_feed', password: 'feed-secret' }],
  ])
    await sandbox.call('secretsmanager', 'CreateSecret', { Name, SecretString: JSON.stringify(secret) });
  await makeWorkers(sandbox);
  await makeDatabases(sandbox);

  const manifest: Manifest = {
    ...plain,
    shared: {
      ...plain.shared,
      cluster: 'video',
      journalBucket: 'journal',
      database: { ...plain.shared.database, instance: production, name: database, feedSecret: 'feed', roles },
    },
    ...(plain.green ? { green: { ...plain.green, workers: [] } } : {}),
    ...(plain.blue ? { blue: { ...plain.blue, workers, database: { ...plain.blue.database, user: blue.username } } } : {}),
  };
  const aws = makeAws();
  let nonces = 0;
  const journal = (run: string) => new Journal(aws.journal('journal', 'video'), 'w1', aws.clock, () => `${run}-${++nonces}`);
  const by = (who: string) => ({ who, where: 'test' });
  await journal('open').append('open', by('ada'), {
    type: 'window.opened',
    window,
    manifest,
    state: { production, opened: true },
  });

  const world: SmallWorld = {
    sandbox,
    aws,
    manifest,
    calls,
    command: (steps, options = {}) => {
      const run = options.run ?? `run-${++nonces}`;
      return advance({
        ...{ aws, clock: aws.clock, journal: journal(run), verb: 'cutover', run, by: by('ada'), runner: 'test' },
        deadline: Number.POSITIVE_INFINITY,
        plan: async () => [...steps],
        ...options,
      });
    },
    async events() {
      const read = journal('look');
      await read.refresh();
      return read.events;
    },
    progressOf: async (step) =>
      (await world.events()).flatMap((event) => (event.type === 'step.progress' && event.step === step ? [event.text] : [])),
    rules: async (...rules) => void (await askFaults(sandbox.env, 'POST', '', { rules })),
    strike: async (kind, target, seconds) =>
      void (await askFaults(sandbox.env, 'POST', '/now', { kind, target, ...(seconds ? { seconds } : {}) })),
    async as(instance, login) {
      const address = (await aws.databases.describe(instance))?.address;
      if (!address) throw new Error(`${instance} has no address`);
      const db = await connect({ ...address, database }, login);
      open.push(db);
      return db;
    },
    async end() {
      await Promise.all(open.map((db) => db.close()));
      await sandbox.stop();
      rmSync(images, { recursive: true, force: true });
      process.env = before;
    },
  };
  const db = await world.as(production, master);
  await db.query('CREATE TABLE charges (id int PRIMARY KEY, ref text)');
  await prepareUsers(db);
  return world;
}

async function makeDatabases(sandbox: TestSandbox): Promise<void> {
  const DBParameterGroupName = 'logical';
  await sandbox.call('rds', 'CreateDBParameterGroup', { DBParameterGroupName, DBParameterGroupFamily: 'postgres17', Description: 'feeds' });
  const [one, two] = [
    { ParameterName: 'rds.logical_replication', ParameterValue: '1', ApplyMethod: 'pending-reboot' },
    { ParameterName: 'wal_receiver_timeout', ParameterValue: '5000', ApplyMethod: 'immediate' },
  ];
  await sandbox.call('rds', 'ModifyDBParameterGroup', { DBParameterGroupName, Parameters: [one, two] });
  const available = (id: string) =>
    eventually(async () => {
      const { DBInstances } = await sandbox.call('rds', 'DescribeDBInstances', { DBInstanceIdentifier: id });
      return DBInstances[0].DBInstanceStatus === 'available';
    }, 30);
  await sandbox.call('rds', 'CreateDBInstance', {
    ...{ DBInstanceIdentifier: production, DBInstanceClass: 'db.t4g.micro', Engine: 'postgres', AllocatedStorage: 20, DBName: database },
    ...{ MasterUsername: master.username, MasterUserPassword: master.password, DBParameterGroupName, BackupRetentionPeriod: 1 },
  });
  await available(production);
  await sandbox.call('rds', 'CreateDBInstanceReadReplica', {
    ...{ DBInstanceIdentifier: fallback, SourceDBInstanceIdentifier: production, DBParameterGroupName, BackupRetentionPeriod: 1 },
  });
  await available(fallback);
}

async function makeWorkers(sandbox: TestSandbox): Promise<void> {
  await sandbox.call('ecs', 'CreateCluster', { clusterName: 'video' });
  const networkConfiguration = { awsvpcConfiguration: { subnets: ['subnet-1'], securityGroups: ['sg-1'] } };
  for (const { service } of workers) {
    await sandbox.call('ecs', 'RegisterTaskDefinition', {
      ...{ family: service, networkMode: 'awsvpc', requiresCompatibilities: ['FARGATE'], cpu: '256', memory: '512' },
      containerDefinitions: [{ name: 'app', image: 'repository/app:v1', command: ['node', 'worker.js'], stopTimeout: 120 }],
    });
    await sandbox.call('ecs', 'CreateService', {
      ...{ cluster: 'video', serviceName: service, taskDefinition: service, desiredCount: 1, networkConfiguration },
    });
  }
}
