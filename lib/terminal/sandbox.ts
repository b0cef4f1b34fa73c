/** `switchback sandbox`: AWS on this machine, by a package of its own (packages/sandbox), which only those who want it install. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { exit } from '../base/errors';

/** What the package has for us (its lib/index.ts). */
interface SandboxPackage {
  sandboxCommand(args: readonly string[], spelled: string): Promise<number>;
}

const name = 'cdk-switchback-sandbox';

export async function sandbox(args: readonly string[]): Promise<number> {
  // what the app's folder has installed, and else what lies beside this package: a global command has no app's folder.
  for (const from of [join(process.cwd(), 'package.json'), __filename]) {
    const require = createRequire(from);
    const found = resolved(require);
    if (found) return (require(found) as SandboxPackage).sandboxCommand(args, 'npx switchback sandbox');
  }
  process.stderr.write(
    `error: ${name} is not installed in ${process.cwd()}; it is what the sandbox is made of\nnext:  npm install --save-dev ${name}\n`,
  );
  return exit.usage;
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
