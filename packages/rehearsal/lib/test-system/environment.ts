/** What a rehearsal stands on: a sandbox in a process of its own, and the CDK command line against it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { ownerOf } from '../../../sandbox/lib/access/keys';
import { ACCOUNT, environmentFor, REGION } from '../../../sandbox/lib/environment';
import { freePort } from '../../../sandbox/lib/ports';
import type { Processes, Ran } from './processes';

/** TypeScript is run as it is. */
export const tsx = ['node', '--import', 'tsx'] as const;

export interface EnvironmentOptions {
  /** Of the sandbox: its state. */
  readonly folder: string;
  /** AWS seconds per real second. */
  readonly speed: number;
  /** @default - the sandbox's own */
  readonly images?: string;
}

export interface Environment {
  readonly endpoint: string;
  /** What a command needs in its environment to talk to this sandbox. */
  readonly env: NodeJS.ProcessEnv;
  /** Ends the sandbox in order; its state stays. */
  stop(): Promise<void>;
}

/** Starts a sandbox on a free port. Throws when it ends before it answers. */
export async function startEnvironment(processes: Processes, { folder, speed, images }: EnvironmentOptions): Promise<Environment> {
  const port = await freePort();
  const child = processes.start(
    'sandbox',
    [
      ...tsx,
      'packages/sandbox/bin/sandbox.ts',
      ...['--folder', folder, '--port', String(port), '--speed', String(speed)],
      ...(images === undefined ? [] : ['--images', images]),
    ],
    { ...process.env },
  );
  const endpoint = `http://localhost:${port}`;
  await answered(child, endpoint);
  return {
    endpoint,
    env: {
      ...process.env,
      ...environmentFor(endpoint, ownerOf(folder)),
      CDK_DEFAULT_ACCOUNT: ACCOUNT,
      CDK_DEFAULT_REGION: REGION,
      // validation by rules of CloudFormation itself has a test of its own; here it would be most of every deploy.
      CDK_VALIDATION: 'false',
      CDK_DISABLE_VERSION_CHECK: '1',
      NO_COLOR: '1',
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** Runs the real CDK command line on the example, with values for its context. */
export function cdk(
  processes: Processes,
  { env }: Pick<Environment, 'env'>,
  args: readonly string[],
  { output, context }: { readonly output: string; readonly context: Readonly<Record<string, string | number>> },
): Promise<Ran> {
  return processes.run(
    'cdk',
    [
      'node',
      'node_modules/aws-cdk/bin/cdk',
      ...args,
      ...(args[0] === 'deploy' ? ['--require-approval', 'never'] : []),
      ...['--output', output],
      ...Object.entries(context).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    env,
  );
}

async function answered(child: ChildProcess, endpoint: string): Promise<void> {
  const deadline = performance.now() + 120_000;
  while ((await fetch(endpoint).catch(() => undefined)) === undefined) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error('the sandbox ended before it answered; its lines are in the log');
    if (performance.now() > deadline) throw new Error(`the sandbox does not answer at ${endpoint} after 120 s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
