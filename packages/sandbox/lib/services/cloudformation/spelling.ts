/**
 * Properties of a template in the spelling of the SDK: templates say `ContainerDefinitions` where the SDK says
 * `containerDefinitions`. The SDK's own schemas know the names; keys of maps are the user's and stay as they are.
 */
import type { NormalizedSchema } from '@smithy/core/schema';
import type { ServiceName } from '../../service-names';
import { modelOf } from '../../wire/model';

/** The input as the operation's schema spells it; what the operation does not know is left out. */
export function spelled(service: ServiceName, operation: string, input: object): object {
  const found = modelOf(service).operations.get(operation);
  if (!found) throw new Error(`the SDK client of ${service} has no operation ${operation}`);
  return spell(found.input, input) as object;
}

function spell(schema: NormalizedSchema, value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (schema.isListSchema()) return [value].flat().map((one) => spell(schema.getValueSchema(), one));
  if (schema.isMapSchema() && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, spell(schema.getValueSchema(), one)]));
  if (!schema.isStructSchema() || typeof value !== 'object') return value;
  const names = memberNames(schema);
  const result: Record<string, unknown> = {};
  for (const [key, one] of Object.entries(value)) {
    const name = names.get(key.toLowerCase());
    const inner = name ? spell(schema.getMemberSchema(name), one) : undefined;
    if (inner !== undefined) result[name!] = inner;
  }
  return result;
}

const known = new Map<unknown, Map<string, string>>();

function memberNames(schema: NormalizedSchema): Map<string, string> {
  const key = schema.getSchema();
  let names = known.get(key);
  if (!names) {
    names = new Map([...schema.structIterator()].map(([name]) => [name.toLowerCase(), name]));
    known.set(key, names);
  }
  return names;
}
