/** A sandbox of its own for one test file, in a temporary folder, fast. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningSandbox, type SandboxOptions, startSandbox } from '../../lib/server';
import { removeDatabaseFiles } from '../../lib/services/rds';

export interface TestSandbox extends RunningSandbox {
  readonly folder: string;
  /** Stops it and starts it again on the same folder and port. */
  restart(): Promise<void>;
}

/** Stop it in `afterAll`: that ends everything in it and removes the folder (unless the folder was given). */
export async function sandboxForTest(options: Partial<SandboxOptions> = {}): Promise<TestSandbox> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'switchback-sandbox-'));
  let running = await startSandbox({ speed: 600, ...options, folder });
  const { endpoint, port, env } = running;
  return {
    endpoint,
    port,
    env,
    folder,
    call: (service, operation, input) => running.call(service, operation, input),
    restart: async () => {
      await running.stop();
      running = await startSandbox({ speed: 600, ...options, folder, port });
    },
    stop: async () => {
      await running.stop();
      if (options.folder) return;
      await removeDatabaseFiles(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What an SDK client needs to talk to a running sandbox, its key too. `forcePathStyle` is for S3; the others ignore it. */
export function clientConfig({ env }: Pick<RunningSandbox, 'env'>) {
  return {
    endpoint: env['AWS_ENDPOINT_URL']!,
    region: env['AWS_REGION']!,
    credentials: { accessKeyId: env['AWS_ACCESS_KEY_ID']!, secretAccessKey: env['AWS_SECRET_ACCESS_KEY']! },
    maxAttempts: 2,
    forcePathStyle: true,
  };
}
