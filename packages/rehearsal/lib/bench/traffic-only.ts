/**
 * How long customers wait in an emergency: from the start of a process to the accepted SetRulePriorities, for the
 * shipped command and for a shell script doing the same over the AWS CLI, in turn, on one sandbox.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { percentile } from '../../../../lib/engine/estimates';
import { type RunningSandbox, startSandbox } from '../../../sandbox/lib/server';
import { type CountingProxy, countingProxy } from './counting-proxy';
import { type RulesWorld, rulesWorld } from './rules-world';

export interface TrafficOnlyOptions {
  /** The bundle. */
  readonly command: string;
  /** The AWS CLI; looked for where Debian puts it, then on the PATH. */
  readonly aws?: string | undefined;
  readonly runs: number;
  readonly applications: number;
  readonly onRun?: (text: string) => void;
}

export interface Measured {
  /** Milliseconds from process start to the accepted call. */
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly samplesMs: readonly number[];
  /** The calls up to and with SetRulePriorities. */
  readonly calls: readonly string[];
}

export interface TrafficOnlyResult {
  readonly applications: number;
  readonly runs: number;
  readonly node: string;
  readonly switchback: Measured;
  /** Undefined: there is no AWS CLI here. */
  readonly script: (Measured & { readonly cli: string; readonly version: string }) | undefined;
  /** Switchback's time as a share of the script's. */
  readonly share: number | undefined;
  /** At most 4 calls, and under half of the script's time. */
  readonly goal: { readonly calls: boolean; readonly time: boolean | undefined };
}

const debian = '/usr/bin/aws';

export async function measureTrafficOnly(options: TrafficOnlyOptions): Promise<TrafficOnlyResult> {
  const folder = await mkdtemp(join(tmpdir(), 'switchback-bench-'));
  let sandbox: RunningSandbox | undefined;
  let proxy: CountingProxy | undefined;
  try {
    sandbox = await startSandbox({ folder, speed: 600 });
    proxy = await countingProxy(sandbox.endpoint);
    const world = await rulesWorld(sandbox, 'bench', options.applications);
    const env = { ...process.env, ...sandbox.env, AWS_ENDPOINT_URL: proxy.endpoint };
    const cli = await findCli(options.aws, env);
    const command = [process.execPath, options.command, 'rollback', '--traffic-only', '--yes', '--system', world.system];
    const script = cli && ['sh', join(__dirname, 'traffic-only.sh'), cli.path, world.system];
    const ours: Sample[] = [];
    const theirs: Sample[] = [];
    // in turn, so that what else the machine does falls on both; the first of each warms the disk and is not counted.
    for (let run = 0; run <= options.runs; run += 1) {
      const one = await sample(command, world, proxy, env);
      const other = script && (await sample(script, world, proxy, env));
      options.onRun?.(`run ${run}: switchback ${Math.round(one.ms)} ms${other ? `, script ${Math.round(other.ms)} ms` : ''}`);
      if (run === 0) continue;
      ours.push(one);
      if (other) theirs.push(other);
    }
    const switchback = summary(ours);
    const measured = cli && theirs.length > 0 ? { ...summary(theirs), cli: cli.path, version: cli.version } : undefined;
    const share = measured && switchback.medianMs / measured.medianMs;
    return {
      applications: options.applications,
      runs: options.runs,
      node: process.version,
      switchback,
      script: measured,
      share: share === undefined ? undefined : Math.round(share * 1000) / 1000,
      goal: { calls: switchback.calls.length <= 4, time: share === undefined ? undefined : share < 0.5 },
    };
  } finally {
    await proxy?.stop();
    await sandbox?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Sample {
  readonly ms: number;
  readonly calls: readonly string[];
}

/** One process from its start to its end. @throws Error when the rules do not stand as they should afterwards */
async function sample(command: readonly string[], world: RulesWorld, proxy: CountingProxy, env: NodeJS.ProcessEnv): Promise<Sample> {
  await world.greenInFront();
  proxy.take();
  const from = performance.now();
  const child = spawn(command[0] ?? '', command.slice(1), { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const calls = proxy.take();
  const accepted = calls.findIndex(({ operation, status }) => operation === 'SetRulePriorities' && status === 200);
  const call = calls[accepted];
  if (code !== 0 || !call || !(await world.isBack())) throw new Error(`${command.join(' ')} ended with ${code}: ${said.trim()}`);
  return { ms: call.at - from, calls: calls.slice(0, accepted + 1).map(({ operation }) => operation) };
}

function summary(samples: readonly Sample[]): Measured {
  const all = samples.map(({ ms }) => Math.round(ms * 10) / 10);
  return { medianMs: percentile(all, 0.5), p90Ms: percentile(all, 0.9), samplesMs: all, calls: samples[0]?.calls ?? [] };
}

async function findCli(named: string | undefined, env: NodeJS.ProcessEnv): Promise<{ path: string; version: string } | undefined> {
  const path = named ?? (existsSync(debian) ? debian : 'aws');
  try {
    const { stdout, stderr } = await promisify(execFile)(path, ['--version'], { env });
    return { path, version: (stdout || stderr).trim() };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
