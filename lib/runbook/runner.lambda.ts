/** The runner: the one function inside the VPC that executes steps. Terminals and schedules only ask it to advance. */
import type { Context } from 'aws-lambda';
import { makeAws } from '../aws';
import { wallClock } from './clock';
import { type Reply, type Request, runVerb } from './verbs';

export async function handler(request: Request, context: Context): Promise<Reply> {
  return runVerb(request, {
    aws: makeAws(),
    clock: wallClock,
    runner: context.functionName,
    deadline: wallClock.now() + context.getRemainingTimeInMillis(),
  });
}
