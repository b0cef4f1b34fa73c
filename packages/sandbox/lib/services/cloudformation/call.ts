/** What a resource type is given for one operation: calls, names, tags, waiting. */
import { randomBytes } from 'node:crypto';
import type { Sandbox } from '../../service';
import type { Physical, Stack } from './records';
import { spelled } from './spelling';
import type { ResourceCall } from './type';

/** Thrown when the sandbox stops: the operation ends where it is, without a trace; `recover` takes it up. */
export class Stopped extends Error {}

/** Thrown out of a wait when another resource of the same operation has failed. */
export class Cancelled extends Error {}

/** One run through a graph: the first failure cancels the rest. */
export interface Run {
  cancelled: boolean;
  readonly failed: string[];
}

export function makeCall(
  sandbox: Sandbox,
  stack: Stack,
  resource: Physical,
  run: Run,
  snapshot: boolean,
  started: (id: string) => void,
): ResourceCall {
  const target = stack.target;
  return {
    sandbox,
    stack: { id: stack.id, name: stack.name },
    logicalId: resource.logicalId,
    type: resource.type,
    stored: resource.properties,
    endpoint: sandbox.endpoint(),
    snapshot,
    started,
    send: (service, operation, input) => sandbox.call(service, operation, spelled(service, operation, input)),
    name: (maximum) => physicalName(stack.name, resource.logicalId, maximum),
    tags: (own = []) => [
      ...own,
      ...(target?.tags ?? []).filter((tag) => !own.some((one) => one.Key === tag.Key)),
      { Key: 'aws:cloudformation:stack-name', Value: stack.name },
      { Key: 'aws:cloudformation:stack-id', Value: stack.id },
      { Key: 'aws:cloudformation:logical-id', Value: resource.logicalId },
    ],
    until: async (what, ask, { every = 5, timeout = 3600 } = {}) => {
      // a fast sandbox would ask thousands of times a second.
      const gap = Math.max(every, sandbox.speed * 0.02);
      for (let waited = 0; waited <= timeout; waited += gap) {
        const answer = await ask();
        if (answer !== undefined) return answer;
        if (run.cancelled) throw new Cancelled();
        await sandbox.pause(gap).catch(() => {
          throw new Stopped();
        });
      }
      throw Object.assign(new Error(`Exceeded attempts to wait: ${what} within ${timeout} s`), { name: 'NotStabilized' });
    },
  };
}

/** AWS wraps what the service said; a custom resource's own message stands as it is. */
export function handlerMessage(error: Error): string {
  if (error.name === 'CustomResource' || error.name === 'ValidationError') return error.message;
  return `Resource handler returned message: "${error.message}" (HandlerErrorCode: ${error.name})`;
}

function physicalName(stack: string, logicalId: string, maximum: number): string {
  const random = randomBytes(16)
    .toString('base64')
    .replace(/[^A-Za-z0-9]/g, '')
    .slice(0, 12)
    .toUpperCase();
  const room = maximum - random.length - 1;
  const long = `${stack}-${logicalId}`;
  if (long.length <= room) return `${long}-${random}`;
  const half = Math.floor((room - 1) / 2);
  return `${stack.slice(0, room - 1 - Math.min(half, logicalId.length)).replace(/-+$/, '')}-${logicalId.slice(0, half)}-${random}`;
}
