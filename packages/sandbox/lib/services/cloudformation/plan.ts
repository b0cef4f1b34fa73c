/** What an update would change: by difference to the stored properties, never by looking at the live resources. */
import { dependencies, sorted } from './graph';
import { Evaluator, knownAfterApply, type Lookup } from './intrinsics';
import type { Properties, Resource, Template } from './records';
import { invalid } from './template';
import type { ResourceType } from './type';

export interface Difference {
  readonly names: string[];
  readonly replaces: boolean;
}

export function difference(type: ResourceType, before: Properties, after: Properties): Difference {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => canonical(before[name]) !== canonical(after[name]),
  );
  return {
    names,
    replaces: names.some((name) => type.createOnly.includes(name)) || (names.length > 0 && (type.replaces?.(before, after) ?? false)),
  };
}

/** A text that is equal for equal values: the order of keys means nothing, and `"80"` is `80`. */
export function canonical(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object') {
    const entries = Object.entries(value).filter(([, child]) => child !== undefined && child !== null);
    return `{${entries
      .map(([key, child]) => `${JSON.stringify(key)}:${canonical(child)}`)
      .sort()
      .join(',')}}`;
  }
  return JSON.stringify(String(value));
}

interface Planning {
  readonly lookup: Omit<Lookup, 'ref' | 'attribute'>;
  readonly template: Template;
  readonly resources: ReadonlyMap<string, Resource>;
  type(name: string): ResourceType;
}

/** The changes of a change set, in the shape DescribeChangeSet answers. Outputs are not resources and not listed. */
export async function plan({ lookup, template, resources, type }: Planning): Promise<Properties[]> {
  const unknown = new Set<string>();
  const unsure = new Set<string>();
  const evaluator = await new Evaluator({
    ...lookup,
    ref: (id) => (unknown.has(id) ? knownAfterApply : (resources.get(id)?.physicalId ?? knownAfterApply)),
    attribute: (id, name) =>
      unknown.has(id) || unsure.has(id) ? knownAfterApply : (resources.get(id)?.attributes[name] ?? knownAfterApply),
  }).readSsm();
  const changes: Properties[] = [];
  for (const id of sorted(dependencies(template, evaluator))) {
    const definition = template.Resources[id]!;
    const stored = resources.get(id);
    const after = (evaluator.value(definition.Properties ?? {}) ?? {}) as Properties;
    if (!stored) {
      unknown.add(id);
      changes.push(change('Add', id, definition.Type));
      continue;
    }
    if (stored.type !== definition.Type)
      throw invalid(
        `Update of resource type is not permitted. The new template modifies resource type of the following resources: [${id}]`,
      );
    const { names, replaces } = difference(type(definition.Type), stored.properties, after);
    const metadata = canonical(definition.Metadata) !== canonical(stored.metadata ? JSON.parse(stored.metadata) : undefined);
    const policies = definition.DeletionPolicy !== stored.deletionPolicy || definition.UpdateReplacePolicy !== stored.updateReplacePolicy;
    if (names.length === 0 && !metadata && !policies) continue;
    if (replaces) unknown.add(id);
    // only a custom resource's attributes are whatever its function answers next.
    if (names.length > 0 && isCustom(definition.Type)) unsure.add(id);
    const scope = [...(names.length > 0 ? ['Properties'] : []), ...(metadata ? ['Metadata'] : []), ...(policies ? ['DeletionPolicy'] : [])];
    changes.push({
      ...change('Modify', id, definition.Type, stored.physicalId),
      ...(replaces ? { PolicyAction: stored.updateReplacePolicy === 'Retain' ? 'ReplaceAndRetain' : 'ReplaceAndDelete' } : {}),
      Replacement: replaces ? 'True' : 'False',
      Scope: scope,
      Details: [
        ...names.map((name) => ({
          Target: {
            Attribute: 'Properties',
            Name: name,
            RequiresRecreation: type(definition.Type).createOnly.includes(name) || replaces ? 'Always' : 'Never',
          },
          Evaluation: canonical(after[name]).includes(knownAfterApply) ? 'Dynamic' : 'Static',
          ChangeSource: 'DirectModification',
        })),
        ...scope.slice(names.length > 0 ? 1 : 0).map((attribute) => ({
          Target: { Attribute: attribute, RequiresRecreation: 'Never' },
          Evaluation: 'Static',
          ChangeSource: 'DirectModification',
        })),
      ],
    });
  }
  for (const stored of resources.values()) {
    const definition = template.Resources[stored.logicalId];
    if (!definition || !evaluator.active(definition))
      changes.push({
        ...change('Remove', stored.logicalId, stored.type, stored.physicalId),
        PolicyAction: stored.deletionPolicy === 'Retain' ? 'Retain' : 'Delete',
      });
  }
  return changes.map((one) => ({ Type: 'Resource', ResourceChange: one }));
}

const change = (action: string, id: string, type: string, physicalId?: string): Properties => ({
  Action: action,
  LogicalResourceId: id,
  ResourceType: type,
  ...(physicalId ? { PhysicalResourceId: physicalId } : {}),
  Scope: [],
  Details: [],
});

export const isCustom = (type: string): boolean => type.startsWith('Custom::') || type === 'AWS::CloudFormation::CustomResource';
