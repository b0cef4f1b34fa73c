/** The runner: the one function inside the VPC that executes steps. Terminals and schedules only ask it to advance. */
import { makeAws } from '../aws';
import { wallClock } from '../base/clock';
import { handleRequest } from './handle-request';
import type { Reply, Request } from './request';

/** What Lambda tells an invocation about itself. */
interface Invocation {
  readonly functionName: string;
  getRemainingTimeInMillis(): number;
}

// made once for a warm runner's life: its connections stay open and the journal it has read is not read again, while customers wait.
const aws = makeAws();

export async function handler(request: Request, context: Invocation): Promise<Reply> {
  return handleRequest(request, {
    aws,
    clock: aws.clock,
    runner: context.functionName,
    // what is left was worked out with this machine's clock: taken back with the same, it is AWS's moment, whatever that clock says.
    deadline: wallClock.now() + context.getRemainingTimeInMillis(),
  });
}
