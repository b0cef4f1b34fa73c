/** `switchback sandbox`: AWS on this machine, by a package of its own (packages/sandbox), which only those who want it install. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { switchback, typed } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { makeOutput } from '../report';
import { spell } from '../report/advice';
import { question } from './gate';

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
    if (found) return (require(found) as SandboxPackage).sandboxCommand(args, spell(switchback('sandbox')));
  }
  const missing = new Stop('sandbox.not-installed', `${name} is not installed in ${process.cwd()}; the sandbox is a package of its own`, {
    next: [typed(`npm install --save-dev ${name}`)],
    exit: exit.usage,
  });
  makeOutput({ json: false, color: true, stdout: process.stdout, stderr: process.stderr, question }).failure(missing);
  return missing.exit;
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
