/** A sandbox of its own for one test file, in a temporary folder, fast. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningSandbox, type SandboxOptions, startSandbox } from '../../lib/sandbox/server';

export interface TestSandbox extends RunningSandbox {
  readonly folder: string;
}

/** Stop it in `afterAll`: that ends everything in it and removes the folder. */
export async function sandboxForTest(options: Partial<SandboxOptions> = {}): Promise<TestSandbox> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'switchback-sandbox-'));
  const sandbox = await startSandbox({ speed: 600, ...options, folder });
  return {
    ...sandbox,
    folder,
    stop: async () => {
      await sandbox.stop();
      if (!options.folder) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What an SDK client needs to talk to a sandbox. S3 clients also want `forcePathStyle: true`, which others ignore. */
export function clientConfig(endpoint: string) {
  return {
    endpoint,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'AKIASANDBOXSANDBOX00', secretAccessKey: 'sandbox' },
    maxAttempts: 1,
    forcePathStyle: true,
  };
}
