/**
 * A stage is resumable and undoable at every point: its process is killed in each of its steps, at a moment chosen by a
 * seed, on real servers; then it is taken back by somebody else, whose own process may be killed too. Each window finds
 * production as the one before found it.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { type Aws, makeAws } from '../../lib/aws';
import { wallClock } from '../../lib/base/clock';
import type { JournalEvent } from '../../lib/engine/events';
import type { Manifest } from '../../lib/manifest/schema';
import { handleRequest } from '../../lib/operations/handle-request';
import type { Reply } from '../../lib/operations/request';
import { sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';
import { Kill } from '../_helpers/runbook';
import { clean, command, type Run, root, script } from '../windows/bad-input/script';

const seed = Number(process.env['SWITCHBACK_SEED'] ?? Math.floor(Math.random() * 1e6));
let drawn = seed;
/** Between 0 and 1, the same for the same seed. */
const draw = (): number => {
  drawn = (drawn * 1_103_515_245 + 12_345) % 2 ** 31;
  return drawn / 2 ** 31;
};

let sandbox: TestSandbox;
let scratch: string;
let env: NodeJS.ProcessEnv;
let aws: Aws;
let before: object;
/** Of w1's fallback. */
let template: string;
/** The manifest's place for trials. */
let trial: Manifest['shared']['trial'];
let number = 1;

