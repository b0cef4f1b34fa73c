/** `switchback sandbox`: AWS on this machine, by a package of its own. */
import { switchback } from '../base/advice';
import { Stop } from '../base/errors';
import { makeOutput } from '../report';
import { spell } from '../report/advice';
import { question } from './gate';
import { sandboxPackage } from './sandbox-package';

export async function sandbox(args: readonly string[]): Promise<number> {
  try {
    return await sandboxPackage().sandboxCommand(args, spell(switchback('sandbox')));
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    makeOutput({ json: false, color: true, stdout: process.stdout, stderr: process.stderr, question }).failure(error);
    return error.exit;
  }
}
