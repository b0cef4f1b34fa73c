/**
 * What the SDK's own client knows about a service, read from the schemas it exports: operations with their input and
 * output, HTTP routes, error codes and statuses, and which protocol it speaks. Nothing here is written by hand.
 */
import { NormalizedSchema } from '@smithy/core/schema';
import type { SchemaRef } from '@smithy/types';
import { SERVICES, type ServiceName } from '../service-names';

/** `[9, namespace, name, traits, input, output]`, as the clients export it. */
type OperationSchema = [9, string, string, { http?: [string, string, number] } | number, SchemaRef, SchemaRef];
/** `[-3, namespace, name, traits, ...]` */
type ErrorSchema = [-3, string, string, { awsQueryError?: [string, number]; error?: string; httpError?: number } | number];

export interface Operation {
  readonly name: string;
  readonly input: NormalizedSchema;
  readonly output: NormalizedSchema;
  /** Method, path pattern and status, for the two REST protocols. */
  readonly http: readonly [string, string, number] | undefined;
}

export interface ErrorModel {
  /** The name of the shape, for example `DBInstanceNotFoundFault`. */
  readonly shape: string;
  /** The code on the wire of the query protocols, for example `DBInstanceNotFound`. */
  readonly code: string;
  readonly status: number;
}

export type ProtocolName = 'query' | 'ec2' | 'json' | 'restJson' | 'restXml';

/** The part of an SDK codec that the wire uses. */
export interface Codec {
  createSerializer(): { write(schema: unknown, value: unknown): void; flush(): string | Uint8Array };
  createDeserializer(): { read(schema: unknown, data: Uint8Array): unknown };
}

export interface Model {
  readonly service: ServiceName;
  readonly protocol: ProtocolName;
  /** `application/x-amz-json-1.1`, for the JSON protocols. */
  readonly contentType: string;
  readonly xmlNamespace: string;
  /** The version of the API that forms name. */
  readonly version: string;
  readonly operations: ReadonlyMap<string, Operation>;
  /** By shape name and by wire code. */
  readonly errors: ReadonlyMap<string, ErrorModel>;
  /** The codec of the JSON and REST protocols. */
  readonly codec: Codec | undefined;
  /** CloudWatch moved from query to JSON and still tells its clients the query code beside the shape. */
  readonly queryCompatible: boolean;
}

const models = new Map<ServiceName, Model>();

/** Loads a client when its service is first called: each costs 50 to 300 ms. */
export function modelOf(service: ServiceName): Model {
  let model = models.get(service);
  if (!model) {
    model = readModel(service);
    models.set(service, model);
  }
  return model;
}

interface ClientConfig {
  protocol: { constructor: { name: string }; getPayloadCodec(): Codec; getShapeId(): string; getDefaultContentType(): string };
  protocolSettings: { xmlNamespace?: string; version?: string; awsQueryCompatible?: boolean };
}

const PROTOCOLS: Readonly<Record<string, ProtocolName>> = {
  'aws.protocols#awsQuery': 'query',
  'aws.protocols#ec2Query': 'ec2',
  'aws.protocols#awsJson1_0': 'json',
  'aws.protocols#awsJson1_1': 'json',
  'aws.protocols#restJson1': 'restJson',
  'aws.protocols#restXml': 'restXml',
};

function readModel(service: ServiceName): Model {
  const client = require(`@aws-sdk/${SERVICES[service].client}`) as Record<string, unknown>;
  const operations = new Map<string, Operation>();
  const errors = new Map<string, ErrorModel>();
  for (const schema of Object.values(client)) {
    if (!Array.isArray(schema)) continue;
    if (schema[0] === 9) {
      const [, , name, traits, input, output] = schema as OperationSchema;
      const http = typeof traits === 'object' ? traits.http : undefined;
      operations.set(name, { name, input: NormalizedSchema.of(input), output: NormalizedSchema.of(output), http });
    } else if (schema[0] === -3) {
      const [, , shape, indicator] = schema as ErrorSchema;
      const traits = typeof indicator === 'object' ? indicator : {};
      const [code = shape, queryStatus] = traits.awsQueryError ?? [];
      const error = { shape, code, status: traits.httpError ?? queryStatus ?? (traits.error === 'server' ? 500 : 400) };
      errors.set(shape, error);
      if (!errors.has(code)) errors.set(code, error);
    }
  }
  const { protocol, protocolSettings } = configOf(client);
  const name = PROTOCOLS[protocol.getShapeId()];
  if (!name) throw new Error(`client of ${service} speaks ${protocol.getShapeId()}, which the sandbox's wire does not know`);
  return {
    service,
    protocol: name,
    contentType: protocol.getShapeId().startsWith('aws.protocols#awsJson')
      ? `application/x-amz-json-${protocol.getShapeId().slice(-3).replace('_', '.')}`
      : protocol.getDefaultContentType(),
    xmlNamespace: protocolSettings.xmlNamespace ?? '',
    version: protocolSettings.version ?? '',
    operations,
    errors,
    codec: name === 'query' || name === 'ec2' ? undefined : readingAtOnce(protocol.getPayloadCodec()),
    queryCompatible: protocolSettings.awsQueryCompatible ?? false,
  };
}

/** The SDK's JSON deserializer answers a promise, although there is nothing to wait for; the XML one does not. */
function readingAtOnce(codec: Codec): Codec {
  return {
    createSerializer: () => codec.createSerializer(),
    createDeserializer() {
      const deserializer = codec.createDeserializer() as ReturnType<Codec['createDeserializer']> & {
        readObject?(schema: unknown, value: unknown): unknown;
      };
      if (!deserializer.readObject) return deserializer;
      return { read: (schema, data) => deserializer.readObject?.(schema, JSON.parse(Buffer.from(data).toString('utf8'))) };
    },
  };
}

function configOf(client: Record<string, unknown>): ClientConfig {
  const found = Object.entries(client).find(([key]) => key.endsWith('Client') && key !== '__Client');
  const Client = found?.[1] as new (options: object) => { config: ClientConfig };
  return new Client({ region: 'us-east-1', endpoint: 'http://localhost', credentials: { accessKeyId: '-', secretAccessKey: '-' } }).config;
}

/** Names of the members a structure must have: the schemas list them first and say how many they are. */
export function requiredMembers(schema: NormalizedSchema): string[] {
  const raw = schema.getSchema();
  return Array.isArray(raw) ? ((raw[4] as string[] | undefined) ?? []).slice(0, (raw[6] as number | undefined) ?? 0) : [];
}

/** The same structure under another name and, if given, with some of its members only. */
export function structNamed(schema: NormalizedSchema, name: string, only?: ReadonlySet<string>): NormalizedSchema {
  const members = Object.entries(schema.getMemberSchemas()).filter(([member]) => !only || only.has(member));
  const raw = [3, 'sandbox', name, 0, members.map(([member]) => member), members.map(([, of]) => [of, 0])];
  return NormalizedSchema.of(raw as unknown as SchemaRef);
}