beforeAll(async () => {
  process.stdout.write(`SWITCHBACK_SEED=${seed}\n`);
  scratch = mkdtempSync(join(tmpdir(), 'switchback-undo-'));
  sandbox = await sandboxForTest({ speed: 300, images: join(root, 'examples/video/images') });
  env = {
    ...sandbox.env,
    CDK_DEFAULT_ACCOUNT: '111122223333',
    CDK_DEFAULT_REGION: 'eu-central-1',
    CDK_VALIDATION: 'false',
    CDK_DISABLE_VERSION_CHECK: '1',
    CI: 'true',
    BACKFILL_SECONDS: '1',
  };
  Object.assign(process.env, sandbox.env);
  aws = makeAws();
  await must(cdk('bootstrap', '--no-notices'));
  await must(deploy('shared', 'blue', '-c', 'green=none', '-c', 'window=none'));
  await must(script('cutover', ['--system', 'video', '--yes'], env));
  await must(deploy('green', 'fallback-w1'));
  template = (await sandbox.call('cloudformation', 'GetTemplate', { StackName: 'video-fallback-w1' })).TemplateBody;
  trial = (await aws.settings.manifest('video')).manifest.shared.trial;
  before = await production();
}, 600_000);
afterAll(async () => {
  await sandbox.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const cdk = (...args: string[]): Promise<Run> =>
  command([process.execPath, require.resolve('aws-cdk/bin/cdk'), ...args, '--output', join(scratch, 'cdk.out')], env);
const deploy = (...args: string[]): Promise<Run> =>
  cdk('deploy', ...args, '--require-approval', 'never', '--progress', 'events', '-c', 'tasks=1', '-c', 'watch=1', '-c', 'hold=900');

async function must(run: Promise<Run>): Promise<void> {
  const ran = await run;
  if (ran.code !== 0) throw new Error(`exit code ${ran.code}: ${ran.text.slice(-3000)}`);
}

/** As `cdk deploy fallback-w<number>` would: the stack of w1 under the next name. */
async function deployFallback(): Promise<void> {
  const StackName = `video-fallback-w${number}`;
  const TemplateBody = template.replace(/\bw1\b/g, `w${number}`);
  await sandbox.call('cloudformation', 'CreateStack', { StackName, TemplateBody, Capabilities: ['CAPABILITY_NAMED_IAM'] });
  await until(`${StackName} is made`, async () => {
    const status = (await aws.stacks.status(StackName))?.status;
    if (status && /FAILED|ROLLBACK/.test(status)) throw new Error(`${StackName} is ${status}`);
    return status === 'CREATE_COMPLETE';
  });
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 180_000; !(await isSo()); await pause(20)) {
    if (Date.now() > deadline) throw new Error(`not so after three minutes: ${what}`);
  }
}

/** Whatever a stage could have left: in the production database, in AWS, and what customers get. */
async function production(): Promise<object> {
  const { manifest, state } = await aws.settings.manifest('video');
  const { shared } = manifest;
  const address = (await aws.databases.describe('video-database'))?.address;
  const { username, password } = await aws.settings.secret(shared.database.masterSecret);
  const client = new Client({ ...address, user: username, password, database: shared.database.name });
  await client.connect();
  // the feed's user is the system's, as its other users are: made by the first stage, it stays, and has nothing to read from.
  const rows = async (text: string): Promise<string[]> =>
    (await client.query<{ found: string }>(text)).rows.map(({ found }) => found).filter((found) => !found.includes('video_feed'));
  const database = {
    // the replica's own slot is RDS's.
    slots: await rows("SELECT slot_name::text AS found FROM pg_replication_slots WHERE slot_type = 'logical'"),
    publications: await rows('SELECT pubname::text AS found FROM pg_publication'),
    subscriptions: await rows('SELECT subname::text AS found FROM pg_stat_subscription'),
    triggers: await rows(
      'SELECT tgname::text AS found FROM pg_trigger WHERE NOT tgisinternal UNION ALL SELECT evtname FROM pg_event_trigger ORDER BY 1',
    ),
    relations: await rows(
      "SELECT c.oid::regclass || ' ' || c.relowner::regrole || ' ' || coalesce(nullif(replace(c.relacl::text, ',video_feed=r/switchback', ''), '{switchback=arwdDxtm/switchback}'), '') AS found FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('information_schema', 'pg_toast') AND n.nspname !~ '^pg_' ORDER BY 1",
    ),
    functions: await rows(
      "SELECT p.oid::regprocedure::text AS found FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname NOT IN ('information_schema') AND n.nspname !~ '^pg_' ORDER BY 1",
    ),
    members: await rows("SELECT m.roleid::regrole || ' of ' || m.member::regrole AS found FROM pg_auth_members m ORDER BY 1"),
    settings: await rows('SELECT setdatabase || setrole::regrole::text || setconfig::text AS found FROM pg_db_role_setting ORDER BY 1'),
    sessions: await rows(
      "SELECT application_name AS found FROM pg_stat_activity WHERE application_name LIKE 'switchback%' AND state LIKE '%transaction%'",
    ),
  };
  await client.end();
  const instances = await sandbox.call('rds', 'DescribeDBInstances', {});
  const snapshots = await sandbox.call('rds', 'DescribeDBSnapshots', { SnapshotType: 'manual' });
  const schedules = await sandbox.call('scheduler', 'ListSchedules', {});
  const { host, port } = await aws.settings.secret(shared.database.migratorSecret);
  return {
    database,
    state,
    instances: instances.DBInstances.map((one: { DBInstanceIdentifier: string }) => one.DBInstanceIdentifier).filter(
      (name: string) => !name.startsWith('video-fallback'),
    ),
    // CloudFormation keeps one of a fallback that had been promoted, by its stack's DeletionPolicy.
    snapshots: snapshots.DBSnapshots.map((one: { DBSnapshotIdentifier: string }) => one.DBSnapshotIdentifier).filter(
      (name: string) => !name.startsWith('video-fallback-'),
    ),
    schedules: schedules.Schedules.map((one: { Name: string }) => one.Name),
    migrator: { host, port },
    customers: await answer(),
  };
}

async function answer(): Promise<number> {
  const { manifest } = await aws.settings.manifest('video');
  const [door] = await aws.traffic.frontDoors(manifest);
  return (await fetch(`http://${door?.host}:${door?.port}/`)).status;
}

/** `npm run stage` in a process of its own, killed a moment after the journal says that the step has begun. */
async function stageKilledIn(step: string, afterMs: number): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/verb.ts', 'stage', '--system', 'video', '--here'], {
    cwd: root,
    env: clean(env),
    stdio: 'ignore',
  });
  const gone = new Promise<number | null>((resolve) => child.once('close', resolve));
  try {
    const begun = until(`${step} has begun`, async () =>
      (await journal()).some((event) => event.type === 'step.started' && event.step === step),
    );
    const ended = gone.then((code) => `the stage ended with ${code} before ${step}`);
    const first = await Promise.race([begun, ended]);
    if (first !== undefined) throw new Error(first);
    await pause(afterMs);
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}

