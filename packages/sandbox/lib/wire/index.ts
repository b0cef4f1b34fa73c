/** One request in, one answer out: recognises the service, speaks its protocol, knows nothing about any operation. */
import type { Refusal } from '../access/door';
import { inWordsOf } from '../access/words';
import { AwsError, type CallInfo } from '../service';
import { SERVICES, type ServiceName } from '../service-names';
import { decode } from './body';
import { cbor } from './cbor';
import { json } from './json';
import { type Model, modelOf } from './model';
import { notServed, type Protocol, type WireAnswer, type WireRequest } from './protocol';
import { query } from './query';
import { rest } from './rest';
import { checkRequired, shaped } from './shape';
import { escapeXml } from './xml';

export { notServed };

/** Runs a handler; the wire does not care how. Throws AwsError. */
export type Perform = (service: ServiceName, operation: string, input: unknown, call: CallInfo) => Promise<unknown>;

export interface RawRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A request that is not let in gets its refusal in the words of the service that it asks. */
export function refuse(raw: RawRequest, requestId: string, refusal: Refusal): WireAnswer {
  const service = serviceOf(scopeOf(raw, queryOf(raw.url)));
  if (!service) return withoutModel(inWordsOf(dialectOf(raw), refusal), raw, requestId);
  const model = modelOf(service);
  return protocolOf(model, raw).fail(model, inWordsOf(model.protocol, refusal), requestId);
}

/** The query of a path as it was sent. */
export const queryOf = (url: string): URLSearchParams => new URLSearchParams(splitOnce(url, '?')[1]);

export async function answer(raw: RawRequest, requestId: string, perform: Perform): Promise<WireAnswer> {
  const path = splitOnce(raw.url, '?')[0];
  const parameters = queryOf(raw.url);
  const scope = scopeOf(raw, parameters);
  const service = serviceOf(scope);
  if (!service) return unknownService(scope, raw, requestId);
  const model = modelOf(service);
  const protocol = protocolOf(model, raw);
  try {
    const { body, headers } = decode(raw.body, raw.headers);
    const request: WireRequest = { method: raw.method, path, query: parameters, headers, body };
    const { operation, input } = understand(protocol, model, request);
    const call = { endpoint: `http://${raw.headers['host'] ?? 'localhost'}` };
    const output = await perform(service, operation.name, input, call);
    return protocol.write(model, operation, output, requestId);
  } catch (error) {
    return protocol.fail(model, toAwsError(error), requestId);
  }
}

/** The input as the operation's schema has it, a copy of its own; throws AWS's error when a required member is missing. */
export function checkedInput(service: ServiceName, operation: string, input: unknown): unknown {
  const model = modelOf(service);
  const found = model.operations.get(operation);
  if (!found) throw notServed(service, operation);
  const copy = shaped(found.input, input ?? {}) ?? {};
  checkRequired(model, found, copy);
  return copy;
}

/** The output as a client would read it: a copy, without members that the API does not have. */
export function checkedOutput(service: ServiceName, operation: string, output: unknown): unknown {
  const found = modelOf(service).operations.get(operation);
  return (found && shaped(found.output, output ?? {})) ?? {};
}

export function toAwsError(error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  return new AwsError('InternalFailure', error instanceof Error ? error.message : String(error), 500);
}

function understand(protocol: Protocol, model: Model, request: WireRequest) {
  try {
    return protocol.read(model, request);
  } catch (error) {
    if (error instanceof AwsError) throw error;
    throw new AwsError('SerializationException', `The request cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function protocolOf(model: Model, raw: RawRequest): Protocol {
  if (raw.headers['smithy-protocol'] === 'rpc-v2-cbor') return cbor;
  if (model.protocol === 'query' || model.protocol === 'ec2') return query;
  if (model.protocol === 'restJson' || model.protocol === 'restXml') return rest;
  // older clients of CloudWatch send forms.
  return raw.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ? query : json;
}

/** The service in the credential scope of the signature: `<key>/<date>/<region>/<service>/aws4_request`. */
function scopeOf(raw: RawRequest, parameters: URLSearchParams): string {
  const inHeader = /Credential=[^,\s]*?\/\d{8}\/[^/,\s]*\/([^/,\s]+)\/aws4_request/.exec(raw.headers['authorization'] ?? '')?.[1];
  if (inHeader) return inHeader;
  const inQuery = parameters.get('X-Amz-Credential')?.split('/').at(-2);
  if (inQuery) return inQuery;
  // without a signature: federated STS calls are forms; everything else is a link into a bucket.
  return raw.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ? 'sts' : 's3';
}

function serviceOf(scope: string): ServiceName | undefined {
  for (const [name, service] of Object.entries(SERVICES)) if (service.scope === scope) return name as ServiceName;
  return undefined;
}

function unknownService(scope: string, raw: RawRequest, requestId: string): WireAnswer {
  const operation = raw.headers['x-amz-target'] ?? new URLSearchParams(raw.body.toString('utf8')).get('Action') ?? raw.url;
  return withoutModel(notServed(scope, operation), raw, requestId);
}

const dialectOf = (raw: RawRequest): 'json' | 'query' => (raw.headers['content-type']?.includes('json') ? 'json' : 'query');

/** There is no model to ask, so the answer is in the dialect of the request. */
function withoutModel({ code, message, status }: AwsError, raw: RawRequest, requestId: string): WireAnswer {
  const type = raw.headers['content-type'] ?? '';
  const headers = { 'x-amzn-requestid': requestId, 'x-amzn-errortype': code };
  if (dialectOf(raw) === 'json')
    return { status, headers: { ...headers, 'content-type': type }, body: JSON.stringify({ __type: code, message }) };
  return {
    status,
    headers: { ...headers, 'content-type': 'text/xml' },
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
  };
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
