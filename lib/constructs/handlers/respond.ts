/**
 * The outer half of every custom resource: reads CloudFormation's request, and answers it whatever happens. A request
 * that is never answered holds its stack for an hour.
 */

import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import type { z } from 'zod';
import { wallClock } from '../../base/clock';
import { Stop } from '../../base/errors';
import { plainText } from '../../base/plain-text';
import { spell } from '../../report/advice';

export interface Answer {
  /** Another id than before makes CloudFormation delete the resource with the old one. */
  readonly physicalId: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface Request<P> {
  readonly type: 'Create' | 'Update' | 'Delete';
  readonly properties: P;
  /** What it was before an update. */
  readonly old: P | undefined;
  /** None at Create. */
  readonly physicalId: string | undefined;
  readonly stackId: string;
  readonly requestId: string;
  /** When the function's own time ends, in milliseconds since the epoch. */
  readonly deadline: number;
}

// the id of what could not be made, or not wholly.
const neverMade = 'switchback-never-made';

export function customResource<S extends z.ZodType>(
  schema: S,
  act: (request: Request<z.output<S>>) => Promise<Answer>,
): (event: CloudFormationCustomResourceEvent, context: Context) => Promise<void> {
  return async (event, context) => {
    const physicalId = event.RequestType === 'Create' ? undefined : event.PhysicalResourceId;
    // a Create that failed is rolled back by a Delete, which removes what was made half; there is nothing if it could not even be read.
    if (event.RequestType === 'Delete' && physicalId === neverMade && !schema.safeParse(event.ResourceProperties).success) {
      return respond(event, { physicalId });
    }
    try {
      const request: Request<z.output<S>> = {
        type: event.RequestType,
        properties: parse(schema, event.ResourceProperties),
        old: event.RequestType === 'Update' ? schema.safeParse(event.OldResourceProperties).data : undefined,
        physicalId,
        stackId: event.StackId,
        requestId: event.RequestId,
        deadline: wallClock.now() + context.getRemainingTimeInMillis(),
      };
      const answer = await withinTime(act(request), request.deadline, event.LogicalResourceId);
      // what is deleted keeps its name to the end.
      await respond(event, event.RequestType === 'Delete' ? { physicalId: event.PhysicalResourceId } : answer);
    } catch (error) {
      await refuse(event, error);
    }
  };
}

/** Answers CloudFormation that it could not be done: its console and `cdk deploy` show why. */
export async function refuse(event: CloudFormationCustomResourceEvent, error: unknown): Promise<void> {
  const physicalId = event.RequestType === 'Create' ? neverMade : event.PhysicalResourceId;
  await respond(event, { physicalId }, plainText(reasonOf(error)));
}

/** The answer must leave before the function is stopped. */
async function withinTime<T>(work: Promise<T>, deadline: number, resource: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${resource} was not ready when the function's time ended; deploy again to go on from where it is`)),
      Math.max(0, deadline - wallClock.now() - 5_000),
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function parse<S extends z.ZodType>(schema: S, properties: unknown): z.output<S> {
  const parsed = schema.safeParse(properties);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(
    `the property ${issue?.path.join('.')} of the custom resource cannot be read: ${issue?.message}; deploy the shared stack first, it brings the handler`,
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof Stop)
    return [error.message, error.state, error.next.length > 0 ? `Next: ${error.next.map(spell).join(', or ')}` : '']
      .filter(Boolean)
      .join('. ');
  return error instanceof Error ? `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}` : String(error);
}

async function respond(event: CloudFormationCustomResourceEvent, answer: Answer, failure?: string): Promise<void> {
  const body = JSON.stringify({
    Status: failure === undefined ? 'SUCCESS' : 'FAILED',
    // CloudFormation reads 4,096 characters of the whole answer.
    ...(failure === undefined ? {} : { Reason: failure.slice(0, 1_500) }),
    PhysicalResourceId: answer.physicalId,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    Data: answer.attributes ?? {},
  });
  console.log(
    JSON.stringify({
      request: event.RequestType,
      resource: event.LogicalResourceId,
      stack: event.StackId,
      physicalId: answer.physicalId,
      failure,
    }),
  );
  const patience = [200, 1_000, 3_000];
  for (;;) {
    try {
      // an empty content type: the URL is signed without one.
      const response = await fetch(event.ResponseURL, { method: 'PUT', headers: { 'content-type': '' }, body });
      if (response.ok) return;
      throw new Error(`CloudFormation's response URL answered ${response.status}`);
    } catch (error) {
      const pause = patience.shift();
      if (pause === undefined) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
