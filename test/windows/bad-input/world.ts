/** The example, deployed with the real CDK command line to a sandbox, and what tests ask it. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { makeAws } from '../../../lib/aws';
import type { Manifest, SystemState } from '../../../lib/manifest/schema';
import { whereNow } from '../../../lib/manifest/traffic';
import type { WireCall } from '../../../packages/sandbox/lib/server';
import { sandboxForTest, type TestSandbox } from '../../../packages/sandbox/test/_helpers/sandbox';
import { missedBy } from '../../_helpers/operator-policy';
import { makeImages } from './images';
import { command, type Run, script } from './script';

export interface World {
  readonly sandbox: TestSandbox;
  /** Of somebody who operates: what they have called must be in `grantOperate` when the story ends. */
  readonly operator: Readonly<Record<string, string>>;
  /** While this file exists, applications of 2.0.0 are unhealthy. */
  readonly sick: string;
  /** `cdk`, with the contexts of a rehearsal. */
  cdk(args: readonly string[], context: Readonly<Record<string, string>>): Promise<Run>;
  verb(verb: string, args?: readonly string[]): Promise<Run>;
  /** What a run said. @throws Error when its exit code is another */
  must(run: Promise<Run>, code?: number): Promise<string>;
  look(): Promise<{
    readonly live: string | undefined;
    readonly maintenance: boolean | undefined;
    readonly state: SystemState | undefined;
    readonly manifest: Manifest;
  }>;
  /** A customer pays, through the load balancer; the status of the answer and the release that gave it. */
  pay(ref: string): Promise<{ readonly status: number; readonly release: string | null }>;
  /** As the master user. */
  sql(instance: string, text: string): Promise<Record<string, unknown>[]>;
  /** Customers are served by the release, and what they write is in the production database. */
  proveServedBy(release: string): Promise<void>;
  stackStatus(name: string): Promise<string | undefined>;
  end(): Promise<void>;
}

export async function makeWorld(speed: number): Promise<World> {
  const scratch = mkdtempSync(join(tmpdir(), 'switchback-bad-input-'));
  const images = join(scratch, 'images');
  const { sick } = makeImages(images);
  let operator: Readonly<Record<string, string>> = {};
  const called = new Set<string>();
  const onCall = ({ service, operation, key }: WireCall) => {
    if (key === operator['AWS_ACCESS_KEY_ID']) called.add(`${service} ${operation}`);
  };
  const sandbox = await sandboxForTest({ speed, images, onCall });
  const session = { RoleArn: 'arn:aws:iam::111122223333:role/operators', RoleSessionName: 'night', DurationSeconds: 12 * 3600 };
  const { Credentials: lent } = await sandbox.call('sts', 'AssumeRole', session);
  operator = {
    ...sandbox.env,
    AWS_ACCESS_KEY_ID: lent.AccessKeyId,
    AWS_SECRET_ACCESS_KEY: lent.SecretAccessKey,
    AWS_SESSION_TOKEN: lent.SessionToken,
  };
  const env = {
    ...sandbox.env,
    CDK_DEFAULT_ACCOUNT: '111122223333',
    CDK_DEFAULT_REGION: 'eu-central-1',
    CDK_VALIDATION: 'false',
    CDK_DISABLE_VERSION_CHECK: '1',
    CI: 'true',
  };
  Object.assign(process.env, sandbox.env);
  const aws = makeAws();
  const verb: World['verb'] = (name, args = []) =>
    script(name, ['--system', 'video', ...args], args.includes('--here') ? env : { ...env, ...operator });
  const world: World = {
    sandbox,
    operator,
    sick,
    verb,
    async must(run, code = 0) {
      const ran = await run;
      if (ran.code !== code) throw new Error(`exit code ${ran.code}, not ${code}: ${ran.text.slice(-3000)}`);
      return ran.text;
    },
    cdk: (args, context) =>
      command(
        [
          process.execPath,
          require.resolve('aws-cdk/bin/cdk'),
          ...args,
          '--output',
          join(scratch, 'cdk.out'),
          ...(args[0] === 'deploy' ? ['--require-approval', 'never', '--progress', 'events'] : []),
          ...Object.entries({ hold: '900', watch: '1', tasks: '1', trial: 'false', ...context }).flatMap(([name, value]) => [
            '-c',
            `${name}=${value}`,
          ]),
        ],
        env,
      ),
    async look() {
      const { manifest, state } = await aws.settings.manifest('video');
      return { ...whereNow(manifest, await aws.traffic.order(manifest)), state, manifest };
    },
    async pay(ref) {
      const { manifest } = await aws.settings.manifest('video');
      const [door] = await aws.traffic.frontDoors(manifest);
      const answer = await fetch(`http://${door?.host}:${door?.port}/api/charges`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ user: 1, cents: 100, ref }),
      });
      await answer.text();
      return { status: answer.status, release: answer.headers.get('x-release') };
    },
    async sql(instance, text) {
      const { manifest } = await aws.settings.manifest('video');
      const address = (await aws.databases.describe(instance))?.address;
      if (!address) throw new Error(`${instance} has no address`);
      const login = await aws.settings.secret(manifest.shared.database.masterSecret);
      const client = new Client({ ...address, user: login.username, password: login.password, database: manifest.shared.database.name });
      await client.connect();
      try {
        return (await client.query(text)).rows as Record<string, unknown>[];
      } finally {
        await client.end();
      }
    },
    async proveServedBy(release) {
      const ref = randomUUID();
      expect(await world.pay(ref)).toEqual({ status: 201, release });
      const { state } = await world.look();
      expect(await world.sql(state?.production ?? '', `select ref from charges where ref = '${ref}'`)).toHaveLength(1);
    },
    stackStatus: async (name) =>
      (await sandbox.call('cloudformation', 'DescribeStacks', { StackName: name }).catch(() => undefined))?.Stacks[0].StackStatus,
    async end() {
      await sandbox.stop();
      rmSync(scratch, { recursive: true, force: true });
      expect(called.size).toBeGreaterThan(0);
      expect(missedBy(called)).toEqual([]);
    },
  };
  return world;
}
