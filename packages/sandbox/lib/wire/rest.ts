/** RestJson and RestXml: the operation is in method and path; members are in labels, query, headers and body. */
import { FromStringShapeDeserializer, ToStringShapeSerializer } from '@smithy/core/protocols';
import type { NormalizedSchema } from '@smithy/core/schema';
import { AwsError } from '../service';
import { type Model, structNamed } from './model';
import { modelled, type Protocol, type WireRequest } from './protocol';
import { findRoute } from './routes';
import { escapeXml } from './xml';

interface Traits {
  httpLabel?: unknown;
  httpQuery?: string;
  httpQueryParams?: unknown;
  httpHeader?: string;
  httpPrefixHeaders?: string;
  httpPayload?: unknown;
  httpResponseCode?: unknown;
  xmlName?: string;
}

const settings = { timestampFormat: { useTrait: true, default: 7 as const }, httpBindings: true };
const fromText = new FromStringShapeDeserializer(settings);
const toText = new ToStringShapeSerializer(settings);

export const rest: Protocol = {
  read(model, request) {
    const { operation, labels } = findRoute(model, request);
    const input: Record<string, unknown> = {};
    const members = operation.input.isStructSchema() ? [...operation.input.structIterator()] : [];
    if (members.some(([, member]) => isInBody(traitsOf(member))) && request.body.length > 0) {
      Object.assign(input, parse(model, operation.input, request.body));
    }
    const named = new Set(members.map(([, member]) => traitsOf(member).httpQuery));
    for (const [name, member] of members) {
      const value = bound(model, member, labels[name], request, named);
      if (value !== undefined) input[name] = value;
    }
    return { operation, input };
  },

  write(model, operation, output, requestId) {
    const headers: Record<string, string> = { [requestIdHeader(model)]: requestId };
    let status = operation.http?.[2] ?? 200;
    let body: string | Uint8Array = '';
    const values = (output ?? {}) as Record<string, unknown>;
    const members = operation.output.isStructSchema() ? [...operation.output.structIterator()] : [];
    const inBody = new Set<string>();
    for (const [name, member] of members) {
      const traits = traitsOf(member);
      if (isInBody(traits)) inBody.add(name);
      const value = values[name];
      if (value === undefined || value === null) continue;
      if (traits.httpResponseCode) status = Number(value);
      else if (traits.httpHeader) headers[traits.httpHeader.toLowerCase()] = text(member, value);
      else if (traits.httpPrefixHeaders !== undefined) {
        for (const [key, item] of Object.entries(value)) headers[`${traits.httpPrefixHeaders}${key}`.toLowerCase()] = String(item);
      } else if (traits.httpPayload) {
        const plain = member.isBlobSchema() || member.isStringSchema();
        body = plain ? (value as string | Uint8Array) : serialize(model, member, value);
        headers['content-type'] ??= member.isBlobSchema() ? 'application/octet-stream' : model.contentType;
      }
    }
    // S3 has no member for it: a part of an object is answered as one.
    if (headers['content-range'] !== undefined) status = 206;
    if (inBody.size > 0) {
      body = writeBody(model, operation.output, values, inBody);
      headers['content-type'] = model.contentType;
    }
    return { status, headers, body };
  },

  fail(model, error, requestId) {
    const { shape, code, status } = modelled(model, error);
    if (model.protocol === 'restJson') {
      return {
        status,
        headers: { 'content-type': 'application/json', [requestIdHeader(model)]: requestId, 'x-amzn-errortype': shape },
        body: JSON.stringify({ Type: status < 500 ? 'User' : 'Service', ...error.details, message: error.message, Message: error.message }),
      };
    }
    return {
      status,
      headers: { 'content-type': 'application/xml', [requestIdHeader(model)]: requestId },
      body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${escapeXml(code)}</Code><Message>${escapeXml(error.message)}</Message><RequestId>${requestId}</RequestId></Error>`,
    };
  },
};

function requestIdHeader(model: Model): string {
  return model.service === 's3' ? 'x-amz-request-id' : 'x-amzn-requestid';
}

function traitsOf(member: NormalizedSchema): Traits {
  return member.getMergedTraits() as Traits;
}

function isInBody(traits: Traits): boolean {
  return (
    !traits.httpLabel &&
    !traits.httpQuery &&
    !traits.httpQueryParams &&
    !traits.httpHeader &&
    traits.httpPrefixHeaders === undefined &&
    !traits.httpPayload &&
    !traits.httpResponseCode
  );
}

/** The value of a member that is not in the body's own structure. */
function bound(
  model: Model,
  member: NormalizedSchema,
  label: string | undefined,
  request: WireRequest,
  named: Set<string | undefined>,
): unknown {
  const traits = traitsOf(member);
  if (traits.httpLabel) return label === undefined ? undefined : fromText.read(member, label);
  if (traits.httpQuery) {
    const sent = request.query.getAll(traits.httpQuery);
    if (sent.length === 0) return undefined;
    if (!member.isListSchema()) return fromText.read(member, sent[0] ?? '');
    return sent.map((value) => fromText.read(member.getValueSchema(), value));
  }
  if (traits.httpQueryParams) {
    const others = [...new Set(request.query.keys())].filter((key) => !named.has(key));
    const lists = member.getValueSchema().isListSchema();
    return Object.fromEntries(others.map((key) => [key, lists ? request.query.getAll(key) : request.query.get(key)]));
  }
  if (traits.httpHeader) {
    const sent = request.headers[traits.httpHeader.toLowerCase()];
    return sent === undefined ? undefined : fromText.read(member, sent);
  }
  if (traits.httpPrefixHeaders !== undefined) {
    const prefix = traits.httpPrefixHeaders.toLowerCase();
    const sent = Object.entries(request.headers).filter(([name]) => name.startsWith(prefix));
    return sent.length === 0 ? undefined : Object.fromEntries(sent.map(([name, value]) => [name.slice(prefix.length), value]));
  }
  if (traits.httpPayload) {
    if (member.isBlobSchema()) return request.body;
    if (request.body.length === 0) return undefined;
    return member.isStringSchema() ? request.body.toString('utf8') : parse(model, member, request.body);
  }
  return undefined;
}

function parse(model: Model, schema: NormalizedSchema, body: Buffer): unknown {
  try {
    return model.codec?.createDeserializer().read(schema, body);
  } catch {
    throw model.protocol === 'restXml'
      ? new AwsError('MalformedXML', 'The XML you provided was not well-formed or did not validate against our published schema')
      : new AwsError('SerializationException', 'The request body is not valid JSON for this operation.');
  }
}

function text(schema: NormalizedSchema, value: unknown): string {
  toText.write(schema, value);
  return String(toText.flush());
}

function serialize(model: Model, schema: NormalizedSchema, value: unknown): string | Uint8Array {
  const serializer = model.codec!.createSerializer();
  serializer.write(schema, value);
  return serializer.flush();
}

function writeBody(
  model: Model,
  output: NormalizedSchema,
  values: Record<string, unknown>,
  members: ReadonlySet<string>,
): string | Uint8Array {
  const name = traitsOf(output).xmlName ?? output.getName() ?? '';
  // GetBucketLocation answers its only member as the root itself.
  if (model.protocol === 'restXml' && members.size === 1 && members.has(name)) {
    return `<${name} xmlns="${model.xmlNamespace}">${escapeXml((values[name] as string | undefined) ?? '')}</${name}>`;
  }
  return serialize(model, structNamed(output, name, members), values);
}
