/**
 * Custom resources: the function behind ServiceToken gets the event AWS sends and answers by a PUT to the ResponseURL,
 * which, as on AWS, is a link to an object in an S3 bucket of CloudFormation's own.
 */
import { randomUUID } from 'node:crypto';
import type { Properties } from '../records';
import { text } from '../template';
import type { Made, ResourceCall, ResourceType } from '../type';

interface Answer {
  readonly Status: 'SUCCESS' | 'FAILED';
  readonly Reason?: string;
  readonly PhysicalResourceId?: string;
  readonly Data?: Properties;
}

const failure = (message: string): Error => Object.assign(new Error(message), { name: 'CustomResource' });

async function request(
  kind: 'Create' | 'Update' | 'Delete',
  properties: Properties,
  call: ResourceCall,
  made?: Made,
  before?: Properties,
): Promise<Made> {
  const { sandbox } = call;
  const { ServiceToken: token, ServiceTimeout: timeout } = properties;
  if (typeof token !== 'string' || !token.includes(':lambda:'))
    throw failure(`Invalid ServiceToken ${JSON.stringify(token)}: the sandbox serves custom resources behind Lambda functions only.`);
  const bucket = `cloudformation-custom-resource-response-${sandbox.region.replaceAll('-', '')}`;
  // made when first needed; afterwards it is there, and owned by this account.
  await sandbox.call('s3', 'CreateBucket', { Bucket: bucket }).catch(() => undefined);
  const id = randomUUID();
  const key = `${call.stack.id.replaceAll('/', '%7C')}|${call.logicalId}|${id}`.replace(/[^\w|.-]/g, '-');
  // the id by which a create is deleted that never answered.
  const fallback = made?.id ?? call.name(128);
  const event = {
    RequestType: kind,
    ServiceToken: token,
    ResponseURL: signedLink(sandbox, `${call.endpoint}/${bucket}/${encodeURIComponent(key)}`),
    StackId: call.stack.id,
    RequestId: id,
    ResourceType: call.type,
    LogicalResourceId: call.logicalId,
    ...(made ? { PhysicalResourceId: made.id } : {}),
    ResourceProperties: strings(properties),
    ...(before ? { OldResourceProperties: strings(before) } : {}),
  };
  if (kind === 'Create') call.started(fallback);
  await sandbox.call('lambda', 'Invoke', { FunctionName: token, InvocationType: 'Event', Payload: Buffer.from(JSON.stringify(event)) });
  const body = await call
    .until(
      'the custom resource to answer',
      async () => {
        // a list, because asking for an object that is not there yet would be an error in the sandbox's log each time.
        const { Contents: found } = await sandbox.call('s3', 'ListObjectsV2', { Bucket: bucket, Prefix: key });
        return found?.length ? text((await sandbox.call('s3', 'GetObject', { Bucket: bucket, Key: key })).Body) : undefined;
      },
      { every: 1, timeout: Number(timeout ?? 3600) },
    )
    .catch((error: Error) => {
      if (error.name !== 'NotStabilized') throw error;
      throw failure(
        'CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId ' +
          `[${id}]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version.`,
      );
    });
  await sandbox.call('s3', 'DeleteObject', { Bucket: bucket, Key: key }).catch(() => undefined);
  let answer: Answer;
  try {
    answer = JSON.parse(body) as Answer;
  } catch {
    throw failure('Invalid response from custom resource: it is not JSON.');
  }
  if (answer.PhysicalResourceId && kind === 'Create') call.started(answer.PhysicalResourceId);
  if (answer.Status !== 'SUCCESS')
    throw failure(
      `Received response status [FAILED] from custom resource. Message returned: ${answer.Reason ?? 'none'} (RequestId: ${id})`,
    );
  return { id: answer.PhysicalResourceId ?? fallback, attributes: answer.Data ?? {} };
}

/** A link that needs no other credentials. AWS's are valid for two hours as well. */
function signedLink(sandbox: ResourceCall['sandbox'], link: string): string {
  const seconds = 2 * 3600;
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const query = new URLSearchParams({
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Date': now,
    'X-Amz-SignedHeaders': 'host',
    'X-Amz-Expires': String(seconds),
    'X-Amz-Credential': `${sandbox.lend(seconds).accessKeyId}/${now.slice(0, 8)}/${sandbox.region}/s3/aws4_request`,
    // signatures are not verified here.
    'X-Amz-Signature': '0'.repeat(64),
  });
  return `${link}?${query.toString()}`;
}

/** CloudFormation sends every number and boolean to a custom resource as text. */
function strings(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strings);
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, strings(child)]));
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}

export const custom: ResourceType = {
  createOnly: [],
  create: (properties, call) => request('Create', properties, call),
  update: (properties, call, made, before) => request('Update', properties, call, made, before),
  delete: async (call, made, properties) => void (await request('Delete', properties, call, made)),
};
