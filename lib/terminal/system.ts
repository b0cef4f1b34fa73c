/** Which system a command is about, and who gives it. */
import { hostname, userInfo } from 'node:os';
import type { Aws } from '../aws';
import { firstDeploy, say } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { Operator } from '../engine/events';

/** The system that was named, or the only one there is. */
export async function whichSystem(aws: Aws, named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const systems = await aws.settings.systems();
  const [only] = systems;
  if (systems.length === 1 && only !== undefined) return only;
  if (systems.length === 0)
    throw new Stop('system.none', 'no system has been deployed in this account and Region', {
      next: firstDeploy,
      exit: exit.usage,
    });
  throw new Stop('system.which', `there are several systems here: ${systems.join(', ')}`, {
    next: systems.map((system) => say`--system ${system}`),
    exit: exit.usage,
  });
}

export async function whoIsThis(aws: Aws, named: string | undefined): Promise<Operator> {
  const principal = await aws.whoAmI();
  return { who: named === undefined ? principal : `${named} (${principal})`, where: `${userInfo().username}@${hostname()}` };
}
