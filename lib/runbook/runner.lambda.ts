/** The runner: the one function inside the VPC that executes steps. Terminals and schedules only ask it to advance. */
import type { Context } from 'aws-lambda';
import { makeAws } from '../aws';
import { wallClock } from './clock';
import { type Reply, type Request, runVerb } from './verbs';

export async function handler(request: Request, context: Context): Promise<Reply> {
  const aws = makeAws();
  return runVerb(request, {
    aws,
    clock: aws.clock,
    runner: context.functionName,
    // what is left was worked out with this machine's clock: taken back with the same, it is AWS's moment, whatever that clock says.
    deadline: wallClock.now() + context.getRemainingTimeInMillis(),
  });
}
