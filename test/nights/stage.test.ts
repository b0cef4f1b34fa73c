/**
 * A stage with its trial, as the commands people type do it: migrations that fail on real data fail on a copy, what they
 * change is known before the night, and a stage is taken back. One story, run in its order.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { makeAws } from '../../lib/aws';
import { sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';
import { command, type Run, root, script } from '../windows/bad-input/script';

let sandbox: TestSandbox;
let scratch: string;
let env: NodeJS.ProcessEnv;
const aws = makeAws;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'switchback-stage-'));
  sandbox = await sandboxForTest({ speed: 120, images: join(root, 'examples/video/images') });
  env = {
    ...sandbox.env,
    CDK_DEFAULT_ACCOUNT: '111122223333',
    CDK_DEFAULT_REGION: 'eu-central-1',
    CDK_VALIDATION: 'false',
    CDK_DISABLE_VERSION_CHECK: '1',
    CI: 'true',
  };
  Object.assign(process.env, sandbox.env);
  await must(cdk('bootstrap', '--no-notices'));
  await must(deploy('shared', 'blue', '-c', 'green=none', '-c', 'window=none'));
  await must(verb('cutover', '--yes'));
  await must(deploy('green', 'fallback-w1'));
}, 600_000);
afterAll(async () => {
  await sandbox.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const cdk = (...args: string[]): Promise<Run> =>
  command([process.execPath, require.resolve('aws-cdk/bin/cdk'), ...args, '--output', join(scratch, 'cdk.out')], env);
const deploy = (...args: string[]): Promise<Run> =>
  cdk('deploy', ...args, '--require-approval', 'never', '--progress', 'events', '-c', 'tasks=1', '-c', 'watch=1', '-c', 'hold=900');
const verb = (name: string, ...args: string[]): Promise<Run> => script(name, ['--system', 'video', ...args], env);

async function must(run: Promise<Run>, code = 0): Promise<string> {
  const ran = await run;
  if (ran.code !== code) throw new Error(`exit code ${ran.code}, not ${code}: ${ran.text.slice(-3000)}`);
  return ran.text;
}

async function sql(instance: string, text: string): Promise<Record<string, unknown>[]> {
  const { manifest } = await aws().settings.manifest('video');
  const address = (await aws().databases.describe(instance))?.address;
  const { username, password } = await aws().settings.secret(manifest.shared.database.masterSecret);
  const client = new Client({ ...address, user: username, password, database: manifest.shared.database.name });
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** The host and port that migrations would go to. */
async function migrator(): Promise<object> {
  const { manifest } = await aws().settings.manifest('video');
  const { host, port } = await aws().settings.secret(manifest.shared.database.migratorSecret);
  return { host, port };
}

const instanceOf = (id: string) => aws().databases.describe(id);
const customersOf = async (): Promise<number> => {
  const { manifest } = await aws().settings.manifest('video');
  const [door] = await aws().traffic.frontDoors(manifest);
  return (await fetch(`http://${door?.host}:${door?.port}/`)).status;
};

test('a migration that fails on real data fails on a copy, with its last lines; production is untouched', async () => {
  await sql('video-database', "insert into charges (user_id, ref, cents) values (1, 'a gift', 0)");
  const text = await must(verb('stage'), 1);
  expect(text).toContain('trial.migrations.failed');
  expect(text).toMatch(/on a copy of video-database the migration task \S+ ended with exit code 1.*charges_cents_positive/);
  expect(await instanceOf('video-w1-trial')).toMatchObject({ status: 'available', multiAz: false, deletionProtection: false });
  const [form] = await sql('video-database', "select count(*)::int as tables from pg_tables where tablename = 'accounts'");
  expect(form).toEqual({ tables: 0 });
  expect(await instanceOf('video-fallback-w1')).toMatchObject({ replicaOf: 'video-database' });
  expect(await customersOf()).toBe(200);
});

test('the night is refused until the trial has passed', async () => {
  expect(await must(verb('cutover', '--yes'), 1)).toContain('migrations.untried');
  expect(await customersOf()).toBe(200);
});

