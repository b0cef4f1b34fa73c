/** Plain objects against the schemas: a call in process sees and leaves exactly what a call over HTTP would. */
import type { NormalizedSchema } from '@smithy/core/schema';
import { AwsError } from '../service';
import type { ServiceName } from '../service-names';
import { type Model, type Operation, requiredMembers } from './model';

/** A deep copy with only the members the schema knows; numbers and booleans given as text become what they mean. */
export function shaped(schema: NormalizedSchema, value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (schema.isStructSchema()) {
    if (typeof value !== 'object') return undefined;
    const copy: Record<string, unknown> = {};
    for (const [name, member] of schema.structIterator()) {
      const inner = shaped(member, (value as Record<string, unknown>)[name]);
      if (inner !== undefined) copy[name] = inner;
    }
    return copy;
  }
  if (schema.isListSchema()) {
    const of = schema.getValueSchema();
    return Array.isArray(value) ? value.map((item) => shaped(of, item)) : undefined;
  }
  if (schema.isMapSchema()) {
    const of = schema.getValueSchema();
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shaped(of, item)]));
  }
  if (schema.isDocumentSchema()) return JSON.parse(JSON.stringify(value));
  if (schema.isTimestampSchema()) return new Date(value as Date | string | number);
  if (schema.isNumericSchema()) return typeof value === 'string' ? Number(value) : value;
  if (schema.isBooleanSchema()) return typeof value === 'string' ? value.toLowerCase() === 'true' : value;
  if (schema.isStringSchema()) return typeof value === 'string' ? value : JSON.stringify(value);
  return value;
}

/** Throws what the service answers when a member that must be there is not. S3 takes what it gets. */
export function checkRequired(model: Model, operation: Operation, input: unknown): void {
  if (model.protocol === 'restXml') return;
  const path = missing(operation.input, input, '');
  if (path === undefined) return;
  const code = MISSING[model.service] ?? (model.protocol === 'query' ? 'ValidationError' : 'ValidationException');
  const message =
    code === 'MissingParameter'
      ? `The request must contain the parameter ${path}`
      : `1 validation error detected: Value null at '${path}' failed to satisfy constraint: Member must not be null`;
  throw new AwsError(code, message);
}

const MISSING: Partial<Record<ServiceName, string>> = {
  rds: 'MissingParameter',
  ec2: 'MissingParameter',
  ecs: 'InvalidParameterException',
  secretsmanager: 'InvalidParameterException',
  logs: 'InvalidParameterException',
};

function missing(schema: NormalizedSchema, value: unknown, path: string): string | undefined {
  if (schema.isStructSchema()) {
    const object = (value ?? {}) as Record<string, unknown>;
    const required = new Set(requiredMembers(schema));
    for (const [name, member] of schema.structIterator()) {
      const inner = object[name];
      const at = path ? `${path}.${name}` : name;
      if (inner === undefined || inner === null) {
        if (required.has(name) && !member.isIdempotencyToken()) return at;
        continue;
      }
      const found = missing(member, inner, at);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (schema.isListSchema() && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const found = missing(schema.getValueSchema(), item, `${path}.${index + 1}`);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
