/**
 * A system on the eve of a window, deployed once and copied for every run: release 1.0.0 live on blue, release 2.0.0 on
 * green beside it, a replica for the fallback. A copy is a folder of a stopped sandbox: starting one takes seconds.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../../sandbox/lib/ports';
import { serverMayEnter } from '../../../sandbox/lib/postgres/account';
import { removeDatabaseFiles } from '../../../sandbox/lib/services/rds';
import { cdk, startEnvironment, tsx } from './environment';
import { Processes, type Ran } from './processes';

export interface BaselineOptions {
  /** The repository. */
  readonly root: string;
  /** Where it lies. One that was made of the same code is used again; others are replaced. */
  readonly folder: string;
  /** AWS seconds per real second, while it is made. @default 200 */
  readonly speed?: number;
  readonly onPhase?: (phase: string) => void;
  readonly onLine: (source: string, line: string) => void;
  readonly signal?: AbortSignal;
}

export const soakSpeed = 200;

/** Makes a baseline, or finds the one that is there. Throws with the last lines of what failed. */
export async function makeBaseline(options: BaselineOptions): Promise<void> {
  const { root, folder, speed = soakSpeed, onPhase = () => {}, onLine } = options;
  const code = codeOf(root);
  if (readBaseline(folder) === code) return;
  mkdirSync(dirname(folder), { recursive: true });
  const draft = await mkdtemp(`${folder}-`);
  const processes = new Processes(root, onLine);
  const end = () => void processes.end();
  options.signal?.addEventListener('abort', end, { once: true });
  try {
    openToServers(draft);
    const environment = await startEnvironment(processes, { folder: join(draft, 'sandbox'), speed });
    const deploy = async (context: Record<string, string>, ...args: string[]) => {
      onPhase(`cdk ${args.join(' ')}`);
      const all = { hold: 3600, watch: 1, tasks: 1, ...context };
      must(await cdk(processes, environment, args, { output: join(draft, 'cdk.out'), context: all }), `cdk ${args.join(' ')}`);
    };
    const none = { green: 'none', window: 'none' };
    await deploy(none, 'bootstrap', '--no-notices');
    await deploy(none, 'deploy', 'shared', 'blue');
    onPhase('the first opening');
    must(
      await processes.run(
        'cutover',
        [...tsx, 'scripts/verb.ts', 'cutover', '--system', 'video', '--by', 'baseline', '--yes'],
        environment.env,
      ),
      'the first opening',
    );
    await deploy({ window: '1' }, 'deploy', 'green', 'fallback-w1');
    await environment.stop();
    rmSync(join(draft, 'cdk.out'), { recursive: true, force: true });
    dropRecycledWal(join(draft, 'sandbox', 'rds'));
    writeFileSync(join(draft, 'code'), code);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    options.signal?.removeEventListener('abort', end);
    await processes.end();
    await removeDatabaseFiles(join(draft, 'sandbox'));
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Copies a baseline's sandbox to `to`, which must not exist; start it there with `startEnvironment`. */
export async function copyBaseline(baseline: string, to: string): Promise<void> {
  mkdirSync(dirname(to), { recursive: true });
  openToServers(dirname(to));
  if (!serverMayEnter(dirname(to)))
    throw new Error(`the servers' account cannot enter ${dirname(to)}: a copy of databases cannot lie there`);
  // as root the files belong to the servers' account, and must still do so in the copy: only cp keeps that.
  await promisify(execFile)('cp', ['-a', join(baseline, 'sandbox'), to]);
  await giveOtherPorts(join(to, 'state'));
}

/** Databases of two copies would want the same ports, and the second copy's tasks would find the first one's. */
async function giveOtherPorts(state: string): Promise<void> {
  const [instances, secrets] = [join(state, 'rds.instances.json'), join(state, 'secretsmanager.secrets.json')];
  const rows = JSON.parse(readFileSync(instances, 'utf8')) as [string, { port?: number }][];
  let known = readFileSync(secrets, 'utf8');
  for (const [, row] of rows) {
    if (row.port === undefined) continue;
    const port = await freePort();
    known = known.replace(new RegExp(`:${row.port}(?!\\d)`, 'g'), `:${port}`);
    row.port = port;
  }
  writeFileSync(instances, JSON.stringify(rows));
  writeFileSync(secrets, known);
}

/** PostgreSQL keeps hundreds of megabytes of old segments under names to come; every run would copy them. */
function dropRecycledWal(databases: string): void {
  for (const entry of readdirSync(databases, { recursive: true, withFileTypes: true })) {
    if (!/^[0-9A-F]{24}$/.test(entry.name) || !entry.parentPath.endsWith('/pg_wal')) continue;
    const file = join(entry.parentPath, entry.name);
    const opened = openSync(file, 'r');
    const start = Buffer.alloc(16);
    readSync(opened, start, 0, 16, 0);
    closeSync(opened);
    // a page begins with its own position in the log (xlog_internal.h, XLogPageHeaderData): one that has not been written yet has an older one.
    const written = BigInt(`0x${entry.name.slice(8, 16)}`) * 2n ** 32n + BigInt(`0x${entry.name.slice(16)}`) * BigInt(statSync(file).size);
    if (start.readBigUInt64LE(8) !== written) rmSync(file);
  }
}

/** Databases lie in the sandbox's folder only where their servers' account may pass through: every folder above it too. */
export function openToServers(folder: string): void {
  chmodSync(folder, 0o711);
}

function readBaseline(folder: string): string | undefined {
  return existsSync(join(folder, 'code')) ? readFileSync(join(folder, 'code'), 'utf8') : undefined;
}

/** In lib, but in no baseline: what looks on. */
const onlookers = /\/lib\/(soak|rehearsal|bench|report|terminal)\//;

/** What a baseline is made of: the runner function in it is built from lib, its stacks from bin, its tasks from examples. */
function codeOf(root: string): string {
  const hash = createHash('sha256');
  for (const top of ['bin', 'examples', 'lib', 'package-lock.json', 'cdk.json']) {
    const path = join(root, top);
    const files = /\./.test(top)
      ? [path]
      : readdirSync(path, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .filter((file) => !onlookers.test(file.slice(root.length)))
          .sort();
    for (const file of files) hash.update(`${file.slice(root.length)}\n`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

function must(ran: Ran, what: string): void {
  if (ran.code === 0) return;
  const last = `${ran.stdout}\n${ran.stderr}`.trim().split('\n').slice(-15).join('\n');
  throw new Error(`${what} ended with exit code ${ran.code}:\n${last}`);
}