async function journal(): Promise<JournalEvent[]> {
  const { manifest } = await aws.settings.manifest('video');
  return (await aws.journal(manifest.shared.journalBucket, 'video').read(`w${number}`, 1)).map((text) => JSON.parse(text) as JournalEvent);
}

/** Minutes by which each next operator is late: the lease of a process that was killed is over. */
let late = 0;

/** By somebody else. With `dies`, its process ends for good in front of that write to the journal. */
async function undo(dies?: number): Promise<Reply | 'killed'> {
  late += 1;
  const kill = new Kill();
  const hands = makeAws();
  if (dies !== undefined) {
    const journalOf = hands.journal.bind(hands);
    let writes = 0;
    hands.journal = (bucket, system) => {
      const store = journalOf(bucket, system);
      const create = store.create.bind(store);
      store.create = async (...event) => {
        writes += 1;
        return writes >= dies ? kill.here() : create(...event);
      };
      return store;
    };
  }
  const clock = { ...wallClock, now: () => Date.now() + late * 61_000, pause: (ms: number) => pause(Math.min(ms, 100)) };
  const by = { who: 'eve', where: 'eve@desk' };
  const request = { system: 'video', verb: 'stage' as const, undo: true, run: randomUUID(), by };
  return kill.or(handleRequest(request, { aws: hands, clock, runner: 'test', deadline: Number.POSITIVE_INFINITY }));
}

/** Two processes of three are killed while they take back, at one of their first writes. */
async function undone(): Promise<void> {
  if (draw() < 0.66) await undo(2 + Math.floor(draw() * 8));
  // killed behind its last word, it has nothing more to do.
  const events = await journal();
  if (!events.some(({ type }) => type === 'window.closed')) expect(await undo()).toMatchObject({ state: 'finished' });
  expect(await production()).toEqual(before);
  expect(await aws.stacks.status(`video-fallback-w${number}`)).toBeUndefined();
  expect(await aws.databases.describe(`video-fallback-w${number}`)).toBeUndefined();
  number += 1;
}

test.each(['trial.snapshot', 'trial.restore', 'trial.migrate', 'trial.remove'])(
  'killed in %s and taken back, production is as it was',
  async (step) => {
    if (number > 1) await deployFallback();
    await stageKilledIn(step, Math.floor(draw() * 400));
    await undone();
  },
);

describe('without a trial before it', () => {
  beforeAll(async () => {
    // what a deploy with `trial: false` writes.
    const Name = '/switchback/video/shared';
    const { Parameter } = await sandbox.call('ssm', 'GetParameter', { Name });
    const { trial: _, ...shared } = JSON.parse(Parameter.Value);
    await sandbox.call('ssm', 'PutParameter', { Name, Value: JSON.stringify(shared), Overwrite: true });
  });

  test.each(['fork.slot', 'fallback.promote', 'fork.feed', 'fallback.fence'])(
    'killed in %s and taken back, production is as it was',
    async (step) => {
      await deployFallback();
      await stageKilledIn(step, Math.floor(draw() * 400));
      await undone();
    },
  );

  test('the next stage works, and is taken back as well', async () => {
    await deployFallback();
    await must(script('stage', ['--system', 'video', '--here'], env));
    expect((await journal()).some(({ type }) => type === 'run.finished')).toBe(true);
    await undone();
  });
});

test('what somebody else gave the name of a trial is neither used nor deleted', async () => {
  const { shared } = (await aws.settings.manifest('video')).manifest;
  expect(shared.trial).toBeUndefined();
  await deployFallback();
  const name = `video-w${number}-trial`;
  const value = { ...shared, trial };
  await sandbox.call('ssm', 'PutParameter', { Name: '/switchback/video/shared', Value: JSON.stringify(value), Overwrite: true });
  await sandbox.call('rds', 'CreateDBSnapshot', { DBInstanceIdentifier: 'video-database', DBSnapshotIdentifier: name });
  await until(`${name} is made`, async () => (await aws.databases.describeSnapshot(name))?.status === 'available');
  const ran = await script('stage', ['--system', 'video', '--here'], env);
  expect({ code: ran.code, text: ran.text }).toMatchObject({ code: 1, text: expect.stringContaining('trial.name.taken') });
  expect(await undo()).toMatchObject({ state: 'finished' });
  expect(await aws.databases.describeSnapshot(name)).toEqual({ status: 'available', madeFor: undefined });
});