test('with the data put right, the next stage tries a new copy, shows what changes, and leaves nothing of it', async () => {
  await sql('video-database', "delete from charges where ref = 'a gift'");
  const { code, stdout } = await verb('stage', '--json');
  expect(code).toBe(0);
  const events = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  const facts = (step: string) => events.find((event) => event.event === 'step.done' && event.step === step)?.facts;
  // the second attempt's steps have names of their own.
  expect(facts('trial.migrate.2')).toMatchObject({
    seconds: expect.any(Number),
    takes: expect.any(Number),
    lines: expect.arrayContaining([expect.stringMatching(/applied in/)]),
  });
  expect(facts('trial.classified').differences.length).toBeGreaterThan(3);
  expect(facts('trial.classified').rewritten).toEqual(expect.any(Array));
  // charges and invoices lose their old column at the teardown; both are bridged before it already.
  // their foreign keys are off on the fallback once production has none.
  expect(facts('trial.classified').contract.changes.map(({ id }: { id: string }) => id)).toEqual([
    'public.charges:charges_user_id_fkey',
    'public.invoices:invoices_user_id_fkey',
    'public.charges.user_id:dropped',
    'public.invoices.user_id:dropped',
  ]);
  expect(await instanceOf('video-w1-trial')).toBeUndefined();
  expect(await aws().databases.describeSnapshot('video-w1-trial')).toBeUndefined();
  expect(await migrator()).toEqual((await instanceOf('video-database'))?.address);
  const [row] = await sql('video-fallback-w1', 'select pg_is_in_recovery() as replica');
  expect(row).toEqual({ replica: false });
});

test('the plan of the cutover shows what the trial found', async () => {
  const text = await must(verb('plan'));
  expect(text).toContain('The trial on a copy of production passed');
  expect(text).toMatch(/public\.users\S+ +(carried|bridged)/);
  expect(text).toContain(
    'the contract part, at the teardown, changes 4 more and saves 2 bridges: public.charges:charges_user_id_fkey, public.invoices',
  );
  expect(text).toContain('trial: the time was measured in the trial of w1');
});

test('looked at now, from inside the network: everything is as it should be, until somebody may write who must not', async () => {
  expect(await must(verb('status', '--check'))).toMatch(
    /✔ feed +alive.*✔ fence +nobody but the feed can write to video-fallback-w1.*Everything is as it should be/,
  );
  await sql('video-fallback-w1', 'grant video_rights to video_write');
  const text = await must(verb('status', '--check'), 1);
  expect(text).toMatch(/✖ fence +'video_write' \(so also 'video_blue'\) is a member of 'video_rights'.*1 of \d+ not as it should be/);
  await sql('video-fallback-w1', 'revoke video_rights from video_write');
});

test('the stage is taken back: feed and fallback are gone, the window is closed, customers have not noticed', async () => {
  expect(await must(verb('stage', '--undo'), 2)).toContain('npm run stage -- --undo --yes');
  await must(verb('stage', '--undo', '--yes'));
  expect(await instanceOf('video-fallback-w1')).toBeUndefined();
  expect(await sql('video-database', 'select 1 from pg_replication_slots union all select 1 from pg_publication')).toEqual([]);
  expect((await aws().settings.manifest('video')).state).toEqual({ production: 'video-database', opened: true });
  expect(await must(verb('stage', '--undo', '--yes'), 2)).toContain('window.none');
  expect(await customersOf()).toBe(200);
});

test('the next window is staged from there, and a cutover that has begun can only be rolled back', async () => {
  await must(deploy('fallback-w2', '-c', 'window=2'));
  await must(verb('stage'));
  await must(verb('cutover', '--yes'), 6);
  await must(verb('cutover', '--answer', 'no-go', '--reason', 'test'), 6);
  expect(await must(verb('stage', '--undo', '--yes'), 6)).toContain('undo.too-late');
  await must(verb('rollback', '--yes'));
  expect(await customersOf()).toBe(200);
});
