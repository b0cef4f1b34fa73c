/** The package of servers and of AWS on this machine (packages/sandbox), which only those who want it install. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { typed } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { StartServers } from '../operations/try/servers';

/** What the package has for us (its lib/index.ts). */
interface SandboxPackage {
  sandboxCommand(args: readonly string[], spelled: string): Promise<number>;
  readonly startPair: StartServers;
}

const name = 'cdk-switchback-sandbox';

/** @throws Stop `sandbox.not-installed` */
export function sandboxPackage(): SandboxPackage {
  // what the app's folder has installed, and else what lies beside this package: a global command has no app's folder.
  for (const from of [join(process.cwd(), 'package.json'), __filename]) {
    const require = createRequire(from);
    const found = resolved(require);
    if (found) return require(found) as SandboxPackage;
  }
  throw new Stop('sandbox.not-installed', `${name} is not installed in ${process.cwd()}; it is a package of its own`, {
    next: [typed(`npm install --save-dev ${name}`)],
    exit: exit.usage,
  });
}

function resolved(require: NodeJS.Require): string | undefined {
  try {
    return require.resolve(name);
  } catch (error) {
    // anything else is a broken installation, and says so itself.
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    return undefined;
  }
}
